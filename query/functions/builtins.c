/* SPDX-License-Identifier: GPL-3.0-or-later */
/* builtins.c - the table of PromQL's functions. */
#include <math.h>

#include "query/eval/eval.h"
#include "query/eval/window.h"
#include "query/functions/date.h"
#include "query/functions/functions.h"

static double sign_of(double v)
{
    return v < 0 ? -1 : v > 0 ? 1 : v;
}

static double to_degrees(double v)
{
    return v * 180 / M_PI;
}

static double to_radians(double v)
{
    return v * M_PI / 180;
}

#define MAP(fn_name, function)                                                 \
    {                                                                          \
        .name = (fn_name), .args = "v", .least = 1, .most = 1,                 \
        .type = FW_VECTOR, .call = call_map, .map = (function)                 \
    }
#define DATE(fn_name, function)                                                \
    {                                                                          \
        .name = (fn_name), .args = "v", .least = 0, .most = 1,                 \
        .type = FW_VECTOR, .flags = FN_MOVES, .call = call_date,               \
        .map = (function)                                                      \
    }
#define OVER(fn_name, function, bits)                                          \
    {                                                                          \
        .name = (fn_name), .args = "m", .least = 1, .most = 1,                 \
        .type = FW_VECTOR, .flags = (bits), .call = call_window,               \
        .window = (function)                                                   \
    }
#define DIGEST(fn_name, function, bits, kind)                                  \
    {                                                                          \
        .name = (fn_name), .args = "m", .least = 1, .most = 1,                 \
        .type = FW_VECTOR, .flags = (bits), .call = call_window,               \
        .window = (function), .digest = (kind)                                 \
    }
#define COUNTER(fn_name, function, kind)                                       \
    {                                                                          \
        .name = (fn_name), .args = "m", .least = 1, .most = 1,                 \
        .type = FW_VECTOR, .call = call_window, .window = (function),          \
        .remark = remark_non_counter, .digest = (kind)                         \
    }
#define CALL(fn_name, letters, min, max, bits, function)                       \
    {                                                                          \
        .name = (fn_name), .args = (letters), .least = (min), .most = (max),   \
        .type = FW_VECTOR, .flags = (bits), .call = (function)                 \
    }
#define SCALAR(fn_name, letters, n, bits, function)                            \
    {                                                                          \
        .name = (fn_name), .args = (letters), .least = (n), .most = (n),       \
        .type = FW_SCALAR, .flags = (bits), .scalar = (function)               \
    }
#define SMOOTH(fn_name)                                                        \
    {                                                                          \
        .name = (fn_name), .args = "mss", .least = 3, .most = 3,               \
        .type = FW_VECTOR, .flags = FN_EXPERIMENTAL, .call = call_window,      \
        .window = window_smooth                                                \
    }

const struct function builtin_functions[] = {
    MAP("abs", fabs),
    CALL("absent", "v", 1, 1, 0, call_absent),
    {.name = "absent_over_time",
     .args = "m",
     .least = 1,
     .most = 1,
     .type = FW_VECTOR,
     .flags = FN_KEEPS_NAME, /* as long as it looks at the windows */
     .call = call_absent_over_time,
     .window = window_present},
    MAP("acos", acos),
    MAP("acosh", acosh),
    MAP("asin", asin),
    MAP("asinh", asinh),
    MAP("atan", atan),
    MAP("atanh", atanh),
    DIGEST("avg_over_time", window_avg, 0, DIGEST_AVG),
    MAP("ceil", ceil),
    OVER("changes", window_changes, 0),
    CALL("clamp", "vss", 3, 3, 0, call_clamp),
    CALL("clamp_max", "vs", 2, 2, 0, call_clamp_max),
    CALL("clamp_min", "vs", 2, 2, 0, call_clamp_min),
    MAP("cos", cos),
    MAP("cosh", cosh),
    DIGEST("count_over_time", window_count, 0, DIGEST_COUNT),
    DATE("day_of_month", date_day_of_month),
    DATE("day_of_week", date_day_of_week),
    DATE("day_of_year", date_day_of_year),
    DATE("days_in_month", date_days_in_month),
    MAP("deg", to_degrees),
    DIGEST("delta", window_delta, 0, DIGEST_DELTA),
    OVER("deriv", window_deriv, 0),
    SMOOTH("double_exponential_smoothing"),
    MAP("exp", exp),
    DIGEST("first_over_time", window_first, FN_KEEPS_NAME | FN_EXPERIMENTAL,
           DIGEST_FIRST),
    MAP("floor", floor),
    CALL("histogram_fraction", "ssv", 3, 3, 0, call_histogram_fraction),
    CALL("histogram_quantile", "sv", 2, 2, 0, call_histogram_quantile),
    SMOOTH("holt_winters"),
    DATE("hour", date_hour),
    OVER("idelta", window_idelta, 0),
    COUNTER("increase", window_increase, DIGEST_INCREASE),
    CALL("info", "vv", 1, 2, FN_KEEPS_NAME | FN_EXPERIMENTAL, call_info),
    OVER("irate", window_irate, 0),
    CALL("label_join", "vttt", 3, -1, FN_RENAMES, call_label_join),
    CALL("label_replace", "vtttt", 5, 5, FN_RENAMES, call_label_replace),
    DIGEST("last_over_time", window_last, FN_KEEPS_NAME, DIGEST_LAST),
    MAP("ln", log),
    MAP("log10", log10),
    MAP("log2", log2),
    OVER("mad_over_time", window_mad, FN_EXPERIMENTAL),
    DIGEST("max_over_time", window_max, 0, DIGEST_MAX),
    DIGEST("min_over_time", window_min, 0, DIGEST_MIN),
    DATE("minute", date_minute),
    DATE("month", date_month),
    SCALAR("pi", "", 0, 0, scalar_pi),
    {.name = "predict_linear",
     .args = "ms",
     .least = 2,
     .most = 2,
     .type = FW_VECTOR,
     .flags = FN_MOVES,
     .call = call_window,
     .window = window_predict_linear},
    DIGEST("present_over_time", window_present, 0, DIGEST_PRESENT),
    {.name = "quantile_over_time",
     .args = "sm",
     .least = 2,
     .most = 2,
     .type = FW_VECTOR,
     .call = call_window,
     .window = window_quantile,
     .remark = remark_bad_quantile},
    MAP("rad", to_radians),
    COUNTER("rate", window_rate, DIGEST_RATE),
    OVER("resets", window_resets, 0),
    CALL("round", "vs", 1, 2, 0, call_round),
    SCALAR("scalar", "v", 1, 0, scalar_of_vector),
    MAP("sgn", sign_of),
    MAP("sin", sin),
    MAP("sinh", sinh),
    CALL("sort", "v", 1, 1, FN_KEEPS_NAME, call_sort),
    CALL("sort_by_label", "vt", 1, -1, FN_KEEPS_NAME | FN_EXPERIMENTAL,
         call_sort_by_label),
    CALL("sort_by_label_desc", "vt", 1, -1, FN_KEEPS_NAME | FN_EXPERIMENTAL,
         call_sort_by_label_desc),
    CALL("sort_desc", "v", 1, 1, FN_KEEPS_NAME, call_sort_desc),
    MAP("sqrt", sqrt),
    OVER("stddev_over_time", window_stddev, 0),
    OVER("stdvar_over_time", window_stdvar, 0),
    DIGEST("sum_over_time", window_sum, 0, DIGEST_SUM),
    MAP("tan", tan),
    MAP("tanh", tanh),
    SCALAR("time", "", 0, FN_MOVES, scalar_time),
    CALL("timestamp", "v", 1, 1, FN_MOVES, call_timestamp),
    OVER("ts_of_first_over_time", window_ts_of_first, FN_EXPERIMENTAL),
    OVER("ts_of_last_over_time", window_ts_of_last, FN_EXPERIMENTAL),
    OVER("ts_of_max_over_time", window_ts_of_max, FN_EXPERIMENTAL),
    OVER("ts_of_min_over_time", window_ts_of_min, FN_EXPERIMENTAL),
    CALL("vector", "s", 1, 1, 0, call_vector),
    DATE("year", date_year),
    {0},
};
