/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * kernels_totals.h - what blocks of values add up to, a block in each lane.
 *
 * The order of additions is part of their result, so within a block each has to
 * wait for the one before; the vector is filled with other blocks instead. Each
 * file of kernels includes this behind what is here for want of its own:
 *
 *     totals_vec   a double for each of TOTALS_LANES blocks
 *     totals_rows  of each block its values i to i + TOTALS_ROWS
 *     totals_min, totals_max   of equal ones the second
 *     totals_rise  x - before, or x if that is less
 */
#ifndef STORAGE_CODEC_KERNELS_TOTALS_H
#define STORAGE_CODEC_KERNELS_TOTALS_H

#include <string.h>

#include "storage/codec/kernels.h"

struct totals {
    double sum, rest, increase, min, max, before;
};

static inline void total_value(struct totals *t, double x)
{
    double next = t->sum + x;
    double part = next - t->sum;

    t->rest += (t->sum - (next - part)) + (x - part);
    t->sum = next;
    t->increase += x - (x >= t->before ? t->before : 0.0);
    t->before = x;
    t->min = x < t->min ? x : t->min;
    t->max = x > t->max ? x : t->max;
}

static inline void total_block(const double *v, size_t n,
                               struct codec_totals *out)
{
    struct totals t = {.min = v[0], .max = v[0], .before = v[0]};

    for (size_t i = 0; i < n; i++)
        total_value(&t, v[i]);
    *out = (struct codec_totals){t.sum, t.rest, t.increase, t.min, t.max};
}

#ifdef TOTALS_LANES

struct totals_of_lanes {
    totals_vec sum, rest, increase, min, max, before;
};

/* The same as total_value(), in each lane. */
static inline void total_row(struct totals_of_lanes *t, totals_vec x)
{
    totals_vec next = t->sum + x;
    totals_vec part = next - t->sum;

    t->rest += (t->sum - (next - part)) + (x - part);
    t->sum = next;
    t->increase += totals_rise(x, t->before);
    t->before = x;
    t->min = totals_min(x, t->min);
    t->max = totals_max(x, t->max);
}

/* Value i of each block. */
static inline totals_vec totals_row(const double *const *v, size_t i)
{
    double row[TOTALS_LANES];
    totals_vec x;

    for (size_t b = 0; b < TOTALS_LANES; b++)
        row[b] = v[b][i];
    memcpy(&x, row, sizeof(x));
    return x;
}

static inline void totals_out(const struct totals_of_lanes *t,
                              struct codec_totals *out)
{
    double of[5][TOTALS_LANES];

    memcpy(of[0], &t->sum, sizeof(of[0]));
    memcpy(of[1], &t->rest, sizeof(of[1]));
    memcpy(of[2], &t->increase, sizeof(of[2]));
    memcpy(of[3], &t->min, sizeof(of[3]));
    memcpy(of[4], &t->max, sizeof(of[4]));
    for (size_t b = 0; b < TOTALS_LANES; b++)
        out[b] = (struct codec_totals){of[0][b], of[1][b], of[2][b], of[3][b],
                                       of[4][b]};
}

static void total_lanes(const double *const *v, size_t n,
                        struct codec_totals *out)
{
    totals_vec rows[TOTALS_ROWS];
    struct totals_of_lanes t;
    size_t i = 0;

    memset(&t, 0, sizeof(t));
    t.min = t.max = t.before = totals_row(v, 0);
    for (; i + TOTALS_ROWS <= n; i += TOTALS_ROWS) {
        totals_rows(v, i, rows);
#pragma GCC unroll 4
        for (size_t k = 0; k < TOTALS_ROWS; k++)
            total_row(&t, rows[k]);
    }
    for (; i < n; i++)
        total_row(&t, totals_row(v, i));
    totals_out(&t, out);
}

#else
#define TOTALS_LANES 1
#define total_lanes(v, n, out) total_block(*(v), n, out)
#endif

static void plain_totals(const double *const *v, size_t blocks, size_t n,
                         struct codec_totals *out)
{
    size_t b = 0;

    for (; b + TOTALS_LANES <= blocks; b += TOTALS_LANES)
        total_lanes(v + b, n, out + b);
    for (; b < blocks; b++)
        total_block(v[b], n, &out[b]);
}

#endif
