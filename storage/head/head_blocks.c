/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * head_blocks.c - blocks come, and the samples they have leave memory.
 */
#include "storage/head/head_parts.h"

#include <stdlib.h>
#include <string.h>

#define BLOCKS_MAX ((uint32_t)1 << 24)

/* Room for `more`; series are many, so it is not much more than that. */
static fw_rc grow_blocks(struct head *h, struct head_series *s, size_t more)
{
    size_t need = s->block_count + more, cap = need + need / 4;
    struct block_ref *blocks;

    if (need <= s->block_cap)
        return FW_OK;
    if (cap > BLOCKS_MAX)
        return FW_ETOOBIG;
    blocks = head_slabs_new(&h->slabs, cap * sizeof(*blocks));
    if (blocks == NULL)
        return FW_ENOMEM;
    if (s->block_count > 0)
        memcpy(blocks, s->blocks, s->block_count * sizeof(*blocks));
    head_slabs_free(&h->slabs, s->blocks, s->block_cap * sizeof(*blocks));
    s->blocks = blocks;
    s->block_cap = (uint32_t)cap;
    return FW_OK;
}

static void add_ref(struct head_series *s, const struct block_ref *ref)
{
    uint32_t at = s->block_count;

    while (at > 0 && s->blocks[at - 1].t_min > ref->t_min)
        at--;
    memmove(s->blocks + at + 1, s->blocks + at,
            (s->block_count - at) * sizeof(*s->blocks));
    s->blocks[at] = *ref;
    if (s->block_count == 0 || ref->t_max > s->sealed_max)
        s->sealed_max = ref->t_max;
    s->block_count++;
    if ((s->flags & HEAD_HAS_SAMPLES) == 0) {
        s->flags |= HEAD_HAS_SAMPLES;
        s->oldest = ref->t_min;
        s->newest = ref->t_max;
    }
    s->oldest = ref->t_min < s->oldest ? ref->t_min : s->oldest;
    s->newest = ref->t_max > s->newest ? ref->t_max : s->newest;
}

/* Drops late samples whose time is among t[0..n); both are sorted. */
static size_t drop_late(struct head_series *s, const fw_ms *t, size_t n)
{
    struct head_late *late = s->late;
    uint32_t kept = 0, had;

    if (late == NULL)
        return 0;
    had = late->n;
    for (size_t i = 0, j = 0; i < had; i++) {
        while (j < n && t[j] < late->items[i].t)
            j++;
        if (j == n || t[j] != late->items[i].t)
            late->items[kept++] = late->items[i];
    }
    late->n = kept;
    if (kept == 0 && late->staged == 0) {
        free(late);
        s->late = NULL;
    }
    return had - kept;
}

fw_rc head_publish(struct head *h, uint32_t id, const struct block_ref *refs,
                   size_t ref_count, const struct head_leaving *leaving)
{
    struct head_series *s = head_get(h, id);
    uint32_t before;
    size_t gone;
    int64_t full;
    fw_rc rc;

    head_lock(h, id);
    head_fetch_ahead(h, id);
    full = head_full(s);
    before = head_count(s);
    rc = grow_blocks(h, s, ref_count);
    if (rc == FW_OK && leaving != NULL && leaving->run > 0)
        rc = head_drop_run(h, s, leaving->run);
    if (rc == FW_OK) {
        for (size_t i = 0; i < ref_count; i++)
            add_ref(s, &refs[i]);
        if (leaving != NULL) {
            (void)drop_late(s, leaving->t, leaving->n);
            s->saved -=
                (uint32_t)(leaving->run < s->saved ? leaving->run : s->saved);
            s->hint = leaving->hint;
            s->due = (s->flags & HEAD_LEAVES) != 0 ? 0 : HEAD_BLOCK_SAMPLES;
        }
        if (s->saved == 0)
            s->ring_first = 0;
        if ((s->flags & HEAD_LEAVES) != 0)
            s->seq_first = h->leaving_seq;
        s->flags &= (uint8_t)~HEAD_LEAVES;
        if (head_count(s) == 0 && s->staged == 0)
            head_empty(h, s);
    }
    if (head_full(s) > 0)
        head_mark(h, id);
    gone = before - head_count(s);
    full -= head_full(s);
    head_unlock(h, id);
    (void)atomic_fetch_sub_explicit(&h->samples, gone, memory_order_relaxed);
    (void)atomic_fetch_sub_explicit(&h->full, full, memory_order_relaxed);
    for (size_t i = 0; i < ref_count; i++)
        head_see_newest(h, refs[i].t_max);
    return rc;
}

void head_stays(struct head *h, uint32_t id)
{
    head_lock(h, id);
    head_get(h, id)->flags &= (uint8_t)~HEAD_LEAVES;
    head_unlock(h, id);
}

/* INT64_MAX if there is nothing. */
static fw_ms oldest_in_memory(const struct head_series *s)
{
    struct head_chunk chunk;
    fw_ms oldest = INT64_MAX;

    if (s->area_bytes > 0) {
        (void)head_chunk_get(head_area(s), 0, &chunk);
        oldest = chunk.times->first;
    } else if (s->tail_n > 0) {
        oldest = s->column->t[s->column_at];
    }
    if (head_late_count(s) > 0 && s->late->items[0].t < oldest)
        oldest = s->late->items[0].t;
    return oldest;
}

static void forget_locked(struct head_series *s, uint16_t part)
{
    uint32_t kept = 0;
    fw_ms oldest;

    for (uint32_t i = 0; i < s->block_count; i++)
        if (s->blocks[i].part != part)
            s->blocks[kept++] = s->blocks[i];
    if (kept == s->block_count)
        return;
    s->block_count = kept;
    oldest = oldest_in_memory(s);
    if (kept > 0 && s->blocks[0].t_min < oldest)
        oldest = s->blocks[0].t_min;
    if (kept > 0 || head_count(s) > 0)
        s->oldest = oldest;
}

fw_rc head_reserve_blocks(struct head *h, uint32_t id, size_t more)
{
    struct head_series *s = head_get(h, id);
    fw_rc rc;

    head_lock(h, id);
    rc = grow_blocks(h, s, more);
    head_unlock(h, id);
    return rc;
}

static bool among(uint16_t part, const uint16_t *parts, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (parts[i] == part)
            return true;
    return false;
}

void head_replace_blocks(struct head *h, uint32_t id, const uint16_t *parts,
                         size_t part_count, const struct block_ref *refs,
                         size_t ref_count)
{
    struct head_series *s = head_get(h, id);
    uint32_t kept = 0;

    head_lock(h, id);
    for (uint32_t i = 0; i < s->block_count; i++)
        if (!among(s->blocks[i].part, parts, part_count))
            s->blocks[kept++] = s->blocks[i];
    s->block_count = kept;
    FW_ASSERT(kept + ref_count <= s->block_cap);
    for (size_t i = 0; i < ref_count; i++)
        add_ref(s, &refs[i]);
    head_unlock(h, id);
}

void head_forget_part(struct head *h, uint16_t part)
{
    uint32_t limit = head_limit(h);

    for (uint32_t id = 0; id < limit; id++) {
        struct head_series *s = head_get(h, id);

        if (s == NULL)
            continue;
        head_lock(h, id);
        forget_locked(s, part);
        head_unlock(h, id);
    }
}
