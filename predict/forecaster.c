/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * forecaster.c - samples in, forecast out: the pipeline of predict.h.
 *
 * Inside, values are moved and scaled to about [-1, 1], so that 1e300 and
 * 1e-300 behave like anything else; what leaves is in the units that came.
 * Everything but the answer lives in a scratch arena that dies with the call.
 */
#include "predict/forecaster.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "predict/backtest.h"
#include "predict/breach/limit.h"
#include "predict/breach/passage.h"
#include "predict/numeric.h"
#include "predict/predict.h"
#include "predict/samples.h"
#include "predict/season.h"
#include "predict/segments.h"
#include "predict/shape.h"
#include "predict/words.h"
#include "storage/base/limits.h"

#define SCRATCH_BYTES ((size_t)512 << 20)
#define LEAST_CELLS 8 /* known values below this say nothing */
#define STEPS_MOST 100000
#define REACH 10       /* horizons of more than this many histories */
#define LEAST_FILL 0.2 /* of the grid's recent part */
#define TIME_MOST ((fw_ms)9223372036854) /* ms: sums cannot overflow */
#define LEVEL_DEFAULT 0.95
#define SEED_DEFAULT 0x464f5245 /* any constant would do */
#define JUMPS_MOST 5            /* more of them are no exception */
#define JUMP_SIZE 20.0          /* usual steps that make a jump */
#define JUMP_KEPT 6             /* values a new level lasts at the least */
#define COMBINED "median of the best"

struct run {
    const struct fw_forecast_options *o;
    const fw_ms *t; /* the samples */
    const double *v;
    size_t samples;
    struct samples_grid grid;
    struct season season;
    struct segments segments;
    struct backtest backtest;
    double shift, scale;
    double *y, *raw;           /* scaled */
    double *level, *level_raw; /* the same without lasting jumps */
    struct fw_arena *arena, *scratch;
    struct fw_forecast *f;
};

/* ---- Checks -------------------------------------------------------------- */

static fw_rc check(const fw_ms *t, size_t n,
                   const struct fw_forecast_options *o, struct fw_err *err)
{
    if (n > FW_MAX_FORECAST_SAMPLES)
        return fw_err_set(err, FW_ETOOBIG,
                          "%zu samples in one series; %d is the most", n,
                          FW_MAX_FORECAST_SAMPLES);
    if (o->horizon <= 0)
        return fw_err_set(err, FW_EINVAL, "the horizon must be above zero");
    if (o->step < 0 || (o->step > 0 && o->horizon / o->step > STEPS_MOST))
        return fw_err_set(err, FW_EINVAL,
                          "the step must divide the horizon into at most "
                          "100000 parts");
    if (o->level != 0.0 && !(o->level > 0.0 && o->level < 1.0))
        return fw_err_set(err, FW_EINVAL,
                          "the level of the interval lies between 0 and 1");
    if ((o->has_lower && !isfinite(o->lower)) ||
        (o->has_upper && !isfinite(o->upper)) ||
        (o->has_lower && o->has_upper && o->lower >= o->upper))
        return fw_err_set(err, FW_EINVAL,
                          "the lower bound must be below the upper one");
    if (!(o->season >= 0.0))
        return fw_err_set(err, FW_EINVAL, "the season must not be negative");
    if (o->breach != NULL &&
        (!isfinite(o->breach->limit) || o->breach->for_ms < 0))
        return fw_err_set(err, FW_EINVAL, "the limit must be a number");
    if (o->now < -TIME_MOST || o->now > TIME_MOST || o->horizon > TIME_MOST ||
        o->step > TIME_MOST ||
        (n > 0 && (t[0] < -TIME_MOST || t[n - 1] > TIME_MOST)))
        return fw_err_set(err, FW_EINVAL,
                          "times lie between the years 1677 and 2262");
    for (size_t i = 1; i < n; i++)
        if (t[i] <= t[i - 1])
            return fw_err_set(err, FW_EINVAL,
                              "times must rise: sample %zu is not after the "
                              "one before it",
                              i + 1);
    return FW_OK;
}

static fw_rc cannot_tell(struct fw_forecast *f, enum fw_reason reason)
{
    f->verdict = FW_CANNOT_TELL;
    f->reason = reason;
    return FW_NONE;
}

/* FW_NONE and the reason where no honest forecast can be made. */
static fw_rc enough(struct run *r, size_t n)
{
    const struct samples_grid *g = &r->grid;
    struct fw_forecast *f = r->f;
    char a[WORDS_BYTES], b[WORDS_BYTES];
    fw_ms gap = r->o->now - g->end;

    if (g->finite == 0 && n > 0) {
        (void)snprintf(f->why, sizeof(f->why),
                       "none of the %zu samples is a finite number", n);
        return cannot_tell(f, FW_NOT_FINITE);
    }
    if (g->known < LEAST_CELLS) {
        (void)snprintf(f->why, sizeof(f->why),
                       "%zu sample%s known; %d are the least to say anything "
                       "from",
                       g->finite, g->finite == 1 ? " is" : "s are",
                       LEAST_CELLS);
        return cannot_tell(f, FW_TOO_SHORT);
    }
    if (gap > r->o->horizon / 2 && gap > 5 * g->interval) {
        (void)words_span(gap, a);
        (void)words_span(r->o->horizon, b);
        (void)snprintf(f->why, sizeof(f->why),
                       "the newest sample is %s old, too old to look %s ahead",
                       a, b);
        return cannot_tell(f, FW_STALE);
    }
    if (g->ahead > REACH * g->n) {
        char c[WORDS_BYTES];

        (void)words_span((fw_ms)g->n * g->step, a);
        (void)words_span(r->o->horizon, b);
        (void)words_span((r->o->horizon + gap) / REACH + g->step, c);
        (void)snprintf(f->why, sizeof(f->why),
                       "%s of history is too little to look %s ahead; about "
                       "%s is the least",
                       a, b, c);
        return cannot_tell(f, FW_TOO_SHORT);
    }
    if ((double)g->known < LEAST_FILL * (double)g->n) {
        (void)snprintf(f->why, sizeof(f->why),
                       "only %zu of %zu steps have a sample", g->known, g->n);
        return cannot_tell(f, FW_GAPS);
    }
    return FW_OK;
}

/* ---- Preparing ----------------------------------------------------------- */

static fw_rc scale_values(struct run *r)
{
    const struct samples_grid *g = &r->grid;
    double lo = g->filled[0], hi = g->filled[0];

    r->y = fw_arena_alloc(r->scratch, g->n * sizeof(double));
    r->raw = fw_arena_alloc(r->scratch, g->n * sizeof(double));
    if (r->y == NULL || r->raw == NULL)
        return FW_ENOMEM;
    for (size_t i = 0; i < g->n; i++) {
        lo = g->filled[i] < lo ? g->filled[i] : lo;
        hi = g->filled[i] > hi ? g->filled[i] : hi;
    }
    r->shift = 0.5 * lo + 0.5 * hi;
    r->scale = 0.5 * hi - 0.5 * lo;
    /* A range lost in the rounding of the values is no range. */
    if (!(r->scale > 1e-15 * fmax(fabs(lo), fabs(hi))))
        r->scale = r->shift != 0.0 ? fabs(r->shift) : 1.0;
    for (size_t i = 0; i < g->n; i++) {
        r->y[i] = (g->filled[i] - r->shift) / r->scale;
        r->raw[i] = isnan(g->raw[i]) ? NAN : r->y[i];
    }
    return FW_OK;
}

/*
 * A rare jump to a level that is then kept (a restart, a file moved) is taken
 * out by moving what lies before it, so that no model sees a trend in it. Only
 * for the models: what is shown and what the limit is asked of stays as it is.
 */
static fw_rc take_out_jumps(struct run *r)
{
    size_t n = r->grid.n, at[JUMPS_MOST], count = 0;
    double *work = fw_arena_alloc(r->scratch, (n + 1) * sizeof(double));
    double usual;

    r->level = fw_arena_alloc(r->scratch, n * sizeof(double));
    r->level_raw = fw_arena_alloc(r->scratch, n * sizeof(double));
    if (work == NULL || r->level == NULL || r->level_raw == NULL)
        return FW_ENOMEM;
    memcpy(r->level, r->y, n * sizeof(double));
    memcpy(r->level_raw, r->raw, n * sizeof(double));
    if (n < 4 * JUMP_KEPT || r->f->verdict == FW_SAWTOOTH)
        return FW_OK;
    for (size_t i = 1; i < n; i++)
        work[i - 1] = fabs(r->y[i] - r->y[i - 1]);
    usual = numeric_median(work, n - 1);
    for (size_t i = JUMP_KEPT; i + JUMP_KEPT <= n; i++) {
        double jump = r->y[i] - r->y[i - 1], before, after;

        if (fabs(jump) <= JUMP_SIZE * usual + 1e-9)
            continue;
        memcpy(work, r->y + i - JUMP_KEPT, JUMP_KEPT * sizeof(double));
        before = numeric_median(work, JUMP_KEPT);
        memcpy(work, r->y + i, JUMP_KEPT * sizeof(double));
        after = numeric_median(work, JUMP_KEPT);
        if (fabs(after - before) < 0.7 * fabs(jump) ||
            (after - before) * jump < 0.0)
            continue; /* a spike */
        if (count == JUMPS_MOST)
            return FW_OK; /* jumping is what it does */
        at[count++] = i;
    }
    for (size_t j = 0; j < count; j++) {
        double jump = r->y[at[j]] - r->y[at[j] - 1];

        for (size_t i = 0; i < at[j]; i++) {
            r->level[i] += jump;
            r->level_raw[i] += jump;
        }
    }
    return FW_OK;
}

static fw_rc fill_history(struct run *r)
{
    struct fw_forecast *f = r->f;
    const struct samples_grid *g = &r->grid;

    f->step = g->step;
    if (g->n == 0)
        return FW_OK;
    f->history_t = fw_arena_alloc(r->arena, g->n * sizeof(fw_ms));
    if (f->history_t == NULL)
        return FW_ENOMEM;
    for (size_t i = 0; i < g->n; i++)
        f->history_t[i] = g->end - (fw_ms)(g->n - 1 - i) * g->step;
    f->history_v = g->raw; /* samples.c put it into the same arena */
    f->history_n = g->n;
    return FW_OK;
}

/* ---- Forecasting --------------------------------------------------------- */

static double to_units(const struct run *r, double v)
{
    double out = v * r->scale + r->shift;

    if (r->o->has_lower)
        out = fmax(out, r->o->lower);
    if (r->o->has_upper)
        out = fmin(out, r->o->upper);
    return fmin(fmax(out, -1.7e308), 1.7e308); /* never an infinity */
}

static fw_rc fill_forecast(struct run *r, double factor)
{
    struct fw_forecast *f = r->f;
    const struct backtest *b = &r->backtest;
    const double *row = b->combined + (b->count - 1) * b->h;
    size_t lead = r->grid.lead;

    f->n = r->grid.ahead - lead;
    f->t = fw_arena_alloc(r->arena, f->n * sizeof(fw_ms));
    f->point = fw_arena_alloc(r->arena, f->n * sizeof(double));
    f->lower = fw_arena_alloc(r->arena, f->n * sizeof(double));
    f->upper = fw_arena_alloc(r->arena, f->n * sizeof(double));
    if (f->t == NULL || f->point == NULL || f->lower == NULL ||
        f->upper == NULL)
        return FW_ENOMEM;
    for (size_t k = 0; k < f->n; k++) {
        double half = r->o->point_only ? NAN : factor * b->sigma[lead + k];

        f->t[k] = r->grid.end + (fw_ms)(lead + k + 1) * r->grid.step;
        f->point[k] = to_units(r, row[lead + k]);
        f->lower[k] = f->upper[k] = NAN;
        if (isnan(half))
            continue;
        f->lower[k] = to_units(r, row[lead + k] - half);
        f->upper[k] = to_units(r, row[lead + k] + half);
    }
    return FW_OK;
}

/* Share of past outcomes inside; NaN where no interval was made. */
static double coverage(const struct run *r, const double *rows, double factor)
{
    return isnan(factor) ? NAN
                         : backtest_coverage(&r->backtest, r->level,
                                             r->level_raw, rows, factor);
}

static void fill_scores(struct run *r, double factor)
{
    struct fw_forecast *f = r->f;
    const struct backtest *b = &r->backtest;
    double naive = b->naive_mae;
    size_t n = 0;

    if (b->keep > 1)
        f->scores[n++] = (struct fw_score){
            COMBINED, b->combined_mae * r->scale, b->combined_mae / naive,
            coverage(r, b->combined, factor), (int)b->count - 1};
    for (size_t i = 0; i < b->model_count && n < FW_MODEL_MAX; i++)
        f->scores[n++] = (struct fw_score){
            b->models[i].model->name, b->models[i].mae * r->scale,
            b->models[i].mae / naive, coverage(r, b->models[i].rows, factor),
            (int)b->count - 1};
    /* A constant series: nobody errs, the naive forecast included. */
    for (size_t i = 0; i < n; i++)
        if (!(naive > 0.0))
            f->scores[i].mase = b->models[0].mae > 0.0 ? NAN : 1.0;
    f->score_count = n;
    f->model = f->scores[0].model;
    f->beats_naive = naive > 0.0 && f->scores[0].mase < 1.0;
}

static void fill_assumes(struct run *r)
{
    struct fw_forecast *f = r->f;
    const struct backtest *b = &r->backtest;
    char mae[WORDS_BYTES], naive[WORDS_BYTES];
    size_t at = 0;

    (void)words_number(f->scores[0].mae, mae);
    (void)words_number(b->naive_mae * r->scale, naive);
    at = (size_t)snprintf(f->assumes, sizeof(f->assumes),
                          "It is assumed that %s", b->models[0].model->assumes);
    if (b->keep > 1)
        at += (size_t)snprintf(f->assumes + at, sizeof(f->assumes) - at,
                               " (%s), and %zu more model%s a say",
                               b->models[0].model->name, b->keep - 1,
                               b->keep == 2 ? " has" : "s have");
    (void)snprintf(f->assumes + at, sizeof(f->assumes) - at,
                   ". Tested on %d earlier moments, %zu step%s ahead: mean "
                   "error %s, naive forecast %s%s.",
                   f->scores[0].origins, b->known, b->known == 1 ? "" : "s",
                   mae, naive,
                   f->beats_naive ? "" : "; nothing beats the naive one here");
}

/* ---- The limit ----------------------------------------------------------- */

/* How long the newest values have been beyond the limit, in steps. */
static size_t beyond_for(const struct run *r, const struct fw_breach *b)
{
    size_t n = 0;

    while (n < r->grid.n && limit_beyond(b, r->grid.filled[r->grid.n - 1 - n]))
        n++;
    return n;
}

/* Spans count from now; the steps of the answer from the newest sample. */
static double from_now(const struct run *r, double steps)
{
    double at =
        steps * (double)r->grid.step - (double)(r->o->now - r->grid.end);

    return steps < 0.0 ? -1.0 : fmin(fmax(at, 0.0), (double)r->o->horizon);
}

/* One horizon's own answer. Turns the values so that the limit is above. */
static fw_rc ask(struct run *r, const struct ladder_bounds *bounds,
                 struct ladder_answer *out)
{
    const struct fw_breach *b = r->o->breach;
    size_t n = r->grid.n, h = r->grid.ahead;
    double sign = b->side == FW_ABOVE ? 1.0 : -1.0;
    double limit = limit_scaled(b, b->limit, r->shift, r->scale);
    uint64_t seed = r->o->seed != 0 ? r->o->seed : SEED_DEFAULT;
    struct season season =
        r->o->season > 0.0 ? r->season : limit_season(r->grid.step, &r->season);
    double *work = fw_arena_alloc(r->scratch, n * sizeof(double));
    struct passage_answer answer;
    struct passage *p;
    fw_rc rc;

    if (work == NULL)
        return FW_ENOMEM;
    for (size_t i = 0; i < n; i++) {
        r->y[i] *= sign;
        r->raw[i] *= sign;
    }
    if (b->for_ms >= r->grid.step)
        limit_hold(r->y, r->raw, n, (size_t)(b->for_ms / r->grid.step) + 1,
                   work);
    rc = passage_new(r->y, r->raw, n, h, &season, r->scratch, &p);
    if (rc != FW_OK)
        return rc;
    rc = passage_ask(p, n, limit, bounds, &answer);
    if (rc == FW_NONE) {
        segments_find(r->y, n, &r->segments);
        rc = passage_short(r->y, segments_start(&r->segments, n), n, h, limit,
                           seed, bounds, r->scratch, &answer);
    }
    if (rc == FW_OK)
        *out = (struct ladder_answer){
            answer.probability, from_now(r, answer.p10),
            from_now(r, answer.p50), from_now(r, answer.p90)};
    return rc;
}

/* The same of another horizon: on a grid that suits it. FW_NONE if it cannot
 * be told. */
static fw_rc ask_other(const struct run *r, fw_ms horizon,
                       const struct ladder_bounds *bounds,
                       struct ladder_answer *out, struct fw_err *err)
{
    struct fw_forecast_options o = *r->o;
    struct samples_question q = {o.now, horizon, o.step, 0,
                                 limit_aggregate(o.breach)};
    struct run other = {.o = &o, .scratch = r->scratch, .arena = r->scratch};
    fw_rc rc;

    if (o.step > 0 && horizon / o.step > STEPS_MOST)
        return FW_NONE;
    o.horizon = horizon;
    rc = samples_resample(r->t, r->v, r->samples, &q, r->scratch, &other.grid,
                          err);
    if (rc == FW_OK && other.grid.known < LEAST_CELLS)
        rc = FW_NONE;
    if (rc == FW_OK)
        rc = scale_values(&other);
    /* Only where the calendar has none is one looked for. */
    if (rc == FW_OK &&
        (o.season > 0.0 ||
         limit_season(other.grid.step, &other.season).length == 0))
        rc = season_find(other.y, other.grid.n, other.grid.step, o.season,
                         &other.season);
    if (rc == FW_OK)
        rc = ask(&other, bounds, out);
    return rc;
}

/* Up the ladder to the horizon. */
static fw_rc climb(struct run *r, struct ladder_answer *out, struct fw_err *err)
{
    fw_ms least = r->o->step > r->grid.interval ? r->o->step : r->grid.interval;
    struct ladder_bounds bounds = LADDER_START;
    struct ladder_answer answer;
    struct ladder ladder;
    fw_rc rc;

    ladder_make(r->o->horizon, least, &ladder);
    for (size_t i = 0; i + 1 < ladder.n; i++) {
        rc = ask_other(r, ladder.rung[i].horizon, &bounds, &answer, err);

        if (rc != FW_OK && rc != FW_NONE)
            return rc;
        ladder_take(&ladder, i, rc == FW_OK ? &answer : NULL, &bounds);
    }
    rc = ask(r, &bounds, out);
    if (rc == FW_OK)
        ladder_times(&bounds, out);
    return rc;
}

static fw_ms to_span(double ms)
{
    return ms < 0.0 ? -1 : (fw_ms)(ms + 0.5);
}

static fw_rc fill_passage(struct run *r, struct fw_err *err)
{
    const struct fw_breach *b = r->o->breach;
    struct fw_passage *p = &r->f->passage;
    struct ladder_answer a;
    size_t held = beyond_for(r, b);
    fw_rc rc;

    r->f->has_passage = true;
    p->breached_now = held > 0;
    p->p10 = p->p50 = p->p90 = -1;
    if (held > 0 && (fw_ms)(held - 1) * r->grid.step >= b->for_ms) {
        p->probability = 1.0;
        p->p10 = p->p50 = p->p90 = 0;
        return FW_OK;
    }
    if ((b->side == FW_ABOVE && r->o->has_upper && b->limit >= r->o->upper) ||
        (b->side == FW_BELOW && r->o->has_lower && b->limit <= r->o->lower)) {
        p->probability = 0.0; /* the bounds rule it out */
        return FW_OK;
    }
    rc = climb(r, &a, err);
    if (rc == FW_NONE) { /* too few to simulate from; enough() has seen to it */
        r->f->has_passage = false;
        return FW_OK;
    }
    if (rc != FW_OK)
        return rc;
    p->probability = a.probability;
    p->p10 = to_span(a.p10);
    p->p50 = to_span(a.p50);
    p->p90 = to_span(a.p90);
    return FW_OK;
}

/* ---- The way through ----------------------------------------------------- */

static fw_rc predict_it(struct run *r, struct fw_err *err)
{
    double level = r->o->level != 0.0 ? r->o->level : LEVEL_DEFAULT;
    double factor = NAN, *work;
    fw_rc rc = scale_values(r);

    work = fw_arena_alloc(r->scratch, r->grid.n * sizeof(*work));
    if (work == NULL)
        return FW_ENOMEM;
    if (rc == FW_OK)
        rc = season_find(r->y, r->grid.n, r->grid.step, r->o->season,
                         &r->season);
    if (rc != FW_OK)
        return rc;
    segments_find(r->y, r->grid.n, &r->segments);
    r->f->verdict = shape_tell(&r->grid, &r->season, &r->segments, work,
                               r->f->why, sizeof(r->f->why));
    rc = take_out_jumps(r);
    if (rc != FW_OK)
        return rc;
    if (!r->o->point_only)
        segments_find(r->level, r->grid.n, &r->segments);
    rc = backtest_run(r->level, r->level_raw, r->grid.n, r->grid.ahead,
                      &r->season, &r->segments, r->shift, r->scale,
                      r->o->point_only, r->scratch, &r->backtest);
    if (rc == FW_NONE) {
        (void)snprintf(r->f->why, sizeof(r->f->why),
                       "no model could be tried on %zu values", r->grid.known);
        return cannot_tell(r->f, FW_TOO_SHORT);
    }
    if (rc == FW_OK && !r->o->point_only)
        rc = backtest_interval(&r->backtest, r->y, r->level, level, r->scratch,
                               &factor);
    if (rc == FW_OK)
        rc = fill_forecast(r, factor);
    if (rc != FW_OK)
        return rc;
    r->f->season = (double)r->season.length;
    fill_scores(r, factor);
    fill_assumes(r);
    return r->o->breach != NULL ? fill_passage(r, err) : FW_OK;
}

fw_rc forecast_plain(const fw_ms *t, const double *v, size_t n,
                     const struct fw_forecast_options *options,
                     struct fw_arena *arena, struct fw_forecast **out,
                     struct fw_err *err)
{
    struct run r = {.o = options, .t = t, .v = v, .samples = n, .arena = arena};
    struct samples_question q = {
        options->now, options->horizon, options->step, 0,
        options->breach != NULL ? limit_aggregate(options->breach)
                                : SAMPLES_LAST};
    fw_rc rc = check(t, n, options, err);

    if (rc != FW_OK)
        return rc;
    numeric_start();
    r.scratch = fw_arena_new(SCRATCH_BYTES);
    r.f = fw_arena_calloc(arena, 1, sizeof(*r.f));
    if (r.scratch == NULL || r.f == NULL) {
        rc = fw_err_set(err, FW_ENOMEM, "out of memory for a forecast");
        goto out;
    }
    r.f->level = options->level != 0.0 ? options->level : LEVEL_DEFAULT;
    r.f->known = "";
    rc = samples_resample(t, v, n, &q, arena, &r.grid, err);
    if (rc == FW_OK)
        rc = fill_history(&r);
    if (rc == FW_OK)
        rc = enough(&r, n);
    if (rc == FW_OK)
        rc = predict_it(&r, err);
    if (rc == FW_NONE) /* cannot tell: an answer */
        rc = FW_OK;
    else if (rc == FW_ENOMEM)
        rc = fw_err_set(err, FW_ENOMEM, "out of memory for a forecast");
    if (rc == FW_OK)
        *out = r.f;
out:
    fw_arena_free(r.scratch);
    return rc;
}
