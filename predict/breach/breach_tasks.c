/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "predict/breach/breach_tasks.h"

#include <float.h>
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
                 const struct csv_task *task, fw_ms horizon, size_t max_cells,
                 struct fw_arena *arena, struct laid *out, struct fw_err *err)
{
    struct samples_question q = {task->as_of, horizon, 0, max_cells,
                                 task->below ? SAMPLES_MIN : SAMPLES_MAX};
    double lo = INFINITY, hi = -INFINITY;
    int exponent;
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
    /* A power of two: what is cut off then changes no digit of a value. */
    (void)frexp(out->scale, &exponent);
    out->scale = exponent < DBL_MAX_EXP ? ldexp(1.0, exponent) : out->scale;
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

/* A question on its way up the ladder of its horizon. */
struct asked {
    size_t task;
    const struct ladder *ladder;
    struct ladder_bounds bounds;
};

/* One rung's answer as seen from y[0 .. o); FW_NONE: cannot tell. */
static fw_rc ask(const struct laid *l, struct passage *p, size_t o, size_t h,
                 double limit, const struct ladder_bounds *bounds,
                 struct fw_arena *arena, struct ladder_answer *out)
{
    const double step = (double)l->grid.step;
    struct passage_answer a;
    fw_rc rc = passage_ask(p, o, limit, bounds, &a);

    *out = (struct ladder_answer){0};
    if (rc == FW_NONE) {
        struct segments segments;

        segments_find(l->y, o, &segments);
        rc = passage_short(l->y, segments_start(&segments, o), o, h, limit,
                           SEED, bounds, arena, &a);
    }
    if (rc == FW_OK)
        *out = (struct ladder_answer){a.probability, a.p10 * step, a.p50 * step,
                                      a.p90 * step};
    return rc;
}

/* What a rung has said, for the next question that asks the same of it. */
struct heard {
    bool valid, none;
    fw_ms as_of;
    double threshold;
    struct ladder_answer answer;
};

static fw_rc answer(struct work *w, struct asked *q, size_t rung,
                    const struct laid *l, struct passage *p, size_t o, size_t h,
                    struct heard *heard, struct fw_arena *arena)
{
    const struct csv_task *task = &w->tasks[q->task];
    double limit = limit_of(l, task), features[PASSAGE_FEATURES];
    bool self = q->ladder->rung[rung].role == LADDER_SELF;
    struct ladder_answer a;
    fw_rc rc;

    if (w->take != NULL) {
        if (passage_features(p, o, limit, features) == FW_OK)
            w->take(w->self, q->task, features);
        return FW_OK;
    }
    if (self && l->y[o - 1] > limit) {
        w->answers[q->task] = (struct breach_answer){true, 1.0, 0.0};
        return FW_OK;
    }
    if (heard->valid && heard->as_of == task->as_of &&
        heard->threshold == task->threshold) {
        a = heard->answer;
        rc = heard->none ? FW_NONE : FW_OK;
    } else {
        rc = ask(l, p, o, h, limit, &q->bounds, arena, &a);
        if (rc != FW_OK && rc != FW_NONE)
            return rc;
        *heard = (struct heard){true, rc == FW_NONE, task->as_of,
                                task->threshold, a};
    }
    if (self && rc == FW_OK)
        ladder_times(&q->bounds, &a);
    if (!self)
        ladder_take(q->ladder, rung, rc == FW_OK ? &a : NULL, &q->bounds);
    else if (rc == FW_OK)
        w->answers[q->task] = (struct breach_answer){
            true, a.probability, a.p50 < 0.0 ? -1.0 : a.p50 / 1000.0};
    return FW_OK;
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

/* One rung of one question by itself: the series cut off at its moment. */
static fw_rc ask_alone(struct work *w, struct asked *q, size_t rung,
                       struct heard *heard, struct fw_err *err)
{
    const struct csv_task *task = &w->tasks[q->task];
    struct fw_arena *arena = fw_arena_new(SCRATCH_BYTES);
    struct passage *p;
    struct laid l;
    fw_rc rc;

    if (arena == NULL)
        return fw_err_set(err, FW_ENOMEM, "out of memory for a question");
    rc = lay(w->series, samples_until(w->series, task->as_of), task,
             q->ladder->rung[rung].horizon, 0, arena, &l, err);
    if (rc == FW_OK)
        rc = passage_new(l.y, l.raw, l.grid.n, l.grid.ahead, &l.season, arena,
                         &p);
    if (rc == FW_OK)
        rc = answer(w, q, rung, &l, p, l.grid.n, l.grid.ahead, heard, arena);
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

/* Questions of one horizon, by their moments. */
struct group {
    struct asked *asked;
    size_t n;
    struct ladder ladder;
};

/* A rung of a question, in the order in which they are asked. */
struct turn {
    struct asked *asked;
    size_t rung;
    fw_ms as_of;
    double threshold;
};

/* All questions of one side about one series. */
struct batch {
    struct group *groups;
    size_t n;
    struct turn *turns; /* room for all questions */
    fw_ms interval;     /* 0: its samples do not stand on a grid */
};

/* Where a ladder has this rung; its length if nowhere. */
static size_t rung_of(const struct ladder *l, const struct ladder_rung *what)
{
    size_t i = 0;

    while (i < l->n && (l->rung[i].horizon != what->horizon ||
                        l->rung[i].phase != what->phase))
        i++;
    return i;
}

static int by_moment(const void *a, const void *b)
{
    const struct turn *x = a, *y = b;

    if (x->as_of != y->as_of)
        return x->as_of < y->as_of ? -1 : 1;
    if (x->threshold != y->threshold)
        return x->threshold < y->threshold ? -1 : 1;
    return x->asked->task < y->asked->task ? -1 : 1;
}

/* All who ask this rung among groups [from, to), by their moments. */
static size_t line_up(const struct work *w, const struct batch *b, size_t from,
                      size_t to, const struct ladder_rung *what,
                      struct turn *out)
{
    size_t n = 0;

    for (size_t g = from; g < to; g++) {
        const struct group *group = &b->groups[g];
        size_t rung = rung_of(&group->ladder, what);

        for (size_t i = 0; rung < group->ladder.n && i < group->n; i++) {
            const struct csv_task *task = &w->tasks[group->asked[i].task];

            out[n++] = (struct turn){&group->asked[i], rung, task->as_of,
                                     task->threshold};
        }
    }
    qsort(out, n, sizeof(*out), by_moment);
    return n;
}

/*
 * One rung for all groups [from, to) that have it. Where the grid is that of
 * the samples, one preparation serves them all. Questions about one limit as
 * of one moment have been asked the same before this rung, and hear the same.
 */
static fw_rc ask_together(struct work *w, const struct batch *b, size_t from,
                          size_t to, const struct ladder_rung *what,
                          struct fw_err *err)
{
    const struct csv_task *first = &w->tasks[b->groups[from].asked[0].task];
    struct heard heard = {.valid = false};
    struct fw_arena *arena = NULL;
    struct passage *p = NULL;
    struct laid l = {0};
    size_t h = 0, n = line_up(w, b, from, to, what, b->turns);
    fw_rc rc = FW_OK;

    if (n > 2 && b->interval > 0 &&
        what->horizon / b->interval <= HORIZON_STEPS &&
        what->horizon % b->interval == 0) {
        arena = fw_arena_new(SCRATCH_BYTES);
        if (arena == NULL)
            return fw_err_set(err, FW_ENOMEM, "out of memory for questions");
        rc = lay(w->series, w->series->n, first, what->horizon, SIZE_MAX / 16,
                 arena, &l, err);
        h = (size_t)(what->horizon / b->interval);
        if (rc == FW_OK && l.grid.step == b->interval)
            rc = passage_new(l.y, l.raw, l.grid.n, h, &l.season, arena, &p);
    }
    for (size_t i = 0; rc == FW_OK && i < n; i++) {
        const struct turn *t = &b->turns[i];
        size_t o = p != NULL ? place(&l, t->as_of) : 0;

        rc = o > 0 ? answer(w, t->asked, t->rung, &l, p, o, h, &heard, arena)
                   : ask_alone(w, t->asked, t->rung, &heard, err);
    }
    fw_arena_free(arena);
    return rc == FW_NONE ? FW_OK : rc;
}

/* Rungs that several horizons share, one after the other. */
static fw_rc ask_shared(struct work *w, const struct batch *b,
                        enum ladder_phase phase, struct fw_err *err)
{
    fw_ms done = 0;

    for (;;) {
        struct ladder_rung next = {.phase = phase};
        fw_rc rc;

        for (size_t g = 0; g < b->n; g++)
            for (size_t i = 0; i < b->groups[g].ladder.n; i++) {
                const struct ladder_rung *r = &b->groups[g].ladder.rung[i];

                if (r->phase == phase && r->horizon > done &&
                    (next.horizon == 0 || r->horizon < next.horizon))
                    next.horizon = r->horizon;
            }
        if (next.horizon == 0)
            return FW_OK;
        rc = ask_together(w, b, 0, b->n, &next, err);
        if (rc != FW_OK)
            return rc;
        done = next.horizon;
    }
}

static fw_rc ask_batch(struct work *w, const struct batch *b,
                       struct fw_err *err)
{
    fw_rc rc = ask_shared(w, b, LADDER_COARSE, err);

    if (rc == FW_OK)
        rc = ask_shared(w, b, LADDER_FINE, err);
    for (size_t g = 0; rc == FW_OK && g < b->n; g++) {
        const struct ladder *l = &b->groups[g].ladder;

        if (l->rung[l->n - 1].phase == LADDER_BETWEEN)
            rc = ask_together(w, b, g, g + 1, &l->rung[l->n - 1], err);
    }
    return rc;
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

/* The questions keys[0 .. n), all of one series and side. */
static fw_rc ask_keys(struct work *w, const struct key *keys, size_t n,
                      struct asked *asked, struct group *groups,
                      struct turn *turns, struct fw_err *err)
{
    struct batch b = {.groups = groups, .turns = turns};
    fw_ms interval = samples_interval(w->series->t, w->series->v, w->series->n);

    if (regular(w->series, interval))
        b.interval = interval;
    for (size_t i = 0; i < n; i++) {
        struct group *g = &groups[b.n];

        if (i == 0 || keys[i].horizon != keys[i - 1].horizon) {
            g->asked = &asked[i];
            g->n = 0;
            if (w->take != NULL)
                ladder_alone(keys[i].horizon, &g->ladder);
            else
                ladder_make(keys[i].horizon, interval, &g->ladder);
            b.n++;
        } else {
            g = &groups[b.n - 1];
        }
        g->asked[g->n++] =
            (struct asked){keys[i].task, &g->ladder, LADDER_START};
    }
    return ask_batch(w, &b, err);
}

static fw_rc find_keys(const struct csv_series *series, size_t series_count,
                       const struct csv_task *tasks, size_t count,
                       struct key *keys, size_t *n, struct fw_err *err)
{
    struct fw_index index = {0};
    fw_rc rc = FW_OK;

    for (size_t i = 0; rc == FW_OK && i < series_count; i++)
        rc = fw_index_add(&index,
                          fw_hash64(series[i].name.p, series[i].name.n, 0),
                          (uint32_t)i);
    for (size_t i = 0; rc == FW_OK && i < count; i++) {
        uint32_t at = fw_index_find(
            &index, fw_hash64(tasks[i].series.p, tasks[i].series.n, 0), named,
            series, &tasks[i].series);

        if (at != FW_INDEX_NONE)
            keys[(*n)++] = (struct key){at, tasks[i].below, tasks[i].horizon,
                                        tasks[i].as_of, i};
    }
    fw_index_release(&index);
    if (rc == FW_OK)
        qsort(keys, *n, sizeof(*keys), by_group);
    else
        rc = fw_err_set(err, rc, "out of memory for %zu series", series_count);
    return rc;
}

static fw_rc run(const struct csv_series *series, size_t series_count,
                 const struct csv_task *tasks, size_t count, struct work *w,
                 struct fw_err *err)
{
    struct key *keys = calloc(count + 1, sizeof(*keys));
    struct asked *asked = calloc(count + 1, sizeof(*asked));
    struct group *groups = calloc(count + 1, sizeof(*groups));
    struct turn *turns = calloc(count + 1, sizeof(*turns));
    size_t n = 0, to;
    fw_rc rc = FW_OK;

    if (keys == NULL || asked == NULL || groups == NULL || turns == NULL)
        rc = fw_err_set(err, FW_ENOMEM, "out of memory for %zu questions",
                        count);
    if (rc == FW_OK)
        rc = find_keys(series, series_count, tasks, count, keys, &n, err);
    numeric_start();
    for (size_t from = 0; rc == FW_OK && from < n; from = to) {
        for (to = from; to < n && keys[to].series == keys[from].series &&
                        keys[to].below == keys[from].below;
             to++)
            continue;
        w->series = &series[keys[from].series];
        rc = ask_keys(w, keys + from, to - from, asked, groups, turns, err);
    }
    free(keys);
    free(asked);
    free(groups);
    free(turns);
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
