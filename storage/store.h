/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * store.h - what the parts of an open store share. Private to this room.
 */
#ifndef STORAGE_STORE_H
#define STORAGE_STORE_H

#include <pthread.h>
#include <stdatomic.h>

#include "storage/base/file.h"
#include "storage/head/head.h"
#include "storage/index/matcher.h"
#include "storage/index/registry.h"
#include "storage/journal/journal.h"
#include "storage/lmdb/lmdb_env.h"
#include "storage/read/block_reader.h"
#include "storage/segments/manifest.h"
#include "storage/segments/tombs.h"
#include "storage/storage.h"

#define STORE_REASON_BYTES 256

/* Why nothing can be written just now, if so. */
struct store_health {
    pthread_mutex_t lock;            /* leaf */
    fw_rc rc;                        /* FW_OK: all is well; lock */
    char reason[STORE_REASON_BYTES]; /* lock */
};

#define STORE_FINDINGS 32

/* Sentences about damage; made while the store is opened, then only read. */
struct store_findings {
    char *v[STORE_FINDINGS]; /* owned */
    size_t n;
    size_t more; /* that did not fit */
};

struct store_counters {
    _Atomic uint64_t stored;
    _Atomic uint64_t duplicates;
    _Atomic uint64_t conflicts;
    _Atomic uint64_t too_old;
    _Atomic uint64_t too_new;
    _Atomic uint64_t series_refused;
    _Atomic uint64_t commits;
    _Atomic uint64_t commit_bytes;
    _Atomic uint64_t commit_failures;
    _Atomic uint64_t busy;
    _Atomic uint64_t replayed;
    _Atomic uint64_t corrupt;
    _Atomic uint64_t records_bad;  /* of journal and head/, at the opening */
    _Atomic uint64_t records_lost; /* the same: they are nowhere */
    _Atomic uint64_t salvages;     /* files of journal and head/, the same */
    _Atomic uint64_t quarantine_files, quarantine_bytes;
    _Atomic uint64_t quarantine_refused; /* did not fit */
    _Atomic uint64_t sealed;
    _Atomic uint64_t seal_cpu_ns;
    _Atomic uint64_t checkpoints[FW_CHECKPOINT_REASONS];
    _Atomic uint64_t checkpoint_bytes;
    _Atomic uint64_t seal_failures;
    _Atomic uint64_t closed; /* partitions rewritten */
    _Atomic uint64_t close_failures;
    _Atomic uint64_t forgotten; /* series */
    _Atomic uint64_t dropped;   /* partitions, by retention */
    _Atomic uint64_t stale_readers;
    _Atomic uint64_t reader_lag; /* as of the last housekeeping */
};

struct committer;
struct sealer;
struct closer;

struct fw_store {
    char dir[FW_PATH_BYTES];
    struct fw_store_options options; /* every field resolved */
    int lock_fd;                     /* -1 when read-only */
    bool check_files;                /* nobody else writes to the folder */
    struct lmdb_env *meta;
    struct journal journal;
    struct journal ring; /* of head checkpoints: the sealing thread's */
    struct registry registry;
    struct matcher_cache matchers;
    struct head head;
    struct manifest manifest;
    struct tombs tombs;
    struct reader_pool readers;
    struct committer *committer;
    struct sealer *sealer;
    struct closer *closer;
    /* Held by whoever writes to part/ or to the store's own keys of meta/;
     * taken first. So that a backup catches them between two changes. */
    pthread_mutex_t quiet;
    struct store_health health;
    struct store_findings findings;
    struct store_counters counters;
    _Atomic uint64_t epoch; /* see fw_store_epoch() */
    /* The newest time a final rollup reaches to; INT64_MIN: there is none. */
    _Atomic int64_t rollups_last;
    _Atomic int64_t surplus_edge; /* older ones go soon, by their size */
    atomic_bool retain; /* a rollup came that retention may wait for */
};

/* Remembers a failure (or, with FW_OK, its end) for fw_store_stats(). */
void store_set_health(struct fw_store *store, fw_rc rc, const char *reason);
fw_rc store_get_health(struct fw_store *store, struct fw_err *err);

/*
 * FW_ENOSPC if less than the floor is left on the disk. The sentence names
 * the folder, what is free and the option.
 */
FW_CHECK fw_rc store_check_disk(struct fw_store *store, struct fw_err *err);

/* Bytes that the files of a folder in the store's (not those beneath it) take
 * on the disk; 0 where it cannot be read. */
uint64_t store_folder_bytes(const struct fw_store *store, const char *name);

/* Samples before this are older than --retention. */
fw_ms store_retention_edge(struct fw_store *store);

#endif
