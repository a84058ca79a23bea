/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "storage/read/block_cache.h"

#include <stdlib.h>
#include <string.h>

#include "storage/base/hash.h"

#define SPANNING_MAX 64 /* blocks of one series that overlap in one instant */

void block_cache_release(struct block_cache *c)
{
    for (size_t i = 0; i < BLOCK_CACHE_SLOTS; i++)
        free(c->slots[i].t);
    block_reader_free(c->reader);
    memset(c, 0, sizeof(*c));
}

static size_t spanning(struct head *head, uint32_t series, fw_ms t,
                       struct block_ref out[SPANNING_MAX])
{
    struct head_series *s = head_get(head, series);
    size_t n = 0;

    head_lock(head, series);
    for (uint32_t i = 0; i < s->block_count && n < SPANNING_MAX; i++)
        if (s->blocks[i].t_min <= t && t <= s->blocks[i].t_max)
            out[n++] = s->blocks[i];
    head_unlock(head, series);
    return n;
}

static bool same_block(const struct block_ref *a, const struct block_ref *b)
{
    return a->part == b->part && a->segment == b->segment &&
           a->offset == b->offset;
}

static struct block_cache_slot *slot_of(struct block_cache *c,
                                        const struct block_ref *ref)
{
    uint32_t key[3] = {ref->part, ref->segment, ref->offset};

    return &c->slots[fw_hash64(key, sizeof(key), 0) % BLOCK_CACHE_SLOTS];
}

static bool fill(struct block_cache *c, struct block_cache_slot *slot,
                 struct fw_store *store, uint32_t series,
                 const struct block_ref *ref)
{
    struct partition *part = manifest_ref(&store->manifest, ref->part);
    struct fw_err err = {0};
    struct fw_run run = {0};
    fw_rc rc = FW_NONE;

    slot->filled = false;
    if (slot->cap < ref->n) {
        free(slot->t);
        slot->t = malloc(ref->n * (sizeof(fw_ms) + sizeof(double)));
        slot->cap = slot->t != NULL ? ref->n : 0;
    }
    if (c->reader == NULL)
        c->reader = block_reader_new();
    if (part != NULL && slot->t != NULL && c->reader != NULL)
        rc = block_reader_read(c->reader, part, ref, series, &run, &err);
    partition_unref(part);
    if (rc == FW_OK) {
        memcpy(slot->t, run.t, run.n * sizeof(*run.t));
        memcpy(slot->t + slot->cap, run.v, run.n * sizeof(*run.v));
    }
    if (rc == FW_ECORRUPT)
        (void)atomic_fetch_add(&store->counters.corrupt, 1);
    slot->filled = rc == FW_OK;
    slot->ref = *ref;
    slot->series = series;
    return slot->filled;
}

static bool is_deleted(struct fw_store *store, const struct block_ref *ref,
                       uint32_t series, fw_ms t)
{
    struct partition *part;
    bool deleted;

    if (atomic_load(&store->tombs.count) == 0)
        return false;
    part = manifest_ref(&store->manifest, ref->part);
    deleted = part != NULL && tombs_cover(&store->tombs, series, t, part->rank);
    partition_unref(part);
    return deleted;
}

fw_rc block_cache_find(struct block_cache *c, struct fw_store *store,
                       uint32_t series, fw_ms t, uint64_t *bits)
{
    struct block_ref refs[SPANNING_MAX];
    size_t n = spanning(&store->head, series, t, refs);

    for (size_t i = 0; i < n; i++) {
        struct block_cache_slot *slot = slot_of(c, &refs[i]);
        size_t at;

        if (!(slot->filled && slot->series == series &&
              same_block(&slot->ref, &refs[i])) &&
            !fill(c, slot, store, series, &refs[i]))
            continue;
        at = head_lower_bound(slot->t, refs[i].n, t);
        if (at < refs[i].n && slot->t[at] == t &&
            !is_deleted(store, &refs[i], series, t)) {
            memcpy(bits, (double *)(void *)(slot->t + slot->cap) + at,
                   sizeof(*bits));
            return FW_OK;
        }
    }
    return FW_NONE;
}
