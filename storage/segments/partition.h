/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * partition.h - a stretch of time on disk: one LMDB file of segments.
 *
 * Key 0 (eight zero bytes) is the partition's header, keys from 1 up are
 * segments in the order they were made; nothing is ever changed or deleted.
 * A partition that is dropped is unlinked when its last user lets go.
 *
 * A hot one takes what is sealed from memory, in the order it comes; a frozen
 * one takes nothing more, until it is rewritten, series by series, into a
 * closed one, whose file never changes again (rewrite.h).
 */
#ifndef STORAGE_PARTITION_H
#define STORAGE_PARTITION_H

#include <pthread.h>
#include <stdatomic.h>

#include "storage/base/file.h"
#include "storage/lmdb/lmdb_env.h"
#include "storage/segments/segment.h"

#define PARTITION_NAME_BYTES 40

enum partition_kind {
    PARTITION_HOT = 0,
    PARTITION_FROZEN = 1,
    PARTITION_CLOSED = 2,
    PARTITION_ROLLUP = 3 /* summaries of a closed one, which outlive it */
};

struct rollup_index;

struct partition {
    uint16_t index;    /* in the process; never used again for another */
    fw_ms first, last; /* both belong to it */
    uint32_t serial;   /* tells entries of one first millisecond apart */
    uint32_t rank;     /* where two overlap the higher is younger */
    uint64_t tombs;    /* tombstones up to here are applied in it */
    _Atomic int kind;  /* enum partition_kind; the sealing thread sets it */
    char name[PARTITION_NAME_BYTES]; /* "20261123.hot" */
    char path[FW_PATH_BYTES];
    bool read_only;
    bool check; /* nobody else writes: look through the file before opening */
    size_t map_bytes;
    _Atomic uint32_t refs;
    atomic_bool dropped;   /* unlink the file with the last reference */
    bool exists;           /* its file has been committed to; sealer */
    bool damaged;          /* not all of it could be read; sealer */
    bool busy;             /* being rewritten: not to be dropped; sealer */
    bool no_rollup;        /* was summarised, and there is nothing; sealer */
    uint32_t seen_segment; /* next_segment when the closer last looked */
    uint64_t appended_ns;  /* when that had last changed; sealer */
    uint32_t next_segment; /* sealer */
    /* Journal records up to here are in it whole, if it is hot or frozen; a
       closed one does not promise that. Sealer. */
    uint64_t complete;

    pthread_mutex_t lock;
    struct lmdb_env *env;         /* lock; NULL while closed */
    uint32_t env_users;           /* lock */
    uint64_t last_use;            /* lock; for closing the ones long unused */
    struct rollup_index *rollups; /* lock; owned: what series it has */
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
/* The same without waiting for anybody: FW_EBUSY. */
FW_CHECK fw_rc partition_try_view(struct partition *p,
                                  struct partition_view *out);
void partition_view_end(struct partition_view *view);
/* FW_ECORRUPT where it is gone or damaged; valid until the view ends. */
FW_CHECK fw_rc partition_segment(struct partition_view *view, uint32_t number,
                                 struct segment *out, struct fw_err *err);

/* What a writer goes on from. */
struct partition_end {
    uint32_t next_segment; /* 1 more than the last one there */
    uint64_t complete;     /* of the header; 0 where there is none */
    bool header;           /* there is one, as in every file that is live */
};

/*
 * The watermark of the header (of a rollup: how many segments have rows) and
 * the number behind that of the last segment.
 */
FW_CHECK fw_rc partition_complete(struct partition_view *view,
                                  uint64_t *complete, uint32_t *end,
                                  struct fw_err *err);

/*
 * Reads the header and calls `each` for every segment, oldest first. A damaged
 * header does not keep it from the segments; it is told at the end. *end (may
 * be NULL) is set as far as it came. Changes nothing in `p`: verify calls it
 * while the sealing thread appends.
 */
typedef fw_rc (*partition_each)(void *self, uint32_t number,
                                struct fw_str segment, struct fw_err *err);
#define PARTITION_EMPTY_TEXT "%s has lost what was written to it"
FW_CHECK fw_rc partition_scan(struct partition *p, partition_each each,
                              void *self, struct partition_end *end,
                              struct fw_err *err);

/* Renames a file that cannot be opened to NAME.damaged; a new one follows. */
FW_CHECK fw_rc partition_set_aside(struct partition *p, struct fw_err *err);

/*
 * Appends segments in one commit, with the watermark `complete`. Durable on
 * FW_OK, and p->next_segment has moved on.
 */
FW_CHECK fw_rc partition_append(struct partition *p,
                                const struct fw_str *segments, size_t count,
                                uint64_t complete, struct fw_err *err);

/* ---- A new file, from nothing to closed -----------------------------------
 */

struct partition_builder {
    char path[FW_PATH_BYTES]; /* of the file as it will be */
    char temp[FW_PATH_BYTES + 8];
    char dir[FW_PATH_BYTES];
    struct lmdb_env *env;
    uint32_t next_segment;
};

/* Begins NAME.tmp in part_dir; an old one of that name is removed. */
FW_CHECK fw_rc partition_build_begin(struct partition_builder *b,
                                     const char *part_dir, const char *name,
                                     size_t map_bytes, struct fw_err *err);
/* Adds segments, numbered from b->next_segment on. Not durable yet. */
FW_CHECK fw_rc partition_build_add(struct partition_builder *b,
                                   const struct fw_str *segments, size_t count,
                                   struct fw_err *err);
/* Header, sync, rename, sync of the folder. */
FW_CHECK fw_rc partition_build_finish(struct partition_builder *b, fw_ms first,
                                      fw_ms last, uint64_t complete,
                                      struct fw_err *err);
/* Removes what is not finished; fine after finishing, and twice. */
void partition_build_release(struct partition_builder *b);

#endif
