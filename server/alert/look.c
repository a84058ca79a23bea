/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * look.c - observe, foresee, judge, and move the alerts.
 *
 * The past is read once, in steps, from where the last look stopped; the
 * future is asked about at each look. The order matters: what happened is
 * taken in before anything is predicted, so that no prediction knows its own
 * outcome.
 */
#include "server/alert/look.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "server/alert/follow.h"
#include "server/config/config_check.h"
#include "storage/base/limits.h"

#define MAX_STEPS                                                              \
    10000 /* of one reading of the past; longer ones go coarser                \
           */
#define ROUTINE_PER_HORIZON 24 /* predictions graded per horizon and series */

struct look {
    struct watching *g;
    const struct watcher_sight *sight;
    struct fw_arena *arena;
    fw_ms now;
    fw_ms gap;
    bool awake; /* we have been looking without a break */
};

/* ---- what happened
 * --------------------------------------------------------------- */

/*
 * How far it went: what it reached by the time a prediction was due is read
 * before the values after that come in.
 */
static void note_level(const struct look *l, struct watched *s, fw_ms t,
                       double v)
{
    const struct fw_breach *breach = &l->g->watch->breach;
    const struct observed *o = &s->state.observed;
    fw_ms newest = 0;

    if (t <= o->through || l->g->replay)
        return;
    for (size_t i = 0; i < s->open_count; i++) {
        struct prediction *p = &s->open[i];

        newest = p->made_at > newest ? p->made_at : newest;
        if (t > p->made_at + p->horizon && isnan(p->reached) &&
            extreme_is_told(p->extreme))
            p->reached =
                peaks_since(&s->state.peaks, breach, p->made_at, p->value);
    }
    peaks_add(&s->state.peaks, breach, t, v,
              t - o->last_at > watched_gap(s, l->gap), newest);
}

static void take_value(struct look *l, struct watched *s, fw_ms t, double v,
                       fw_ms step)
{
    struct watched_state *state = &s->state;
    bool been_inside = state->observed.been_inside;

    note_level(l, s, t, v);
    if (!observed_add(&state->observed, &l->g->watch->breach, t, v, step,
                      watched_gap(s, l->gap)))
        return;
    /* What was beyond when we came is nothing we could have foretold. */
    if (l->awake && been_inside && !alert_is_active(&state->alert))
        s->missed = true;
}

static fw_rc take_values(struct look *l, const struct fw_result *result,
                         fw_ms from, fw_ms step, struct fw_err *err)
{
    for (size_t i = 0; i < result->count; i++) {
        const struct fw_result_series *series = &result->series[i];
        struct watched *s;
        fw_rc rc = watching_find(l->g, &series->labels, from - step, &s, err);

        if (rc != FW_OK)
            return rc;
        for (size_t k = 0; k < series->n; k++)
            take_value(l, s, series->t[k], series->v[k], step);
    }
    return FW_OK;
}

/* A clock set back by more than this starts the observation anew. */
#define MAX_STEP_BACK FW_HOUR

static fw_ms observed_from(struct look *l, fw_ms step)
{
    struct watching *g = l->g;

    if (g->through > l->now + MAX_STEP_BACK) {
        g->through = 0;
        for (size_t i = 0; i < g->count; i++)
            observed_init(&g->series[i]->state.observed, l->now - step);
    }
    return g->through == 0 ? l->now : g->through + step;
}

static fw_rc observe(struct look *l, struct fw_err *err)
{
    const struct config_watch *watch = l->g->watch;
    fw_ms step =
        watch->interval / 60 > FW_SECOND ? watch->interval / 60 : FW_SECOND;
    fw_ms from = observed_from(l, step), to;
    struct fw_result result = {0};
    fw_rc rc;

    if (from > l->now)
        return FW_OK;
    if ((l->now - from) / step > MAX_STEPS)
        step = ((l->now - from) / MAX_STEPS / FW_SECOND + 1) * FW_SECOND;
    to = from + (l->now - from) / step * step;
    l->gap = watching_gap(watch, step);
    l->awake = l->g->through != 0 &&
               l->now - l->g->through <= 3 * watch->interval + FW_MINUTE;
    rc = l->sight->observe(l->sight->self, fw_str_of(watch->expr), from, to,
                           step, l->arena, &result, err);
    if (rc == FW_OK)
        rc = take_values(l, &result, from, step, err);
    if (rc != FW_OK)
        return rc;
    l->g->through = to;
    for (size_t i = 0; i < l->g->count; i++)
        l->g->series[i]->state.observed.through = to;
    return FW_OK;
}

/* ---- what is foreseen
 * -------------------------------------------------------------- */

/* By a test that dictates what is foreseen. */
static fw_rc be_told(struct look *l, struct fw_err *err)
{
    const struct config_watch *watch = l->g->watch;
    struct fw_forecast_options options = config_watch_question(watch, l->now);
    struct fw_forecast_series *series = NULL;
    size_t count = 0;
    fw_rc rc = l->sight->foresee(l->sight->self, fw_str_of(watch->expr),
                                 watch->history, &options, l->arena, &series,
                                 &count, err);

    for (size_t i = 0; rc == FW_OK && i < count; i++) {
        struct watched *s;

        rc = watching_find(l->g, &series[i].labels, l->g->through, &s, err);
        if (rc == FW_OK && series[i].forecast != NULL) {
            follow_outlook(&s->state.outlook, l->now, series[i].forecast);
            s->spacing = series[i].spacing;
            s->foreseen = &series[i];
        }
    }
    return rc;
}

static fw_rc foresee(struct look *l, struct fw_err *err)
{
    if (l->sight->foresee != NULL)
        return be_told(l, err);
    return follow_watch(l->g, l->sight, l->now, l->arena, err);
}

/*
 * Probabilities are corrected by what became of earlier ones, before anything
 * is decided by them. A quantile of the time to a breach that is less likely
 * than that within the horizon is beyond it.
 */
static void calibrate(struct look *l)
{
    for (size_t i = 0; i < l->g->count; i++) {
        struct watched *s = l->g->series[i];
        struct outlook *o = &s->state.outlook;

        s->raw = o->probability;
        if (o->at != l->now || !o->told)
            continue;
        o->probability = watching_calibrate(l->g, o->model, s->raw);
        if (o->probability < s->raw) {
            o->p10 = o->probability < 0.1 ? -1 : o->p10;
            o->p50 = o->probability < 0.5 ? -1 : o->p50;
            o->p90 = o->probability < 0.9 ? -1 : o->p90;
        }
    }
}

/* ---- what came of it
 * ------------------------------------------------------------------ */

/* What an earlier look found and could not store stays as it was found. */
static void judge_one(const struct look *l, struct watched *s, size_t i)
{
    const struct prediction *p = &s->open[i];
    const struct watched_state *state = &s->state;

    if (!p->scored && s->scores[i].outcome == OUTCOME_OPEN)
        prediction_judge(p, &state->observed, l->now, &s->scores[i]);
    if (s->values[i].id == 0 &&
        !prediction_judge_value(p, &state->observed, &state->peaks, l->now,
                                &s->values[i]))
        s->values[i].id = 0;
    s->scores[i].value_open =
        extreme_is_told(p->extreme) && s->values[i].id == 0;
}

static void judge(struct look *l, struct watched *s)
{
    for (size_t i = 0; i < s->open_count; i++)
        judge_one(l, s, i);
}

static struct prediction predict(const struct look *l, const struct watched *s,
                                 enum prediction_kind kind)
{
    const struct outlook *o = &s->state.outlook;
    struct prediction p = {
        .kind = kind,
        .made_at = l->now,
        .horizon = l->g->watch->horizon,
        .breach = l->g->watch->breach,
        .probability = o->probability,
        .p10 = o->p10,
        .p50 = o->p50,
        .p90 = o->p90,
        .value = s->state.observed.value,
        .watched_ms = s->state.observed.watched_ms,
        .raw = s->raw,
    };

    memcpy(p.model, o->model, sizeof(p.model));
    memcpy(p.extreme, o->extreme, sizeof(p.extreme));
    return p;
}

static bool routine_due(const struct look *l, const struct watched *s)
{
    fw_ms every = l->g->watch->horizon / ROUTINE_PER_HORIZON;

    if (every < l->g->watch->interval)
        every = l->g->watch->interval;
    return s->state.routine_at == 0 || l->now - s->state.routine_at >= every ||
           l->now < s->state.routine_at;
}

/*
 * How far it may go is asked where that is written down or shown: it costs
 * some dozen answers instead of one.
 */
static fw_rc foresee_extremes(struct look *l, struct fw_err *err)
{
    for (size_t i = 0; !l->g->replay && i < l->g->count; i++) {
        struct watched *s = l->g->series[i];
        struct outlook *o = &s->state.outlook;
        fw_rc rc;

        if (o->at != l->now || !o->told || s->forecaster == NULL ||
            (!routine_due(l, s) && s->state.alert.phase == ALERT_INACTIVE &&
             o->probability < l->g->policy.probability))
            continue;
        rc = extreme_foresee(s->forecaster, &l->g->watch->breach, l->now,
                             s->state.observed.value, o->extreme, err);
        if (rc < 0)
            return rc;
    }
    return FW_OK;
}

/* ---- alerts
 * ---------------------------------------------------------------------------
 */

static void move_alert(struct look *l, struct watched *s, look_change each,
                       void *self)
{
    struct watched_state *state = &s->state;
    bool told = state->outlook.at == l->now && state->outlook.told;
    struct alert_input in = {
        .now = l->now,
        .told = told,
        .probability = state->outlook.probability,
        .p50 = state->outlook.p50,
        .seen = observed_seen(&state->observed, l->now, watched_gap(s, l->gap)),
    };
    struct alert_note note = {.watch = l->g->watch,
                              .labels = &s->labels,
                              .state = state,
                              .fired_at = state->alert.fired_at,
                              .now = l->now};

    s->has_routine = false;
    if (told && in.seen == SEEN_INSIDE && routine_due(l, s)) {
        s->routine = predict(l, s, PREDICTION_ROUTINE);
        s->has_routine = true;
    }
    note.change = alert_look(&state->alert, &l->g->policy, &in, &note.end);
    if (note.change == ALERT_TO_FIRING) {
        s->claim = predict(l, s, PREDICTION_ALERT);
        s->has_claim = true;
    }
    if (alert_is_active(&state->alert))
        note.fired_at = state->alert.fired_at;
    if (note.change != ALERT_SAME)
        each(self, s, &note, l->arena);
}

fw_rc look_at(struct watching *g, const struct watcher_sight *sight, fw_ms now,
              look_change each, void *self, struct fw_err *err)
{
    struct look l = {.g = g,
                     .sight = sight,
                     .arena = fw_arena_new(fw_query_limits().max_bytes),
                     .now = now,
                     .gap = watching_gap(g->watch, FW_SECOND)};
    fw_rc rc;

    if (l.arena == NULL)
        return fw_err_set(err, FW_ENOMEM, "out of memory");
    rc = observe(&l, err);
    if (rc == FW_OK)
        rc = foresee(&l, err);
    if (rc == FW_OK)
        calibrate(&l);
    if (rc == FW_OK)
        rc = foresee_extremes(&l, err);
    for (size_t i = 0; rc == FW_OK && i < g->count; i++) {
        judge(&l, g->series[i]);
        move_alert(&l, g->series[i], each, self);
    }
    for (size_t i = 0; i < g->count; i++)
        g->series[i]->foreseen = NULL;
    fw_arena_free(l.arena);
    return rc;
}
