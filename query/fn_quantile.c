/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * fn_quantile.c - quantiles of a window.
 *
 * The samples of a series are sorted once; a Fenwick tree over their ranks
 * counts which of them are in the window, so a sample comes, goes or is found
 * by its place in O(log n) and a quantile costs no more, however long the
 * window is [Fenwick: A New Data Structure for Cumulative Frequency Tables,
 * 1994].
 */
#include <math.h>
#include <stdlib.h>

#include "query/window.h"

/* NaN before all numbers. */
static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a;
    double y = *(const double *)b;

    if (isnan(x) || isnan(y))
        return isnan(y) - isnan(x);
    return (x > y) - (x < y);
}

/* True if q is no quantile; *out is then what stands for it. */
static bool out_of_range(double q, double *out)
{
    if (isnan(q))
        *out = NAN;
    else if (q < 0)
        *out = -INFINITY;
    else if (q > 1)
        *out = INFINITY;
    else
        return false;
    return true;
}

double quantile_of(double q, double *v, size_t n)
{
    double out = NAN;
    double rank, low;

    if (n == 0 || out_of_range(q, &out))
        return out;
    qsort(v, n, sizeof(*v), by_value);
    rank = q * (double)(n - 1);
    low = floor(rank);
    return v[(size_t)low] * (1 - (rank - low)) +
           v[low + 1 < (double)n ? (size_t)low + 1 : n - 1] * (rank - low);
}

/* ---- Which samples are in the window ------------------------------------- */

struct ranked {
    double v;
    uint32_t at; /* index of the sample */
};

static int by_rank(const void *a, const void *b)
{
    const struct ranked *x = a;
    const struct ranked *y = b;
    int order = by_value(&x->v, &y->v);

    return order != 0 ? order : (x->at > y->at) - (x->at < y->at);
}

struct present {
    struct ranked *sorted;
    uint32_t *rank; /* of each sample */
    uint32_t *tree; /* Fenwick, 1-based */
    size_t n;
    size_t top; /* the largest power of two <= n */
};

static bool present_init(struct present *m, const struct window_job *job)
{
    size_t n = job->n;
    char *p =
        scratch_get(job->scratch, n * (sizeof(*m->sorted) + sizeof(*m->rank)) +
                                      (n + 1) * sizeof(*m->tree));

    if (p == NULL)
        return false;
    m->sorted = (struct ranked *)(void *)p;
    m->rank = (uint32_t *)(void *)(m->sorted + n);
    m->tree = m->rank + n;
    m->n = n;
    for (m->top = 1; m->top * 2 <= n;)
        m->top *= 2;
    for (size_t i = 0; i < n; i++)
        m->sorted[i] = (struct ranked){job->v[i], (uint32_t)i};
    qsort(m->sorted, n, sizeof(*m->sorted), by_rank);
    for (size_t i = 0; i < n; i++)
        m->rank[m->sorted[i].at] = (uint32_t)i;
    memset(m->tree, 0, (n + 1) * sizeof(*m->tree));
    return true;
}

static void present_count(struct present *m, size_t sample, uint32_t by)
{
    for (size_t i = m->rank[sample] + 1; i <= m->n; i += i & (~i + 1))
        m->tree[i] += by; /* by is 1 or, modulo 2^32, -1 */
}

/* The k-th smallest member, counted from 0; there are more than k. */
static double present_at(const struct present *m, size_t k)
{
    size_t at = 0;
    uint32_t left = (uint32_t)k;

    for (size_t step = m->top; step > 0; step /= 2) {
        if (at + step <= m->n && m->tree[at + step] <= left) {
            at += step;
            left -= m->tree[at];
        }
    }
    return m->sorted[at].v;
}

static double present_quantile(const struct present *m, size_t n, double q)
{
    double out = NAN;
    double rank = q * (double)(n - 1);
    double low = floor(rank);
    size_t i = (size_t)low;

    if (out_of_range(q, &out))
        return out;
    return present_at(m, i) * (1 - (rank - low)) +
           present_at(m, i + 1 < n ? i + 1 : n - 1) * (rank - low);
}

static void note_bad_quantile(const struct window_job *job, double q)
{
    char text[FW_DOUBLE_TEXT_BYTES];

    if (q >= 0 && q <= 1)
        return;
    (void)fw_format_double(text, q);
    notes_add(&job->ev->notes, NOTE_WARNING, job->call->args[0]->span,
              "quantile value should be between 0 and 1, got %s", text);
}

fw_rc window_quantile(const struct window_job *job, double *out)
{
    struct present m;
    struct walk w = walk_begin(job);
    size_t in = 0;  /* samples before this one have come */
    size_t off = 0; /* and those before this one have gone */

    if (!present_init(&m, job))
        return fw_err_set(job->ev->err, FW_ENOMEM, "out of memory");
    while (walk_next(&w)) {
        double q = job->numbers[0][w.step];

        for (; in < w.hi; in++)
            present_count(&m, in, 1);
        for (; off < w.lo; off++)
            present_count(&m, off, UINT32_MAX);
        out[w.step] = absent();
        if (w.hi == w.lo)
            continue;
        note_bad_quantile(job, q);
        out[w.step] = present_quantile(&m, w.hi - w.lo, q);
    }
    return FW_OK;
}

/* Median of the distances from the median. */
fw_rc window_mad(const struct window_job *job, double *out)
{
    double *v = scratch_get(job->scratch, job->n * sizeof(*v));
    struct walk w = walk_begin(job);

    if (v == NULL)
        return fw_err_set(job->ev->err, FW_ENOMEM, "out of memory");
    while (walk_next(&w)) {
        size_t n = w.hi - w.lo;
        double median;

        out[w.step] = absent();
        if (n == 0)
            continue;
        memcpy(v, job->v + w.lo, n * sizeof(*v));
        median = quantile_of(0.5, v, n);
        for (size_t i = 0; i < n; i++)
            v[i] = fabs(job->v[w.lo + i] - median);
        out[w.step] = quantile_of(0.5, v, n);
    }
    return FW_OK;
}
