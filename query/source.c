/* SPDX-License-Identifier: GPL-3.0-or-later */
/* source.c - the local store as a source; arrays of samples; what a selector
 * selects. */
#include <stdlib.h>

#include "query/eval/eval.h"
#include "storage/base/limits.h"

static fw_rc store_select(void *self, const struct fw_matcher *matchers,
                          size_t n, fw_ms from, fw_ms to, size_t max_series,
                          struct fw_arena *arena, struct fw_series **series,
                          size_t *count, struct fw_err *err)
{
    return fw_store_select(self, matchers, n, from, to, max_series, arena,
                           series, count, err);
}

static fw_rc store_open(void *self, uint32_t series, fw_ms from, fw_ms to,
                        void **cursor, struct fw_err *err)
{
    struct fw_cursor *opened = NULL;
    fw_rc rc = fw_cursor_open(self, series, from, to, &opened, err);

    if (rc == FW_OK)
        *cursor = opened;
    return rc;
}

static fw_rc store_next(void *self, void *cursor, struct fw_run *run,
                        struct fw_err *err)
{
    (void)self; /* the cursor knows its store */
    return fw_cursor_next(cursor, run, err);
}

static void store_close(void *self, void *cursor)
{
    (void)self;
    fw_cursor_close(cursor);
}

static fw_rc store_reset(void *self, void *cursor, uint32_t series, fw_ms from,
                         fw_ms to, struct fw_err *err)
{
    (void)self;
    return fw_cursor_reset(cursor, series, from, to, err);
}

static fw_rc store_peek(void *self, void *cursor, struct fw_summary *summary,
                        struct fw_err *err)
{
    (void)self;
    return fw_cursor_peek(cursor, summary, err);
}

static fw_rc store_span(void *self, void *cursor, fw_ms *first, fw_ms *last)
{
    (void)self;
    return fw_cursor_span(cursor, first, last);
}

static void store_skip(void *self, void *cursor)
{
    (void)self;
    fw_cursor_skip(cursor);
}

static void store_hold(void *self, void *cursor, bool on)
{
    (void)self;
    fw_cursor_hold(cursor, on);
}

static fw_ms store_rollups_last(void *self)
{
    return fw_store_rollups_last(self);
}

static fw_rc store_rollups_open(void *self, void **rollups, struct fw_err *err)
{
    struct fw_rollups *opened = NULL;
    fw_rc rc = fw_rollups_open(self, &opened, err);

    if (rc == FW_OK)
        *rollups = opened;
    return rc;
}

static fw_rc store_rollups_read(void *self, void *rollups, uint32_t series,
                                fw_ms from, fw_ms to,
                                const struct fw_summary **rows, size_t *n,
                                struct fw_err *err)
{
    (void)self;
    return fw_rollups_read(rollups, series, from, to, rows, n, err);
}

static void store_rollups_close(void *self, void *rollups)
{
    (void)self;
    fw_rollups_close(rollups);
}

struct fw_source fw_source_of_store(struct fw_store *store)
{
    return (struct fw_source){.select = store_select,
                              .open = store_open,
                              .next = store_next,
                              .close = store_close,
                              .self = store,
                              .reset = store_reset,
                              .peek = store_peek,
                              .skip = store_skip,
                              .span = store_span,
                              .hold = store_hold,
                              .rollups_last = store_rollups_last,
                              .rollups_open = store_rollups_open,
                              .rollups_read = store_rollups_read,
                              .rollups_close = store_rollups_close};
}

/* ---- Samples of a series ------------------------------------------------ */

void samples_release(struct samples *s)
{
    free(s->t);
    free(s->v);
    *s = (struct samples){0};
}

fw_rc samples_reserve(struct samples *s, size_t more, struct fw_err *err)
{
    size_t max = FW_MAX_QUERY_BYTES / (sizeof(*s->t) + sizeof(*s->v));
    size_t cap = s->cap;
    fw_rc rc;

    if (s->cap - s->n >= more)
        return FW_OK;
    rc = fw_grow(&s->t, &cap, s->n + more, sizeof(*s->t), max);
    if (rc == FW_OK)
        rc = fw_grow(&s->v, &s->cap, s->n + more, sizeof(*s->v), max);
    if (rc == FW_ETOOBIG)
        return fw_err_set(err, rc,
                          "one series has more than %zu samples in the range; "
                          "ask for a shorter one",
                          max);
    return rc == FW_OK ? rc : fw_err_set(err, rc, "out of memory");
}

fw_rc samples_add(struct samples *s, fw_ms t, double v, struct fw_err *err)
{
    fw_rc rc = samples_reserve(s, 1, err);

    if (rc != FW_OK)
        return rc;
    s->t[s->n] = t;
    s->v[s->n] = v;
    s->n++;
    return FW_OK;
}

fw_rc select_series(struct eval *ev, const struct node *selector, fw_ms from,
                    fw_ms to, struct fw_series **series, size_t *count)
{
    const struct selector *sel = &selector->selector;
    fw_rc rc = ev->src->select(ev->src->self, sel->matchers, sel->count, from,
                               to, ev->budget->max_series, ev->arena, series,
                               count, ev->err);

    /* The store says how many there are; the budget which option it is. */
    if (rc == FW_ETOOBIG && !fw_arena_capped(ev->arena))
        rc = budget_series(ev->budget, ev->budget->max_series + 1, ev->err);
    if (rc == FW_OK)
        rc = budget_series(ev->budget, *count, ev->err);
    if (rc == FW_OK && ev->costs != NULL)
        ev->costs[selector->id].series += *count;
    return rc;
}

fw_ms shift_time(const struct eval *ev, const struct shift *shift, fw_ms step)
{
    switch (shift->at_kind) {
    case AT_TIME:
        return shift->at - shift->offset;
    case AT_START:
        return ev->start - shift->offset;
    case AT_END:
        return ev->end - shift->offset;
    default:
        return step - shift->offset;
    }
}
