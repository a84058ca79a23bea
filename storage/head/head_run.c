/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * head_run.c - chunks and tail of a series: the samples that came in order.
 */
#include "storage/head/head_parts.h"

#include <stdlib.h>
#include <string.h>

#define FETCH_AHEAD 4    /* series: about as long as memory takes */
#define PACKS_AT_ONCE 64 /* a lock is held for: some tens of microseconds */
#define NEIGHBOURS 1024  /* series that have their blocks together */
#define FIRST_DUES 32    /* so many lengths of first blocks */

void head_take_data(struct head *h, struct head_series *s, char *data,
                    const struct head_form *form, size_t bytes)
{
    size_t had = head_tail_bytes(s->tail_form, s->tail_cap);
    size_t has = head_tail_bytes(form->form, form->cap);

    head_slabs_free(&h->slabs, s->data, had + s->area_bytes);
    s->data = data;
    s->area_bytes = (uint32_t)bytes;
    s->tail_form = form->form;
    s->tail_cap = form->cap;
    if (has != had)
        (void)atomic_fetch_add_explicit(
            &h->plain_bytes, (int64_t)has - (int64_t)had, memory_order_relaxed);
}

bool head_set_tail_cap(struct head *h, struct head_series *s, uint32_t cap)
{
    struct head_form form = {.cap = cap};
    size_t tail_bytes = head_tail_bytes(form.form, cap);
    char *data = head_slabs_new(&h->slabs, tail_bytes + s->area_bytes);

    if (data == NULL)
        return false;
    head_tail_get(s, 0, s->tail_n, (uint64_t *)(void *)data);
    if (s->area_bytes > 0)
        memcpy(data + tail_bytes, head_area(s), s->area_bytes);
    head_take_data(h, s, data, &form, s->area_bytes);
    return true;
}

void head_empty(struct head *h, struct head_series *s)
{
    if (s->data != NULL)
        head_area_unref(head_area(s), s->area_bytes);
    head_take_data(h, s, NULL, &(struct head_form){0}, 0);
    head_column_unref(s->column);
    s->column = NULL;
    s->column_at = 0;
}

/* ---- Packing --------------------------------------------------------------
 */

/* The chunks that stay, then the fresh ones, behind an empty tail. */
static bool take_fresh(struct head *h, struct head_series *s, size_t keep,
                       const struct head_form *form)
{
    const struct head_packer *p = &h->packer;
    size_t tail_bytes = head_tail_bytes(form->form, form->cap);
    char *data = head_slabs_new(&h->slabs, tail_bytes + keep + p->fresh_bytes);

    if (data == NULL)
        return false;
    if (form->form != 0)
        memcpy(data, &form->units, sizeof(form->units));
    if (keep > 0)
        memcpy(data + tail_bytes, head_area(s), keep);
    memcpy(data + tail_bytes + keep, p->fresh, p->fresh_bytes);
    head_area_unref(head_area(s) + keep, s->area_bytes - keep);
    head_take_data(h, s, data, form, keep + p->fresh_bytes);
    return true;
}

/*
 * Series that came together would all have the longest run at one time. So the
 * first block of one that is packed is shorter than others, by its id;
 * neighbours, which may share their times on disk, stay together.
 */
static uint16_t first_due(uint32_t id)
{
    uint32_t group = id / NEIGHBOURS % FIRST_DUES, mirrored = 0;

    for (uint32_t bit = 1; bit < FIRST_DUES; bit *= 2) {
        mirrored = mirrored * 2 + group % 2;
        group /= 2;
    }
    return (uint16_t)(HEAD_BLOCK_SAMPLES / FIRST_DUES *
                      (FIRST_DUES - mirrored));
}

static void decide_due(struct head_hold *hold, struct head_series *s,
                       uint32_t id)
{
    int64_t full = head_full(s);

    if (s->due != 0)
        return;
    s->due = first_due(id);
    hold->full += head_full(s) - full;
    if (head_full(s) > 0)
        head_mark(hold->head, id);
}

static bool too_much(const struct head *h)
{
    return atomic_load_explicit(&h->plain_bytes, memory_order_relaxed) >
           h->plain_max;
}

void head_pack_tail(struct head_hold *hold, struct head_series *s, uint32_t id)
{
    struct head *h = hold->head;
    struct head_packer *p = &h->packer;
    uint64_t narrow[HEAD_NARROW];
    const uint64_t *tail = head_tail(s);
    struct head_form form;
    size_t keep = 0;

    if (s->tail_n < HEAD_TAIL || s->staged > 0 || !too_much(h))
        return;
    if (s->tail_form != 0) {
        head_tail_get(s, 0, s->tail_n, narrow);
        tail = narrow;
    }
    if (head_pack(p, head_area(s), s->area_bytes, s->column, s->column_at, tail,
                  s->tail_n, &s->hint, &keep) != FW_OK)
        return;
    form = head_form_behind(tail, s->tail_n, &s->hint);
    if (!take_fresh(h, s, keep, &form)) {
        head_area_unref(p->fresh, p->fresh_bytes);
        return;
    }
    decide_due(hold, s, id);
    s->packed += s->tail_n;
    s->tail_n = 0;
    head_column_unref(s->column);
    s->column = NULL;
}

bool head_pack_some(struct head_hold *hold)
{
    struct head *h = hold->head;

    for (int i = 0; i < PACKS_AT_ONCE && hold->tails_begin < hold->tails_end &&
                    too_much(h);
         i++) {
        uint32_t id = hold->tails[hold->tails_begin++ % HEAD_TAILS_NOTED];

        head_hold_series(hold, id);
        head_pack_tail(hold, head_get(h, id), id);
    }
    head_let_go(hold);
    if (!too_much(h))
        hold->tails_begin = hold->tails_end;
    return hold->tails_begin < hold->tails_end;
}

void head_pack_tails(struct head_hold *hold)
{
    while (head_pack_some(hold))
        continue;
}

/* ---- Cutting --------------------------------------------------------------
 */

fw_rc head_cut_chunk(const struct head_chunk *chunk, size_t cut,
                     char room[HEAD_CHUNK_HEADER + HEAD_VALUES_ROOM],
                     struct fw_str *out)
{
    uint8_t packed[HEAD_VALUES_ROOM];
    fw_ms t[HEAD_CHUNK_SAMPLES];
    double v[HEAD_CHUNK_SAMPLES];
    struct head_times *times;
    struct values_hint hint;
    size_t bytes;

    head_times_get(chunk->times, t);
    head_chunk_values(chunk, v);
    times = head_times_new(t + cut, chunk->n - cut);
    if (times == NULL)
        return FW_ENOMEM;
    /* What was best for the whole is good enough for a part of it. */
    values_hint_of(chunk->values, chunk->bytes, chunk->n, &hint);
    bytes = values_encode_hastily(v + cut, chunk->n - cut, &hint, packed);
    *out = (struct fw_str){room, head_chunk_put(room, times, packed, bytes)};
    return FW_OK;
}

void head_fetch_ahead(struct head *h, uint32_t id)
{
    uint32_t next = id + FETCH_AHEAD;
    const struct head_series *s =
        head_stripe(h, next) == head_stripe(h, id) ? head_get(h, next) : NULL;

    if (s == NULL || s->data == NULL)
        return;
    for (size_t at = 0; at < s->area_bytes + 64; at += 64)
        __builtin_prefetch(head_area(s) + at);
}

/*
 * Drops samples off the tail, where nothing is in chunks. Those that a commit
 * has staged stand in a narrow one already.
 */
static void cut_tail(struct head_series *s, uint32_t cut)
{
    FW_ASSERT(cut <= s->tail_n);
    s->tail_n -= cut;
    s->column_at += cut;
    if (s->tail_form == 0)
        memmove(head_tail(s), head_tail(s) + cut, s->tail_n * sizeof(uint64_t));
    else
        memmove(head_narrow(s), head_narrow(s) + cut,
                (s->tail_n + s->staged) * sizeof(int16_t));
}

/* Drops all of them, where no commit has been promised room. */
static void empty_run(struct head *h, struct head_series *s)
{
    s->packed = 0;
    s->tail_n = 0;
    head_empty(h, s);
}

fw_rc head_drop_run(struct head *h, struct head_series *s, size_t run)
{
    char room[HEAD_CHUNK_HEADER + HEAD_VALUES_ROOM];
    struct fw_str cut = {room, 0};
    struct head_chunk chunk;
    uint32_t left = (uint32_t)run, tail_cut;
    size_t at = 0, next = 0;
    struct head_form form;
    char *old, *data;
    size_t tail_bytes, rest;

    if (left == s->packed + s->tail_n && s->staged == 0) {
        empty_run(h, s);
        return FW_OK;
    }
    if (s->area_bytes == 0) {
        cut_tail(s, left);
        return FW_OK;
    }
    while (left > 0 && at < s->area_bytes) {
        next = head_chunk_get(head_area(s), at, &chunk);
        if (chunk.n > left)
            break;
        left -= chunk.n;
        at = next;
    }
    tail_cut = at == s->area_bytes ? left : 0;
    if (left > 0 && tail_cut == 0) {
        if (head_cut_chunk(&chunk, left, room, &cut) != FW_OK)
            return FW_ENOMEM;
    } else {
        next = at;
    }
    rest = s->area_bytes - next;
    form = (struct head_form){.form = s->tail_form, .cap = s->tail_cap};
    tail_bytes = head_tail_bytes(form.form, form.cap);
    data = head_slabs_new(&h->slabs, tail_bytes + cut.n + rest);
    if (data == NULL) {
        head_area_unref(cut.p, cut.n);
        return FW_ENOMEM;
    }
    old = head_area(s);
    if (tail_cut > 0)
        cut_tail(s, tail_cut);
    memcpy(data, s->data, tail_bytes);
    if (cut.n > 0)
        memcpy(data + tail_bytes, cut.p, cut.n);
    if (rest > 0)
        memcpy(data + tail_bytes + cut.n, old + next, rest);
    head_area_unref(old, next);
    head_take_data(h, s, data, &form, cut.n + rest);
    s->packed -= (uint32_t)run - tail_cut;
    return FW_OK;
}
