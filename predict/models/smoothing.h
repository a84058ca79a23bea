/* SPDX-License-Identifier: GPL-3.0-or-later */
/* smoothing.h - the state of one exponential smoother, see holt.c. */
#ifndef FW_PREDICT_MODELS_SMOOTHING_H
#define FW_PREDICT_MODELS_SMOOTHING_H

#include <stddef.h>

struct smoothing {
    double alpha, beta, gamma, phi; /* beta as a share of alpha */
    double level, trend;
    size_t period, at; /* 0: no season; index of the next moment in it */
    double *seasonal;  /* period deviations; owned by the caller */
};

/* Takes one value in and returns the error of the forecast made for it. */
double smoothing_step(struct smoothing *m, double y);
void smoothing_forecast(const struct smoothing *m, size_t h, double *out);

#endif
