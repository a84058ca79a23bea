/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "storage/journal/journal.h"

#include <stdint.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "storage/base/bytes.h"
#include "storage/base/file.h"

#define KEY_BYTES 8
#define DATA_NAME "data.mdb"
#define LOCK_NAME "lock.mdb"
#define AHEAD_BYTES ((uint64_t)16 << 20) /* of records being fetched */
#define TRIM_STEP 64 /* records deleted in one commit, so none takes long */

static struct fw_str key_of(char room[KEY_BYTES], uint64_t seq)
{
    fw_put_be64(room, seq);
    return (struct fw_str){room, KEY_BYTES};
}

/* The numbers of the first and last record, and the bytes of all. */
static fw_rc find_ends(struct journal *j, struct fw_err *err)
{
    struct lmdb_txn txn = {0};
    struct lmdb_cursor cursor = {0};
    struct fw_str key, value;
    fw_rc rc = lmdb_begin_read(j->env, &txn, err);
    uint64_t bytes = 0;

    if (rc != FW_OK)
        return rc;
    j->first_seq = 1;
    j->next_seq = 1;
    rc = lmdb_cursor_open(&txn, &cursor, err);
    if (rc == FW_OK)
        rc = lmdb_seek(&cursor, (struct fw_str){"", 0}, &key, &value, err);
    if (rc == FW_OK && key.n == KEY_BYTES)
        j->first_seq = fw_get_be64(key.p);
    while (rc == FW_OK) {
        if (key.n == KEY_BYTES)
            j->next_seq = fw_get_be64(key.p) + 1;
        bytes += value.n;
        rc = lmdb_next(&cursor, &key, &value, err);
    }
    atomic_store(&j->live_bytes, bytes);
    atomic_store(&j->trim_to, j->first_seq);
    lmdb_cursor_close(&cursor);
    lmdb_end(&txn);
    return rc == FW_END ? FW_OK : rc;
}

/* The file behind LMDB's lock, 0 where there is none. */
static ino_t lock_file(const char *dir)
{
    char path[FW_PATH_BYTES];
    struct fw_err err = {0};
    struct stat st;

    if (fw_path_join(path, dir, LOCK_NAME, &err) != FW_OK ||
        stat(path, &st) != 0)
        return 0;
    return st.st_ino;
}

/*
 * A writer that closes removes both files, and another one makes new ones: a
 * reader must not meet the lock of the old with the data of the new.
 */
static fw_rc open_for_reading(struct journal *j, const char *dir,
                              const struct lmdb_options *options,
                              struct fw_err *err)
{
    fw_rc rc = FW_OK;

    for (int attempt = 0; attempt < 5; attempt++) {
        ino_t before = lock_file(dir);

        rc = lmdb_open(dir, options, &j->env, err);
        if (rc == FW_ENOTFOUND)
            return FW_OK; /* nothing is pending */
        if (rc != FW_OK || before == 0 || before == lock_file(dir))
            return rc;
        journal_close(j);
    }
    return fw_err_set(err, FW_EBUSY, "%s is being opened and closed; try again",
                      dir);
}

fw_rc journal_open(struct journal *j, const char *dir,
                   const struct lmdb_options *options, struct fw_err *err)
{
    fw_rc rc;

    *j = (struct journal){.next_seq = 1, .first_seq = 1};
    rc = options->read_only ? open_for_reading(j, dir, options, err)
                            : lmdb_open(dir, options, &j->env, err);
    if (rc == FW_OK && j->env != NULL)
        rc = find_ends(j, err);
    if (rc != FW_OK)
        journal_close(j);
    return rc;
}

void journal_close(struct journal *j)
{
    (void)lmdb_close(j->env);
    j->env = NULL;
}

void journal_close_and_tidy(struct journal *j, const char *dir)
{
    static const char *const names[] = {DATA_NAME, LOCK_NAME};
    char path[FW_PATH_BYTES];
    struct fw_err err = {0};
    bool empty =
        j->env != NULL && find_ends(j, &err) == FW_OK && j->next_seq == 1;

    /* A reader of this process keeps the files: it would share them later. */
    empty = lmdb_close(j->env) && empty;
    j->env = NULL;
    for (size_t i = 0; empty && i < sizeof(names) / sizeof(names[0]); i++)
        if (fw_path_join(path, dir, names[i], &err) == FW_OK)
            (void)unlink(path); /* what stays is an empty journal */
}

struct append_work {
    struct journal *j;
    struct fw_str record; /* empty: trim only */
    uint64_t first_left;
    uint64_t trimmed_bytes;
};

/* The number of the oldest record; FW_END where there is none. */
static fw_rc oldest(struct lmdb_cursor *cursor, uint64_t *seq,
                    struct fw_str *value, struct fw_err *err)
{
    struct fw_str key;
    fw_rc rc = lmdb_seek(cursor, (struct fw_str){"", 0}, &key, value, err);

    if (rc == FW_OK && key.n != KEY_BYTES)
        return FW_END; /* no key of ours: it stays */
    if (rc == FW_OK)
        *seq = fw_get_be64(key.p);
    return rc;
}

/* By what there is, not by counting: numbers may have been skipped. */
static fw_rc trim_some(struct append_work *w, struct lmdb_txn *txn,
                       struct fw_err *err)
{
    uint64_t trim_to = atomic_load(&w->j->trim_to);
    uint64_t seq = w->j->first_seq;
    struct lmdb_cursor cursor = {0};
    struct fw_str old;
    char room[KEY_BYTES];
    fw_rc rc = FW_OK;

    w->trimmed_bytes = 0;
    w->first_left = seq;
    if (seq >= trim_to)
        return FW_OK;
    rc = lmdb_cursor_open(txn, &cursor, err);
    for (int i = 0; rc == FW_OK; i++) {
        rc = oldest(&cursor, &seq, &old, err);
        if (rc != FW_OK || seq >= trim_to || i == TRIM_STEP)
            break;
        w->trimmed_bytes += old.n;
        rc = lmdb_delete(txn, key_of(room, seq), err);
    }
    lmdb_cursor_close(&cursor);
    if (rc == FW_OK)
        w->first_left = seq < trim_to ? seq : trim_to;
    if (rc == FW_END)
        w->first_left = trim_to;
    return rc == FW_END || rc == FW_NONE ? FW_OK : rc;
}

static fw_rc append_in(void *self, struct lmdb_txn *txn, struct fw_err *err)
{
    struct append_work *w = self;
    char room[KEY_BYTES];
    fw_rc rc = trim_some(w, txn, err);

    if (rc == FW_OK && w->record.n > 0)
        rc = lmdb_put(txn, key_of(room, w->j->next_seq), w->record, err);
    return rc;
}

/* Their number as their bytes are: to look at them would read them again. */
static void forget_samples(struct journal *j, uint64_t bytes)
{
    uint64_t all = atomic_load(&j->live_bytes);
    uint64_t samples = atomic_load(&j->live_samples);
    double share = bytes < all ? (double)bytes / (double)all : 1;

    if (bytes > 0)
        (void)atomic_fetch_sub(&j->live_samples,
                               (uint64_t)((double)samples * share));
}

static fw_rc run(struct journal *j, struct fw_str record, struct fw_err *err)
{
    struct append_work work = {.j = j, .record = record};
    fw_rc rc = lmdb_update(j->env, append_in, &work, err);

    if (rc != FW_OK)
        return rc;
    j->first_seq = work.first_left;
    forget_samples(j, work.trimmed_bytes);
    (void)atomic_fetch_add(&j->live_bytes, record.n - work.trimmed_bytes);
    if (record.n > 0)
        j->next_seq++;
    return FW_OK;
}

fw_rc journal_append(struct journal *j, struct fw_str record,
                     struct fw_err *err)
{
    return run(j, record, err);
}

fw_rc journal_trim(struct journal *j, struct fw_err *err)
{
    fw_rc rc = FW_OK;

    while (rc == FW_OK && j->first_seq < atomic_load(&j->trim_to))
        rc = run(j, (struct fw_str){"", 0}, err);
    return rc;
}

void journal_allow_trim(struct journal *j, uint64_t seq)
{
    uint64_t now = atomic_load(&j->trim_to);

    while (seq > now && !atomic_compare_exchange_weak(&j->trim_to, &now, seq))
        ;
}

fw_rc journal_adopt(struct journal *j, struct lmdb_env *meta, const char *name,
                    const struct meta_ring *note, bool write,
                    struct fw_err *err)
{
    bool empty = j->next_seq == j->first_seq;
    fw_rc rc = FW_OK;

    j->name = name;
    j->note = *note;
    if (note->numbered) {
        uint64_t next = j->next_seq;

        next = note->trim > next ? note->trim : next;
        j->next_seq = note->hole_end > next ? note->hole_end : next;
    } else {
        j->note = (struct meta_ring){.noted = true,
                                     .numbered = true,
                                     .trim = j->first_seq,
                                     .hole_first = j->next_seq,
                                     .hole_end = j->next_seq};
        rc = write ? meta_ring_set(meta, name, &j->note, err) : FW_OK;
    }
    if (empty) {
        j->first_seq = j->next_seq;
        atomic_store(&j->trim_to, j->next_seq);
    }
    return rc;
}

fw_rc journal_pass(struct journal *j, struct lmdb_env *meta, uint64_t seq,
                   struct fw_err *err)
{
    struct meta_ring note = j->note;
    fw_rc rc = FW_OK;

    if (seq > note.trim) {
        note.trim = seq;
        rc = meta_ring_set(meta, j->name, &note, err);
    }
    if (rc != FW_OK)
        return rc;
    j->note = note;
    journal_allow_trim(j, seq);
    return FW_OK;
}

/*
 * Has the kernel read the pages of a record, which nobody waits for: LMDB maps
 * its files without reading ahead, for who asks here and there. What it says
 * does not matter: then the pages come when they are looked at.
 */
static void fetch(struct fw_str record)
{
    uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
    uintptr_t at = (uintptr_t)record.p / page * page;

    (void)madvise((void *)at, (uintptr_t)record.p + record.n - at,
                  MADV_WILLNEED);
}

/* A cursor that goes ahead of the one that reads. */
struct ahead {
    struct lmdb_cursor cursor;
    uint64_t bytes; /* of records between the two */
    bool end;
};

static void fetch_ahead(struct ahead *a, bool first)
{
    struct fw_str key, value;
    struct fw_err err = {0};

    while (!a->end && a->bytes < AHEAD_BYTES) {
        fw_rc rc = first ? lmdb_seek(&a->cursor, (struct fw_str){"", 0}, &key,
                                     &value, &err)
                         : lmdb_next(&a->cursor, &key, &value, &err);

        first = false;
        a->end = rc != FW_OK; /* an error is told by who reads */
        if (a->end)
            break;
        fetch(value);
        a->bytes += value.n;
    }
}

fw_rc journal_replay(struct lmdb_txn *txn, journal_each each, void *self,
                     struct fw_err *err)
{
    struct lmdb_cursor cursor = {0};
    struct ahead ahead = {0};
    struct fw_str key, value;
    fw_rc rc = lmdb_cursor_open(txn, &cursor, err);

    if (rc == FW_OK)
        rc = lmdb_cursor_open(txn, &ahead.cursor, err);
    if (rc == FW_OK) {
        fetch_ahead(&ahead, true);
        rc = lmdb_seek(&cursor, (struct fw_str){"", 0}, &key, &value, err);
    }
    while (rc == FW_OK) {
        uint64_t seq = key.n == KEY_BYTES ? fw_get_be64(key.p) : 0;

        rc = each(self, seq, value, err);
        ahead.bytes -= value.n < ahead.bytes ? value.n : ahead.bytes;
        fetch_ahead(&ahead, false);
        if (rc == FW_OK)
            rc = lmdb_next(&cursor, &key, &value, err);
    }
    lmdb_cursor_close(&ahead.cursor);
    lmdb_cursor_close(&cursor);
    return rc == FW_END ? FW_OK : rc;
}
