/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * manifest.h - which partitions there are, in memory and in meta/.
 *
 * Hot partitions do not overlap. A day is one while it is near the present;
 * the further a time is from the clock, the wider the partition that is made
 * for it (powers of two of days, about a thirty-second of the distance), so
 * that all of time fits in some two thousand files. Frozen and closed ones may
 * lie anywhere; the rank tells which of two is younger.
 *
 * An entry is `planned` before its file exists, `live` once the file has been
 * committed to, `dropped` before the file is unlinked: a crash at any point
 * leaves either the data or the order to remove it.
 */
#ifndef STORAGE_MANIFEST_H
#define STORAGE_MANIFEST_H

#include <pthread.h>

#include "storage/segments/partition.h"

#define MANIFEST_MAX 65000 /* partitions of one process */

struct manifest {
    char dir[FW_PATH_BYTES]; /* part/ */
    bool read_only;
    bool check; /* of the files, before they are opened */
    size_t map_bytes;
    struct lmdb_env *meta;
    pthread_rwlock_t lock;
    struct partition **sorted; /* by first; lock */
    size_t count, cap;
    struct partition **by_index; /* lock; NULL once dropped */
    size_t index_count, index_cap;
    uint32_t serial, rank; /* the highest there ever were; sealer */
    uint64_t damaged;      /* entries that cannot be read */
    char (*gone)[PARTITION_NAME_BYTES]; /* names not to be used; sealer */
    size_t gone_count, gone_cap;
};

FW_CHECK fw_rc manifest_init(struct manifest *m, const char *dir,
                             struct lmdb_env *meta, bool read_only,
                             size_t map_bytes);
void manifest_release(struct manifest *m);

/*
 * Reads the entries of meta/ and finishes what a crash interrupted. Partitions
 * that are planned but have no file stay; `exists` tells. An entry that is
 * damaged is counted, named in *why if that is empty, and left alone with its
 * file.
 */
FW_CHECK fw_rc manifest_load(struct manifest *m, struct fw_err *why,
                             struct fw_err *err);

/*
 * What meta/ says now, which another process may have changed since: false if
 * it surely has no live entry for p; true if any entry names the file.
 */
bool manifest_may_be_live(struct manifest *m, const struct partition *p);
FW_CHECK fw_rc manifest_names(struct manifest *m, const char *file, bool *named,
                              struct fw_err *err);

/* The hot partition of a time, or NULL; borrowed, for the sealing thread. */
struct partition *manifest_find(struct manifest *m, fw_ms t);

/*
 * Of those that keep a watermark and span t, the one with the highest; NULL
 * for none. Borrowed.
 */
struct partition *manifest_find_complete(struct manifest *m, fw_ms t);

/* The hot one, planned durably if there is none yet. */
FW_CHECK fw_rc manifest_plan(struct manifest *m, fw_ms t, fw_ms now,
                             struct partition **out, struct fw_err *err);

/* Notes durably that the file of a planned partition has been written. */
FW_CHECK fw_rc manifest_live(struct manifest *m, struct partition *p,
                             struct fw_err *err);

/* Ends writing to a hot partition: durable. Late samples get a new one. */
FW_CHECK fw_rc manifest_freeze(struct manifest *m, struct partition *p,
                               struct fw_err *err);

/*
 * Plans a closed partition: durable, with a name no file has. It is in the
 * lists only after manifest_replace(). The caller unrefs it where that is not
 * reached, after manifest_unplan().
 */
struct manifest_stretch {
    fw_ms first, last;
    uint32_t rank;
    uint64_t tombs;
    int kind; /* closed or rollup: a rollup of what was planned just before, */
    bool alone; /* or of nothing that is there */
};
FW_CHECK fw_rc manifest_plan_closed(struct manifest *m,
                                    const struct manifest_stretch *stretch,
                                    struct partition **out, struct fw_err *err);
void manifest_unplan(struct manifest *m, struct partition *p);

/*
 * In one commit: those `made` (planned) are live, the old ones are dropped. In
 * memory those made have come; the old ones go with manifest_forget(), when no
 * block of the head is in them any more.
 */
FW_CHECK fw_rc manifest_replace(struct manifest *m,
                                struct partition *const *made,
                                size_t made_count, struct partition *const *old,
                                size_t count, struct fw_err *err);
void manifest_forget(struct manifest *m, struct partition *p);

/* A new reference, or NULL if it was dropped. */
struct partition *manifest_ref(struct manifest *m, uint16_t index);

/*
 * Drops a partition: durable, then gone from here; the file follows when
 * nobody reads it any more. The caller has taken its blocks from the head.
 */
FW_CHECK fw_rc manifest_drop(struct manifest *m, struct partition *p,
                             struct fw_err *err);

/* A copy of the list with a reference each; the caller frees and unrefs. */
FW_CHECK fw_rc manifest_list(struct manifest *m, struct partition ***out,
                             size_t *count);
void manifest_list_free(struct partition **list, size_t count);

size_t manifest_count(struct manifest *m);

/* Keeps the number of open files small. */
void manifest_close_idle(struct manifest *m);

/* [first, last] of the partition that a time would get with this clock. */
void manifest_span(fw_ms t, fw_ms now, fw_ms *first, fw_ms *last);

#endif
