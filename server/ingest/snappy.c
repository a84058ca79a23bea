/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * snappy.c - the block format of snappy [format_description.txt of google/
 * snappy], which is small enough to read by oneself:
 *
 *     varint    bytes of the text
 *     elements  tag byte, low two bits:
 *       0       literal: upper six bits are its length less one; 60 to 63 mean
 *               that one to four bytes with it follow
 *       1       copy of 4 to 11 bytes: three bits length less 4, three bits and
 *               a byte how far back
 *       2, 3    copy of 1 to 64 bytes: six bits length less one, two or four
 *               bytes how far back
 *
 * libsnappy calls memmove for every element, and a remote_write body has some
 * four to seven of those for each sample: reading it here, with copies of whole
 * vectors, costs half. Far from both ends an element is copied without looking
 * how long it is; the rest, and whatever is unusual, goes byte by byte.
 */
#include "server/ingest/snappy.h"

#include <string.h>

#include "storage/base/bytes.h"

/* No element of a block makes more than 64 bytes of less than 2. */
#define MAX_EXPANSION 64

#define STEP 16      /* bytes copied at once */
#define SHORT_MAX 64 /* bytes of an element that is copied blindly */
#define TAG_BYTES 5  /* of the longest tag with what belongs to it */
#define LITERAL_LONG 60

enum { LITERAL = 0, COPY_NEAR = 1, COPY_FAR = 2 };

struct reader {
    const uint8_t *in, *in_end;
    uint8_t *start, *out, *out_end;
};

/* SHORT_MAX bytes, or more than are meant: `to` lies at least STEP behind. */
static inline void copy_blindly(uint8_t *to, const uint8_t *from, size_t n)
{
    memcpy(to, from, STEP);
    memcpy(to + STEP, from + STEP, STEP);
    if (n > 2 * (size_t)STEP) {
        memcpy(to + 2 * (size_t)STEP, from + 2 * (size_t)STEP, STEP);
        memcpy(to + 3 * (size_t)STEP, from + 3 * (size_t)STEP, STEP);
    }
}

/* Elements far from both ends of a usual kind; stops before any other. */
static void read_quickly(struct reader *r)
{
    const uint8_t *in = r->in, *in_end = r->in_end;
    uint8_t *out = r->out;

    while (in_end - in >= TAG_BYTES + SHORT_MAX &&
           r->out_end - out >= SHORT_MAX) {
        unsigned tag = in[0];
        size_t n, back, taken;

        if ((tag & 3) == LITERAL) {
            n = (tag >> 2) + 1;
            if (n > LITERAL_LONG)
                break;
            copy_blindly(out, in + 1, n);
            in += 1 + n;
            out += n;
            continue;
        }
        if ((tag & 3) == COPY_FAR) {
            n = (tag >> 2) + 1;
            back = fw_get_le16(in + 1);
            taken = 3;
        } else if ((tag & 3) == COPY_NEAR) {
            n = (tag >> 2 & 7) + 4;
            back = (size_t)(tag >> 5) << 8 | in[1];
            taken = 2;
        } else {
            break;
        }
        if (back < STEP || back > (size_t)(out - r->start))
            break;
        copy_blindly(out, out - back, n);
        in += taken;
        out += n;
    }
    r->in = in;
    r->out = out;
}

static bool literal(struct reader *r, unsigned tag)
{
    size_t n = tag >> 2;

    if (n >= LITERAL_LONG) {
        size_t bytes = n - LITERAL_LONG + 1;

        if ((size_t)(r->in_end - r->in) < bytes)
            return false;
        n = 0;
        for (size_t i = 0; i < bytes; i++)
            n |= (size_t)r->in[i] << (8 * i);
        r->in += bytes;
    }
    n++;
    if (n > (size_t)(r->in_end - r->in) || n > (size_t)(r->out_end - r->out))
        return false;
    memcpy(r->out, r->in, n);
    r->in += n;
    r->out += n;
    return true;
}

static bool copy(struct reader *r, unsigned tag)
{
    size_t bytes = (tag & 3) == 3 ? 4 : tag & 3;
    size_t n = (tag >> 2) + 1, back = 0;

    if ((size_t)(r->in_end - r->in) < bytes)
        return false;
    for (size_t i = 0; i < bytes; i++)
        back |= (size_t)r->in[i] << (8 * i);
    if ((tag & 3) == COPY_NEAR) {
        n = (tag >> 2 & 7) + 4;
        back |= (size_t)(tag >> 5) << 8;
    }
    r->in += bytes;
    if (back == 0 || back > (size_t)(r->out - r->start) ||
        n > (size_t)(r->out_end - r->out))
        return false;
    for (; n > 0; n--, r->out++) /* what is copied may be made by copying */
        *r->out = *(r->out - back);
    return true;
}

static bool read_all(struct reader *r)
{
    for (;;) {
        unsigned tag;

        read_quickly(r);
        if (r->in == r->in_end)
            return r->out == r->out_end;
        tag = *r->in++;
        if (!((tag & 3) == LITERAL ? literal(r, tag) : copy(r, tag)))
            return false;
    }
}

fw_rc snappy_block_add(struct fw_str block, struct fw_buf *out,
                       struct fw_err *err)
{
    uint64_t length = 0;
    size_t head = fw_varint_get(block.p, block.n, &length);
    struct reader r;
    fw_rc rc;

    if (head == 0 || length > UINT32_MAX)
        return fw_err_set(err, FW_EINVAL, "the body is no snappy block");
    if (length > out->max - out->len)
        return fw_err_set(err, FW_ETOOBIG,
                          "the snappy block claims %zu bytes; the limit is %zu",
                          (size_t)length, out->max - out->len);
    if (length / MAX_EXPANSION > block.n)
        return fw_err_set(err, FW_EINVAL,
                          "the snappy block claims %zu bytes, which its %zu "
                          "cannot hold",
                          (size_t)length, block.n);
    rc = fw_buf_reserve(out, (size_t)length);
    if (rc != FW_OK)
        return fw_err_set(err, rc, "no memory for a body of %zu bytes",
                          (size_t)length);
    r.in = (const uint8_t *)block.p + head;
    r.in_end = (const uint8_t *)block.p + block.n;
    r.start = r.out = (uint8_t *)out->data + out->len;
    r.out_end = r.start + length;
    if (!read_all(&r))
        return fw_err_set(err, FW_EINVAL, "the body is no snappy block");
    out->len += (size_t)length;
    out->data[out->len] = '\0';
    return FW_OK;
}
