/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * ranks.h - order among values: the k-th of many, and the k-th of those that
 * are in a window. NaN stands before all numbers.
 */
#ifndef FW_QUERY_RANKS_H
#define FW_QUERY_RANKS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The k-th smallest of n > k values, counted from 0; moves them about. */
double ranks_select(double *v, size_t n, size_t k);

/*
 * A set of samples by the ranks of their values: one comes, goes or is found
 * by its place in a time that hardly depends on how many there are.
 */
struct ranks {
    double *values;   /* that differ, rising */
    uint32_t *rank;   /* of each sample */
    uint32_t *counts; /* of the levels, the widest first */
    size_t levels;
    size_t level_at[8]; /* where each level begins in `counts` */
};

/* Bytes of memory that n samples need, for ranks_init(). */
size_t ranks_bytes(size_t n);
/* An empty set for n > 0 samples; lives in `memory`, aligned to 8. */
void ranks_init(struct ranks *ranks, void *memory, const double *v, size_t n);
void ranks_add(struct ranks *ranks, size_t sample);
void ranks_remove(struct ranks *ranks, size_t sample);
/* The k-th smallest value in the set, counted from 0; there are more than k. */
double ranks_at(const struct ranks *ranks, size_t k);

#endif
