/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * numeric.h - the one door to GSL.
 *
 * GSL's own error handler aborts the process; here it is off, its codes become
 * ours, and its workspaces live no longer than a call. NaN never goes in.
 */
#ifndef FW_PREDICT_NUMERIC_H
#define FW_PREDICT_NUMERIC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "storage/base/err.h"

/*
 * Before a function whose loops go over many values side by side: it is
 * compiled twice, and the wider one runs where the processor has AVX2. Sums
 * keep their order and nothing is fused, so both give the same bits.
 */
#if defined(NDEBUG) && defined(__x86_64__) && defined(__GNUC__) &&             \
    !defined(__clang__) && !defined(__SANITIZE_ADDRESS__) &&                   \
    !defined(__SANITIZE_THREAD__)
#define NUMERIC_WIDE __attribute__((target_clones("avx2", "default")))
#else
#define NUMERIC_WIDE
#endif

/* Sums and loops kept side by side, in single precision: n is rounded up to a
 * multiple of it. */
#define NUMERIC_LANES 16

/* Integers in the order of the values, since they are compared side by side;
 * NaN has no place in it. */
static inline int32_t numeric_key(float v)
{
    int32_t bits;

    memcpy(&bits, &v, sizeof(bits));
    return bits ^ (int32_t)((uint32_t)(bits >> 31) >> 1);
}

static inline float numeric_value(int32_t key)
{
    int32_t bits = key ^ (int32_t)((uint32_t)(key >> 31) >> 1);
    float v;

    memcpy(&v, &bits, sizeof(v));
    return v;
}

/* Switches GSL's aborting handler off; any number of times, from any thread. */
void numeric_start(void);

/*
 * The autocorrelation of y at lags 0 ... lags-1 (lags <= n), by the
 * Wiener-Khinchin theorem: the transform of the power spectrum, zero-padded so
 * that nothing wraps around. All zero for a constant series.
 */
FW_CHECK fw_rc numeric_autocorrelation(const double *y, size_t n, double *acf,
                                       size_t lags);

/*
 * Solves the p x p symmetric positive definite system a x = b; both are
 * overwritten, b by x. False if `a` is not positive definite.
 */
bool numeric_solve(double *a, double *b, size_t p);

/*
 * The line y = level + slope * x by robust regression with Tukey's bisquare
 * weights [Holland & Welsch 1977]; 4 to 64 points. `slope_se` is the
 * standard error of the slope, `sigma` the robust scatter about the line.
 */
struct numeric_line {
    double level, slope, slope_se, sigma;
};
FW_CHECK fw_rc numeric_robust_line(const double *x, const double *y, size_t n,
                                   struct numeric_line *out);

/* A stream of random numbers, the same for the same seed. */
struct numeric_rng;
struct numeric_rng *numeric_rng_new(uint64_t seed); /* NULL: out of memory */
void numeric_rng_free(struct numeric_rng *rng);
size_t numeric_rng_index(struct numeric_rng *rng, size_t n); /* 0 ... n-1 */
double numeric_rng_gauss(struct numeric_rng *rng);           /* N(0, 1) */
double numeric_rng_student(struct numeric_rng *rng, double freedom); /* t */

/* Of the standard normal distribution: the share below x, and its inverse. */
double numeric_normal_share(double x);
double numeric_normal_quantile(double share);

void numeric_sort(double *v, size_t n);
/* Sorts each of the columns of a block of keys. */
#define NUMERIC_FEW 64
void numeric_sort_beside(int32_t v[NUMERIC_FEW][NUMERIC_LANES]);
#define NUMERIC_RANKED 512
/* Where the values lie in rising order, as far as single precision tells them
 * apart; at most NUMERIC_RANKED. */
void numeric_order(const double *v, size_t n, uint16_t *order);
/* The value before which k of n would lie if they were sorted (1 <= n <=
 * NUMERIC_RANKED), and in *next the one behind it, or itself if it is last. */
float numeric_ranked(const float *v, size_t n, size_t k, float *next);
/* The q-quantile of sorted values (n > 0), linear between them (type 7). */
double numeric_quantile(const double *sorted, size_t n, double q);
/* The median; reorders v. */
double numeric_median(double *v, size_t n);

#endif
