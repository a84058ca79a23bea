/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * kernels_scalar.c - the reference kernels, for any processor: plain loops
 * that say what the others must do.
 */
#include "storage/codec/kernels.h"

#include <math.h>
#include <string.h>

#include "storage/base/bytes.h"
#include "storage/codec/kernels_plain.h"
#include "storage/codec/kernels_totals.h"

/* 1.5 * 2^52: adding it rounds a double below 2^51 to an integer that then
 * stands in the low bits. Vectors without a 64-bit conversion need that. */
#define ROUNDER 6755399441055744.0
#define ROUNDER_BITS 0x4338000000000000u

static const uint8_t *scalar_unrice(const uint8_t *low, unsigned k,
                                    const uint8_t *unary, const uint8_t *end,
                                    size_t n, uint64_t *out)
{
    CODEC_ALIGNED uint8_t quotients[CODEC_GROUP + 8];
    const uint8_t *after = plain_unary(unary, end, n, quotients);
    const uint64_t mask = mask_of(k);
    const uint64_t unit = UINT64_C(1) << k;

    if (after == NULL)
        return NULL;
    for (size_t i = 0, bit = 0; i < n; i++, bit += k) {
        uint64_t part = fw_get_le64(low + bit / 8) >> (bit % 8) & mask;
        out[i] = quotients[i] * unit + part;
    }
    return after;
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

/* Any int64 to the nearest double, by halves: the sum rounds once. Unlike the
 * cast, this can be done in vectors without AVX-512. */
static inline double double_of(uint64_t q)
{
    double low = fw_double_of_bits((q & 0xFFFFFFFF) | 0x4330000000000000);
    double high = fw_double_of_bits((q >> 32) ^ 0x4530000080000000);

    return (high - 0x1.00000801p84) + low;
}

static void scalar_divide(const uint64_t *q, size_t n, unsigned k, double *out)
{
    const double power = codec_power10[k];

    if (k == 0) {
        for (size_t i = 0; i < n; i++)
            out[i] = double_of(q[i]);
        return;
    }
    for (size_t i = 0; i < n; i++)
        out[i] = double_of(q[i]) / power;
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

const struct codec_kernels *kernels_scalar(void)
{
    static const struct codec_kernels kernels = {
        .name = "scalar",
        .unpack = plain_unpack,
        .unrice = scalar_unrice,
        .expand = plain_expand,
        .restore = scalar_restore,
        .scale = plain_scale,
        .divide = scalar_divide,
        .nudge = plain_nudge,
        .unorder = plain_unorder,
        .lookup = plain_lookup,
        .decimal = scalar_decimal,
        .residual = plain_residual,
        .extent = plain_extent,
        .lengths = plain_lengths,
        .quotients = plain_quotients,
        .pack = plain_pack,
        .totals = plain_totals,
    };

    return &kernels;
}
