/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * head_snap.c - the samples of a series in memory, for readers.
 *
 * Under the lock bytes are copied, some hundreds of them, and references
 * counted; whoever writes to the series waits no longer than that.
 */
#include <stdlib.h>
#include <string.h>

#include "storage/base/bytes.h"
#include "storage/head/head_tail.h"

void head_snap_clear(struct head_snap *snap)
{
    head_area_unref(snap->area, snap->area_bytes);
    snap->area_bytes = 0;
    snap->tail_n = 0;
    snap->late_n = 0;
    snap->run = 0;
    snap->skip = 0;
    snap->n = 0;
}

void head_snap_release(struct head_snap *snap)
{
    head_snap_clear(snap);
    free(snap->area);
    free(snap->tail_t);
    free(snap->late);
    free(snap->t);
    free(snap->held);
    *snap = (struct head_snap){0};
}

/* ---- Copying --------------------------------------------------------------
 */

static fw_rc take_area(struct head_snap *snap, const struct head_series *s,
                       size_t first, size_t end, size_t samples)
{
    fw_rc rc = fw_grow(&snap->area, &snap->area_cap, end - first, 1, SIZE_MAX);

    if (rc != FW_OK)
        return rc;
    if (end > first)
        memcpy(snap->area, head_area(s) + first, end - first);
    snap->area_bytes = end - first;
    head_area_ref(snap->area, snap->area_bytes);
    snap->run += samples;
    return FW_OK;
}

/* Chunks are in order of time, so those in the range stand together. */
static fw_rc take_chunks(struct head_snap *snap, const struct head_series *s,
                         fw_ms from, fw_ms to)
{
    size_t first = 0, end = 0, samples = 0;
    struct head_chunk chunk;

    if (from == INT64_MIN && to == INT64_MAX) /* no need to look at them */
        return take_area(snap, s, 0, s->area_bytes, s->packed);
    for (size_t at = 0; at < s->area_bytes;) {
        size_t next = head_chunk_get(head_area(s), at, &chunk);

        if (chunk.times->first > to)
            break;
        if (chunk.times->last < from) {
            first = next;
        } else {
            samples += chunk.n;
        }
        end = next;
        at = next;
    }
    return end > first ? take_area(snap, s, first, end, samples) : FW_OK;
}

/* The samples [from, to) of the tail. */
static fw_rc take_tail(struct head_snap *snap, const struct head_series *s,
                       size_t from, size_t to)
{
    size_t n = to - from;

    if (n == 0)
        return FW_OK;
    if (n > snap->tail_cap) {
        free(snap->tail_t);
        snap->tail_cap = 0;
        snap->tail_t = malloc(n * (sizeof(*snap->tail_t) + sizeof(uint64_t)));
        if (snap->tail_t == NULL)
            return FW_ENOMEM;
        snap->tail_cap = n;
        snap->tail_bits = (uint64_t *)(void *)(snap->tail_t + n);
    }
    memcpy(snap->tail_t, s->column->t + s->column_at + from,
           n * sizeof(*snap->tail_t));
    head_tail_get(s, from, n, snap->tail_bits);
    snap->tail_n = n;
    snap->run += n;
    return FW_OK;
}

static fw_rc take_tail_between(struct head_snap *snap,
                               const struct head_series *s, fw_ms from,
                               fw_ms to)
{
    const fw_ms *t = s->tail_n > 0 ? s->column->t + s->column_at : NULL;
    size_t first = from == INT64_MIN ? 0 : head_lower_bound(t, s->tail_n, from);
    size_t end =
        to == INT64_MAX ? s->tail_n : head_lower_bound(t, s->tail_n, to + 1);

    return take_tail(snap, s, first, end > first ? end : first);
}

static fw_rc take_late(struct head_snap *snap, const struct head_series *s)
{
    size_t n = head_late_count(s);
    fw_rc rc;

    if (n == 0)
        return FW_OK;
    rc = fw_grow(&snap->late, &snap->late_cap, n, sizeof(*snap->late),
                 SIZE_MAX / sizeof(*snap->late));
    if (rc != FW_OK)
        return rc;
    memcpy(snap->late, s->late->items, n * sizeof(*snap->late));
    snap->late_n = n;
    return FW_OK;
}

fw_rc head_snap_take(struct head_snap *snap, const struct head_series *s,
                     fw_ms from, fw_ms to)
{
    fw_rc rc;

    head_snap_clear(snap);
    snap->hint = s->hint;
    rc = take_chunks(snap, s, from, to);
    if (rc == FW_OK)
        rc = take_tail_between(snap, s, from, to);
    if (rc == FW_OK)
        rc = take_late(snap, s);
    if (rc != FW_OK)
        head_snap_clear(snap);
    return rc;
}

fw_rc head_snap_take_full(struct head_snap *snap, const struct head_series *s)
{
    size_t want = head_full(s);
    struct head_chunk chunk;
    size_t end = 0, samples = 0;
    fw_rc rc;

    head_snap_clear(snap);
    snap->hint = s->hint;
    while (end < s->area_bytes) {
        size_t next = head_chunk_get(head_area(s), end, &chunk);

        if (samples + chunk.n > want && samples > 0)
            break;
        samples += chunk.n;
        end = next;
    }
    rc = take_area(snap, s, 0, end, samples);
    if (rc == FW_OK && end == s->area_bytes && samples < want)
        rc = take_tail(snap, s, 0, want - samples);
    if (rc != FW_OK)
        head_snap_clear(snap);
    return rc;
}

fw_rc head_snap_take_behind(struct head_snap *snap, const struct head_series *s,
                            size_t skip)
{
    size_t first = 0, samples = 0;
    struct head_chunk chunk;
    fw_rc rc;

    head_snap_clear(snap);
    snap->hint = s->hint;
    while (first < s->area_bytes) {
        size_t next = head_chunk_get(head_area(s), first, &chunk);

        if (samples + chunk.n > skip)
            break;
        samples += chunk.n;
        first = next;
    }
    rc = take_area(snap, s, first, s->area_bytes, s->packed - samples);
    snap->skip = skip - samples;
    if (rc == FW_OK)
        rc = take_tail(snap, s, 0, s->tail_n);
    if (rc != FW_OK)
        head_snap_clear(snap);
    return rc;
}

/* ---- Unpacking ------------------------------------------------------------
 */

static fw_rc room_for(struct head_snap *snap, size_t n)
{
    fw_ms *t;

    if (n <= snap->cap)
        return FW_OK;
    t = malloc(n * (sizeof(*snap->t) + sizeof(*snap->v)));
    if (t == NULL)
        return FW_ENOMEM;
    free(snap->t);
    snap->t = t;
    snap->v = (double *)(void *)(t + n);
    snap->cap = n;
    snap->held_count = 0;
    snap->held_n = 0;
    return FW_OK;
}

/* Puts the late ones among the others, from the end, where there is room. */
static void merge_late(struct head_snap *snap)
{
    const struct head_item *late = snap->late;
    size_t i = snap->n, j = snap->late_n, at = snap->n + snap->late_n;

    snap->n = at;
    while (j > 0) {
        at--;
        if (i > 0 && snap->t[i - 1] > late[j - 1].t) {
            i--;
            snap->t[at] = snap->t[i];
            memmove(snap->v + at, snap->v + i, sizeof(*snap->v));
        } else {
            j--;
            snap->t[at] = late[j].t;
            memcpy(snap->v + at, &late[j].bits, sizeof(*snap->v));
        }
    }
}

/* Whether chunk number `i` has the times that are in snap->t already. */
static bool has_times_of(const struct head_snap *snap, size_t i, uint64_t id)
{
    return i < snap->held_count && snap->held[i] == id;
}

/* Unpacks the times of a chunk, unless the series before had the same. */
static fw_rc put_times(struct head_snap *snap, size_t i,
                       const struct head_times *times)
{
    fw_rc rc;

    if (has_times_of(snap, i, times->id))
        return FW_OK;
    snap->same_times = false;
    snap->held_count = i; /* what comes behind is overwritten */
    rc = fw_grow(&snap->held, &snap->held_cap, i + 1, sizeof(*snap->held),
                 SIZE_MAX / sizeof(*snap->held));
    if (rc != FW_OK)
        return rc;
    head_times_get(times, snap->t + snap->n);
    snap->held[i] = times->id;
    snap->held_count = i + 1;
    return FW_OK;
}

static void put_tail(struct head_snap *snap)
{
    size_t bytes = snap->tail_n * sizeof(*snap->t);

    if (snap->tail_n == 0)
        return;
    if (!snap->same_times ||
        memcmp(snap->t + snap->n, snap->tail_t, bytes) != 0) {
        snap->same_times = false;
        memcpy(snap->t + snap->n, snap->tail_t, bytes);
    }
    memcpy(snap->v + snap->n, snap->tail_bits, snap->tail_n * sizeof(*snap->v));
    snap->n += snap->tail_n;
}

fw_rc head_snap_unpack(struct head_snap *snap)
{
    fw_rc rc = room_for(snap, snap->run + snap->late_n);
    struct head_chunk chunk;
    size_t chunks = 0;

    if (rc != FW_OK)
        return rc;
    snap->n = 0;
    snap->same_times = snap->held_n == snap->run && snap->late_n == 0;
    for (size_t at = 0; at < snap->area_bytes; chunks++) {
        at = head_chunk_get(snap->area, at, &chunk);
        rc = put_times(snap, chunks, chunk.times);
        if (rc != FW_OK)
            return rc;
        head_chunk_values(&chunk, snap->v + snap->n);
        snap->n += chunk.n;
    }
    snap->held_count = chunks; /* the tail overwrites what was behind them */
    put_tail(snap);
    snap->held_n = snap->n;
    if (snap->late_n > 0) {
        merge_late(snap);
        snap->held_count = 0;
        snap->held_n = 0;
    }
    return FW_OK;
}
