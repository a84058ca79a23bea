/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "predict/breach/passage_past.h"

#include <math.h>

#include "predict/breach/passage_guess.h"
#include "predict/numeric.h"

#define TINY 1e-13
#define DAYS_MOST 60.0    /* more was not in the data of the fit */
#define HORIZONS_A_DAY 12 /* where there is no day */
#define SHARE_NEAR 8      /* the nearest eighth of the origins counts, */
#define NEAR_LEAST 5
#define NEAR_MOST 40
#define PHASE_APART 0.1F /* of a day: as far as a usual difference in shape */
#define PHASE_WEIGHS 1.5F

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

/* One over the variance of each of the shapes' numbers. */
static void find_units(struct lesson *l)
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
        l->unit[j] = 1.0 / (fmax(sq[j] - sum[j] * sum[j] / n, 0.0) / n + TINY);
}

void past_learn(struct passage *p)
{
    struct lesson *l = &p->lesson;
    struct sums repeats = {0}, stays = {0};

    find_units(l);
    for (size_t i = 0; i < l->n; i++) {
        const struct origin *then = &l->pool[i];

        if (!isnan(then->guess[DAY_0]))
            sums_add(&repeats, then->guess[DAY_0], then->outcome);
        sums_add(&stays, then->now, then->outcome);
    }
    l->repeats = correlation(&repeats);
    l->stays = correlation(&stays);
}

/* How far the shape of each origin is from q's, and its phase. */
NUMERIC_WIDE
static void find_distances(const struct columns *c, const struct lesson *l,
                           const float *unit, const float *q, float *out)
{
    const float *x[PASSAGE_SHAPE], *apart = l->apart;

    for (size_t k = 0; k < PASSAGE_SHAPE; k++)
        x[k] = lesson_column(c, l, c->shape[k]);
    for (size_t i = 0; i < l->n; i += NUMERIC_LANES)
        for (size_t j = i; j < i + NUMERIC_LANES; j++) {
            float d = apart[j] * apart[j] *
                      (PHASE_WEIGHS / PHASE_APART / PHASE_APART);

            for (size_t k = 0; k < PASSAGE_SHAPE; k++)
                d += unit[k] * (x[k][j] - q[k]) * (x[k][j] - q[k]);
            out[j] = d;
        }
}

NUMERIC_WIDE
static void weights_by(const float *d, size_t n, float near, float *out)
{
    for (size_t i = 0; i < n; i += NUMERIC_LANES)
        for (size_t j = i; j < i + NUMERIC_LANES; j++) {
            float x = d[j] * near, w = 1.0F / (1.0F + x * x);

            out[j] = w * w;
        }
    for (size_t i = n; i < n + NUMERIC_LANES; i++)
        out[i] = 0.0F;
}

/*
 * Analogs [Lorenz 1969]: the distance is that of the shapes in their usual
 * differences and that of the phases; weights fall
 * with its fourth power, the unit being the distance of the last that is near.
 */
void past_weigh(struct passage *p, const struct origin *q)
{
    struct lesson *l = &p->lesson;
    float unit[PASSAGE_SHAPE], shape[PASSAGE_SHAPE], d[LESSON_ROOM], next;
    size_t k = l->n / SHARE_NEAR;

    for (size_t j = 0; j < PASSAGE_SHAPE; j++) {
        unit[j] = (float)(l->unit[j] / PASSAGE_SHAPE);
        shape[j] = (float)q->shape[j];
    }
    find_distances(&p->columns, l, unit, shape, d);
    k = k < NEAR_LEAST ? NEAR_LEAST : k > NEAR_MOST ? NEAR_MOST : k;
    weights_by(d, l->n, 1.0F / (numeric_ranked(d, l->n, k - 1, &next) + 1e-9F),
               l->analog.of);
    lesson_sum(l, &l->analog);
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
    double steps = steps_back(p, o, 7 * day);
    double today = mean_back(p, o, 0, day);
    const float *now = lesson_column(&p->columns, l, p->columns.now);
    uint32_t lower = 0;

    for (size_t i = 0; i < l->n; i++)
        lower += now[i] < (float)lesson_from(p, q->now) ? 1 : 0;
    out[PAST_KNOWN] = log(fmin(fmax(days, 1.0), DAYS_MOST));
    out[PAST_SEASON] = by_the_day(p, o, day);
    out[PAST_REPEATS] = l->repeats;
    out[PAST_STAYS] = l->stays;
    out[PAST_UNREST] =
        log((steps_back(p, o, day) + 1e-3 * steps + TINY) / (steps + TINY));
    out[PAST_ROUGHNESS] = log(steps / (scatter + TINY) + 1e-3);
    out[PAST_RANK] = (double)lower / (double)l->n;
    out[PAST_DAY_UP] =
        asinh((today - mean_back(p, o, 0, 7 * day)) / (scatter + TINY));
    out[PAST_HOUR_UP] =
        asinh((mean_back(p, o, 0, p->h) - today) / (scatter + TINY));
}
