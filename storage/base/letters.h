/* SPDX-License-Identifier: GPL-3.0-or-later */
/* letters.h - upper and lower case beyond ASCII, whatever the locale. */
#ifndef STORAGE_BASE_LETTERS_H
#define STORAGE_BASE_LETTERS_H

#include "storage/base/buf.h"
#include "storage/base/str.h"

/*
 * Adds `text` with each letter turned by Unicode's simple mapping (one code
 * point to one, as Go's strings.ToUpper and ToLower). Bytes that are no UTF-8
 * become U+FFFD, as there.
 */
FW_CHECK fw_rc fw_letters_upper(struct fw_str text, struct fw_buf *out);
FW_CHECK fw_rc fw_letters_lower(struct fw_str text, struct fw_buf *out);

#endif
