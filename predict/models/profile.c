/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * profile.c - a typical day (and, shrunk, a typical week) plus what is left,
 * which fades as its own autocorrelation says.
 *
 * The classical decomposition [FPP3, sec. 3.4] made causal: the level is the
 * mean of the last whole season, the profile the mean deviation from it at
 * each phase, the rest an AR(1).
 */
#include "predict/models/model.h"

#include <math.h>

#define SEASONS 8 /* averaged at most */
/* Weight of one longer season seen: its own deviations are trusted n/(n+2). */
#define SHRINK 2.0

/* Mean of y[o-s .. o) by running sums. */
static double season_mean(const double *sum, size_t o, size_t s)
{
    return (sum[o] - sum[o - s]) / (double)s;
}

/* The deviation expected at position o+k from the mean of the season before o,
 * averaged over earlier seasons (o itself is not needed to be known). */
static double phase_mean(const struct model_input *in, const double *sum,
                         size_t o, size_t k, size_t period)
{
    double total = 0.0;
    size_t n = 0;

    for (size_t j = 1; n < SEASONS; j++) {
        size_t back = j * period, s = in->season.length;

        if (back > o + k || o + k - back < s || back <= k)
            break;
        /* The season that was the last one at that earlier origin. */
        if (o < back + s)
            break;
        total += in->y[o + k - back] - season_mean(sum, o - back, s);
        n++;
    }
    return n > 0 ? total / (double)n : NAN;
}

static double expected(const struct model_input *in, const double *sum,
                       size_t o, size_t k)
{
    size_t s = in->season.length, longer = in->season.longer;
    double day, week = NAN;
    size_t weeks;

    /* Past one season ahead, the phase is that of the first. */
    k %= longer > 0 ? longer : s;
    day = phase_mean(in, sum, o, k % s, s);
    if (longer > 0)
        week = phase_mean(in, sum, o, k, longer);
    if (isnan(week))
        return day;
    weeks = o / longer < SEASONS ? o / longer : SEASONS;
    return day + (week - day) * (double)weeks / ((double)weeks + SHRINK);
}

static fw_rc profile(const struct model_input *in, double *out)
{
    size_t s = in->season.length;
    double *sum;

    if (s < 2)
        return FW_NONE;
    sum = fw_arena_alloc(in->scratch, (in->n + 1) * sizeof(*sum));
    if (sum == NULL)
        return FW_ENOMEM;
    sum[0] = 0.0;
    for (size_t i = 0; i < in->n; i++)
        sum[i + 1] = sum[i] + in->y[i];
    for (size_t i = 0; i < in->count; i++) {
        size_t o = in->origins[i];
        double *row = out + i * in->h;
        double rest = 0.0, xx = 0.0, xy = 0.0, before = NAN, phi;

        if (o < 3 * s + 1) {
            model_row(row, in->h, NAN);
            continue;
        }
        /* The rest over the last season against the profile one season
         * before it, and how it carries over from step to step. */
        for (size_t j = o - s; j < o; j++) {
            double e = in->y[j] - season_mean(sum, o - s, s) -
                       expected(in, sum, o - s, j + s - o);

            if (!isnan(before)) {
                xx += before * before;
                xy += before * e;
            }
            before = e;
        }
        rest =
            in->y[o - 1] - season_mean(sum, o, s) - expected(in, sum, o - 1, 0);
        phi = xx > 0.0 ? fmin(fmax(xy / xx, 0.0), 0.995) : 0.0;
        for (size_t k = 0; k < in->h; k++) {
            rest *= phi;
            row[k] = season_mean(sum, o, s) + expected(in, sum, o, k) + rest;
        }
    }
    return FW_OK;
}

const struct model model_profile = {
    "seasonal profile", profile,
    "a typical season comes again on top of the level of the last one"};
