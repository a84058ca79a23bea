/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "predict/breach/passage_noise.h"

#include <math.h>

#include "predict/numeric.h"

#define VALUES_LEAST 48
#define VALUES_MOST 512
#define QUICK 64       /* newest values that most series fail by already */
#define QUICK_MOST 0.4 /* their lag-1 autocorrelation: 3 standard errors */
#define LAGS 6         /* the first so many, and a day */
#define FREE 1.6       /* mean square of them, in standard errors: at this */
#define BOUND 3.0      /* it begins to count as dependence; it does for sure */
#define SHAPE_LEAST 0.01
#define TAIL_FROM 0.9 /* the quantile behind which the tail is a curve */

static double lag_one(const double *y, size_t n)
{
    double mean = 0.0, xx = 0.0, xy = 0.0;

    for (size_t i = 0; i < n; i++)
        mean += y[i];
    mean /= (double)n;
    for (size_t i = 0; i < n; i++) {
        xx += (y[i] - mean) * (y[i] - mean);
        xy += i > 0 ? (y[i] - mean) * (y[i - 1] - mean) : 0.0;
    }
    return xx > 0.0 ? xy / xx : 1.0;
}

/* Sum of r[i] * r[i + lag]; behind the n values there are zeros. */
NUMERIC_WIDE
static double lagged(const float *r, size_t n, size_t lag)
{
    float sum[NUMERIC_LANES] = {0};
    double all = 0.0;

    for (size_t i = 0; i + lag < n; i += NUMERIC_LANES)
        for (size_t j = 0; j < NUMERIC_LANES; j++)
            sum[j] += r[i + j] * r[i + j + lag];
    for (size_t j = 0; j < NUMERIC_LANES; j++)
        all += (double)sum[j];
    return all;
}

/* The share of values below each one, of equal ones half: -1/2 ... 1/2. */
static void find_ranks(const double *y, const uint16_t *order, size_t n,
                       float *out)
{
    for (size_t from = 0, to; from < n; from = to) {
        to = from + 1;
        while (to < n && (float)y[order[to]] == (float)y[order[from]])
            to++;
        for (size_t i = from; i < to; i++)
            out[order[i]] =
                (float)(0.5 * (double)(from + to) / (double)n - 0.5);
    }
}

/*
 * The portmanteau statistic [Box & Pierce 1970] over its degrees, of ranks
 * [Dufour & Roy 1986] and of how far they lie from the middle: the one sees
 * levels that last, the other unrest that does. No lag more is looked at once
 * it is BOUND at the least.
 */
static double dependence(const double *y, const uint16_t *order, size_t n,
                         size_t day)
{
    float rank[VALUES_MOST + NUMERIC_LANES] = {0};
    float size[VALUES_MOST + NUMERIC_LANES] = {0}, mean = 0.0F;
    double rr, ss, sum_r = 0.0, sum_s = 0.0, lags = LAGS;

    find_ranks(y, order, n, rank);
    for (size_t i = 0; i < n; i++)
        mean += fabsf(rank[i]) / (float)n;
    for (size_t i = 0; i < n; i++)
        size[i] = fabsf(rank[i]) - mean;
    rr = lagged(rank, n, 0);
    ss = lagged(size, n, 0);
    /* Deviations that are all alike leave nothing but rounding. */
    if (!(rr > 0.0) || !(ss > 1e-9 * rr))
        return INFINITY;
    lags += day > 0 && 3 * day <= n ? 1.0 : 0.0;
    for (size_t i = 1; i <= LAGS + 1; i++) {
        size_t lag = i <= LAGS ? i : day;
        double r, s;

        if (lag == 0 || 3 * lag > n)
            continue;
        r = lagged(rank, n, lag) / rr;
        s = lagged(size, n, lag) / ss;
        sum_r += r * r * (double)n;
        sum_s += s * s * (double)n;
        if (fmax(sum_r, sum_s) >= BOUND * lags)
            return INFINITY;
    }
    return fmax(sum_r, sum_s) / lags;
}

/*
 * P(excess > z) of a generalised Pareto tail by the moments of what was seen
 * [Hosking & Wallis 1987]: an even distribution ends, a normal one fades, and
 * what fades more slowly still is taken to be exponential.
 */
static double excess_beyond(const double *sorted, size_t n, double u, double z)
{
    double mean = 0.0, var = 0.0, ratio, shape, scale;

    for (size_t i = 0; i < n; i++)
        mean += (sorted[i] - u) / (double)n;
    for (size_t i = 0; i < n; i++)
        var += (sorted[i] - u - mean) * (sorted[i] - u - mean) / (double)n;
    if (!(var > 0.0))
        return 0.0;
    ratio = mean * mean / var;
    shape = fmin(fmax(0.5 * (1.0 - ratio), -1.0), 0.0);
    scale = shape < 0.0 ? mean * (1.0 - shape) : mean;
    if (shape > -SHAPE_LEAST)
        return exp(-z / mean);
    return pow(fmax(1.0 + shape * z / scale, 0.0), -1.0 / shape);
}

/* P(value > limit): the share seen, and behind the ninth decile a tail. */
static double beyond(const double *sorted, size_t n, double limit)
{
    size_t from = (size_t)(TAIL_FROM * (double)n), above = 0;
    const double share = 1.0 - TAIL_FROM;
    double u = sorted[from], tail;

    while (above < n && sorted[n - 1 - above] > limit)
        above++;
    if (limit <= u)
        return fmax((double)above / (double)n, share);
    tail = share * excess_beyond(sorted + from, n - from, u, limit - u);
    return fmin(fmax(tail, (double)above / ((double)n + 1.0)), share);
}

void noise_ask(const double *y, size_t o, size_t h, size_t day, double limit,
               struct noise_answer *out)
{
    size_t n = o < VALUES_MOST ? o : VALUES_MOST;
    double sorted[VALUES_MOST], q;
    uint16_t order[VALUES_MOST];

    *out = (struct noise_answer){0};
    if (n < VALUES_LEAST || fabs(lag_one(y + o - (n < QUICK ? n : QUICK),
                                         n < QUICK ? n : QUICK)) > QUICK_MOST)
        return;
    y += o - n;
    numeric_order(y, n, order);
    q = dependence(y, order, n, day);
    if (!(q < BOUND))
        return;
    for (size_t i = 0; i < n; i++)
        sorted[i] = y[order[i]];
    out->weight = fmin((BOUND - q) / (BOUND - FREE), 1.0);
    out->beyond = beyond(sorted, n, limit);
    out->probability = -expm1((double)h * log1p(-out->beyond));
}

double noise_when(const struct noise_answer *a, double share)
{
    return a->beyond >= 1.0 ? 1.0 : ceil(log1p(-share) / log1p(-a->beyond));
}
