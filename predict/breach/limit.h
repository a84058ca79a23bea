/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * limit.h - a limit as a question to passage.c: which values count, on which
 * side, and what `for` makes of them.
 */
#ifndef FW_PREDICT_LIMIT_H
#define FW_PREDICT_LIMIT_H

#include "predict/predict.h"
#include "predict/samples.h"
#include "predict/season.h"

bool limit_beyond(const struct fw_breach *b, double v);

/* How the samples of a cell become one number, for this limit. */
enum samples_aggregate limit_aggregate(const struct fw_breach *b);

/*
 * "Beyond the limit for d steps" is "the smallest of d neighbouring values is
 * beyond it": the question with `for` is the plain one of that series. In the
 * orientation "above"; `work` has room for n values.
 */
void limit_hold(double *y, double *raw, size_t n, size_t d, double *work);

/* The limit in units of (value - shift) / scale, turned so that it is above. */
double limit_scaled(const struct fw_breach *b, double limit, double shift,
                    double scale);

/*
 * People's day and week where steps divide them, whether or not the series
 * keeps them: candidates are judged by their record anyway, and the constants
 * were fitted so. Otherwise what was found.
 */
struct season limit_season(fw_ms step, const struct season *found);

#endif
