/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * rollup_compare.c - whether a rollup says what its samples say, while there
 * are both: for verify.
 *
 * The samples come by series and time, and so do the rows, which are read
 * beside them: each row must tell of exactly the samples between its first and
 * its last one.
 */
#include "storage/segments/rollup.h"

#include <stdlib.h>

#include "storage/base/bytes.h"

struct rollup_compare {
    struct partition *rollup;
    struct partition_view view;
    uint64_t segments;          /* that have rows */
    uint32_t next;              /* number of the segment to read next */
    struct segment_block *rows; /* owned */
    uint32_t row_count, at;
    struct rollup_sum sum; /* of the samples of row `at` so far */
    struct rollup_differences found;
};

static struct partition *rollup_of(struct partition *const *list, size_t count,
                                   const struct partition *closed)
{
    for (size_t i = 0; i < count; i++)
        if (rollup_is(list[i]) && list[i]->exists &&
            list[i]->serial == closed->serial + 1)
            return list[i];
    return NULL;
}

/* Moves to the next row; FW_END behind the last one. */
static fw_rc next_row(struct rollup_compare *c, struct fw_err *err)
{
    struct segment segment;
    fw_rc rc;

    c->sum.row.n = 0;
    if (c->at + 1 < c->row_count) {
        c->at++;
        return FW_OK;
    }
    free(c->rows);
    c->rows = NULL;
    c->at = 0;
    c->row_count = 0;
    if (c->next > c->segments)
        return FW_END;
    rc = partition_segment(&c->view, c->next++, &segment, err);
    if (rc == FW_OK)
        rc = segment_directory(&segment, &c->rows, err);
    if (rc == FW_OK)
        c->row_count = segment.block_count;
    return rc;
}

fw_rc rollup_compare_begin(struct partition *const *list, size_t count,
                           const struct partition *closed,
                           struct rollup_compare **out, struct fw_err *err)
{
    struct partition *rollup = rollup_of(list, count, closed);
    struct rollup_compare *c;
    uint32_t end = 0;
    fw_rc rc;

    if (rollup == NULL)
        return FW_NONE;
    c = calloc(1, sizeof(*c));
    if (c == NULL)
        return fw_err_set(err, FW_ENOMEM, "out of memory");
    c->rollup = rollup;
    c->next = 1;
    rc = partition_view(rollup, &c->view, err);
    if (rc == FW_OK)
        rc = partition_complete(&c->view, &c->segments, &end, err);
    if (rc == FW_OK)
        rc = next_row(c, err);
    if (rc == FW_OK)
        *out = c;
    else
        rollup_compare_free(c);
    return rc == FW_END ? FW_NONE : rc;
}

void rollup_compare_free(struct rollup_compare *c)
{
    if (c == NULL)
        return;
    partition_view_end(&c->view);
    free(c->rows);
    free(c);
}

static bool same(double a, double b)
{
    return fw_double_bits(a) == fw_double_bits(b) || (a != a && b != b);
}

static bool same_row(const struct segment_block *a,
                     const struct segment_block *b)
{
    return a->n == b->n && a->t_min == b->t_min && a->t_max == b->t_max &&
           a->nans == b->nans && same(a->min, b->min) && same(a->max, b->max) &&
           same(a->sum, b->sum) && same(a->first, b->first) &&
           same(a->last, b->last) && same(a->increase, b->increase);
}

static void note(struct rollup_compare *c, uint32_t series, fw_ms t,
                 const char *what)
{
    if (c->found.count++ > 0)
        return;
    c->found.series = series;
    c->found.t = t;
    c->found.what = what;
}

/* The samples of row `at` have all been seen. */
static fw_rc end_row(struct rollup_compare *c, struct fw_err *err)
{
    const struct segment_block *row = &c->rows[c->at];
    struct segment_block is = rollup_sum_end(&c->sum);

    if (is.n == 0)
        note(c, row->series, row->t_min, "it has a row without samples");
    else if (!same_row(row, &is))
        note(c, row->series, row->t_min,
             "it does not say what the samples say");
    return next_row(c, err);
}

static fw_rc take(struct rollup_compare *c, uint32_t series, fw_ms t, double x,
                  struct fw_err *err)
{
    const struct segment_block *row;
    fw_rc rc = FW_OK;

    while (c->rows != NULL && rc == FW_OK) {
        row = &c->rows[c->at];
        if (row->series > series || (row->series == series && row->t_max >= t))
            break;
        rc = end_row(c, err);
    }
    if (rc != FW_OK && rc != FW_END)
        return rc;
    row = c->rows != NULL ? &c->rows[c->at] : NULL;
    if (row == NULL || row->series != series || t < row->t_min) {
        c->found.bare++;
        return FW_OK;
    }
    if (c->sum.row.n == 0)
        rollup_sum_begin(&c->sum, series, t);
    rollup_sum_see(&c->sum, t, x);
    return FW_OK;
}

fw_rc rollup_compare_samples(struct rollup_compare *c, uint32_t series,
                             const fw_ms *t, const double *v, size_t n,
                             struct fw_err *err)
{
    fw_rc rc = FW_OK;

    for (size_t i = 0; i < n && rc == FW_OK; i++)
        if (fw_double_bits(v[i]) != FW_STALE_BITS)
            rc = take(c, series, t[i], v[i], err);
    return rc;
}

fw_rc rollup_compare_end(struct rollup_compare *c,
                         struct rollup_differences *out, struct fw_err *err)
{
    fw_rc rc = FW_OK;

    while (c->rows != NULL && rc == FW_OK)
        rc = end_row(c, err);
    if (rc != FW_OK && rc != FW_END)
        return rc;
    *out = c->found;
    out->rollup = c->rollup;
    return FW_OK;
}
