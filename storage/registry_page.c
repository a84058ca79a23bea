/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * registry_page.c - see registry_page.h.
 *
 * Labels of neighbouring series are nearly the same text, so a page is kept
 * as plain text under zlib: about 8 bytes for a series of ten labels.
 */
#include "storage/registry_page.h"

#include <stdlib.h>

#include "storage/base/bytes.h"
#include "storage/base/crc32c.h"
#include "storage/definition.h"
#include "storage/deflate.h"
#include "storage/meta.h"

#define MAGIC 0x31525746u /* "FWR1" */
#define HEADER_BYTES 20
#define RAW_MAX ((size_t)REGISTRY_PAGE_SERIES * (FW_MAX_SERIES_BYTES + 512))
#define ZLIB_LEVEL 1
#define KEY_BYTES 5

/* ---- One page --------------------------------------------------------------
 */

static fw_rc put_raw(struct registry *r, uint32_t first, uint32_t count,
                     struct fw_buf *raw)
{
    fw_rc rc = FW_OK;

    for (uint32_t id = first; id < first + count && rc == FW_OK; id++) {
        size_t mark = raw->len;

        rc = fw_buf_addc(raw, 1);
        if (rc == FW_OK)
            rc = registry_put_definition(r, id, raw);
        if (rc == FW_NONE) {
            raw->data[mark] = 0;
            rc = FW_OK;
        }
    }
    return rc;
}

fw_rc registry_page_put(struct registry *r, uint32_t first, uint32_t count,
                        struct fw_buf *out)
{
    struct fw_buf raw = FW_BUF_INIT(RAW_MAX);
    char header[HEADER_BYTES] = {0};
    size_t start = out->len;
    fw_rc rc = put_raw(r, first, count, &raw);

    if (rc != FW_OK)
        goto out;
    fw_put_le32(header + 0, MAGIC);
    fw_put_le32(header + 8, first);
    fw_put_le32(header + 12, count);
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

static fw_rc each_definition(const char *raw, size_t n, uint32_t first,
                             uint32_t count, registry_page_each each,
                             void *self, struct fw_err *err)
{
    struct fw_label room[FW_MAX_LABELS];
    struct fw_labels labels = {0};
    size_t at = 0;
    fw_rc rc = FW_OK;

    for (uint32_t i = 0; i < count && rc == FW_OK; i++) {
        size_t used = 0;

        if (at >= n || (unsigned char)raw[at] > 1)
            break;
        if (raw[at++] == 0)
            continue;
        if (definition_get(raw + at, n - at, room, &labels, &used) != FW_OK)
            return fw_err_set(err, FW_ECORRUPT,
                              "the registry has bad labels for series %u",
                              first + i);
        at += used;
        rc = each(self, first + i, &labels, err);
    }
    if (rc == FW_OK && at != n)
        return fw_err_set(err, FW_ECORRUPT,
                          "the registry page at series %u is cut short", first);
    return rc;
}

fw_rc registry_page_get(struct fw_str bytes, registry_page_each each,
                        void *self, struct fw_err *err)
{
    uint32_t first, count, raw_n;
    char *raw;
    fw_rc rc;

    if (bytes.n < HEADER_BYTES || fw_get_le32(bytes.p) != MAGIC ||
        fw_get_le32(bytes.p + 4) != fw_crc32c(bytes.p + 8, bytes.n - 8))
        return fw_err_set(err, FW_ECORRUPT,
                          "a registry page fails its checksum");
    first = fw_get_le32(bytes.p + 8);
    count = fw_get_le32(bytes.p + 12);
    raw_n = fw_get_le32(bytes.p + 16);
    if (count > REGISTRY_PAGE_SERIES || first > UINT32_MAX - count ||
        raw_n > RAW_MAX)
        return fw_err_set(err, FW_ECORRUPT,
                          "the registry page at series %u is out of bounds",
                          first);
    raw = malloc((size_t)raw_n + 1);
    if (raw == NULL)
        return fw_err_set(err, FW_ENOMEM, "out of memory");
    rc = deflate_unpack(bytes.p + HEADER_BYTES, bytes.n - HEADER_BYTES, raw,
                        raw_n);
    if (rc != FW_OK)
        rc = fw_err_set(err, rc,
                        "the registry page at series %u cannot be unpacked",
                        first);
    else
        rc = each_definition(raw, raw_n, first, count, each, self, err);
    free(raw);
    return rc;
}

/* ---- All of them ------------------------------------------------------------
 */

fw_rc registry_load(struct lmdb_env *meta, registry_page_each each,
                    registry_page_bad bad, void *self, struct fw_err *err)
{
    struct lmdb_txn txn = {0};
    struct lmdb_cursor cursor = {0};
    struct fw_str key, value;
    char section = META_PAGE;
    fw_rc rc = lmdb_begin_read(meta, &txn, err);

    if (rc != FW_OK)
        return rc;
    rc = lmdb_cursor_open(&txn, &cursor, err);
    if (rc == FW_OK)
        rc =
            lmdb_seek(&cursor, (struct fw_str){&section, 1}, &key, &value, err);
    while (rc == FW_OK && key.n == KEY_BYTES && key.p[0] == META_PAGE) {
        struct fw_err why = {0};

        rc = registry_page_get(value, each, self, &why);
        if (rc == FW_ECORRUPT)
            bad(self, fw_get_be32(key.p + 1), &why);
        else if (rc != FW_OK)
            (void)fw_err_set(err, rc, "%s", why.text);
        if (rc == FW_OK || rc == FW_ECORRUPT)
            rc = lmdb_next(&cursor, &key, &value, err);
    }
    lmdb_cursor_close(&cursor);
    lmdb_end(&txn);
    return rc == FW_END ? FW_OK : rc;
}

fw_rc registry_save(struct registry *r, struct lmdb_txn *txn, uint32_t from,
                    uint32_t to, struct fw_err *err)
{
    struct fw_buf page = FW_BUF_INIT(RAW_MAX + 4096);
    fw_rc rc = FW_OK;

    for (uint32_t number = from / REGISTRY_PAGE_SERIES;
         (uint64_t)number * REGISTRY_PAGE_SERIES < to && rc == FW_OK;
         number++) {
        uint32_t first = number * REGISTRY_PAGE_SERIES;
        uint32_t count = to - first < REGISTRY_PAGE_SERIES
                             ? to - first
                             : REGISTRY_PAGE_SERIES;
        char key[KEY_BYTES] = {META_PAGE};

        fw_buf_clear(&page);
        fw_put_be32(key + 1, number);
        rc = registry_page_put(r, first, count, &page);
        if (rc != FW_OK)
            rc = fw_err_set(err, rc, "out of memory");
        else
            rc = lmdb_put(txn, (struct fw_str){key, sizeof(key)},
                          (struct fw_str){page.data, page.len}, err);
    }
    fw_buf_release(&page);
    return rc;
}
