/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "query/eval/reader.h"

#include <math.h>
#include <stdlib.h>

#include "query/eval/lanes.h"
#include "storage/base/limits.h"

#define DIGESTS_MAX 16777216

void *scratch_get(struct scratch *scratch, size_t bytes)
{
    if (bytes > scratch->cap) {
        void *p = bytes <= FW_MAX_QUERY_BYTES ? malloc(bytes) : NULL;

        if (p == NULL)
            return NULL;
        free(scratch->p);
        scratch->p = p;
        scratch->cap = bytes;
    }
    return scratch->p;
}

void reader_init(struct reader *reader, const struct eval *ev)
{
    *reader = (struct reader){.ev = *ev, .new_times = true};
    reader->ev.arena = NULL;
    reader->ev.costs = NULL;
    reader->ev.err = &reader->err;
}

void reader_release(struct reader *reader)
{
    if (reader->cursor != NULL)
        reader->ev.src->close(reader->ev.src->self, reader->cursor);
    if (reader->rollups != NULL)
        reader->ev.src->rollups_close(reader->ev.src->self, reader->rollups);
    samples_release(&reader->samples);
    free(reader->digests);
    free(reader->stretches);
    free(reader->work.p);
    free(reader->bounds.p);
    free(reader->geometry.p);
    *reader = (struct reader){0};
}

void reader_hold(struct reader *reader, bool on)
{
    const struct fw_source *src = reader->ev.src;

    reader->holds = on && src->hold != NULL;
    if (reader->cursor != NULL && src->hold != NULL)
        src->hold(src->self, reader->cursor, on);
}

void reader_account(const struct reader *reader, struct node_cost *cost)
{
    cost->samples += reader->cost.samples;
    cost->runs += reader->cost.runs;
    cost->skipped += reader->cost.skipped;
    cost->summarised += reader->cost.summarised;
    cost->rolled += reader->cost.rolled;
    if (cost->threads < reader->cost.threads)
        cost->threads = reader->cost.threads;
    if (cost->threads == 0)
        cost->threads = 1;
}

/* ---- Runs -----------------------------------------------------------------
 */

/* Samples that are not stale markers; true if there was one. */
static bool add_live(struct samples *s, const struct fw_run *run)
{
    size_t n = s->n;

    for (size_t i = 0; i < run->n; i++) {
        s->t[n] = run->t[i];
        s->v[n] = run->v[i];
        n += !is_absent(run->v[i]);
    }
    s->n = n;
    return true;
}

/*
 * True if the last series had this run's times at this place, as far as can
 * be told without looking at them; notes them for the next one.
 */
static bool known_times(struct reader *r, const struct fw_run *run)
{
    struct stretch s = {run->t[0], run->step, run->n, r->samples.n};
    const struct stretch *old;
    bool known;

    if (run->step == 0 ||
        fw_grow(&r->stretches, &r->stretch_cap, r->stretch_count + 1,
                sizeof(*r->stretches), DIGESTS_MAX) != FW_OK)
        return false;
    old = &r->stretches[r->stretch_count];
    known = r->stretch_count < r->stretch_old && old->first == s.first &&
            old->step == s.step && old->n == s.n && old->at == s.at;
    r->stretches[r->stretch_count++] = s;
    return known;
}

/*
 * `before` is how many samples the last series had: their times still stand in
 * the array, and if those of this run are the same they stay there.
 */
static void add_run(struct reader *r, const struct fw_run *run, bool stale,
                    size_t before)
{
    struct samples *s = &r->samples;
    size_t bytes = run->n * sizeof(*run->t);
    bool whole = lanes_copy(s->v + s->n, run->v, run->n);

    s->whole = s->whole && whole;
    if (!stale && !whole && lanes_have(run->v, run->n, FW_STALE_BITS)) {
        r->new_times = add_live(s, run);
        return;
    }
    if (known_times(r, run) && !r->new_times) {
        /* They stand there already. */
    } else if (r->new_times || s->n + run->n > before ||
               memcmp(s->t + s->n, run->t, bytes) != 0) {
        memcpy(s->t + s->n, run->t, bytes);
        r->new_times = true;
    }
    s->n += run->n;
}

static fw_rc add_digest(struct reader *r, const struct fw_summary *summary)
{
    fw_rc rc = fw_grow(&r->digests, &r->digest_cap, r->digest_count + 1,
                       sizeof(*r->digests), DIGESTS_MAX);

    if (rc != FW_OK)
        return fw_err_set(&r->err, rc, "out of memory");
    r->digests[r->digest_count++] = (struct digest){r->samples.n, *summary};
    return FW_OK;
}

/* FW_OK: the next run was taken as a digest; FW_NONE: it is to be read. */
static fw_rc take_digest(struct reader *r, digest_test test, const void *self)
{
    const struct fw_source *src = r->ev.src;
    struct fw_summary summary = {0};
    fw_ms first, last;
    fw_rc rc = src->span != NULL
                   ? src->span(src->self, r->cursor, &first, &last)
                   : FW_NONE;

    if (rc == FW_OK && !test(self, first, last))
        return FW_NONE; /* no need to look for a summary */
    rc = src->peek(src->self, r->cursor, &summary, &r->err);
    if (rc == FW_ECORRUPT || rc == FW_END)
        return FW_NONE; /* reading it will say so, or still do */
    if (rc != FW_OK)
        return rc;
    if (summary.nans > 0 || !isfinite(summary.sum) ||
        !test(self, summary.t_first, summary.t_last))
        return FW_NONE;
    rc = budget_samples(r->ev.budget, summary.n, &r->err);
    if (rc == FW_OK)
        rc = add_digest(r, &summary);
    if (rc != FW_OK)
        return rc;
    src->skip(src->self, r->cursor);
    r->cost.runs++;
    r->cost.skipped++;
    r->cost.samples += summary.n;
    r->cost.summarised += summary.n;
    return FW_OK;
}

/*
 * What is left of samples that are gone. A row that a window cuts stands for
 * nothing: nobody knows which part of it the window has.
 */
static fw_rc take_rows(struct reader *r, uint32_t series, fw_ms from, fw_ms to)
{
    const struct fw_source *src = r->ev.src;
    const struct fw_summary *rows = NULL;
    size_t n = 0;
    fw_rc rc = FW_OK;

    if (r->rollups == NULL)
        rc = src->rollups_open(src->self, &r->rollups, &r->err);
    if (rc == FW_OK)
        rc = src->rollups_read(src->self, r->rollups, series, from, to, &rows,
                               &n, &r->err);
    if (rc == FW_OK)
        rc = budget_samples(r->ev.budget, n, &r->err);
    for (size_t i = 0; i < n && rc == FW_OK; i++) {
        if (rows[i].nans > 0 || !isfinite(rows[i].sum) ||
            !r->rows_test(r->rows_self, rows[i].t_first, rows[i].t_last))
            continue;
        rc = add_digest(r, &rows[i]);
        r->cost.rolled++;
        r->cost.samples += rows[i].n;
        r->cost.summarised += rows[i].n;
    }
    return rc;
}

static fw_rc take_run(struct reader *r, bool stale, size_t before)
{
    const struct fw_source *src = r->ev.src;
    struct fw_run run = {0};
    fw_rc rc = src->next(src->self, r->cursor, &run, &r->err);

    if (rc == FW_OK)
        rc = budget_samples(r->ev.budget, run.n, &r->err);
    if (rc == FW_OK)
        rc = samples_reserve(&r->samples, run.n, &r->err);
    if (rc != FW_OK)
        return rc;
    add_run(r, &run, stale, before);
    r->cost.runs++;
    r->cost.samples += run.n;
    return FW_OK;
}

static fw_rc point_at(struct reader *r, uint32_t series, fw_ms from, fw_ms to)
{
    const struct fw_source *src = r->ev.src;
    fw_rc rc;

    if (r->cursor != NULL && src->reset != NULL)
        return src->reset(src->self, r->cursor, series, from, to, &r->err);
    if (r->cursor != NULL)
        src->close(src->self, r->cursor);
    r->cursor = NULL;
    rc = src->open(src->self, series, from, to, &r->cursor, &r->err);
    if (rc == FW_OK && r->holds)
        src->hold(src->self, r->cursor, true);
    return rc;
}

fw_rc reader_read(struct reader *r, uint32_t series, fw_ms from, fw_ms to,
                  bool stale, digest_test test, const void *self)
{
    bool digests = test != NULL && r->ev.src->peek != NULL;
    size_t before = r->samples.n;
    bool was_cut = r->digest_count > 0;
    fw_rc rc = point_at(r, series, from, to);

    r->samples.n = 0;
    r->samples.whole = true;
    r->digest_count = 0;
    r->stretch_old = r->stretch_count;
    r->stretch_count = 0;
    r->new_times = false;
    if (rc == FW_OK && r->rows_test != NULL)
        rc = take_rows(r, series, from, to);
    while (rc == FW_OK) {
        if (digests) {
            rc = take_digest(r, test, self);
            if (rc != FW_NONE)
                continue;
        }
        rc = take_run(r, stale, before);
    }
    r->new_times = r->new_times || r->samples.n != before || was_cut ||
                   r->digest_count > 0;
    return rc == FW_END ? FW_OK : rc;
}
