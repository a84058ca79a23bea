/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "predict/breach/breach_tasks.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "predict/breach/limit.h"
#include "predict/numeric.h"
#include "predict/samples.h"
#include "predict/segments.h"
#include "storage/base/hash.h"
#include "storage/base/limits.h"

#define SCRATCH_BYTES ((size_t)1 << 30)
#define HORIZON_STEPS 300 /* as samples.c: above it, the grid gets coarser */
#define SEED 1            /* of the simulation for young series */

struct work {
    const struct csv_series *series;
    const struct csv_task *tasks;
    struct breach_answer *answers; /* or take */
    breach_take take;
    void *self;
};

/* A series laid on a grid for one horizon and side, in the orientation "above"
 * and scaled. */
struct laid {
    struct samples_grid grid;
    double *y, *raw;
    double shift, scale, sign;
    struct season season;
};

static fw_rc lay(const struct csv_series *s, size_t n,
                 const struct csv_task *task, size_t max_cells,
                 struct fw_arena *arena, struct laid *out, struct fw_err *err)
{
    struct samples_question q = {task->as_of, task->horizon, 0, max_cells,
                                 task->below ? SAMPLES_MIN : SAMPLES_MAX};
    double lo = INFINITY, hi = -INFINITY;
    fw_rc rc;

    q.now = n > 0 && s->t[n - 1] > task->as_of ? s->t[n - 1] : task->as_of;
    rc = samples_resample(s->t, s->v, n, &q, arena, &out->grid, err);
    if (rc != FW_OK)
        return rc;
    if (out->grid.n == 0)
        return FW_NONE;
    out->y = fw_arena_alloc(arena, out->grid.n * sizeof(double));
    out->raw = fw_arena_alloc(arena, out->grid.n * sizeof(double));
    if (out->y == NULL || out->raw == NULL)
        return fw_arena_err(arena, err);
    for (size_t i = 0; i < out->grid.n; i++) {
        lo = fmin(lo, out->grid.filled[i]);
        hi = fmax(hi, out->grid.filled[i]);
    }
    out->sign = task->below ? -1.0 : 1.0;
    out->shift = 0.5 * lo + 0.5 * hi;
    out->scale = 0.5 * hi - 0.5 * lo;
    if (!(out->scale > 1e-15 * fmax(fabs(lo), fabs(hi))))
        out->scale = out->shift != 0.0 ? fabs(out->shift) : 1.0;
    for (size_t i = 0; i < out->grid.n; i++) {
        out->y[i] = out->sign * (out->grid.filled[i] - out->shift) / out->scale;
        out->raw[i] = isnan(out->grid.raw[i]) ? NAN : out->y[i];
    }
    out->season = limit_season(out->grid.step, &(struct season){0});
    return FW_OK;
}

static double limit_of(const struct laid *l, const struct csv_task *task)
{
    double limit = l->sign * (task->threshold - l->shift) / l->scale;

    return fmin(fmax(limit, -1e12), 1e12);
}

static fw_rc answer(struct work *w, size_t i, struct laid *l, struct passage *p,
                    size_t o, size_t h, struct fw_arena *arena)
{
    const struct csv_task *task = &w->tasks[i];
    double limit = limit_of(l, task), features[PASSAGE_FEATURES];
    struct passage_answer a;
    fw_rc rc;

    if (w->take != NULL) {
        if (passage_features(p, o, limit, features) == FW_OK)
            w->take(w->self, i, features);
        return FW_OK;
    }
    if (l->y[o - 1] > limit) {
        w->answers[i] = (struct breach_answer){true, 1.0, 0.0};
        return FW_OK;
    }
    rc = passage_ask(p, o, limit, &a);
    if (rc == FW_NONE) {
        struct segments segments;

        segments_find(l->y, o, &segments);
        rc = passage_short(l->y, segments_start(&segments, o), o, h, limit,
                           SEED, arena, &a);
    }
    if (rc == FW_NONE)
        return FW_OK; /* stays "cannot tell" */
    if (rc == FW_OK)
        w->answers[i] = (struct breach_answer){
            true, a.probability,
            a.p50 < 0.0 ? -1.0 : a.p50 * (double)l->grid.step / 1000.0};
    return rc;
}

/* Index behind the newest sample at or before as_of. */
static size_t samples_until(const struct csv_series *s, fw_ms as_of)
{
    size_t lo = 0, hi = s->n;

    while (lo < hi) {
        size_t mid = (lo + hi) / 2;

        if (s->t[mid] <= as_of)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo;
}

/* One question by itself: the series cut off at its moment. */
static fw_rc ask_alone(struct work *w, size_t i, struct fw_err *err)
{
    const struct csv_task *task = &w->tasks[i];
    struct fw_arena *arena = fw_arena_new(SCRATCH_BYTES);
    struct passage *p;
    struct laid l;
    fw_rc rc;

    if (arena == NULL)
        return fw_err_set(err, FW_ENOMEM, "out of memory for a question");
    rc = lay(w->series, samples_until(w->series, task->as_of), task, 0, arena,
             &l, err);
    if (rc == FW_OK)
        rc = passage_new(l.y, l.raw, l.grid.n, l.grid.ahead, &l.season, arena,
                         &p);
    if (rc == FW_OK)
        rc = answer(w, i, &l, p, l.grid.n, l.grid.ahead, arena);
    fw_arena_free(arena);
    return rc == FW_NONE ? FW_OK : rc;
}

/* Where a question stands in the grid: the number of cells it sees; 0 if its
 * moment is not that of a cell with a sample. */
static size_t place(const struct laid *l, fw_ms as_of)
{
    fw_ms back = l->grid.end - as_of;
    fw_ms cell = (back + l->grid.step / 2) / l->grid.step;
    size_t o;

    if (back < 0 || cell >= (fw_ms)l->grid.n)
        return 0;
    o = l->grid.n - (size_t)cell;
    /* Nothing after as_of may have slipped in by rounding, and nothing may be
     * missing either. */
    if (back % l->grid.step != 0 || isnan(l->grid.raw[o - 1]))
        return 0;
    return o;
}

/* True if every sample stands exactly on the grid: then none can slip into
 * the cell of an earlier moment. */
static bool regular(const struct csv_series *s, fw_ms interval)
{
    for (size_t i = 1; interval > 0 && i < s->n; i++)
        if ((s->t[i] - s->t[0]) % interval != 0)
            return false;
    return interval > 0;
}

/*
 * All questions of one horizon and side about one series. Where the grid is
 * that of the samples, one preparation serves them all.
 */
static fw_rc ask_together(struct work *w, const size_t *tasks, size_t n,
                          struct fw_err *err)
{
    const struct csv_task *first = &w->tasks[tasks[0]];
    fw_ms interval = samples_interval(w->series->t, w->series->v, w->series->n);
    struct fw_arena *arena = NULL;
    struct passage *p = NULL;
    struct laid l = {0};
    fw_rc rc = FW_OK;
    size_t h = 0;

    if (n > 2 && regular(w->series, interval) &&
        first->horizon / interval <= HORIZON_STEPS &&
        first->horizon % interval == 0) {
        arena = fw_arena_new(SCRATCH_BYTES);
        if (arena == NULL)
            return fw_err_set(err, FW_ENOMEM, "out of memory for questions");
        rc = lay(w->series, w->series->n, first, SIZE_MAX / 16, arena, &l, err);
        h = (size_t)(first->horizon / interval);
        if (rc == FW_OK && l.grid.step == interval)
            rc = passage_new(l.y, l.raw, l.grid.n, h, &l.season, arena, &p);
    }
    for (size_t i = 0; rc == FW_OK && i < n; i++) {
        size_t o = p != NULL ? place(&l, w->tasks[tasks[i]].as_of) : 0;

        rc = o > 0 ? answer(w, tasks[i], &l, p, o, h, arena)
                   : ask_alone(w, tasks[i], err);
    }
    fw_arena_free(arena);
    return rc == FW_NONE ? FW_OK : rc;
}

/* ---- Grouping ------------------------------------------------------------ */

struct key {
    uint32_t series;
    bool below;
    fw_ms horizon, as_of;
    size_t task;
};

static int by_group(const void *a, const void *b)
{
    const struct key *x = a, *y = b;

    if (x->series != y->series)
        return x->series < y->series ? -1 : 1;
    if (x->below != y->below)
        return x->below ? 1 : -1;
    if (x->horizon != y->horizon)
        return x->horizon < y->horizon ? -1 : 1;
    if (x->as_of != y->as_of)
        return x->as_of < y->as_of ? -1 : 1;
    return x->task < y->task ? -1 : x->task > y->task;
}

static bool named(const void *self, uint32_t value, const void *key)
{
    const struct csv_series *series = self;

    return fw_str_eq(series[value].name, *(const struct fw_str *)key);
}

static fw_rc run(const struct csv_series *series, size_t series_count,
                 const struct csv_task *tasks, size_t count, struct work *w,
                 struct fw_err *err)
{
    struct fw_index index = {0};
    struct key *keys = calloc(count + 1, sizeof(*keys));
    size_t *group = calloc(count + 1, sizeof(*group));
    size_t n = 0, to;
    fw_rc rc = FW_OK;

    if (keys == NULL || group == NULL)
        rc = fw_err_set(err, FW_ENOMEM, "out of memory for %zu questions",
                        count);
    for (size_t i = 0; rc == FW_OK && i < series_count; i++)
        rc = fw_index_add(&index,
                          fw_hash64(series[i].name.p, series[i].name.n, 0),
                          (uint32_t)i);
    for (size_t i = 0; rc == FW_OK && i < count; i++) {
        uint32_t at = fw_index_find(
            &index, fw_hash64(tasks[i].series.p, tasks[i].series.n, 0), named,
            series, &tasks[i].series);

        if (at != FW_INDEX_NONE)
            keys[n++] = (struct key){at, tasks[i].below, tasks[i].horizon,
                                     tasks[i].as_of, i};
    }
    if (rc == FW_OK)
        qsort(keys, n, sizeof(*keys), by_group);
    numeric_start();
    for (size_t from = 0; rc == FW_OK && from < n; from = to) {
        for (to = from; to < n && keys[to].series == keys[from].series &&
                        keys[to].below == keys[from].below &&
                        keys[to].horizon == keys[from].horizon;
             to++)
            group[to - from] = keys[to].task;
        w->series = &series[keys[from].series];
        rc = ask_together(w, group, to - from, err);
    }
    fw_index_release(&index);
    free(keys);
    free(group);
    return rc;
}

fw_rc breach_tasks_run(const struct csv_series *series, size_t series_count,
                       const struct csv_task *tasks, size_t count,
                       struct breach_answer *answers, struct fw_err *err)
{
    struct work w = {.tasks = tasks, .answers = answers};

    for (size_t i = 0; i < count; i++)
        answers[i] = (struct breach_answer){.eta_s = -1.0};
    return run(series, series_count, tasks, count, &w, err);
}

fw_rc breach_tasks_features(const struct csv_series *series,
                            size_t series_count, const struct csv_task *tasks,
                            size_t count, breach_take take, void *self,
                            struct fw_err *err)
{
    struct work w = {.tasks = tasks, .take = take, .self = self};

    return run(series, series_count, tasks, count, &w, err);
}
