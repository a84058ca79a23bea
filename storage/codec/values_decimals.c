/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * values_decimals.c - runs of values that somebody once wrote in decimal.
 *
 * A value is the integer q over 10^k, and some ulps if it went through
 * arithmetic since (0.13399999999999998 is 134 / 10^3 less one ulp) [the idea
 * of decimals is that of Afroozeh et al., ALP, SIGMOD 2024]. What is no such
 * decimal is kept aside bit by bit: NaNs, infinities, -0, stray values.
 */
#include "storage/codec/values_decimals.h"

#include <assert.h>

#include "storage/base/bytes.h"

static size_t group_size(size_t n, size_t at)
{
    return n - at < CODEC_GROUP ? n - at : CODEC_GROUP;
}

static bool failed_at(const struct values_decimals *d, size_t i)
{
    return (d->failed[i / 64] >> (i % 64) & 1) != 0;
}

/* Tries k digits; false once more than `limit` values do not follow. */
static bool try_digits(const double *v, size_t n, unsigned k, size_t limit,
                       struct values_decimals *d)
{
    d->k = k;
    d->exceptions = 0;
    d->any_ulps = 0;
    for (size_t i = 0; i < n; i += CODEC_GROUP) {
        d->exceptions += codec_kernels()->decimal(
            v + i, group_size(n, i), k, d->q + i, d->ulps + i, &d->any_ulps,
            d->failed + i / 64);
        if (d->exceptions > limit)
            return false;
    }
    return true;
}

/* ---- exceptions --------------------------------------------------------- */

/* An exception takes its neighbour's integer, which costs next to nothing. */
static void fill_in(struct values_decimals *d, size_t n)
{
    size_t good = 0;

    while (failed_at(d, good))
        good++;
    for (size_t i = 0; i < n; i++) {
        if (failed_at(d, i))
            d->q[i] = d->q[good];
        else
            good = i;
    }
}

static void list_gaps(struct values_decimals *d, const double *v, size_t n)
{
    size_t last = 0;
    size_t count = 0;
    uint64_t first = 0;
    uint64_t any = 0;

    for (size_t i = 0; i < n; i++) {
        if (!failed_at(d, i))
            continue;
        if (count == 0)
            first = fw_double_bits(v[i]);
        any |= fw_double_bits(v[i]) ^ first;
        d->gaps[count++] = (uint16_t)(i - last);
        last = i;
    }
    d->same = any == 0;
}

static void gaps_take(const struct values_decimals *d, uint64_t *x)
{
    for (size_t i = 0; i < d->exceptions; i++)
        x[i] = d->gaps[i];
}

static size_t put_varint(uint8_t *out, uint64_t v)
{
    uint8_t spare[FW_VARINT_MAX_BYTES];

    return fw_varint_put(out != NULL ? out : spare, v);
}

/* Few gaps are varints, more are a run. With `out` NULL only counts bytes. */
static size_t put_gaps(const struct values_decimals *d, uint8_t *out)
{
    uint64_t x[VALUES_RUN];
    size_t bytes = 0;

    if (d->exceptions < VALUES_GAPS_RUN) {
        for (size_t i = 0; i < d->exceptions; i++)
            bytes += put_varint(out != NULL ? out + bytes : NULL, d->gaps[i]);
        return bytes;
    }
    if (out == NULL)
        return d->gaps_plan.bytes;
    gaps_take(d, x);
    return ints_write(x, &d->gaps_plan, out);
}

static void plan_exceptions(struct values_decimals *d, const double *v,
                            size_t n)
{
    uint64_t x[VALUES_RUN];

    fill_in(d, n);
    list_gaps(d, v, n);
    if (d->exceptions >= VALUES_GAPS_RUN) {
        gaps_take(d, x);
        ints_plan_plain(x, d->exceptions, &d->gaps_plan);
    }
    d->bytes += put_varint(NULL, d->exceptions << 1 | d->same);
    d->bytes += put_gaps(d, NULL);
    d->bytes += 8 * (d->same ? 1 : d->exceptions);
}

static size_t write_exceptions(const struct values_decimals *d, const double *v,
                               uint8_t *out)
{
    uint8_t *p = out + put_varint(out, d->exceptions << 1 | d->same);
    size_t count = d->same ? 1 : d->exceptions;
    size_t at = 0;

    p += put_gaps(d, p);
    for (size_t i = 0; i < count; i++, p += 8) {
        at += d->gaps[i];
        fw_put_le64(p, fw_double_bits(v[at]));
    }
    return (size_t)(p - out);
}

/* ---- planning and writing ----------------------------------------------- */

/* Plans what try_digits left in d; `like` may be NULL. */
static void plan_all(struct values_decimals *d, const double *v, size_t n,
                     const struct ints_manner *like)
{
    d->bytes = 1;
    if (d->exceptions > 0)
        plan_exceptions(d, v, n);
    if (like != NULL)
        ints_plan_like(d->q, n, *like, &d->plan);
    else
        ints_plan(d->q, n, &d->plan);
    d->bytes += d->plan.bytes;
    if (d->any_ulps != 0) {
        ints_plan_like(d->ulps, n, (struct ints_manner){.zigzag = true},
                       &d->ulps_plan);
        d->bytes += d->ulps_plan.bytes;
    }
}

size_t values_decimals_write(const struct values_decimals *d, const double *v,
                             uint8_t *out)
{
    uint8_t *p = out + 1;

    out[0] = (uint8_t)(VALUES_DECIMAL | d->k);
    p += ints_write(d->q, &d->plan, p);
    if (d->any_ulps != 0) {
        out[0] |= VALUES_DECIMAL_ULPS;
        p += ints_write(d->ulps, &d->ulps_plan, p);
    }
    if (d->exceptions > 0) {
        out[0] |= VALUES_DECIMAL_EXCEPTIONS;
        p += write_exceptions(d, v, p);
    }
    assert((size_t)(p - out) == d->bytes);
    return (size_t)(p - out);
}

/* ---- finding the digits ------------------------------------------------- */

/* Values that are no decimals whatever k: NaNs, infinities, -0. */
static size_t hopeless(const double *v, size_t n)
{
    const uint64_t huge = UINT64_C(0x7FF) << 52;
    size_t count = 0;

    for (size_t i = 0; i < n; i++) {
        uint64_t bits = fw_double_bits(v[i]);
        count += (bits & huge) == huge || bits == UINT64_C(1) << 63;
    }
    return count;
}

/* One in 16 may fail, as then the rest pays for it, and one of a few. */
static size_t few_of(size_t n)
{
    return n < 16 ? 1 : n / 16;
}

/* The least k at or above `k` under which at most `limit` values fail. */
static bool find_digits(const double *v, size_t n, unsigned k, size_t limit,
                        struct values_decimals *d)
{
    for (; k <= CODEC_DECIMALS_MAX; k++)
        if (try_digits(v, n, k, limit, d))
            return true;
    return false;
}

/*
 * Fewer digits with exceptions or more digits without them? Only the sizes
 * can tell, so where there are stray values both are planned.
 */
bool values_decimals_search(const double *v, size_t n,
                            struct values_decimals *d)
{
    size_t never = hopeless(v, n);
    size_t stray;
    size_t bytes;
    unsigned k;

    if (never + few_of(n) >= n || !find_digits(v, n, 0, never + few_of(n), d))
        return false;
    k = d->k;
    stray = d->exceptions - never;
    plan_all(d, v, n, NULL);
    if (stray == 0)
        return true;
    bytes = d->bytes;
    if (find_digits(v, n, k + 1, never + stray / 2, d)) {
        plan_all(d, v, n, NULL);
        if (d->bytes < bytes)
            return true;
    }
    (void)try_digits(v, n, k, n, d); /* it passed a moment ago */
    plan_all(d, v, n, NULL);
    return true;
}

bool values_decimals_like(const double *v, size_t n, unsigned k,
                          struct ints_manner manner, struct values_decimals *d)
{
    size_t never;

    if (!try_digits(v, n, k, few_of(n), d)) {
        never = hopeless(v, n);
        if (never == 0 || never + few_of(n) >= n ||
            !try_digits(v, n, k, never + few_of(n), d))
            return false;
    }
    if (d->exceptions == n)
        return false;
    plan_all(d, v, n, &manner);
    return true;
}
