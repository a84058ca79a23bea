/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "predict/samples.h"

#include <math.h>
#include <stdlib.h>

#define SPACINGS 512        /* distances looked at for the usual one */
#define HORIZON_STEPS 300   /* finer tells no more, and costs more */
#define SNAP 0.02           /* an interval this near a whole second is it */
#define SPARSE_FILL 0.5     /* fuller than this, or the grid gets coarser */
#define SPARSE_ROUNDS 6     /* 64 times coarser at most */
#define SHORT_CELLS 48      /* a grid of fewer gets finer, if samples allow */
#define SPARSE_LOOK_BACK 64 /* in horizons: how much past fill is judged on */

static int by_value(const void *a, const void *b)
{
    fw_ms x = *(const fw_ms *)a, y = *(const fw_ms *)b;

    return (x > y) - (x < y);
}

/* The median distance of up to SPACINGS finite samples before index `to`. */
static fw_ms median_spacing(const fw_ms *t, const double *v, size_t to)
{
    fw_ms d[SPACINGS];
    size_t n = 0, i = to;

    while (i > 0 && !isfinite(v[i - 1]))
        i--;
    while (i > 1 && n < SPACINGS) {
        size_t later = --i;

        while (i > 0 && !isfinite(v[i - 1]))
            i--;
        if (i > 0 && t[later] > t[i - 1])
            d[n++] = t[later] - t[i - 1];
    }
    if (n == 0)
        return 0;
    for (i = 1; i < n && d[i] == d[0]; i++)
        continue;
    if (i == n)
        return d[0]; /* as most are */
    qsort(d, n, sizeof(*d), by_value);
    return d[n / 2];
}

/*
 * An interval may have changed on the way; then the coarser of the recent and
 * the earlier one serves both halves, without inventing gaps.
 */
fw_ms samples_interval(const fw_ms *t, const double *v, size_t n)
{
    fw_ms recent = median_spacing(t, v, n);
    fw_ms before = median_spacing(t, v, n / 2 + 1);
    fw_ms d = recent > before ? recent : before;
    fw_ms second = (d + FW_SECOND / 2) / FW_SECOND * FW_SECOND;

    if (second > 0 && fabs((double)(d - second)) <= SNAP * (double)second)
        d = second;
    return d;
}

/* A multiple of the interval that divides the day, if one is near: seasons of
 * a day are then whole numbers of steps. */
static fw_ms coarser(fw_ms interval, fw_ms least)
{
    fw_ms k = (least + interval - 1) / interval;

    if (k <= 1)
        return interval;
    for (fw_ms j = k; j <= 2 * k; j++)
        if (FW_DAY % (interval * j) == 0)
            return interval * j;
    return interval * k;
}

/*
 * The step where none is asked for: coarse enough for the horizon, but not so
 * coarse that a short history shrinks to a handful of cells.
 */
static fw_ms choose_step(const struct samples_question *question,
                         fw_ms interval, fw_ms span)
{
    fw_ms step = coarser(interval, (question->horizon + HORIZON_STEPS - 1) /
                                       HORIZON_STEPS);

    if (span / step < SHORT_CELLS)
        step = coarser(interval, span / SHORT_CELLS);
    return step;
}

static void aggregate(double *cell, double v, enum samples_aggregate how)
{
    if (isnan(*cell) || how == SAMPLES_LAST ||
        (how == SAMPLES_MAX && v > *cell) || (how == SAMPLES_MIN && v < *cell))
        *cell = v;
}

/* Index of the cell of instant t counted back from the last (0). A step equal
 * to the interval takes the nearest, so that jitter empties no cell. */
static fw_ms cells_back(const struct samples_grid *g, fw_ms t)
{
    fw_ms half = g->step <= g->interval ? g->step / 2 : 0;

    return (g->end - t + half) / g->step;
}

static void lay(const fw_ms *t, const double *v, size_t n,
                enum samples_aggregate how, struct samples_grid *g)
{
    for (size_t i = 0; i < g->n; i++)
        g->raw[i] = NAN;
    for (size_t i = n; i-- > 0;) {
        fw_ms back = cells_back(g, t[i]);

        if (back >= (fw_ms)g->n)
            break;
        if (isfinite(v[i]) &&
            (how != SAMPLES_LAST || isnan(g->raw[g->n - 1 - (size_t)back])))
            aggregate(&g->raw[g->n - 1 - (size_t)back], v[i], how);
    }
    g->known = 0;
    for (size_t i = 0; i < g->n; i++)
        g->known += isnan(g->raw[i]) ? 0 : 1;
}

/* How much of the past that matters for this horizon is filled. */
static double recent_fill(const struct samples_grid *g)
{
    size_t look = SPARSE_LOOK_BACK * (g->ahead > 0 ? g->ahead : 1);
    size_t from = g->n > look ? g->n - look : 0;
    size_t known = 0;

    for (size_t i = from; i < g->n; i++)
        known += isnan(g->raw[i]) ? 0 : 1;
    return (double)known / (double)(g->n - from);
}

static void fill(struct samples_grid *g)
{
    size_t last = 0; /* the first cell is never empty */

    for (size_t i = 0; i < g->n; i++) {
        g->filled[i] = g->raw[i];
        if (isnan(g->raw[i]))
            continue;
        for (size_t j = last + 1; j < i; j++) {
            double w = (double)(j - last) / (double)(i - last);

            g->filled[j] = (1.0 - w) * g->raw[last] + w * g->raw[i];
        }
        last = i;
    }
}

static void measure(struct samples_grid *g,
                    const struct samples_question *question, fw_ms first)
{
    size_t most = question->max_cells > 0 ? question->max_cells : SAMPLES_CELLS;
    fw_ms gap = question->now > g->end ? question->now - g->end : 0;
    fw_ms back = cells_back(g, first);

    g->n = back + 1 > (fw_ms)most ? most : (size_t)back + 1;
    g->lead = (size_t)(gap / g->step);
    g->ahead = (size_t)((gap + question->horizon + g->step - 1) / g->step);
}

fw_rc samples_resample(const fw_ms *t, const double *v, size_t n,
                       const struct samples_question *question,
                       struct fw_arena *arena, struct samples_grid *out,
                       struct fw_err *err)
{
    struct samples_grid g = {0};
    size_t first = 0, start;
    fw_ms step;

    while (n > 0 && (t[n - 1] > question->now || !isfinite(v[n - 1])))
        n--;
    while (first < n && !isfinite(v[first]))
        first++;
    for (size_t i = first; i < n; i++)
        g.finite += isfinite(v[i]) ? 1 : 0;
    *out = g;
    if (g.finite < 2)
        return FW_OK;
    g.end = t[n - 1];
    g.interval = samples_interval(t, v, n);
    step = question->step;
    if (step <= 0)
        step = choose_step(question, g.interval, g.end - t[first]);
    for (int round = 0;; round++, step *= 2) {
        g.step = step;
        measure(&g, question, t[first]);
        g.raw = fw_arena_alloc(arena, g.n * sizeof(double));
        g.filled = fw_arena_alloc(arena, g.n * sizeof(double));
        if (g.raw == NULL || g.filled == NULL)
            return fw_arena_err(arena, err);
        lay(t, v, n, question->aggregate, &g);
        if (question->step > 0 || round == SPARSE_ROUNDS ||
            recent_fill(&g) >= SPARSE_FILL || g.ahead < 24)
            break;
    }
    for (start = 0; isnan(g.raw[start]); start++)
        continue;
    g.raw += start;
    g.filled += start;
    g.n -= start;
    fill(&g);
    *out = g;
    return FW_OK;
}
