/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "predict/breach/passage_guess.h"

#include <math.h>
#include <stdint.h>
#include <string.h>

#include "predict/breach/passage_past.h"
#include "predict/numeric.h"

#define POOL_PER_H 4    /* origins per horizon */
#define FIRST_ORIGIN 16 /* values before the first origin */
#define LEVEL_OF 6      /* values whose mean is "the level now" */
#define GAP_SHARE 0.5   /* a window emptier than this has no outcome */
#define REFIT_LEAST 24  /* steps between refits of the autoregression */
#define SAW_FIRST 32    /* values falls are first judged by */
#define SAW_MOST 1024
#define SCATTER_LEAST 24  /* values today's scatter is taken from */
#define SCATTER_FLOOR 0.1 /* of the scatter over ten horizons */

const char *const guess_names[PASSAGE_CANDIDATES] = {
    "line over 12 steps",
    "half a line over 12 steps",
    "line over 36 steps",
    "half a line over 36 steps",
    "line over 72 steps",
    "half a line over 72 steps",
    "line over 288 steps",
    "half a line over 288 steps",
    "yesterday",
    "yesterday, half moved to today's level",
    "yesterday at today's level",
    "last week, half moved to today's level",
    "autoregression",
    "autoregression, recent",
    "sawtooth",
    "median of the guesses",
};

static const size_t windows[] = {12, 36, 72, 288};

/* ---- Getting ready ------------------------------------------------------- */

/* Maxima of all windows of h by a queue of falling values [Lemire 2006]. */
static void sliding_max(const double *y, size_t n, size_t h, size_t *queue,
                        double *out)
{
    size_t head = 0, tail = 0;

    for (size_t i = 0; i < n; i++) {
        while (tail > head && y[queue[tail - 1]] <= y[i])
            tail--;
        queue[tail++] = i;
        if (i + 1 < h)
            continue;
        if (queue[head] + h <= i)
            head++;
        out[i + 1 - h] = y[queue[head]];
    }
}

static void run_sums(struct passage *p)
{
    size_t day = past_day(p);

    p->sum[0] = p->sum_x[0] = p->sum_sq[0] = p->steps_sq[0] = 0.0;
    p->day_xy[0] = 0.0;
    p->missing[0] = 0;
    p->highest[0] = -INFINITY;
    for (size_t i = 0; i < p->n; i++) {
        double step = i > 0 ? p->y[i] - p->y[i - 1] : 0.0;

        p->sum[i + 1] = p->sum[i] + p->y[i];
        p->sum_x[i + 1] = p->sum_x[i] + (double)i * p->y[i];
        p->missing[i + 1] = p->missing[i] + (isnan(p->raw[i]) != 0);
        p->sum_sq[i + 1] = p->sum_sq[i] + p->y[i] * p->y[i];
        p->steps_sq[i + 1] = p->steps_sq[i] + step * step;
        p->day_xy[i + 1] =
            p->day_xy[i] + (i >= day ? p->y[i] * p->y[i - day] : 0.0);
        p->highest[i + 1] = fmax(p->highest[i], p->y[i]);
    }
}

/* Lags of a set: 0 without a season, 1 one day back, 2 two days, 3 a week. None
 * may depend on how long the series has become. */
static void init_lags(const struct passage *p, size_t set, double decay,
                      struct lagfit *out)
{
    size_t most = set == 1 ? p->day + 1 : set == 2 ? 2 * p->day + 1 : SIZE_MAX;

    lagfit_init(out, set > 0 ? p->day : 0, set > 2 ? p->week : 0, most, decay);
}

/*
 * The autoregression is refitted every so many steps, counted from the start
 * of the series, so that an answer does not depend on what came later. Of
 * four sets of lags an origin uses the richest that could be solved by then.
 */
static fw_rc refit_all(struct passage *p, struct fw_arena *arena)
{
    struct lagfit *fit = p->lags;
    size_t last_gap = 0;

    p->refits =
        fw_arena_calloc(arena, p->n / p->refit_every + 2, sizeof(*p->refits));
    if (p->refits == NULL)
        return FW_ENOMEM;
    for (size_t t = 1; t <= p->n; t++) {
        if (t % p->refit_every == 0) {
            struct refit *r = &p->refits[p->refit_count++];

            r->at = t;
            for (size_t j = 0; j < ALL_SETS; j++)
                r->solved[j] = lagfit_solve(&fit[j], &r->line[j]);
        }
        if (t == p->n)
            break;
        if (isnan(p->raw[t]))
            last_gap = t + 1;
        for (size_t j = 0; j < ALL_SETS; j++)
            if ((j % LAG_SETS < 1 || p->day > 0) &&
                (j % LAG_SETS < 3 || p->week > 0) &&
                t >= fit[j].lag[fit[j].p - 1] &&
                (last_gap == 0 || t >= last_gap + 3))
                lagfit_add(&fit[j], p->y, t);
    }
    return FW_OK;
}

/* ---- Candidates ---------------------------------------------------------- */

/* Least squares slope of y[from .. to) from running sums. */
static double slope_of(const struct passage *p, size_t from, size_t to)
{
    double n = (double)(to - from);
    double mid = 0.5 * (double)(from + to - 1);
    double sxy =
        p->sum_x[to] - p->sum_x[from] - mid * (p->sum[to] - p->sum[from]);

    return n > 1.0 ? sxy * 12.0 / (n * (n * n - 1.0)) : 0.0;
}

static double level_at(const struct passage *p, size_t o)
{
    size_t n = o < LEVEL_OF ? o : LEVEL_OF;

    return (p->sum[o] - p->sum[o - n]) / (double)n;
}

/* The largest of the h values that followed o - back, moved by a share of the
 * change of level since then. */
static double season_max(const struct passage *p, size_t o, size_t back,
                         double share)
{
    size_t from = o - back;
    double most;

    if (back == 0 || o < back + LEVEL_OF)
        return NAN;
    if (p->h <= back) {
        most = p->window_max[from];
    } else {
        most = -INFINITY;
        for (size_t i = from; i < o; i++)
            most = fmax(most, p->y[i]);
    }
    return most + share * (level_at(p, o) - level_at(p, from));
}

static const struct lagfit_line *line_for(const struct passage *p, size_t o,
                                          bool recent, size_t *set)
{
    size_t i = o / p->refit_every;
    const struct refit *r;

    if (p->resumed)
        i = 1; /* the one fit that is kept */
    if (i == 0 || i > p->refit_count)
        return NULL;
    r = &p->refits[i - 1];
    for (size_t k = LAG_SETS; k-- > 0;) {
        size_t j = recent ? LAG_SETS + k : k;

        if (r->solved[j]) {
            *set = j;
            return &r->line[j];
        }
    }
    return NULL;
}

/*
 * What counts as a fall is taken from the first 32, 64, ... values, the most
 * that had been seen by then; with each doubling the falls are looked for
 * anew.
 */
static void follow_sawtooth(struct passage *p, size_t o)
{
    size_t seen = SAW_FIRST;

    while (2 * seen <= o && seen < SAW_MOST)
        seen *= 2;
    if (seen > o)
        seen = o;
    if (o < p->saw_at || seen != p->saw_seen) {
        sawtooth_start(&p->saw);
        p->saw_at = 0;
        p->saw_seen = seen;
        p->saw_drop = sawtooth_drop(p->y, seen);
    }
    for (; p->saw_at < o; p->saw_at++)
        sawtooth_add(&p->saw, p->y, p->saw_at, p->saw_drop);
}

/* The path of a candidate that has one of its own; false if not from here. */
bool guess_path(struct passage *p, size_t o, int id, double *out)
{
    size_t h = p->h, set;
    const struct lagfit_line *line;

    if (id <= LINE_288_HALF) {
        size_t w = windows[id / 2] < o ? windows[id / 2] : o;
        double slope = slope_of(p, o - w, o) * (id % 2 == 1 ? 0.5 : 1.0);

        for (size_t k = 0; k < h; k++)
            out[k] = p->y[o - 1] + slope * (double)(k + 1);
        return true;
    }
    if (id <= WEEK_HALF) {
        size_t back = id == WEEK_HALF ? p->week : p->day;
        double share = id == DAY_0 ? 0.0 : id == DAY_1 ? 1.0 : 0.5, move;

        if (back == 0 || o < back + LEVEL_OF)
            return false;
        move = share * (level_at(p, o) - level_at(p, o - back));
        for (size_t k = 0; k < h; k++)
            out[k] = p->y[o - back + k % back] + move;
        return true;
    }
    if (id == MIDDLE)
        return false;
    if (id == SAWTOOTH) {
        follow_sawtooth(p, o);
        if (!sawtooth_holds(&p->saw, o))
            return false;
        sawtooth_path(&p->saw, p->y, o, h, out);
        return true;
    }
    line = line_for(p, o, id == AUTOREG_RECENT, &set);
    if (line == NULL)
        return false;
    lagfit_path(&p->lags[set], line, p->y, o, h, out);
    return isfinite(out[h - 1]);
}

static double path_max(struct passage *p, size_t o, int id)
{
    double most = -INFINITY, range = p->highest[o];

    if (!guess_path(p, o, id, p->path))
        return NAN;
    for (size_t k = 0; k < p->h; k++)
        most = fmax(most, p->path[k]);
    /* An autoregression that explodes is no guess; values are about 1. */
    return fabs(most) < 100.0 * (1.0 + fabs(range)) ? most : NAN;
}

static double middle(const double *guess)
{
    double v[PASSAGE_CANDIDATES];
    size_t n = 0;

    for (size_t i = 0; i < MIDDLE; i++)
        if (!isnan(guess[i]))
            v[n++] = guess[i];
    return numeric_median(v, n);
}

/* Deviation of the last n values. */
static double scatter(const struct passage *p, size_t o, size_t n)
{
    double mean, sq;

    n = n < o ? n : o;
    mean = (p->sum[o] - p->sum[o - n]) / (double)n;
    sq = (p->sum_sq[o] - p->sum_sq[o - n]) / (double)n;
    return sqrt(fmax(sq - mean * mean, 0.0));
}

void guess_look(struct passage *p, size_t o, struct origin *out)
{
    double ahead = (double)p->h;

    out->at = o;
    out->now = p->y[o - 1];
    out->level = level_at(p, o);
    out->scale = scatter(p, o, p->h > SCATTER_LEAST ? p->h : SCATTER_LEAST) +
                 SCATTER_FLOOR * scatter(p, o, 10 * p->h) + 1e-13;
    for (int i = 0; i < 4; i++) {
        size_t w = windows[i] < o ? windows[i] : o;
        double slope = slope_of(p, o - w, o);

        out->guess[2 * i] = out->now + fmax(slope, slope * ahead);
        out->guess[2 * i + 1] = out->now + 0.5 * fmax(slope, slope * ahead);
    }
    out->guess[DAY_0] = season_max(p, o, p->day, 0.0);
    out->guess[DAY_HALF] = season_max(p, o, p->day, 0.5);
    out->guess[DAY_1] = season_max(p, o, p->day, 1.0);
    out->guess[WEEK_HALF] = season_max(p, o, p->week, 0.5);
    out->guess[AUTOREG] = path_max(p, o, AUTOREG);
    out->guess[AUTOREG_RECENT] = path_max(p, o, AUTOREG_RECENT);
    out->guess[SAWTOOTH] = path_max(p, o, SAWTOOTH);
    out->guess[MIDDLE] = middle(out->guess);
    past_shape(p, o, out->shape);
    out->outcome = NAN;
    if (o + p->h <= p->n &&
        (double)(p->missing[o + p->h] - p->missing[o]) <= GAP_SHARE * ahead)
        out->outcome = p->window_max[o];
}

/* Everything but the fits and the earlier origins. */
static fw_rc begin(const double *y, const double *raw, size_t n, size_t h,
                   const struct season *season, struct fw_arena *arena,
                   struct passage **out)
{
    struct passage *p = fw_arena_calloc(arena, 1, sizeof(*p));
    size_t *queue = fw_arena_alloc(arena, (n + 1) * sizeof(*queue));

    if (p == NULL || queue == NULL)
        return FW_ENOMEM;
    p->y = y;
    p->raw = raw;
    p->n = n;
    p->h = h;
    p->day = season->length;
    p->week = season->longer;
    p->stride = passage_stride(h);
    p->refit_every = h > REFIT_LEAST ? h : REFIT_LEAST;
    p->sum = fw_arena_alloc(arena, (n + 1) * sizeof(double));
    p->sum_x = fw_arena_alloc(arena, (n + 1) * sizeof(double));
    p->sum_sq = fw_arena_alloc(arena, (n + 1) * sizeof(double));
    p->day_xy = fw_arena_alloc(arena, (n + 1) * sizeof(double));
    p->steps_sq = fw_arena_alloc(arena, (n + 1) * sizeof(double));
    p->missing = fw_arena_alloc(arena, (n + 1) * sizeof(size_t));
    p->highest = fw_arena_alloc(arena, (n + 1) * sizeof(double));
    p->window_max = fw_arena_alloc(arena, (n + 1) * sizeof(double));
    p->path = fw_arena_alloc(arena, h * sizeof(double));
    if (p->sum == NULL || p->sum_x == NULL || p->sum_sq == NULL ||
        p->steps_sq == NULL || p->day_xy == NULL || p->missing == NULL ||
        p->highest == NULL || p->window_max == NULL || p->path == NULL)
        return FW_ENOMEM;
    run_sums(p);
    sliding_max(y, n, h, queue, p->window_max);
    for (size_t j = 0; j < ALL_SETS; j++)
        init_lags(p, j % LAG_SETS,
                  j < LAG_SETS ? 1.0 : pow(0.5, 1.0 / RECENT_HALF),
                  &p->lags[j]);
    sawtooth_start(&p->saw);
    *out = p;
    return FW_OK;
}

size_t passage_stride(size_t h)
{
    return h > POOL_PER_H ? h / POOL_PER_H : 1;
}

/* Puts origin o among those a question may learn from, if it can be judged. */
static void remember(struct passage *p, size_t o)
{
    if (o < FIRST_ORIGIN || isnan(p->raw[o - 1]))
        return;
    guess_look(p, o, &p->pool[p->pool_count]);
    if (!isnan(p->pool[p->pool_count].outcome))
        p->pool_count++;
}

fw_rc passage_new(const double *y, const double *raw, size_t n, size_t h,
                  const struct season *season, struct fw_arena *arena,
                  struct passage **out)
{
    struct passage *p;
    fw_rc rc = begin(y, raw, n, h, season, arena, &p);

    if (rc != FW_OK)
        return rc;
    p->pool = fw_arena_alloc(arena, (n / p->stride + 1) * sizeof(*p->pool));
    if (p->pool == NULL)
        return FW_ENOMEM;
    rc = refit_all(p, arena);
    if (rc != FW_OK)
        return rc;
    for (size_t o = p->stride; o + h <= n; o += p->stride)
        remember(p, o);
    rc = lesson_room(p, arena);
    if (rc == FW_OK)
        *out = p;
    return rc;
}

fw_rc passage_resume(const double *y, const double *raw, size_t n, size_t h,
                     const struct season *season, const struct refit *fit,
                     const struct origin *pool, size_t count, size_t looked,
                     struct fw_arena *arena, struct passage **out)
{
    struct passage *p;
    fw_rc rc = begin(y, raw, n, h, season, arena, &p);

    if (rc != FW_OK)
        return rc;
    p->resumed = true;
    p->pool =
        fw_arena_alloc(arena, (count + n / p->stride + 1) * sizeof(*p->pool));
    p->refits = fw_arena_alloc(arena, sizeof(*p->refits));
    if (p->pool == NULL || p->refits == NULL)
        return FW_ENOMEM;
    p->refits[0] = *fit;
    p->refit_count = 1;
    memcpy(p->pool, pool, count * sizeof(*pool));
    p->pool_count = count;
    for (size_t i = 0; i < count; i++)
        past_shape(p, p->pool[i].at, p->pool[i].shape);
    for (size_t o = looked + p->stride; o + h <= n; o += p->stride) {
        remember(p, o);
        looked = o;
    }
    p->looked = looked;
    rc = lesson_room(p, arena);
    if (rc == FW_OK)
        *out = p;
    return rc;
}
