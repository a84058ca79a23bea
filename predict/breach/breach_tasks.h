/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * breach_tasks.h - many questions about few series, each asked as of its own
 * moment: the bulk form of `forewarn breach`, and what a backtest is made of.
 *
 * A series is prepared once per horizon and side; a question then costs
 * microseconds. No answer depends on a sample after its moment: everything
 * kept between questions is tied to positions counted from the start.
 */
#ifndef FW_PREDICT_BREACH_TASKS_H
#define FW_PREDICT_BREACH_TASKS_H

#include <stdbool.h>

#include "predict/breach/passage.h"
#include "predict/csv_input.h"

struct breach_answer {
    bool told; /* false: cannot tell */
    double probability;
    double eta_s; /* median time to the breach; < 0: beyond */
};

/*
 * Answers all questions; answers[i] belongs to tasks[i]. A question about a
 * series that is not there is not told. FW_ENOMEM, FW_ETOOBIG.
 */
FW_CHECK fw_rc breach_tasks_run(const struct csv_series *series,
                                size_t series_count,
                                const struct csv_task *tasks, size_t count,
                                struct breach_answer *answers,
                                struct fw_err *err);

/*
 * The same walk, handing each question's features to `take` instead: for the
 * program that fits the weights. Questions without features are left out.
 */
typedef void (*breach_take)(void *self, size_t task,
                            const double features[PASSAGE_FEATURES]);
FW_CHECK fw_rc breach_tasks_features(const struct csv_series *series,
                                     size_t series_count,
                                     const struct csv_task *tasks, size_t count,
                                     breach_take take, void *self,
                                     struct fw_err *err);

#endif
