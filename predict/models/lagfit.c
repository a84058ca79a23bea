/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "predict/models/lagfit.h"

#include <math.h>
#include <string.h>

#include "predict/numeric.h"

/* Added to the diagonal, in parts of it: keeps neighbouring lags, which are
 * nearly alike, from cancelling each other with huge weights. */
#define RIDGE 1e-5
#define ROWS_PER_LAG 3 /* fewer rows than this decide nothing */
#define SHORT_LAG 8

static void add_lag(struct lagfit *fit, size_t lag, size_t most)
{
    size_t i = fit->p;

    if (lag == 0 || lag > most || fit->p == LAGFIT_MAX)
        return;
    for (size_t j = 0; j < fit->p; j++)
        if (fit->lag[j] == lag)
            return;
    for (; i > 0 && fit->lag[i - 1] > lag; i--)
        fit->lag[i] = fit->lag[i - 1];
    fit->lag[i] = lag;
    fit->p++;
}

void lagfit_init(struct lagfit *fit, size_t season, size_t longer, size_t most,
                 double decay)
{
    memset(fit, 0, sizeof(*fit));
    fit->decay = decay;
    for (size_t lag = 1; lag <= (season > 0 ? 3u : 4u); lag++)
        add_lag(fit, lag, most);
    for (size_t j = 0; season > 0 && j < 3; j++) {
        add_lag(fit, season + j - 1, most);
        add_lag(fit, 2 * season + j - 1, most);
        if (longer > 0)
            add_lag(fit, longer + j - 1, most);
    }
}

/* Rows are as long as they must be, in steps of SIDE. */
#define SIDE 4

static inline __attribute__((always_inline)) void
add_products(struct lagfit *fit, const double *z)
{
    const double decay = fit->decay;

    for (size_t i = 0; i <= fit->p; i++) {
        double *row = fit->cross[i], x = z[i];

        for (size_t j = 0; j <= i; j += SIDE)
            for (size_t k = j; k < j + SIDE; k++)
                row[k] = row[k] * decay + x * z[k];
    }
}

NUMERIC_WIDE
void lagfit_add(struct lagfit *fit, const double *y, size_t t)
{
    double z[LAGFIT_ROW] = {0};
    size_t p = fit->p;

    for (size_t i = 0; i < p; i++)
        z[i] = y[t - fit->lag[i]];
    z[p] = y[t];
    fit->weight = fit->weight * fit->decay + 1.0;
    fit->rows += 1.0;
    for (size_t i = 0; i <= p; i++)
        fit->sum[i] = fit->sum[i] * fit->decay + z[i];
    add_products(fit, z);
}

bool lagfit_solve(const struct lagfit *fit, struct lagfit_line *out)
{
    double a[LAGFIT_MAX * LAGFIT_MAX], b[LAGFIT_MAX];
    size_t p = fit->p;
    double w = fit->weight;

    if (p == 0 || fit->rows < (double)(ROWS_PER_LAG * (p + 1)))
        return false;
    for (size_t i = 0; i < p; i++) {
        for (size_t j = 0; j <= i; j++) {
            double c = fit->cross[i][j] - fit->sum[i] * fit->sum[j] / w;

            a[i * p + j] = c;
            a[j * p + i] = c;
        }
        if (!(a[i * p + i] > 1e-14 * fit->cross[i][i]))
            return false;
        a[i * p + i] *= 1.0 + RIDGE;
        b[i] = fit->cross[p][i] - fit->sum[p] * fit->sum[i] / w;
    }
    if (!numeric_solve(a, b, p))
        return false;
    out->level = fit->sum[p] / w;
    for (size_t i = 0; i < p; i++) {
        out->coef[i] = b[i];
        out->level -= b[i] * fit->sum[i] / w;
    }
    return true;
}

void lagfit_path(const struct lagfit *fit, const struct lagfit_line *line,
                 const double *y, size_t o, size_t h, double *out)
{
    size_t near = 0;

    /* Only the short lags wait for what came out just before. */
    while (near < fit->p && fit->lag[near] < SHORT_LAG)
        near++;
    for (size_t k = 0; k < h; k++) {
        double v = line->level, far = 0.0;

        for (size_t i = near; i < fit->p; i++) {
            size_t lag = fit->lag[i];

            far += line->coef[i] * (k >= lag ? out[k - lag] : y[o + k - lag]);
        }
        v += far;
        for (size_t i = near; i-- > 0;) {
            size_t lag = fit->lag[i];

            v += line->coef[i] * (k >= lag ? out[k - lag] : y[o + k - lag]);
        }
        out[k] = v;
    }
}
