/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * digest.c - the pieces of a window in order of time: runs of samples that
 * were read, and summaries of blocks that were not. A sum is compensated over
 * both; it may differ in its last bit from one over every sample.
 */
#include "query/eval/digest.h"

#include <math.h>

#include "query/functions/functions.h"

#define LEAST_RANGE_MS (15 * FW_MINUTE)

bool digest_pays(const struct window_job *job)
{
    return job->range >= LEAST_RANGE_MS && !window_overlaps(job);
}

/* Is one of the instants first, first + step, ... (n of them) in from..to? */
static bool has_instant(fw_ms first, fw_ms step, size_t n, fw_ms from, fw_ms to)
{
    fw_ms last = first + step * (fw_ms)(n - 1);
    fw_ms next;

    if (from > last || to < first)
        return false;
    if (from <= first)
        return true;
    next = first + (from - first + step - 1) / step * step;
    return next <= to && next <= last;
}

bool digest_fits(const void *self, fw_ms t_first, fw_ms t_last)
{
    const struct window_job *job = self;
    size_t steps = job->fixed ? 1 : job->grid->count;
    fw_ms end = (job->fixed ? job->at : job->grid->start) - job->offset;
    fw_ms step = job->grid->step;

    /* A window's edge e parts samples at t <= e from those behind it. */
    return t_first == t_last ||
           !(has_instant(end, step, steps, t_first, t_last - 1) ||
             has_instant(end - job->range, step, steps, t_first, t_last - 1));
}

/* ---- One window -----------------------------------------------------------
 */

/* What came together so far. */
struct gathered {
    size_t n;
    struct ksum sum;
    double first, last;
    double min, max; /* NaN until there is a number */
    fw_ms t_first, t_last;
    double rise; /* of a counter */
};

static void add_extremes(struct gathered *g, double min, double max)
{
    if (isnan(g->min) || min < g->min)
        g->min = min;
    if (isnan(g->max) || max > g->max)
        g->max = max;
}

/* A fall is a counter's beginning anew. */
static void add_rise(struct gathered *g, double v)
{
    if (g->n > 0)
        g->rise += v >= g->last ? v - g->last : v;
}

/* Of many samples only what the function asks for is worked out. */
static void add_samples(struct gathered *g, enum digest_kind kind,
                        const struct window_job *job, size_t from, size_t to)
{
    const double *v = job->v;

    if (to <= from)
        return;
    if (g->n == 0) {
        g->first = v[from];
        g->t_first = job->t[from];
    }
    for (size_t i = from; i < to && kind >= DIGEST_RATE; i++) {
        add_rise(g, v[i]);
        g->last = v[i];
        g->n++;
    }
    g->last = v[to - 1];
    g->t_last = job->t[to - 1];
    g->n += kind >= DIGEST_RATE ? 0 : to - from;
    for (size_t i = from; i < to && (kind == DIGEST_SUM || kind == DIGEST_AVG);
         i++)
        ksum_add(&g->sum, v[i]);
    for (size_t i = from; i < to && (kind == DIGEST_MIN || kind == DIGEST_MAX);
         i++)
        add_extremes(g, v[i], v[i]);
}

static void add_summary(struct gathered *g, const struct fw_summary *s)
{
    if (g->n == 0) {
        g->first = s->first;
        g->t_first = s->t_first;
    }
    add_rise(g, s->first);
    g->rise += s->increase;
    g->last = s->last;
    g->t_last = s->t_last;
    g->n += s->n;
    ksum_add(&g->sum, s->sum);
    add_extremes(g, s->min, s->max);
}

/* rate, increase, delta; absent where there are less than two samples. */
static double rate_of(enum digest_kind kind, const struct gathered *g,
                      const struct walk *w)
{
    struct window_ends ends = {w->from,   w->to, g->t_first,
                               g->t_last, g->n,  g->first};
    double seconds = kind == DIGEST_RATE ? (double)w->job->range / 1000 : 1;

    if (g->n < 2)
        return absent();
    return window_extrapolate(
        &ends, kind == DIGEST_DELTA ? g->last - g->first : g->rise,
        kind != DIGEST_DELTA, seconds);
}

/* The value of a window that is not empty; false: read every sample. */
static bool value_of(enum digest_kind kind, const struct gathered *g,
                     const struct walk *w, double *out)
{
    double n = (double)g->n;

    switch (kind) {
    case DIGEST_COUNT:
        *out = n;
        return true;
    case DIGEST_PRESENT:
        *out = 1;
        return true;
    case DIGEST_FIRST:
        *out = g->first;
        return true;
    case DIGEST_LAST:
        *out = g->last;
        return true;
    case DIGEST_MIN:
        *out = g->min;
        return true;
    case DIGEST_MAX:
        *out = g->max;
        return true;
    case DIGEST_RATE:
    case DIGEST_INCREASE:
    case DIGEST_DELTA:
        *out = rate_of(kind, g, w);
        return true;
    case DIGEST_SUM:
        *out = isinf(g->sum.sum) ? g->sum.sum : g->sum.sum + g->sum.c;
        return true;
    default: /* an average may be finite although its sum is not */
        *out = g->sum.sum / n + g->sum.c / n;
        return !isinf(g->sum.sum);
    }
}

fw_rc digest_row(const struct window_job *job, const struct digest *digests,
                 size_t count, double *out)
{
    enum digest_kind kind = job->call->function->digest;
    struct walk w = walk_begin(job);
    size_t first = 0;
    bool empty = true;

    while (walk_next(&w)) {
        struct gathered g = {.min = NAN, .max = NAN};
        size_t at = w.lo;

        out[w.step] = absent();
        while (first < count && digests[first].summary.t_last <= w.from)
            first++;
        for (size_t d = first; d < count && digests[d].summary.t_last <= w.to;
             d++) {
            add_samples(&g, kind, job, at, digests[d].at);
            at = digests[d].at;
            add_summary(&g, &digests[d].summary);
        }
        add_samples(&g, kind, job, at, w.hi);
        if (g.n == 0)
            continue;
        if (!value_of(kind, &g, &w, &out[w.step]))
            return FW_EINVAL;
        empty = empty && is_absent(out[w.step]);
    }
    return empty ? FW_NONE : FW_OK;
}
