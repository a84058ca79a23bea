/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * holt.c - exponential smoothing: damped trend, with and without a season, and
 * the theta method.
 *
 * Parameters are not searched for: a small set of them runs over the series
 * side by side, and each origin takes the one whose one-step errors were
 * smallest up to there. That is a fit without look-ahead for every origin at
 * the price of one pass, and it cannot get stuck.
 */
#include "predict/models/model.h"

#include <math.h>
#include <string.h>

#include "predict/models/smoothing.h"
#include "predict/numeric.h"

void smoothing_set(struct smoothing *m, size_t which, double alpha, double beta,
                   double gamma, double phi)
{
    m->alpha[which] = alpha;
    m->phi[which] = phi;
    m->trends[which] = alpha * beta;
    m->seasons[which] = gamma * (1.0 - alpha);
}

/*
 * One step of Holt's linear trend, damped [Gardner & McKenzie 1985; FPP3, sec.
 * 8.2], with an additive season where there is one [Holt 1957; Winters 1960].
 * The errors are written in error-correction form.
 */
static inline __attribute__((always_inline)) void
step(struct smoothing *restrict m, double *restrict season, double y)
{
    for (size_t i = 0; i < SMOOTHING_BESIDE; i++) {
        double faded = m->phi[i] * m->trend[i], ahead = m->level[i] + faded;
        double e = y - ahead - season[i];

        m->level[i] = ahead + m->alpha[i] * e;
        m->trend[i] = faded + m->trends[i] * e;
        season[i] += m->seasons[i] * e;
        m->error[i] = e;
    }
}

/* Without a season there is one of zero, which nothing moves. */
static inline double *season_now(struct smoothing *m, double *none)
{
    double *now = m->period > 0 ? m->seasonal[m->at] : none;

    if (m->period > 0)
        m->at = m->at + 1 == m->period ? 0 : m->at + 1;
    return now;
}

void smoothing_step(struct smoothing *m, double y)
{
    double none[SMOOTHING_BESIDE] = {0};

    step(m, season_now(m, none), y);
}

void smoothing_forecast(const struct smoothing *m, size_t which, size_t h,
                        double *out)
{
    double damp = 0.0, power = 1.0;
    size_t at = m->at;

    for (size_t k = 0; k < h; k++) {
        power *= m->phi[which];
        damp += power;
        out[k] = m->level[which] + damp * m->trend[which];
        if (m->period > 0) {
            out[k] += m->seasonal[at][which];
            at = at + 1 == m->period ? 0 : at + 1;
        }
    }
}

static const double alphas[] = {0.05, 0.15, 0.35, 0.6, 0.85, 0.99};
static const double trends[][2] = {/* beta, phi */
                                   {0.0, 0.98},
                                   {0.05, 0.98},
                                   {0.2, 0.9},
                                   {0.2, 1.0},
                                   {0.7, 0.8}};
static const double gammas[] = {0.1, 0.3};

#define FADE 0.998 /* of errors, from step to step */
#define COUNT(a) (sizeof(a) / sizeof(*(a)))

/* The first level, and the first season as its deviations from it: the mean
 * of the first two seasons, or the first value. */
static void start(struct smoothing *m, const double *y, size_t n)
{
    size_t s = m->period;
    double level = s > 0 ? 0.0 : y[0];

    for (size_t i = 0; i < 2 * s && i < n; i++)
        level += y[i] / (double)(2 * s);
    for (size_t j = 0; j < SMOOTHING_BESIDE; j++) {
        m->level[j] = level;
        m->trend[j] = 0.0;
        for (size_t i = 0; i < s; i++)
            m->seasonal[i][j] = 0.5 * (y[i] + y[i + s]) - level;
    }
    m->at = 0;
}

/* Takes y[from .. to) in; errors from `warm` on count, and fade: what fits now
 * matters. */
NUMERIC_WIDE
static void go_on(struct smoothing *m, const double *y, size_t from, size_t to,
                  size_t warm, double *restrict sse)
{
    double none[SMOOTHING_BESIDE] = {0};

    for (size_t i = from; i < to; i++) {
        step(m, season_now(m, none), y[i]);
        if (i < warm)
            continue;
        for (size_t j = 0; j < SMOOTHING_BESIDE; j++)
            sse[j] = FADE * sse[j] + m->error[j] * m->error[j];
    }
}

/* The run of settings over the series, side by side, writing the row of the
 * best at each origin where it is the best so far. */
static void run(const struct model_input *in, struct smoothing *m,
                double *best_sse, double *out)
{
    double sse[SMOOTHING_BESIDE] = {0};
    size_t warm = m->period > 0 ? 2 * m->period : 1;
    size_t at = m->period > 0 ? 0 : 1;

    start(m, in->y, in->n);
    for (size_t next = 0; next < in->count; next++) {
        size_t o = in->origins[next], best = 0;

        if (o < at)
            continue;
        go_on(m, in->y, at, o, warm, sse);
        at = o;
        for (size_t j = 1; j < SMOOTHING_BESIDE; j++)
            best = sse[j] < sse[best] ? j : best;
        if (o > warm && sse[best] < best_sse[next]) {
            best_sse[next] = sse[best];
            smoothing_forecast(m, best, in->h, out + next * in->h);
        }
    }
}

static fw_rc smooth(const struct model_input *in, size_t period, double *out)
{
    const size_t g_count = period > 0 ? COUNT(gammas) : 1;
    const size_t settings = COUNT(alphas) * COUNT(trends) * g_count;
    struct smoothing m = {.period = period};
    double *best_sse =
        fw_arena_alloc(in->scratch, in->count * sizeof(*best_sse));

    m.seasonal =
        fw_arena_alloc(in->scratch, (period + 1) * sizeof(*m.seasonal));
    if (best_sse == NULL || m.seasonal == NULL)
        return FW_ENOMEM;
    for (size_t i = 0; i < in->count; i++) {
        best_sse[i] = INFINITY;
        model_row(out + i * in->h, in->h, NAN);
    }
    for (size_t from = 0; from < settings; from += SMOOTHING_BESIDE) {
        for (size_t j = 0; j < SMOOTHING_BESIDE; j++) {
            /* Those that are too few are filled up with the last. */
            size_t i = from + j < settings ? from + j : settings - 1;
            const double *trend = trends[i / g_count % COUNT(trends)];

            smoothing_set(&m, j, alphas[i / g_count / COUNT(trends)], trend[0],
                          period > 0 ? gammas[i % g_count] : 0.0, trend[1]);
        }
        run(in, &m, best_sse, out);
    }
    return FW_OK;
}

static fw_rc holt(const struct model_input *in, double *out)
{
    return smooth(in, 0, out);
}

static fw_rc holt_winters(const struct model_input *in, double *out)
{
    if (in->season.length < 2 || in->n < 3 * in->season.length)
        return FW_NONE;
    return smooth(in, in->season.length, out);
}

/*
 * The theta method [Assimakopoulos & Nikolopoulos 2000] in the form of simple
 * exponential smoothing with half the slope of the whole [Hyndman & Billah
 * 2003]: level + slope/2 * (k + 1/alpha - (1 - alpha)^n / alpha).
 */
static fw_rc theta(const struct model_input *in, double *out)
{
    double level[COUNT(alphas)], sse[COUNT(alphas)] = {0};
    double sy = 0.0, sxy = 0.0;
    size_t next = 0;

    for (size_t a = 0; a < COUNT(alphas); a++)
        level[a] = in->y[0];
    for (size_t i = 0; i <= in->n; i++) {
        while (next < in->count && in->origins[next] == i) {
            double n = (double)i, best = sse[0], slope, drift;
            size_t b = 0;

            for (size_t a = 1; a < COUNT(alphas); a++)
                if (sse[a] < best) {
                    best = sse[a];
                    b = a;
                }
            slope = n > 1.0 ? (sxy - sy * (n - 1.0) / 2.0) * 12.0 /
                                  (n * (n * n - 1.0))
                            : 0.0;
            drift = (1.0 - pow(1.0 - alphas[b], n)) / alphas[b] - 1.0;
            for (size_t k = 0; k < in->h; k++)
                out[next * in->h + k] =
                    level[b] + 0.5 * slope * ((double)(k + 1) + drift);
            next++;
        }
        if (i == in->n)
            break;
        for (size_t a = 0; a < COUNT(alphas); a++) {
            double e = in->y[i] - level[a];

            level[a] += alphas[a] * e;
            sse[a] += e * e;
        }
        sy += in->y[i];
        sxy += (double)i * in->y[i];
    }
    return FW_OK;
}

const struct model model_holt = {
    "damped Holt", holt, "level and trend change slowly and the trend fades"};
const struct model model_holt_winters = {
    "Holt-Winters", holt_winters,
    "level, trend and season change slowly and the trend fades"};
const struct model model_theta = {
    "theta", theta, "half of the long trend goes on from the recent level"};
