/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * segment_reader.c - reads a segment of hostile bytes: every offset and count
 * is checked before it is followed.
 */
#include <stdlib.h>

#include "storage/base/bytes.h"
#include "storage/base/crc32c.h"
#include "storage/codec/times.h"
#include "storage/segments/deflate.h"
#include "storage/segments/segment.h"

#define FLAGS_KNOWN (SEGMENT_DEFLATED | SEGMENT_ROWS | SEGMENT_INDEX)

/* Summaries have neither times nor data. */
static bool sizes_are_right(const struct segment *s)
{
    if (s->rows)
        return s->data_bytes == 0 && s->column_count == 0 && !s->deflated;
    return s->data_bytes > 0 && s->data_bytes <= SEGMENT_MAX && !s->index;
}

fw_rc segment_open(struct segment *s, struct fw_str bytes, struct fw_err *err)
{
    const uint8_t *p = (const uint8_t *)bytes.p;
    struct segment found = {.p = p, .n = bytes.n};

    if (bytes.n < SEGMENT_HEADER || fw_get_le32(p) != SEGMENT_MAGIC)
        return fw_err_set(err, FW_ECORRUPT, "a segment has no header");
    if (fw_get_le32(p + 60) != fw_crc32c(p, 60))
        return fw_err_set(err, FW_ECORRUPT,
                          "the header of a segment fails its checksum");
    if (fw_get_le16(p + 4) != SEGMENT_VERSION ||
        (fw_get_le16(p + 6) & ~FLAGS_KNOWN) != 0)
        return fw_err_set(err, FW_EVERSION,
                          "a segment has version %u, flags %u; this build "
                          "knows version %d",
                          fw_get_le16(p + 4), fw_get_le16(p + 6),
                          SEGMENT_VERSION);
    found.deflated = (fw_get_le16(p + 6) & SEGMENT_DEFLATED) != 0;
    found.rows = (fw_get_le16(p + 6) & SEGMENT_ROWS) != 0;
    found.index = (fw_get_le16(p + 6) & SEGMENT_INDEX) != 0;
    found.block_count = fw_get_le32(p + 8);
    found.column_count = fw_get_le32(p + 12);
    found.t_min = (fw_ms)fw_get_le64(p + 16);
    found.t_max = (fw_ms)fw_get_le64(p + 24);
    found.off_columns = fw_get_le32(p + 32);
    found.off_data = fw_get_le32(p + 36);
    found.used = fw_get_le32(p + 40);
    found.journal_seq = fw_get_le64(p + 48);
    if (found.block_count == 0 || found.block_count > SEGMENT_BLOCKS_MAX ||
        found.column_count > found.block_count || found.used > bytes.n ||
        found.off_data > found.used || found.off_columns > found.off_data ||
        found.off_columns < SEGMENT_HEADER + (uint64_t)found.column_count *
                                                 SEGMENT_COLUMN_ENTRY)
        return fw_err_set(err, FW_ECORRUPT,
                          "the header of a segment is out of bounds");
    found.data_bytes =
        found.deflated ? fw_get_le32(p + 44) : found.used - found.off_data;
    if (!sizes_are_right(&found))
        return fw_err_set(err, FW_ECORRUPT, "a segment has %u bytes of data",
                          found.data_bytes);
    if (!found.deflated)
        found.data = p + found.off_data;
    *s = found;
    return FW_OK;
}

fw_rc segment_inflate(const struct segment *s, uint8_t *out, struct fw_err *err)
{
    fw_rc rc = deflate_unpack(s->p + s->off_data, s->used - s->off_data, out,
                              s->data_bytes);

    if (rc == FW_OK)
        return FW_OK;
    return fw_err_set(err, rc,
                      rc == FW_ECORRUPT ? "the data of a segment cannot be "
                                          "inflated"
                                        : "out of memory");
}

/* ---- Directory ------------------------------------------------------------
 */

struct cut {
    const uint8_t *p;
    size_t n;
};

/* The next packed column of the directory. */
static bool next_packed(struct cut *rest, struct cut *out)
{
    uint32_t length;

    if (rest->n < 4)
        return false;
    length = fw_get_le32(rest->p);
    if (length > rest->n - 4)
        return false;
    *out = (struct cut){rest->p + 4, length};
    rest->p += 4 + length;
    rest->n -= 4 + (size_t)length;
    return true;
}

static void set_integer(struct segment_block *b, int which, int64_t v)
{
    uint32_t small = v < 0 || v > UINT32_MAX ? UINT32_MAX : (uint32_t)v;

    switch (which) {
    case 0:
        b->series = small;
        break;
    case 1:
        b->bytes = small;
        break;
    case 2:
        b->n = small;
        break;
    case 3:
        b->column = small;
        break;
    case 4:
        b->nans = small;
        break;
    case 5:
        b->t_min = v;
        break;
    default:
        b->t_max = v;
        break;
    }
}

static double *double_of(struct segment_block *b, int which)
{
    double *const fields[] = {&b->min,   &b->max,  &b->sum,
                              &b->first, &b->last, &b->increase};

    return fields[which];
}

static fw_rc get_columns(const struct segment *s, struct cut rest,
                         int64_t *integers, double *doubles,
                         struct segment_block *blocks, struct fw_err *err)
{
    size_t n = s->block_count;
    struct cut packed = {0};
    fw_rc rc = FW_OK;

    for (int which = 0; which < 7 && rc == FW_OK; which++) {
        if (!next_packed(&rest, &packed))
            return fw_err_set(err, FW_ECORRUPT, "a directory is cut short");
        rc = times_decode(packed.p, packed.n, n, integers, err);
        for (size_t i = 0; i < n && rc == FW_OK; i++)
            set_integer(&blocks[i], which, integers[i]);
    }
    for (int which = 0; which < 6 && rc == FW_OK; which++) {
        if (!next_packed(&rest, &packed))
            return fw_err_set(err, FW_ECORRUPT, "a directory is cut short");
        rc = values_decode(packed.p, packed.n, n, doubles, err);
        for (size_t i = 0; i < n && rc == FW_OK; i++)
            *double_of(&blocks[i], which) = doubles[i];
    }
    return rc;
}

static fw_rc check_rows(const struct segment *s,
                        const struct segment_block *rows, struct fw_err *err)
{
    for (uint32_t i = 0; i < s->block_count; i++)
        if (rows[i].bytes != 0 || rows[i].n == 0 || rows[i].n == UINT32_MAX ||
            rows[i].nans > rows[i].n || rows[i].series == UINT32_MAX ||
            rows[i].t_min > rows[i].t_max || rows[i].t_min < s->t_min ||
            rows[i].t_max > s->t_max)
            return fw_err_set(err, FW_ECORRUPT,
                              "row %u of a segment is out of bounds", i);
    return FW_OK;
}

static fw_rc place_blocks(const struct segment *s, struct segment_block *blocks,
                          struct fw_err *err)
{
    uint64_t offset = 0;
    uint64_t room = s->data_bytes;

    for (uint32_t i = 0; i < s->block_count; i++) {
        struct segment_block *b = &blocks[i];

        if (b->bytes < 4 || b->bytes > UINT16_MAX || b->n == 0 ||
            b->n > SEGMENT_SAMPLES_MAX || b->column >= s->column_count ||
            b->series == UINT32_MAX || b->t_min > b->t_max ||
            b->t_min < s->t_min || b->t_max > s->t_max ||
            offset + b->bytes > room)
            return fw_err_set(err, FW_ECORRUPT,
                              "block %u of a segment is out of bounds", i);
        b->offset = (uint32_t)offset;
        offset += b->bytes;
    }
    return FW_OK;
}

fw_rc segment_directory(const struct segment *s, struct segment_block **blocks,
                        struct fw_err *err)
{
    size_t n = s->block_count;
    size_t table = (size_t)s->column_count * SEGMENT_COLUMN_ENTRY;
    struct cut rest = {s->p + SEGMENT_HEADER + table,
                       s->off_columns - SEGMENT_HEADER - table};
    struct segment_block *found;
    int64_t *integers;
    double *doubles;
    fw_rc rc;

    if (fw_get_le32(s->p + 56) !=
        fw_crc32c(s->p + SEGMENT_HEADER, s->off_columns - SEGMENT_HEADER))
        return fw_err_set(err, FW_ECORRUPT,
                          "the directory of a segment fails its checksum");
    found = calloc(n, sizeof(*found));
    integers = malloc(n * sizeof(*integers));
    doubles = malloc(n * sizeof(*doubles));
    if (found == NULL || integers == NULL || doubles == NULL)
        rc = fw_err_set(err, FW_ENOMEM, "out of memory");
    else
        rc = get_columns(s, rest, integers, doubles, found, err);
    if (rc == FW_OK)
        rc = s->rows ? check_rows(s, found, err) : place_blocks(s, found, err);
    if (rc == FW_OK) {
        *blocks = found;
        found = NULL;
    }
    free(found);
    free(integers);
    free(doubles);
    return rc;
}

/* ---- Samples --------------------------------------------------------------
 */

fw_rc segment_times(const struct segment *s, uint32_t column, size_t n,
                    fw_ms *out, struct fw_err *err)
{
    const uint8_t *entry = s->p + SEGMENT_HEADER;
    uint32_t room = s->off_data - s->off_columns;
    uint32_t from, to;
    uint64_t count = 0;
    const uint8_t *p;
    size_t took;

    if (column >= s->column_count)
        return fw_err_set(err, FW_ECORRUPT, "there is no column %u", column);
    entry += (size_t)column * SEGMENT_COLUMN_ENTRY;
    from = fw_get_le32(entry);
    to = column + 1 < s->column_count
             ? fw_get_le32(entry + SEGMENT_COLUMN_ENTRY)
             : room;
    if (from > to || to > room)
        return fw_err_set(err, FW_ECORRUPT, "column %u is out of bounds",
                          column);
    p = s->p + s->off_columns + from;
    if (fw_get_le32(entry + 4) != fw_crc32c(p, to - from))
        return fw_err_set(err, FW_ECORRUPT, "timestamps fail their checksum");
    took = fw_varint_get(p, to - from, &count);
    if (took == 0 || count != n)
        return fw_err_set(err, FW_ECORRUPT,
                          "there are %llu timestamps for %zu values",
                          (unsigned long long)count, n);
    return times_decode(p + took, to - from - took, n, out, err);
}

fw_rc segment_values(const struct segment *s, uint32_t series, uint32_t offset,
                     uint32_t bytes, size_t n, double *out, struct fw_err *err)
{
    uint32_t room = s->data_bytes;
    const uint8_t *p;
    uint8_t id[4];

    FW_ASSERT(s->data != NULL);
    if (bytes < 4 || offset > room || bytes > room - offset)
        return fw_err_set(err, FW_ECORRUPT, "a block is out of bounds");
    p = s->data + offset;
    fw_put_le32(id, series);
    if (fw_get_le32(p) !=
        fw_crc32c_more(fw_crc32c(id, sizeof(id)), p + 4, bytes - 4))
        return fw_err_set(err, FW_ECORRUPT, "values fail their checksum");
    return values_decode(p + 4, bytes - 4, n, out, err);
}
