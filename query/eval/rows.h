/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * rows.h - the values that flow through an evaluation.
 *
 * A grid is the instants an expression is evaluated at. A row is one series
 * over a grid: an array with one value per step, in which ABSENT marks a step
 * without a point. ABSENT has the bits of the stale marker, which selectors
 * take out and which no arithmetic yields (it is a signalling NaN; results
 * are quiet), so an array of doubles is all a series needs.
 *
 * Rows are pushed: an operator calls its operand with a sink and the operand
 * hands it one row after the other. So `sum(rate(x[5m]))` holds one row and
 * one sum, however many series there are. What needs all rows at once (a join,
 * a sort) collects them in a rowset.
 */
#ifndef FW_QUERY_ROWS_H
#define FW_QUERY_ROWS_H

#include "query/query.h"
#include "storage/base/bytes.h"
#include "storage/base/hash.h"

struct grid {
    fw_ms start, step;
    size_t count; /* at least 1 */
};

static inline fw_ms grid_time(const struct grid *grid, size_t i)
{
    return grid->start + grid->step * (fw_ms)i;
}

static inline fw_ms grid_last(const struct grid *grid)
{
    return grid_time(grid, grid->count - 1);
}

static inline double absent(void)
{
    return fw_double_of_bits(FW_STALE_BITS);
}

static inline bool is_absent(double v)
{
    return fw_double_bits(v) == FW_STALE_BITS;
}

/* Labels live in the query's arena; `v` belongs to whoever pushes the row. */
struct row {
    struct fw_labels labels;
    double *v;
};

/* The receiver may change row->v in place and must copy what it keeps. */
struct sink {
    fw_rc (*take)(struct sink *sink, struct row *row);
};

void row_fill(double *v, size_t n, double value);
bool row_is_empty(const double *v, size_t n);

/* Rows kept, found by their labels, in the order they came. */
struct rowset {
    struct sink sink; /* first: a rowset collects what is pushed into it */
    struct fw_arena *arena;
    size_t steps;
    struct row *rows;
    size_t count, cap;
    struct fw_index index;
    struct fw_err *err;
};

/* As a sink it takes a copy of each row, without looking for its labels. */
void rowset_init(struct rowset *set, struct fw_arena *arena, size_t steps,
                 struct fw_err *err);
void rowset_release(struct rowset *set);

/* Adds a row with these labels and its own values, all ABSENT. */
FW_CHECK fw_rc rowset_add(struct rowset *set, const struct fw_labels *labels,
                          struct row **out);

/* The same, if there is none with these labels yet; *is_new tells. */
FW_CHECK fw_rc rowset_find_or_add(struct rowset *set,
                                  const struct fw_labels *labels, size_t *index,
                                  bool *is_new);

bool rowset_has(const struct rowset *set, const struct fw_labels *labels);

/*
 * Lays a row into the one with the same labels. FW_EINVAL "vector cannot
 * contain metrics with the same labelset" where both have a point at a step,
 * or, if `strict`, where there is such a row at all.
 */
FW_CHECK fw_rc rowset_merge(struct rowset *set, const struct row *row,
                            bool strict);

/* Pushes all rows in order. */
FW_CHECK fw_rc rowset_push(struct rowset *set, struct sink *sink);

#endif
