/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * journal.h - the ring of group commits, in an LMDB environment of its own.
 *
 * Key: the record's number, big-endian. Records behind the trim point are
 * deleted in the same commit that adds the next one, oldest first, so that
 * LMDB finds their pages again in order and the file stays small.
 *
 * One thread appends and trims; any thread may move the trim point.
 */
#ifndef STORAGE_JOURNAL_H
#define STORAGE_JOURNAL_H

#include <stdatomic.h>

#include "storage/journal/journal_record.h"
#include "storage/lmdb/lmdb_env.h"
#include "storage/meta.h"

struct journal {
    struct lmdb_env *env;
    uint64_t next_seq;             /* of the appending thread */
    _Atomic uint64_t first_seq;    /* oldest record there is; set as the last */
    _Atomic uint64_t trim_to;      /* records below this are not needed, ... */
    _Atomic uint64_t live_bytes;   /* ... and count until one is appended */
    _Atomic uint64_t live_samples; /* in those; who appends or replays counts */
    const char *name;              /* of its folder */
    struct meta_ring note;         /* as in meta/; of the sealing thread */
};

/*
 * No files, no records: read-only, j->env is then NULL. Otherwise they are
 * made.
 */
FW_CHECK fw_rc journal_open(struct journal *j, const char *dir,
                            const struct lmdb_options *options,
                            struct fw_err *err);
void journal_close(struct journal *j);

/*
 * Closes, and where nothing is left in it removes the files, which else keep
 * the size of the busiest moment. The writer of the folder only.
 */
void journal_close_and_tidy(struct journal *j, const char *dir);

/*
 * Adds record number j->next_seq and counts on; durable on FW_OK. A record
 * that a failed commit left under this number is overwritten.
 */
FW_CHECK fw_rc journal_append(struct journal *j, struct fw_str record,
                              struct fw_err *err);

/* Deletes what the trim point allows without adding anything. */
FW_CHECK fw_rc journal_trim(struct journal *j, struct fw_err *err);

/*
 * What is noted of it in meta/ holds for it from now on: its next number is
 * behind all that were used. A writer notes what is not noted yet.
 */
FW_CHECK fw_rc journal_adopt(struct journal *j, struct lmdb_env *meta,
                             const char *name, const struct meta_ring *note,
                             bool write, struct fw_err *err);

/*
 * Records below `seq` are not needed any more: notes it in meta/, durably, and
 * then allows them to be trimmed. The sealing thread.
 */
FW_CHECK fw_rc journal_pass(struct journal *j, struct lmdb_env *meta,
                            uint64_t seq, struct fw_err *err);

/* Allows it without a note. Any thread. */
void journal_allow_trim(struct journal *j, uint64_t seq);

/*
 * Calls `each` for every record, oldest first, inside one read transaction.
 * Stops at the first answer that is not FW_OK.
 */
typedef fw_rc (*journal_each)(void *self, uint64_t seq, struct fw_str record,
                              struct fw_err *err);
FW_CHECK fw_rc journal_replay(struct lmdb_txn *txn, journal_each each,
                              void *self, struct fw_err *err);

#endif
