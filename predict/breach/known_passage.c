/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "predict/breach/known.h"
#include "predict/numeric.h"

#define MOMENTS_MOST 40 /* times at which the chance is worked out */
#define MOMENTS_EVEN 12 /* of them spread over the horizon */

struct passing {
    const struct known_future *k;
    fw_ms now, end; /* of the horizon */
    fw_ms at[MOMENTS_MOST];
    double passed[MOMENTS_MOST]; /* chance of a breach until then */
    size_t n;
};

static int by_time(const void *a, const void *b)
{
    fw_ms x = *(const fw_ms *)a, y = *(const fw_ms *)b;

    return (x > y) - (x < y);
}

/* Each step, the moment after it, and an even spread. */
static void choose_moments(struct passing *p)
{
    fw_ms grain = p->k->forecast->step, span = p->end - p->now;
    size_t n = 0, kept = 0;

    for (size_t i = 0;
         i < p->k->step_count && n + 2 < MOMENTS_MOST - MOMENTS_EVEN; i++) {
        p->at[n++] = p->k->steps[i].at;
        p->at[n++] = p->k->steps[i].at + grain;
    }
    for (size_t i = 1; i <= MOMENTS_EVEN; i++)
        p->at[n++] = p->now + span / MOMENTS_EVEN * (fw_ms)i;
    p->at[n - 1] = p->end;
    qsort(p->at, n, sizeof(p->at[0]), by_time);
    for (size_t i = 0; i < n; i++)
        if (p->at[i] > p->now && p->at[i] <= p->end &&
            (kept == 0 || p->at[i] > p->at[kept - 1]))
            p->at[kept++] = p->at[i];
    p->n = kept;
}

/* What the steps up to and with t come to. */
static double moved(const struct known_future *k, fw_ms t)
{
    double sum = 0.0;

    for (size_t i = 0; i < k->step_count && k->steps[i].at <= t; i++)
        sum += k->steps[i].by;
    return sum;
}

/* The chance that a value in (from, to] itself is beyond the limit. */
static double beyond_there(const struct known_future *k, fw_ms from, fw_ms to)
{
    const struct fw_forecast *f = k->forecast;
    const struct fw_breach *b = k->options->breach;
    double most = 0.0, z = numeric_normal_quantile(0.5 + 0.5 * f->level);

    for (size_t i = 0; i < f->n; i++) {
        double sigma = (f->upper[i] - f->lower[i]) / (2.0 * z), away, p;

        if (f->t[i] <= from || f->t[i] > to)
            continue;
        away = b->side == FW_ABOVE ? f->point[i] - b->limit
                                   : b->limit - f->point[i];
        if (sigma > 0.0)
            p = numeric_normal_share(away / sigma);
        else
            p = away > 0.0 ? 1.0 : 0.0;
        most = fmax(most, p);
    }
    return most;
}

/* The engine's answers for one moment, the limit moved by `by`. */
static fw_rc chance(struct fw_forecaster *f, const struct passing *p, double by,
                    double *out, struct fw_err *err)
{
    struct fw_passage passage;
    fw_rc rc = fw_forecaster_ask(f, p->now, p->k->options->breach->limit - by,
                                 &passage, NULL, err);

    if (rc == FW_OK)
        *out = passage.probability;
    return rc;
}

static fw_rc engine_for(const struct passing *p, fw_ms until,
                        struct fw_forecaster **out, struct fw_err *err)
{
    const struct known_future *k = p->k;
    struct fw_forecaster_options o = {.horizon = until - p->now,
                                      .step = k->forecast->step,
                                      .history = p->now - k->t[0] + FW_DAY,
                                      .breach = *k->options->breach};
    fw_rc rc = fw_forecaster_new(&o, out, err);

    if (rc == FW_OK)
        rc = fw_forecaster_fit(*out, k->t, k->v, k->n, p->now, err);
    return rc;
}

/* The chance until each moment, one after the other. */
static fw_rc work_out(struct passing *p, struct fw_err *err)
{
    const bool above = p->k->options->breach->side == FW_ABOVE;
    struct fw_forecaster *last = NULL, *next = NULL;
    double nearest = 0.0, before = 0.0;
    fw_rc rc = FW_OK;

    for (size_t i = 0; rc == FW_OK && i < p->n; i++) {
        fw_ms from = i > 0 ? p->at[i - 1] : p->now;
        double by = moved(p->k, from), old = 0.0, now, most;

        nearest = above ? fmax(nearest, by) : fmin(nearest, by);
        rc = engine_for(p, p->at[i], &next, err);
        if (rc == FW_OK)
            rc = chance(next, p, by, &now, err);
        if (rc == FW_OK)
            rc = chance(next, p, nearest, &most, err);
        if (rc == FW_OK && last != NULL)
            rc = chance(last, p, by, &old, err);
        if (rc != FW_OK)
            break;
        p->passed[i] = before + fmax(now - old, 0.0);
        if (p->k->options->breach->for_ms == 0)
            p->passed[i] =
                fmax(p->passed[i], beyond_there(p->k, from, p->at[i]));
        p->passed[i] = fmax(fmin(p->passed[i], most), before);
        before = p->passed[i];
        fw_forecaster_free(last);
        last = next;
        next = NULL;
    }
    fw_forecaster_free(last);
    fw_forecaster_free(next);
    return rc;
}

/* When the chance reaches q, on the line between two moments; -1: never. */
static fw_ms when(const struct passing *p, double q)
{
    fw_ms t0 = p->now;
    double p0 = 0.0;

    for (size_t i = 0; i < p->n; i++) {
        if (p->passed[i] >= q) {
            double share =
                p->passed[i] > p0 ? (q - p0) / (p->passed[i] - p0) : 1.0;

            return t0 - p->now + (fw_ms)(share * (double)(p->at[i] - t0));
        }
        t0 = p->at[i];
        p0 = p->passed[i];
    }
    return -1;
}

fw_rc known_passage(const struct known_future *k, struct fw_passage *out,
                    struct fw_err *err)
{
    struct passing p = {.k = k,
                        .now = k->options->now,
                        .end = k->options->now + k->options->horizon};
    fw_rc rc;

    choose_moments(&p);
    rc = work_out(&p, err);
    if (rc != FW_OK)
        return rc;
    out->probability = p.passed[p.n - 1];
    out->p10 = when(&p, 0.1);
    out->p50 = when(&p, 0.5);
    out->p90 = when(&p, 0.9);
    return FW_OK;
}
