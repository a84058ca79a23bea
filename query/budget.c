/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "query/budget.h"

#include "storage/base/limits.h"

/* The clock is asked once per so many samples; a series counts as some. */
#define CHECK_EVERY 65536
#define SERIES_WORK 64

void budget_init(struct budget *budget, const struct fw_query_options *options)
{
    *budget = (struct budget){
        .max_samples = options->max_samples > 0 ? options->max_samples
                                                : FW_MAX_QUERY_SAMPLES,
        .max_series =
            options->max_series > 0 ? options->max_series : FW_MAX_QUERY_SERIES,
        .cancel = options->cancel,
        .clock = options->clock,
        .max_ms = options->max_ms > 0 ? options->max_ms : FW_MAX_QUERY_MS,
    };
    if (budget->clock != NULL)
        budget->started_ns = fw_clock_mono_ns(budget->clock);
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
    (void)fw_format_duration(text, budget->max_ms);
    return fw_err_set(err, FW_ECANCELED,
                      "query timed out: it may take %s; ask for a shorter "
                      "range, a larger step or fewer series",
                      text);
}

fw_rc budget_samples(struct budget *budget, uint64_t n, struct fw_err *err)
{
    if (count(&budget->samples, n) > budget->max_samples)
        return fw_err_set(err, FW_ETOOBIG,
                          "query reads more than %llu samples; ask for a "
                          "shorter range or fewer series",
                          (unsigned long long)budget->max_samples);
    return check(budget, n, err);
}

fw_rc budget_series(struct budget *budget, uint64_t n, struct fw_err *err)
{
    if (count(&budget->series, n) > budget->max_series)
        return fw_err_set(err, FW_ETOOBIG,
                          "query touches more than %llu series; narrow the "
                          "selectors down",
                          (unsigned long long)budget->max_series);
    return check(budget, n * SERIES_WORK, err);
}
