/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "storage/segments/rewrite.h"

#include <stdlib.h>
#include <string.h>

#include "storage/base/crc32c.h"
#include "storage/read/cursor.h"

#define BUFFER_SAMPLES (2 * SEGMENT_SAMPLES_MAX)
#define CLOSED_TARGET ((size_t)256 * 1024) /* bytes of a segment */
#define COMMIT_BYTES ((size_t)16 << 20)    /* segments kept before a commit */

/* What went in must come out: order, number and bits of all samples. */
struct fingerprint {
    uint32_t times, values;
    uint64_t samples;
};

struct writing {
    struct rewrite *w;
    struct partition_builder builder;
    struct segment_writer segment;
    size_t first_block;  /* of the segment being written, in w->blocks */
    struct fw_str *done; /* owned, as their texts: finished segments */
    size_t done_count, done_cap, done_bytes;
    fw_ms *t; /* owned: samples of the series that are in no block yet */
    double *v;
    size_t n;
    size_t block_samples; /* chosen for the series; 0: not yet */
    struct fingerprint in;
    struct rollup_writer rows;
};

static void see_series(struct fingerprint *f, uint32_t series)
{
    f->times = fw_crc32c_more(f->times, &series, sizeof(series));
}

static void see(struct fingerprint *f, const fw_ms *t, const double *v,
                size_t n)
{
    f->times = fw_crc32c_more(f->times, t, n * sizeof(*t));
    f->values = fw_crc32c_more(f->values, v, n * sizeof(*v));
    f->samples += n;
}

/* ---- Segments -------------------------------------------------------------
 */

static fw_rc commit_done(struct writing *o, struct fw_err *err)
{
    fw_rc rc = FW_OK;

    if (o->done_count > 0)
        rc = partition_build_add(&o->builder, o->done, o->done_count, err);
    for (size_t i = 0; i < o->done_count; i++)
        free((void *)(uintptr_t)o->done[i].p);
    o->done_count = 0;
    o->done_bytes = 0;
    return rc;
}

static fw_rc close_segment(struct writing *o, struct fw_err *err)
{
    uint32_t number = o->builder.next_segment + (uint32_t)o->done_count;
    struct fw_str value = {0};
    char *copy = NULL;
    fw_rc rc;

    if (o->segment.n == 0)
        return FW_OK;
    rc = segment_writer_finish(&o->segment, 0, &value);
    if (rc == FW_OK)
        rc = fw_grow(&o->done, &o->done_cap, o->done_count + 1,
                     sizeof(*o->done), UINT32_MAX);
    if (rc == FW_OK && (copy = malloc(value.n)) == NULL)
        rc = FW_ENOMEM;
    if (rc != FW_OK)
        return fw_err_set(err, rc, "out of memory");
    memcpy(copy, value.p, value.n);
    o->done[o->done_count++] = (struct fw_str){copy, value.n};
    o->done_bytes += value.n;
    for (size_t i = o->first_block; i < o->w->block_count; i++)
        o->w->refs[i].segment = number;
    o->first_block = o->w->block_count;
    segment_writer_clear(&o->segment);
    return o->done_bytes >= COMMIT_BYTES ? commit_done(o, err) : FW_OK;
}

/* ---- Blocks ---------------------------------------------------------------
 */

static fw_rc note_block(struct rewrite *w, uint32_t series,
                        const struct block_ref *ref)
{
    fw_rc rc = fw_grow(&w->series, &w->series_cap, w->block_count + 1,
                       sizeof(*w->series), SIZE_MAX / sizeof(*w->refs));

    if (rc == FW_OK)
        rc = fw_grow(&w->refs, &w->ref_cap, w->block_count + 1,
                     sizeof(*w->refs), SIZE_MAX / sizeof(*w->refs));
    if (rc != FW_OK)
        return rc;
    w->series[w->block_count] = series;
    w->refs[w->block_count++] = *ref;
    return FW_OK;
}

/* Adds n samples in blocks of `size`, noting where they are if `note`. */
static fw_rc add_blocks(struct writing *o, uint32_t series, size_t n,
                        size_t size, bool note)
{
    fw_rc rc = FW_OK;

    for (size_t i = 0; i < n && rc == FW_OK; i += size) {
        size_t m = n - i < size ? n - i : size;
        struct block_ref ref;

        rc = segment_writer_add(&o->segment, series, o->t + i, o->v + i, m,
                                NULL, &ref);
        if (rc == FW_OK && note)
            rc = note_block(o->w, series, &ref);
    }
    return rc;
}

/*
 * The size of blocks that makes the first samples of a series smallest, times
 * and directory counted: large ones share what they know, small ones fit.
 */
static fw_rc choose_size(struct writing *o, uint32_t series, size_t n)
{
    static const size_t sizes[] = {SEGMENT_SAMPLES_MAX, 1024, 512};
    struct segment_mark mark = segment_writer_mark(&o->segment);
    size_t before = segment_writer_bytes(&o->segment);
    size_t best = SIZE_MAX;
    fw_rc rc = FW_OK;

    n = n < SEGMENT_SAMPLES_MAX ? n : SEGMENT_SAMPLES_MAX;
    o->block_samples = sizes[0];
    if (n <= sizes[2])
        return FW_OK;
    for (size_t i = 0; i < 3 && rc == FW_OK; i++) {
        size_t bytes;

        if (i + 1 < 3 && n <= sizes[i + 1])
            continue; /* the next one is the same */
        rc = add_blocks(o, series, n, sizes[i], false);
        bytes = segment_writer_bytes(&o->segment) - before;
        segment_writer_rewind(&o->segment, mark);
        if (bytes < best) {
            best = bytes;
            o->block_samples = sizes[i];
        }
    }
    return rc;
}

/* Puts what is buffered into blocks; all of it at the `end` of a series. */
static fw_rc flush(struct writing *o, uint32_t series, bool end,
                   struct fw_err *err)
{
    size_t n = o->n;
    fw_rc rc = FW_OK;

    if (n == 0)
        return FW_OK;
    if (o->block_samples == 0)
        rc = choose_size(o, series, n);
    if (!end)
        n = n / o->block_samples * o->block_samples;
    if (rc == FW_OK)
        rc = add_blocks(o, series, n, o->block_samples, true);
    if (rc != FW_OK)
        return fw_err_set(err, rc, "out of memory");
    memmove(o->t, o->t + n, (o->n - n) * sizeof(*o->t));
    memmove(o->v, o->v + n, (o->n - n) * sizeof(*o->v));
    o->n -= n;
    return segment_writer_full(&o->segment) ? close_segment(o, err) : FW_OK;
}

static fw_rc put_run(struct writing *o, uint32_t series, struct fw_run run,
                     struct fw_err *err)
{
    fw_rc rc = FW_OK;

    see(&o->in, run.t, run.v, run.n);
    if (o->w->rollup != NULL)
        rc = rollup_samples(&o->rows, series, run.t, run.v, run.n, err);
    while (run.n > 0 && rc == FW_OK) {
        size_t n =
            run.n < BUFFER_SAMPLES - o->n ? run.n : BUFFER_SAMPLES - o->n;

        memcpy(o->t + o->n, run.t, n * sizeof(*o->t));
        memcpy(o->v + o->n, run.v, n * sizeof(*o->v));
        o->n += n;
        run.t += n;
        run.v += n;
        run.n -= n;
        if (o->n == BUFFER_SAMPLES)
            rc = flush(o, series, false, err);
    }
    return rc;
}

static fw_rc put_series(struct writing *o, struct fw_cursor *cursor,
                        uint32_t series, struct fw_err *err)
{
    struct rewrite *w = o->w;
    struct fw_run run = {0};
    bool any = false;
    fw_rc rc =
        cursor_reset_parts(cursor, series, w->sources, w->source_count, err);

    o->block_samples = 0;
    while (rc == FW_OK) {
        rc = fw_cursor_next(cursor, &run, err);
        if (rc != FW_OK)
            break;
        if (!any)
            see_series(&o->in, series);
        any = true;
        rc = put_run(o, series, run, err);
        if (rc == FW_OK && atomic_load(w->cancel))
            return FW_END;
    }
    return rc == FW_END ? flush(o, series, true, err) : rc;
}

static fw_rc put_all(struct writing *o, struct fw_err *err)
{
    struct rewrite *w = o->w;
    uint32_t limit = head_limit(&w->store->head);
    struct fw_cursor *cursor = NULL;
    fw_rc rc = cursor_new(w->store, &cursor, err);

    for (uint32_t id = 0; id < limit && rc == FW_OK; id++) {
        rc = put_series(o, cursor, id, err);
        if (rc == FW_OK && atomic_load(w->cancel))
            rc = FW_END;
    }
    fw_cursor_close(cursor);
    if (rc == FW_OK)
        rc = close_segment(o, err);
    if (rc == FW_OK)
        rc = commit_done(o, err);
    return rc;
}

/* ---- The rollup -----------------------------------------------------------
 */

static fw_rc begin_rollup(struct writing *o, struct fw_err *err)
{
    struct rewrite *w = o->w;
    fw_ms step = w->store->options.rollup_step;
    fw_rc rc = FW_OK;

    if (w->rollup == NULL)
        return FW_OK;
    rc = rollup_begin(&o->rows, w->store->manifest.dir, w->rollup, step, err);
    o->rows.gaps = w->gaps;
    o->rows.gap_count = w->gap_count;
    return rc;
}

static fw_rc check_rows(void *self, uint32_t number, struct fw_str bytes,
                        struct fw_err *err)
{
    struct rollup_check *check = self;
    struct segment_block *rows = NULL;
    struct segment segment;
    const char *what = NULL;
    fw_rc rc = segment_open(&segment, bytes, err);

    if (rc == FW_OK)
        rc = segment_directory(&segment, &rows, err);
    if (rc == FW_OK)
        what = rollup_check_segment(check, &segment, rows);
    free(rows);
    return what == NULL ? rc
                        : fw_err_set(err, FW_ECORRUPT, "%s, segment %u: %s",
                                     check->part->path, number, what);
}

static fw_rc read_rollup_back(const struct rewrite *w, struct partition *made,
                              struct fw_err *err)
{
    struct rollup_check check = {.part = made, .store = w->store};

    return partition_scan(made, check_rows, &check, NULL, err);
}

static fw_rc finish_rollup(struct writing *o, struct fw_err *err)
{
    struct rewrite *w = o->w;
    fw_rc rc = FW_OK;

    if (w->rollup == NULL)
        return FW_OK;
    rc = rollup_finish(&o->rows, w->rollup, err);
    w->no_rows = rc == FW_NONE;
    if (rc == FW_OK)
        rc = read_rollup_back(w, w->rollup, err);
    return rc == FW_NONE ? FW_OK : rc;
}

/* ---- Reading it back ------------------------------------------------------
 */

static fw_rc read_back(struct writing *o, struct fw_err *err)
{
    struct rewrite *w = o->w;
    /* Not one of the pool: the new partition has no number for its caches. */
    struct block_reader *reader = block_reader_new();
    struct fingerprint out = {0};
    struct fw_run run = {0};
    fw_rc rc =
        reader != NULL ? FW_OK : fw_err_set(err, FW_ENOMEM, "out of memory");

    for (size_t i = 0; i < w->block_count && rc == FW_OK; i++) {
        if (i == 0 || w->series[i] != w->series[i - 1])
            see_series(&out, w->series[i]);
        rc = block_reader_read(reader, w->made, &w->refs[i], w->series[i], &run,
                               err);
        if (rc == FW_OK)
            see(&out, run.t, run.v, run.n);
        if (rc == FW_OK && atomic_load(w->cancel))
            rc = FW_END;
    }
    block_reader_free(reader);
    if (rc == FW_OK &&
        (out.times != o->in.times || out.values != o->in.values ||
         out.samples != o->in.samples))
        rc = fw_err_set(err, FW_ECORRUPT,
                        "%s does not read as it was written: %llu samples of "
                        "%llu",
                        w->made->path, (unsigned long long)out.samples,
                        (unsigned long long)o->in.samples);
    return rc;
}

/* ---- The whole ------------------------------------------------------------
 */

static uint64_t complete_of(const struct rewrite *w)
{
    uint64_t complete = 0;

    for (size_t i = 0; i < w->source_count; i++)
        if (w->sources[i]->complete > complete)
            complete = w->sources[i]->complete;
    return complete;
}

static fw_rc write_file(struct writing *o, struct fw_err *err)
{
    struct rewrite *w = o->w;
    fw_rc rc = partition_build_begin(&o->builder, w->store->manifest.dir,
                                     w->made->name, w->made->map_bytes, err);

    if (rc == FW_OK)
        rc = begin_rollup(o, err);
    if (rc == FW_OK)
        rc = put_all(o, err);
    if (rc == FW_OK && w->block_count == 0)
        rc = FW_NONE;
    if (rc == FW_OK)
        rc = finish_rollup(o, err);
    if (rc == FW_OK)
        rc = partition_build_finish(&o->builder, w->made->first, w->made->last,
                                    complete_of(w), err);
    partition_build_release(&o->builder);
    if (w->rollup != NULL)
        rollup_release(&o->rows);
    return rc;
}

static fw_rc rewrite_rollups(struct rewrite *w, struct fw_err *err)
{
    fw_rc rc = rollup_rewrite(w->store, w->made, w->sources, w->source_count,
                              w->cancel, err);

    return rc == FW_OK ? read_rollup_back(w, w->made, err) : rc;
}

fw_rc rewrite_run(struct rewrite *w, struct fw_err *err)
{
    struct writing o = {.w = w};
    fw_rc rc = FW_OK;

    if (w->rollups_only)
        return rewrite_rollups(w, err);
    segment_writer_init(&o.segment);
    o.segment.target = CLOSED_TARGET;
    o.segment.deflate = true;
    o.t = malloc(BUFFER_SAMPLES * sizeof(*o.t));
    o.v = malloc(BUFFER_SAMPLES * sizeof(*o.v));
    if (o.t == NULL || o.v == NULL)
        rc = fw_err_set(err, FW_ENOMEM, "out of memory");
    if (rc == FW_OK)
        rc = write_file(&o, err);
    if (rc == FW_OK)
        rc = read_back(&o, err);
    w->samples = o.in.samples;
    for (size_t i = 0; i < o.done_count; i++)
        free((void *)(uintptr_t)o.done[i].p);
    free(o.done);
    free(o.t);
    free(o.v);
    segment_writer_release(&o.segment);
    return rc;
}

void rewrite_release(struct rewrite *w)
{
    for (size_t i = 0; i < w->source_count; i++)
        partition_unref(w->sources[i]);
    free(w->sources);
    for (size_t i = 0; i < w->old_count; i++)
        partition_unref(w->old_rollups[i]);
    free(w->old_rollups);
    free(w->gaps);
    partition_unref(w->made);
    partition_unref(w->rollup);
    free(w->series);
    free(w->refs);
    *w = (struct rewrite){0};
}
