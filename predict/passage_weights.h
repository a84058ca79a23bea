/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * passage_weights.h - the constants of the logistic regression of passage.c.
 *
 * Written by bench/fit_breach.py; refit rather than edit. In the order of
 * passage_feature_names.
 */
#ifndef FW_PREDICT_PASSAGE_WEIGHTS_H
#define FW_PREDICT_PASSAGE_WEIGHTS_H

static const double passage_weight_bias = 0.0;
static const double passage_weights[] = {
    0, 0, 0,   0,   0,   0, 0, 0, 0,   0,   0, 0,
    0, 0, 0.1, 0.1, 0.1, 0, 0, 0, 0.7, 0.2, 0, 0,
};

#endif
