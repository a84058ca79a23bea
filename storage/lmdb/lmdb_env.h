/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * lmdb_env.h - the one door to LMDB: environments, transactions, map growth.
 *
 * An environment here has one table, LMDB's unnamed one: its commits are the
 * cheapest, and prefixes of keys make tables where some are needed. Every
 * commit is synchronous, except those to a file being built, which nobody
 * knows of before lmdb_sync() and a rename.
 *
 * Opening the same path twice in one process is forbidden by LMDB (closing one
 * would drop the locks of the other), so a process-wide table shares them.
 */
#ifndef STORAGE_LMDB_ENV_H
#define STORAGE_LMDB_ENV_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "storage/base/err.h"
#include "storage/base/str.h"

#define LMDB_KEY_MAX 511

struct lmdb_env;

struct lmdb_options {
    bool read_only;
    bool single_file; /* path is the file itself, not a folder around it */
    bool sealed;      /* never written again: no locks, no lock file */
    bool building;    /* a new file nobody knows yet: see lmdb_sync() */
    bool check;       /* walk the file first: nobody else writes to it */
    bool mend;        /* with `check`: what it can mend, it may */
    size_t map_bytes; /* address space; grows when it is used up */
};

/*
 * Opens (or shares) the environment at `path`. FW_ENOTFOUND, FW_ECORRUPT if it
 * is no LMDB file, FW_EVERSION if another LMDB made it, FW_EBUSY if this
 * process has it open for reading and now wants to write. lmdb_close() gives it
 * back (NULL is fine) and answers true if that closed it.
 */
FW_CHECK fw_rc lmdb_open(const char *path, const struct lmdb_options *options,
                         struct lmdb_env **out, struct fw_err *err);
bool lmdb_close(struct lmdb_env *env);

/*
 * True if the file hides a commit that was its last one (lmdb_check.h): what is
 * read lacks it.
 */
bool lmdb_hides_commit(const struct lmdb_env *env);
#define LMDB_HIDES_TEXT                                                        \
    "%s does not show its last commit: a number in it was changed; a server "  \
    "that is started on the folder mends it"

/*
 * True if there is such a file, and LMDB ever had it begun durably: one that
 * lost the power before is no file to a reader, and a writer begins it anew.
 */
bool lmdb_is_begun(const char *file);

/*
 * FW_EVERSION if the LMDB this process runs with destroys the locks of others
 * when it closes (0.9.26 to 0.9.31): a reader beside a server would stop it.
 */
FW_CHECK fw_rc lmdb_check_shareable(struct fw_err *err);

/* Makes durable what was committed to a file being built. */
FW_CHECK fw_rc lmdb_sync(struct lmdb_env *env, struct fw_err *err);

/* A transaction; a read belongs to nobody, a write to the thread it began in.
 */
struct lmdb_txn {
    struct lmdb_env *env;
    void *handle;
    bool write;
};

/* Keep it short: pages freed after it began are not used again before it ends.
 */
FW_CHECK fw_rc lmdb_begin_read(struct lmdb_env *env, struct lmdb_txn *txn,
                               struct fw_err *err);
/*
 * The same without ever waiting, for who has begun a read elsewhere: FW_EBUSY
 * if that cannot be, whatever the reason.
 */
FW_CHECK fw_rc lmdb_try_read(struct lmdb_env *env, struct lmdb_txn *txn);
FW_CHECK fw_rc lmdb_begin_write(struct lmdb_env *env, struct lmdb_txn *txn,
                                struct fw_err *err);

/* Durable when it answers FW_OK; the transaction is over either way. */
FW_CHECK fw_rc lmdb_commit(struct lmdb_txn *txn, struct fw_err *err);
void lmdb_end(struct lmdb_txn *txn); /* a read, or gives up a write */

/*
 * Runs `work` inside a write transaction and commits. Where the map was too
 * small it grows and `work` runs again, so it must not keep results of a
 * failed run.
 */
typedef fw_rc (*lmdb_work)(void *self, struct lmdb_txn *txn,
                           struct fw_err *err);
FW_CHECK fw_rc lmdb_update(struct lmdb_env *env, lmdb_work work, void *self,
                           struct fw_err *err);

/* FW_NONE where there is no such key; the value lives as long as the txn. */
FW_CHECK fw_rc lmdb_get(struct lmdb_txn *txn, struct fw_str key,
                        struct fw_str *value, struct fw_err *err);
FW_CHECK fw_rc lmdb_put(struct lmdb_txn *txn, struct fw_str key,
                        struct fw_str value, struct fw_err *err);
/* The same for a key behind all others: pages are then filled to the brim. */
FW_CHECK fw_rc lmdb_append(struct lmdb_txn *txn, struct fw_str key,
                           struct fw_str value, struct fw_err *err);
/* FW_NONE where there is no such key. */
FW_CHECK fw_rc lmdb_delete(struct lmdb_txn *txn, struct fw_str key,
                           struct fw_err *err);

struct lmdb_cursor {
    struct lmdb_env *env;
    void *handle;
};

FW_CHECK fw_rc lmdb_cursor_open(struct lmdb_txn *txn, struct lmdb_cursor *out,
                                struct fw_err *err);
void lmdb_cursor_close(struct lmdb_cursor *cursor);
/* The first key >= from (which may be empty); FW_END behind the last one. */
FW_CHECK fw_rc lmdb_seek(struct lmdb_cursor *cursor, struct fw_str from,
                         struct fw_str *key, struct fw_str *value,
                         struct fw_err *err);
FW_CHECK fw_rc lmdb_next(struct lmdb_cursor *cursor, struct fw_str *key,
                         struct fw_str *value, struct fw_err *err);
FW_CHECK fw_rc lmdb_prev(struct lmdb_cursor *cursor, struct fw_str *key,
                         struct fw_str *value, struct fw_err *err);
FW_CHECK fw_rc lmdb_last(struct lmdb_cursor *cursor, struct fw_str *key,
                         struct fw_str *value, struct fw_err *err);

/* How many commits ago the oldest read that lasts began, of any process. */
uint64_t lmdb_reader_lag(struct lmdb_env *env);

/* Clears reader slots of processes that died; how many there were. */
int lmdb_clear_stale_readers(struct lmdb_env *env);

/* Bytes of the pages in use, which is near the size of the file. */
uint64_t lmdb_used_bytes(struct lmdb_env *env);

#endif
