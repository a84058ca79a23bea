/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "predict/numeric.h"

#include <gsl/gsl_cdf.h>
#include <gsl/gsl_errno.h>
#include <gsl/gsl_fft_halfcomplex.h>
#include <gsl/gsl_fft_real.h>
#include <gsl/gsl_linalg.h>
#include <gsl/gsl_randist.h>
#include <gsl/gsl_rng.h>
#include <gsl/gsl_sort.h>
#include <gsl/gsl_statistics_double.h>
#include <math.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#define NUMERIC_POINTS 64  /* most points of a robust line */
#define BISQUARE 4.685     /* 95 % efficient where all is normal */
#define LEAST_SCATTER 1e-6 /* of the deviation of the values */
#define ROUNDS_MOST 100
#define RADIX_LEAST 96  /* values that are worth the counting */
#define RADIX_MOST 4096 /* and what lies on the stack */
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

#define DIGIT 256 /* values of a byte */
#define BYTES sizeof(uint64_t)

/* Shell's sort with Ciura's gaps [Ciura 2001]: no calls, no room. */
static void sort_small(double *v, size_t n)
{
    static const size_t gaps[] = {23, 10, 4, 1};

    for (size_t g = n < 24 ? 3 : 0; g < sizeof(gaps) / sizeof(*gaps); g++)
        for (size_t gap = gaps[g], i = gap; i < n; i++) {
            double x = v[i];
            size_t j = i;

            for (; j >= gap && v[j - gap] > x; j -= gap)
                v[j] = v[j - gap];
            v[j] = x;
        }
}

/* Integers in the order of the values, and back. */
static uint64_t bits_of(double v)
{
    uint64_t bits;

    memcpy(&bits, &v, sizeof(bits));
    return bits ^ (bits >> 63 != 0 ? UINT64_MAX : (uint64_t)1 << 63);
}

static double of_bits(uint64_t key)
{
    uint64_t bits = key ^ (key >> 63 != 0 ? (uint64_t)1 << 63 : UINT64_MAX);
    double v;

    memcpy(&v, &bits, sizeof(v));
    return v;
}

/* Where the values of each digit begin. */
static void first_places(const uint16_t *count, uint16_t *out)
{
    uint16_t sum = 0;

    for (size_t d = 0; d < DIGIT; d++) {
        out[d] = sum;
        sum = (uint16_t)(sum + count[d]);
    }
}

/*
 * By their bytes, the lowest first [Knuth, TAOCP 3, 5.2.5]: no comparison that
 * can be guessed wrong; for our hundreds of values several times as fast as
 * those that compare. Bytes that all values share are skipped.
 */
static void sort_by_bytes(double *v, size_t n)
{
    uint64_t key[2][RADIX_MOST];
    uint16_t count[BYTES][DIGIT] = {{0}}, at[DIGIT];
    size_t now = 0;

    for (size_t i = 0; i < n; i++) {
        key[0][i] = bits_of(v[i]);
        for (size_t b = 0; b < BYTES; b++)
            count[b][key[0][i] >> 8 * b & 0xff]++;
    }
    for (size_t b = 0; b < BYTES; b++) {
        const uint64_t *from = key[now];
        uint64_t *to = key[1 - now];

        if (count[b][from[0] >> 8 * b & 0xff] == n)
            continue;
        first_places(count[b], at);
        for (size_t i = 0; i < n; i++)
            to[at[from[i] >> 8 * b & 0xff]++] = from[i];
        now = 1 - now;
    }
    for (size_t i = 0; i < n; i++)
        v[i] = of_bits(key[now][i]);
}

void numeric_sort(double *v, size_t n)
{
    if (n < RADIX_LEAST)
        sort_small(v, n);
    else if (n <= RADIX_MOST)
        sort_by_bytes(v, n);
    else
        gsl_sort(v, 1, n);
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

/* What is kept of n points while a line is fitted to them again and again. */
struct points {
    const double *x, *y;
    size_t n;
    double leverage[NUMERIC_POINTS]; /* one less the pull a point has on it */
    double e[NUMERIC_POINTS];        /* distances from the line */
    double weight[NUMERIC_POINTS];
};

/* The line by weighted least squares, and the distances from it. */
static void weighted_line(struct points *p, struct numeric_line *line)
{
    double w = 0.0, wx = 0.0, wy = 0.0, xx = 0.0, xy = 0.0;

    for (size_t i = 0; i < p->n; i++) {
        w += p->weight[i];
        wx += p->weight[i] * p->x[i];
        wy += p->weight[i] * p->y[i];
    }
    wx /= w;
    wy /= w;
    for (size_t i = 0; i < p->n; i++) {
        xx += p->weight[i] * (p->x[i] - wx) * (p->x[i] - wx);
        xy += p->weight[i] * (p->x[i] - wx) * (p->y[i] - wy);
    }
    line->slope = xx > 0.0 ? xy / xx : 0.0;
    line->level = wy - line->slope * wx;
    for (size_t i = 0; i < p->n; i++)
        p->e[i] = p->y[i] - line->level - line->slope * p->x[i];
}

/* Scatter by the median size of e, the smallest left out since two of them are
 * nothing in any case [Street, Carroll & Ruppert 1988]. */
static double median_scatter(const double *e, size_t n)
{
    double size[NUMERIC_POINTS];

    for (size_t i = 0; i < n; i++)
        size[i] = fabs(e[i]);
    numeric_sort(size, n);
    return numeric_quantile(size + 1, n - 1, 0.5) / 0.6745;
}

/* Tukey's bisquare. */
static double bisquare(double u)
{
    return fabs(u) < 1.0 ? (1.0 - u * u) * (1.0 - u * u) : 0.0;
}

/* The scatter about the line as good as outliers let it be told [Street,
 * Carroll & Ruppert 1988, eq. 3 and 5]. */
static double robust_scatter(const struct points *p)
{
    double st = BISQUARE * median_scatter(p->e, p->n), n = (double)p->n;
    double a = 0.0, b = 0.0;

    for (size_t i = 0; i < p->n; i++) {
        double u = p->e[i] / sqrt(p->leverage[i]) / st, psi = u * bisquare(u);

        a += fabs(u) < 1.0 ? (1.0 - u * u) * (1.0 - 5.0 * u * u) / n : 0.0;
        b += p->leverage[i] * psi * psi / (n - 2.0);
    }
    return (1.0 + 2.0 / n * (1.0 - a) / a) * sqrt(b) * st / a;
}

/* True if a number changed by no more than rounding would. */
static bool settled(double before, double now)
{
    return fabs(before - now) <=
           1.4901161193847656e-8 * fmax(fabs(before), fabs(now));
}

/* Weighted again and again by the distances from the line before. */
static void reweigh(struct points *p, double least, struct numeric_line *line)
{
    for (int round = 0; round < ROUNDS_MOST; round++) {
        struct numeric_line before = *line;
        double scatter;

        for (size_t i = 0; i < p->n; i++)
            p->e[i] /= sqrt(p->leverage[i]);
        scatter = BISQUARE * fmax(median_scatter(p->e, p->n), least);
        for (size_t i = 0; i < p->n; i++)
            p->weight[i] = bisquare(p->e[i] / scatter);
        weighted_line(p, line);
        if (settled(before.level, line->level) &&
            settled(before.slope, line->slope))
            break;
    }
}

fw_rc numeric_robust_line(const double *x, const double *y, size_t n,
                          struct numeric_line *out)
{
    struct numeric_line plain = plain_line(x, y, n), line = plain;
    struct points p = {.x = x, .y = y, .n = n};
    double mx = 0.0, my = 0.0, xx = 0.0, yy = 0.0, span = 0.0, rest, whole;

    for (size_t i = 0; i < n; i++)
        span = fmax(span, fabs(y[i]));
    *out = plain;
    /* Below this scatter there is nothing to be robust against. */
    if (n < 4 || n > NUMERIC_POINTS || plain.sigma <= 1e-10 * span)
        return FW_OK;
    for (size_t i = 0; i < n; i++) {
        mx += x[i] / (double)n;
        my += y[i] / (double)n;
    }
    for (size_t i = 0; i < n; i++) {
        xx += (x[i] - mx) * (x[i] - mx);
        yy += (y[i] - my) * (y[i] - my);
    }
    if (!(xx > 0.0))
        return FW_OK;
    for (size_t i = 0; i < n; i++) {
        double h = 1.0 / (double)n + (x[i] - mx) * (x[i] - mx) / xx;

        p.leverage[i] = 1.0 - fmin(h, 0.9999);
        p.e[i] = y[i] - line.level - line.slope * x[i];
    }
    reweigh(&p, LEAST_SCATTER * sqrt(yy / (double)(n - 1)), &line);
    /* Outliers or not, all points have a say in how sure the line is [DuMouchel
     * & O'Brien 1989, sec. 4]. */
    rest = robust_scatter(&p);
    whole = sqrt((plain.sigma * plain.sigma * 4.0 + rest * rest * (double)n) /
                 (4.0 + (double)n));
    line.sigma = fmax(rest, whole);
    line.slope_se = line.sigma / sqrt(xx);
    if (isfinite(line.level) && isfinite(line.slope) && isfinite(line.slope_se))
        *out = line;
    return FW_OK;
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

double numeric_normal_share(double x)
{
    return gsl_cdf_ugaussian_P(x);
}

double numeric_normal_quantile(double share)
{
    return gsl_cdf_ugaussian_Pinv(share);
}

/* Puts the smaller of each two keys into `a`. */
static inline __attribute__((always_inline)) void
order(int32_t *restrict a, int32_t *restrict b, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        int32_t x = a[i], y = b[i];

        a[i] = x < y ? x : y;
        b[i] = x < y ? y : x;
    }
}

/* Odd-even merging [Batcher 1968] of many columns at a time: no branch to guess
 * wrong, and what is compared lies in one piece. */
NUMERIC_WIDE
void numeric_sort_beside(int32_t v[NUMERIC_FEW][NUMERIC_LANES])
{
    for (size_t p = 1; p < NUMERIC_FEW; p *= 2)
        for (size_t k = p; k > 0; k /= 2)
            for (size_t j = k % p; j + k < NUMERIC_FEW; j += 2 * k)
                if (j % (2 * p) + 2 * k <= 2 * p)
                    order(v[j], v[j + k], k * NUMERIC_LANES);
}

/* As sort_by_bytes(), of a key in the upper half and a place in the lower. */
void numeric_order(const double *v, size_t n, uint16_t *order)
{
    uint64_t key[2][NUMERIC_RANKED];
    uint16_t count[sizeof(int32_t)][DIGIT] = {{0}};

    n = n < NUMERIC_RANKED ? n : NUMERIC_RANKED;
    for (size_t i = 0; i < n; i++) {
        uint32_t k = (uint32_t)numeric_key((float)v[i]) ^ 0x80000000u;

        key[0][i] = (uint64_t)k << 32 | i;
        for (size_t b = 0; b < sizeof(k); b++)
            count[b][k >> 8 * b & 0xff]++;
    }
    for (size_t b = 0; b < sizeof(int32_t); b++) {
        uint64_t *from = key[b % 2], *to = key[1 - b % 2];
        uint16_t at[DIGIT];

        first_places(count[b], at);
        for (size_t i = 0; i < n; i++)
            to[at[from[i] >> (32 + 8 * b) & 0xff]++] = from[i];
    }
    for (size_t i = 0; i < n; i++)
        order[i] = (uint16_t)(key[0][i] & 0xffff);
}

/* How many keys are at most `most`. */
NUMERIC_WIDE
static size_t count_up_to(const int32_t *key, size_t n, int32_t most)
{
    int32_t some[NUMERIC_LANES] = {0};
    size_t count = 0;

    for (size_t i = 0; i < n; i += NUMERIC_LANES)
        for (size_t j = 0; j < NUMERIC_LANES; j++)
            some[j] += key[i + j] <= most ? 1 : 0;
    for (size_t j = 0; j < NUMERIC_LANES; j++)
        count += (size_t)some[j];
    return count;
}

/* By halving the range of keys: as many rounds as a key has bits, each a few
 * dozen instructions. */
float numeric_ranked(const float *v, size_t n, size_t k, float *next)
{
    int32_t key[NUMERIC_RANKED + NUMERIC_LANES], lo = INT32_MAX, hi = INT32_MIN;
    int32_t above = INT32_MAX;

    n = n < NUMERIC_RANKED ? n : NUMERIC_RANKED;
    k = k < n ? k : n - 1;
    for (size_t i = 0; i < n; i++) {
        key[i] = numeric_key(v[i]);
        lo = key[i] < lo ? key[i] : lo;
        hi = key[i] > hi ? key[i] : hi;
    }
    for (size_t i = n; i < n + NUMERIC_LANES; i++)
        key[i] = INT32_MAX;
    while (lo < hi) {
        int32_t mid = (int32_t)(((int64_t)lo + (int64_t)hi) >> 1);

        if (count_up_to(key, n, mid) > k)
            hi = mid;
        else
            lo = mid + 1;
    }
    if (k + 1 == n || count_up_to(key, n, lo) > k + 1) {
        *next = numeric_value(lo);
        return *next;
    }
    for (size_t i = 0; i < n; i++)
        above = key[i] > lo && key[i] < above ? key[i] : above;
    *next = numeric_value(above);
    return numeric_value(lo);
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
