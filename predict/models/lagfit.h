/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * lagfit.h - regression of a series on its own past, kept as running sums, so
 * that a refit at any moment costs one small Cholesky factorisation.
 */
#ifndef FW_PREDICT_MODELS_LAGFIT_H
#define FW_PREDICT_MODELS_LAGFIT_H

#include <stdbool.h>
#include <stddef.h>

#define LAGFIT_MAX 13 /* lags */
#define LAGFIT_ROW 16 /* sums of products lie in rows of whole vectors */

struct lagfit {
    size_t lag[LAGFIT_MAX]; /* rising */
    size_t p;
    double decay; /* weight of a row against the next; 1: all alike */
    double weight, rows;
    double sum[LAGFIT_MAX + 1]; /* of the lagged values, then of the target */
    double cross[LAGFIT_MAX + 1][LAGFIT_ROW]; /* lower triangle */
};

struct lagfit_line {
    double coef[LAGFIT_MAX];
    double level;
};

/*
 * Chooses the lags: 1 to 3 and one step around one and two seasons and around
 * the longer season, as far back as `most` allows; 1 to 4 without a season.
 */
void lagfit_init(struct lagfit *fit, size_t season, size_t longer, size_t most,
                 double decay);

/* Takes in the row whose target is y[t]; t >= the longest lag. */
void lagfit_add(struct lagfit *fit, const double *y, size_t t);

/* Ridge least squares; false where there is too little, or no variation. */
bool lagfit_solve(const struct lagfit *fit, struct lagfit_line *out);

/* The h values after y[0 .. o), each fed back as if it had been seen. */
void lagfit_path(const struct lagfit *fit, const struct lagfit_line *line,
                 const double *y, size_t o, size_t h, double *out);

#endif
