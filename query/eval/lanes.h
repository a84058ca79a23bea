/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * lanes.h - arithmetic over many samples at once, by the widest registers
 * this processor has. Every width gives the same bits: a lane does what a
 * loop over its samples would do, in the same order.
 */
#ifndef FW_QUERY_LANES_H
#define FW_QUERY_LANES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define LANES 8

/* Compensated sums of LANES windows. */
struct lane_sums {
    double sum[LANES], c[LANES];
};

/*
 * Adds v[at[l]] .. v[at[l] + n - 1] to the sum of each lane l, one after the
 * other. Where a sum stays finite it is that of ksum_add(); else it and its
 * compensation are of no use.
 */
void lanes_add(const double *v, const uint32_t at[LANES], size_t n,
               struct lane_sums *sums);

/*
 * Mean and sum of squared distances from it of n > 0 values: two passes of
 * LANES partial sums each.
 */
void lanes_spread(const double *v, size_t n, double *mean, double *squares);

/*
 * The greatest or least value of each lane's n, NaN passed over; `best` holds
 * what to begin with.
 */
void lanes_extremes(const double *v, const uint32_t at[LANES], size_t n,
                    bool max, double best[LANES]);

/* The greatest or least of n values, NaN passed over; -Inf, +Inf for none. */
double lanes_extreme(const double *v, size_t n, bool max);

/* True if one of the values has these bits. */
bool lanes_have(const double *v, size_t n, uint64_t bits);

/* True if a value is lower than the one before it. */
bool lanes_fall(const double *v, size_t n);

/*
 * Whole numbers, most of what is measured, add up without rounding: in any
 * order a sum has the bits that ksum_add() would give it, and nothing lost.
 * This holds for so many of them, each at most 2^31 and none of them -0.
 */
#define LANES_WHOLE_MAX ((size_t)1 << 21)

/* Copies n values; true if all are whole numbers in that sense. */
bool lanes_copy(double *to, const double *v, size_t n);

/* The sum of n whole numbers. */
double lanes_sum(const double *v, size_t n);

/* The sum of those of n whole numbers that have a lower one behind them. */
double lanes_drops(const double *v, size_t n);

/*
 * For tests: uses the kernels for registers of 128, 256 or 512 bits (0, 1, 2).
 * False where this processor has none of them.
 */
#define LANE_WIDTHS 3
bool lanes_use(int width);

#endif
