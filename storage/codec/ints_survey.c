/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * ints_survey.c - what a run of integers has in common, before it is planned.
 */
#include "storage/codec/ints_survey.h"

#include <assert.h>

#include "storage/codec/ints.h"

#define NEIGHBOURS 16
#define SAMPLE_FEW 31

static size_t group_size(size_t n, size_t at)
{
    return n - at < CODEC_GROUP ? n - at : CODEC_GROUP;
}

/* ---- common divisor ----------------------------------------------------- */

static uint64_t gcd_of(uint64_t a, uint64_t b)
{
    while (b != 0) {
        uint64_t rest = a % b;
        a = b;
        b = rest;
    }
    return a;
}

/* Most runs have none, and a few neighbours show it. */
static bool neighbours_share_none(const uint64_t *x, size_t n)
{
    uint64_t g = 0;

    for (size_t i = 1; i < n && i <= NEIGHBOURS && g != 1; i++) {
        uint64_t d = x[i] - x[i - 1];
        g = gcd_of(g, d >> 63 ? 0 - d : d);
    }
    return g == 1;
}

static uint64_t least(const uint64_t *x, size_t n)
{
    int64_t min = (int64_t)x[0];

    for (size_t i = 1; i < n; i++)
        min = (int64_t)x[i] < min ? (int64_t)x[i] : min;
    return (uint64_t)min;
}

/* Differences from the least integer fit 64 bits whatever the integers. */
static uint64_t common_divisor(const uint64_t *x, size_t n, uint64_t min)
{
    uint64_t g = 0;

    for (size_t i = 0; i < n && g != 1; i++) {
        uint64_t d = x[i] - min;
        if (g == 0 || d % g != 0)
            g = gcd_of(g, d);
    }
    return g == 0 ? 1 : g;
}

uint64_t ints_divide(uint64_t *x, size_t n, uint64_t *base)
{
    uint64_t gcd;

    *base = 0;
    if (neighbours_share_none(x, n))
        return 1;
    *base = least(x, n);
    gcd = common_divisor(x, n, *base);
    if (gcd != 1)
        for (size_t i = 0; i < n; i++)
            x[i] = (x[i] - *base) / gcd;
    return gcd;
}

/* ---- residuals ---------------------------------------------------------- */

/* The median of s[0..n), n > 0, in linear time [Hoare 1961, Find]. */
static int64_t median_of(int64_t *s, size_t n)
{
    size_t low = 0;
    size_t high = n - 1;
    size_t want = n / 2;

    while (low < high) {
        int64_t pivot = s[low + (high - low) / 2];
        size_t i = low;
        size_t j = high;
        for (;;) {
            while (s[i] < pivot)
                i++;
            while (s[j] > pivot)
                j--;
            if (i >= j)
                break;
            int64_t swap = s[i];
            s[i++] = s[j];
            s[j--] = swap;
        }
        /* all before j + 1 are <= pivot, all from there on are >= pivot */
        if (want <= j)
            high = j;
        else
            low = j + 1;
    }
    return s[want];
}

static int64_t rounded(int64_t sum, int64_t count)
{
    int64_t rest = sum % count;

    return sum / count + (2 * rest >= count) - (2 * rest <= -count);
}

/*
 * Of bell-shaped residuals the mean of all is a better centre than the median
 * of a sample; of others the median is. The mean is taken for the centre if
 * it lies within the sample's mean deviation from its median.
 */
static bool mean_is_central(const int64_t *sample, size_t n, int64_t median,
                            int64_t mean)
{
    double deviation = 0;
    double off = (double)mean - (double)median;

    for (size_t i = 0; i < n; i++) {
        double d = (double)sample[i] - (double)median;
        deviation += d < 0 ? -d : d;
    }
    return (off < 0 ? -off : off) * (double)n <= deviation;
}

/* The residuals under a line: their least, their mean, and some of them. */
struct residuals {
    uint64_t min;
    int64_t mean;
    size_t count; /* of the sample */
    int64_t sample[INTS_SAMPLE_MAX];
};

static void residuals_of(const uint64_t *x, size_t n, struct codec_line line,
                         size_t sample_max, struct residuals *out)
{
    CODEC_ALIGNED uint64_t r[CODEC_ROOM];
    size_t lead = ints_lead(line.order);
    size_t stride = (n - lead + sample_max - 1) / sample_max;
    size_t next = lead;
    uint64_t sum = 0;

    assert(n > lead && sample_max <= INTS_SAMPLE_MAX);
    out->min = INT64_MAX;
    out->count = 0;
    line.centre = 0;
    line.zigzag = false;
    if (lead > 0)
        line.last = x[lead - 1];
    if (lead > 1)
        line.delta = x[1] - x[0];
    for (size_t i = lead; i < n; i += CODEC_GROUP) {
        size_t m = group_size(n, i);
        codec_kernels()->residual(&line, x + i, m, r);
        codec_kernels()->extent(r, m, &out->min, &sum);
        for (; next < i + m; next += stride)
            out->sample[out->count++] = (int64_t)r[next - i];
    }
    out->mean = rounded((int64_t)sum, (int64_t)(n - lead));
}

void ints_survey(const uint64_t *x, size_t n, struct codec_line line,
                 struct ints_survey *s)
{
    struct residuals r;
    int64_t median;

    residuals_of(x, n, line, INTS_SAMPLE_MAX, &r);
    median = median_of(r.sample, r.count);
    s->min = r.min;
    s->median = (uint64_t)median;
    s->mean = s->median;
    if (mean_is_central(r.sample, r.count, median, r.mean))
        s->mean = (uint64_t)r.mean;
}

/* Whether no more than four fifths of the sample lie on one side of the mean.
 */
static bool mean_divides(const struct residuals *r)
{
    size_t below = 0, above = 0;

    for (size_t i = 0; i < r->count; i++) {
        below += r->sample[i] < r->mean;
        above += r->sample[i] > r->mean;
    }
    return 5 * below <= 4 * r->count && 5 * above <= 4 * r->count;
}

void ints_glance(const uint64_t *x, size_t n, struct codec_line line,
                 struct ints_survey *s)
{
    struct residuals r;

    residuals_of(x, n, line, SAMPLE_FEW, &r);
    s->min = r.min;
    s->mean =
        (uint64_t)(mean_divides(&r) ? r.mean : median_of(r.sample, r.count));
    s->median = s->mean;
}
