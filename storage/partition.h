/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * partition.h - a stretch of time on disk: one LMDB file of segments.
 *
 * Key 0 (eight zero bytes) is the partition's header, keys from 1 up are
 * segments in the order they were sealed; nothing is ever changed or deleted.
 * A partition that is dropped is unlinked when its last user lets go.
 */
#ifndef STORAGE_PARTITION_H
#define STORAGE_PARTITION_H

#include <pthread.h>
#include <stdatomic.h>

#include "storage/base/file.h"
#include "storage/lmdb_env.h"
#include "storage/segment.h"

#define PARTITION_NAME_BYTES 40

struct partition {
    uint16_t index;    /* in the process; never used again for another */
    uint16_t rank;     /* of partitions of one stretch the higher is younger */
    fw_ms first, last; /* both belong to it */
    char name[PARTITION_NAME_BYTES]; /* "20261123.hot" */
    char path[FW_PATH_BYTES];
    bool read_only;
    bool check; /* nobody else writes: look through the file before opening */
    size_t map_bytes;
    _Atomic uint32_t refs;
    atomic_bool dropped;   /* unlink the file with the last reference */
    bool exists;           /* its file has been committed to; sealer */
    uint32_t next_segment; /* sealer */
    uint64_t complete; /* journal records up to here are in it whole; sealer */

    pthread_mutex_t lock;
    struct lmdb_env *env; /* lock; NULL while closed */
    uint32_t env_users;   /* lock */
    uint64_t last_use;    /* lock; for closing the ones long unused */
};

/* *out has one reference. FW_ENOMEM. */
FW_CHECK fw_rc partition_new(const char *part_dir, const char *name,
                             fw_ms first, fw_ms last, struct partition **out);
struct partition *partition_ref(struct partition *p);
void partition_unref(struct partition *p);

/* Opens the file if it is closed and keeps it open until _leave(). */
FW_CHECK fw_rc partition_enter(struct partition *p, struct lmdb_env **env,
                               struct fw_err *err);
void partition_leave(struct partition *p);
/* Closes the file unless somebody is in; true if it was open and is not. */
bool partition_close_idle(struct partition *p);

/* A look at the segments of a partition: keep it short. */
struct partition_view {
    struct partition *part;
    struct lmdb_txn txn;
};

FW_CHECK fw_rc partition_view(struct partition *p, struct partition_view *out,
                              struct fw_err *err);
void partition_view_end(struct partition_view *view);
/* FW_ECORRUPT where it is gone or damaged; valid until the view ends. */
FW_CHECK fw_rc partition_segment(struct partition_view *view, uint32_t number,
                                 struct segment *out, struct fw_err *err);

/*
 * Reads the header and calls `each` for every segment, oldest first. A damaged
 * header does not keep it from the segments; it is told at the end.
 */
typedef fw_rc (*partition_each)(void *self, uint32_t number,
                                struct fw_str segment, struct fw_err *err);
FW_CHECK fw_rc partition_scan(struct partition *p, partition_each each,
                              void *self, struct fw_err *err);

/* Renames a file that cannot be opened to NAME.damaged; a new one follows. */
FW_CHECK fw_rc partition_set_aside(struct partition *p, struct fw_err *err);

/*
 * Appends segments in one commit, with the watermark `complete`. Durable on
 * FW_OK, and p->next_segment has moved on.
 */
FW_CHECK fw_rc partition_append(struct partition *p,
                                const struct fw_str *segments, size_t count,
                                uint64_t complete, struct fw_err *err);

#endif
