/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "query/query_limits.h"

#include "storage/base/limits.h"

/* Written before the first query, as fw_query_enable() is. */
static struct fw_query_limits in_force = {
    .max_samples = FW_MAX_QUERY_SAMPLES,
    .max_points = FW_MAX_QUERY_RESULT,
    .max_bytes = FW_MAX_QUERY_BYTES,
    .max_series = FW_MAX_QUERY_SERIES,
    .max_ms = FW_MAX_QUERY_MS,
    .lookback = FW_QUERY_LOOKBACK_MS,
};

static _Atomic uint64_t struck[FW_QUERY_LIMITS];

struct fw_query_limits fw_query_limits(void)
{
    return in_force;
}

void fw_query_limits_set(const struct fw_query_limits *limits)
{
    if (limits->max_samples > 0)
        in_force.max_samples = limits->max_samples;
    if (limits->max_points > 0)
        in_force.max_points = limits->max_points;
    if (limits->max_bytes > 0)
        in_force.max_bytes = limits->max_bytes;
    if (limits->max_series > 0)
        in_force.max_series = limits->max_series;
    if (limits->max_ms > 0)
        in_force.max_ms = limits->max_ms;
    if (limits->lookback > 0)
        in_force.lookback = limits->lookback;
}

const char *fw_query_limit_name(enum fw_query_limit limit)
{
    static const char *const names[FW_QUERY_LIMITS] = {
        [FW_LIMIT_SAMPLES] = "query_max_samples",
        [FW_LIMIT_POINTS] = "query_max_points",
        [FW_LIMIT_MEMORY] = "query_max_memory",
        [FW_LIMIT_SERIES] = "query_max_series",
        [FW_LIMIT_TIME] = "query_timeout",
        [FW_LIMIT_DEPTH] = "query_depth",
        [FW_LIMIT_OPERATORS] = "query_operators"};

    return names[limit];
}

void limit_count(enum fw_query_limit limit)
{
    atomic_fetch_add_explicit(&struck[limit], 1, memory_order_relaxed);
}

uint64_t fw_query_limit_struck(enum fw_query_limit limit)
{
    return atomic_load_explicit(&struck[limit], memory_order_relaxed);
}
