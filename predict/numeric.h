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
 * weights [Holland & Welsch 1977]; at least 4 points. `slope_se` is the
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
/* The k-th smallest of n values, or the largest if there are fewer; k is 1 ...
 * 64. */
double numeric_smallest(const double *v, size_t n, size_t k);
/* The same for up to 64 values in a buffer of 64. */
#define NUMERIC_FEW 64
void numeric_sort_few(double *v, size_t n);
/* The q-quantile of sorted values (n > 0), linear between them (type 7). */
double numeric_quantile(const double *sorted, size_t n, double q);
/* The median; reorders v. */
double numeric_median(double *v, size_t n);

#endif
