/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * gzip.h - zlib's door in the HTTP room: request bodies inflated as a stream
 * under a cap, replies deflated piece by piece.
 */
#ifndef SERVER_HTTP_GZIP_H
#define SERVER_HTTP_GZIP_H

#include <stdbool.h>
#include <stdint.h>

#include "storage/base/buf.h"
#include "storage/base/str.h"

/* Inflates gzip (also several members in a row), zlib and raw deflate. */
struct gunzip;
FW_CHECK fw_rc gunzip_new(struct gunzip **out);
void gunzip_free(struct gunzip *gunzip);

/*
 * Adds what `in` inflates to. FW_ETOOBIG past out->max, or past
 * FW_MAX_HTTP_RATIO times the bytes taken so far once beyond 1 MiB; FW_EINVAL
 * for bytes that do not inflate; FW_ENOMEM.
 */
FW_CHECK fw_rc gunzip_add(struct gunzip *gunzip, struct fw_str in,
                          struct fw_buf *out);

/* True if the stream may end here: a member is complete. */
bool gunzip_whole(const struct gunzip *gunzip);

/* Deflates into one gzip member. */
struct gzip;
FW_CHECK fw_rc gzip_new(struct gzip **out);
void gzip_free(struct gzip *gzip);

/* Adds what `in` deflates to; `last` ends the member. */
FW_CHECK fw_rc gzip_add(struct gzip *gzip, struct fw_str in, bool last,
                        struct fw_buf *out);

#endif
