/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "server/alert/follow.h"
#include "server/config/config_check.h"

#include <math.h>
#include <stdio.h>

#define LATE (10 * FW_MINUTE) /* samples may come so late and still count */
#define SPACINGS 32           /* distances that tell how samples come */

/* All of the history is read no more often than these shares of a horizon. */
#define NEW_PER_HORIZON 96 /* while a series waits for its first fit */
#define FITS_PER_HORIZON 8 /* while fits are due */

static bool never_fitted(const struct watched *s)
{
    return s->forecaster == NULL ||
           fw_forecaster_newest(s->forecaster) == INT64_MIN;
}

static bool needs_history(const struct watching *g, fw_ms now)
{
    fw_ms since = now - g->fitted_at;
    bool fresh = false, due = false;

    if (g->fitted_at == 0 || since < 0)
        return true;
    if (since < g->watch->horizon / NEW_PER_HORIZON)
        return false;
    for (size_t i = 0; i < g->count && !fresh; i++) {
        fresh = never_fitted(g->series[i]);
        due =
            due || (!fresh && fw_forecaster_due(g->series[i]->forecaster, now));
    }
    return fresh || (due && since >= g->watch->horizon / FITS_PER_HORIZON);
}

static fw_rc make_forecaster(const struct watching *g, struct watched *s,
                             struct fw_err *err)
{
    struct fw_forecaster_options options = {.horizon = g->watch->horizon,
                                            .history = g->watch->history,
                                            .breach = g->watch->breach};

    if (s->forecaster != NULL)
        return FW_OK;
    return fw_forecaster_new(&options, &s->forecaster, err);
}

static void note_spacing(struct watched *s, const struct fw_result_series *r)
{
    size_t n = r->n > SPACINGS ? SPACINGS : r->n > 0 ? r->n - 1 : 0;

    if (n > 0)
        s->spacing = (r->t[r->n - 1] - r->t[r->n - 1 - n]) / (fw_ms)n;
}

/* Fits where that is due, else lays on what is new. */
static fw_rc feed(const struct watching *g, struct watched *s,
                  const struct fw_result_series *r, bool whole, fw_ms now,
                  struct fw_err *err)
{
    fw_rc rc = make_forecaster(g, s, err);

    if (rc != FW_OK)
        return rc;
    if (whole || s->spacing == 0)
        note_spacing(s, r);
    if (whole && fw_forecaster_due(s->forecaster, now)) {
        rc = fw_forecaster_fit(s->forecaster, r->t, r->v, r->n, now, err);
        return rc == FW_NONE ? FW_OK : rc;
    }
    if (!never_fitted(s))
        for (size_t i = 0; i < r->n; i++)
            fw_forecaster_add(s->forecaster, r->t[i], r->v[i]);
    return FW_OK;
}

/* Nothing is foreseen yet. */
static void outlook_clear(struct outlook *o, fw_ms now)
{
    *o = (struct outlook){.at = now, .p10 = -1, .p50 = -1, .p90 = -1};
    for (int i = 0; i < EXTREME_QUANTILES; i++)
        o->extreme[i] = NAN;
}

static void ask(const struct watching *g, struct watched *s, fw_ms now)
{
    struct outlook *o = &s->state.outlook;
    struct fw_passage passage;
    const char *guide = NULL;
    fw_rc rc = FW_NONE;

    outlook_clear(o, now);
    o->reason = FW_TOO_SHORT;
    if (never_fitted(s))
        return;
    rc = fw_forecaster_ask(s->forecaster, now, g->watch->breach.limit, &passage,
                           &guide, NULL);
    if (rc != FW_OK || !isfinite(passage.probability)) {
        o->reason = FW_STALE;
        return;
    }
    o->reason = FW_REASON_NONE;
    o->told = true;
    o->probability = passage.probability;
    o->p10 = passage.p10;
    o->p50 = passage.p50;
    o->p90 = passage.p90;
    if (guide != NULL)
        (void)snprintf(o->model, sizeof(o->model), "%s", guide);
}

void follow_outlook(struct outlook *o, fw_ms now, const struct fw_forecast *f)
{
    outlook_clear(o, now);
    o->reason = f->reason;
    o->told = f->verdict != FW_CANNOT_TELL && f->has_passage &&
              isfinite(f->passage.probability);
    if (!o->told)
        return;
    o->probability = f->passage.probability;
    o->p10 = f->passage.p10;
    o->p50 = f->passage.p50;
    o->p90 = f->passage.p90;
    if (f->model != NULL)
        (void)snprintf(o->model, sizeof(o->model), "%s", f->model);
}

/*
 * Where something is known beforehand, each answer is a forecast of its own:
 * what is kept between looks knows neither events nor clocks. That costs some
 * dozen times as much; so a series that is quiet, and whose newest answer is
 * far from a warning, is asked about so many times in a horizon, and not at
 * each look.
 */
static bool is_asked(const struct watching *g, const struct watched *s,
                     fw_ms now)
{
    const struct outlook *o = &s->state.outlook;
    fw_ms every = g->watch->horizon / NEW_PER_HORIZON;
    fw_ms since = now - o->at;

    /* Those that began together do not come together for ever. */
    every -= every / 32 * (fw_ms)(s->state.subject % 8);
    return g->replay || s->state.alert.phase != ALERT_INACTIVE || !o->told ||
           o->probability >= g->policy.recover / 2 || since < 0 ||
           since >= every;
}

static bool any_is_asked(const struct watching *g, fw_ms now)
{
    for (size_t i = 0; i < g->count; i++)
        if (is_asked(g, g->series[i], now))
            return true;
    return g->count == 0;
}

static fw_rc ask_in_full(struct watching *g, const struct fw_result *result,
                         const struct fw_forecast_options *options,
                         struct fw_arena *arena, struct fw_err *err)
{
    for (size_t i = 0; i < result->count; i++) {
        const struct fw_result_series *r = &result->series[i];
        struct fw_forecast *f = NULL;
        struct watched *s;
        fw_rc rc = watching_find(g, &r->labels, g->through, &s, err);

        if (rc == FW_OK && !is_asked(g, s, options->now))
            continue;
        if (rc == FW_OK)
            rc = fw_forecast_run(r->t, r->v, r->n, options, arena, &f, err);
        if (rc != FW_OK)
            return rc;
        note_spacing(s, r);
        follow_outlook(&s->state.outlook, options->now, f);
    }
    return FW_OK;
}

fw_rc follow_watch(struct watching *g, const struct watcher_sight *sight,
                   fw_ms now, struct fw_arena *arena, struct fw_err *err)
{
    const struct config_watch *watch = g->watch;
    struct fw_forecast_options options = config_watch_question(watch, now);
    bool in_full = watch->event_count > 0 || watch->zone != NULL;
    bool whole = in_full || needs_history(g, now);
    fw_ms span = now - g->followed + LATE;
    struct fw_result result = {0};
    fw_rc rc;

    if (whole || span > watch->history || span < 0) {
        whole = true;
        span = watch->history;
    }
    if (in_full && !any_is_asked(g, now))
        return FW_OK;
    rc = sight->fetch(sight->self, fw_str_of(watch->expr), span, watch->history,
                      &options, arena, &result, err);
    if (rc == FW_OK && in_full)
        return ask_in_full(g, &result, &options, arena, err);
    for (size_t i = 0; rc == FW_OK && i < result.count; i++) {
        struct watched *s;

        rc = watching_find(g, &result.series[i].labels, g->through, &s, err);
        if (rc == FW_OK)
            rc = feed(g, s, &result.series[i], whole, now, err);
    }
    if (rc != FW_OK)
        return rc;
    g->followed = now;
    if (whole)
        g->fitted_at = now;
    for (size_t i = 0; i < g->count; i++)
        ask(g, g->series[i], now);
    return FW_OK;
}

/* ---- one of them in full
 * ------------------------------------------------------------ */

fw_rc follow_forecast(const struct watching *g, const struct watched *s,
                      const struct watcher_sight *sight, fw_ms now,
                      struct fw_arena *arena, struct fw_forecast_series **out,
                      struct fw_err *err)
{
    const struct config_watch *watch = g->watch;
    const struct outlook *o = &s->state.outlook;
    struct fw_forecast_options options = config_watch_question(watch, now);
    struct fw_forecast_series *series =
        fw_arena_calloc(arena, 1, sizeof(*series));
    struct fw_result result = {0};
    fw_rc rc;

    if (series == NULL)
        return fw_arena_err(arena, err);
    rc = sight->fetch(sight->self, fw_str_of(watch->expr), watch->history,
                      watch->history, &options, arena, &result, err);
    if (rc != FW_OK)
        return rc;
    for (size_t i = 0; i < result.count; i++) {
        const struct fw_result_series *r = &result.series[i];

        if (r->n == 0 || fw_labels_cmp(&r->labels, &s->labels) != 0)
            continue;
        *series = (struct fw_forecast_series){.labels = r->labels,
                                              .current = r->v[r->n - 1],
                                              .current_at = r->t[r->n - 1],
                                              .spacing = s->spacing};
        rc = fw_forecast_run(r->t, r->v, r->n, &options, arena,
                             &series->forecast, err);
        if (rc == FW_OK && o->told && series->forecast->has_passage) {
            series->forecast->passage.probability = o->probability;
            series->forecast->passage.p10 = o->p10;
            series->forecast->passage.p50 = o->p50;
            series->forecast->passage.p90 = o->p90;
        }
        if (rc == FW_OK)
            *out = series;
        return rc;
    }
    return FW_NONE;
}

size_t follow_bytes(const struct watching *g)
{
    size_t bytes = 0;

    for (size_t i = 0; i < g->count; i++)
        if (g->series[i]->forecaster != NULL)
            bytes += fw_forecaster_bytes(g->series[i]->forecaster);
    return bytes;
}
