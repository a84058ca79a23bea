/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * lanes.c - each kernel is written once over vectors of eight doubles, which
 * the compiler cuts to the registers of its target, and is compiled for
 * three targets. No kernel multiplies and adds in one expression, so none of
 * them is fused on one processor and not on another.
 */
#include "query/eval/lanes.h"

#include <math.h>
#include <stdatomic.h>
#include <string.h>

typedef double vec __attribute__((vector_size(64)));
typedef int64_t mask __attribute__((vector_size(64)));
typedef uint64_t words __attribute__((vector_size(64))); /* may wrap around */

#define INLINE static inline __attribute__((always_inline))

/* ---- Kernels --------------------------------------------------------------
 */

/*
 * What rounding takes from a + b, in six operations and no branch [Knuth, The
 * Art of Computer Programming 2, 4.2.2, theorem B]. The loss is exact, as that
 * of Neumaier's way to tell it, so the two give the same bits.
 */
INLINE void add_body(const double *v, const uint32_t at[LANES], size_t n,
                     struct lane_sums *sums)
{
    const double *p0 = v + at[0], *p1 = v + at[1], *p2 = v + at[2],
                 *p3 = v + at[3], *p4 = v + at[4], *p5 = v + at[5],
                 *p6 = v + at[6], *p7 = v + at[7];
    vec sum, c;

    memcpy(&sum, sums->sum, sizeof(sum));
    memcpy(&c, sums->c, sizeof(c));
    for (size_t i = 0; i < n; i++) {
        vec x = {p0[i], p1[i], p2[i], p3[i], p4[i], p5[i], p6[i], p7[i]};
        vec t = sum + x;
        vec z = t - sum;
        vec lost = (sum - (t - z)) + (x - z);

        c += lost;
        sum = t;
    }
    memcpy(sums->sum, &sum, sizeof(sum));
    memcpy(sums->c, &c, sizeof(c));
}

/* Vectors go by address: how they are passed depends on the target. */
INLINE double across(const vec *p)
{
    vec x = *p;

    return ((x[0] + x[1]) + (x[2] + x[3])) + ((x[4] + x[5]) + (x[6] + x[7]));
}

INLINE void spread_body(const double *v, size_t n, double *mean,
                        double *squares)
{
    vec sum = {0}, c = {0}, middle, sq = {0};
    double rest = 0, m, d;
    size_t whole = n & ~(size_t)(LANES - 1);

    for (size_t i = 0; i < whole; i += LANES) {
        vec x, t, z;

        memcpy(&x, v + i, sizeof(x));
        t = sum + x;
        z = t - sum;
        c += (sum - (t - z)) + (x - z);
        sum = t;
    }
    for (size_t i = whole; i < n; i++)
        rest += v[i];
    m = (across(&sum) + (across(&c) + rest)) / (double)n;
    middle = (vec){m, m, m, m, m, m, m, m};
    for (size_t i = 0; i < whole; i += LANES) {
        vec x;

        memcpy(&x, v + i, sizeof(x));
        x -= middle;
        x *= x;
        sq += x;
    }
    rest = 0;
    for (size_t i = whole; i < n; i++) {
        d = v[i] - m;
        d *= d;
        rest += d;
    }
    *mean = m;
    *squares = across(&sq) + rest;
}

INLINE void choose(const mask *which, const vec *yes, vec *to)
{
    *to = (vec)(((mask)*yes & *which) | ((mask)*to & ~*which));
}

INLINE void extremes_body(const double *v, const uint32_t at[LANES], size_t n,
                          bool max, double out[LANES])
{
    const double *p0 = v + at[0], *p1 = v + at[1], *p2 = v + at[2],
                 *p3 = v + at[3], *p4 = v + at[4], *p5 = v + at[5],
                 *p6 = v + at[6], *p7 = v + at[7];
    vec best;

    memcpy(&best, out, sizeof(best));
    for (size_t i = 0; i < n; i++) {
        vec x = {p0[i], p1[i], p2[i], p3[i], p4[i], p5[i], p6[i], p7[i]};
        mask better = max ? x > best : x < best;

        choose(&better, &x, &best);
    }
    memcpy(out, &best, sizeof(best));
}

INLINE double extreme_body(const double *v, size_t n, bool max)
{
    double none = max ? -INFINITY : INFINITY;
    vec best = {none, none, none, none, none, none, none, none};
    vec other = best;
    double out = none;
    size_t i = 0;

    for (; i + 2 * LANES <= n; i += 2 * LANES) {
        vec x, y;
        mask better;

        memcpy(&x, v + i, sizeof(x));
        memcpy(&y, v + i + LANES, sizeof(y));
        better = max ? x > best : x < best;
        choose(&better, &x, &best);
        better = max ? y > other : y < other;
        choose(&better, &y, &other);
    }
    for (int l = 0; l < LANES; l++) {
        if (max ? best[l] > out : best[l] < out)
            out = best[l];
        if (max ? other[l] > out : other[l] < out)
            out = other[l];
    }
    for (; i < n; i++) {
        if (max ? v[i] > out : v[i] < out)
            out = v[i];
    }
    return out;
}

INLINE bool any(const mask *p)
{
    mask m = *p;

    return (m[0] | m[1] | m[2] | m[3] | m[4] | m[5] | m[6] | m[7]) != 0;
}

INLINE bool have_body(const double *v, size_t n, uint64_t bits)
{
    int64_t b = (int64_t)bits;
    mask wanted = {b, b, b, b, b, b, b, b};
    mask found = {0};
    size_t i = 0;

    for (; i + LANES <= n; i += LANES) {
        mask x;

        memcpy(&x, v + i, sizeof(x));
        found |= x == wanted;
    }
    for (; i < n; i++) {
        int64_t x;

        memcpy(&x, v + i, sizeof(x));
        found[0] |= x == b;
    }
    return any(&found);
}

INLINE bool fall_body(const double *v, size_t n)
{
    mask found = {0};
    size_t i = 1;

    for (; i + LANES <= n; i += LANES) {
        vec x, before;

        memcpy(&x, v + i, sizeof(x));
        memcpy(&before, v + i - 1, sizeof(before));
        found |= x < before;
    }
    for (; i < n; i++)
        found[0] |= v[i] < v[i - 1];
    return any(&found);
}

/* ---- Whole numbers --------------------------------------------------------
 *
 * Added to SHIFT, a double of less than 2^51 loses what is behind its point,
 * and the bits of the sum are those of SHIFT and the whole number on top.
 */

#define SHIFT 0x1.8p52
#define SHIFT_BITS INT64_C(0x4338000000000000)
#define LIMIT (INT64_C(1) << 31)

/* Zero if x is whole; *far gets more than 32 bits if it is beyond the limit. */
static inline int64_t odd_bits(double x, uint64_t *far)
{
    double t = x + SHIFT;
    double whole = t - SHIFT;
    int64_t bits, moved, rounded;

    memcpy(&bits, &x, sizeof(bits));
    memcpy(&moved, &t, sizeof(moved));
    memcpy(&rounded, &whole, sizeof(rounded));
    *far |= (uint64_t)moved - (uint64_t)(SHIFT_BITS - LIMIT);
    return rounded ^ bits;
}

INLINE bool copy_body(double *to, const double *v, size_t n)
{
    const uint64_t b = (uint64_t)(SHIFT_BITS - LIMIT);
    const words base = {b, b, b, b, b, b, b, b};
    mask odd = {0};
    words far = {0};
    uint64_t rest_far = 0;
    int64_t rest_odd = 0;
    size_t i = 0;

    for (; i + LANES <= n; i += LANES) {
        vec x, t, whole;

        memcpy(&x, v + i, sizeof(x));
        memcpy(to + i, &x, sizeof(x));
        t = x + SHIFT;
        whole = t - SHIFT;
        odd |= (mask)whole ^ (mask)x;
        far |= (words)t - base;
    }
    for (; i < n; i++) {
        to[i] = v[i];
        rest_odd |= odd_bits(v[i], &rest_far);
    }
    far >>= 32;
    odd |= (mask)far;
    return !any(&odd) && rest_odd == 0 && rest_far >> 32 == 0;
}

INLINE double sum_body(const double *v, size_t n)
{
    vec a = {0};
    vec b = {0};
    double sum = 0;
    size_t i = 0;

    for (; i + 2 * LANES <= n; i += 2 * LANES) {
        vec x, y;

        memcpy(&x, v + i, sizeof(x));
        memcpy(&y, v + i + LANES, sizeof(y));
        a += x;
        b += y;
    }
    for (; i < n; i++)
        sum += v[i];
    a += b;
    return across(&a) + sum;
}

INLINE double drops_body(const double *v, size_t n)
{
    vec sums = {0};
    double sum = 0;
    size_t i = 1;

    for (; i + LANES <= n; i += LANES) {
        vec x, before;
        mask lower;

        memcpy(&x, v + i, sizeof(x));
        memcpy(&before, v + i - 1, sizeof(before));
        lower = x < before;
        sums += (vec)((mask)before & lower);
    }
    for (; i < n; i++)
        sum += v[i] < v[i - 1] ? v[i - 1] : 0;
    return across(&sums) + sum;
}

/* ---- One set for each kind of processor -----------------------------------
 */

struct kernels {
    void (*add)(const double *, const uint32_t[LANES], size_t,
                struct lane_sums *);
    void (*spread)(const double *, size_t, double *, double *);
    void (*extremes)(const double *, const uint32_t[LANES], size_t, bool,
                     double[LANES]);
    double (*extreme)(const double *, size_t, bool);
    bool (*have)(const double *, size_t, uint64_t);
    bool (*fall)(const double *, size_t);
    bool (*copy)(double *, const double *, size_t);
    double (*sum)(const double *, size_t);
    double (*drops)(const double *, size_t);
};

/* NOLINTBEGIN(bugprone-macro-parentheses): attributes cannot stand in any */
#define KERNELS(suffix, attributes)                                            \
    attributes static void add_##suffix(const double *v,                       \
                                        const uint32_t at[LANES], size_t n,    \
                                        struct lane_sums *sums)                \
    {                                                                          \
        add_body(v, at, n, sums);                                              \
    }                                                                          \
    attributes static void spread_##suffix(const double *v, size_t n,          \
                                           double *mean, double *squares)      \
    {                                                                          \
        spread_body(v, n, mean, squares);                                      \
    }                                                                          \
    attributes static void extremes_##suffix(                                  \
        const double *v, const uint32_t at[LANES], size_t n, bool max,         \
        double best[LANES])                                                    \
    {                                                                          \
        if (max)                                                               \
            extremes_body(v, at, n, true, best);                               \
        else                                                                   \
            extremes_body(v, at, n, false, best);                              \
    }                                                                          \
    attributes static double extreme_##suffix(const double *v, size_t n,       \
                                              bool max)                        \
    {                                                                          \
        return max ? extreme_body(v, n, true) : extreme_body(v, n, false);     \
    }                                                                          \
    attributes static bool have_##suffix(const double *v, size_t n,            \
                                         uint64_t bits)                        \
    {                                                                          \
        return have_body(v, n, bits);                                          \
    }                                                                          \
    attributes static bool fall_##suffix(const double *v, size_t n)            \
    {                                                                          \
        return fall_body(v, n);                                                \
    }                                                                          \
    attributes static bool copy_##suffix(double *to, const double *v,          \
                                         size_t n)                             \
    {                                                                          \
        return copy_body(to, v, n);                                            \
    }                                                                          \
    attributes static double sum_##suffix(const double *v, size_t n)           \
    {                                                                          \
        return sum_body(v, n);                                                 \
    }                                                                          \
    attributes static double drops_##suffix(const double *v, size_t n)         \
    {                                                                          \
        return drops_body(v, n);                                               \
    }                                                                          \
    static const struct kernels kernels_##suffix = {                           \
        add_##suffix,     spread_##suffix, extremes_##suffix,                  \
        extreme_##suffix, have_##suffix,   fall_##suffix,                      \
        copy_##suffix,    sum_##suffix,    drops_##suffix}
/* NOLINTEND(bugprone-macro-parentheses) */

KERNELS(plain, );
#ifdef __x86_64__
KERNELS(avx2, __attribute__((target("avx2"))));
KERNELS(avx512, __attribute__((target("avx512f,avx512dq"))));
#endif

/* NULL where this processor cannot run them. */
static const struct kernels *kernels_of(int width)
{
    if (width == 0)
        return &kernels_plain;
#ifdef __x86_64__
    if (width == 1 && __builtin_cpu_supports("avx2"))
        return &kernels_avx2;
    if (width == 2 && __builtin_cpu_supports("avx512f") &&
        __builtin_cpu_supports("avx512dq"))
        return &kernels_avx512;
#endif
    return NULL;
}

/* Written with the same answer by whoever comes first. */
static _Atomic(const struct kernels *) g_kernels;

bool lanes_use(int width)
{
    const struct kernels *k = kernels_of(width);

    if (k != NULL)
        atomic_store_explicit(&g_kernels, k, memory_order_relaxed);
    return k != NULL;
}

static const struct kernels *kernels(void)
{
    const struct kernels *k =
        atomic_load_explicit(&g_kernels, memory_order_relaxed);

    for (int width = LANE_WIDTHS - 1; k == NULL; width--) {
        if (lanes_use(width))
            k = kernels_of(width);
    }
    return k;
}

void lanes_add(const double *v, const uint32_t at[LANES], size_t n,
               struct lane_sums *sums)
{
    kernels()->add(v, at, n, sums);
}

void lanes_spread(const double *v, size_t n, double *mean, double *squares)
{
    kernels()->spread(v, n, mean, squares);
}

void lanes_extremes(const double *v, const uint32_t at[LANES], size_t n,
                    bool max, double best[LANES])
{
    kernels()->extremes(v, at, n, max, best);
}

double lanes_extreme(const double *v, size_t n, bool max)
{
    return kernels()->extreme(v, n, max);
}

bool lanes_have(const double *v, size_t n, uint64_t bits)
{
    return kernels()->have(v, n, bits);
}

bool lanes_fall(const double *v, size_t n)
{
    return kernels()->fall(v, n);
}

bool lanes_copy(double *to, const double *v, size_t n)
{
    return kernels()->copy(to, v, n);
}

double lanes_sum(const double *v, size_t n)
{
    return kernels()->sum(v, n);
}

double lanes_drops(const double *v, size_t n)
{
    return kernels()->drops(v, n);
}
