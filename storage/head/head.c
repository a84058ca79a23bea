/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "storage/head/head.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "storage/head/head_parts.h"

static size_t table_bytes(const struct head *h)
{
    return h->states_max * (sizeof(*h->states) + sizeof(*h->marks));
}

/*
 * Ids never come again, so there are more of them than series. The table takes
 * address space, and memory where ids have been; from the heap it would be
 * memory that is cleared, 8 MiB whenever a store is opened once more.
 */
static fw_rc map_states(struct head *h)
{
    void *table;

    h->states_max = UINT32_MAX / HEAD_STATES + 1;
    table = mmap(NULL, table_bytes(h), PROT_READ | PROT_WRITE,
                 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (table == MAP_FAILED)
        return FW_ENOMEM;
    h->states = table;
    h->marks = (_Atomic uint64_t *)(void *)(h->states + h->states_max);
    return FW_OK;
}

fw_rc head_init(struct head *h, uint32_t max_series, uint64_t plain_bytes)
{
    memset(h, 0, sizeof(*h));
    for (size_t i = 0; i < HEAD_STRIPES; i++)
        (void)pthread_mutex_init(&h->locks[i], NULL);
    (void)pthread_mutex_init(&h->grow_lock, NULL);
    head_slabs_init(&h->slabs);
    h->groups_max = (size_t)max_series / HEAD_STATES * 2 + 16;
    atomic_init(&h->newest, INT64_MIN);
    h->plain_max = plain_bytes < INT64_MAX ? (int64_t)plain_bytes : INT64_MAX;
    h->recent.bytes = &h->plain_bytes;
    return map_states(h);
}

void head_drop_memory(struct head *h, struct head_series *s)
{
    head_empty(h, s);
    free(s->late);
    head_slabs_free(&h->slabs, s->blocks, s->block_cap * sizeof(*s->blocks));
    s->late = NULL;
    s->blocks = NULL;
    s->block_cap = 0;
}

void head_release(struct head *h)
{
    for (size_t c = 0; h->states != NULL && c < atomic_load(&h->groups_used);
         c++) {
        struct head_series *states = atomic_load(&h->states[c]);

        if (states == NULL || head_is_gone(states))
            continue;
        for (size_t i = 0; i < HEAD_STATES; i++)
            if (states[i].made)
                head_drop_memory(h, &states[i]);
        free(states);
    }
    head_retire_release(h);
    if (h->states != NULL)
        (void)munmap((void *)h->states, table_bytes(h));
    h->states = NULL;
    head_recent_release(&h->recent);
    head_packer_release(&h->packer);
    head_slabs_release(&h->slabs);
    for (size_t i = 0; i < HEAD_STRIPES; i++)
        (void)pthread_mutex_destroy(&h->locks[i]);
    (void)pthread_mutex_destroy(&h->grow_lock);
}

struct head_series *head_get(const struct head *h, uint32_t id)
{
    size_t c = id / HEAD_STATES;
    struct head_series *chunk;

    if (c >= h->states_max)
        return NULL;
    chunk = atomic_load_explicit(&h->states[c], memory_order_acquire);
    return chunk == NULL || head_is_gone(chunk) ? NULL
                                                : &chunk[id % HEAD_STATES];
}

static fw_rc make_group(struct head *h, size_t c)
{
    struct head_series *states;

    if (atomic_load(&h->groups) >= h->groups_max)
        return FW_ETOOBIG;
    states = calloc(HEAD_STATES, sizeof(*states));
    if (states == NULL)
        return FW_ENOMEM;
    (void)atomic_fetch_add(&h->groups, 1);
    if (atomic_load(&h->groups_used) <= c)
        atomic_store(&h->groups_used, c + 1);
    atomic_store_explicit(&h->states[c], states, memory_order_release);
    return FW_OK;
}

fw_rc head_make(struct head *h, uint32_t id)
{
    size_t c = id / HEAD_STATES;
    struct head_series *s;
    fw_rc rc = FW_OK;

    (void)pthread_mutex_lock(&h->grow_lock);
    if (atomic_load(&h->states[c]) == NULL)
        rc = make_group(h, c);
    s = head_get(h, id);
    if (rc == FW_OK && (s == NULL || s->retired))
        rc = FW_NONE;
    if (rc == FW_OK)
        s->made = true;
    (void)pthread_mutex_unlock(&h->grow_lock);
    return rc;
}

void head_lock(struct head *h, uint32_t id)
{
    (void)pthread_mutex_lock(head_stripe(h, id));
}

void head_unlock(struct head *h, uint32_t id)
{
    (void)pthread_mutex_unlock(head_stripe(h, id));
}

uint32_t head_limit(const struct head *h)
{
    size_t ids = atomic_load(&h->groups_used) * HEAD_STATES;

    return ids < UINT32_MAX ? (uint32_t)ids : UINT32_MAX;
}

size_t head_lower_bound(const fw_ms *t, size_t n, fw_ms at)
{
    size_t low = 0;

    while (n > 0) {
        size_t half = n / 2;

        if (t[low + half] < at) {
            low += half + 1;
            n -= half + 1;
        } else {
            n = half;
        }
    }
    return low;
}

/* ---- Holding a lock ---------------------------------------------------------
 */

void head_see_newest(struct head *h, fw_ms t)
{
    int64_t seen = atomic_load_explicit(&h->newest, memory_order_relaxed);

    while (t > seen && !atomic_compare_exchange_weak(&h->newest, &seen, t))
        ;
}

void head_let_go(struct head_hold *hold)
{
    struct head *h = hold->head;

    if (hold->lock == NULL)
        return;
    (void)pthread_mutex_unlock(hold->lock);
    if (hold->shown > 0) {
        head_see_newest(h, hold->newest);
        (void)atomic_fetch_add_explicit(&h->samples, hold->shown,
                                        memory_order_relaxed);
    }
    if (hold->full != 0)
        (void)atomic_fetch_add_explicit(&h->full, hold->full,
                                        memory_order_relaxed);
    hold->lock = NULL;
    hold->calls = 0;
    hold->shown = 0;
    hold->full = 0;
}

void head_hold_release(struct head_hold *hold)
{
    head_let_go(hold);
    free(hold->tails);
    hold->tails = NULL;
    hold->tails_begin = 0;
    hold->tails_end = 0;
}

uint64_t head_take_marks(struct head *h, uint32_t id)
{
    return atomic_exchange(&h->marks[id / HEAD_STATES], 0);
}

/* ---- Asking ----------------------------------------------------------------
 */

uint64_t head_oldest_seq(struct head *h)
{
    uint32_t limit = head_limit(h);
    uint64_t oldest = UINT64_MAX;

    for (uint32_t id = 0; id < limit; id++) {
        struct head_series *s = head_get(h, id);

        if (s == NULL)
            continue;
        head_lock(h, id);
        if (head_count(s) > 0) {
            uint64_t seq =
                (s->flags & HEAD_LEAVES) != 0 ? h->leaving_seq : s->seq_first;

            oldest = seq < oldest ? seq : oldest;
        }
        head_unlock(h, id);
    }
    return oldest;
}

void head_measure(struct head *h, struct head_extent *out)
{
    struct head_extent all = {INT64_MAX, INT64_MIN, 0};
    uint32_t limit = head_limit(h);

    for (uint32_t id = 0; id < limit; id++) {
        struct head_series *s = head_get(h, id);
        uint64_t blocks;

        if (s == NULL)
            continue;
        head_lock(h, id);
        blocks = (uint64_t)s->block_count + (head_count(s) > 0);
        if ((s->flags & HEAD_HAS_SAMPLES) != 0 && blocks > 0) {
            all.oldest = s->oldest < all.oldest ? s->oldest : all.oldest;
            all.newest = s->newest > all.newest ? s->newest : all.newest;
            all.blocks += blocks;
        }
        head_unlock(h, id);
    }
    *out = all;
}

bool head_overlaps(struct head *h, uint32_t id, fw_ms from, fw_ms to)
{
    struct head_series *s = head_get(h, id);
    bool overlaps = false;

    if (s == NULL)
        return false;
    head_lock(h, id);
    if ((s->flags & HEAD_HAS_SAMPLES) != 0 &&
        (head_count(s) > 0 || s->block_count > 0))
        overlaps = s->oldest <= to && s->newest >= from;
    head_unlock(h, id);
    return overlaps;
}
