/* SPDX-License-Identifier: GPL-3.0-or-later */
/* gunzip.h - the room's door to zlib: files that end in .gz. */
#ifndef FW_PREDICT_GUNZIP_H
#define FW_PREDICT_GUNZIP_H

#include "storage/base/buf.h"
#include "storage/base/str.h"

/* True for bytes that begin as a gzip file does. */
bool gunzip_is(struct fw_str bytes);

/*
 * Adds what a gzip file (also of several members) holds to `out`, which has
 * the cap. FW_EINVAL for bytes that do not inflate or end too soon.
 */
FW_CHECK fw_rc gunzip_all(struct fw_str bytes, struct fw_buf *out,
                          struct fw_err *err);

#endif
