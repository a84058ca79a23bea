/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "storage/journal.h"

#include "storage/base/bytes.h"

#define KEY_BYTES 8
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

fw_rc journal_open(struct journal *j, const char *dir, bool read_only,
                   size_t map_bytes, struct fw_err *err)
{
    struct lmdb_options options = {.read_only = read_only,
                                   .map_bytes = map_bytes};
    fw_rc rc;

    *j = (struct journal){0};
    rc = lmdb_open(dir, &options, &j->env, err);
    if (rc == FW_OK)
        rc = find_ends(j, err);
    if (rc != FW_OK)
        journal_close(j);
    return rc;
}

void journal_close(struct journal *j)
{
    lmdb_close(j->env);
    j->env = NULL;
}

struct append_work {
    struct journal *j;
    struct fw_str record; /* empty: trim only */
    uint64_t first_left;
    uint64_t trimmed_bytes;
};

static fw_rc trim_some(struct append_work *w, struct lmdb_txn *txn,
                       struct fw_err *err)
{
    uint64_t trim_to = atomic_load(&w->j->trim_to);
    uint64_t seq = w->j->first_seq;
    char room[KEY_BYTES];
    fw_rc rc = FW_OK;

    w->trimmed_bytes = 0;
    for (int i = 0; i < TRIM_STEP && seq < trim_to && rc == FW_OK; i++, seq++) {
        struct fw_str key = key_of(room, seq);
        struct fw_str old;

        rc = lmdb_get(txn, key, &old, err);
        if (rc == FW_OK) {
            w->trimmed_bytes += old.n;
            rc = lmdb_delete(txn, key, err);
        }
        rc = rc == FW_NONE ? FW_OK : rc;
    }
    w->first_left = seq;
    return rc;
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

static fw_rc run(struct journal *j, struct fw_str record, struct fw_err *err)
{
    struct append_work work = {.j = j, .record = record};
    fw_rc rc = lmdb_update(j->env, append_in, &work, err);

    if (rc != FW_OK)
        return rc;
    j->first_seq = work.first_left;
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

fw_rc journal_replay(struct lmdb_txn *txn, journal_each each, void *self,
                     struct fw_err *err)
{
    struct lmdb_cursor cursor = {0};
    struct fw_str key, value;
    fw_rc rc = lmdb_cursor_open(txn, &cursor, err);

    if (rc == FW_OK)
        rc = lmdb_seek(&cursor, (struct fw_str){"", 0}, &key, &value, err);
    while (rc == FW_OK) {
        uint64_t seq = key.n == KEY_BYTES ? fw_get_be64(key.p) : 0;

        rc = each(self, seq, value, err);
        if (rc == FW_OK)
            rc = lmdb_next(&cursor, &key, &value, err);
    }
    lmdb_cursor_close(&cursor);
    return rc == FW_END ? FW_OK : rc;
}
