/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * window.h - range vectors: one series, many windows.
 *
 * The samples of a series lie in two arrays; the window of a step is the
 * slice lo..hi of them with from < t <= to. Both ends only move forward, so to
 * find all windows costs O(samples + steps), and a function that can keep its
 * result while samples come and go costs no more than that.
 */
#ifndef FW_QUERY_WINDOW_H
#define FW_QUERY_WINDOW_H

#include "query/eval/reader.h"

/* The samples of a window: lo <= i < hi. */
struct bounds {
    uint32_t lo, hi;
};

struct window_job {
    const fw_ms *t; /* n samples, stale markers taken out */
    const double *v;
    size_t n;
    bool whole; /* any sum of these values is exact (lanes.h) */
    const struct bounds *bounds; /* per step */
    bool new_times;              /* else all bounds are as they were */
    const struct grid *grid;
    fw_ms range;
    fw_ms offset;
    bool fixed; /* @: every step sees the window that ends at `at` */
    fw_ms at;
    const double *numbers[EVAL_MAX_ARGS]; /* scalar arguments, per step */
    size_t number_count;
    struct fw_str texts[EVAL_MAX_ARGS]; /* string arguments */
    struct scratch *scratch;
    struct scratch *geometry; /* what a function keeps while times are old */
    struct eval *ev;
    const struct node *call;
    _Atomic(const char *) *said; /* by a function of a room above; NULL: none */
};

struct walk {
    const struct window_job *job;
    size_t step;    /* the present one */
    size_t lo, hi;  /* its samples: lo <= i < hi */
    fw_ms from, to; /* its window: from < t <= to */
};

static inline struct walk walk_begin(const struct window_job *job)
{
    return (struct walk){.job = job, .step = SIZE_MAX};
}

static inline bool walk_next(struct walk *w)
{
    const struct window_job *job = w->job;

    if (++w->step == job->grid->count)
        return false;
    w->to =
        (job->fixed ? job->at : grid_time(job->grid, w->step)) - job->offset;
    w->from = w->to - job->range;
    w->lo = job->bounds[w->step].lo;
    w->hi = job->bounds[w->step].hi;
    return true;
}

/* Fills `bounds`, one for each step of the grid, from the times of the job. */
void window_bounds(const struct window_job *job, struct bounds *bounds);

/*
 * True where windows overlap so much that a function should carry its result
 * from step to step; else it is as cheap, and exact to the bit of Prometheus,
 * to add up each window by itself.
 */
bool window_overlaps(const struct window_job *job);

/* ---- Sums ---------------------------------------------------------------- */

/* A sum and what rounding took from it [Neumaier 1974], as in Prometheus. */
struct ksum {
    double sum, c;
};

static inline void ksum_add(struct ksum *k, double x)
{
    double t = k->sum + x;

    if (__builtin_isinf(t))
        k->c = 0;
    else if (__builtin_fabs(k->sum) >= __builtin_fabs(x))
        k->c += (k->sum - t) + x;
    else
        k->c += (x - t) + k->sum;
    k->sum = t;
}

/* ---- Rates ---------------------------------------------------------------
 */

/* What a rate needs to know of a window's samples; at least two. */
struct window_ends {
    fw_ms from, to;        /* the window */
    fw_ms t_first, t_last; /* its samples */
    size_t n;
    double first; /* the value of the first */
};

/* How much the window rises, reaching to its edges, by so many seconds. */
double window_extrapolate(const struct window_ends *ends, double rise,
                          bool counter, double seconds);

/* ---- One function each (fn_*.c), for the function table ------------------ */

fw_rc window_rate(const struct window_job *job, double *out);
fw_rc window_increase(const struct window_job *job, double *out);
fw_rc window_delta(const struct window_job *job, double *out);
fw_rc window_irate(const struct window_job *job, double *out);
fw_rc window_idelta(const struct window_job *job, double *out);
fw_rc window_deriv(const struct window_job *job, double *out);
fw_rc window_predict_linear(const struct window_job *job, double *out);
fw_rc window_resets(const struct window_job *job, double *out);
fw_rc window_changes(const struct window_job *job, double *out);
fw_rc window_smooth(const struct window_job *job, double *out);

fw_rc window_count(const struct window_job *job, double *out);
fw_rc window_present(const struct window_job *job, double *out);
fw_rc window_first(const struct window_job *job, double *out);
fw_rc window_last(const struct window_job *job, double *out);
fw_rc window_sum(const struct window_job *job, double *out);
fw_rc window_avg(const struct window_job *job, double *out);
fw_rc window_min(const struct window_job *job, double *out);
fw_rc window_max(const struct window_job *job, double *out);
fw_rc window_stddev(const struct window_job *job, double *out);
fw_rc window_stdvar(const struct window_job *job, double *out);
fw_rc window_quantile(const struct window_job *job, double *out);
fw_rc window_mad(const struct window_job *job, double *out);
fw_rc window_ts_of_first(const struct window_job *job, double *out);
fw_rc window_ts_of_last(const struct window_job *job, double *out);
fw_rc window_ts_of_min(const struct window_job *job, double *out);
fw_rc window_ts_of_max(const struct window_job *job, double *out);

/* What they say of their rows. */
void remark_non_counter(const struct window_job *job,
                        const struct fw_labels *labels, const double *row);
void remark_bad_quantile(const struct window_job *job,
                         const struct fw_labels *labels, const double *row);

/*
 * The q-quantile of n values; moves them about; NaN comes first. NaN for no
 * values or q = NaN, -Inf and +Inf for q outside 0..1.
 */
double quantile_of(double q, double *v, size_t n);

#endif
