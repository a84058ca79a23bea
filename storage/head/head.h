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
 *
 * Samples in order of time go to the tail of their series, plain values
 * beside shared times. Where there is little memory left for those, tails of
 * HEAD_TAIL and more are packed into chunks (head_chunk.h). Late ones, older
 * than the newest of the series, lie in a list of their own until the series is
 * sealed whole. So whatever is in chunks and tail is newer than all blocks were
 * when it came.
 */
#ifndef STORAGE_HEAD_H
#define STORAGE_HEAD_H

#include <pthread.h>
#include <stdatomic.h>

#include "storage/head/head_chunk.h"
#include "storage/head/head_slab.h"
#include "storage/storage.h"

#define HEAD_STRIPES 256
#define HEAD_STATES 4096 /* series states allocated together */
#define HEAD_BLOCK_SAMPLES 512
#define HEAD_MARKED (HEAD_STATES / 64) /* neighbours, marked together */
#define HEAD_TAILS_NOTED ((size_t)1 << 16)

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
    HEAD_LEAVES = 2,      /* all it had is being sealed */
};

struct head_item {
    fw_ms t;
    uint64_t bits;
};

/* Samples that came late, by time. */
struct head_late {
    uint32_t n, cap;
    uint32_t staged; /* room promised to the running commit */
    struct head_item items[];
};

struct head_series {
    char *data;                 /* the tail, then the area of chunks; owned */
    struct head_column *column; /* times of the tail; NULL without one */
    struct head_late *late;     /* owned; NULL for none */
    struct block_ref *blocks;   /* owned, by t_min then by age */
    fw_ms oldest, newest;       /* of all samples, on disk too */
    fw_ms sealed_max;           /* newest in a block; if block_count > 0 */
    uint64_t seq_first;      /* of journal records that only memory has too */
    struct values_hint hint; /* of the last chunk or block */
    uint32_t area_bytes;
    uint32_t packed; /* samples in chunks */
    uint32_t tail_n, tail_cap;
    uint32_t column_at; /* of the first sample of the tail in the column */
    uint32_t staged;    /* room and times promised to the running commit */
    uint32_t block_count, block_cap;
    uint32_t saved; /* the oldest so many of chunks and tail are in the ring */
    uint32_t ring_first; /* from this record on; 0: none are; checkpoint.h */
    uint16_t due;        /* samples of its next block; 0: not decided yet */
    uint8_t tail_form;   /* of the tail: head_tail.h */
    uint8_t flags;
    atomic_bool made; /* somebody has the id; before it is used anywhere */
    bool defined;     /* its labels are in the journal or in meta; committer */
    bool retired;     /* forgotten: nobody gets it again */
};

/* States that nobody reaches any more (head_retire.c). */
struct head_grave {
    struct head_series *states; /* owned */
    struct head_grave *next;
};

struct head {
    pthread_mutex_t locks[HEAD_STRIPES];
    _Atomic(struct head_series *) *states;
    _Atomic uint64_t *marks; /* by group of states, a bit for HEAD_MARKED ids */
    size_t states_max;
    size_t groups_max;
    _Atomic size_t groups;      /* of states, in memory */
    _Atomic size_t groups_used; /* one more than the highest there was */
    struct head_grave *graves, *old_graves; /* grow_lock */
    pthread_mutex_t grow_lock;
    struct head_slabs slabs;     /* what series own */
    _Atomic uint64_t samples;    /* in memory */
    _Atomic int64_t full;        /* of those, in runs long enough for a block */
    _Atomic int64_t plain_bytes; /* room of tails and of open columns */
    int64_t plain_max; /* past this tails are packed; before other threads */
    _Atomic int64_t newest;   /* of all samples of all series; INT64_MIN */
    _Atomic uint64_t applied; /* the last journal record that is shown */
    uint64_t leaving_seq; /* of series that leave: newer ones stay; sealer */
    struct head_recent recent; /* of the thread that stages, as the next */
    struct head_packer packer;
};

/*
 * Tails are left plain as long as they take `plain_bytes` together or less,
 * which is cheap; past that they are packed, which is small.
 */
FW_CHECK fw_rc head_init(struct head *h, uint32_t max_series,
                         uint64_t plain_bytes);
void head_release(struct head *h);

/*
 * Makes the state of a series; safe to call again. FW_ENOMEM, FW_ETOOBIG;
 * FW_NONE for an id that has been retired.
 */
FW_CHECK fw_rc head_make(struct head *h, uint32_t id);

/* The state, or NULL for an id nobody made. Its fields need the lock. */
struct head_series *head_get(const struct head *h, uint32_t id);

void head_lock(struct head *h, uint32_t id);
void head_unlock(struct head *h, uint32_t id);

static inline uint32_t head_late_count(const struct head_series *s)
{
    return s->late != NULL ? s->late->n : 0;
}

/* Samples in memory. */
static inline uint32_t head_count(const struct head_series *s)
{
    return s->packed + s->tail_n + head_late_count(s);
}

/* How long a run must be for the next block. */
static inline uint32_t head_due(const struct head_series *s)
{
    return s->due != 0 ? s->due : HEAD_BLOCK_SAMPLES;
}

/* Of those, in runs long enough for a block. */
static inline uint32_t head_full(const struct head_series *s)
{
    uint32_t run = s->packed + s->tail_n, due = head_due(s);

    return run < due
               ? 0
               : due + (run - due) / HEAD_BLOCK_SAMPLES * HEAD_BLOCK_SAMPLES;
}

/* What a tail of so many samples takes; head_tail.h. */
static inline size_t head_tail_bytes(uint8_t form, uint32_t cap)
{
    return form == 0 ? (size_t)cap * sizeof(uint64_t)
                     : sizeof(uint64_t) + (size_t)cap * sizeof(int16_t);
}

static inline char *head_area(const struct head_series *s)
{
    return s->data == NULL
               ? NULL
               : s->data + head_tail_bytes(s->tail_form, s->tail_cap);
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
    int64_t full;          /* of those, as runs became long enough */
    fw_ms newest;
    uint32_t *tails; /* owned: a ring of series whose tail is full, */
    size_t tails_begin, tails_end; /* counted without end */
};

void head_let_go(struct head_hold *hold);
void head_hold_release(struct head_hold *hold);

/*
 * Fetches what a series some way ahead has in memory, for one who goes from
 * series to series. The caller holds the lock of `id`.
 */
void head_fetch_ahead(struct head *h, uint32_t id);

enum head_verdict {
    HEAD_ACCEPTED,  /* room is reserved: apply or unstage it */
    HEAD_LATE,      /* the same, behind the newest of its series */
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

/*
 * The same for as many of the first samples as are of the usual kind: their
 * series are defined and have samples in a tail, they are the newest, with a
 * time in [from, to]. How many that are; the next one needs head_stage().
 */
size_t head_stage_run(struct head_hold *hold, const uint32_t *ids,
                      const fw_ms *t, const double *v, size_t n, fw_ms from,
                      fw_ms to);

/* Takes back all that is staged of a series, whose commit failed. */
void head_unstage(struct head_hold *hold, uint32_t id);

/*
 * Shows a staged sample. HEAD_ACCEPTED; or DUPLICATE, CONFLICT where another
 * one of the same commit came first.
 */
enum head_verdict head_apply(struct head_hold *hold, uint32_t id, fw_ms t,
                             uint64_t bits, uint64_t seq);

/*
 * The same for as many of the first samples as are the newest of their series;
 * the next one needs head_apply().
 */
size_t head_apply_run(struct head_hold *hold, const uint32_t *ids,
                      const fw_ms *t, const double *v, size_t n, uint64_t seq);

/*
 * Packs some of the tails that have filled up, if plain ones take too much:
 * less than a millisecond's work, best after everybody has been answered. True
 * if there are more. A tail that nobody gets round to is packed when it needs
 * room.
 */
bool head_pack_some(struct head_hold *hold);
/* All of them. Without memory they stay. */
void head_pack_tails(struct head_hold *hold);

/* First index with a time >= t. */
size_t head_lower_bound(const fw_ms *t, size_t n, fw_ms at);

/*
 * Adds block references to series `id`, keeping order, and drops from memory
 * the oldest `run` samples of chunks and tail, and late ones whose times are
 * among t[0..n). FW_ENOMEM: nothing has happened.
 */
struct head_leaving {
    size_t run;
    const fw_ms *t;
    size_t n;
    struct values_hint hint; /* what its blocks taught */
};
FW_CHECK fw_rc head_publish(struct head *h, uint32_t id,
                            const struct block_ref *refs, size_t ref_count,
                            const struct head_leaving *leaving);

/* What was to leave (HEAD_LEAVES) stays after all. */
void head_stays(struct head *h, uint32_t id);

/*
 * Makes sure that `more` block references fit, so that head_replace_blocks()
 * cannot fail; FW_ENOMEM.
 */
FW_CHECK fw_rc head_reserve_blocks(struct head *h, uint32_t id, size_t more);

/*
 * In one moment the blocks of the given partitions go and `refs` come: the
 * same samples, rewritten. Room has been made.
 */
void head_replace_blocks(struct head *h, uint32_t id, const uint16_t *parts,
                         size_t part_count, const struct block_ref *refs,
                         size_t ref_count);

/* Forgets the blocks of a partition that is going away. */
void head_forget_part(struct head *h, uint16_t part);

/*
 * Where series may have become long enough for a block since the last call:
 * bit i of the answer is for the HEAD_MARKED ids from id + i * HEAD_MARKED, id
 * being a multiple of HEAD_STATES. A hint: not all that are full were marked.
 */
uint64_t head_take_marks(struct head *h, uint32_t id);

/*
 * The oldest journal record that samples in memory still need, as it will be
 * when what is being sealed is gone; UINT64_MAX for none. The sealing thread.
 */
uint64_t head_oldest_seq(struct head *h);

/* ---- Checkpoints (checkpoint.h) -------------------------------------------
 */

/*
 * The oldest `run` samples of chunks and tail are in ring record `ring` and,
 * unless `all` are, in those that had some before. What the journal has that
 * they have not is in its records from `seq_next` on.
 */
void head_saved(struct head *h, uint32_t id, uint32_t ring, bool all,
                uint32_t run, uint64_t seq_next);

/* The oldest record of the ring that is needed; UINT64_MAX for none. */
uint64_t head_oldest_ring(struct head *h);

/*
 * Puts back a chunk that a checkpoint has, without what is there already; `v`
 * are its values. At opening, before there are other threads. FW_ENOMEM.
 */
FW_CHECK fw_rc head_restore(struct head *h, uint32_t id,
                            const struct head_chunk *chunk, const double *v,
                            uint32_t ring, uint64_t seq_next);

/*
 * Shows as many of the first samples of a journal record as are of the usual
 * kind: no checkpoint had them, and they are the newest of series that have
 * some in a tail. How many that are; the next one needs head_stage(). At
 * opening.
 */
size_t head_replay_run(struct head_hold *hold, const uint32_t *ids,
                       const fw_ms *t, const double *v, size_t n, uint64_t seq);

/* True if series `id` may have samples in [from, to]. */
bool head_overlaps(struct head *h, uint32_t id, fw_ms from, fw_ms to);

/* One more than the highest id that has a state. */
uint32_t head_limit(const struct head *h);

/* What all series have together, in memory and on disk. */
struct head_extent {
    fw_ms oldest, newest; /* INT64_MAX and INT64_MIN without a sample */
    uint64_t blocks;      /* on disk, and a series' samples in memory as one */
};
void head_measure(struct head *h, struct head_extent *out);

/* ---- Series that leave ----------------------------------------------------
 */

/* True if the series has nothing in memory, nothing staged and no block. */
bool head_idle(struct head *h, uint32_t id);
/* Retires a series that is idle, for good; false if it is not. */
bool head_retire(struct head *h, uint32_t id);
/* Gives back what was retired before the call before this one. */
void head_bury(struct head *h);

/* ---- Reading --------------------------------------------------------------
 */

/*
 * The samples of one series in memory, copied under its lock and unpacked
 * without it. Starts zeroed; may be used again and again.
 */
struct head_snap {
    char *area; /* owned: chunks, each with a reference */
    size_t area_bytes, area_cap;
    fw_ms *tail_t; /* owned, with the values of the tail behind the times */
    uint64_t *tail_bits;
    size_t tail_n, tail_cap;
    struct head_item *late; /* owned */
    size_t late_n, late_cap;
    size_t run;  /* samples in chunks and tail */
    size_t skip; /* the oldest so many were not asked for */
    struct values_hint hint;
    fw_ms *t; /* owned: what head_snap_unpack() made */
    double *v;
    size_t n, cap;
    bool same_times; /* t and n are what the unpacking before made, too */
    uint64_t *held;  /* owned: the chunks whose times are in t, by id */
    size_t held_count, held_cap;
    size_t held_n; /* times there, the tail's too */
};

void head_snap_clear(struct head_snap *snap);
void head_snap_release(struct head_snap *snap);

/*
 * Copies what may have samples in [from, to]; the caller holds the lock of the
 * series. FW_ENOMEM: the snap is empty.
 */
FW_CHECK fw_rc head_snap_take(struct head_snap *snap,
                              const struct head_series *s, fw_ms from,
                              fw_ms to);

/* The same of runs long enough for blocks, nearly: chunks stay whole. */
FW_CHECK fw_rc head_snap_take_full(struct head_snap *snap,
                                   const struct head_series *s);

/*
 * The same of chunks and tail, without the oldest `skip`: whole chunks are left
 * out, and snap->skip is how many of the first one there (or, if there is none,
 * of the tail) are too many.
 */
FW_CHECK fw_rc head_snap_take_behind(struct head_snap *snap,
                                     const struct head_series *s, size_t skip);

/*
 * Unpacks into snap->t, v, n: by time, each time once, nothing cut. FW_ENOMEM.
 */
FW_CHECK fw_rc head_snap_unpack(struct head_snap *snap);

#endif
