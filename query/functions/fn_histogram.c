/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * fn_histogram.c - quantiles and fractions of classic histograms: counters
 * whose label `le` is the upper bound of a bucket.
 */
#include <float.h>
#include <math.h>
#include <stdlib.h>

#include "query/eval/group.h"

struct bucket {
    double bound; /* upper, included */
    double count; /* of observations up to it */
};

/* ---- Repairing and reading buckets --------------------------------------- */

static int by_bound(const void *a, const void *b)
{
    const struct bucket *x = a;
    const struct bucket *y = b;

    return (x->bound > y->bound) - (x->bound < y->bound);
}

/* Sorts; buckets with one bound become one. Returns how many are left. */
static size_t coalesce(struct bucket *b, size_t n)
{
    size_t out = 0;

    qsort(b, n, sizeof(*b), by_bound);
    for (size_t i = 1; i < n; i++) {
        if (b[i].bound == b[out].bound)
            b[out].count += b[i].count;
        else
            b[++out] = b[i];
    }
    return out + 1;
}

/* Equal but for rounding: within 1e-12 of the sum of their sizes. */
static bool nearly_equal(double a, double b)
{
    double size = fabs(a) + fabs(b);

    if (isnan(a) && isnan(b))
        return true;
    if (a == 0 || b == 0 || size < DBL_MIN)
        return fabs(a - b) < 1e-12 * DBL_MIN;
    return fabs(a - b) / fmin(size, DBL_MAX) < 1e-12;
}

/*
 * Counts must not fall from bucket to bucket. Differences within rounding are
 * evened out in silence; larger falls are raised to the count that stood
 * before, and told of. Both are measured from the last count that was taken.
 */
static bool make_monotonic(struct bucket *b, size_t n)
{
    double before = b[0].count;
    bool forced = false;

    for (size_t i = 1; i < n; i++) {
        if (nearly_equal(before, b[i].count)) {
            b[i].count = before;
        } else if (b[i].count < before) {
            b[i].count = before;
            forced = true;
        } else {
            before = b[i].count;
        }
    }
    return forced;
}

/* Linear interpolation in the bucket that holds the rank. */
static double bucket_quantile(double q, struct bucket *b, size_t n,
                              bool *forced)
{
    double rank, start = 0, below = 0;
    size_t i = 0;

    *forced = false;
    if (isnan(q))
        return NAN;
    if (q < 0)
        return -INFINITY;
    if (q > 1)
        return INFINITY;
    n = coalesce(b, n);
    if (!(isinf(b[n - 1].bound) && b[n - 1].bound > 0))
        return NAN;
    *forced = make_monotonic(b, n);
    if (n < 2 || b[n - 1].count == 0)
        return NAN;
    rank = q * b[n - 1].count;
    while (i < n - 1 && !(b[i].count >= rank))
        i++;
    if (i == n - 1)
        return b[n - 2].bound;
    if (i == 0 && b[0].bound <= 0)
        return b[0].bound;
    if (i > 0) {
        start = b[i - 1].bound;
        below = b[i - 1].count;
    }
    return start +
           (b[i].bound - start) * ((rank - below) / (b[i].count - below));
}

/* ---- Histograms among the series ----------------------------------------- */

struct histograms {
    struct sink sink;
    struct eval *ev;
    const struct node *arg;
    struct rowset rows;   /* the buckets */
    struct rowset owners; /* the histograms: labels without `le` */
    double *bounds;       /* of each bucket */
    size_t *owner;        /* of each bucket */
    size_t bounds_cap, owner_cap;
    struct members members; /* buckets by histogram */
};

/* As Go's ParseFloat reads it; no other label value is a bound. */
static bool parse_bound(struct fw_str text, double *out)
{
    return text.n > 0 && fw_parse_double(text, out, NULL) == FW_OK;
}

static fw_rc take_bucket(struct sink *sink, struct row *row)
{
    struct histograms *h = (struct histograms *)sink;
    struct fw_str le = fw_labels_get(&row->labels, FW_STR("le"));
    struct fw_labels owner = row->labels;
    size_t n = h->rows.count;
    bool is_new;
    fw_rc rc;

    rc = fw_grow(&h->bounds, &h->bounds_cap, n + 1, sizeof(*h->bounds),
                 SIZE_MAX / sizeof(*h->bounds));
    if (rc == FW_OK)
        rc = fw_grow(&h->owner, &h->owner_cap, n + 1, sizeof(*h->owner),
                     SIZE_MAX / sizeof(*h->owner));
    if (rc != FW_OK)
        return fw_err_set(h->ev->err, rc, "out of memory");
    if (!parse_bound(le, &h->bounds[n])) {
        notes_add(&h->ev->notes, NOTE_WARNING, h->arg->span,
                  "bucket label \"le\" is missing or has a malformed value of "
                  "\"%.*s\" for metric name \"%.*s\"",
                  FW_STR_ARG(le),
                  FW_STR_ARG(fw_labels_get(&row->labels, NAME_LABEL)));
        return FW_OK;
    }
    if (!labels_set(h->ev->arena, &owner, FW_STR("le"), FW_STR("")))
        return eval_no_memory(h->ev);
    rc = rowset_find_or_add(&h->owners, &owner, &h->owner[n], &is_new);
    return rc == FW_OK ? h->rows.sink.take(&h->rows.sink, row) : rc;
}

static fw_rc collect(struct histograms *h, const struct grid *grid)
{
    fw_rc rc;

    rowset_init(&h->rows, h->ev->arena, grid->count, h->ev->err);
    rowset_init(&h->owners, h->ev->arena, 0, h->ev->err);
    rc = eval_vector(h->ev, h->arg, grid, &h->sink);
    return rc != FW_OK ? rc
                       : members_order(h->ev, h->owner, h->rows.count,
                                       h->owners.count, &h->members);
}

static void release(struct histograms *h)
{
    rowset_release(&h->rows);
    rowset_release(&h->owners);
    free(h->bounds);
    free(h->owner);
}

/* The buckets of one histogram that have a point at a step. */
static size_t gather(const struct histograms *h, size_t owner, size_t step,
                     struct bucket *out)
{
    const size_t *first = h->members.first;
    size_t n = 0;

    for (size_t m = first[owner]; m < first[owner + 1]; m++) {
        size_t r = h->members.rows[m];
        double v = h->rows.rows[r].v[step];

        if (!is_absent(v))
            out[n++] = (struct bucket){h->bounds[r], v};
    }
    return n;
}

typedef double (*bucket_fn)(const struct histograms *h,
                            const struct fw_labels *owner,
                            const double *numbers, struct bucket *b, size_t n);

static fw_rc push_histograms(struct histograms *h, const struct grid *grid,
                             double *const *numbers, bucket_fn fn,
                             struct sink *sink)
{
    struct bucket *b =
        fw_arena_alloc(h->ev->arena, (h->rows.count + 1) * sizeof(*b));
    double *out = NULL;
    fw_rc rc = eval_array(h->ev, grid->count, &out);

    if (rc != FW_OK || b == NULL)
        return eval_no_memory(h->ev);
    for (size_t o = 0; o < h->owners.count && rc == FW_OK; o++) {
        struct row row = {h->owners.rows[o].labels, out};

        for (size_t i = 0; i < grid->count; i++) {
            double at[2] = {numbers[0][i], numbers[1] ? numbers[1][i] : 0};
            size_t n = gather(h, o, i, b);

            out[i] = n == 0 ? absent() : fn(h, &row.labels, at, b, n);
        }
        if (!row_is_empty(out, grid->count))
            rc = sink->take(sink, &row);
    }
    return rc;
}

static double quantile_point(const struct histograms *h,
                             const struct fw_labels *owner,
                             const double *numbers, struct bucket *b, size_t n)
{
    bool forced = false;
    double v = bucket_quantile(numbers[0], b, n, &forced);

    if (forced)
        notes_add(&h->ev->notes, NOTE_INFO, h->arg->span,
                  "input to histogram_quantile needed to be fixed for "
                  "monotonicity (see "
                  "https://prometheus.io/docs/prometheus/latest/querying/"
                  "functions/#histogram_quantile) for metric name \"%.*s\"",
                  FW_STR_ARG(fw_labels_get(owner, NAME_LABEL)));
    return v;
}

/*
 * Observations up to `bound`, by interpolation in the bucket it is in, but
 * never more than all of them. Counts that fall are taken as they are.
 */
static double rank_of(double bound, const struct bucket *b, size_t n)
{
    double start = b[0].bound > 0 ? 0 : -INFINITY;
    double all = b[n - 1].count;
    double below = 0;

    for (size_t i = 0; i < n && start < bound; i++) {
        if (b[i].bound > bound) {
            if (isinf(start))
                below = b[i].count;
            else
                below += (b[i].count - below) * (bound - start) /
                         (b[i].bound - start);
            return below > all ? all : below;
        }
        start = b[i].bound;
        below = b[i].count;
    }
    return start < bound || below > all ? all : below;
}

static double fraction_point(const struct histograms *h,
                             const struct fw_labels *owner,
                             const double *numbers, struct bucket *b, size_t n)
{
    double low = numbers[0];
    double high = numbers[1];
    double all;

    (void)h;
    (void)owner;
    n = coalesce(b, n);
    if (!(isinf(b[n - 1].bound) && b[n - 1].bound > 0))
        return NAN;
    all = b[n - 1].count;
    if (all == 0 || isnan(all) || isnan(low) || isnan(high))
        return NAN;
    if (low >= high)
        return 0;
    return (rank_of(high, b, n) - rank_of(low, b, n)) / all;
}

static void note_quantiles(struct eval *ev, const struct node *arg,
                           const double *q, size_t steps)
{
    char text[FW_DOUBLE_TEXT_BYTES];

    for (size_t i = 0; i < steps; i++) {
        if (q[i] >= 0 && q[i] <= 1)
            continue;
        (void)fw_format_double(text, q[i]);
        notes_add(&ev->notes, NOTE_WARNING, arg->span,
                  "quantile value should be between 0 and 1, got %s", text);
    }
}

static fw_rc over_histograms(struct eval *ev, const struct node *call,
                             size_t vector, bucket_fn fn,
                             const struct grid *grid, struct sink *sink)
{
    struct histograms h = {
        .sink = {take_bucket}, .ev = ev, .arg = call->args[vector]};
    struct unnamer u;
    double *numbers[2] = {NULL, NULL};
    fw_rc rc = FW_OK;

    for (size_t i = 0; i < vector && rc == FW_OK; i++)
        rc = eval_scalar_array(ev, call->args[i], grid, &numbers[i]);
    if (rc != FW_OK)
        return rc;
    unnamer_init(&u, ev, h.arg, grid, false, sink);
    rc = collect(&h, grid);
    if (fn == quantile_point)
        note_quantiles(ev, call->args[0], numbers[0], grid->count);
    if (rc == FW_OK)
        rc = push_histograms(&h, grid, numbers, fn, &u.sink);
    rc = unnamer_finish(&u, rc);
    release(&h);
    return rc;
}

fw_rc call_histogram_quantile(struct eval *ev, const struct node *call,
                              const struct grid *grid, struct sink *sink)
{
    return over_histograms(ev, call, 1, quantile_point, grid, sink);
}

fw_rc call_histogram_fraction(struct eval *ev, const struct node *call,
                              const struct grid *grid, struct sink *sink)
{
    return over_histograms(ev, call, 2, fraction_point, grid, sink);
}
