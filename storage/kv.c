/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * kv.c - small tables for the rooms above, in meta/.
 *
 * A table gets a number at its first put, so that a key is three bytes longer
 * than the caller's and no more. The number is looked up each time: it may
 * come from a transaction that is later given up.
 */
#include <stdlib.h>
#include <string.h>

#include "storage/base/bytes.h"
#include "storage/meta.h"
#include "storage/store.h"

#define TABLE_NAME_MAX 32
#define KEY_MAX 480
#define PREFIX 3 /* section and number of the table */
#define TABLES_MAX 65535

struct fw_txn {
    struct fw_store *store;
    struct lmdb_txn txn;
    bool failed; /* a put failed: committing would keep half */
};

fw_rc fw_txn_begin(struct fw_store *store, bool write, struct fw_txn **out,
                   struct fw_err *err)
{
    struct fw_txn *txn;
    fw_rc rc;

    if (write && store->options.read_only)
        return fw_err_set(err, FW_EREADONLY, "%s was opened for reading only",
                          store->dir);
    if (write) {
        rc = store_check_disk(store, err);
        if (rc != FW_OK)
            return rc;
    }
    txn = calloc(1, sizeof(*txn));
    if (txn == NULL)
        return fw_err_set(err, FW_ENOMEM, "out of memory");
    txn->store = store;
    rc = write ? lmdb_begin_write(store->meta, &txn->txn, err)
               : lmdb_begin_read(store->meta, &txn->txn, err);
    if (rc != FW_OK) {
        free(txn);
        return rc;
    }
    *out = txn;
    return FW_OK;
}

fw_rc fw_txn_commit(struct fw_txn *txn, struct fw_err *err)
{
    fw_rc rc = FW_OK;

    if (txn->failed)
        rc = fw_err_set(err, FW_EIO,
                        "a write of this transaction failed before");
    else if (txn->txn.write)
        rc = lmdb_commit(&txn->txn, err);
    lmdb_end(&txn->txn);
    free(txn);
    return rc;
}

void fw_txn_abort(struct fw_txn *txn)
{
    if (txn == NULL)
        return;
    lmdb_end(&txn->txn);
    free(txn);
}

/* ---- Names ----------------------------------------------------------------
 */

static fw_rc check_name(const char *table, struct fw_err *err)
{
    size_t n = strlen(table);

    if (n == 0 || n > TABLE_NAME_MAX ||
        strspn(table, "abcdefghijklmnopqrstuvwxyz_") != n)
        return fw_err_set(err, FW_EINVAL, "'%.40s' cannot name a table", table);
    return FW_OK;
}

static struct fw_str name_key(char room[1 + TABLE_NAME_MAX], const char *table)
{
    size_t n = strlen(table);

    room[0] = META_TABLE;
    memcpy(room + 1, table, n);
    return (struct fw_str){room, n + 1};
}

/* FW_NONE where the table has never been written to. */
static fw_rc table_find(struct fw_txn *txn, const char *table, uint16_t *id,
                        struct fw_err *err)
{
    char room[1 + TABLE_NAME_MAX];
    struct fw_str value;
    fw_rc rc = check_name(table, err);

    if (rc == FW_OK)
        rc = lmdb_get(&txn->txn, name_key(room, table), &value, err);
    if (rc == FW_OK && value.n != 2)
        return fw_err_set(err, FW_ECORRUPT, "the table '%s' has no number",
                          table);
    if (rc == FW_OK)
        *id = fw_get_le16(value.p);
    return rc;
}

static fw_rc count_tables(struct fw_txn *txn, uint16_t *count,
                          struct fw_err *err)
{
    struct lmdb_cursor cursor = {0};
    struct fw_str key, value;
    char section = META_TABLE;
    uint32_t n = 0;
    fw_rc rc = lmdb_cursor_open(&txn->txn, &cursor, err);

    if (rc == FW_OK)
        rc =
            lmdb_seek(&cursor, (struct fw_str){&section, 1}, &key, &value, err);
    while (rc == FW_OK && key.n > 0 && key.p[0] == META_TABLE) {
        n++;
        rc = lmdb_next(&cursor, &key, &value, err);
    }
    lmdb_cursor_close(&cursor);
    if (rc < 0)
        return rc;
    if (n >= TABLES_MAX)
        return fw_err_set(err, FW_ETOOBIG, "there are too many tables");
    *count = (uint16_t)n;
    return FW_OK;
}

static fw_rc table_make(struct fw_txn *txn, const char *table, uint16_t *id,
                        struct fw_err *err)
{
    char room[1 + TABLE_NAME_MAX];
    char number[2];
    fw_rc rc = table_find(txn, table, id, err);

    if (rc != FW_NONE)
        return rc;
    rc = count_tables(txn, id, err);
    if (rc != FW_OK)
        return rc;
    fw_put_le16(number, *id);
    return lmdb_put(&txn->txn, name_key(room, table),
                    (struct fw_str){number, sizeof(number)}, err);
}

static fw_rc full_key(char room[LMDB_KEY_MAX], uint16_t id, struct fw_str key,
                      struct fw_str *out, struct fw_err *err)
{
    if (key.n > KEY_MAX)
        return fw_err_set(err, FW_ETOOBIG,
                          "a key of %zu bytes is longer than %d", key.n,
                          KEY_MAX);
    room[0] = META_KEY;
    fw_put_be16(room + 1, id);
    if (key.n > 0)
        memcpy(room + PREFIX, key.p, key.n);
    *out = (struct fw_str){room, PREFIX + key.n};
    return FW_OK;
}

/* ---- Reading and writing
 * ------------------------------------------------------
 */

fw_rc fw_txn_put(struct fw_txn *txn, const char *table, struct fw_str key,
                 struct fw_str value, struct fw_err *err)
{
    char room[LMDB_KEY_MAX];
    struct fw_str full;
    uint16_t id = 0;
    fw_rc rc;

    if (!txn->txn.write)
        return fw_err_set(err, FW_EREADONLY, "the transaction only reads");
    if (key.n == 0)
        return fw_err_set(err, FW_EINVAL, "a key is empty");
    rc = full_key(room, 0, key, &full, err);
    if (rc == FW_OK)
        rc = table_make(txn, table, &id, err);
    if (rc == FW_OK)
        rc = full_key(room, id, key, &full, err);
    if (rc != FW_OK)
        return rc;
    rc = lmdb_put(&txn->txn, full, value, err);
    txn->failed = txn->failed || rc != FW_OK;
    return rc;
}

fw_rc fw_txn_get(struct fw_txn *txn, const char *table, struct fw_str key,
                 struct fw_str *value, struct fw_err *err)
{
    char room[LMDB_KEY_MAX];
    struct fw_str full;
    uint16_t id = 0;
    fw_rc rc = table_find(txn, table, &id, err);

    if (rc == FW_OK)
        rc = full_key(room, id, key, &full, err);
    return rc == FW_OK ? lmdb_get(&txn->txn, full, value, err) : rc;
}

fw_rc fw_txn_delete(struct fw_txn *txn, const char *table, struct fw_str key,
                    struct fw_err *err)
{
    char room[LMDB_KEY_MAX];
    struct fw_str full;
    uint16_t id = 0;
    fw_rc rc;

    if (!txn->txn.write)
        return fw_err_set(err, FW_EREADONLY, "the transaction only reads");
    rc = table_find(txn, table, &id, err);
    if (rc == FW_OK)
        rc = full_key(room, id, key, &full, err);
    if (rc == FW_OK)
        rc = lmdb_delete(&txn->txn, full, err);
    txn->failed = txn->failed || rc < 0;
    return rc;
}

static bool in_table(struct fw_str key, struct fw_str prefix)
{
    return key.n >= PREFIX && memcmp(key.p, prefix.p, PREFIX) == 0;
}

fw_rc fw_txn_scan(struct fw_txn *txn, const char *table, struct fw_str from,
                  fw_txn_each each, void *self, struct fw_err *err)
{
    char room[LMDB_KEY_MAX];
    struct lmdb_cursor cursor = {0};
    struct fw_str start, key, value;
    uint16_t id = 0;
    fw_rc rc = table_find(txn, table, &id, err);

    if (rc == FW_NONE)
        return FW_OK; /* a table nobody wrote to is empty */
    if (rc == FW_OK)
        rc = full_key(room, id, from, &start, err);
    if (rc == FW_OK)
        rc = lmdb_cursor_open(&txn->txn, &cursor, err);
    if (rc == FW_OK)
        rc = lmdb_seek(&cursor, start, &key, &value, err);
    while (rc == FW_OK && in_table(key, start)) {
        if (!each(self, (struct fw_str){key.p + PREFIX, key.n - PREFIX}, value))
            break;
        rc = lmdb_next(&cursor, &key, &value, err);
    }
    lmdb_cursor_close(&cursor);
    return rc == FW_END ? FW_OK : rc;
}

fw_rc fw_txn_last(struct fw_txn *txn, const char *table, struct fw_str *key,
                  struct fw_str *value, struct fw_err *err)
{
    char room[LMDB_KEY_MAX];
    struct lmdb_cursor cursor = {0};
    struct fw_str prefix, next, found_key, found;
    char behind[PREFIX];
    uint16_t id = 0;
    fw_rc rc = table_find(txn, table, &id, err);

    if (rc == FW_OK)
        rc = full_key(room, id, (struct fw_str){"", 0}, &prefix, err);
    if (rc == FW_OK)
        rc = lmdb_cursor_open(&txn->txn, &cursor, err);
    if (rc != FW_OK)
        return rc;
    memcpy(behind, room, PREFIX);
    fw_put_be16(behind + 1, (uint16_t)(id + 1));
    next = (struct fw_str){behind, PREFIX};
    rc = lmdb_seek(&cursor, next, &found_key, &found, err);
    if (rc == FW_OK)
        rc = lmdb_prev(&cursor, &found_key, &found, err);
    else if (rc == FW_END)
        rc = lmdb_last(&cursor, &found_key, &found, err);
    if (rc == FW_OK && !in_table(found_key, prefix))
        rc = FW_NONE;
    if (rc == FW_OK) {
        *key = (struct fw_str){found_key.p + PREFIX, found_key.n - PREFIX};
        *value = found;
    }
    lmdb_cursor_close(&cursor);
    return rc == FW_END ? FW_NONE : rc;
}
