/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "predict/numeric.h"

#include <gsl/gsl_cdf.h>
#include <gsl/gsl_errno.h>
#include <gsl/gsl_fft_halfcomplex.h>
#include <gsl/gsl_fft_real.h>
#include <gsl/gsl_linalg.h>
#include <gsl/gsl_multifit.h>
#include <gsl/gsl_randist.h>
#include <gsl/gsl_rng.h>
#include <gsl/gsl_sort.h>
#include <gsl/gsl_statistics_double.h>
#include <math.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#define SHELL_MOST 4096 /* values; beyond, its growth tells */
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void handler_off(void)
{
    (void)gsl_set_error_handler_off(); /* the old one is never wanted back */
}

void numeric_start(void)
{
    (void)pthread_once(&once, handler_off); /* fails for a bad `once` only */
}

fw_rc numeric_autocorrelation(const double *y, size_t n, double *acf,
                              size_t lags)
{
    size_t size = 2;
    double mean = 0.0;
    double *x;

    while (size < 2 * n)
        size *= 2;
    x = calloc(size, sizeof(*x));
    if (x == NULL)
        return FW_ENOMEM;
    for (size_t i = 0; i < n; i++)
        mean += y[i] / (double)n;
    for (size_t i = 0; i < n; i++)
        x[i] = y[i] - mean;
    (void)gsl_fft_real_radix2_transform(x, 1, size); /* a power of two */
    x[0] *= x[0];
    x[size / 2] *= x[size / 2];
    for (size_t i = 1; i < size / 2; i++) {
        x[i] = x[i] * x[i] + x[size - i] * x[size - i];
        x[size - i] = 0.0;
    }
    (void)gsl_fft_halfcomplex_radix2_inverse(x, 1, size);
    for (size_t i = 0; i < lags; i++)
        acf[i] = x[0] > 0.0 ? x[i] / x[0] : 0.0;
    free(x);
    return FW_OK;
}

bool numeric_solve(double *a, double *b, size_t p)
{
    gsl_matrix_view m = gsl_matrix_view_array(a, p, p);
    gsl_vector_view v = gsl_vector_view_array(b, p);

    if (gsl_linalg_cholesky_decomp1(&m.matrix) != GSL_SUCCESS ||
        gsl_linalg_cholesky_svx(&m.matrix, &v.vector) != GSL_SUCCESS)
        return false;
    for (size_t i = 0; i < p; i++)
        if (!isfinite(b[i]))
            return false;
    return true;
}

/* Ordinary least squares: what robust regression starts from and, where the
 * points lie exactly on a line (GSL then divides by a zero scale), ends at. */
static struct numeric_line plain_line(const double *x, const double *y,
                                      size_t n)
{
    struct numeric_line line = {0};
    double mx = 0.0, my = 0.0, sxx = 0.0, sxy = 0.0, sse = 0.0;

    for (size_t i = 0; i < n; i++) {
        mx += x[i] / (double)n;
        my += y[i] / (double)n;
    }
    for (size_t i = 0; i < n; i++) {
        sxx += (x[i] - mx) * (x[i] - mx);
        sxy += (x[i] - mx) * (y[i] - my);
    }
    line.slope = sxx > 0.0 ? sxy / sxx : 0.0;
    line.level = my - line.slope * mx;
    for (size_t i = 0; i < n; i++) {
        double e = y[i] - line.level - line.slope * x[i];

        sse += e * e;
    }
    line.sigma = n > 2 ? sqrt(sse / (double)(n - 2)) : 0.0;
    line.slope_se = sxx > 0.0 ? line.sigma / sqrt(sxx) : 0.0;
    return line;
}

fw_rc numeric_robust_line(const double *x, const double *y, size_t n,
                          struct numeric_line *out)
{
    struct numeric_line plain = plain_line(x, y, n);
    gsl_multifit_robust_workspace *work = NULL;
    gsl_matrix *design = NULL;
    double c_at[2], cov_at[4];
    gsl_vector_view c = gsl_vector_view_array(c_at, 2);
    gsl_matrix_view cov = gsl_matrix_view_array(cov_at, 2, 2);
    gsl_vector_const_view target = gsl_vector_const_view_array(y, n);
    double span = 0.0;
    fw_rc rc = FW_OK;

    for (size_t i = 0; i < n; i++)
        span = fmax(span, fabs(y[i]));
    /* Below this scatter there is nothing to be robust against. */
    if (n < 4 || plain.sigma <= 1e-10 * span) {
        *out = plain;
        return FW_OK;
    }
    work = gsl_multifit_robust_alloc(gsl_multifit_robust_bisquare, n, 2);
    design = gsl_matrix_alloc(n, 2);
    if (work == NULL || design == NULL) {
        rc = FW_ENOMEM;
        goto out;
    }
    for (size_t i = 0; i < n; i++) {
        gsl_matrix_set(design, i, 0, 1.0);
        gsl_matrix_set(design, i, 1, x[i]);
    }
    *out = plain;
    /* GSL_EMAXITER still leaves its best answer behind. */
    (void)gsl_multifit_robust(design, &target.vector, &c.vector, &cov.matrix,
                              work);
    if (isfinite(c_at[0]) && isfinite(c_at[1]) && isfinite(cov_at[3])) {
        out->level = c_at[0];
        out->slope = c_at[1];
        out->slope_se = sqrt(fmax(cov_at[3], 0.0));
        out->sigma = gsl_multifit_robust_statistics(work).sigma;
    }
out:
    gsl_matrix_free(design);
    if (work != NULL)
        gsl_multifit_robust_free(work);
    return rc;
}

struct numeric_rng {
    gsl_rng *gsl;
};

struct numeric_rng *numeric_rng_new(uint64_t seed)
{
    struct numeric_rng *rng = calloc(1, sizeof(*rng));

    if (rng == NULL)
        return NULL;
    rng->gsl = gsl_rng_alloc(gsl_rng_taus2);
    if (rng->gsl == NULL) {
        free(rng);
        return NULL;
    }
    gsl_rng_set(rng->gsl, (unsigned long)seed);
    return rng;
}

void numeric_rng_free(struct numeric_rng *rng)
{
    if (rng == NULL)
        return;
    gsl_rng_free(rng->gsl);
    free(rng);
}

size_t numeric_rng_index(struct numeric_rng *rng, size_t n)
{
    return (size_t)gsl_rng_uniform_int(rng->gsl, (unsigned long)n);
}

double numeric_rng_gauss(struct numeric_rng *rng)
{
    return gsl_ran_gaussian_ziggurat(rng->gsl, 1.0);
}

double numeric_rng_student(struct numeric_rng *rng, double freedom)
{
    return gsl_ran_tdist(rng->gsl, freedom);
}

/* Shell's sort with Ciura's gaps [Ciura 2001]: no calls, no heap walks; for
 * the few hundred values we have, several times as fast as GSL's heap sort. */
double numeric_normal_share(double x)
{
    return gsl_cdf_ugaussian_P(x);
}

double numeric_normal_quantile(double share)
{
    return gsl_cdf_ugaussian_Pinv(share);
}

void numeric_sort(double *v, size_t n)
{
    static const size_t gaps[] = {701, 301, 132, 57, 23, 10, 4, 1};

    if (n > SHELL_MOST) {
        gsl_sort(v, 1, n);
        return;
    }
    for (size_t g = 0; g < sizeof(gaps) / sizeof(*gaps); g++)
        for (size_t gap = gaps[g], i = gap; i < n; i++) {
            double x = v[i];
            size_t j = i;

            for (; j >= gap && v[j - gap] > x; j -= gap)
                v[j] = v[j - gap];
            v[j] = x;
        }
}

/* Compares each value with the one j farther on, in blocks of 2 * j; or each
 * block of k from both ends. Lengths known here let them go side by side. */
static inline __attribute__((always_inline)) void halves(double *v, size_t j)
{
    for (size_t from = 0; from < NUMERIC_FEW; from += 2 * j)
        for (size_t i = from; i < from + j; i++) {
            double a = v[i], b = v[i + j];

            v[i] = a < b ? a : b;
            v[i + j] = a > b ? a : b;
        }
}

static inline __attribute__((always_inline)) void ends(double *v, size_t k)
{
    for (size_t from = 0; from < NUMERIC_FEW; from += k)
        for (size_t i = 0; i < k / 2; i++) {
            double a = v[from + i], b = v[from + k - 1 - i];

            v[from + i] = a < b ? a : b;
            v[from + k - 1 - i] = a > b ? a : b;
        }
}

/* A bitonic network [Batcher 1968]: no branch to guess wrong. */
void numeric_sort_few(double *v, size_t n)
{
    for (size_t i = n; i < NUMERIC_FEW; i++)
        v[i] = INFINITY;
    ends(v, 2);
    ends(v, 4);
    halves(v, 1);
    ends(v, 8);
    halves(v, 2);
    halves(v, 1);
    ends(v, 16);
    halves(v, 4);
    halves(v, 2);
    halves(v, 1);
    ends(v, 32);
    halves(v, 8);
    halves(v, 4);
    halves(v, 2);
    halves(v, 1);
    ends(v, 64);
    halves(v, 16);
    halves(v, 8);
    halves(v, 4);
    halves(v, 2);
    halves(v, 1);
}

double numeric_smallest(const double *v, size_t n, size_t k)
{
    double least[64];

    k = k < n ? k : n;
    k = k < 64 ? k : 64;
    (void)gsl_sort_smallest(least, k, v, 1, n);
    return least[k - 1];
}

double numeric_quantile(const double *sorted, size_t n, double q)
{
    return gsl_stats_quantile_from_sorted_data(sorted, 1, n,
                                               fmin(fmax(q, 0.0), 1.0));
}

double numeric_median(double *v, size_t n)
{
    if (n > 32)
        return gsl_stats_median(v, 1, n);
    numeric_sort(v, n);
    return n % 2 == 1 ? v[n / 2] : 0.5 * (v[n / 2 - 1] + v[n / 2]);
}
