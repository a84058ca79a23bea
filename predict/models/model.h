/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * model.h - what every candidate model looks like: one function over arrays.
 *
 * A model is asked for forecasts from many origins at once. The row of an
 * origin o may use y[0 .. o) and nothing later; that is how one pass over the
 * series serves the backtest, its refits included, and the forecast itself
 * (the last origin, n). No clock, no store, no random numbers.
 */
#ifndef FW_PREDICT_MODELS_MODEL_H
#define FW_PREDICT_MODELS_MODEL_H

#include <stdbool.h>
#include <stddef.h>

#include "predict/season.h"
#include "predict/segments.h"
#include "storage/base/arena.h"

struct model_input {
    const double *y;   /* gaps filled; moved and scaled to about [-1, 1] */
    const double *raw; /* the same, NaN in the gaps */
    size_t n;
    size_t h;              /* steps to forecast from each origin */
    const size_t *origins; /* rising; the last one is n */
    size_t count;
    struct season season;
    const struct segments *segments;
    double shift, scale; /* y = (original - shift) / scale */
    struct fw_arena *scratch;
};

struct model {
    const char *name;
    /*
     * Fills out[count][h]; a row that begins with NaN is "cannot from here".
     * FW_NONE if the model does not suit this series at all.
     */
    fw_rc (*forecast)(const struct model_input *in, double *out);
    /* What it takes for granted: half a sentence. */
    const char *assumes;
};

extern const struct model model_naive, model_median, model_linear, model_drift,
    model_holt, model_theta, model_seasonal_naive, model_seasonal_mean,
    model_holt_winters, model_profile, model_autoreg, model_autoreg_log,
    model_autoreg_change, model_autoreg_recent, model_sawtooth;

/* All of them; naive first. Ends with NULL. */
extern const struct model *const model_pool[];
#define MODEL_POOL 15
/* The cheap ones, for point forecasts in bulk; naive first. */
extern const struct model *const model_pool_quick[];

/* Fills a row with one value; NaN marks it as unusable. */
static inline void model_row(double *row, size_t h, double value)
{
    for (size_t k = 0; k < h; k++)
        row[k] = value;
}

#endif
