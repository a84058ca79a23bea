/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * tombs.h - tombstones: samples that were deleted, until they are gone.
 *
 * A tombstone names series and a range of time. It holds for what was there
 * when it was made: everything in memory is sealed first and the partitions
 * written to are frozen, so that its rank tells old from new. Readers leave
 * out what it covers, the next rewrite of a partition takes it off the disk,
 * and when no partition and no journal record can have any of it, it goes.
 */
#ifndef STORAGE_TOMBS_H
#define STORAGE_TOMBS_H

#include <pthread.h>
#include <stdatomic.h>

#include "storage/segments/partition.h"

#define TOMBS_MAX 10000
#define TOMB_SERIES_MAX 4000000

struct tomb {
    uint64_t id; /* counts up; never used again */
    fw_ms from, to;
    uint32_t rank;    /* holds for partitions up to this one */
    uint64_t seq;     /* and for journal records up to this one */
    uint32_t *series; /* owned, rising */
    size_t count;
};

struct tombs {
    pthread_rwlock_t lock; /* leaf */
    struct tomb *v;        /* owned, by id; lock */
    size_t cap;            /* lock */
    _Atomic size_t count;  /* lock to change; 0 spares the lock */
    uint64_t last_id;      /* the highest there ever was; store->quiet */
    uint64_t damaged;      /* entries of meta/ that could not be read */
};

/* A range of time in which a series has lost what is in old partitions. */
struct tomb_range {
    fw_ms from, to;
    uint32_t rank;
    uint64_t id;
};

void tombs_init(struct tombs *t);
void tombs_release(struct tombs *t);

/* Reads those of meta/. A damaged one is counted and named in *why. */
FW_CHECK fw_rc tombs_load(struct tombs *t, struct lmdb_env *meta,
                          struct fw_err *why, struct fw_err *err);

/*
 * Makes one: durable, then seen by everyone. Takes tomb->series. FW_ETOOBIG
 * where there are too many. Holding store->quiet.
 */
FW_CHECK fw_rc tombs_add(struct tombs *t, struct lmdb_env *meta,
                         struct tomb *tomb, struct fw_err *err);

/* Removes those that nothing needs: see closer.c. Holding store->quiet. */
FW_CHECK fw_rc tombs_remove(struct tombs *t, struct lmdb_env *meta, uint64_t id,
                            struct fw_err *err);

/* The ranges of one series within [from, to]; *v is grown as needed. */
FW_CHECK fw_rc tombs_of(struct tombs *t, uint32_t series, fw_ms from, fw_ms to,
                        struct tomb_range **v, size_t *count, size_t *cap);

/* True if a sample of a partition of that rank has been deleted. */
bool tombs_cover(struct tombs *t, uint32_t series, fw_ms at, uint32_t rank);
/* The same of a sample of a journal record. */
bool tombs_cover_record(struct tombs *t, uint32_t series, fw_ms at,
                        uint64_t seq);

/* True if a partition may hold samples that a tombstone covers. */
bool tombs_wait(struct tombs *t, const struct partition *p);

/* The entry of meta/, from hostile bytes; the caller frees out->series. */
FW_CHECK fw_rc tomb_get(struct fw_str value, struct tomb *out,
                        struct fw_err *err);

#endif
