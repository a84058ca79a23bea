/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "storage/base/buf.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void fw_buf_init(struct fw_buf *buf, size_t max)
{
    *buf = (struct fw_buf)FW_BUF_INIT(max);
}

void fw_buf_release(struct fw_buf *buf)
{
    free(buf->data);
    buf->data = NULL;
    buf->len = 0;
    buf->cap = 0;
}

void fw_buf_clear(struct fw_buf *buf)
{
    buf->len = 0;
    if (buf->data != NULL)
        buf->data[0] = '\0';
}

fw_rc fw_buf_reserve(struct fw_buf *buf, size_t more)
{
    size_t cap = buf->cap == 0 ? 256 : buf->cap;
    char *data;

    if (more > buf->max || buf->len > buf->max - more)
        return FW_ETOOBIG;
    if (buf->len + more < buf->cap)
        return FW_OK;
    while (cap <= buf->len + more)
        cap = cap > SIZE_MAX / 2 ? buf->len + more + 1 : cap * 2;
    if (buf->max < SIZE_MAX && cap > buf->max + 1)
        cap = buf->max + 1; /* one more than max, for the closing NUL */
    data = realloc(buf->data, cap);
    if (data == NULL)
        return FW_ENOMEM;
    buf->data = data;
    buf->cap = cap;
    return FW_OK;
}

fw_rc fw_buf_add(struct fw_buf *buf, const void *bytes, size_t n)
{
    fw_rc rc = fw_buf_reserve(buf, n);

    if (rc != FW_OK)
        return rc;
    if (n > 0)
        memcpy(buf->data + buf->len, bytes, n);
    buf->len += n;
    buf->data[buf->len] = '\0';
    return FW_OK;
}

fw_rc fw_buf_adds(struct fw_buf *buf, const char *text)
{
    return fw_buf_add(buf, text, strlen(text));
}

fw_rc fw_buf_addc(struct fw_buf *buf, char c)
{
    return fw_buf_add(buf, &c, 1);
}

fw_rc fw_buf_printf(struct fw_buf *buf, const char *fmt, ...)
{
    va_list ap;
    int need;
    fw_rc rc;

    va_start(ap, fmt);
    need = vsnprintf(NULL, 0, fmt, ap);
    va_end(ap);
    if (need < 0)
        return FW_EINVAL;
    rc = fw_buf_reserve(buf, (size_t)need);
    if (rc != FW_OK)
        return rc;
    va_start(ap, fmt);
    (void)vsnprintf(buf->data + buf->len, (size_t)need + 1, fmt, ap);
    va_end(ap);
    buf->len += (size_t)need;
    return FW_OK;
}

void fw_buf_consume(struct fw_buf *buf, size_t n)
{
    if (n >= buf->len) {
        fw_buf_clear(buf);
        return;
    }
    memmove(buf->data, buf->data + n, buf->len - n + 1);
    buf->len -= n;
}

fw_rc fw_grow(void *items, size_t *cap, size_t need, size_t item_bytes,
              size_t max)
{
    size_t want = *cap == 0 ? 8 : *cap;
    void *old;
    void *grown;

    if (need <= *cap)
        return FW_OK;
    if (need > max || need > SIZE_MAX / item_bytes)
        return FW_ETOOBIG;
    while (want < need)
        want = want > max / 2 ? max : want * 2;
    if (want > SIZE_MAX / item_bytes)
        want = need;
    /* `items` is a pointer to some kind of pointer: copied, not aliased. */
    memcpy(&old, items, sizeof(old));
    grown = realloc(old, want * item_bytes);
    if (grown == NULL)
        return FW_ENOMEM;
    memcpy(items, &grown, sizeof(grown));
    *cap = want;
    return FW_OK;
}
