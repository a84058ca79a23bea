/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * kernels_plain.h - the kernels that plain loops do well.
 *
 * Each file of kernels includes this and compiles it for its own processor;
 * the compiler's vectors then are as good as hand-written ones. Only what it
 * cannot turn into vectors by itself is written out in those files.
 */
#ifndef STORAGE_CODEC_KERNELS_PLAIN_H
#define STORAGE_CODEC_KERNELS_PLAIN_H

#include <string.h>

#include "storage/base/bytes.h"
#include "storage/codec/kernels.h"

/* By byte of the unary plane: the zeros before each one, a byte for each;
 * how many ones; the zeros behind the last. */
extern const uint64_t codec_unary_zeros[256];
extern const uint8_t codec_unary_ones[256];
extern const uint8_t codec_unary_rest[256];

static inline uint64_t mask_of(unsigned width)
{
    return width >= 64 ? UINT64_MAX : (UINT64_C(1) << width) - 1;
}

static inline void plain_unpack(const uint8_t *in, unsigned width, size_t n,
                                uint64_t *out)
{
    const uint64_t mask = mask_of(width);

    if (width == 0) {
        memset(out, 0, n * sizeof(*out));
        return;
    }
    if (width <= 57) { /* with 7 bits of offset still inside one load */
        for (size_t i = 0; i < n; i++) {
            size_t bit = i * width;
            out[i] = fw_get_le64(in + bit / 8) >> (bit % 8) & mask;
        }
        return;
    }
    for (size_t i = 0; i < n; i++) {
        size_t bit = i * width;
        unsigned skip = (unsigned)(bit % 8);
        uint64_t low = fw_get_le64(in + bit / 8) >> skip;
        uint64_t high = (uint64_t)in[bit / 8 + 8];
        out[i] = (low | (high << 1) << (63 - skip)) & mask;
    }
}

/*
 * Counts the zeros before each of n ones, a byte at a time by table: the table
 * gives up to eight quotients, of which the first still lacks the zeros that
 * came before (`carry`). A quotient must fit CODEC_UNARY_MAX.
 */
static inline const uint8_t *plain_unary(const uint8_t *p, const uint8_t *end,
                                         size_t n,
                                         uint8_t quotients[CODEC_GROUP + 8])
{
    size_t done = 0;
    unsigned carry = 0;

    for (; p < end; p++) {
        uint64_t zeros = codec_unary_zeros[*p] + carry;
        if ((zeros & 0xFF) > CODEC_UNARY_MAX)
            return NULL;
        fw_put_le64(quotients + done, zeros);
        done += codec_unary_ones[*p];
        if (done >= n)
            return p + 1;
        carry = codec_unary_rest[*p] + (*p == 0 ? carry : 0);
    }
    return NULL;
}

static inline void plain_expand(const uint8_t bitmap[CODEC_GROUP / 8],
                                const uint64_t *packed, size_t n, uint64_t *out)
{
    size_t next = 0;

    for (size_t i = 0; i < n; i++) {
        uint64_t present = bitmap[i / 8] >> (i % 8) & 1;
        out[i] = (packed[next] + 1) & (0 - present);
        next += present;
    }
}

/* An arithmetic shift that the C standard promises. */
static inline uint64_t grid_at(uint64_t position)
{
    const uint64_t sign = UINT64_C(1) << (63 - CODEC_GRID_SHIFT);

    return ((position >> CODEC_GRID_SHIFT) ^ sign) - sign;
}

static inline void plain_scale(uint64_t *x, size_t n, uint64_t gcd,
                               uint64_t base)
{
    for (size_t i = 0; i < n; i++)
        x[i] = base + gcd * x[i];
}

static inline void plain_nudge(const uint64_t *ulps, size_t n, double *out)
{
    for (size_t i = 0; i < n; i++)
        out[i] = fw_double_of_bits(fw_double_bits(out[i]) + ulps[i]);
}

static inline void plain_unorder(const uint64_t *x, size_t n, double *out)
{
    for (size_t i = 0; i < n; i++)
        out[i] = fw_double_of_bits(x[i] ^ ((0 - (x[i] >> 63)) >> 1));
}

static inline bool plain_lookup(const double *entries, size_t count,
                                const uint64_t *ranks, size_t n, double *out)
{
    for (size_t i = 0; i < n; i++) {
        if (ranks[i] >= count)
            return false;
        memcpy(&out[i], &entries[ranks[i]], sizeof(double));
    }
    return true;
}

static inline void differences(struct codec_line *line, const uint64_t *x,
                               size_t n, uint64_t *u)
{
    u[0] = x[0] - line->last;
    for (size_t i = 1; i < n; i++)
        u[i] = x[i] - x[i - 1];
    line->last = x[n - 1];
}

/* From the back, so that it can run in place. */
static inline void second_differences(struct codec_line *line, size_t n,
                                      uint64_t *u)
{
    uint64_t delta = u[n - 1];

    for (size_t i = n - 1; i > 0; i--)
        u[i] -= u[i - 1];
    u[0] -= line->delta;
    line->delta = delta;
}

static inline void plain_residual(struct codec_line *line, const uint64_t *x,
                                  size_t n, uint64_t *u)
{
    switch (line->order) {
    case 1:
        differences(line, x, n, u);
        break;
    case 2:
        differences(line, x, n, u);
        second_differences(line, n, u);
        break;
    case CODEC_ORDER_GRID:
        for (size_t i = 0; i < n; i++)
            u[i] = x[i] - line->last - grid_at(line->position + i * line->step);
        line->position += n * line->step;
        break;
    default:
        memcpy(u, x, n * sizeof(*u));
        break;
    }
    for (size_t i = 0; i < n; i++)
        u[i] -= line->centre;
    if (line->zigzag)
        for (size_t i = 0; i < n; i++)
            u[i] = (u[i] << 1) ^ (0 - (u[i] >> 63));
}

static inline void plain_extent(const uint64_t *r, size_t n, uint64_t *min,
                                uint64_t *sum)
{
    int64_t low = (int64_t)*min;
    uint64_t all = *sum;

    for (size_t i = 0; i < n; i++) {
        low = (int64_t)r[i] < low ? (int64_t)r[i] : low;
        all += r[i];
    }
    *min = (uint64_t)low;
    *sum = all;
}

/* Four counts in turn, as equal lengths in a row would wait for each other. */
static inline void plain_lengths(const uint64_t *u, size_t n,
                                 struct codec_lengths *out)
{
    uint8_t count[4][80] = {{0}};
    uint64_t max = 0;
    uint64_t sum = 0;

    for (size_t i = 0; i < n; i++) {
        /* of (2u + 1), so that zero needs no case of its own */
        unsigned length = 63 - (unsigned)__builtin_clzll((u[i] << 1) | 1);
        count[i % 4][u[i] >> 63 ? 64 : length]++;
        max = u[i] > max ? u[i] : max;
        sum += u[i];
    }
    for (size_t w = 0; w < 65; w++)
        out->count[w] =
            (uint8_t)(count[0][w] + count[1][w] + count[2][w] + count[3][w]);
    out->max = max;
    out->sum = sum;
}

static inline uint64_t plain_quotients(const uint64_t *u, size_t n, unsigned k)
{
    uint64_t sum = 0;

    for (size_t i = 0; i < n; i++)
        sum += u[i] >> k;
    return sum;
}

static inline void plain_pack(const uint64_t *u, size_t n, unsigned width,
                              uint8_t *out)
{
    const uint64_t mask = mask_of(width);
    uint64_t word = 0;
    unsigned used = 0;

    if (width == 0)
        return;
    for (size_t i = 0; i < n; i++) {
        uint64_t v = u[i] & mask;
        word |= v << used;
        used += width;
        if (used >= 64) {
            fw_put_le64(out, word);
            out += 8;
            used -= 64;
            word = used > 0 ? v >> (width - used) : 0;
        }
    }
    if (used > 0)
        fw_put_le64(out, word);
}

#endif
