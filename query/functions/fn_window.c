/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * fn_window.c - *_over_time: sums, averages, extremes, spread.
 *
 * Where windows overlap little, each is added up by itself, in the order and
 * with the compensation of Prometheus, so the result is the same to the bit.
 * Where they overlap much, sums are carried along in two parts: suffix sums
 * of the samples before a pivot, and one running sum of those behind it; when
 * the window has passed the pivot, it moves to the window's end. Nothing is
 * ever subtracted, so nothing is lost by cancellation, and each sample is
 * added twice, however many windows it is in. Whole numbers may be added and
 * subtracted in any order (lanes.h).
 */
#include <math.h>

#include "query/eval/lanes.h"
#include "query/eval/window.h"

#define LONG_WINDOW 128 /* samples */

/* ---- From the ends of the window ----------------------------------------- */

fw_rc window_count(const struct window_job *job, double *out)
{
    struct walk w = walk_begin(job);

    while (walk_next(&w))
        out[w.step] = w.hi > w.lo ? (double)(w.hi - w.lo) : absent();
    return FW_OK;
}

fw_rc window_present(const struct window_job *job, double *out)
{
    struct walk w = walk_begin(job);

    while (walk_next(&w))
        out[w.step] = w.hi > w.lo ? 1 : absent();
    return FW_OK;
}

fw_rc window_first(const struct window_job *job, double *out)
{
    struct walk w = walk_begin(job);

    while (walk_next(&w))
        out[w.step] = w.hi > w.lo ? job->v[w.lo] : absent();
    return FW_OK;
}

fw_rc window_last(const struct window_job *job, double *out)
{
    struct walk w = walk_begin(job);

    while (walk_next(&w))
        out[w.step] = w.hi > w.lo ? job->v[w.hi - 1] : absent();
    return FW_OK;
}

fw_rc window_ts_of_first(const struct window_job *job, double *out)
{
    struct walk w = walk_begin(job);

    while (walk_next(&w))
        out[w.step] = w.hi > w.lo ? (double)job->t[w.lo] / 1000 : absent();
    return FW_OK;
}

fw_rc window_ts_of_last(const struct window_job *job, double *out)
{
    struct walk w = walk_begin(job);

    while (walk_next(&w))
        out[w.step] = w.hi > w.lo ? (double)job->t[w.hi - 1] / 1000 : absent();
    return FW_OK;
}

/* ---- Sums and averages --------------------------------------------------- */

static double sum_of(const double *v, size_t n)
{
    struct ksum k = {0};

    for (size_t i = 0; i < n; i++)
        ksum_add(&k, v[i]);
    return isinf(k.sum) ? k.sum : k.sum + k.c;
}

/*
 * The mean by the sum; from the value on that would make the sum overflow, by
 * moving the mean itself.
 */
static double mean_of(const double *v, size_t n)
{
    struct ksum k = {v[0], 0};
    double count = 1;
    bool moving = false;

    for (size_t i = 1; i < n; i++) {
        struct ksum next = k;
        double q;

        count = (double)(i + 1);
        if (!moving) {
            ksum_add(&next, v[i]);
            if (!isinf(next.sum)) {
                k = next;
                continue;
            }
            moving = true;
            k.sum /= count - 1;
            k.c /= count - 1;
        }
        q = (count - 1) / count;
        k.sum *= q;
        k.c *= q;
        ksum_add(&k, v[i] / count);
    }
    return moving ? k.sum + k.c : k.sum / count + k.c / count;
}

/* The two parts of a carried sum. */
struct carried {
    const double *v;
    struct ksum *suffix; /* [i]: of v[i] .. v[pivot - 1] */
    size_t pivot;        /* lo <= pivot */
    size_t done;         /* `front` holds v[pivot] .. v[done - 1] */
    struct ksum front;
};

static void move_pivot(struct carried *c, size_t lo, size_t hi)
{
    struct ksum k = {0};

    for (size_t i = hi; i > lo; i--) {
        ksum_add(&k, c->v[i - 1]);
        c->suffix[i - 1] = k;
    }
    c->pivot = hi;
    c->done = hi;
    c->front = (struct ksum){0};
}

/* The sum over lo..hi; NaN or infinite if it must be done by itself. */
static struct ksum carried_sum(struct carried *c, size_t lo, size_t hi)
{
    struct ksum k;

    if (lo >= c->pivot)
        move_pivot(c, lo, hi);
    while (c->done < hi)
        ksum_add(&c->front, c->v[c->done++]);
    k = c->suffix[lo];
    ksum_add(&k, c->front.sum);
    k.c += c->front.c;
    return k;
}

typedef double (*window_of)(const double *v, size_t n);

/* Each window by itself. */
static fw_rc each_window(const struct window_job *job, window_of of,
                         double *out)
{
    struct walk w = walk_begin(job);

    while (walk_next(&w)) {
        out[w.step] = absent();
        if (w.hi > w.lo)
            out[w.step] = of(job->v + w.lo, w.hi - w.lo);
    }
    return FW_OK;
}

static fw_rc carry_sums(const struct window_job *job, bool mean, double *out)
{
    struct carried c = {.v = job->v};
    struct walk w = walk_begin(job);

    c.suffix = scratch_get(job->scratch, job->n * sizeof(*c.suffix));
    if (c.suffix == NULL)
        return fw_err_set(job->ev->err, FW_ENOMEM, "out of memory");
    while (walk_next(&w)) {
        double n = (double)(w.hi - w.lo);
        struct ksum k;

        out[w.step] = absent();
        if (w.hi == w.lo)
            continue;
        k = carried_sum(&c, w.lo, w.hi);
        if (!isfinite(k.sum) || !isfinite(k.c))
            out[w.step] = mean ? mean_of(job->v + w.lo, w.hi - w.lo)
                               : sum_of(job->v + w.lo, w.hi - w.lo);
        else
            out[w.step] = mean ? k.sum / n + k.c / n : k.sum + k.c;
    }
    return FW_OK;
}

/* ---- LANES windows side by side -------------------------------------------
 */

/* Windows of several steps, to be gone through together. */
struct batch {
    const double *v;
    double *out;
    uint32_t at[LANES], n[LANES];
    size_t step[LANES];
    size_t count;
};

/* True if the batch is full. */
static bool batch_add(struct batch *b, const struct walk *w)
{
    b->at[b->count] = (uint32_t)w->lo;
    b->n[b->count] = (uint32_t)(w->hi - w->lo);
    b->step[b->count++] = w->step;
    return b->count == LANES;
}

/*
 * Where each lane begins, `skip` samples into its window, and how many samples
 * they all have from there; lanes without a window look at the first one.
 */
static uint32_t batch_lanes(const struct batch *b, uint32_t skip,
                            uint32_t at[LANES])
{
    uint32_t least = UINT32_MAX;

    for (size_t l = 0; l < LANES; l++) {
        size_t window = l < b->count ? l : 0;

        at[l] = b->at[window] + skip;
        if (b->n[window] < least)
            least = b->n[window];
    }
    return b->count > 1 ? least - skip : 0; /* one alone is quicker so */
}

/* Samples from `done` on are added; where it overflowed all is done again. */
static double finish_sum(const struct batch *b, size_t l, bool mean,
                         uint32_t done, const struct lane_sums *sums)
{
    const double *v = b->v + b->at[l];
    struct ksum k = {sums->sum[l], sums->c[l]};
    double n = b->n[l];

    for (uint32_t i = done; i < b->n[l]; i++)
        ksum_add(&k, v[i]);
    if (!isfinite(k.sum) || !isfinite(k.c))
        return mean ? mean_of(v, b->n[l]) : sum_of(v, b->n[l]);
    return mean ? k.sum / n + k.c / n : k.sum + k.c;
}

/* A mean begins with the first value, a sum with zero. */
static void finish_sums(struct batch *b, bool mean)
{
    struct lane_sums sums = {{0}, {0}};
    uint32_t at[LANES];
    uint32_t n = batch_lanes(b, mean, at);

    for (size_t l = 0; l < LANES && mean; l++)
        sums.sum[l] = b->v[at[l] - 1];
    lanes_add(b->v, at, n, &sums);
    for (size_t l = 0; l < b->count; l++)
        b->out[b->step[l]] = finish_sum(b, l, mean, n + mean, &sums);
    b->count = 0;
}

static fw_rc batch_sums(const struct window_job *job, bool mean, double *out)
{
    struct batch b = {.v = job->v, .out = out};
    struct walk w = walk_begin(job);

    while (walk_next(&w)) {
        out[w.step] = absent();
        if (w.hi > w.lo && batch_add(&b, &w))
            finish_sums(&b, mean);
    }
    if (b.count > 0)
        finish_sums(&b, mean);
    return FW_OK;
}

/* ---- Whole numbers --------------------------------------------------------
 */

static fw_rc whole_sums(const struct window_job *job, bool mean, double *out)
{
    struct walk w = walk_begin(job);

    while (walk_next(&w)) {
        double n = (double)(w.hi - w.lo);
        double sum = lanes_sum(job->v + w.lo, w.hi - w.lo);

        out[w.step] = n == 0 ? absent() : mean ? sum / n : sum;
    }
    return FW_OK;
}

/* Sums from the first sample on lose nothing when they are subtracted. */
static fw_rc differ_sums(const struct window_job *job, bool mean, double *out)
{
    double *until = scratch_get(job->scratch, (job->n + 1) * sizeof(*until));
    struct walk w = walk_begin(job);

    if (until == NULL)
        return fw_err_set(job->ev->err, FW_ENOMEM, "out of memory");
    until[0] = 0;
    for (size_t i = 0; i < job->n; i++)
        until[i + 1] = until[i] + job->v[i];
    while (walk_next(&w)) {
        double n = (double)(w.hi - w.lo);
        double sum = until[w.hi] - until[w.lo];

        out[w.step] = n == 0 ? absent() : mean ? sum / n : sum;
    }
    return FW_OK;
}

static fw_rc any_sums(const struct window_job *job, bool mean, double *out)
{
    bool overlap = window_overlaps(job);

    if (job->whole)
        return overlap ? differ_sums(job, mean, out)
                       : whole_sums(job, mean, out);
    return overlap ? carry_sums(job, mean, out) : batch_sums(job, mean, out);
}

fw_rc window_sum(const struct window_job *job, double *out)
{
    return any_sums(job, false, out);
}

fw_rc window_avg(const struct window_job *job, double *out)
{
    return any_sums(job, true, out);
}

/* ---- Spread -------------------------------------------------------------- */

/* Welford's algorithm with compensated sums. */
static double variance_of(const double *v, size_t n)
{
    struct ksum mean = {0}, aux = {0};

    for (size_t i = 0; i < n; i++) {
        double delta = v[i] - (mean.sum + mean.c);

        ksum_add(&mean, delta / (double)(i + 1));
        ksum_add(&aux, delta * (v[i] - (mean.sum + mean.c)));
    }
    return (aux.sum + aux.c) / (double)n;
}

/*
 * The same of many samples in two passes, which is as exact and needs no
 * division for each of them. It may differ from Prometheus's in the last bits.
 */
static double long_variance_of(const double *v, size_t n)
{
    double mean, squares;

    if (n < LONG_WINDOW)
        return variance_of(v, n);
    lanes_spread(v, n, &mean, &squares);
    return isfinite(squares) ? squares / (double)n : variance_of(v, n);
}

/* Count, mean and sum of squared distances of a run of samples. */
struct moments {
    double n, mean, m2;
};

/*
 * Of two runs together [Chan, Golub, LeVeque: Updating Formulae and a Pairwise
 * Algorithm for Computing Sample Variances, 1979, eq. 2.1].
 */
static struct moments join_moments(struct moments a, struct moments b)
{
    double n = a.n + b.n;
    double delta = b.mean - a.mean;

    if (a.n == 0)
        return b;
    if (b.n == 0)
        return a;
    return (struct moments){n, a.mean + delta * (b.n / n),
                            a.m2 + b.m2 + delta * delta * (a.n * b.n / n)};
}

/* Of one that is not finite the variance is no number, as of several. */
static struct moments one(double v)
{
    return (struct moments){1, v, isfinite(v) ? 0 : NAN};
}

/* As carry_sums(), for moments. */
static fw_rc carry_moments(const struct window_job *job, double *out)
{
    struct moments *suffix =
        scratch_get(job->scratch, job->n * sizeof(*suffix));
    struct moments front = {0};
    struct walk w = walk_begin(job);
    size_t pivot = 0;
    size_t done = 0;

    if (suffix == NULL)
        return fw_err_set(job->ev->err, FW_ENOMEM, "out of memory");
    while (walk_next(&w)) {
        struct moments all;

        out[w.step] = absent();
        if (w.hi == w.lo)
            continue;
        if (w.lo >= pivot) {
            struct moments m = {0};

            for (size_t i = w.hi; i > w.lo; i--) {
                m = join_moments(one(job->v[i - 1]), m);
                suffix[i - 1] = m;
            }
            pivot = done = w.hi;
            front = (struct moments){0};
        }
        for (; done < w.hi; done++)
            front = join_moments(front, one(job->v[done]));
        all = w.lo < pivot ? join_moments(suffix[w.lo], front) : front;
        out[w.step] = isfinite(all.m2)
                          ? all.m2 / all.n
                          : variance_of(job->v + w.lo, w.hi - w.lo);
    }
    return FW_OK;
}

fw_rc window_stdvar(const struct window_job *job, double *out)
{
    return window_overlaps(job) ? carry_moments(job, out)
                                : each_window(job, long_variance_of, out);
}

fw_rc window_stddev(const struct window_job *job, double *out)
{
    fw_rc rc = window_stdvar(job, out);

    for (size_t i = 0; i < job->grid->count && rc == FW_OK; i++) {
        if (!is_absent(out[i]))
            out[i] = sqrt(out[i]);
    }
    return rc;
}

/* ---- Extremes ------------------------------------------------------------ */

/*
 * A queue of the samples that may still become the extreme of a window: each
 * is beaten by the one before it. NaN never wins against a number.
 */
struct extremes {
    size_t *queue;
    size_t first, count; /* not a ring: it never holds more than n in all */
};

/* True if a later `b` makes `a` needless: it wins, or ties where `late`. */
static bool beats(double b, double a, bool max, bool late)
{
    if (b == a)
        return late;
    return max ? b > a : b < a;
}

static void push_extreme(struct extremes *e, const double *v, size_t i,
                         bool max, bool late)
{
    if (isnan(v[i]))
        return;
    while (e->count > 0 &&
           beats(v[i], v[e->queue[e->first + e->count - 1]], max, late))
        e->count--;
    e->queue[e->first + e->count++] = i;
}

/* The index of the extreme of lo..hi; NaN counts if all are. */
static size_t find_extreme(const double *v, size_t lo, size_t hi, bool max,
                           bool late)
{
    size_t best = lo;

    for (size_t i = lo + 1; i < hi; i++) {
        if (isnan(v[best]) || beats(v[i], v[best], max, late))
            best = i;
    }
    return best;
}

/*
 * The extreme of n values, of which `best` may be one that equals it. Zeros of
 * both signs are equal, so that the first has to be looked for; and where
 * there seems to be no number, the values tell.
 */
static double settle_extreme(const double *v, size_t n, bool max, double best)
{
    if (isinf(best))
        return v[find_extreme(v, 0, n, max, false)];
    for (size_t i = 0; best == 0; i++) {
        if (v[i] == 0)
            return v[i];
    }
    return best;
}

static void finish_extremes(struct batch *b, bool max)
{
    double none = max ? -INFINITY : INFINITY;
    double best[LANES] = {none, none, none, none, none, none, none, none};
    uint32_t at[LANES];
    uint32_t done = batch_lanes(b, 0, at);

    lanes_extremes(b->v, at, done, max, best);
    for (size_t l = 0; l < b->count; l++) {
        const double *v = b->v + b->at[l];

        for (uint32_t i = done; i < b->n[l]; i++) {
            if (max ? v[i] > best[l] : v[i] < best[l])
                best[l] = v[i];
        }
        b->out[b->step[l]] = settle_extreme(v, b->n[l], max, best[l]);
    }
    b->count = 0;
}

/* Long windows fill the lanes by themselves, short ones together. */
static fw_rc search_extremes(const struct window_job *job, bool max,
                             double *out)
{
    struct batch b = {.v = job->v, .out = out};
    struct walk w = walk_begin(job);

    while (walk_next(&w)) {
        const double *v = job->v + w.lo;
        size_t n = w.hi - w.lo;

        if (n >= LONG_WINDOW)
            out[w.step] = settle_extreme(v, n, max, lanes_extreme(v, n, max));
        else if (n == 0)
            out[w.step] = absent();
        else if (batch_add(&b, &w))
            finish_extremes(&b, max);
    }
    if (b.count > 0)
        finish_extremes(&b, max);
    return FW_OK;
}

/* When the extremes were. */
static fw_rc search_extreme_times(const struct window_job *job, bool max,
                                  double *out)
{
    struct walk w = walk_begin(job);

    while (walk_next(&w)) {
        out[w.step] = absent();
        if (w.hi > w.lo)
            out[w.step] =
                (double)job->t[find_extreme(job->v, w.lo, w.hi, max, true)] /
                1000;
    }
    return FW_OK;
}

/* The same where windows overlap: the queue is carried along. */
static fw_rc carry_extremes(const struct window_job *job, bool max, bool times,
                            double *out)
{
    struct extremes e = {
        .queue = scratch_get(job->scratch, job->n * sizeof(size_t))};
    struct walk w = walk_begin(job);
    size_t done = 0;

    if (e.queue == NULL)
        return fw_err_set(job->ev->err, FW_ENOMEM, "out of memory");
    while (walk_next(&w)) {
        size_t best;

        out[w.step] = absent();
        for (; done < w.hi; done++)
            push_extreme(&e, job->v, done, max, times);
        while (e.count > 0 && e.queue[e.first] < w.lo) {
            e.first++;
            e.count--;
        }
        if (w.hi == w.lo)
            continue;
        /* Of nothing but NaN: the first value, the last time. */
        best = e.count > 0 ? e.queue[e.first] : times ? w.hi - 1 : w.lo;
        out[w.step] = times ? (double)job->t[best] / 1000 : job->v[best];
    }
    return FW_OK;
}

static fw_rc walk_extremes(const struct window_job *job, bool max, bool times,
                           double *out)
{
    if (window_overlaps(job))
        return carry_extremes(job, max, times, out);
    return times ? search_extreme_times(job, max, out)
                 : search_extremes(job, max, out);
}

fw_rc window_min(const struct window_job *job, double *out)
{
    return walk_extremes(job, false, false, out);
}

fw_rc window_max(const struct window_job *job, double *out)
{
    return walk_extremes(job, true, false, out);
}

fw_rc window_ts_of_min(const struct window_job *job, double *out)
{
    return walk_extremes(job, false, true, out);
}

fw_rc window_ts_of_max(const struct window_job *job, double *out)
{
    return walk_extremes(job, true, true, out);
}
