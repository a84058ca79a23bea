/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * promql_functions.c - forecasts inside PromQL, so that rules and Grafana can
 * use them. Each call is a whole forecast of one series' window.
 */
#include <math.h>

#include "predict/predict.h"
#include "predict/robust.h"

#define ARENA_BYTES ((size_t)256 << 20)
#define HORIZON_MOST (3650 * 86400.0) /* seconds */

/*
 * A panel that reaches from the past into the future asks with `time() - NOW`
 * for a horizon: up to now there is nothing to forecast, which is no error.
 */
static fw_rc horizon_of(const struct fw_window_call *call, double seconds,
                        fw_ms *out, struct fw_err *err)
{
    if (seconds <= 0.0) {
        *call->note = "where the horizon is not above zero there is no point";
        return FW_NONE;
    }
    if (!(seconds <= HORIZON_MOST))
        return fw_err_set(err, FW_EINVAL,
                          "the horizon is a number of seconds above zero, as "
                          "in 6 * 3600");
    *out = (fw_ms)(seconds * 1000.0);
    return FW_OK;
}

/* FW_NONE where the series cannot be told. */
static fw_rc run(const struct fw_window_call *call,
                 const struct fw_forecast_options *options,
                 struct fw_arena *arena, struct fw_forecast **out,
                 struct fw_err *err)
{
    fw_rc rc =
        fw_forecast_run(call->t, call->v, call->n, options, arena, out, err);

    if (rc == FW_OK && (*out)->counter)
        *call->note = fw_forecast_hint(*out);
    if (rc == FW_OK && (*out)->verdict == FW_CANNOT_TELL)
        return FW_NONE;
    return rc;
}

/* The q-quantile of the forecast at the end of the horizon. */
static fw_rc quantile_at(const struct fw_window_call *call, double q,
                         double seconds, double *out, struct fw_err *err)
{
    struct fw_forecast_options o = {.now = call->to};
    struct fw_arena *arena;
    struct fw_forecast *f;
    fw_rc rc = horizon_of(call, seconds, &o.horizon, err);

    if (rc != FW_OK)
        return rc;
    if (!(q >= 0.0 && q <= 1.0)) { /* as quantile_over_time answers */
        *out = q < 0.0 ? -INFINITY : q > 1.0 ? INFINITY : NAN;
        return FW_OK;
    }
    /* The interval whose end is the quantile: 0.975 for one of 95 %. */
    o.level = fmin(fabs(2.0 * q - 1.0), 0.9999);
    if (o.level < 0.01)
        o.level = 0.5; /* the middle: the width does not matter */
    arena = fw_arena_new(ARENA_BYTES);
    if (arena == NULL)
        return fw_err_set(err, FW_ENOMEM, "out of memory for a forecast");
    rc = run(call, &o, arena, &f, err);
    if (rc == FW_OK)
        *out = fabs(2.0 * q - 1.0) < 0.01 ? f->point[f->n - 1]
               : q > 0.5                  ? f->upper[f->n - 1]
                                          : f->lower[f->n - 1];
    fw_arena_free(arena);
    return rc;
}

static fw_rc forecast(const struct fw_window_call *call, double *out,
                      struct fw_err *err)
{
    return quantile_at(call, 0.5, call->numbers[0], out, err);
}

static fw_rc forecast_quantile(const struct fw_window_call *call, double *out,
                               struct fw_err *err)
{
    return quantile_at(call, call->numbers[0], call->numbers[1], out, err);
}

/* The passage of the limit in texts[0] within `seconds`. */
static fw_rc passage(const struct fw_window_call *call, double seconds,
                     struct fw_passage *out, struct fw_err *err)
{
    struct fw_breach breach;
    struct fw_forecast_options o = {.now = call->to, .breach = &breach};
    struct fw_arena *arena;
    struct fw_forecast *f;
    fw_rc rc = horizon_of(call, seconds, &o.horizon, err);

    if (rc == FW_OK)
        rc = fw_breach_parse(call->texts[0], &breach, err);
    if (rc != FW_OK)
        return rc;
    arena = fw_arena_new(ARENA_BYTES);
    if (arena == NULL)
        return fw_err_set(err, FW_ENOMEM, "out of memory for a forecast");
    rc = run(call, &o, arena, &f, err);
    if (rc == FW_OK && !f->has_passage)
        rc = FW_NONE;
    if (rc == FW_OK)
        *out = f->passage;
    fw_arena_free(arena);
    return rc;
}

static fw_rc breach_probability(const struct fw_window_call *call, double *out,
                                struct fw_err *err)
{
    struct fw_passage p;
    fw_rc rc = passage(call, call->numbers[0], &p, err);

    if (rc == FW_OK)
        *out = p.probability;
    return rc;
}

/* The nearest of the quantiles that are known: 0.1, 0.5, 0.9. */
static fw_rc time_to_breach(const struct fw_window_call *call, double *out,
                            struct fw_err *err)
{
    double q = call->numbers[0];
    struct fw_passage p;
    fw_ms t;
    fw_rc rc = passage(call, call->numbers[1], &p, err);

    if (rc != FW_OK)
        return rc;
    t = q < 0.3 ? p.p10 : q < 0.7 ? p.p50 : p.p90;
    *out = t < 0 ? INFINITY : (double)t / 1000.0;
    return FW_OK;
}

/* As predict_linear: seconds from the step's moment, which may be negative. */
static fw_rc predict_robust(const struct fw_window_call *call, double *out,
                            struct fw_err *err)
{
    double seconds = call->numbers[0];
    fw_rc rc;

    if (!(fabs(seconds) <= HORIZON_MOST))
        return fw_err_set(err, FW_EINVAL,
                          "the time to look ahead is a number of seconds, as "
                          "in 4 * 3600");
    rc = robust_ahead(call->t, call->v, call->n, call->to,
                      (fw_ms)(seconds * 1000.0), out);
    return rc == FW_ENOMEM ? fw_err_set(err, rc, "out of memory") : rc;
}

fw_rc fw_predict_register(struct fw_err *err)
{
    fw_rc rc = fw_query_register("forecast", "ms", forecast, err);

    if (rc == FW_OK)
        rc = fw_query_register("forecast_quantile", "sms", forecast_quantile,
                               err);
    if (rc == FW_OK)
        rc = fw_query_register("breach_probability", "mts", breach_probability,
                               err);
    if (rc == FW_OK)
        rc = fw_query_register("time_to_breach", "smts", time_to_breach, err);
    if (rc == FW_OK)
        rc = fw_query_register("predict_robust", "ms", predict_robust, err);
    return rc;
}
