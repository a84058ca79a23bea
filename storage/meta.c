/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "storage/meta.h"

#include <stdio.h>

#include "storage/base/bytes.h"
#include "storage/base/crc32c.h"

#define MAGIC 0x4D445746u /* "FWDM" */
#define FORMAT_BYTES 8

static const struct fw_str format_key = {"F", 1};

fw_rc meta_format_put(struct lmdb_txn *txn, struct fw_err *err)
{
    char bytes[FORMAT_BYTES];

    fw_put_le32(bytes, MAGIC);
    fw_put_le32(bytes + 4, META_FORMAT_VERSION);
    return lmdb_put(txn, format_key, (struct fw_str){bytes, sizeof(bytes)},
                    err);
}

static fw_rc write_in(void *self, struct lmdb_txn *txn, struct fw_err *err)
{
    (void)self;
    return meta_format_put(txn, err);
}

fw_rc meta_format_write(struct lmdb_env *meta, struct fw_err *err)
{
    return lmdb_update(meta, write_in, NULL, err);
}

static fw_rc judge(struct fw_str value, const char *dir, uint32_t *out,
                   struct fw_err *err)
{
    uint32_t version;

    if (value.n < FORMAT_BYTES || fw_get_le32(value.p) != MAGIC)
        return fw_err_set(err, FW_EVERSION,
                          "%s was made by another program: its meta/ is not "
                          "Forewarn's; give another --data folder",
                          dir);
    version = fw_get_le32(value.p + 4);
    if (version < META_FORMAT_OLDEST || version > META_FORMAT_VERSION)
        return fw_err_set(err, FW_EVERSION,
                          "%s has format version %u and this is forewarn %s, "
                          "which knows versions up to %d: use the version that "
                          "wrote it, or give another --data folder",
                          dir, version, FW_VERSION, META_FORMAT_VERSION);
    *out = version;
    return FW_OK;
}

fw_rc meta_format_check(struct lmdb_env *meta, const char *dir,
                        uint32_t *version, struct fw_err *err)
{
    struct lmdb_txn txn = {0};
    struct lmdb_cursor cursor = {0};
    struct fw_str key, value;
    fw_rc rc = lmdb_begin_read(meta, &txn, err);

    if (rc != FW_OK)
        return rc;
    rc = lmdb_get(&txn, format_key, &value, err);
    if (rc == FW_OK) {
        rc = judge(value, dir, version, err);
    } else if (rc == FW_NONE) {
        /* Empty is new; anything else in it is not ours. */
        rc = lmdb_cursor_open(&txn, &cursor, err);
        if (rc == FW_OK)
            rc = lmdb_seek(&cursor, (struct fw_str){"", 0}, &key, &value, err);
        rc = rc == FW_END  ? FW_NONE
             : rc == FW_OK ? judge((struct fw_str){"", 0}, dir, version, err)
                           : rc;
        lmdb_cursor_close(&cursor);
    }
    lmdb_end(&txn);
    return rc;
}

/* ---- Keys -----------------------------------------------------------------
 */

/* Sections and how long their keys are. */
static const struct section {
    char name;
    size_t least, most;
} sections[] = {
    {META_FORMAT, 1, 1}, {META_PAGE, 5, 5},  {META_NEXT, 1, 1},
    {META_PART, 9, 13},  {META_RING, 2, 16}, {META_TABLE, 2, 64},
    {META_KEY, 4, 500},  {META_TOMB, 9, 9},
};

static bool has_place(struct fw_str key)
{
    for (size_t i = 0; i < sizeof(sections) / sizeof(sections[0]); i++)
        if (key.n > 0 && key.p[0] == sections[i].name)
            return key.n >= sections[i].least && key.n <= sections[i].most;
    return false;
}

fw_rc meta_check_keys(struct lmdb_env *meta, const char *dir,
                      struct fw_err *err)
{
    static const char behind_tables = META_KEY + 1;
    struct lmdb_txn txn = {0};
    struct lmdb_cursor cursor = {0};
    struct fw_str key, value;
    fw_rc rc = lmdb_begin_read(meta, &txn, err);

    if (rc != FW_OK)
        return rc;
    rc = lmdb_cursor_open(&txn, &cursor, err);
    if (rc == FW_OK)
        rc = lmdb_seek(&cursor, (struct fw_str){"", 0}, &key, &value, err);
    while (rc == FW_OK) {
        if (!has_place(key))
            rc = fw_err_set(err, FW_ECORRUPT,
                            "%s/meta has a key of no section (%zu bytes, the "
                            "first is 0x%02x)",
                            dir, key.n, (unsigned char)key.p[0]);
        else if (key.p[0] == META_KEY) /* others' keys, and many */
            rc = lmdb_seek(&cursor, (struct fw_str){&behind_tables, 1}, &key,
                           &value, err);
        else
            rc = lmdb_next(&cursor, &key, &value, err);
    }
    lmdb_cursor_close(&cursor);
    lmdb_end(&txn);
    return rc == FW_END ? FW_OK : rc;
}

/* ---- Is there a journal?
 * ------------------------------------------------------
 */

#define RING_KEY_BYTES 16
#define RING_VALUE_BYTES 28 /* trim point, hole, crc32c */

static struct fw_str ring_key(char room[RING_KEY_BYTES], const char *name)
{
    int n = snprintf(room, RING_KEY_BYTES, "%c%s", META_RING, name);

    return (struct fw_str){room, (size_t)n};
}

static void ring_value_get(struct fw_str value, struct meta_ring *out)
{
    *out = (struct meta_ring){.noted = true};
    if (value.n != RING_VALUE_BYTES ||
        fw_get_le32(value.p + 24) != fw_crc32c(value.p, 24))
        return;
    out->numbered = true;
    out->trim = fw_get_le64(value.p);
    out->hole_first = fw_get_le64(value.p + 8);
    out->hole_end = fw_get_le64(value.p + 16);
}

fw_rc meta_ring_get(struct lmdb_env *meta, const char *name,
                    struct meta_ring *out, struct fw_err *err)
{
    char room[RING_KEY_BYTES];
    struct lmdb_txn txn = {0};
    struct fw_str value;
    fw_rc rc = lmdb_begin_read(meta, &txn, err);

    if (rc != FW_OK)
        return rc;
    rc = lmdb_get(&txn, ring_key(room, name), &value, err);
    if (rc == FW_OK)
        ring_value_get(value, out);
    else if (rc == FW_NONE)
        *out = (struct meta_ring){0};
    lmdb_end(&txn);
    return rc == FW_NONE ? FW_OK : rc;
}

struct ring_note {
    const char *name;
    const struct meta_ring *ring;
};

static fw_rc note_in(void *self, struct lmdb_txn *txn, struct fw_err *err)
{
    const struct ring_note *note = self;
    char room[RING_KEY_BYTES], value[RING_VALUE_BYTES];
    struct fw_str key = ring_key(room, note->name);
    fw_rc rc;

    fw_put_le64(value, note->ring->trim);
    fw_put_le64(value + 8, note->ring->hole_first);
    fw_put_le64(value + 16, note->ring->hole_end);
    fw_put_le32(value + 24, fw_crc32c(value, 24));
    rc = note->ring->noted
             ? lmdb_put(txn, key, (struct fw_str){value, sizeof(value)}, err)
             : lmdb_delete(txn, key, err);
    return rc == FW_NONE ? FW_OK : rc;
}

fw_rc meta_ring_set(struct lmdb_env *meta, const char *name,
                    const struct meta_ring *ring, struct fw_err *err)
{
    struct ring_note note = {name, ring};

    return lmdb_update(meta, note_in, &note, err);
}
