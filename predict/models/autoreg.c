/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * autoreg.c - the series as a weighted sum of its own past: the last steps and
 * the same moments of earlier seasons, by ridge regression [Hoerl & Kennard
 * 1970], forecast by feeding its own answers back.
 *
 * Four variants: of the level, of the logarithm, of the change from step to
 * step, and of the level with the recent past weighing more. Alone they come
 * near the best methods of the M4 competition on hourly data.
 */
#include "predict/models/model.h"

#include <math.h>

#include "predict/models/lagfit.h"

#define ROWS                                                                   \
    4096 /* newest rows that are fitted to; older ones add cost only           \
          */
#define HALF_LIFE_LEAST 50.0 /* of the weights, in steps */

/*
 * The forecasts of z, a series made from y, from every origin. Rows that touch
 * a gap are left out of the fit.
 */
static fw_rc rows_of(const struct model_input *in, const double *z,
                     const double *raw, double decay, double *out)
{
    size_t first = in->origins[0], most = first / 2, next = 0, last_gap = 0;
    struct lagfit fit;
    struct lagfit_line line;
    size_t start, longest;

    lagfit_init(&fit, in->season.length, in->season.longer, most, decay);
    if (fit.p == 0)
        return FW_NONE;
    longest = fit.lag[fit.p - 1];
    start = in->n > ROWS ? in->n - ROWS : 0;
    if (first < start + longest)
        start = first > ROWS / 2 ? first - ROWS / 2 : 0;
    if (start < longest)
        start = longest;
    for (size_t t = start; t <= in->n; t++) {
        while (next < in->count && in->origins[next] == t) {
            double *row = out + next * in->h;

            if (lagfit_solve(&fit, &line))
                lagfit_path(&fit, &line, z, t, in->h, row);
            else
                model_row(row, in->h, NAN);
            next++;
        }
        if (t == in->n)
            break;
        if (isnan(raw[t]))
            last_gap = t + 1;
        if (last_gap == 0 || t + 1 > last_gap + fit.lag[0])
            lagfit_add(&fit, z, t);
    }
    return FW_OK;
}

static fw_rc level(const struct model_input *in, double *out)
{
    return rows_of(in, in->y, in->raw, 1.0, out);
}

/* Weights that halve over two of the longest seasons. */
static fw_rc recent(const struct model_input *in, double *out)
{
    size_t s = in->season.longer > 0 ? in->season.longer : in->season.length;
    double half = fmax(HALF_LIFE_LEAST, 2.0 * (double)s);

    if (half > 2.0 * (double)in->n)
        return FW_NONE;
    return rows_of(in, in->y, in->raw, pow(0.5, 1.0 / half), out);
}

static fw_rc logarithm(const struct model_input *in, double *out)
{
    double *z = fw_arena_alloc(in->scratch, in->n * sizeof(*z));
    fw_rc rc;

    if (z == NULL)
        return FW_ENOMEM;
    for (size_t i = 0; i < in->n; i++) {
        double v = in->y[i] * in->scale + in->shift;

        if (!(v > 0.0))
            return FW_NONE;
        z[i] = log(v);
    }
    /* About the newest value, so that sums of products keep their digits. */
    for (size_t i = 0, n = in->n; i < n; i++)
        z[i] -= log(in->y[n - 1] * in->scale + in->shift);
    rc = rows_of(in, z, in->raw, 1.0, out);
    for (size_t i = 0; rc == FW_OK && i < in->count * in->h; i++) {
        double back = log(in->y[in->n - 1] * in->scale + in->shift);

        /* NaN (cannot from here) passes through; so does no infinity. */
        out[i] = out[i] + back > 700.0
                     ? NAN
                     : (exp(out[i] + back) - in->shift) / in->scale;
    }
    return rc;
}

static fw_rc change(const struct model_input *in, double *out)
{
    double *z = fw_arena_alloc(in->scratch, in->n * sizeof(*z));
    fw_rc rc;

    if (z == NULL)
        return FW_ENOMEM;
    z[0] = 0.0;
    for (size_t i = 1; i < in->n; i++)
        z[i] = in->y[i] - in->y[i - 1];
    rc = rows_of(in, z, in->raw, 1.0, out);
    for (size_t i = 0; rc == FW_OK && i < in->count; i++) {
        double at = in->y[in->origins[i] - 1];

        for (size_t k = 0; k < in->h; k++)
            out[i * in->h + k] = at += out[i * in->h + k];
    }
    return rc;
}

const struct model model_autoreg = {
    "autoregression", level,
    "each value depends on the last steps and the last seasons as before"};
const struct model model_autoreg_log = {
    "autoregression of logarithms", logarithm,
    "each ratio depends on the last steps and the last seasons as before"};
const struct model model_autoreg_change = {
    "autoregression of changes", change,
    "each change depends on the last changes and the last seasons as before"};
const struct model model_autoreg_recent = {
    "autoregression, recent", recent,
    "each value depends on its past as it did lately"};
