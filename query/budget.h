/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * budget.h - what one query may use: samples, series, time; and whether it is
 * still wanted. Memory is capped by the arena.
 */
#ifndef FW_QUERY_BUDGET_H
#define FW_QUERY_BUDGET_H

#include "query/query.h"

/* Shared by the threads that work on the query. */
struct budget {
    _Atomic uint64_t samples;
    _Atomic uint64_t series;
    uint64_t points; /* of the answer: one thread gathers it */
    uint64_t max_samples, max_series, max_points;
    atomic_bool struck; /* some limit did, and was counted */
    const atomic_bool *cancel;
    const struct fw_clock *clock;
    uint64_t started_ns;
    fw_ms max_ms;
    _Atomic uint64_t unchecked; /* work since the clock was last asked */
};

void budget_init(struct budget *budget, const struct fw_query_options *options);

/*
 * Counts work done. FW_ETOOBIG names the limit that struck; FW_ECANCELED when
 * the time is up or nobody wants the answer any more.
 */
FW_CHECK fw_rc budget_samples(struct budget *budget, uint64_t n,
                              struct fw_err *err);
FW_CHECK fw_rc budget_series(struct budget *budget, uint64_t n,
                             struct fw_err *err);
/* Steps that were computed: nothing is read, but time passes. */
FW_CHECK fw_rc budget_steps(struct budget *budget, uint64_t n,
                            struct fw_err *err);
FW_CHECK fw_rc budget_points(struct budget *budget, uint64_t n,
                             struct fw_err *err);

/* For a query whose arena is full: the error that says so. */
FW_CHECK fw_rc budget_memory(struct budget *budget, struct fw_err *err);

#endif
