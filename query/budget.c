/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "query/budget.h"

#include "query/query_limits.h"

/* The clock is asked once per so many samples; a series counts as some. */
#define CHECK_EVERY 65536
#define SERIES_WORK 64

void budget_init(struct budget *budget, const struct fw_query_options *options)
{
    const struct fw_query_limits limits = fw_query_limits();

    *budget = (struct budget){
        .max_samples = options->max_samples > 0 ? options->max_samples
                                                : limits.max_samples,
        .max_series =
            options->max_series > 0 ? options->max_series : limits.max_series,
        .max_points = limits.max_points,
        .cancel = options->cancel,
        .clock = options->clock,
        .max_ms = options->max_ms > 0 ? options->max_ms : limits.max_ms,
    };
    if (budget->clock != NULL)
        budget->started_ns = fw_clock_mono_ns(budget->clock);
}

/* A query that several threads find too large counts once. */
static void strike(struct budget *budget, enum fw_query_limit limit)
{
    if (!atomic_exchange(&budget->struck, true))
        limit_count(limit);
}

static uint64_t count(_Atomic uint64_t *counter, uint64_t n)
{
    return atomic_fetch_add_explicit(counter, n, memory_order_relaxed) + n;
}

static fw_rc check(struct budget *budget, uint64_t work, struct fw_err *err)
{
    char text[FW_DURATION_TEXT_BYTES];
    uint64_t spent_ms;

    if (budget->cancel != NULL && atomic_load(budget->cancel))
        return fw_err_set(err, FW_ECANCELED, "query was canceled");
    if (budget->clock == NULL || count(&budget->unchecked, work) < CHECK_EVERY)
        return FW_OK;
    atomic_store_explicit(&budget->unchecked, 0, memory_order_relaxed);
    spent_ms = (fw_clock_mono_ns(budget->clock) - budget->started_ns) / 1000000;
    if (spent_ms <= (uint64_t)budget->max_ms)
        return FW_OK;
    strike(budget, FW_LIMIT_TIME);
    (void)fw_format_duration(text, budget->max_ms);
    return fw_err_set(err, FW_ECANCELED,
                      "query timed out: it may take %s (query_timeout); ask "
                      "for a shorter range, a larger step or fewer series",
                      text);
}

fw_rc budget_samples(struct budget *budget, uint64_t n, struct fw_err *err)
{
    if (count(&budget->samples, n) > budget->max_samples) {
        strike(budget, FW_LIMIT_SAMPLES);
        return fw_err_set(err, FW_ETOOBIG,
                          "query reads more than %llu samples "
                          "(query_max_samples); ask for a shorter range or "
                          "fewer series",
                          (unsigned long long)budget->max_samples);
    }
    return check(budget, n, err);
}

fw_rc budget_series(struct budget *budget, uint64_t n, struct fw_err *err)
{
    if (count(&budget->series, n) > budget->max_series) {
        strike(budget, FW_LIMIT_SERIES);
        return fw_err_set(err, FW_ETOOBIG,
                          "query touches more than %llu series "
                          "(query_max_series); narrow the selectors down",
                          (unsigned long long)budget->max_series);
    }
    return check(budget, n * SERIES_WORK, err);
}

fw_rc budget_steps(struct budget *budget, uint64_t n, struct fw_err *err)
{
    return check(budget, n, err);
}

fw_rc budget_points(struct budget *budget, uint64_t n, struct fw_err *err)
{
    budget->points += n;
    if (budget->points <= budget->max_points)
        return FW_OK;
    strike(budget, FW_LIMIT_POINTS);
    return fw_err_set(err, FW_ETOOBIG,
                      "the answer has more than %llu points "
                      "(query_max_points); ask for a larger step, or "
                      "aggregate",
                      (unsigned long long)budget->max_points);
}

fw_rc budget_memory(struct budget *budget, struct fw_err *err)
{
    strike(budget, FW_LIMIT_MEMORY);
    return fw_err_set(err, FW_ETOOBIG,
                      "query needs more than %llu MiB of memory "
                      "(query_max_memory); ask for fewer series or a shorter "
                      "range",
                      (unsigned long long)(fw_query_limits().max_bytes >> 20));
}
