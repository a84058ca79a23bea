/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * registry_page.c - see registry_page.h.
 *
 * A page is the columns of label_page.h with its own words, under zlib: six
 * bytes or so for a series of ten labels. It speaks of nothing outside of
 * itself, so a damaged one costs its own series and no others; and it is read
 * a hundred words at a time instead of ten thousand, so that a million series
 * are there in a fraction of a second.
 */
#include "storage/index/registry_page.h"

#include <stdlib.h>

#include "storage/base/bytes.h"
#include "storage/base/crc32c.h"
#include "storage/index/definition.h"
#include "storage/meta.h"
#include "storage/segments/deflate.h"

#define MAGIC 0x32525746u        /* "FWR2" */
#define MAGIC_BEFORE 0x31525746u /* "FWR1": plain definitions under zlib */
#define HEADER_BYTES 20
#define RAW_MAX ((size_t)REGISTRY_PAGE_SERIES * (FW_MAX_SERIES_BYTES + 1024))
#define ZLIB_LEVEL 1
#define KEY_BYTES 5

/* ---- Writing ----------------------------------------------------------------
 */

fw_rc registry_page_put(struct registry *r, uint32_t number, struct fw_buf *out,
                        uint32_t *rows)
{
    struct fw_buf raw = FW_BUF_INIT(RAW_MAX);
    char header[HEADER_BYTES] = {0};
    size_t start = out->len;
    fw_rc rc = registry_put_page(r, number, &raw, rows);

    if (rc != FW_OK || *rows == 0)
        goto out;
    fw_put_le32(header + 0, MAGIC);
    fw_put_le32(header + 8, number * REGISTRY_PAGE_SERIES);
    fw_put_le32(header + 12, *rows);
    fw_put_le32(header + 16, (uint32_t)raw.len);
    rc = fw_buf_add(out, header, sizeof(header));
    if (rc == FW_OK)
        rc = deflate_pack(raw.data, raw.len, ZLIB_LEVEL, out);
    if (rc == FW_OK)
        fw_put_le32(out->data + start + 4,
                    fw_crc32c(out->data + start + 8, out->len - start - 8));
out:
    fw_buf_release(&raw);
    return rc;
}

/* ---- Reading ----------------------------------------------------------------
 */

/* A page unpacked. */
struct raw_page {
    bool before; /* of the format before */
    uint32_t first, count;
    char *p; /* owned */
    size_t n;
};

static fw_rc unpack(struct fw_str bytes, struct raw_page *out,
                    struct fw_err *err)
{
    uint32_t magic = bytes.n < HEADER_BYTES ? 0 : fw_get_le32(bytes.p);
    struct raw_page raw = {.before = magic == MAGIC_BEFORE};
    fw_rc rc;

    if ((magic != MAGIC && magic != MAGIC_BEFORE) ||
        fw_get_le32(bytes.p + 4) != fw_crc32c(bytes.p + 8, bytes.n - 8))
        return fw_err_set(err, FW_ECORRUPT,
                          "a registry page fails its checksum");
    raw.first = fw_get_le32(bytes.p + 8);
    raw.count = fw_get_le32(bytes.p + 12);
    raw.n = fw_get_le32(bytes.p + 16);
    if (raw.count > REGISTRY_PAGE_SERIES ||
        raw.first >= UINT32_MAX - REGISTRY_PAGE_SERIES || raw.n > RAW_MAX)
        return fw_err_set(err, FW_ECORRUPT,
                          "the registry page at series %u is out of bounds",
                          raw.first);
    raw.p = malloc(raw.n + 1);
    if (raw.p == NULL)
        return fw_err_set(err, FW_ENOMEM, "out of memory");
    rc = deflate_unpack(bytes.p + HEADER_BYTES, bytes.n - HEADER_BYTES, raw.p,
                        raw.n);
    if (rc != FW_OK) {
        free(raw.p);
        return fw_err_set(err, rc,
                          "the registry page at series %u cannot be unpacked",
                          raw.first);
    }
    *out = raw;
    return FW_OK;
}

static fw_rc read_columns(const struct raw_page *raw, struct label_page **page,
                          struct fw_str **texts, struct fw_err *err)
{
    fw_rc rc = label_page_get(raw->p, raw->n, raw->count, page, texts);

    if (rc == FW_ENOMEM)
        return fw_err_set(err, rc, "out of memory");
    if (rc != FW_OK)
        return fw_err_set(err, FW_ECORRUPT,
                          "the registry page at series %u is not well formed",
                          raw->first);
    return FW_OK;
}

static fw_rc each_of_columns(const struct raw_page *raw,
                             registry_page_each each, void *self,
                             struct fw_err *err)
{
    struct fw_label room[FW_MAX_LABELS];
    struct label_page *page = NULL;
    struct fw_str *texts = NULL;
    struct label_row at;
    fw_rc rc = read_columns(raw, &page, &texts, err);

    if (rc != FW_OK)
        return rc;
    for (uint32_t row = 0; row < page->count && rc == FW_OK; row++) {
        struct fw_labels labels = {room, 0};

        if (!label_page_row(page, row, &at))
            continue;
        for (uint32_t i = 0; i < at.shape->labels; i++)
            room[labels.n++] = (struct fw_label){
                texts[label_row_name(&at, i)], texts[label_row_value(&at, i)]};
        rc = each(self, raw->first + row, &labels, err);
    }
    label_page_free(page);
    free(texts);
    return rc;
}

static fw_rc each_definition(const struct raw_page *raw,
                             registry_page_each each, void *self,
                             struct fw_err *err)
{
    struct fw_label room[FW_MAX_LABELS];
    struct fw_labels labels = {0};
    size_t at = 0;
    fw_rc rc = FW_OK;

    for (uint32_t i = 0; i < raw->count && rc == FW_OK; i++) {
        size_t used = 0;

        if (at >= raw->n || (unsigned char)raw->p[at] > 1)
            break;
        if (raw->p[at++] == 0)
            continue;
        if (definition_get(raw->p + at, raw->n - at, room, &labels, &used) !=
            FW_OK)
            return fw_err_set(err, FW_ECORRUPT,
                              "the registry has bad labels for series %u",
                              raw->first + i);
        at += used;
        rc = each(self, raw->first + i, &labels, err);
    }
    if (rc == FW_OK && at != raw->n)
        return fw_err_set(err, FW_ECORRUPT,
                          "the registry page at series %u is cut short",
                          raw->first);
    return rc;
}

fw_rc registry_page_get(struct fw_str bytes, registry_page_each each,
                        void *self, struct fw_err *err)
{
    struct raw_page raw = {0};
    fw_rc rc = unpack(bytes, &raw, err);

    if (rc != FW_OK)
        return rc;
    rc = raw.before ? each_definition(&raw, each, self, err)
                    : each_of_columns(&raw, each, self, err);
    free(raw.p);
    return rc;
}

static fw_rc define(void *self, uint32_t id, const struct fw_labels *labels,
                    struct fw_err *err)
{
    return registry_define(self, id, labels, err);
}

fw_rc registry_page_load(struct registry *r, uint32_t number,
                         struct fw_str bytes, uint32_t *next, bool *before,
                         struct fw_err *err)
{
    struct raw_page raw = {0};
    struct label_page *page = NULL;
    struct fw_str *texts = NULL;
    fw_rc rc = unpack(bytes, &raw, err);

    if (rc != FW_OK)
        return rc;
    if (raw.first / REGISTRY_PAGE_SERIES != number) {
        rc = fw_err_set(err, FW_ECORRUPT,
                        "the registry page at series %u stands at the place "
                        "of another one",
                        raw.first);
    } else if (raw.before) {
        rc = each_definition(&raw, define, r, err);
    } else {
        rc = read_columns(&raw, &page, &texts, err);
        if (rc == FW_OK)
            rc = registry_adopt(r, raw.first, page, texts, err);
        if (rc != FW_OK)
            label_page_free(page);
        free(texts);
    }
    *next = raw.first + raw.count;
    *before = raw.before;
    free(raw.p);
    return rc;
}

/* ---- All of them ------------------------------------------------------------
 */

static fw_rc get_next(struct lmdb_txn *txn, uint32_t *next, struct fw_err *err)
{
    char section = META_NEXT;
    struct fw_str value;
    fw_rc rc = lmdb_get(txn, (struct fw_str){&section, 1}, &value, err);

    *next = 0;
    if (rc == FW_NONE)
        return FW_OK; /* a folder of the format before, or a new one */
    if (rc == FW_OK && value.n == 4 && fw_get_le32(value.p) < UINT32_MAX - 1)
        *next = fw_get_le32(value.p);
    return rc;
}

fw_rc registry_each_page(struct lmdb_env *meta, registry_page_bytes each,
                         void *self, uint32_t *next, struct fw_err *err)
{
    struct lmdb_txn txn = {0};
    struct lmdb_cursor cursor = {0};
    struct fw_str key, value;
    char section = META_PAGE;
    fw_rc rc = lmdb_begin_read(meta, &txn, err);

    if (rc != FW_OK)
        return rc;
    rc = get_next(&txn, next, err);
    if (rc == FW_OK)
        rc = lmdb_cursor_open(&txn, &cursor, err);
    if (rc == FW_OK)
        rc =
            lmdb_seek(&cursor, (struct fw_str){&section, 1}, &key, &value, err);
    while (rc == FW_OK && key.n > 0 && key.p[0] == META_PAGE) {
        /* Where the key's length is wrong the value is, which each() tells. */
        rc =
            each(self, key.n == KEY_BYTES ? fw_get_be32(key.p + 1) : UINT32_MAX,
                 value, err);
        if (rc == FW_OK)
            rc = lmdb_next(&cursor, &key, &value, err);
    }
    lmdb_cursor_close(&cursor);
    lmdb_end(&txn);
    return rc == FW_END ? FW_OK : rc;
}

struct reading {
    registry_page_each each;
    registry_page_bad bad;
    void *self;
};

static fw_rc read_page(void *self, uint32_t page, struct fw_str bytes,
                       struct fw_err *err)
{
    const struct reading *reading = self;
    struct fw_err why = {0};
    fw_rc rc = registry_page_get(bytes, reading->each, reading->self, &why);

    if (rc == FW_ECORRUPT)
        reading->bad(reading->self, page, &why);
    else if (rc != FW_OK)
        return fw_err_set(err, rc, "%s", why.text);
    return FW_OK;
}

fw_rc registry_load(struct lmdb_env *meta, registry_page_each each,
                    registry_page_bad bad, void *self, struct fw_err *err)
{
    struct reading reading = {each, bad, self};
    uint32_t next;

    return registry_each_page(meta, read_page, &reading, &next, err);
}

static fw_rc save_next(struct lmdb_txn *txn, uint32_t next, struct fw_err *err)
{
    char section = META_NEXT;
    char bytes[4];

    fw_put_le32(bytes, next);
    return lmdb_put(txn, (struct fw_str){&section, 1},
                    (struct fw_str){bytes, sizeof(bytes)}, err);
}

fw_rc registry_save_page(struct registry *r, struct lmdb_txn *txn,
                         uint32_t number, struct fw_err *err)
{
    struct fw_buf page = FW_BUF_INIT(RAW_MAX + 4096);
    char bytes[KEY_BYTES] = {META_PAGE};
    struct fw_str key = {bytes, sizeof(bytes)};
    uint32_t rows = 0;
    fw_rc rc;

    fw_put_be32(bytes + 1, number);
    rc = registry_page_put(r, number, &page, &rows);
    if (rc != FW_OK)
        rc = fw_err_set(err, rc, "out of memory");
    else if (rows > 0)
        rc = lmdb_put(txn, key, (struct fw_str){page.data, page.len}, err);
    else
        rc = lmdb_delete(txn, key, err);
    fw_buf_release(&page);
    return rc == FW_NONE ? FW_OK : rc;
}

fw_rc registry_save(struct registry *r, struct lmdb_txn *txn, uint32_t from,
                    uint32_t to, struct fw_err *err)
{
    struct fw_buf page = FW_BUF_INIT(RAW_MAX + 4096);
    fw_rc rc = meta_format_put(txn, err);

    if (rc == FW_OK)
        rc = save_next(txn, to, err);
    for (uint32_t number = from / REGISTRY_PAGE_SERIES;
         (uint64_t)number * REGISTRY_PAGE_SERIES < to && rc == FW_OK;
         number++) {
        char key[KEY_BYTES] = {META_PAGE};
        uint32_t rows = 0;

        fw_buf_clear(&page);
        fw_put_be32(key + 1, number);
        rc = registry_page_put(r, number, &page, &rows);
        if (rc != FW_OK)
            rc = fw_err_set(err, rc, "out of memory");
        else if (rows > 0) /* else it may be one that could not be read */
            rc = lmdb_put(txn, (struct fw_str){key, sizeof(key)},
                          (struct fw_str){page.data, page.len}, err);
    }
    fw_buf_release(&page);
    return rc;
}
