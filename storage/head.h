/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * head.h - per series: the samples that are not in a block on disk yet, and
 * where its blocks are.
 *
 * Both lie under one lock, so that a reader who copies them sees each sample
 * once: a sample leaves memory in the same moment as its block appears. The
 * locks are striped over the series ids; each is held for short copies only.
 *
 * Samples come in two steps, because they may be shown only when they are
 * durable: head_stage() decides and makes room before the commit,
 * head_apply() shows them after it and cannot fail.
 */
#ifndef STORAGE_HEAD_H
#define STORAGE_HEAD_H

#include <pthread.h>
#include <stdatomic.h>

#include "storage/codec/values.h"
#include "storage/storage.h"

#define HEAD_STRIPES 256
#define HEAD_CHUNK 4096 /* series states allocated together */
#define HEAD_BLOCK_SAMPLES 512

/* Where a block of samples is on disk. */
struct block_ref {
    fw_ms t_min, t_max;
    uint32_t segment; /* its number in the partition */
    uint32_t offset;  /* of the block in the segment */
    uint16_t part;    /* index of the partition */
    uint16_t column;  /* of timestamps in the segment */
    uint16_t n;
    uint16_t bytes; /* of the block in the segment */
};

enum head_flag {
    HEAD_HAS_SAMPLES = 1, /* newest and oldest mean something */
    HEAD_DISORDERED = 2,  /* a sample came late since the last sealing */
};

struct head_series {
    char *data; /* cap times, then cap values; owned */
    uint32_t n, cap;
    uint32_t staged; /* room promised to the running commit */
    uint32_t flags;
    bool made;    /* somebody has the id; before it is used anywhere */
    bool defined; /* its labels are in the journal or in meta; committer */
    fw_ms oldest, newest; /* of all samples, on disk too */
    fw_ms newest_staged;
    fw_ms sealed_max;   /* newest in a block; if block_count > 0 */
    uint64_t seq_first; /* journal record of the oldest sample in memory */
    uint64_t seq_next;  /* and of the first one behind the last full block */
    uint64_t seal_left; /* 0, or what seq_first will be after sealing; sealer */
    struct values_hint hint;  /* of the last block; sealer */
    struct block_ref *blocks; /* owned, by t_min then by age */
    uint32_t block_count, block_cap;
};

struct head {
    pthread_mutex_t locks[HEAD_STRIPES];
    _Atomic(struct head_series *) *chunks;
    size_t chunk_max;
    pthread_mutex_t grow_lock;
    _Atomic uint64_t samples; /* in memory */
    _Atomic int64_t full;     /* of those, in runs long enough for a block */
    _Atomic int64_t newest;   /* of all samples of all series; INT64_MIN */
    _Atomic uint64_t applied; /* the last journal record that is shown */
};

FW_CHECK fw_rc head_init(struct head *h, uint32_t max_series);
void head_release(struct head *h);

/* Makes the state of a series; safe to call again. FW_ENOMEM, FW_ETOOBIG. */
FW_CHECK fw_rc head_make(struct head *h, uint32_t id);

/* The state, or NULL for an id nobody made. Its fields need the lock. */
struct head_series *head_get(const struct head *h, uint32_t id);

void head_lock(struct head *h, uint32_t id);
void head_unlock(struct head *h, uint32_t id);

static inline fw_ms *head_times(const struct head_series *s)
{
    return (fw_ms *)(void *)s->data;
}

static inline uint64_t *head_values(const struct head_series *s)
{
    return (uint64_t *)(void *)(s->data + (size_t)s->cap * sizeof(fw_ms));
}

/*
 * The lock of the series one is at, kept from call to call as long as they are
 * neighbours: batches mostly are. Zero-initialise with the head; between
 * head_let_go() and the next call no lock is held. Whoever takes another lock
 * lets go first.
 */
struct head_hold {
    struct head *head;
    pthread_mutex_t *lock; /* held; NULL for none */
    uint32_t calls;        /* since it was taken */
    uint64_t shown;        /* samples, not yet counted in the head */
    int64_t full;
    fw_ms newest;
};

void head_let_go(struct head_hold *hold);

enum head_verdict {
    HEAD_ACCEPTED,  /* room is reserved: apply or unstage it */
    HEAD_DUPLICATE, /* the same sample is there */
    HEAD_CONFLICT,  /* another value at this time is there */
    HEAD_TOO_OLD,
    HEAD_ASK_DISK, /* a block spans this time: ask it, then stage with asked */
    HEAD_NO_MEMORY,
    HEAD_NO_SERIES
};

/*
 * Decides about one sample, without showing it. `window` < 0 takes samples of
 * any age, as replay must. With `asked` the caller has seen that no block has
 * the time.
 */
enum head_verdict head_stage(struct head_hold *hold, uint32_t id, fw_ms t,
                             uint64_t bits, fw_ms window, bool asked);

/* Takes back what was staged for a sample whose commit failed. */
void head_unstage(struct head_hold *hold, uint32_t id);

/*
 * Shows a staged sample. HEAD_ACCEPTED; or DUPLICATE, CONFLICT where another
 * one of the same commit came first.
 */
enum head_verdict head_apply(struct head_hold *hold, uint32_t id, fw_ms t,
                             uint64_t bits, uint64_t seq);

/* First index with a time >= t. */
size_t head_lower_bound(const fw_ms *t, size_t n, fw_ms at);

/*
 * Adds block references to series `id`, keeping order, and drops the samples
 * `t[0..n)` from memory (those that are there). Nothing in memory afterwards
 * is older than journal record `seq_left`. FW_ENOMEM: nothing has happened.
 */
FW_CHECK fw_rc head_publish(struct head *h, uint32_t id,
                            const struct block_ref *refs, size_t ref_count,
                            const fw_ms *t, size_t n, uint64_t seq_left);

/* Forgets the blocks of a partition that is going away. */
void head_forget_part(struct head *h, uint16_t part);

/*
 * The oldest journal record a sample in memory comes from, as it will be when
 * what is being sealed is gone; UINT64_MAX for none. The sealing thread.
 */
uint64_t head_oldest_seq(struct head *h);

/* True if series `id` may have samples in [from, to]. */
bool head_overlaps(struct head *h, uint32_t id, fw_ms from, fw_ms to);

/* One more than the highest id that has a state. */
uint32_t head_limit(const struct head *h);

#endif
