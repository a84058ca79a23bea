/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * extreme.h - how far will it go within the horizon, and how far did it go?
 *
 * A watch asks whether its series will be beyond a limit. The value behind that
 * question is the extreme: the largest (for a limit below: the smallest) level
 * that is held for `for` within the horizon. Asked with one limit after another
 * the forecast gives its distribution; here are three quantiles of it, what
 * came of them, and the loss. Pure but for the forecaster that is asked.
 */
#ifndef SERVER_ALERT_EXTREME_H
#define SERVER_ALERT_EXTREME_H

#include "predict/predict.h"

#define EXTREME_QUANTILES 3 /* of the value: 0.1, 0.5, 0.9 */

/*
 * The quantiles of the extreme within the horizon after `now`, `current` being
 * the newest value. FW_NONE: it cannot tell, or they have no end.
 */
FW_CHECK fw_rc extreme_foresee(struct fw_forecaster *f,
                               const struct fw_breach *breach, fw_ms now,
                               double current, double out[EXTREME_QUANTILES],
                               struct fw_err *err);

/* True where there are quantiles. */
bool extreme_is_told(const double quantiles[EXTREME_QUANTILES]);

/*
 * Mean pinball loss of the quantiles [Koenker and Bassett 1978, Econometrica
 * 46, 33; twice its mean over all quantiles is the CRPS], in the unit of the
 * value.
 */
double extreme_loss(const double quantiles[EXTREME_QUANTILES], double reached);

/* ---- What it reached -------------------------------------------------------
 */

#define PEAKS_KEPT 40
#define PEAKS_BLOCKS 8 /* pieces of a stay of `for` */

/*
 * The levels that a series reached, each the worst since the one before it: a
 * staircase, from which the worst since any earlier prediction can be read.
 * Zero is a new one. v[] is durable, the rest begins anew after a restart.
 */
struct peaks {
    uint32_t n;
    struct peak {
        fw_ms t;
        double v;
    } v[PEAKS_KEPT]; /* times rise, levels fall back */
    fw_ms block;     /* number of the newest piece */
    uint32_t blocks; /* pieces seen without a break */
    double newest;   /* turned, as all levels are: larger is worse */
    double least[PEAKS_BLOCKS + 1]; /* of each piece, the newest first */
};

/*
 * Takes the next value. `broken`: what came before it was too long ago to
 * belong to one stay. `made_at`: the newest prediction; levels between two
 * predictions need no steps of their own.
 */
void peaks_add(struct peaks *p, const struct fw_breach *breach, fw_ms t,
               double v, bool broken, fw_ms made_at);

/* The worst level in (made_at, now], or `at_least` if that is worse. */
double peaks_since(const struct peaks *p, const struct fw_breach *breach,
                   fw_ms made_at, double at_least);

#endif
