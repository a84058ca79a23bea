/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "predict/breach/passage_past.h"

#include <math.h>

#include "predict/numeric.h"

#define TINY 1e-13
#define DAYS_MOST 60.0    /* more was not in the data of the fit */
#define HORIZONS_A_DAY 12 /* where there is no day */
#define SHARE_NEAR 8      /* the nearest eighth of the origins counts, */
#define NEAR_LEAST 5
#define NEAR_MOST 40
#define PHASE_APART 0.1 /* of a day: as far as a usual difference in shape */
#define PHASE_WEIGHS 1.5

size_t past_day(const struct passage *p)
{
    return p->day > 0 ? p->day : HORIZONS_A_DAY * p->h;
}

/* Mean of y[o - to .. o - from), of what there is of it. */
static double mean_back(const struct passage *p, size_t o, size_t from,
                        size_t to)
{
    size_t hi = o > from ? o - from : 1, lo = o > to ? o - to : 0;

    if (lo >= hi)
        lo = hi - 1;
    return (p->sum[hi] - p->sum[lo]) / (double)(hi - lo);
}

static double scatter_back(const struct passage *p, size_t o, size_t n)
{
    double mean, sq;

    n = n < o ? n : o;
    mean = (p->sum[o] - p->sum[o - n]) / (double)n;
    sq = (p->sum_sq[o] - p->sum_sq[o - n]) / (double)n;
    return sqrt(fmax(sq - mean * mean, 0.0));
}

/* Root mean square of the last n steps. */
static double steps_back(const struct passage *p, size_t o, size_t n)
{
    n = n < o ? n : o;
    return sqrt(fmax(p->steps_sq[o] - p->steps_sq[o - n], 0.0) / (double)n);
}

double past_scatter(const struct passage *p, size_t o)
{
    return scatter_back(p, o, 7 * past_day(p));
}

void past_shape(const struct passage *p, size_t o, double out[PASSAGE_SHAPE])
{
    size_t u = p->h / 6 > 0 ? p->h / 6 : 1;
    double now = p->y[o - 1];

    out[0] = mean_back(p, o, 0, u) - now;
    out[1] = mean_back(p, o, u, 2 * u) - now;
    out[2] = mean_back(p, o, 2 * u, 4 * u) - now;
    out[3] = mean_back(p, o, 4 * u, 8 * u) - now;
    out[4] = mean_back(p, o, 0, past_day(p)) - now;
}

/* One over the variance of each of the shapes' numbers. */
static void find_units(const struct lesson *l, double out[PASSAGE_SHAPE])
{
    double sum[PASSAGE_SHAPE] = {0}, sq[PASSAGE_SHAPE] = {0};
    double n = (double)l->n;

    for (size_t i = 0; i < l->n; i++)
        for (size_t j = 0; j < PASSAGE_SHAPE; j++) {
            double v = l->pool[i].shape[j];

            sum[j] += v;
            sq[j] += v * v;
        }
    for (size_t j = 0; j < PASSAGE_SHAPE; j++)
        out[j] = 1.0 / (fmax(sq[j] - sum[j] * sum[j] / n, 0.0) / n + TINY);
}

/*
 * Analogs [Lorenz 1969]: the distance is that of the shapes in their usual
 * differences and that of the phases; weights fall
 * with its fourth power, the unit being the distance of the last that is near.
 */
void past_weigh(struct passage *p, const struct origin *q)
{
    struct lesson *l = &p->lesson;
    const double *place = p->columns.place + (l->first - p->columns.from);
    double day = p->day > 0 ? (double)p->day : 1.0;
    double here = p->day > 0 ? (double)(q->at % p->day) : 0.0;
    double unit[PASSAGE_SHAPE], near, *apart = p->cases.x;
    size_t k = l->n / SHARE_NEAR;

    find_units(l, unit);
    for (size_t i = 0; i < l->n; i++) {
        const double *shape = l->pool[i].shape;
        double d = 0.0, phase = fabs(place[i] - here);

        for (size_t j = 0; j < PASSAGE_SHAPE; j++)
            d += unit[j] * (shape[j] - q->shape[j]) * (shape[j] - q->shape[j]);
        phase = (phase > day - phase ? day - phase : phase) / day / PHASE_APART;
        apart[i] = d / PASSAGE_SHAPE + PHASE_WEIGHS * phase * phase;
    }
    k = k < NEAR_LEAST ? NEAR_LEAST : k > NEAR_MOST ? NEAR_MOST : k;
    near = 1.0 / (numeric_smallest(apart, l->n, k) + 1e-9);
    for (size_t i = 0; i < l->n; i++) {
        double d = apart[i] * near, w = 1.0 / (1.0 + d * d);

        l->analog[i] = w * w;
    }
}

struct sums {
    double x, y, xx, yy, xy, n;
};

static void sums_add(struct sums *s, double x, double y)
{
    s->x += x;
    s->y += y;
    s->xx += x * x;
    s->yy += y * y;
    s->xy += x * y;
    s->n += 1.0;
}

static double correlation(const struct sums *s)
{
    double xx = s->xx - s->x * s->x / s->n, yy = s->yy - s->y * s->y / s->n;
    double r = (s->xy - s->x * s->y / s->n) / (sqrt(xx * yy) + TINY);

    if (!(s->n > 10.0) || !(xx > TINY) || !(yy > TINY))
        return 0.0;
    return r < -1.0 ? -1.0 : r > 1.0 ? 1.0 : r;
}

/* All values beside those of a day before. */
static double by_the_day(const struct passage *p, size_t o, size_t day)
{
    struct sums s;

    if (o <= day)
        return 0.0;
    s.x = p->sum[o - day];
    s.y = p->sum[o] - p->sum[day];
    s.xx = p->sum_sq[o - day];
    s.yy = p->sum_sq[o] - p->sum_sq[day];
    s.xy = p->day_xy[o];
    s.n = (double)(o - day);
    return correlation(&s);
}

void past_place(const struct passage *p, const struct origin *q,
                double out[PAST_COUNT])
{
    const struct lesson *l = &p->lesson;
    size_t o = q->at, day = past_day(p);
    double days = (double)o / (double)day, scatter = past_scatter(p, o);
    double steps = steps_back(p, o, 7 * day), lower = 0.0;
    double today = mean_back(p, o, 0, day);
    struct sums repeats = {0}, stays = {0};

    for (size_t i = 0; i < l->n; i++) {
        const struct origin *then = &l->pool[i];

        if (!isnan(then->guess[DAY_0]))
            sums_add(&repeats, then->guess[DAY_0], then->outcome);
        sums_add(&stays, then->now, then->outcome);
        lower += then->now < q->now ? 1.0 : 0.0;
    }
    out[PAST_KNOWN] = log(fmin(fmax(days, 1.0), DAYS_MOST));
    out[PAST_SEASON] = by_the_day(p, o, day);
    out[PAST_REPEATS] = correlation(&repeats);
    out[PAST_STAYS] = correlation(&stays);
    out[PAST_UNREST] =
        log((steps_back(p, o, day) + 1e-3 * steps + TINY) / (steps + TINY));
    out[PAST_ROUGHNESS] = log(steps / (scatter + TINY) + 1e-3);
    out[PAST_RANK] = lower / (double)l->n;
    out[PAST_DAY_UP] =
        asinh((today - mean_back(p, o, 0, 7 * day)) / (scatter + TINY));
    out[PAST_HOUR_UP] =
        asinh((mean_back(p, o, 0, p->h) - today) / (scatter + TINY));
}
