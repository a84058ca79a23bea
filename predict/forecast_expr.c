/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * forecast_expr.c - from a PromQL expression to forecasts.
 *
 * A plain selector is read at its own resolution, as a range vector of its
 * whole history. Anything else is evaluated by steps: fine enough for the
 * horizon, and never more than a query may have.
 */
#include <math.h>
#include <stdio.h>

#include "predict/counter.h"
#include "predict/predict.h"
#include "storage/base/limits.h"

#define STEPS_MOST (FW_MAX_QUERY_POINTS - 1)
#define STEPS_PER_HORIZON 288
#define STEP_LEAST FW_SECOND
#define SPACINGS 32 /* distances between samples that tell how they come */

/* True if `[2w]` may be put behind the expression: it is a bare selector. */
static fw_rc as_range(struct fw_str expr, fw_ms span, struct fw_arena *arena,
                      struct fw_query **out)
{
    char text_of_span[FW_DURATION_TEXT_BYTES];
    struct fw_query *query;
    char *text;

    if (fw_query_parse(expr, arena, &query, NULL) != FW_OK ||
        fw_query_type(query) != FW_VECTOR)
        return FW_NONE;
    (void)fw_format_duration(text_of_span, span);
    text = fw_arena_printf(arena, "%.*s[%s]", FW_STR_ARG(expr), text_of_span);
    if (text == NULL)
        return FW_ENOMEM;
    return fw_query_parse(fw_str_of(text), arena, out, NULL) == FW_OK ? FW_OK
                                                                      : FW_NONE;
}

static fw_ms step_for(fw_ms history, const struct fw_forecast_options *o)
{
    fw_ms step = o->step > 0 ? o->step : o->horizon / STEPS_PER_HORIZON;

    if (step < STEP_LEAST)
        step = STEP_LEAST;
    if (history / step > STEPS_MOST)
        step = history / STEPS_MOST + 1;
    return step;
}

fw_rc fw_forecast_fetch(struct fw_str expr, const struct fw_source *src,
                        fw_ms span, fw_ms history,
                        const struct fw_forecast_options *o,
                        struct fw_arena *arena, struct fw_result *result,
                        struct fw_err *err)
{
    struct fw_query_options q = {.start = o->now, .end = o->now};
    struct fw_query *query;
    fw_rc rc = as_range(expr, span, arena, &query);

    if (rc == FW_ENOMEM)
        return fw_arena_err(arena, err);
    if (rc == FW_NONE) {
        rc = fw_query_parse(expr, arena, &query, err);
        if (rc != FW_OK)
            return rc;
        if (fw_query_type(query) == FW_STRING ||
            fw_query_type(query) == FW_MATRIX)
            return fw_err_set(err, FW_EINVAL,
                              "a forecast needs an expression that gives one "
                              "value per series and moment; leave out the "
                              "range in [...], --history sets it");
        q.step = step_for(history, o);
        q.start = o->now - span / q.step * q.step;
    }
    return fw_query_run(query, src, &q, arena, result, err);
}

static fw_ms spacing_of(const struct fw_result_series *s)
{
    size_t n = s->n > SPACINGS ? SPACINGS : s->n > 0 ? s->n - 1 : 0;

    return n > 0 ? (s->t[s->n - 1] - s->t[s->n - 1 - n]) / (fw_ms)n : 0;
}

/* FW_NONE for a series without a limit: as in a binary operation, there is no
 * answer to it. */
static fw_rc forecast_one(struct fw_result_series *s,
                          const struct fw_limits *limits,
                          const struct fw_forecast_options *options,
                          struct fw_arena *arena,
                          struct fw_forecast_series *out, struct fw_err *err)
{
    struct fw_forecast_options o = *options;
    struct fw_breach breach;
    fw_rc rc;

    *out = (struct fw_forecast_series){
        .labels = s->labels,
        .current = s->n > 0 ? s->v[s->n - 1] : NAN,
        .current_at = s->n > 0 ? s->t[s->n - 1] : options->now,
        .spacing = spacing_of(s),
        .limit = o.breach != NULL ? o.breach->limit : NAN};
    if (limits != NULL && o.breach != NULL) {
        breach = *o.breach;
        breach.limit = out->limit = fw_limits_of(limits, &s->labels);
        if (!isfinite(breach.limit))
            return FW_NONE;
        o.breach = &breach;
    }
    rc = fw_forecast_run(s->t, s->v, s->n, &o, arena, &out->forecast, err);
    if (rc == FW_OK)
        out->forecast->counter = counter_named(&s->labels, s->v, s->n);
    return rc;
}

fw_rc fw_forecast_expr(struct fw_str expr, const struct fw_source *src,
                       fw_ms history, const struct fw_forecast_options *options,
                       struct fw_arena *arena, struct fw_forecast_series **out,
                       size_t *count, struct fw_err *err)
{
    struct fw_result result = {0};
    struct fw_forecast_series *all;
    struct fw_limits *limits = NULL;
    size_t kept = 0;
    fw_rc rc;

    if (history <= 0)
        return fw_err_set(err, FW_EINVAL, "the history must be above zero");
    rc = fw_forecast_fetch(expr, src, history, history, options, arena, &result,
                           err);
    if (rc != FW_OK)
        return rc;
    if (result.count > FW_MAX_FORECAST_SERIES)
        return fw_err_set(err, FW_ETOOBIG,
                          "%zu series; %d is the most for one forecast",
                          result.count, FW_MAX_FORECAST_SERIES);
    if (options->limit_expr.n > 0)
        rc = fw_limits_fetch(expr, options->limit_expr, src, options->now,
                             history, arena, &limits, err);
    if (rc != FW_OK)
        return rc;
    all = fw_arena_calloc(arena, result.count + 1, sizeof(*all));
    if (all == NULL)
        return fw_arena_err(arena, err);
    for (size_t i = 0; i < result.count; i++) {
        rc = forecast_one(&result.series[i], limits, options, arena, &all[kept],
                          err);
        if (rc != FW_OK && rc != FW_NONE)
            return rc;
        kept += rc == FW_OK;
        if (options->progress != NULL)
            options->progress(options->progress_self, i + 1, result.count);
    }
    *out = all;
    *count = kept;
    return FW_OK;
}
