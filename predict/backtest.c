/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "predict/backtest.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "predict/numeric.h"

#define FIRST_LEAST 6   /* values before the first origin */
#define FIRST_SHARE 0.6 /* of the series before the first origin */
/* A model this much worse than the best one has no say in the median. On
 * clean ramps it keeps the naive forecast from dragging. */
#define KEEP_WITHIN 2.5
/* Forecasts may leave the range seen by this many times its width (more when
 * the horizon exceeds the history). */
#define SANE_RANGE 2.0
#define CHANGES_LEAST 16 /* changes over the horizon worth a quantile */
#define CHANGES_MOST 512 /* of them looked at */
/* caution() */
#define FEW_MOST 2.0
#define WIDE_LEAST 0.85
#define WIDE_FEW 1.0
#define MEMORY_FEW 3.0
#define MEMORY_MOST 4.0
/* heaviness() */
#define TAIL_LEVEL 0.95
#define TAIL_USUAL 1.8
#define TAIL_LEAST 0.9
#define TAIL_MOST 3.0
#define TAIL_POWER 0.7
#define FADE 0.93 /* weight of an origin's errors against the next one's */

/* Where to forecast from: evenly over the later part of the past, so that each
 * origin's outcomes are known as far ahead as possible. */
static bool choose_origins(struct backtest *b, size_t n, const double *raw)
{
    size_t first = (size_t)(FIRST_SHARE * (double)n), room;

    if (first < FIRST_LEAST)
        first = FIRST_LEAST;
    if (n < first + 2)
        return false;
    room = n - first;
    b->known = b->h + room / 4 + 1 <= room ? b->h : (2 * room + 2) / 3;
    if (b->known > b->h)
        b->known = b->h;
    if (b->known == 0)
        b->known = 1;
    room -= b->known;
    b->count = 0;
    for (size_t i = 0; i < b->origins_most; i++) {
        size_t o = first + room * (i + 1) / b->origins_most;

        /* An origin inside a gap would start from a made-up value. */
        while (o > first && isnan(raw[o - 1]))
            o--;
        if (isnan(raw[o - 1]) ||
            (b->count > 0 && o <= b->origins[b->count - 1]))
            continue;
        b->origins[b->count++] = o;
    }
    if (b->count == 0)
        return false;
    b->origins[b->count++] = n;
    return true;
}

/* As fmin() and fmax() without the calls; NaN was sorted out before. */
static inline double least(double a, double b)
{
    return a < b ? a : b;
}

static inline double most(double a, double b)
{
    return a > b ? a : b;
}

/* Keeps the rows of every origin finite and within reason; false if the row
 * from now is not usable. */
static bool tame(const struct backtest *b, const double *y, double *rows)
{
    double lo = y[0], hi = y[0];
    size_t seen = 0;

    for (size_t i = 0; i < b->count; i++) {
        double *row = rows + i * b->h, margin;
        size_t o = b->origins[i];

        for (; seen < o; seen++) {
            lo = least(lo, y[seen]);
            hi = most(hi, y[seen]);
        }
        margin =
            SANE_RANGE * (hi - lo) * fmax(1.0, 2.0 * (double)b->h / (double)o);
        for (size_t k = 0; k < b->h; k++) {
            if (!isfinite(row[k])) {
                row[0] = NAN;
                break;
            }
            row[k] = least(most(row[k], lo - margin), hi + margin);
        }
    }
    return !isnan(rows[(b->count - 1) * b->h]);
}

/* Mean absolute error over the origins the row exists for, or infinity if it
 * is missing from more than a third of them. */
static double mae_of(const struct backtest *b, const double *y,
                     const double *raw, const double *rows)
{
    double total = 0.0;
    size_t n = 0, missing = 0;

    for (size_t i = 0; i + 1 < b->count; i++) {
        const double *row = rows + i * b->h;
        size_t o = b->origins[i];

        if (isnan(row[0])) {
            missing++;
            continue;
        }
        for (size_t k = 0; k < b->known; k++)
            if (!isnan(raw[o + k])) {
                total += fabs(row[k] - y[o + k]);
                n++;
            }
    }
    if (n == 0 || 3 * missing > b->count - 1)
        return INFINITY;
    return total / (double)n;
}

static int by_mae(const void *a, const void *b)
{
    const struct candidate *x = a, *y = b;

    return (x->mae > y->mae) - (x->mae < y->mae);
}

static void combine(struct backtest *b)
{
    double v[BACKTEST_KEEP];

    for (size_t i = 0; i < b->count; i++)
        for (size_t k = 0; k < b->h; k++) {
            size_t n = 0;

            for (size_t j = 0; j < b->keep; j++)
                if (!isnan(b->models[j].rows[i * b->h]))
                    v[n++] = b->models[j].rows[i * b->h + k];
            b->combined[i * b->h + k] = n > 0 ? numeric_median(v, n) : NAN;
        }
}

/* Root mean square errors per step, newer ones weighing more: smoothed over
 * neighbours, never falling, and beyond the known steps growing as they did
 * before. */
static void spread(struct backtest *b, const double *y, const double *raw)
{
    double *mean = b->sigma, sum = 0.0, weight = 0.0, growth;
    double recent[BACKTEST_ORIGINS];
    size_t known = b->known;

    for (size_t i = 0; i + 1 < b->count; i++)
        recent[i] = pow(FADE, (double)(b->count - 2 - i));

    for (size_t i = 0; i + 1 < b->count; i++)
        for (size_t k = 0; k < b->h; k++) {
            size_t o = b->origins[i];
            double f = b->combined[i * b->h + k];

            b->error[i * b->h + k] =
                k < known && !isnan(f) && !isnan(raw[o + k]) ? y[o + k] - f
                                                             : NAN;
        }
    for (size_t k = 0; k < known; k++) {
        size_t reach = 1 + k / 8;
        size_t from = k > reach ? k - reach : 0;
        size_t to = k + reach < known ? k + reach : known - 1;

        sum = weight = 0.0;
        for (size_t j = from; j <= to; j++)
            for (size_t i = 0; i + 1 < b->count; i++) {
                double e = b->error[i * b->h + j];

                if (!isnan(e)) {
                    sum += recent[i] * e * e;
                    weight += recent[i];
                }
            }
        mean[k] = weight > 0.0 ? sqrt(sum / weight) : 0.0;
        if (k > 0)
            mean[k] = fmax(mean[k], mean[k - 1]);
    }
    growth = known >= 4 && mean[known / 2 - 1] > 0.0
                 ? log(mean[known - 1] / mean[known / 2 - 1]) / log(2.0)
                 : 0.5;
    growth = fmin(fmax(growth, 0.75), 1.0);
    for (size_t k = known; k < b->h; k++)
        mean[k] =
            mean[known - 1] * pow((double)(k + 1) / (double)known, growth);
}

static fw_rc try_models(const struct model_input *in, const double *raw,
                        struct backtest *b)
{
    double *rows = NULL;

    for (size_t j = 0; b->pool[j] != NULL; j++) {
        struct candidate *c = &b->models[b->model_count];
        fw_rc rc;

        if (rows == NULL)
            rows =
                fw_arena_alloc(in->scratch, b->count * b->h * sizeof(double));
        if (rows == NULL)
            return FW_ENOMEM;
        rc = b->pool[j]->forecast(in, rows);
        if (rc == FW_NONE)
            continue;
        if (rc != FW_OK)
            return rc;
        if (!tame(b, in->y, rows))
            continue;
        c->model = b->pool[j];
        c->rows = rows;
        c->mae = mae_of(b, in->y, raw, rows);
        if (c->model == &model_naive)
            b->naive_mae = c->mae;
        if (!isfinite(c->mae))
            continue;
        b->model_count++;
        rows = NULL;
    }
    return FW_OK;
}

fw_rc backtest_run(const double *y, const double *raw, size_t n, size_t h,
                   const struct season *season, const struct segments *segments,
                   double shift, double scale, bool quick,
                   struct fw_arena *scratch, struct backtest *out)
{
    struct backtest *b = out;
    struct model_input in = {y,       raw,      n,     h,     b->origins, 0,
                             *season, segments, shift, scale, scratch};
    fw_rc rc;

    memset(b, 0, sizeof(*b));
    b->h = h;
    b->pool = quick ? model_pool_quick : model_pool;
    b->origins_most = quick ? BACKTEST_QUICK : BACKTEST_ORIGINS;
    if (!choose_origins(b, n, raw))
        return FW_NONE;
    in.count = b->count;
    b->combined = fw_arena_alloc(scratch, b->count * h * sizeof(double));
    b->error = fw_arena_alloc(scratch, b->count * h * sizeof(double));
    b->sigma = fw_arena_alloc(scratch, h * sizeof(double));
    if (b->combined == NULL || b->error == NULL || b->sigma == NULL)
        return FW_ENOMEM;
    rc = try_models(&in, raw, b);
    if (rc != FW_OK)
        return rc;
    if (b->model_count == 0)
        return FW_NONE;
    qsort(b->models, b->model_count, sizeof(b->models[0]), by_mae);
    b->keep = 1;
    while (b->keep < BACKTEST_KEEP && b->keep < b->model_count &&
           b->models[b->keep].mae <= KEEP_WITHIN * b->models[0].mae + 1e-12)
        b->keep++;
    combine(b);
    b->combined_mae = mae_of(b, y, raw, b->combined);
    if (!quick)
        spread(b, y, raw);
    return FW_OK;
}

/* The level-quantile of the changes over k steps of y[from .. n). */
static double change_over(const double *y, size_t from, size_t n, size_t k,
                          double level, double *work)
{
    size_t every = (n - k - from) / CHANGES_MOST + 1, m = 0;

    for (size_t i = from; i + k < n; i += every)
        work[m++] = fabs(y[i + k] - y[i]);
    numeric_sort(work, m);
    return numeric_quantile(work, m, level);
}

/*
 * What the backtest cannot know. Its origins lie in the late part of the past,
 * and where that is only a few horizons long they overlap and say the same
 * thing again and again. Then the interval is widened by the horizon's share
 * of that part, and by how much further the series moved in all of its past,
 * jumps included, than in the late part without them. The constants were
 * chosen so that coverage is near its level on M4 and on telemetry alike.
 */
static double caution(const struct backtest *b, const double *whole,
                      const double *level_of, double level, double *work)
{
    size_t n = b->origins[b->count - 1], k = b->known;
    size_t late = (size_t)(FIRST_SHARE * (double)n);
    double few = fmin((double)b->h / (double)(n - late), FEW_MOST);
    double wide = WIDE_LEAST + WIDE_FEW * few, memory = 1.0;

    if (n >= late + k + CHANGES_LEAST)
        memory = change_over(whole, 0, n, k, level, work) /
                 (change_over(level_of, late, n, k, level, work) + 1e-9);
    memory = fmin(fmax(memory, 1.0), MEMORY_MOST);
    return wide * pow(memory, fmin(1.0, MEMORY_FEW * few));
}

/*
 * Where the worst error of the past stands far beyond the usual ones, errors
 * come in bursts and the next one may be of either kind: a quantile of so few
 * independent moments is then too small. By the ratio of the largest score to
 * the 0.95 quantile, which is about 1.8 where the quantile is right.
 */
static double heaviness(const double *sorted, size_t n)
{
    double usual = numeric_quantile(sorted, n, TAIL_LEVEL);
    double ratio = usual > 0.0 ? sorted[n - 1] / usual / TAIL_USUAL : 1.0;

    return pow(fmin(fmax(ratio, TAIL_LEAST), TAIL_MOST), TAIL_POWER);
}

fw_rc backtest_interval(const struct backtest *b, const double *whole,
                        const double *level_of, double level,
                        struct fw_arena *scratch, double *factor)
{
    size_t room = b->count * b->h;
    double *score;
    size_t n = 0;

    room = room > 2 * CHANGES_MOST ? room : 2 * CHANGES_MOST;
    score = fw_arena_alloc(scratch, room * sizeof(double));
    if (score == NULL)
        return FW_ENOMEM;
    for (size_t i = 0; i + 1 < b->count; i++)
        for (size_t k = 0; k < b->known; k++) {
            double e = b->error[i * b->h + k];

            if (!isnan(e) && b->sigma[k] > 0.0)
                score[n++] = fabs(e) / b->sigma[k];
        }
    *factor = 0.0;
    if (n == 0)
        return FW_OK;
    numeric_sort(score, n);
    *factor = numeric_quantile(score, n, level) * heaviness(score, n);
    *factor *= caution(b, whole, level_of, level, score);
    return FW_OK;
}

double backtest_coverage(const struct backtest *b, const double *y,
                         const double *raw, const double *rows, double factor)
{
    size_t inside = 0, n = 0;

    for (size_t k = 0; k < b->known; k++) {
        double sum = 0.0;
        size_t some = 0;

        for (size_t i = 0; i + 1 < b->count; i++) {
            size_t o = b->origins[i];

            if (isnan(rows[i * b->h]) || isnan(raw[o + k]))
                continue;
            sum += (rows[i * b->h + k] - y[o + k]) *
                   (rows[i * b->h + k] - y[o + k]);
            some++;
        }
        for (size_t i = 0; some > 0 && i + 1 < b->count; i++) {
            size_t o = b->origins[i];

            if (isnan(rows[i * b->h]) || isnan(raw[o + k]))
                continue;
            inside += fabs(rows[i * b->h + k] - y[o + k]) <=
                      factor * sqrt(sum / (double)some);
            n++;
        }
    }
    return n > 0 ? (double)inside / (double)n : NAN;
}
