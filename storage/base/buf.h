/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * buf.h - a growing run of bytes that is born with its cap.
 *
 * Past the cap, adding answers FW_ETOOBIG and leaves the buffer as it was, so
 * that a caller can send what it has and go on.
 */
#ifndef FW_STORAGE_BASE_BUF_H
#define FW_STORAGE_BASE_BUF_H

#include <stddef.h>

#include "storage/base/err.h"

struct fw_buf {
    char *data; /* owned; always followed by a NUL once anything was added */
    size_t len;
    size_t cap;
    size_t max; /* most bytes it may hold */
};

#define FW_BUF_INIT(max_bytes)                                                 \
    {                                                                          \
        .data = NULL, .len = 0, .cap = 0, .max = (max_bytes)                   \
    }

void fw_buf_init(struct fw_buf *buf, size_t max);
void fw_buf_release(struct fw_buf *buf); /* empty and reusable afterwards */
void fw_buf_clear(struct fw_buf *buf);   /* keeps the memory */

/* Makes room for `more` bytes beyond len. FW_ETOOBIG or FW_ENOMEM. */
FW_CHECK fw_rc fw_buf_reserve(struct fw_buf *buf, size_t more);
FW_CHECK fw_rc fw_buf_add(struct fw_buf *buf, const void *bytes, size_t n);
FW_CHECK fw_rc fw_buf_adds(struct fw_buf *buf, const char *text);
FW_CHECK fw_rc fw_buf_addc(struct fw_buf *buf, char c);
FW_CHECK fw_rc fw_buf_printf(struct fw_buf *buf, const char *fmt, ...)
    FW_PRINTF(2, 3);

/* Drops the first n bytes (n <= len), moving the rest to the front. */
void fw_buf_consume(struct fw_buf *buf, size_t n);

/*
 * Grows the array *items of *cap elements so that it holds `need`, doubling,
 * never past `max` elements. FW_ETOOBIG past max, FW_ENOMEM; the array is
 * untouched on failure. The caller frees *items.
 */
FW_CHECK fw_rc fw_grow(void *items, size_t *cap, size_t need, size_t item_bytes,
                       size_t max);

#endif
