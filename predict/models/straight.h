/* SPDX-License-Identifier: GPL-3.0-or-later */
/* straight.h - a robust line through y[from .. to), see straight.c. */
#ifndef FW_PREDICT_MODELS_STRAIGHT_H
#define FW_PREDICT_MODELS_STRAIGHT_H

#include <stddef.h>

#include "predict/numeric.h"

/*
 * x counts from the newest value: its level is the line's value at to - 1, one
 * step ahead is x = 1. FW_NONE for fewer than five values.
 */
FW_CHECK fw_rc line_fit(const double *y, size_t from, size_t to,
                        struct numeric_line *out);

#endif
