/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * naive.c - the forecasts without a model, which every model has to beat
 * [Hyndman & Athanasopoulos, FPP3, sec. 5.2]: the last value, the median of
 * the last few, the same moment of the last season, the mean of the last
 * seasons.
 */
#include "predict/models/model.h"

#include <math.h>

#include "predict/numeric.h"

#define RECENT 12      /* values the recent median is of */
#define SEASONS_MEAN 5 /* seasons averaged */

static fw_rc naive(const struct model_input *in, double *out)
{
    for (size_t i = 0; i < in->count; i++)
        model_row(out + i * in->h, in->h, in->y[in->origins[i] - 1]);
    return FW_OK;
}

static fw_rc recent_median(const struct model_input *in, double *out)
{
    double last[RECENT];

    for (size_t i = 0; i < in->count; i++) {
        size_t o = in->origins[i], n = o < RECENT ? o : RECENT;

        for (size_t j = 0; j < n; j++)
            last[j] = in->y[o - 1 - j];
        model_row(out + i * in->h, in->h, numeric_median(last, n));
    }
    return FW_OK;
}

/* The mean of the last `seasons` values at the same phase. */
static void seasonal_row(const struct model_input *in, size_t o, size_t seasons,
                         double *row)
{
    size_t s = in->season.length;

    if (seasons > o / s)
        seasons = o / s;
    if (seasons == 0) {
        model_row(row, in->h, NAN);
        return;
    }
    for (size_t k = 0; k < in->h && k < s; k++) {
        row[k] = 0.0;
        for (size_t j = 1; j <= seasons; j++)
            row[k] += in->y[o + k - j * s] / (double)seasons;
    }
    for (size_t k = s; k < in->h; k++)
        row[k] = row[k - s];
}

static fw_rc seasonal(const struct model_input *in, size_t seasons, double *out)
{
    if (in->season.length == 0)
        return FW_NONE;
    for (size_t i = 0; i < in->count; i++)
        seasonal_row(in, in->origins[i], seasons, out + i * in->h);
    return FW_OK;
}

static fw_rc seasonal_naive(const struct model_input *in, double *out)
{
    return seasonal(in, 1, out);
}

static fw_rc seasonal_mean(const struct model_input *in, double *out)
{
    return seasonal(in, SEASONS_MEAN, out);
}

const struct model model_naive = {"naive", naive,
                                  "it stays at its newest value"};
const struct model model_median = {"recent median", recent_median,
                                   "it stays at the median of the last few"};
const struct model model_seasonal_naive = {"seasonal naive", seasonal_naive,
                                           "the last season repeats itself"};
const struct model model_seasonal_mean = {
    "seasonal mean", seasonal_mean,
    "each moment of the season is as it was on average over the last five"};
