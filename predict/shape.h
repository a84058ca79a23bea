/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * shape.h - what kind of series is this? In words, with the evidence, for the
 * person who reads the forecast; the models decide by their backtests.
 */
#ifndef FW_PREDICT_SHAPE_H
#define FW_PREDICT_SHAPE_H

#include "predict/predict.h"
#include "predict/samples.h"
#include "predict/season.h"
#include "predict/segments.h"

/* The values in their own units; `why` gets the evidence: one sentence.
 * `work` has room for as many values as the grid. */
enum fw_verdict shape_tell(const struct samples_grid *grid,
                           const struct season *season,
                           const struct segments *segments, double *work,
                           char *why, size_t why_bytes);

#endif
