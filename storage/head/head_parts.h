/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * head_parts.h - what the files of the head share among themselves.
 *
 *   head         states, their locks, what all of them have
 *   head_slab    memory for the pieces they own
 *   head_tail    the newest samples, plain or narrow
 *   head_stage   samples come: staged, then shown
 *   head_run     chunks and tail: packing them, cutting off the oldest
 *   head_blocks  blocks come, and the samples they have leave
 *   head_ring    what checkpoints have, and back
 *   head_retire  series that leave for good
 */
#ifndef STORAGE_HEAD_PARTS_H
#define STORAGE_HEAD_PARTS_H

#include "storage/head/head_tail.h"

#define HEAD_STRIPE_SHIFT                                                      \
    6 /* neighbours share a lock: batches run over them                        \
       */
#define HEAD_HOLD_CALLS 1024

static inline pthread_mutex_t *head_stripe(struct head *h, uint32_t id)
{
    return &h->locks[(id >> HEAD_STRIPE_SHIFT) % HEAD_STRIPES];
}

/* A reader that waits for the lock gets it after so many samples at most. */
static inline void head_hold_series(struct head_hold *hold, uint32_t id)
{
    pthread_mutex_t *lock = head_stripe(hold->head, id);

    if (lock != hold->lock || ++hold->calls > HEAD_HOLD_CALLS) {
        head_let_go(hold);
        (void)pthread_mutex_lock(lock);
        hold->lock = lock;
    }
}

/* A series, whose lock is held, may have become long enough for a block. */
static inline void head_mark(struct head *h, uint32_t id)
{
    _Atomic uint64_t *marks = &h->marks[id / HEAD_STATES];
    uint64_t bit = UINT64_C(1) << (id % HEAD_STATES / HEAD_MARKED);

    if ((atomic_load_explicit(marks, memory_order_relaxed) & bit) == 0)
        (void)atomic_fetch_or(marks, bit);
}

/* A sample of this time is there. */
void head_see_newest(struct head *h, fw_ms t);

/* Chunks stay, the tail gets room for `cap` plain ones. False without memory.
 */
bool head_set_tail_cap(struct head *h, struct head_series *s, uint32_t cap);

/*
 * Packs the tail of a series, whose lock is held, if plain ones take too much
 * and it is long enough for that. Where there is no memory it stays.
 */
void head_pack_tail(struct head_hold *hold, struct head_series *s, uint32_t id);

/*
 * Drops the oldest `run` samples of chunks and tail. Since they were copied
 * chunks may have been packed together, so the end may lie inside of one.
 */
FW_CHECK fw_rc head_drop_run(struct head *h, struct head_series *s, size_t run);

/* What is left of a chunk without its first `cut` samples, as a chunk. */
FW_CHECK fw_rc head_cut_chunk(const struct head_chunk *chunk, size_t cut,
                              char room[HEAD_CHUNK_HEADER + HEAD_VALUES_ROOM],
                              struct fw_str *out);

/* Another piece of memory for tail and chunks: `bytes` of it are chunks. */
void head_take_data(struct head *h, struct head_series *s, char *data,
                    const struct head_form *form, size_t bytes);

/* Gives back chunks, tail and times. */
void head_empty(struct head *h, struct head_series *s);

/* All that it has, blocks too. */
void head_drop_memory(struct head *h, struct head_series *s);

/* Retired series. */
bool head_is_gone(const struct head_series *states);
void head_retire_release(struct head *h);

#endif
