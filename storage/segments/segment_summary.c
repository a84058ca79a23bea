/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * segment_summary.c - what the directory says of the values of a block.
 */
#include <math.h>
#include <string.h>

#include "storage/codec/kernels.h"
#include "storage/segments/segment.h"

/* So that `count` is a number the compiler knows. */
#define ALWAYS_INLINE inline __attribute__((always_inline))

/*
 * Neumaier's summation: the error of each addition is kept and added last. The
 * way for all values there are; sum_up() answers the same bits, sooner.
 */
static void summarise_any(struct segment_block *b, const double *v, size_t n)
{
    double sum = 0, rest = 0, before = NAN;

    b->min = NAN;
    b->max = NAN;
    b->nans = 0;
    b->increase = 0;
    for (size_t i = 0; i < n; i++) {
        double x = v[i];
        double next = sum + x;

        if (isnan(x)) {
            b->nans++;
            continue;
        }
        if (isinf(next))
            rest = 0;
        else
            rest += fabs(sum) >= fabs(x) ? (sum - next) + x : (x - next) + sum;
        sum = next;
        b->min = !(x >= b->min) ? x : b->min;
        b->max = !(x <= b->max) ? x : b->max;
        if (!isnan(before))
            b->increase += x >= before ? x - before : x;
        before = x;
    }
    b->sum = sum + rest;
}

/* The first of v that is zero: of two zeros the order decides. */
static double first_zero(const double *v)
{
    while (*v != 0)
        v++;
    return *v;
}

/* A block whose values are being added. */
struct adding {
    const double *v;
    double sum, rest, increase;
    double before; /* the value in front of the next group */
    /* of the group before */
    double sums[CODEC_GROUP + 1], errors[CODEC_GROUP], rises[CODEC_GROUP];
};

/* The three chains of additions of one block, to be kept in registers. */
struct chains {
    double sum[SEGMENT_TOGETHER], rest[SEGMENT_TOGETHER];
    double increase[SEGMENT_TOGETHER];
};

/*
 * Sample k behind i, and what is left over from the group before. The order of
 * additions is part of their result, so each waits for the one before, and the
 * processor has time for those of other blocks meanwhile.
 */
static ALWAYS_INLINE void add_both(struct chains *c, struct adding *a,
                                   size_t count, size_t i, size_t k)
{
#pragma GCC unroll 4
    for (size_t b = 0; b < count; b++) {
        c->sum[b] += a[b].v[i + k];
        a[b].sums[k + 1] = c->sum[b];
        c->rest[b] += a[b].errors[k];
        c->increase[b] += a[b].rises[k];
    }
}

static ALWAYS_INLINE void add_value(struct chains *c, struct adding *a,
                                    size_t count, size_t i, size_t k)
{
#pragma GCC unroll 4
    for (size_t b = 0; b < count; b++) {
        c->sum[b] += a[b].v[i + k];
        a[b].sums[k + 1] = c->sum[b];
    }
}

static ALWAYS_INLINE void
add_left_over(struct chains *c, const struct adding *a, size_t count, size_t k)
{
#pragma GCC unroll 4
    for (size_t b = 0; b < count; b++) {
        c->rest[b] += a[b].errors[k];
        c->increase[b] += a[b].rises[k];
    }
}

/* Samples [i, i + m), and what is left over from `behind` before. */
static ALWAYS_INLINE void add_groups(struct adding *a, size_t count, size_t i,
                                     size_t m, size_t behind)
{
    size_t both = m < behind ? m : behind;
    struct chains c;

#pragma GCC unroll 4
    for (size_t b = 0; b < count; b++) {
        c.sum[b] = a[b].sum;
        c.rest[b] = a[b].rest;
        c.increase[b] = a[b].increase;
        a[b].sums[0] = c.sum[b];
    }
    for (size_t k = 0; k < both; k++)
        add_both(&c, a, count, i, k);
    for (size_t k = both; k < m; k++)
        add_value(&c, a, count, i, k);
    for (size_t k = both; k < behind; k++)
        add_left_over(&c, a, count, k);
#pragma GCC unroll 4
    for (size_t b = 0; b < count; b++) {
        a[b].sum = c.sum[b];
        a[b].rest = c.rest[b];
        a[b].increase = c.increase[b];
    }
}

/*
 * The same in vectors as far as that can be: only the three chains of
 * additions are not. The sums run a group ahead of the other two.
 */
static inline __attribute__((always_inline)) void sum_up(struct adding *a,
                                                         size_t count, size_t n)
{
    const struct codec_kernels *kernels = codec_kernels();
    size_t behind = 0;

    for (size_t i = 0, m; i < n; i += m) {
        m = n - i < CODEC_GROUP ? n - i : CODEC_GROUP;
        add_groups(a, count, i, m, behind);
        for (size_t b = 0; b < count; b++) {
            kernels->steps(a[b].v + i, a[b].sums, m, a[b].before, a[b].errors,
                           a[b].rises);
            a[b].before = a[b].v[i + m - 1];
        }
        behind = m;
    }
    add_groups(a, count, n, 0, behind);
}

static void begin(struct adding *a, struct segment_block *b, const double *v,
                  size_t n)
{
    a->v = v;
    a->sum = 0;
    a->rest = 0;
    a->increase = 0;
    a->before = v[0];
    b->nans = 0;
    b->min = b->max = v[0];
    codec_kernels()->extremes(v, n, &b->min, &b->max);
    memcpy(&b->first, &v[0], sizeof(b->first));
    memcpy(&b->last, &v[n - 1], sizeof(b->last));
}

/* If a value is no number, or a sum too large for one, all begins again. */
static void end(const struct adding *a, struct segment_block *b, size_t n)
{
    if (!isfinite(a->sum) || !isfinite(a->rest)) {
        summarise_any(b, a->v, n);
        return;
    }
    b->sum = a->sum + a->rest;
    b->increase = a->increase;
    if (b->min == 0)
        b->min = first_zero(a->v);
    if (b->max == 0)
        b->max = first_zero(a->v);
}

void segment_summarise(struct segment_block *b, const double *v, size_t n)
{
    struct adding a;

    begin(&a, b, v, n);
    sum_up(&a, 1, n);
    end(&a, b, n);
}

void segment_summarise_together(struct segment_block *const b[SEGMENT_TOGETHER],
                                const double *const v[SEGMENT_TOGETHER],
                                size_t n)
{
    struct adding a[SEGMENT_TOGETHER];

    for (size_t i = 0; i < SEGMENT_TOGETHER; i++)
        begin(&a[i], b[i], v[i], n);
    sum_up(a, SEGMENT_TOGETHER, n);
    for (size_t i = 0; i < SEGMENT_TOGETHER; i++)
        end(&a[i], b[i], n);
}
