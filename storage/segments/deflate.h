/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * deflate.h - the one door to zlib: a whole buffer in, a whole buffer out.
 */
#ifndef STORAGE_DEFLATE_H
#define STORAGE_DEFLATE_H

#include "storage/base/buf.h"
#include "storage/base/err.h"

/* Adds the zlib stream of n bytes to `out`. Levels 1 (fast) to 9 (small). */
FW_CHECK fw_rc deflate_pack(const void *bytes, size_t n, int level,
                            struct fw_buf *out);

/*
 * Unpacks hostile bytes into exactly `out_n` bytes. FW_ECORRUPT if they are no
 * stream or one of another length.
 */
FW_CHECK fw_rc deflate_unpack(const void *bytes, size_t n, void *out,
                              size_t out_n);

#endif
