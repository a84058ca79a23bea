/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * kv.c - small tables for the rooms above, in meta/.
 *
 * A table gets a number at its first put, so that a key is three bytes longer
 * than the caller's and no more. The number is looked up each time: it may
 * come from a transaction that is later given up.
 *
 * Each value ends with a CRC-32C of its key and of itself, in tables that were
 * begun in format 3 or later; those from before go on without. A damaged entry
 * is no entry to a scan, and an error to whoever asks for it; opening the
 * folder counts it, and verify names it.
 */
#include <stdlib.h>
#include <string.h>

#include "storage/base/bytes.h"
#include "storage/base/crc32c.h"
#include "storage/meta.h"
#include "storage/store.h"

#define TABLE_NAME_MAX 32
#define KEY_MAX 480
#define PREFIX 3 /* section and number of the table */
#define TABLES_MAX 65535
#define TABLE_BYTES_2 2 /* its number, of format 2 */
#define TABLE_BYTES 8   /* number, 1: checked, crc of name and these */
#define CRC_BYTES 4

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

fw_rc fw_txn_end(struct fw_txn *txn, fw_rc rc, struct fw_err *err)
{
    if (rc == FW_OK)
        return fw_txn_commit(txn, err);
    fw_txn_abort(txn);
    return rc;
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

struct table {
    uint16_t id;
    bool checked; /* its values end with a checksum */
};

static uint32_t name_crc(struct fw_str name, const char *value)
{
    return fw_crc32c_more(fw_crc32c(name.p, name.n), value, 4);
}

static bool table_get(struct fw_str name, struct fw_str value,
                      struct table *out)
{
    bool checked = value.n == TABLE_BYTES;

    if ((value.n != TABLE_BYTES_2 && !checked) ||
        (checked && (fw_get_le16(value.p + 2) != 1 ||
                     fw_get_le32(value.p + 4) != name_crc(name, value.p))))
        return false;
    *out = (struct table){fw_get_le16(value.p), checked};
    return true;
}

/* FW_NONE where the table has never been written to. */
static fw_rc table_find(struct fw_txn *txn, const char *table,
                        struct table *out, struct fw_err *err)
{
    char room[1 + TABLE_NAME_MAX];
    struct fw_str name, value;
    fw_rc rc = check_name(table, err);

    if (rc != FW_OK)
        return rc;
    name = name_key(room, table);
    rc = lmdb_get(&txn->txn, name, &value, err);
    if (rc == FW_OK && !table_get(name, value, out))
        return fw_err_set(err, FW_ECORRUPT, "the table '%s' has no number",
                          table);
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

static fw_rc table_make(struct fw_txn *txn, const char *table,
                        struct table *out, struct fw_err *err)
{
    char room[1 + TABLE_NAME_MAX];
    char value[TABLE_BYTES];
    struct fw_str name;
    fw_rc rc = table_find(txn, table, out, err);

    if (rc != FW_NONE)
        return rc;
    rc = count_tables(txn, &out->id, err);
    if (rc != FW_OK)
        return rc;
    out->checked = true;
    name = name_key(room, table);
    fw_put_le16(value, out->id);
    fw_put_le16(value + 2, 1);
    fw_put_le32(value + 4, name_crc(name, value));
    return lmdb_put(&txn->txn, name, (struct fw_str){value, sizeof(value)},
                    err);
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

/* ---- Checksums ------------------------------------------------------------
 */

static uint32_t entry_crc(struct fw_str key, struct fw_str value)
{
    return fw_crc32c_more(fw_crc32c(key.p, key.n), value.p, value.n);
}

/* Takes the checksum off a value; false if it is wrong. */
static bool uncover(struct fw_str key, struct fw_str *value)
{
    struct fw_str rest = {value->p, value->n - CRC_BYTES};

    if (value->n < CRC_BYTES ||
        fw_get_le32(value->p + rest.n) != entry_crc(key, rest))
        return false;
    *value = rest;
    return true;
}

static fw_rc put_checked(struct fw_txn *txn, struct fw_str key,
                         struct fw_str value, struct fw_err *err)
{
    char *copy = malloc(value.n + CRC_BYTES);
    fw_rc rc;

    if (copy == NULL)
        return fw_err_set(err, FW_ENOMEM, "out of memory");
    if (value.n > 0)
        memcpy(copy, value.p, value.n);
    fw_put_le32(copy + value.n, entry_crc(key, value));
    rc = lmdb_put(&txn->txn, key, (struct fw_str){copy, value.n + CRC_BYTES},
                  err);
    free(copy);
    return rc;
}

static fw_rc tell_damage(const char *table, struct fw_err *err)
{
    return fw_err_set(err, FW_ECORRUPT,
                      "an entry of the table '%s' in meta/ is damaged", table);
}

/* Which tables there are, by number, and which of them are checked. */
struct table_set {
    uint8_t known[(TABLES_MAX + 1) / 8], checked[(TABLES_MAX + 1) / 8];
    bool damaged; /* there are more, and it was told */
};

typedef void (*damage_sink)(void *self, const char *sentence);

static bool is_in(const uint8_t *bits, unsigned id)
{
    return (bits[id / 8] >> id % 8 & 1) != 0;
}

static fw_rc find_tables(struct lmdb_cursor *cursor, struct table_set *out,
                         damage_sink damaged, void *self, struct fw_err *err)
{
    char section = META_TABLE, sentence[128];
    struct fw_str key, value;
    fw_rc rc =
        lmdb_seek(cursor, (struct fw_str){&section, 1}, &key, &value, err);

    while (rc == FW_OK && key.n > 0 && key.p[0] == META_TABLE) {
        struct table t = {0};

        if (table_get(key, value, &t)) {
            out->known[t.id / 8] |= (uint8_t)(1u << t.id % 8);
            out->checked[t.id / 8] |= (uint8_t)(t.checked << t.id % 8);
        } else {
            (void)snprintf(sentence, sizeof(sentence),
                           "meta/: the number of the table '%.*s' is damaged",
                           key.n > TABLE_NAME_MAX ? TABLE_NAME_MAX
                                                  : (int)key.n - 1,
                           key.p + 1);
            damaged(self, sentence);
            out->damaged = true;
        }
        rc = lmdb_next(cursor, &key, &value, err);
    }
    return rc == FW_END ? FW_OK : rc;
}

static unsigned table_of(struct fw_str key)
{
    return (unsigned)(unsigned char)key.p[1] << 8 | (unsigned char)key.p[2];
}

/* A key cut short, or of no table, is damaged as a wrong checksum is. */
static bool is_sound(const struct table_set *tables, struct fw_str key,
                     struct fw_str value)
{
    unsigned id;

    if (key.n <= PREFIX)
        return false;
    id = table_of(key);
    if (!is_in(tables->known, id))
        return tables->damaged;
    return !is_in(tables->checked, id) || uncover(key, &value);
}

static fw_rc check_tables(struct lmdb_cursor *cursor,
                          const struct table_set *tables, damage_sink damaged,
                          void *self, struct fw_err *err)
{
    char section = META_KEY, sentence[128];
    struct fw_str key, value;
    fw_rc rc =
        lmdb_seek(cursor, (struct fw_str){&section, 1}, &key, &value, err);

    while (rc == FW_OK && key.n > 0 && key.p[0] == META_KEY) {
        if (!is_sound(tables, key, value)) {
            bool whole = key.n > PREFIX;

            (void)snprintf(sentence, sizeof(sentence),
                           "meta/: an entry of table %u is damaged (a key of "
                           "%zu bytes)",
                           whole ? table_of(key) : 0,
                           whole ? key.n - PREFIX : 0);
            damaged(self, sentence);
        }
        rc = lmdb_next(cursor, &key, &value, err);
    }
    return rc == FW_END ? FW_OK : rc;
}

fw_rc meta_check_entries(struct lmdb_env *meta,
                         void (*damaged)(void *self, const char *sentence),
                         void *self, struct fw_err *err)
{
    struct table_set tables = {.damaged = false};
    struct lmdb_txn txn = {0};
    struct lmdb_cursor cursor = {0};
    fw_rc rc = lmdb_begin_read(meta, &txn, err);

    if (rc != FW_OK)
        return rc;
    rc = lmdb_cursor_open(&txn, &cursor, err);
    if (rc == FW_OK)
        rc = find_tables(&cursor, &tables, damaged, self, err);
    if (rc == FW_OK)
        rc = check_tables(&cursor, &tables, damaged, self, err);
    lmdb_cursor_close(&cursor);
    lmdb_end(&txn);
    return rc;
}

/* ---- Reading and writing
 * ------------------------------------------------------
 */

fw_rc fw_txn_put(struct fw_txn *txn, const char *table, struct fw_str key,
                 struct fw_str value, struct fw_err *err)
{
    char room[LMDB_KEY_MAX];
    struct fw_str full;
    struct table t = {0};
    fw_rc rc;

    if (!txn->txn.write)
        return fw_err_set(err, FW_EREADONLY, "the transaction only reads");
    if (key.n == 0)
        return fw_err_set(err, FW_EINVAL, "a key is empty");
    rc = full_key(room, 0, key, &full, err);
    if (rc == FW_OK)
        rc = table_make(txn, table, &t, err);
    if (rc == FW_OK)
        rc = full_key(room, t.id, key, &full, err);
    if (rc != FW_OK)
        return rc;
    rc = t.checked ? put_checked(txn, full, value, err)
                   : lmdb_put(&txn->txn, full, value, err);
    txn->failed = txn->failed || rc != FW_OK;
    return rc;
}

fw_rc fw_txn_get(struct fw_txn *txn, const char *table, struct fw_str key,
                 struct fw_str *value, struct fw_err *err)
{
    char room[LMDB_KEY_MAX];
    struct fw_str full, found;
    struct table t = {0};
    fw_rc rc = table_find(txn, table, &t, err);

    if (rc == FW_OK)
        rc = full_key(room, t.id, key, &full, err);
    if (rc == FW_OK)
        rc = lmdb_get(&txn->txn, full, &found, err);
    if (rc == FW_OK && t.checked && !uncover(full, &found))
        rc = tell_damage(table, err);
    if (rc == FW_OK)
        *value = found;
    return rc;
}

fw_rc fw_txn_delete(struct fw_txn *txn, const char *table, struct fw_str key,
                    struct fw_err *err)
{
    char room[LMDB_KEY_MAX];
    struct fw_str full;
    struct table t = {0};
    fw_rc rc;

    if (!txn->txn.write)
        return fw_err_set(err, FW_EREADONLY, "the transaction only reads");
    rc = table_find(txn, table, &t, err);
    if (rc == FW_OK)
        rc = full_key(room, t.id, key, &full, err);
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
    struct table t = {0};
    fw_rc rc = table_find(txn, table, &t, err);

    if (rc == FW_NONE)
        return FW_OK; /* a table nobody wrote to is empty */
    if (rc == FW_OK)
        rc = full_key(room, t.id, from, &start, err);
    if (rc == FW_OK)
        rc = lmdb_cursor_open(&txn->txn, &cursor, err);
    if (rc == FW_OK)
        rc = lmdb_seek(&cursor, start, &key, &value, err);
    while (rc == FW_OK && in_table(key, start)) {
        if ((!t.checked || uncover(key, &value)) &&
            !each(self, (struct fw_str){key.p + PREFIX, key.n - PREFIX}, value))
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
    struct table t = {0};
    fw_rc rc = table_find(txn, table, &t, err);

    if (rc == FW_OK)
        rc = full_key(room, t.id, (struct fw_str){"", 0}, &prefix, err);
    if (rc == FW_OK)
        rc = lmdb_cursor_open(&txn->txn, &cursor, err);
    if (rc != FW_OK)
        return rc;
    memcpy(behind, room, PREFIX);
    fw_put_be16(behind + 1, (uint16_t)(t.id + 1));
    next = (struct fw_str){behind, PREFIX};
    rc = lmdb_seek(&cursor, next, &found_key, &found, err);
    if (rc == FW_OK)
        rc = lmdb_prev(&cursor, &found_key, &found, err);
    else if (rc == FW_END)
        rc = lmdb_last(&cursor, &found_key, &found, err);
    if (rc == FW_OK && !in_table(found_key, prefix))
        rc = FW_NONE;
    if (rc == FW_OK && t.checked && !uncover(found_key, &found))
        rc = tell_damage(table, err);
    if (rc == FW_OK) {
        *key = (struct fw_str){found_key.p + PREFIX, found_key.n - PREFIX};
        *value = found;
    }
    lmdb_cursor_close(&cursor);
    return rc == FW_END ? FW_NONE : rc;
}
