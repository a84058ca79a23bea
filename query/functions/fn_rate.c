/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * fn_rate.c - how fast a series moves: rate, increase, delta, their two-sample
 * forms, and what a straight line or exponential smoothing makes of a window.
 */
#include <math.h>

#include "query/eval/lanes.h"
#include "query/eval/window.h"

/* ---- Counter resets ------------------------------------------------------ */

/*
 * The places where a counter fell, so that a window need not look for them
 * again. resets[i] is the index of a sample lower than the one before.
 */
static size_t find_resets(const struct window_job *job, size_t *resets)
{
    size_t count = 0;

    for (size_t i = 1; i < job->n; i++) {
        resets[count] = i;
        count += job->v[i] < job->v[i - 1];
    }
    return count;
}

/*
 * last - first, and what the counter had reached at each reset, added in the
 * order of time as Prometheus adds them.
 */
static double raise_of(const double *v, size_t lo, size_t hi,
                       const size_t *resets, size_t reset_count, size_t *next)
{
    double result = v[hi - 1] - v[lo];

    while (*next < reset_count && resets[*next] <= lo)
        (*next)++;
    for (size_t i = *next; i < reset_count && resets[i] < hi; i++)
        result += v[resets[i] - 1];
    return result;
}

/* ---- rate, increase, delta ----------------------------------------------- */

/*
 * How far a window reaches beyond its samples; this depends on the times
 * alone, so it is found once for all series that share them.
 */
struct reach {
    double sampled; /* seconds from the first sample to the last */
    double to_start, to_end;
    double factor; /* where the start is not cut at zero */
};

/*
 * By what a rise is multiplied to stand for the whole window. Where the first
 * (last) sample is within 1.1 average distances of the edge, the series is
 * taken to go on to the edge, else half an average distance.
 */
static struct reach reach_between(const struct window_ends *e, double seconds)
{
    double to_start = (double)(e->t_first - e->from) / 1000;
    double to_end = (double)(e->to - e->t_last) / 1000;
    double sampled = (double)(e->t_last - e->t_first) / 1000;
    double average = sampled / (double)(e->n - 1);
    double threshold = average * 1.1;

    if (to_start >= threshold)
        to_start = average / 2;
    if (to_end >= threshold)
        to_end = average / 2;
    return (struct reach){sampled, to_start, to_end,
                          (sampled + to_start + to_end) / sampled / seconds};
}

static struct reach reach_of(const struct walk *w, double seconds)
{
    const fw_ms *t = w->job->t;
    struct window_ends ends = {.from = w->from,
                               .to = w->to,
                               .t_first = t[w->lo],
                               .t_last = t[w->hi - 1],
                               .n = w->hi - w->lo};

    return reach_between(&ends, seconds);
}

/* A counter is not followed to below zero, where it would have begun. */
static double counter_factor(const struct reach *r, double first, double rise,
                             double seconds)
{
    double to_zero;

    if (!(rise > 0) || !(first >= 0))
        return r->factor;
    if (first * r->sampled > 2 * r->to_start * rise)
        return r->factor; /* far from zero: spares a division */
    to_zero = r->sampled * (first / rise);
    if (!(to_zero < r->to_start))
        return r->factor;
    return (r->sampled + to_zero + r->to_end) / r->sampled / seconds;
}

double window_extrapolate(const struct window_ends *ends, double rise,
                          bool counter, double seconds)
{
    struct reach reach = reach_between(ends, seconds);

    return rise * (counter ? counter_factor(&reach, ends->first, rise, seconds)
                           : reach.factor);
}

static const struct reach *find_reaches(const struct window_job *job,
                                        double seconds)
{
    struct reach *reaches =
        scratch_get(job->geometry, job->grid->count * sizeof(*reaches));
    struct walk w = walk_begin(job);

    while (job->new_times && reaches != NULL && walk_next(&w)) {
        if (w.hi - w.lo >= 2)
            reaches[w.step] = reach_of(&w, seconds);
    }
    return reaches;
}

/* How far a series rises in one window after the other. */
struct rises {
    const double *v;
    bool whole;     /* few windows overlap: resets are added up in each */
    size_t *resets; /* else: the places of all of them */
    size_t count, next;
};

static bool rises_init(struct rises *r, const struct window_job *job,
                       bool counter)
{
    bool apart = job->range <= 2 * job->grid->step || job->fixed;

    *r = (struct rises){.v = job->v, .whole = counter && job->whole && apart};
    if (!counter || r->whole || !lanes_fall(job->v, job->n))
        return true;
    r->resets = scratch_get(job->scratch, job->n * sizeof(*r->resets));
    if (r->resets == NULL)
        return false;
    r->count = find_resets(job, r->resets);
    return true;
}

static double next_rise(struct rises *r, size_t lo, size_t hi)
{
    if (r->whole)
        return r->v[hi - 1] - r->v[lo] + lanes_drops(r->v + lo, hi - lo);
    return raise_of(r->v, lo, hi, r->resets, r->count, &r->next);
}

static fw_rc rate_like(const struct window_job *job, bool counter,
                       bool per_second, double *out)
{
    double seconds = per_second ? (double)job->range / 1000 : 1;
    const struct reach *reaches = find_reaches(job, seconds);
    struct walk w = walk_begin(job);
    struct rises rises;

    if (reaches == NULL || !rises_init(&rises, job, counter))
        return fw_err_set(job->ev->err, FW_ENOMEM, "out of memory");
    while (walk_next(&w)) {
        const struct reach *r = &reaches[w.step];
        double rise;

        out[w.step] = absent();
        if (w.hi - w.lo < 2)
            continue;
        rise = next_rise(&rises, w.lo, w.hi);
        out[w.step] =
            rise * (counter ? counter_factor(r, job->v[w.lo], rise, seconds)
                            : r->factor);
    }
    return FW_OK;
}

/* Counters are told by the ends of their names. */
void remark_non_counter(const struct window_job *job,
                        const struct fw_labels *labels, const double *row)
{
    static const char *const ends[] = {"_total", "_sum", "_count", "_bucket"};
    struct fw_str name = fw_labels_get(labels, FW_STR(FW_METRIC_NAME));
    const struct node *range = job->call->args[0];
    struct span span = range->span;

    (void)row;
    if (node_inside(range)->kind == NODE_SUBQUERY)
        span = (struct span){0, 0}; /* where Prometheus says it is */
    for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]); i++) {
        size_t n = strlen(ends[i]);

        if (name.n >= n && memcmp(name.p + name.n - n, ends[i], n) == 0)
            return;
    }
    if (name.n > 0)
        notes_add(&job->ev->notes, NOTE_INFO, span,
                  "metric might not be a counter, name does not end in "
                  "_total/_sum/_count/_bucket: \"%.*s\"",
                  FW_STR_ARG(name));
}

fw_rc window_rate(const struct window_job *job, double *out)
{
    return rate_like(job, true, true, out);
}

fw_rc window_increase(const struct window_job *job, double *out)
{
    return rate_like(job, true, false, out);
}

fw_rc window_delta(const struct window_job *job, double *out)
{
    return rate_like(job, false, false, out);
}

/* ---- The last two samples ------------------------------------------------ */

fw_rc window_irate(const struct window_job *job, double *out)
{
    struct walk w = walk_begin(job);

    while (walk_next(&w)) {
        const double *v = job->v + w.hi - 2;
        const fw_ms *t = job->t + w.hi - 2;

        out[w.step] = absent();
        if (w.hi - w.lo >= 2) /* a fall is a reset: it began again at zero */
            out[w.step] = (v[1] < v[0] ? v[1] : v[1] - v[0]) /
                          ((double)(t[1] - t[0]) / 1000);
    }
    return FW_OK;
}

fw_rc window_idelta(const struct window_job *job, double *out)
{
    struct walk w = walk_begin(job);

    while (walk_next(&w)) {
        out[w.step] = absent();
        if (w.hi - w.lo >= 2)
            out[w.step] = job->v[w.hi - 1] - job->v[w.hi - 2];
    }
    return FW_OK;
}

/* ---- A straight line ----------------------------------------------------- */

struct line {
    double slope, intercept; /* per second; the value at time `at` */
};

/* Least squares over lo..hi, all sums compensated. */
static struct line fit_line(const struct window_job *job, size_t lo, size_t hi,
                            fw_ms at)
{
    struct ksum x = {0}, y = {0}, xy = {0}, x2 = {0};
    double n = (double)(hi - lo);
    bool level = true;
    double cov, var, slope;

    for (size_t i = lo; i < hi; i++) {
        double xi = (double)(job->t[i] - at) / 1e3;
        double yi = job->v[i];

        if (i > lo && yi != job->v[lo])
            level = false;
        ksum_add(&x, xi);
        ksum_add(&y, yi);
        ksum_add(&xy, xi * yi);
        ksum_add(&x2, xi * xi);
    }
    if (level && isinf(job->v[lo]))
        return (struct line){NAN, NAN};
    if (level)
        return (struct line){0, job->v[lo]};
    x.sum += x.c;
    y.sum += y.c;
    cov = (xy.sum + xy.c) - x.sum * y.sum / n;
    var = (x2.sum + x2.c) - x.sum * x.sum / n;
    slope = cov / var;
    return (struct line){slope, y.sum / n - slope * x.sum / n};
}

fw_rc window_deriv(const struct window_job *job, double *out)
{
    struct walk w = walk_begin(job);

    while (walk_next(&w)) {
        out[w.step] = absent();
        /* Times count from the first sample, for accuracy. */
        if (w.hi - w.lo >= 2)
            out[w.step] = fit_line(job, w.lo, w.hi, job->t[w.lo]).slope;
    }
    return FW_OK;
}

/* The line counts from the instant of the step, whatever the offset. */
fw_rc window_predict_linear(const struct window_job *job, double *out)
{
    struct walk w = walk_begin(job);

    while (walk_next(&w)) {
        struct line line;

        out[w.step] = absent();
        if (w.hi - w.lo < 2)
            continue;
        line = fit_line(job, w.lo, w.hi, grid_time(job->grid, w.step));
        out[w.step] = line.slope * job->numbers[0][w.step] + line.intercept;
    }
    return FW_OK;
}

/* ---- Resets and changes -------------------------------------------------- */

typedef bool (*step_test)(double before, double after);

static bool falls(double before, double after)
{
    return after < before;
}

static bool differs(double before, double after)
{
    return after != before && !(isnan(after) && isnan(before));
}

/* How many neighbours in the window pass the test; running counts. */
static fw_rc count_steps(const struct window_job *job, step_test test,
                         double *out)
{
    uint32_t *until = scratch_get(job->scratch, job->n * sizeof(*until));
    struct walk w = walk_begin(job);

    if (until == NULL)
        return fw_err_set(job->ev->err, FW_ENOMEM, "out of memory");
    until[0] = 0;
    for (size_t i = 1; i < job->n; i++)
        until[i] = until[i - 1] + test(job->v[i - 1], job->v[i]);
    while (walk_next(&w)) {
        out[w.step] = absent();
        if (w.hi > w.lo)
            out[w.step] = (double)(until[w.hi - 1] - until[w.lo]);
    }
    return FW_OK;
}

fw_rc window_resets(const struct window_job *job, double *out)
{
    return count_steps(job, falls, out);
}

fw_rc window_changes(const struct window_job *job, double *out)
{
    return count_steps(job, differs, out);
}

/* ---- Double exponential smoothing ---------------------------------------- */

/* Holt's linear trend with the first two samples as the start. */
static double smooth(const double *v, size_t n, double level_factor,
                     double trend_factor)
{
    double before = 0;
    double level = v[0];
    double trend = v[1] - v[0];

    for (size_t i = 1; i < n; i++) {
        double scaled = level_factor * v[i];

        if (i > 1)
            trend =
                trend_factor * (level - before) + (1 - trend_factor) * trend;
        before = level;
        level = scaled + (1 - level_factor) * (level + trend);
    }
    return level;
}

static fw_rc check_factor(const struct window_job *job, const char *which,
                          const char *sign, double v)
{
    if (v > 0 && v < 1)
        return FW_OK;
    return fw_err_set(job->ev->err, FW_EINVAL,
                      "invalid %s factor. Expected: 0 < %s < 1, got: %f", which,
                      sign, v);
}

fw_rc window_smooth(const struct window_job *job, double *out)
{
    struct walk w = walk_begin(job);

    while (walk_next(&w)) {
        double sf = job->numbers[0][w.step];
        double tf = job->numbers[1][w.step];
        fw_rc rc;

        out[w.step] = absent();
        if (w.hi == w.lo)
            continue;
        rc = check_factor(job, "smoothing", "sf", sf);
        if (rc == FW_OK)
            rc = check_factor(job, "trend", "tf", tf);
        if (rc != FW_OK)
            return rc;
        if (w.hi - w.lo >= 2)
            out[w.step] = smooth(job->v + w.lo, w.hi - w.lo, sf, tf);
    }
    return FW_OK;
}
