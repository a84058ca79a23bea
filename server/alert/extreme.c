/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * extreme.c - quantiles by asking with one limit after another, and the
 * staircase of levels that were reached.
 *
 * Everything is worked out with values turned so that larger is worse.
 */
#include "server/alert/extreme.h"

#include <math.h>
#include <string.h>

#define DOUBLINGS 16  /* of the distance that is searched, each way */
#define REFINEMENTS 3 /* bisections of a factor of two */

static const double levels[EXTREME_QUANTILES] = {0.1, 0.5, 0.9};

static double turned(const struct fw_breach *breach, double v)
{
    return breach->side == FW_ABOVE ? v : -v;
}

bool extreme_is_told(const double q[EXTREME_QUANTILES])
{
    return isfinite(q[0]) && isfinite(q[1]) && isfinite(q[2]);
}

double extreme_loss(const double q[EXTREME_QUANTILES], double reached)
{
    double sum = 0.0;

    for (int i = 0; i < EXTREME_QUANTILES; i++) {
        double over = reached - q[i];

        sum += over > 0.0 ? levels[i] * over : (levels[i] - 1.0) * over;
    }
    return sum / EXTREME_QUANTILES;
}

/* ---- what is foreseen ---- */

struct asking {
    struct fw_forecaster *f;
    const struct fw_breach *breach;
    fw_ms now;
    double from, unit; /* turned; a limit lies at from + unit * 2^x */
    struct fw_err *err;
    fw_rc rc;
};

/* The chance that it goes further than that. */
static double chance(struct asking *a, double x)
{
    double limit = turned(a->breach, a->from + a->unit * exp2(x));
    struct fw_passage passage;

    if (a->rc == FW_OK)
        a->rc = fw_forecaster_ask(a->f, a->now, limit, &passage, NULL, a->err);
    return a->rc == FW_OK ? passage.probability : NAN;
}

/* Where the chance falls through `wanted`; it is above at lo, not so at hi. */
static double narrow(struct asking *a, double wanted, double lo, double at_lo,
                     double hi, double at_hi)
{
    double share;

    for (int i = 0; i < REFINEMENTS; i++) {
        double middle = 0.5 * (lo + hi), at = chance(a, middle);

        if (at > wanted) {
            lo = middle;
            at_lo = at;
        } else {
            hi = middle;
            at_hi = at;
        }
    }
    share = at_lo > at_hi ? (at_lo - wanted) / (at_lo - at_hi) : 0.5;
    return lo + share * (hi - lo);
}

/*
 * The distance, as the power of two of the unit, that is passed with the chance
 * `wanted`: -DOUBLINGS is none, beyond DOUBLINGS there is no end.
 */
static double distance(struct asking *a, double wanted, double start,
                       double at_start)
{
    double x = start, at = at_start, step = at > wanted ? 1.0 : -1.0;

    while (a->rc == FW_OK && fabs(x + step) <= DOUBLINGS) {
        double next = chance(a, x + step);

        if (step > 0.0 && next <= wanted)
            return narrow(a, wanted, x, at, x + step, next);
        if (step < 0.0 && next > wanted)
            return narrow(a, wanted, x + step, next, x, at);
        x += step;
        at = next;
    }
    return step > 0.0 ? INFINITY : -INFINITY;
}

fw_rc extreme_foresee(struct fw_forecaster *f, const struct fw_breach *breach,
                      fw_ms now, double current, double out[EXTREME_QUANTILES],
                      struct fw_err *err)
{
    struct asking a = {.f = f,
                       .breach = breach,
                       .now = now,
                       .from = turned(breach, current),
                       .unit = fabs(breach->limit - current),
                       .err = err};
    double q[EXTREME_QUANTILES], x = 0.0, at;

    if (!isfinite(current))
        return FW_NONE;
    if (!(a.unit > 1e-9 * fabs(current)))
        a.unit = current != 0.0 ? 0.1 * fabs(current) : 1.0;
    at = chance(&a, x);
    for (int i = 0; a.rc == FW_OK && i < EXTREME_QUANTILES; i++) {
        /* The quantile of the turned value; each begins where one was found. */
        x = distance(&a, 1.0 - levels[i], isfinite(x) ? x : 0.0, at);
        q[i] = a.from + (x == -INFINITY ? 0.0 : a.unit * exp2(x));
        at = isfinite(x) ? 1.0 - levels[i] : chance(&a, 0.0);
    }
    if (a.rc != FW_OK)
        return a.rc;
    if (!extreme_is_told(q))
        return FW_NONE;
    for (int i = 0; i < EXTREME_QUANTILES; i++)
        out[i] =
            turned(breach,
                   q[breach->side == FW_ABOVE ? i : EXTREME_QUANTILES - 1 - i]);
    return FW_OK;
}

/* ---- what it reached ---- */

/* A new piece; over those that had no value the one before them held. */
static void next_piece(struct peaks *p, fw_ms block, double v)
{
    fw_ms pieces = p->blocks == 0 ? 1 : block - p->block;

    for (int i = 0; pieces > 0 && i <= PEAKS_BLOCKS; i++, pieces--) {
        memmove(&p->least[1], &p->least[0], PEAKS_BLOCKS * sizeof(double));
        p->least[0] = pieces > 1 ? p->newest : v;
        if (p->blocks <= PEAKS_BLOCKS)
            p->blocks++;
    }
    p->least[0] = v;
    p->block = block;
}

/* The level that was held for `for` up to t; false while none was. */
static bool held(struct peaks *p, const struct fw_breach *breach, fw_ms t,
                 double v, bool broken, double *level)
{
    fw_ms piece = breach->for_ms / PEAKS_BLOCKS;
    fw_ms block = piece > 0 ? t / piece : 0;

    *level = v;
    if (piece == 0)
        return true;
    if (broken || block < p->block)
        p->blocks = 0;
    if (p->blocks == 0 || block != p->block)
        next_piece(p, block, v);
    else if (v < p->least[0])
        p->least[0] = v;
    p->newest = v;
    if (p->blocks <= PEAKS_BLOCKS)
        return false;
    for (int i = 0; i <= PEAKS_BLOCKS; i++)
        *level = fmin(*level, p->least[i]);
    return true;
}

void peaks_add(struct peaks *p, const struct fw_breach *breach, fw_ms t,
               double v, bool broken, fw_ms made_at)
{
    double level;

    if (isnan(v) || !held(p, breach, t, turned(breach, v), broken, &level))
        return;
    while (p->n > 0 && p->v[p->n - 1].v <= level)
        p->n--;
    if (p->n > 0 && p->v[p->n - 1].t > made_at)
        return; /* no prediction lies between: the step before says it */
    if (p->n == PEAKS_KEPT) {
        memmove(&p->v[0], &p->v[1], (PEAKS_KEPT - 1) * sizeof(p->v[0]));
        p->n--;
    }
    p->v[p->n++] = (struct peak){t, level};
}

double peaks_since(const struct peaks *p, const struct fw_breach *breach,
                   fw_ms made_at, double at_least)
{
    double worst = turned(breach, at_least);

    for (uint32_t i = 0; i < p->n; i++)
        if (p->v[i].t > made_at) {
            worst = isnan(worst) ? p->v[i].v : fmax(worst, p->v[i].v);
            break;
        }
    return turned(breach, worst);
}
