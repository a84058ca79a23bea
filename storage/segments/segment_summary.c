/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * segment_summary.c - what the directory says of the values of a block.
 */
#include <math.h>
#include <string.h>

#include "storage/codec/kernels.h"
#include "storage/segments/segment.h"

/*
 * Neumaier's summation: the error of each addition is kept and added last. The
 * way for all values there are; the totals of the codec's kernels are the same
 * bits, sooner.
 */
static void summarise_any(struct segment_block *b, const double *v, size_t n)
{
    double sum = 0, rest = 0, before = NAN;

    b->min = NAN;
    b->max = NAN;
    b->nans = 0;
    b->increase = 0;
    for (size_t i = 0; i < n; i++) {
        double x = v[i];
        double next = sum + x;

        if (isnan(x)) {
            b->nans++;
            continue;
        }
        if (isinf(next))
            rest = 0;
        else
            rest += fabs(sum) >= fabs(x) ? (sum - next) + x : (x - next) + sum;
        sum = next;
        b->min = !(x >= b->min) ? x : b->min;
        b->max = !(x <= b->max) ? x : b->max;
        if (!isnan(before))
            b->increase += x >= before ? x - before : x;
        before = x;
    }
    b->sum = sum + rest;
}

/* If a value is no number, or a sum too large for one, all begins again. */
static void summarise_one(struct segment_block *b, const double *v, size_t n,
                          const struct codec_totals *totals)
{
    memcpy(&b->first, &v[0], sizeof(b->first));
    memcpy(&b->last, &v[n - 1], sizeof(b->last));
    if (!isfinite(totals->sum) || !isfinite(totals->rest)) {
        summarise_any(b, v, n);
        return;
    }
    b->nans = 0;
    b->sum = totals->sum + totals->rest;
    b->increase = totals->increase;
    b->min = totals->min;
    b->max = totals->max;
}

void segment_summarise_together(struct segment_block *const *b,
                                const double *const *v, size_t blocks, size_t n)
{
    struct codec_totals totals[SEGMENT_TOGETHER];

    for (size_t at = 0, m; at < blocks; at += m) {
        m = blocks - at < SEGMENT_TOGETHER ? blocks - at : SEGMENT_TOGETHER;
        codec_kernels()->totals(v + at, m, n, totals);
        for (size_t i = 0; i < m; i++)
            summarise_one(b[at + i], v[at + i], n, &totals[i]);
    }
}

void segment_summarise(struct segment_block *b, const double *v, size_t n)
{
    segment_summarise_together(&b, &v, 1, n);
}
