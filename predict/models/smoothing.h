/* SPDX-License-Identifier: GPL-3.0-or-later */
/* smoothing.h - exponential smoothers that run side by side, see holt.c. */
#ifndef FW_PREDICT_MODELS_SMOOTHING_H
#define FW_PREDICT_MODELS_SMOOTHING_H

#include <stddef.h>

#define SMOOTHING_BESIDE 16

struct smoothing {
    size_t period, at; /* 0: no season; index of the next moment in it */
    double (*seasonal)[SMOOTHING_BESIDE]; /* of the caller; a row a moment */
    double alpha[SMOOTHING_BESIDE], phi[SMOOTHING_BESIDE];
    /* What an error moves the trend and the season by. */
    double trends[SMOOTHING_BESIDE], seasons[SMOOTHING_BESIDE];
    double level[SMOOTHING_BESIDE], trend[SMOOTHING_BESIDE];
    double error[SMOOTHING_BESIDE]; /* of the forecast made for the newest */
};

/* The parameters of one of them; beta is a share of alpha. */
void smoothing_set(struct smoothing *m, size_t which, double alpha, double beta,
                   double gamma, double phi);
/* Takes one value in. */
void smoothing_step(struct smoothing *m, double y);
void smoothing_forecast(const struct smoothing *m, size_t which, size_t h,
                        double *out);

#endif
