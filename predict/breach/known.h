/* SPDX-License-Identifier: GPL-3.0-or-later */
/* known.h - a breach where the level will change by what is planned. */
#ifndef FW_PREDICT_KNOWN_H
#define FW_PREDICT_KNOWN_H

#include "predict/breach/events.h"

/* Samples without planned steps and what comes on top of their forecast. */
struct known_future {
    const fw_ms *t; /* n samples as if the steps so far had always been */
    const double *v;
    size_t n;
    const struct events_step *steps; /* to come, in the order of time */
    size_t step_count;
    const struct fw_forecast_options *options;
    const struct fw_forecast *forecast; /* with the steps in it */
};

/*
 * P(breach) and when, with the steps to come. FW_NONE: cannot tell.
 *
 * Between two steps the limit is as far away as the steps so far make it.
 * G_d(t) is the engine's chance to be beyond the limit moved by d before t; the
 * chance of a first passage between t1 and t2 is what G_d grows by, or, where
 * the step lifts all values over the limit, the chance of the values themselves
 * there.
 */
FW_CHECK fw_rc known_passage(const struct known_future *k,
                             struct fw_passage *out, struct fw_err *err);

#endif
