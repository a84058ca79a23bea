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

/*
 * One step of Holt's linear trend, damped [Gardner & McKenzie 1985; FPP3, sec.
 * 8.2], with an additive season where there is one [Holt 1957; Winters 1960].
 * The errors are written in error-correction form.
 */
double smoothing_step(struct smoothing *m, double y)
{
    double *s = m->period > 0 ? &m->seasonal[m->at] : NULL;
    double season = s != NULL ? *s : 0.0;
    double ahead = m->level + m->phi * m->trend;
    double e = y - ahead - season;

    m->level = ahead + m->alpha * e;
    m->trend = m->phi * m->trend + m->alpha * m->beta * e;
    if (s != NULL) {
        *s += m->gamma * (1.0 - m->alpha) * e;
        m->at = m->at + 1 == m->period ? 0 : m->at + 1;
    }
    return e;
}

void smoothing_forecast(const struct smoothing *m, size_t h, double *out)
{
    double damp = 0.0, power = 1.0;
    size_t at = m->at;

    for (size_t k = 0; k < h; k++) {
        power *= m->phi;
        damp += power;
        out[k] = m->level + damp * m->trend;
        if (m->period > 0) {
            out[k] += m->seasonal[at];
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

#define COUNT(a) (sizeof(a) / sizeof(*(a)))

/* The first level, and the first season as its deviations from it: the mean
 * of the first two seasons, or the first value. */
static void start(struct smoothing *m, const double *y, size_t n)
{
    size_t s = m->period;

    m->at = 0;
    m->trend = 0.0;
    m->level = y[0];
    if (s == 0)
        return;
    m->level = 0.0;
    for (size_t i = 0; i < 2 * s && i < n; i++)
        m->level += y[i] / (double)(2 * s);
    for (size_t i = 0; i < s; i++)
        m->seasonal[i] = 0.5 * (y[i] + y[i + s]) - m->level;
}

/* One setting's run over the series, writing its row at each origin where it
 * is the best so far. */
static void run(const struct model_input *in, struct smoothing *m,
                double *best_sse, double *out)
{
    double sse = 0.0;
    size_t warm = m->period > 0 ? 2 * m->period : 1, next = 0;

    start(m, in->y, in->n);
    for (size_t i = m->period > 0 ? 0 : 1; i <= in->n; i++) {
        while (next < in->count && in->origins[next] == i) {
            if (i > warm && sse < best_sse[next]) {
                best_sse[next] = sse;
                smoothing_forecast(m, in->h, out + next * in->h);
            }
            next++;
        }
        if (i < in->n) {
            double e = smoothing_step(m, in->y[i]);

            /* Old errors fade: what fits now matters. */
            if (i >= warm)
                sse = 0.998 * sse + e * e;
        }
    }
}

static fw_rc smooth(const struct model_input *in, size_t period, double *out)
{
    struct smoothing m = {.period = period};
    double *best_sse =
        fw_arena_alloc(in->scratch, in->count * sizeof(*best_sse));

    m.seasonal = fw_arena_calloc(in->scratch, period + 1, sizeof(double));
    if (best_sse == NULL || m.seasonal == NULL)
        return FW_ENOMEM;
    for (size_t i = 0; i < in->count; i++) {
        best_sse[i] = INFINITY;
        model_row(out + i * in->h, in->h, NAN);
    }
    for (size_t a = 0; a < COUNT(alphas); a++)
        for (size_t b = 0; b < COUNT(trends); b++)
            for (size_t g = 0; g < (period > 0 ? COUNT(gammas) : 1); g++) {
                m.alpha = alphas[a];
                m.beta = trends[b][0];
                m.phi = trends[b][1];
                m.gamma = gammas[g];
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
