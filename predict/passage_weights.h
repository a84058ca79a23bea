/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * passage_weights.h - the constants of the logistic regression of passage.c.
 *
 * Written by bench/fit_breach.py; refit rather than edit. In the order of
 * passage_feature_names.
 */
#ifndef FW_PREDICT_PASSAGE_WEIGHTS_H
#define FW_PREDICT_PASSAGE_WEIGHTS_H

static const double passage_weight_bias = -0.18294;
static const double passage_weights[] = {
    0.00000, /* line12 */
    0.00000, /* line12h */
    0.00000, /* line36 */
    0.00000, /* line36h */
    0.11849, /* line72 */
    0.00000, /* line72h */
    0.00000, /* line288 */
    0.00171, /* line288h */
    0.00000, /* day0 */
    0.00000, /* dayh */
    0.00000, /* day1 */
    0.13436, /* weekh */
    0.00000, /* autoreg */
    0.26518, /* autoreg_r */
    0.00000, /* sawtooth */
    0.00000, /* middle */
    0.00000, /* rise */
    0.00000, /* rise_phase */
    0.15047, /* rise_near */
    0.00000, /* ar_phase */
    0.03472, /* ar_near */
    0.00000, /* day_phase */
    0.08196, /* day_near */
    0.02635, /* mid_phase */
    0.00000, /* mid_near */
    0.00000, /* max */
    0.00000, /* max_phase */
    0.00000, /* max_near */
    0.00000, /* normal */
    0.25217, /* skilled */
    0.00000, /* best */
    0.00000, /* never */
    0.00000, /* spread */
};

#endif
