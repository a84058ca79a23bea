/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * kernels_scalar.c - the reference kernels, for any processor.
 *
 * Plain loops that say what the others must do. They are written so that a
 * compiler can turn most of them into vectors by itself.
 */
#include "storage/codec/kernels.h"

#include <math.h>
#include <string.h>

#include "storage/base/bytes.h"

/* 1.5 * 2^52: adding it rounds a double below 2^51 to an integer that then
 * stands in the low bits. Vectors without a 64-bit conversion need that. */
#define ROUNDER 6755399441055744.0
#define ROUNDER_BITS 0x4338000000000000u

static uint64_t mask_of(unsigned width)
{
    return width >= 64 ? UINT64_MAX : (UINT64_C(1) << width) - 1;
}

static void scalar_unpack(const uint8_t *in, unsigned width, size_t n,
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

/* The next bytes of [p, end), at most 8, as a little-endian word. */
static uint64_t load_some(const uint8_t *p, const uint8_t *end)
{
    uint64_t word = 0;

    if (end - p >= 8)
        return fw_get_le64(p);
    for (ptrdiff_t i = 0; i < end - p; i++)
        word |= (uint64_t)p[i] << (8 * i);
    return word;
}

/* Counts the zeros before each of n ones, word by word. */
static const uint8_t *unary_read(const uint8_t *p, const uint8_t *end, size_t n,
                                 uint8_t *quotients)
{
    size_t done = 0;
    int previous = -1; /* bit of the last one, seen from the current word */

    while (p < end) {
        uint64_t word = load_some(p, end);
        while (word != 0) {
            int bit = __builtin_ctzll(word);
            int zeros = bit - previous - 1;
            if (zeros > CODEC_UNARY_MAX)
                return NULL;
            quotients[done++] = (uint8_t)zeros;
            if (done == n)
                return p + bit / 8 + 1;
            previous = bit;
            word &= word - 1;
        }
        p += 8;
        previous -= 64;
        if (previous < -(CODEC_UNARY_MAX + 2))
            return NULL;
    }
    return NULL;
}

static const uint8_t *scalar_unrice(const uint8_t *low, unsigned k,
                                    const uint8_t *unary, const uint8_t *end,
                                    size_t n, uint64_t *out)
{
    uint8_t quotients[CODEC_ROOM];
    const uint8_t *after = unary_read(unary, end, n, quotients);

    if (after == NULL)
        return NULL;
    scalar_unpack(low, k, n, out);
    for (size_t i = 0; i < n; i++)
        out[i] |= (uint64_t)quotients[i] << k;
    return after;
}

static void scalar_expand(const uint8_t bitmap[CODEC_GROUP / 8],
                          const uint64_t *packed, size_t n, uint64_t *out)
{
    size_t next = 0;

    for (size_t i = 0; i < n; i++) {
        uint64_t present = bitmap[i / 8] >> (i % 8) & 1;
        out[i] = (packed[next] + 1) & (0 - present);
        next += present;
    }
}

static void unmap(const struct codec_line *line, uint64_t *x, size_t n)
{
    const uint64_t centre = line->centre;

    if (line->zigzag) {
        for (size_t i = 0; i < n; i++)
            x[i] = ((x[i] >> 1) ^ (0 - (x[i] & 1))) + centre;
    } else {
        for (size_t i = 0; i < n; i++)
            x[i] += centre;
    }
}

/* An arithmetic shift that the C standard promises. */
static uint64_t grid_at(uint64_t position)
{
    const uint64_t sign = UINT64_C(1) << (63 - CODEC_GRID_SHIFT);

    return ((position >> CODEC_GRID_SHIFT) ^ sign) - sign;
}

static void scalar_restore(struct codec_line *line, uint64_t *x, size_t n)
{
    uint64_t last = line->last;
    uint64_t delta = line->delta;

    unmap(line, x, n);
    switch (line->order) {
    case 1:
        for (size_t i = 0; i < n; i++)
            x[i] = last += x[i];
        break;
    case 2:
        for (size_t i = 0; i < n; i++) {
            delta += x[i];
            x[i] = last += delta;
        }
        break;
    case CODEC_ORDER_GRID:
        for (size_t i = 0; i < n; i++)
            x[i] += last + grid_at(line->position + i * line->step);
        line->position += n * line->step;
        break;
    default:
        break;
    }
    line->last = last;
    line->delta = delta;
}

static void scalar_scale(uint64_t *x, size_t n, uint64_t gcd, uint64_t base)
{
    for (size_t i = 0; i < n; i++)
        x[i] = base + gcd * x[i];
}

static void scalar_divide(const uint64_t *q, size_t n, unsigned k, double *out)
{
    const double power = codec_power10[k];

    if (k == 0) {
        for (size_t i = 0; i < n; i++)
            out[i] = (double)(int64_t)q[i];
        return;
    }
    for (size_t i = 0; i < n; i++)
        out[i] = (double)(int64_t)q[i] / power;
}

static void scalar_nudge(const uint64_t *ulps, size_t n, double *out)
{
    for (size_t i = 0; i < n; i++)
        out[i] = fw_double_of_bits(fw_double_bits(out[i]) + ulps[i]);
}

static void scalar_unorder(const uint64_t *x, size_t n, double *out)
{
    for (size_t i = 0; i < n; i++)
        out[i] = fw_double_of_bits(x[i] ^ ((0 - (x[i] >> 63)) >> 1));
}

static bool scalar_lookup(const double *entries, size_t count,
                          const uint64_t *ranks, size_t n, double *out)
{
    for (size_t i = 0; i < n; i++) {
        if (ranks[i] >= count)
            return false;
        memcpy(&out[i], &entries[ranks[i]], sizeof(double));
    }
    return true;
}

/*
 * The integer nearest to y: below 2^51 by rounding, above only for plain
 * integers (k of 0), where cutting loses at most one ulp. False: too large,
 * or not a number.
 */
static bool nearest(double y, unsigned k, uint64_t *q)
{
    double size = fabs(y);

    if (size < 0x1p51) {
        *q = fw_double_bits(y + ROUNDER) - ROUNDER_BITS;
        return true;
    }
    if (k == 0 && size < 0x1p63) {
        *q = (uint64_t)(int64_t)y;
        return true;
    }
    return false;
}

static size_t scalar_decimal(const double *v, size_t n, unsigned k, uint64_t *q,
                             uint64_t *ulps, uint64_t *any_ulps,
                             uint64_t failed[CODEC_GROUP / 64])
{
    const double power = codec_power10[k];
    uint64_t any = 0;
    size_t failures = 0;

    memset(failed, 0, CODEC_GROUP / 8);
    for (size_t i = 0; i < n; i++) {
        uint64_t near = 0;
        uint64_t off = 0;
        bool ok = nearest(v[i] * power, k, &near);
        if (ok) {
            double back = (double)(int64_t)near / power;
            off = fw_double_bits(v[i]) - fw_double_bits(back);
            ok = off + CODEC_ULPS_MAX <= 2 * CODEC_ULPS_MAX;
        }
        q[i] = ok ? near : 0;
        ulps[i] = ok ? off : 0;
        any |= ulps[i];
        failed[i / 64] |= (uint64_t)!ok << (i % 64);
        failures += !ok;
    }
    *any_ulps |= any;
    return failures;
}

static void differences(struct codec_line *line, const uint64_t *x, size_t n,
                        uint64_t *u)
{
    u[0] = x[0] - line->last;
    for (size_t i = 1; i < n; i++)
        u[i] = x[i] - x[i - 1];
    line->last = x[n - 1];
}

/* From the back, so that it can run in place. */
static void second_differences(struct codec_line *line, size_t n, uint64_t *u)
{
    uint64_t delta = u[n - 1];

    for (size_t i = n - 1; i > 0; i--)
        u[i] -= u[i - 1];
    u[0] -= line->delta;
    line->delta = delta;
}

static void scalar_residual(struct codec_line *line, const uint64_t *x,
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

static void scalar_lengths(const uint64_t *u, size_t n,
                           struct codec_lengths *out)
{
    uint64_t max = 0;
    uint64_t sum = 0;

    memset(out->count, 0, sizeof(out->count));
    for (size_t i = 0; i < n; i++) {
        /* of (2u + 1), so that zero needs no case of its own */
        unsigned length =
            u[i] >> 63 ? 64 : 63 - (unsigned)__builtin_clzll((u[i] << 1) | 1);
        out->count[length]++;
        max = u[i] > max ? u[i] : max;
        sum += u[i];
    }
    out->max = max;
    out->sum = sum;
}

static uint64_t scalar_quotients(const uint64_t *u, size_t n, unsigned k)
{
    uint64_t sum = 0;

    for (size_t i = 0; i < n; i++)
        sum += u[i] >> k;
    return sum;
}

static void scalar_pack(const uint64_t *u, size_t n, unsigned width,
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

const struct codec_kernels *kernels_scalar(void)
{
    static const struct codec_kernels kernels = {
        .name = "scalar",
        .unpack = scalar_unpack,
        .unrice = scalar_unrice,
        .expand = scalar_expand,
        .restore = scalar_restore,
        .scale = scalar_scale,
        .divide = scalar_divide,
        .nudge = scalar_nudge,
        .unorder = scalar_unorder,
        .lookup = scalar_lookup,
        .decimal = scalar_decimal,
        .residual = scalar_residual,
        .lengths = scalar_lengths,
        .quotients = scalar_quotients,
        .pack = scalar_pack,
    };

    return &kernels;
}
