/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * rollup.c - writes rollups; rollup_read.c reads them.
 */
#include "storage/segments/rollup.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "storage/base/bytes.h"

#define ROW_TARGET ((size_t)128 * 1024) /* about 4096 rows */

/* ---- Segments -------------------------------------------------------------
 */

static fw_rc no_memory(struct fw_err *err)
{
    return fw_err_set(err, FW_ENOMEM, "out of memory");
}

static fw_rc close_segment(struct rollup_writer *w, struct fw_err *err)
{
    struct segment_writer *s = &w->segment;
    struct fw_str value = {0};
    uint64_t span;
    fw_rc rc;

    if (s->n == 0)
        return FW_OK;
    span = w->first_series | (uint64_t)s->blocks[s->n - 1].series << 32;
    if (segment_writer_finish(s, span, &value) != FW_OK)
        return no_memory(err);
    rc = partition_build_add(&w->builder, &value, 1, err);
    if ((s->flags & SEGMENT_INDEX) == 0)
        w->row_segments++;
    segment_writer_clear(s);
    return rc;
}

static fw_rc put_row(struct rollup_writer *w, const struct segment_block *row,
                     struct fw_err *err)
{
    if (w->segment.n == 0)
        w->first_series = row->series;
    if (segment_writer_add_row(&w->segment, row) != FW_OK)
        return no_memory(err);
    return segment_writer_full(&w->segment) ? close_segment(w, err) : FW_OK;
}

/* The row of the index: how many samples, from when to when. */
static fw_rc note_series(struct rollup_writer *w,
                         const struct segment_block *row, struct fw_err *err)
{
    struct segment_block *last =
        w->index_count > 0 ? &w->index[w->index_count - 1] : NULL;

    if (last != NULL && last->series == row->series) {
        last->n += row->n;
        last->t_max = row->t_max;
        return FW_OK;
    }
    if (fw_grow(&w->index, &w->index_cap, w->index_count + 1, sizeof(*w->index),
                UINT32_MAX) != FW_OK)
        return no_memory(err);
    w->index[w->index_count++] = (struct segment_block){.series = row->series,
                                                        .n = row->n,
                                                        .t_min = row->t_min,
                                                        .t_max = row->t_max};
    return FW_OK;
}

fw_rc rollup_row(struct rollup_writer *w, const struct segment_block *row,
                 struct fw_err *err)
{
    fw_rc rc = note_series(w, row, err);

    return rc == FW_OK ? put_row(w, row, err) : rc;
}

/* ---- Rows of samples ------------------------------------------------------
 */

void rollup_sum_begin(struct rollup_sum *s, uint32_t series, fw_ms t)
{
    *s = (struct rollup_sum){
        .row = {.series = series, .t_min = t, .min = NAN, .max = NAN},
        .before = NAN};
}

/* As segment_summarise(), sample by sample; first and last are no NaN. */
void rollup_sum_see(struct rollup_sum *s, fw_ms t, double x)
{
    struct segment_block *row = &s->row;
    double next = row->sum + x;

    row->n++;
    row->t_max = t;
    if (isnan(x)) {
        row->nans++;
        return;
    }
    if (isinf(next))
        s->rest = 0;
    else if (fabs(row->sum) >= fabs(x))
        s->rest += (row->sum - next) + x;
    else
        s->rest += (x - next) + row->sum;
    row->sum = next;
    row->min = !(x >= row->min) ? x : row->min;
    row->max = !(x <= row->max) ? x : row->max;
    if (isnan(s->before))
        row->first = x;
    else
        row->increase += x >= s->before ? x - s->before : x;
    row->last = x;
    s->before = x;
}

struct segment_block rollup_sum_end(struct rollup_sum *s)
{
    struct segment_block row = s->row;

    row.sum += s->rest;
    s->row.n = 0;
    return row;
}

static fw_rc end_row(struct rollup_writer *w, struct fw_err *err)
{
    struct segment_block row;

    if (w->sum.row.n == 0)
        return FW_OK;
    row = rollup_sum_end(&w->sum);
    return rollup_row(w, &row, err);
}

/*
 * The last millisecond of the hour that t is in: hours are open at the left, as
 * windows of PromQL are.
 */
static fw_ms end_of_hour(fw_ms t, fw_ms step)
{
    fw_ms into = t % step < 0 ? t % step + step : t % step;
    fw_ms end = t;

    if (into != 0 && __builtin_add_overflow(t, step - into, &end))
        end = INT64_MAX;
    return end;
}

static bool in_gap(const struct rollup_writer *w, fw_ms t)
{
    for (size_t i = 0; i < w->gap_count; i++)
        if (w->gaps[i].first <= t && t <= w->gaps[i].last)
            return true;
    return false;
}

fw_rc rollup_samples(struct rollup_writer *w, uint32_t series, const fw_ms *t,
                     const double *v, size_t n, struct fw_err *err)
{
    fw_rc rc = FW_OK;

    for (size_t i = 0; i < n && rc == FW_OK; i++) {
        if (fw_double_bits(v[i]) == FW_STALE_BITS || in_gap(w, t[i]))
            continue; /* no sample, but the word that there is none */
        if (w->sum.row.n > 0 &&
            (w->sum.row.series != series || t[i] > w->row_end))
            rc = end_row(w, err);
        if (w->sum.row.n == 0) {
            rollup_sum_begin(&w->sum, series, t[i]);
            w->row_end = end_of_hour(t[i], w->step);
        }
        rollup_sum_see(&w->sum, t[i], v[i]);
    }
    return rc;
}

/* ---- The file -------------------------------------------------------------
 */

fw_rc rollup_begin(struct rollup_writer *w, const char *part_dir,
                   const struct partition *made, fw_ms step, struct fw_err *err)
{
    *w = (struct rollup_writer){.step = step};
    segment_writer_init(&w->segment);
    w->segment.target = ROW_TARGET;
    w->segment.flags = SEGMENT_ROWS;
    return partition_build_begin(&w->builder, part_dir, made->name,
                                 made->map_bytes, err);
}

static fw_rc put_index(struct rollup_writer *w, struct fw_err *err)
{
    fw_rc rc = FW_OK;

    w->segment.flags = SEGMENT_ROWS | SEGMENT_INDEX;
    for (size_t i = 0; i < w->index_count && rc == FW_OK; i++)
        rc = put_row(w, &w->index[i], err);
    return rc == FW_OK ? close_segment(w, err) : rc;
}

fw_rc rollup_finish(struct rollup_writer *w, const struct partition *made,
                    struct fw_err *err)
{
    fw_rc rc = end_row(w, err);

    if (rc == FW_OK && w->index_count == 0)
        return FW_NONE;
    if (rc == FW_OK)
        rc = close_segment(w, err);
    if (rc == FW_OK)
        rc = put_index(w, err);
    return rc == FW_OK
               ? partition_build_finish(&w->builder, made->first, made->last,
                                        w->row_segments, err)
               : rc;
}

void rollup_release(struct rollup_writer *w)
{
    partition_build_release(&w->builder);
    segment_writer_release(&w->segment);
    free(w->index);
    w->index = NULL;
}

/* ---- Checking -------------------------------------------------------------
 */

static const char *check_row(struct rollup_check *c,
                             const struct segment_block *row)
{
    bool index = c->index;

    if (c->any &&
        (row->series < c->series ||
         (row->series == c->series && (index || row->t_min <= c->last))))
        return "its rows do not rise";
    if (row->t_min < c->part->first || row->t_max > c->part->last)
        return "its times belong to another partition";
    if (!registry_has(&c->store->registry, row->series))
        return "its series has no labels in the registry";
    if (!index && row->nans < row->n &&
        !(row->min <= row->max && row->first >= row->min &&
          row->first <= row->max && row->last >= row->min &&
          row->last <= row->max))
        return "its numbers contradict each other";
    return NULL;
}

const char *rollup_check_segment(struct rollup_check *c,
                                 const struct segment *s,
                                 const struct segment_block *rows)
{
    const char *what = NULL;

    if (!s->rows)
        return "it has samples and belongs to no rollup";
    if (s->index != c->index) {
        if (c->index)
            return "it stands behind the index";
        c->index = true;
        c->any = false;
    }
    if (s->journal_seq !=
        (rows[0].series | (uint64_t)rows[s->block_count - 1].series << 32))
        return "its header names other series";
    for (uint32_t i = 0; i < s->block_count && what == NULL; i++) {
        what = check_row(c, &rows[i]);
        c->any = true;
        c->series = rows[i].series;
        c->last = rows[i].t_max;
    }
    return what;
}
