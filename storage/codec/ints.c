/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * ints.c - reads and writes runs of integers; ints_plan.c chooses how.
 *
 *   u8       order (bits 0-1), zigzag (2), divisor (3), one tag (4),
 *            fraction of the grid's step (5)
 *   varints  [divisor, base] [last] [delta | step] centre
 *   groups   tag byte (once if "one tag"), payload
 */
#include "storage/codec/ints.h"

#include <assert.h>

#include "storage/base/bytes.h"
#include "storage/codec/bits.h"
#include "storage/codec/ints_header.h"

enum {
    FLAG_ORDER = 3,
    FLAG_ZIGZAG = 4,
    FLAG_GCD = 8,
    FLAG_ONE_TAG = 16,
    FLAG_FRACTION = 32,
    FLAG_UNKNOWN = 0xC0
};

static size_t put_signed(uint8_t *out, uint64_t v)
{
    return fw_varint_put(out, fw_zigzag((int64_t)v));
}

static bool whole(uint64_t step)
{
    return (step & ((UINT64_C(1) << CODEC_GRID_SHIFT) - 1)) == 0;
}

size_t ints_header_write(const struct ints_plan *plan, uint8_t *out)
{
    const struct codec_line *line = &plan->line;
    uint8_t *p = out + 1;
    unsigned flags = line->order;

    flags |= line->zigzag ? FLAG_ZIGZAG : 0;
    flags |= plan->one_tag ? FLAG_ONE_TAG : 0;
    if (plan->gcd != 1) {
        flags |= FLAG_GCD;
        p += fw_varint_put(p, plan->gcd);
        p += put_signed(p, plan->base);
    }
    if (line->order != 0)
        p += put_signed(p, line->last);
    if (line->order == 2)
        p += put_signed(p, line->delta);
    if (line->order == CODEC_ORDER_GRID) {
        if (whole(line->step)) {
            p += put_signed(
                p, (uint64_t)((int64_t)line->step / (1 << CODEC_GRID_SHIFT)));
        } else {
            flags |= FLAG_FRACTION;
            p += put_signed(p, line->step);
        }
    }
    p += put_signed(p, line->centre);
    out[0] = (uint8_t)flags;
    return (size_t)(p - out);
}

size_t ints_write(const uint64_t *x, const struct ints_plan *plan, uint8_t *out)
{
    CODEC_ALIGNED uint64_t u[CODEC_ROOM];
    struct codec_line line = plan->line;
    uint8_t *p = out + ints_header_write(plan, out);

    for (size_t i = 0; i < plan->n; i += CODEC_GROUP) {
        size_t n = plan->n - i < CODEC_GROUP ? plan->n - i : CODEC_GROUP;
        uint8_t tag = plan->tags[plan->one_tag ? 0 : i / CODEC_GROUP];

        codec_kernels()->residual(&line, x + i, n, u);
        if (i == 0 || !plan->one_tag)
            *p++ = tag;
        p += bits_write(u, n, tag, p);
    }
    assert((size_t)(p - out) == plan->bytes);
    return (size_t)(p - out);
}

/* ---- reading ------------------------------------------------------------ */

static bool get_varint(struct ints_reader *r, uint64_t *v)
{
    size_t n = fw_varint_get(r->in, (size_t)(r->end - r->in), v);

    r->in += n;
    return n > 0;
}

static bool get_signed(struct ints_reader *r, uint64_t *v)
{
    uint64_t raw;

    if (!get_varint(r, &raw))
        return false;
    *v = (uint64_t)fw_unzigzag(raw);
    return true;
}

static bool get_prediction(struct ints_reader *r, bool fraction)
{
    if (r->line.order != 0 && !get_signed(r, &r->line.last))
        return false;
    if (r->line.order == 2 && !get_signed(r, &r->line.delta))
        return false;
    if (r->line.order == CODEC_ORDER_GRID) {
        if (!get_signed(r, &r->line.step))
            return false;
        if (!fraction)
            r->line.step <<= CODEC_GRID_SHIFT;
    }
    return true;
}

bool ints_open(struct ints_reader *r, const uint8_t *in, const uint8_t *end)
{
    unsigned flags;

    *r = (struct ints_reader){.in = in, .end = end, .gcd = 1};
    if (in == end || (*in & FLAG_UNKNOWN) != 0)
        return false;
    flags = *r->in++;
    r->line.order = flags & FLAG_ORDER;
    r->line.zigzag = (flags & FLAG_ZIGZAG) != 0;
    r->one_tag = (flags & FLAG_ONE_TAG) != 0;
    if ((flags & FLAG_GCD) != 0 &&
        (!get_varint(r, &r->gcd) || !get_signed(r, &r->base)))
        return false;
    if (!get_prediction(r, (flags & FLAG_FRACTION) != 0) ||
        !get_signed(r, &r->line.centre))
        return false;
    if (r->one_tag) {
        if (r->in == r->end)
            return false;
        r->tag = *r->in++;
    }
    return true;
}

static bool next_tag(struct ints_reader *r)
{
    if (r->one_tag)
        return true;
    if (r->in == r->end)
        return false;
    r->tag = *r->in++;
    return true;
}

static bool read_group(struct ints_reader *r, size_t n, uint64_t *x)
{
    const struct codec_kernels *k = codec_kernels();

    r->in = bits_read(r->in, r->end, r->tag, n, x);
    if (r->in == NULL)
        return false;
    k->restore(&r->line, x, n);
    if (r->gcd != 1)
        k->scale(x, n, r->gcd, r->base);
    return true;
}

bool ints_next(struct ints_reader *r, size_t n, uint64_t *x)
{
    return next_tag(r) && read_group(r, n, x);
}

bool ints_next_decimals(struct ints_reader *r, size_t n, unsigned k,
                        double *out)
{
    CODEC_ALIGNED uint64_t x[CODEC_ROOM];
    const uint8_t *behind = NULL;

    if (!next_tag(r))
        return false;
    if (r->gcd == 1)
        behind = bits_read_narrow(r->in, r->end, r->tag, n, &r->line, k, out);
    if (behind != NULL) {
        r->in = behind;
        return true;
    }
    if (!read_group(r, n, x))
        return false;
    codec_kernels()->divide(x, n, k, out);
    return true;
}
