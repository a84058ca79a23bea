/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * fn_quantile.c - quantiles of a window: samples come and go in a set that
 * knows the k-th of them (ranks.c), so a quantile costs no more, however long
 * the window is.
 */
#include <math.h>

#include "query/eval/ranks.h"
#include "query/eval/window.h"

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

/* Between two neighbours in order, by how far the rank is past the first. */
static double between(double low, double high, double weight)
{
    return low * (1 - weight) + high * weight;
}

double quantile_of(double q, double *v, size_t n)
{
    double out = NAN;
    double rank, next;
    size_t k;

    if (n == 0 || out_of_range(q, &out))
        return out;
    rank = q * (double)(n - 1);
    k = (size_t)floor(rank);
    out = ranks_select(v, n, k);
    next = k + 1 < n ? v[k + 1] : out;
    for (size_t i = k + 2; i < n; i++) {
        if (v[i] < next)
            next = v[i];
    }
    return between(out, next, rank - floor(rank));
}

static double present_quantile(const struct ranks *ranks, size_t n, double q)
{
    double out = NAN;
    double rank = q * (double)(n - 1);
    size_t i;

    if (out_of_range(q, &out))
        return out;
    i = (size_t)floor(rank);
    return between(ranks_at(ranks, i), ranks_at(ranks, i + 1 < n ? i + 1 : i),
                   rank - floor(rank));
}

void remark_bad_quantile(const struct window_job *job,
                         const struct fw_labels *labels, const double *row)
{
    char text[FW_DOUBLE_TEXT_BYTES];

    (void)labels;
    for (size_t i = 0; i < job->grid->count; i++) {
        double q = job->numbers[0][i];

        if (is_absent(row[i]) || (q >= 0 && q <= 1))
            continue;
        (void)fw_format_double(text, q);
        notes_add(&job->ev->notes, NOTE_WARNING, job->call->args[0]->span,
                  "quantile value should be between 0 and 1, got %s", text);
    }
}

fw_rc window_quantile(const struct window_job *job, double *out)
{
    void *memory = scratch_get(job->scratch, ranks_bytes(job->n));
    struct ranks ranks;
    struct walk w = walk_begin(job);
    size_t in = 0;  /* samples before this one have come */
    size_t off = 0; /* and those before this one have gone */

    if (memory == NULL)
        return fw_err_set(job->ev->err, FW_ENOMEM, "out of memory");
    ranks_init(&ranks, memory, job->v, job->n);
    while (walk_next(&w)) {
        for (; in < w.hi; in++)
            ranks_add(&ranks, in);
        for (; off < w.lo; off++)
            ranks_remove(&ranks, off);
        out[w.step] = absent();
        if (w.hi > w.lo)
            out[w.step] =
                present_quantile(&ranks, w.hi - w.lo, job->numbers[0][w.step]);
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
