/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * head_ring.c - what checkpoints have of a series (checkpoint.h), and back.
 */
#include "storage/head/head_parts.h"

#include <stdlib.h>
#include <string.h>

void head_saved(struct head *h, uint32_t id, uint32_t ring, bool all,
                uint32_t run, uint64_t seq_next)
{
    struct head_series *s = head_get(h, id);

    head_lock(h, id);
    s->saved = run;
    if (all || s->ring_first == 0)
        s->ring_first = ring;
    s->seq_first = seq_next;
    head_unlock(h, id);
}

uint64_t head_oldest_ring(struct head *h)
{
    uint32_t limit = head_limit(h);
    uint64_t oldest = UINT64_MAX;

    for (uint32_t id = 0; id < limit; id++) {
        const struct head_series *s = head_get(h, id);

        /* Only the sealing thread, which asks, changes it. */
        if (s != NULL && s->ring_first != 0 && s->ring_first < oldest)
            oldest = s->ring_first;
    }
    return oldest;
}

/*
 * Where a chunk that begins at `first` goes: chunks from there on, *samples of
 * them, are in it, since it was packed from them and what came next. False if
 * it begins inside of one, or of a block.
 */
static bool find_place(const struct head_series *s, fw_ms first, size_t *place,
                       uint32_t *samples)
{
    struct head_chunk chunk;

    if (s->block_count > 0 && first <= s->sealed_max)
        return false;
    *samples = 0;
    *place = s->area_bytes;
    for (size_t at = 0; at < s->area_bytes;) {
        size_t next = head_chunk_get(head_area(s), at, &chunk);

        if (*samples == 0 && chunk.times->first < first) {
            if (chunk.times->last >= first)
                return false;
        } else {
            *place = *samples == 0 ? at : *place;
            *samples += chunk.n;
        }
        at = next;
    }
    return true;
}

/*
 * What a series had taught when its chunk was packed is seen from the chunk,
 * and its tail becomes as it was then: else each of them would be packed soon,
 * and searched for how.
 */
static struct head_form form_behind(struct head_series *s,
                                    const struct head_chunk *chunk,
                                    const double *v)
{
    uint64_t bits[HEAD_CHUNK_SAMPLES];

    memcpy(bits, v, chunk->n * sizeof(*bits));
    values_hint_of(chunk->values, chunk->bytes, chunk->n, &s->hint);
    return head_form_behind(bits, chunk->n, &s->hint);
}

fw_rc head_restore(struct head *h, uint32_t id, const struct head_chunk *chunk,
                   const double *v, uint32_t ring, uint64_t seq_next)
{
    char room[HEAD_CHUNK_HEADER + HEAD_VALUES_ROOM];
    struct head_series *s = head_get(h, id);
    bool any = (s->flags & HEAD_HAS_SAMPLES) != 0;
    int64_t full = head_full(s);
    struct fw_str bytes = {room, 0};
    fw_ms first = chunk->times->first, last = chunk->times->last;
    size_t n = chunk->n, cut = 0, place = s->area_bytes;
    uint32_t replaced = 0;
    fw_ms t[HEAD_CHUNK_SAMPLES];
    struct head_form form;
    size_t tail_bytes;
    char *data;

    if (any && last <= s->newest)
        return FW_OK;
    if (any && first <= s->newest && !find_place(s, first, &place, &replaced)) {
        place = s->area_bytes;
        replaced = 0;
        head_times_get(chunk->times, t);
        cut = head_lower_bound(t, n, s->newest + 1);
        first = t[cut];
        if (head_cut_chunk(chunk, cut, room, &bytes) != FW_OK)
            return FW_ENOMEM;
    } else {
        bytes.n = head_chunk_put(room, head_times_ref(chunk->times),
                                 chunk->values, chunk->bytes);
    }
    form = form_behind(s, chunk, v);
    if (form.form == 0)
        form.cap = 0; /* a plain tail grows */
    /* The tail that is there, from the chunk before, is empty. */
    tail_bytes = head_tail_bytes(form.form, form.cap);
    data = head_slabs_new(&h->slabs, tail_bytes + place + bytes.n);
    if (data == NULL) {
        head_area_unref(bytes.p, bytes.n);
        return FW_ENOMEM;
    }
    if (form.form != 0)
        memcpy(data, &form.units, sizeof(form.units));
    if (place > 0)
        memcpy(data + tail_bytes, head_area(s), place);
    memcpy(data + tail_bytes + place, bytes.p, bytes.n);
    if (place < s->area_bytes)
        head_area_unref(head_area(s) + place, s->area_bytes - place);
    head_take_data(h, s, data, &form, place + bytes.n);
    s->packed += (uint32_t)(n - cut) - replaced;
    s->saved = s->packed;
    s->ring_first = s->ring_first == 0 ? ring : s->ring_first;
    s->seq_first = seq_next;
    s->oldest = any && s->oldest < first ? s->oldest : first;
    s->newest = last;
    s->flags |= HEAD_HAS_SAMPLES;
    (void)atomic_fetch_add(&h->samples, n - cut - replaced);
    (void)atomic_fetch_add(&h->full, head_full(s) - full);
    head_see_newest(h, last);
    return FW_OK;
}
