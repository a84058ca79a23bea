/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * passage_weights.h - the constants of the logistic regression of passage.c.
 *
 * Written by bench/fit_breach.py; refit rather than edit. In the order of
 * passage_feature_names.
 */
#ifndef FW_PREDICT_PASSAGE_WEIGHTS_H
#define FW_PREDICT_PASSAGE_WEIGHTS_H

static const double passage_weight_bias = -0.28781;
static const double passage_weights[PASSAGE_FEATURES] = {
    0.00000, /* line12 */
    0.00000, /* line12h */
    0.00000, /* line36 */
    0.00000, /* line36h */
    0.09415, /* line72 */
    0.00000, /* line72h */
    0.00000, /* line288 */
    0.00119, /* line288h */
    0.00000, /* day0 */
    0.00000, /* dayh */
    0.00000, /* day1 */
    0.05764, /* weekh */
    0.00000, /* autoreg */
    0.18529, /* autoreg_r */
    0.00000, /* sawtooth */
    0.00000, /* middle */
    0.00000, /* rise */
    0.00000, /* rise_scaled */
    0.00000, /* ar_scaled */
    0.06480, /* day_scaled */
    0.19534, /* mid_scaled */
    0.16589, /* rise_bent */
    0.00000, /* skilled */
    0.00503, /* horizon */
    0.23248, /* sure_skilled */
    0.41906, /* sure_ar */
};

#endif
