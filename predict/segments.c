/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "predict/segments.h"

#include <math.h>

#include "predict/numeric.h"

/* What a further piece must save: two parameters and a place, as the Schwarz
 * criterion counts them, five times over, since real noise is correlated and
 * would be cut to pieces otherwise. */
#define PENALTY 16.0
#define WALK_PRICE 20.0

/* Running sums from which the squared error of any piece about its own line
 * follows in a few operations. */
struct sums {
    double y[SEGMENTS_BLOCKS + 1], xy[SEGMENTS_BLOCKS + 1],
        yy[SEGMENTS_BLOCKS + 1];
};

/* One over the length of a piece and over the squares of its places. */
struct lengths {
    double per_n[SEGMENTS_BLOCKS + 1], per_xx[SEGMENTS_BLOCKS + 1];
};

static void find_lengths(size_t most, struct lengths *out)
{
    for (size_t i = 1; i <= most; i++) {
        double n = (double)i;

        out->per_n[i] = 1.0 / n;
        out->per_xx[i] = i > 1 ? 12.0 / (n * (n * n - 1.0)) : 0.0;
    }
}

static inline double piece_cost(const struct sums *s, const struct lengths *l,
                                size_t from, size_t to)
{
    double y = s->y[to] - s->y[from], yy = s->yy[to] - s->yy[from];
    double mid = 0.5 * (double)(from + to - 1);
    double sxy = s->xy[to] - s->xy[from] - mid * y;
    double cost =
        yy - y * y * l->per_n[to - from] - sxy * sxy * l->per_xx[to - from];

    return cost > 0.0 ? cost : 0.0;
}

/*
 * Scatter by second differences, which a line does not have: the median of
 * their size over 0.6745 * sqrt(6) (their spread for white noise). And how
 * much the series wanders: neighbouring first differences have a correlation
 * of -1/2 for white noise and of 0 for a random walk.
 */
struct scatter {
    double noise;
    double wander; /* 0: not at all, 1: like a random walk */
    double step;   /* deviation of first differences */
};

static struct scatter scatter_of(const double *b, size_t n)
{
    double d[SEGMENTS_BLOCKS], size[SEGMENTS_BLOCKS], slope, most;
    double xx = 0.0, xy = 0.0;
    struct scatter s = {0};

    if (n < 4)
        return s;
    for (size_t i = 2; i < n; i++)
        size[i - 2] = fabs(b[i] - 2.0 * b[i - 1] + b[i - 2]);
    s.noise = numeric_median(size, n - 2) / (0.6745 * 2.449489742783178);
    for (size_t i = 1; i < n; i++)
        size[i - 1] = d[i - 1] = b[i] - b[i - 1];
    slope = numeric_median(size, n - 1);
    for (size_t i = 0; i + 1 < n; i++)
        size[i] = fabs(d[i] - slope);
    s.step = numeric_median(size, n - 1) / 0.6745;
    /* Jumps are cut down, or two of them would decide the correlation. */
    most = 4.0 * s.step;
    for (size_t i = 0; i + 1 < n; i++)
        d[i] = fmin(fmax(d[i] - slope, -most), most);
    for (size_t i = 0; i + 2 < n; i++) {
        xx += d[i] * d[i];
        xy += d[i] * d[i + 1];
    }
    if (xx > 0.0)
        s.wander = fmin(fmax((xy / xx + 0.35) / 0.3, 0.0), 1.0);
    return s;
}

/*
 * What a further piece has to save. A walk of n steps strays from its own line
 * by n * n / 15 squared steps in all, and would be cut to pieces that look
 * straight; so much, nearly, a piece must save that is no accident.
 */
static double piece_price(const double *b, size_t n)
{
    struct scatter s = scatter_of(b, n);
    double white = PENALTY * s.noise * s.noise * log((double)(n + 2));

    return white +
           s.wander * s.step * s.step * (double)n * (double)n / WALK_PRICE;
}

void segments_find(const double *y, size_t n, struct segments *out)
{
    double mean[SEGMENTS_BLOCKS], best[SEGMENTS_BLOCKS + 1];
    struct sums s = {{0}, {0}, {0}};
    struct lengths l;
    double step_cost;

    out->block = (n + SEGMENTS_BLOCKS - 1) / SEGMENTS_BLOCKS;
    if (out->block == 0)
        out->block = 1;
    out->blocks = n / out->block;
    for (size_t i = 0; i < out->blocks; i++) {
        mean[i] = 0.0;
        for (size_t j = 0; j < out->block; j++)
            mean[i] += y[i * out->block + j] / (double)out->block;
        s.y[i + 1] = s.y[i] + mean[i];
        s.xy[i + 1] = s.xy[i] + mean[i] * (double)i;
        s.yy[i + 1] = s.yy[i] + mean[i] * mean[i];
    }
    step_cost =
        piece_price(mean, out->blocks) + 1e-12 * (s.yy[out->blocks] + 1e-300);
    find_lengths(out->blocks, &l);
    best[0] = -step_cost;
    for (size_t to = 1; to <= out->blocks; to++) {
        best[to] = piece_cost(&s, &l, 0, to);
        out->last[to] = 0;
        for (size_t from = SEGMENTS_LEAST; from + SEGMENTS_LEAST <= to;
             from++) {
            double cost = best[from] + piece_cost(&s, &l, from, to) + step_cost;

            if (cost < best[to]) {
                best[to] = cost;
                out->last[to] = from;
            }
        }
    }
    out->last[0] = 0;
}

size_t segments_start(const struct segments *s, size_t origin)
{
    size_t i = origin / s->block;

    return s->last[i < s->blocks ? i : s->blocks] * s->block;
}
