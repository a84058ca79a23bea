/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * watched.c - struct fw_forecaster: what passage.c knows of a series, kept
 * small between looks.
 *
 * Between looks a series is its grid as floats, one fit of the
 * autoregressions, and the earlier origins with what was guessed and what
 * came. None of it depends on the limit. A look lays the newest samples on,
 * spreads all out again as a struct passage (microseconds per thousand cells;
 * the fits, which cost a hundred times that, are not repeated) and asks.
 *
 * Origins and cells are counted from the first cell of the fit; `first` of
 * them have left since at the old end.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "predict/breach/limit.h"
#include "predict/breach/passage_guess.h"
#include "predict/numeric.h"
#include "predict/segments.h"
#include "storage/base/hash.h"
#include "storage/base/limits.h"

#define SCRATCH_BYTES ((size_t)64 << 20)
#define HISTORY_DEFAULT (14 * FW_DAY)
#define CELLS_MOST 8192
#define SPARE 2         /* horizons of room before old cells leave */
#define ORIGINS_MOST 96 /* kept: the newest */
#define LEAST_CELLS 8
#define SEED 1         /* of the simulation for young series */
#define FIT_HORIZONS 4 /* a fit older than this is refreshed, */
#define FIT_CELLS 48   /* and none younger than so many cells */
#define MISS_FADE 0.8  /* what an older miss counts beside the next */
#define MISS_MOST 3.0  /* usual errors that make a fit doubtful */

struct kept {
    uint32_t at;
    float now, level, scale, outcome;
    float guess[PASSAGE_CANDIDATES];
};

struct fw_forecaster {
    struct fw_forecaster_options o;
    fw_ms step, interval;
    fw_ms end;    /* of the newest cell */
    fw_ms newest; /* sample */
    fw_ms fitted_at, fit_lasts;
    enum samples_aggregate aggregate;
    double shift, scale, sign;
    struct season season;
    size_t h;
    float *cells; /* scaled and turned; NaN: empty */
    size_t n, room;
    size_t first, looked;
    struct kept *pool;
    size_t pool_count;
    struct refit fit;
    double usual; /* error of the middle guess at the fit */
    double miss;  /* fading mean of errors since, in usual ones */
};

fw_rc fw_forecaster_new(const struct fw_forecaster_options *options,
                        struct fw_forecaster **out, struct fw_err *err)
{
    struct fw_forecaster *f;

    if (options->horizon <= 0 || options->step < 0 || options->history < 0 ||
        options->breach.for_ms < 0)
        return fw_err_set(err, FW_EINVAL,
                          "the horizon must be above zero and no span below");
    f = calloc(1, sizeof(*f));
    if (f == NULL)
        return fw_err_set(err, FW_ENOMEM, "out of memory for a watched series");
    f->o = *options;
    if (f->o.history == 0)
        f->o.history = HISTORY_DEFAULT;
    f->aggregate = limit_aggregate(&f->o.breach);
    f->sign = f->o.breach.side == FW_ABOVE ? 1.0 : -1.0;
    f->newest = INT64_MIN;
    *out = f;
    return FW_OK;
}

void fw_forecaster_free(struct fw_forecaster *f)
{
    if (f == NULL)
        return;
    free(f->cells);
    free(f->pool);
    free(f);
}

size_t fw_forecaster_bytes(const struct fw_forecaster *f)
{
    return sizeof(*f) + f->room * sizeof(*f->cells) +
           (f->pool != NULL ? ORIGINS_MOST * sizeof(*f->pool) : 0);
}

fw_ms fw_forecaster_newest(const struct fw_forecaster *f)
{
    return f->newest;
}

/* ---- Folding up and spreading out ---------------------------------------- */

static struct kept fold(const struct origin *o, size_t first)
{
    struct kept k = {.at = (uint32_t)(o->at + first),
                     .now = (float)o->now,
                     .level = (float)o->level,
                     .scale = (float)o->scale,
                     .outcome = (float)o->outcome};

    for (size_t i = 0; i < PASSAGE_CANDIDATES; i++)
        k.guess[i] = (float)o->guess[i];
    return k;
}

static struct origin unfold(const struct kept *k, size_t first)
{
    struct origin o = {.at = k->at - first,
                       .now = (double)k->now,
                       .level = (double)k->level,
                       .scale = (double)k->scale,
                       .outcome = (double)k->outcome};

    for (size_t i = 0; i < PASSAGE_CANDIDATES; i++)
        o.guess[i] = (double)k->guess[i];
    return o;
}

static void keep_pool(struct fw_forecaster *f, const struct passage *p)
{
    size_t n = p->pool_count < ORIGINS_MOST ? p->pool_count : ORIGINS_MOST;

    for (size_t i = 0; i < n; i++)
        f->pool[i] = fold(&p->pool[p->pool_count - n + i], f->first);
    f->pool_count = n;
}

/* The cells as the values of the question, gaps on the line between their
 * neighbours. */
static fw_rc spread_out(const struct fw_forecaster *f, struct fw_arena *arena,
                        double **y_out, double **raw_out)
{
    double *y = fw_arena_alloc(arena, f->n * sizeof(double));
    double *raw = fw_arena_alloc(arena, f->n * sizeof(double));
    double *work = fw_arena_alloc(arena, f->n * sizeof(double));
    size_t last = 0;

    if (y == NULL || raw == NULL || work == NULL)
        return FW_ENOMEM;
    for (size_t i = 0; i < f->n; i++) {
        raw[i] = y[i] = (double)f->cells[i];
        if (isnan(y[i]))
            continue;
        for (size_t j = last + 1; j < i; j++) {
            double w = (double)(j - last) / (double)(i - last);

            y[j] = (1.0 - w) * y[last] + w * y[i];
        }
        last = i;
    }
    if (f->o.breach.for_ms >= f->step)
        limit_hold(y, raw, f->n, (size_t)(f->o.breach.for_ms / f->step) + 1,
                   work);
    *y_out = y;
    *raw_out = raw;
    return FW_OK;
}

static fw_rc resume(struct fw_forecaster *f, const double *y, const double *raw,
                    struct fw_arena *arena, struct passage **out)
{
    struct origin *pool =
        fw_arena_alloc(arena, (f->pool_count + 1) * sizeof(*pool));
    size_t n = 0, looked = f->looked > f->first ? f->looked - f->first : 0;

    if (pool == NULL)
        return FW_ENOMEM;
    for (size_t i = 0; i < f->pool_count; i++)
        if (f->pool[i].at > f->first)
            pool[n++] = unfold(&f->pool[i], f->first);
    return passage_resume(y, raw, f->n, f->h, &f->season, &f->fit, pool, n,
                          looked, arena, out);
}

/* Takes over the origins whose outcome has come to be known, and how far off
 * the middle guess was there. */
static void learn(struct fw_forecaster *f, const struct passage *p)
{
    if (p->looked + f->first == f->looked)
        return;
    for (size_t i = 0; i < p->pool_count; i++) {
        const struct origin *o = &p->pool[i];

        if (o->at + f->first > f->looked && !isnan(o->guess[MIDDLE]))
            f->miss = MISS_FADE * f->miss +
                      (1.0 - MISS_FADE) * fabs(o->outcome - o->guess[MIDDLE]) /
                          f->usual;
    }
    f->looked = p->looked + f->first;
    keep_pool(f, p);
}

/* ---- Fitting ------------------------------------------------------------- */

static void scale_of(struct fw_forecaster *f, const struct samples_grid *g)
{
    double lo = INFINITY, hi = -INFINITY;

    for (size_t i = 0; i < g->n; i++) {
        lo = fmin(lo, g->filled[i]);
        hi = fmax(hi, g->filled[i]);
    }
    f->shift = 0.5 * lo + 0.5 * hi;
    f->scale = 0.5 * hi - 0.5 * lo;
    if (!(f->scale > 1e-15 * fmax(fabs(lo), fabs(hi))))
        f->scale = f->shift != 0.0 ? fabs(f->shift) : 1.0;
}

/* When a fit is old, spread over a quarter by what the series begins with. */
static fw_ms lasts(const struct fw_forecaster *f)
{
    size_t cells =
        FIT_HORIZONS * f->h > FIT_CELLS ? FIT_HORIZONS * f->h : FIT_CELLS;
    uint64_t mix = fw_hash64(&f->shift, sizeof(f->shift), 0);

    cells += (size_t)(mix % (cells / 4 + 1));
    return (fw_ms)cells * f->step;
}

static fw_rc take_grid(struct fw_forecaster *f, const struct samples_grid *g)
{
    size_t room = g->n + SPARE * g->ahead + FIT_CELLS;
    float *cells = calloc(room, sizeof(*cells));
    struct kept *pool = calloc(ORIGINS_MOST, sizeof(*pool));

    if (cells == NULL || pool == NULL) {
        free(cells);
        free(pool);
        return FW_ENOMEM;
    }
    free(f->cells);
    free(f->pool);
    f->cells = cells;
    f->pool = pool;
    f->room = room;
    f->n = g->n;
    f->h = g->ahead;
    f->step = g->step;
    f->interval = g->interval;
    f->end = f->newest = g->end;
    f->first = 0;
    scale_of(f, g);
    for (size_t i = 0; i < g->n; i++)
        f->cells[i] =
            isnan(g->raw[i])
                ? NAN
                : (float)(f->sign * (g->filled[i] - f->shift) / f->scale);
    f->season = limit_season(f->step, &(struct season){0});
    f->fit_lasts = lasts(f);
    return FW_OK;
}

static void take_fit(struct fw_forecaster *f, const struct passage *p)
{
    double sum = 0.0, n = 0.0;

    f->fit =
        p->refit_count > 0 ? p->refits[p->refit_count - 1] : (struct refit){0};
    f->looked = p->n >= f->h ? (p->n - f->h) / p->stride * p->stride : 0;
    keep_pool(f, p);
    for (size_t i = 0; i < p->pool_count; i++)
        if (!isnan(p->pool[i].guess[MIDDLE])) {
            sum += fabs(p->pool[i].outcome - p->pool[i].guess[MIDDLE]);
            n += 1.0;
        }
    f->usual = n > 0.0 ? sum / n + 1e-9 : INFINITY;
    f->miss = 0.0;
}

fw_rc fw_forecaster_fit(struct fw_forecaster *f, const fw_ms *t,
                        const double *v, size_t n, fw_ms now,
                        struct fw_err *err)
{
    struct fw_arena *arena = fw_arena_new(SCRATCH_BYTES);
    struct samples_question q = {now, f->o.horizon, f->o.step, CELLS_MOST,
                                 f->aggregate};
    struct samples_grid g;
    struct passage *p;
    double *y, *raw;
    size_t from = 0;
    fw_rc rc;

    if (arena == NULL)
        return fw_err_set(err, FW_ENOMEM, "out of memory for a fit");
    numeric_start();
    while (from < n && t[from] < now - f->o.history)
        from++;
    rc = samples_resample(t + from, v + from, n - from, &q, arena, &g, err);
    if (rc == FW_OK && (g.n < 2 || g.known < LEAST_CELLS))
        rc = FW_NONE;
    if (rc != FW_OK)
        goto out;
    /* The horizon is that of looks whose newest sample is fresh. */
    g.ahead = (size_t)((f->o.horizon + g.step - 1) / g.step);
    rc = take_grid(f, &g);
    if (rc == FW_OK)
        rc = spread_out(f, arena, &y, &raw);
    if (rc == FW_OK)
        rc = passage_new(y, raw, f->n, f->h, &f->season, arena, &p);
    if (rc == FW_OK) {
        take_fit(f, p);
        f->fitted_at = now;
    } else {
        f->n = 0;
    }
    if (rc == FW_ENOMEM)
        rc = fw_err_set(err, FW_ENOMEM, "out of memory for a fit");
out:
    fw_arena_free(arena);
    return rc;
}

bool fw_forecaster_due(const struct fw_forecaster *f, fw_ms now)
{
    return f->n == 0 || now - f->fitted_at >= f->fit_lasts ||
           f->miss > MISS_MOST;
}

/* ---- One sample more ----------------------------------------------------- */

/* The oldest cells leave, so that there is room for `more`. They go many at a
 * time: on the average a sample moves a cell or two. */
static void make_room(struct fw_forecaster *f, size_t more)
{
    size_t leave;

    if (f->n + more <= f->room)
        return;
    leave = f->n + more - f->room + SPARE * f->h;
    if (leave > f->n)
        leave = f->n;
    while (leave < f->n && isnan(f->cells[leave]))
        leave++; /* the first cell is never empty */
    memmove(f->cells, f->cells + leave, (f->n - leave) * sizeof(*f->cells));
    f->n -= leave;
    f->first += leave;
}

void fw_forecaster_add(struct fw_forecaster *f, fw_ms t, double v)
{
    fw_ms ahead, half;
    float x;

    if (f->n == 0 || t <= f->newest || !isfinite(v))
        return;
    half = f->step <= f->interval ? f->step / 2 : f->step - 1;
    ahead = (t - f->end + half) / f->step;
    f->newest = t;
    if (ahead >= (fw_ms)f->room) {
        f->n = 0; /* nothing of what it knew is near any more */
        return;
    }
    x = (float)(f->sign * (v - f->shift) / f->scale);
    if (ahead <= 0) {
        float *last = &f->cells[f->n - 1];
        bool most = (f->aggregate == SAMPLES_MAX) == (f->sign > 0.0);

        if (isnan(*last) || (most ? x > *last : x < *last))
            *last = x;
        return;
    }
    make_room(f, (size_t)ahead);
    for (; ahead > 1; ahead--, f->end += f->step)
        f->cells[f->n++] = NAN;
    f->cells[f->n++] = x;
    f->end += f->step;
}

/* ---- Asking -------------------------------------------------------------- */

static fw_ms from_now(const struct fw_forecaster *f, fw_ms now, double steps)
{
    fw_ms at;

    if (steps < 0.0)
        return -1;
    at = (fw_ms)(steps * (double)f->step + 0.5) - (now - f->end);
    return at < 0 ? 0 : at > f->o.horizon ? f->o.horizon : at;
}

static fw_rc ask(struct fw_forecaster *f, double limit, struct fw_arena *arena,
                 struct passage_answer *out)
{
    const struct ladder_bounds free_of = LADDER_START;
    struct passage *p;
    double *y, *raw;
    fw_rc rc = spread_out(f, arena, &y, &raw);

    if (rc == FW_OK)
        rc = resume(f, y, raw, arena, &p);
    if (rc != FW_OK)
        return rc;
    learn(f, p);
    if (y[f->n - 1] > limit) {
        *out = (struct passage_answer){.probability = 1.0, .guide = "now"};
        return FW_OK;
    }
    rc = passage_ask(p, f->n, limit, &free_of, out);
    if (rc == FW_NONE) {
        struct segments segments;

        segments_find(y, f->n, &segments);
        rc = passage_short(y, segments_start(&segments, f->n), f->n, f->h,
                           limit, SEED, &free_of, arena, out);
    }
    return rc;
}

fw_rc fw_forecaster_ask(struct fw_forecaster *f, fw_ms now, double limit,
                        struct fw_passage *out, const char **guide,
                        struct fw_err *err)
{
    struct fw_arena *arena;
    struct passage_answer a;
    double scaled;
    fw_rc rc;

    if (!isfinite(limit))
        return fw_err_set(err, FW_EINVAL, "the limit must be a number");
    if (f->n < LEAST_CELLS || (now - f->newest > f->o.horizon / 2 &&
                               now - f->newest > 5 * f->interval))
        return FW_NONE;
    arena = fw_arena_new(SCRATCH_BYTES);
    if (arena == NULL)
        return fw_err_set(err, FW_ENOMEM, "out of memory for a look");
    scaled = limit_scaled(&f->o.breach, limit, f->shift, f->scale);
    rc = ask(f, scaled, arena, &a);
    if (rc == FW_OK) {
        float newest = f->cells[f->n - 1];

        *out = (struct fw_passage){.breached_now = (double)newest > scaled,
                                   .probability = a.probability,
                                   .p10 = from_now(f, now, a.p10),
                                   .p50 = from_now(f, now, a.p50),
                                   .p90 = from_now(f, now, a.p90)};
        if (guide != NULL)
            *guide = a.guide;
    }
    if (rc == FW_ENOMEM)
        rc = fw_err_set(err, FW_ENOMEM, "out of memory for a look");
    fw_arena_free(arena);
    return rc;
}
