/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * ranks.c - values are sorted once, by the bytes in which they differ, and
 * equal ones share a rank. Over the ranks stand counters: one for each rank,
 * one for each sixteen ranks, for each sixteen of those, and so on. A sample
 * that comes or goes changes one counter a level; to find the k-th is to walk
 * down, at most fifteen counters a level.
 */
#include "query/eval/ranks.h"

#include <math.h>
#include <string.h>

#include "storage/base/bytes.h"

#define FAN 16
#define RADIX 256

struct keyed {
    uint64_t key; /* rises with the value */
    uint32_t at;  /* index of the sample */
};

/* ---- The k-th of many -----------------------------------------------------
 */

static void swap(double *a, double *b)
{
    double t = *a;

    *a = *b;
    *b = t;
}

/* Puts NaN first; returns how many there are. */
static size_t part_nans(double *v, size_t n)
{
    size_t nans = 0;

    for (size_t i = 0; i < n; i++) {
        if (isnan(v[i]))
            swap(&v[i], &v[nans++]);
    }
    return nans;
}

/* The median of three, so that sorted input is no bad case. */
static double pivot_of(const double *v, size_t lo, size_t hi)
{
    double a = v[lo], b = v[lo + (hi - lo) / 2], c = v[hi];

    if (a > b)
        swap(&a, &b);
    if (b > c)
        b = c;
    return a > b ? a : b;
}

static void sort_few(double *v, size_t lo, size_t hi)
{
    for (size_t i = lo + 1; i <= hi; i++) {
        double x = v[i];
        size_t j = i;

        for (; j > lo && v[j - 1] > x; j--)
            v[j] = v[j - 1];
        v[j] = x;
    }
}

/* [Hoare: Algorithm 65, FIND, Communications of the ACM 4, 1961] */
double ranks_select(double *v, size_t n, size_t k)
{
    size_t nans = part_nans(v, n);
    size_t lo = nans;
    size_t hi = n - 1;

    if (k < nans)
        return v[k];
    while (hi - lo > FAN) {
        double pivot = pivot_of(v, lo, hi);
        size_t i = lo;
        size_t j = hi;

        for (;;) {
            while (v[i] < pivot)
                i++;
            while (v[j] > pivot)
                j--;
            if (i >= j)
                break;
            swap(&v[i++], &v[j--]);
        }
        if (i == j && v[i] == pivot && k == i)
            return pivot;
        if (k <= j)
            hi = j;
        else if (k >= i)
            lo = i;
        else
            return pivot; /* between the two halves */
        if (hi == lo)
            return v[k];
    }
    sort_few(v, lo, hi);
    return v[k];
}

/* ---- The k-th of a window -------------------------------------------------
 */

/* All NaN are one value, below all numbers; -0 and 0 are one. */
static uint64_t key_of(double v)
{
    uint64_t bits = fw_double_bits(v == 0 ? 0 : v);

    if (isnan(v))
        return 0;
    return bits >> 63 ? ~bits : bits | (uint64_t)1 << 63;
}

static size_t counters_of(size_t n)
{
    size_t all = 0;

    for (size_t width = n; width > 1; width = (width + FAN - 1) / FAN)
        all += width + FAN;
    return all + 1;
}

size_t ranks_bytes(size_t n)
{
    return n * (sizeof(double) + 2 * sizeof(struct keyed) + sizeof(uint32_t)) +
           counters_of(n) * sizeof(uint32_t);
}

/* Sorts by one byte of the key, keeping the order of equals. */
static void sort_by_byte(const struct keyed *from, struct keyed *to, size_t n,
                         int shift)
{
    uint32_t first[RADIX] = {0};
    uint32_t at = 0;

    for (size_t i = 0; i < n; i++)
        first[from[i].key >> shift & (RADIX - 1)]++;
    for (size_t b = 0; b < RADIX; b++) {
        uint32_t count = first[b];

        first[b] = at;
        at += count;
    }
    for (size_t i = 0; i < n; i++)
        to[first[from[i].key >> shift & (RADIX - 1)]++] = from[i];
}

/* Sorts into one of the two arrays and returns it. */
static const struct keyed *sort_keys(struct keyed *a, struct keyed *b, size_t n)
{
    uint64_t differ = 0;

    for (size_t i = 1; i < n; i++)
        differ |= a[i].key ^ a[0].key;
    for (int shift = 0; shift < 64; shift += 8) {
        struct keyed *sorted = b;

        if ((differ >> shift & (RADIX - 1)) == 0)
            continue;
        sort_by_byte(a, b, n, shift);
        b = a;
        a = sorted;
    }
    return a;
}

void ranks_init(struct ranks *r, void *memory, const double *v, size_t n)
{
    struct keyed *a = memory;
    struct keyed *b = a + n;
    const struct keyed *sorted;
    size_t values = 0;
    size_t at = 0;

    r->values = (double *)(void *)(b + n);
    r->rank = (uint32_t *)(void *)(r->values + n);
    r->counts = r->rank + n;
    for (size_t i = 0; i < n; i++)
        a[i] = (struct keyed){key_of(v[i]), (uint32_t)i};
    sorted = sort_keys(a, b, n);
    for (size_t i = 0; i < n; i++) {
        if (i == 0 || sorted[i].key != sorted[i - 1].key)
            r->values[values++] = v[sorted[i].at];
        r->rank[sorted[i].at] = (uint32_t)(values - 1);
    }
    r->levels = 0;
    for (size_t width = values; width > 1; width = (width + FAN - 1) / FAN) {
        r->level_at[r->levels++] = at;
        at += width + FAN; /* so that sixteen can always be looked at */
    }
    memset(r->counts, 0, at * sizeof(*r->counts));
}

static void change(struct ranks *r, size_t sample, uint32_t by)
{
    uint32_t rank = r->rank[sample];

    for (size_t level = 0; level < r->levels; level++) {
        r->counts[r->level_at[level] + rank] += by;
        rank /= FAN;
    }
}

void ranks_add(struct ranks *r, size_t sample)
{
    change(r, sample, 1);
}

void ranks_remove(struct ranks *r, size_t sample)
{
    change(r, sample, UINT32_MAX); /* -1, modulo 2^32 */
}

double ranks_at(const struct ranks *r, size_t k)
{
    size_t rank = 0;

    for (size_t level = r->levels; level > 0; level--) {
        const uint32_t *counts = r->counts + r->level_at[level - 1];

        rank *= FAN;
        while (counts[rank] <= k)
            k -= counts[rank++];
    }
    return r->values[rank];
}
