/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * segment_writer.c - builds one segment; see docs/formats/segment.md.
 */
#include <stdlib.h>
#include <string.h>

#include "storage/base/bytes.h"
#include "storage/base/crc32c.h"
#include "storage/base/hash.h"
#include "storage/codec/times.h"
#include "storage/segments/deflate.h"
#include "storage/segments/segment.h"

/* LMDB keeps a large value in whole pages with 16 bytes of header. */
#define PAGE_BYTES 4096
#define PAGE_HEADER 16
#define DIRECTORY_GUESS 32 /* bytes a block takes in the directory */
#define DEFLATE_LEVEL 6
#define DEFLATE_PERCENT 6

struct segment_column {
    uint64_t hash[2]; /* of the times: 128 bits, so equal means the same */
    uint32_t offset;
    uint32_t crc;
    uint32_t n;
};

void segment_writer_init(struct segment_writer *w)
{
    *w = (struct segment_writer){.column_bytes = FW_BUF_INIT(SEGMENT_MAX),
                                 .data = FW_BUF_INIT(SEGMENT_MAX),
                                 .out = FW_BUF_INIT(SEGMENT_MAX * 3),
                                 .packed = FW_BUF_INIT(SEGMENT_MAX * 2),
                                 .target = SEGMENT_TARGET};
}

void segment_writer_release(struct segment_writer *w)
{
    free(w->blocks);
    free(w->columns);
    free(w->pending.values);
    fw_buf_release(&w->column_bytes);
    fw_buf_release(&w->data);
    fw_buf_release(&w->out);
    fw_buf_release(&w->packed);
    segment_writer_init(w);
}

void segment_writer_clear(struct segment_writer *w)
{
    w->n = 0;
    w->pending.count = 0;
    w->column_count = 0;
    w->known_count = 0;
    fw_buf_clear(&w->column_bytes);
    fw_buf_clear(&w->data);
    fw_buf_clear(&w->out);
}

size_t segment_writer_bytes(const struct segment_writer *w)
{
    return w->data.len + w->column_bytes.len + w->n * DIRECTORY_GUESS +
           w->column_count * SEGMENT_COLUMN_ENTRY;
}

bool segment_writer_full(const struct segment_writer *w)
{
    return segment_writer_bytes(w) >= w->target;
}

struct segment_mark segment_writer_mark(const struct segment_writer *w)
{
    return (struct segment_mark){w->n, w->column_count, w->column_bytes.len,
                                 w->data.len};
}

void segment_writer_rewind(struct segment_writer *w, struct segment_mark mark)
{
    w->n = mark.n;
    while (w->pending.count > 0 &&
           w->pending.at[w->pending.count - 1] >= mark.n)
        w->pending.count--;
    w->column_count = mark.columns;
    w->known_count = 0;
    w->column_bytes.len = mark.column_bytes;
    w->data.len = mark.data;
}

/* ---- Blocks ---------------------------------------------------------------
 */

/* The same times again cost nothing: a scrape's series share one column. */
static fw_rc add_column(struct segment_writer *w, const fw_ms *t, size_t n,
                        uint32_t *out)
{
    struct segment_column column = {.n = (uint32_t)n};
    size_t cap = w->column_cap;
    char *to;
    fw_rc rc;

    fw_hash128(t, n * sizeof(*t), 0, column.hash);
    for (size_t i = w->column_count; i > 0; i--)
        if (w->columns[i - 1].n == n &&
            memcmp(w->columns[i - 1].hash, column.hash, sizeof(column.hash)) ==
                0) {
            *out = (uint32_t)(i - 1);
            return FW_OK;
        }
    rc = fw_grow(&w->columns, &cap, w->column_count + 1, sizeof(*w->columns),
                 SEGMENT_BLOCKS_MAX);
    w->column_cap = cap;
    if (rc == FW_OK)
        rc = fw_buf_reserve(&w->column_bytes,
                            times_bound(n) + FW_VARINT_MAX_BYTES);
    if (rc != FW_OK)
        return rc;
    column.offset = (uint32_t)w->column_bytes.len;
    to = w->column_bytes.data + w->column_bytes.len;
    w->column_bytes.len += fw_varint_put(to, n);
    w->column_bytes.len += times_encode(
        t, n, (uint8_t *)w->column_bytes.data + w->column_bytes.len);
    column.crc = fw_crc32c(w->column_bytes.data + column.offset,
                           w->column_bytes.len - column.offset);
    w->columns[w->column_count] = column;
    *out = (uint32_t)w->column_count++;
    return FW_OK;
}

void segment_writer_times(struct segment_writer *w, uint64_t id)
{
    if (w->times_id != id)
        w->known_count = 0;
    w->times_id = id;
}

/* The same, without looking at times that are known to be in a column. */
static fw_rc find_column(struct segment_writer *w, const fw_ms *t, size_t n,
                         uint32_t *out)
{
    struct segment_known *known = w->known;
    fw_rc rc;

    for (size_t i = 0; i < w->known_count; i++)
        if (known[i].t == t && known[i].n == n) {
            *out = known[i].column;
            return FW_OK;
        }
    rc = add_column(w, t, n, out);
    if (rc == FW_OK && w->times_id != 0 && w->known_count < SEGMENT_KNOWN)
        known[w->known_count++] = (struct segment_known){t, n, *out};
    return rc;
}

static uint32_t block_crc(uint32_t series, const void *bytes, size_t n)
{
    uint8_t id[4];

    fw_put_le32(id, series);
    return fw_crc32c_more(fw_crc32c(id, sizeof(id)), bytes, n);
}

static fw_rc add_data(struct segment_writer *w, const double *v, size_t n,
                      struct values_hint *hint, struct segment_block *block)
{
    fw_rc rc = fw_buf_reserve(&w->data, 4 + values_bound(n));
    char *to;
    size_t bytes;

    if (rc != FW_OK)
        return rc;
    to = w->data.data + w->data.len;
    bytes = values_encode(v, n, hint, (uint8_t *)to + 4);
    fw_put_le32(to, block_crc(block->series, to + 4, bytes));
    block->offset = (uint32_t)w->data.len;
    block->bytes = (uint32_t)bytes + 4;
    w->data.len += bytes + 4;
    return FW_OK;
}

/* ---- Summaries, some blocks at a time ------------------------------------
 */

static void summarise_pending(struct segment_writer *w)
{
    struct segment_pending *p = &w->pending;
    struct segment_block *blocks[SEGMENT_TOGETHER];
    const double *values[SEGMENT_TOGETHER];

    for (size_t i = 0; i < p->count; i++) {
        blocks[i] = &w->blocks[p->at[i]];
        values[i] = p->values + i * SEGMENT_PENDING_STRIDE;
    }
    segment_summarise_together(blocks, values, p->count, p->n);
    p->count = 0;
}

/* Of the last block, now or with some of the next. */
static void summarise(struct segment_writer *w, const double *v, size_t n)
{
    struct segment_pending *p = &w->pending;
    size_t at = w->n - 1;

    if (p->values == NULL)
        p->values = malloc(SEGMENT_TOGETHER * SEGMENT_PENDING_STRIDE *
                           sizeof(*p->values));
    if (p->count > 0 && p->n != n)
        summarise_pending(w);
    if (p->values == NULL || n > SEGMENT_PENDING_SAMPLES) {
        segment_summarise(&w->blocks[at], v, n);
        return;
    }
    memcpy(p->values + p->count * SEGMENT_PENDING_STRIDE, v, n * sizeof(*v));
    p->n = n;
    p->at[p->count++] = at;
    if (p->count == SEGMENT_TOGETHER)
        summarise_pending(w);
}

fw_rc segment_writer_add(struct segment_writer *w, uint32_t series,
                         const fw_ms *t, const double *v, size_t n,
                         struct values_hint *hint, struct block_ref *ref)
{
    struct segment_block block = {
        .series = series, .n = (uint32_t)n, .t_min = t[0], .t_max = t[n - 1]};
    fw_rc rc = fw_grow(&w->blocks, &w->cap, w->n + 1, sizeof(*w->blocks),
                       SEGMENT_BLOCKS_MAX);

    FW_ASSERT(n > 0 && n <= SEGMENT_SAMPLES_MAX);
    if (rc == FW_OK)
        rc = find_column(w, t, n, &block.column);
    if (rc == FW_OK)
        rc = add_data(w, v, n, hint, &block);
    if (rc != FW_OK)
        return rc;
    w->blocks[w->n++] = block;
    summarise(w, v, n);
    *ref = (struct block_ref){.t_min = t[0],
                              .t_max = t[n - 1],
                              .offset = block.offset,
                              .column = (uint16_t)block.column,
                              .n = (uint16_t)n,
                              .bytes = (uint16_t)block.bytes};
    return FW_OK;
}

fw_rc segment_writer_add_row(struct segment_writer *w,
                             const struct segment_block *row)
{
    fw_rc rc = fw_grow(&w->blocks, &w->cap, w->n + 1, sizeof(*w->blocks),
                       SEGMENT_BLOCKS_MAX);

    if (rc != FW_OK)
        return rc;
    w->blocks[w->n] = *row;
    w->blocks[w->n].column = 0;
    w->blocks[w->n].offset = 0;
    w->blocks[w->n].bytes = 0;
    w->n++;
    return FW_OK;
}

/* ---- The finished value
 * ------------------------------------------------------
 */

static fw_rc put_column_table(struct segment_writer *w)
{
    fw_rc rc = FW_OK;

    for (size_t i = 0; i < w->column_count && rc == FW_OK; i++) {
        char entry[SEGMENT_COLUMN_ENTRY];

        fw_put_le32(entry, w->columns[i].offset);
        fw_put_le32(entry + 4, w->columns[i].crc);
        rc = fw_buf_add(&w->out, entry, sizeof(entry));
    }
    return rc;
}

/* One directory column: its length, then what a codec made of it. */
static fw_rc put_packed(struct segment_writer *w, const void *bytes, size_t n)
{
    char length[4];
    fw_rc rc;

    fw_put_le32(length, (uint32_t)n);
    rc = fw_buf_add(&w->out, length, sizeof(length));
    return rc == FW_OK ? fw_buf_add(&w->out, bytes, n) : rc;
}

static int64_t integer_of(const struct segment_block *b, int which)
{
    switch (which) {
    case 0:
        return b->series;
    case 1:
        return b->bytes;
    case 2:
        return b->n;
    case 3:
        return b->column;
    case 4:
        return b->nans;
    case 5:
        return b->t_min;
    default:
        return b->t_max;
    }
}

static const double *double_of(const struct segment_block *b, int which)
{
    const double *const fields[] = {&b->min,   &b->max,  &b->sum,
                                    &b->first, &b->last, &b->increase};

    return fields[which];
}

static fw_rc put_directory(struct segment_writer *w)
{
    size_t bound = times_bound(w->n) > values_bound(w->n) ? times_bound(w->n)
                                                          : values_bound(w->n);
    int64_t *integers = malloc(w->n * sizeof(*integers));
    double *doubles = malloc(w->n * sizeof(*doubles));
    uint8_t *packed = malloc(bound);
    fw_rc rc = integers == NULL || doubles == NULL || packed == NULL ? FW_ENOMEM
                                                                     : FW_OK;

    for (int which = 0; which < 7 && rc == FW_OK; which++) {
        for (size_t i = 0; i < w->n; i++)
            integers[i] = integer_of(&w->blocks[i], which);
        rc = put_packed(w, packed, times_encode(integers, w->n, packed));
    }
    for (int which = 0; which < SEGMENT_DOUBLES && rc == FW_OK; which++) {
        for (size_t i = 0; i < w->n; i++)
            memcpy(&doubles[i], double_of(&w->blocks[i], which),
                   sizeof(*doubles));
        rc = put_packed(w, packed,
                        values_encode(doubles, w->n,
                                      w->learns ? &w->hints.of[which] : NULL,
                                      packed));
    }
    free(integers);
    free(doubles);
    free(packed);
    return rc;
}

/* Deflating must save 6 %, or it does not pay for its time. */
static fw_rc put_data(struct segment_writer *w, bool *deflated)
{
    fw_rc rc = FW_OK;

    *deflated = false;
    if (w->deflate) {
        fw_buf_clear(&w->packed);
        rc = deflate_pack(w->data.data, w->data.len, DEFLATE_LEVEL, &w->packed);
        *deflated =
            w->packed.len + w->data.len / 100 * DEFLATE_PERCENT <= w->data.len;
    }
    if (rc != FW_OK)
        return rc;
    return *deflated ? fw_buf_add(&w->out, w->packed.data, w->packed.len)
                     : fw_buf_add(&w->out, w->data.data, w->data.len);
}

static void put_header(struct segment_writer *w, uint32_t off_columns,
                       uint32_t off_data, uint32_t used, uint64_t journal_seq,
                       bool deflated)
{
    char *h = w->out.data;
    fw_ms t_min = w->blocks[0].t_min;
    fw_ms t_max = w->blocks[0].t_max;

    for (size_t i = 1; i < w->n; i++) {
        t_min = w->blocks[i].t_min < t_min ? w->blocks[i].t_min : t_min;
        t_max = w->blocks[i].t_max > t_max ? w->blocks[i].t_max : t_max;
    }
    fw_put_le32(h + 0, SEGMENT_MAGIC);
    fw_put_le16(h + 4, SEGMENT_VERSION);
    fw_put_le16(h + 6,
                (uint16_t)(w->flags | (deflated ? SEGMENT_DEFLATED : 0)));
    fw_put_le32(h + 8, (uint32_t)w->n);
    fw_put_le32(h + 12, (uint32_t)w->column_count);
    fw_put_le64(h + 16, (uint64_t)t_min);
    fw_put_le64(h + 24, (uint64_t)t_max);
    fw_put_le32(h + 32, off_columns);
    fw_put_le32(h + 36, off_data);
    fw_put_le32(h + 40, used);
    fw_put_le32(h + 44, deflated ? (uint32_t)w->data.len : 0);
    fw_put_le64(h + 48, journal_seq);
    fw_put_le32(h + 56,
                fw_crc32c(h + SEGMENT_HEADER, off_columns - SEGMENT_HEADER));
    fw_put_le32(h + 60, fw_crc32c(h, 60));
}

/* Fills up with zeros to the size that wastes no page. */
static fw_rc pad(struct fw_buf *out)
{
    static const char zeros[PAGE_BYTES];
    size_t pages = (out->len + PAGE_HEADER + PAGE_BYTES - 1) / PAGE_BYTES;

    return fw_buf_add(out, zeros, pages * PAGE_BYTES - PAGE_HEADER - out->len);
}

fw_rc segment_writer_finish(struct segment_writer *w, uint64_t journal_seq,
                            struct fw_str *out)
{
    static const char zeros[SEGMENT_HEADER];
    uint32_t off_columns, off_data, used;
    bool deflated = false;
    fw_rc rc;

    FW_ASSERT(w->n > 0);
    summarise_pending(w);
    fw_buf_clear(&w->out);
    rc = fw_buf_add(&w->out, zeros, sizeof(zeros));
    if (rc == FW_OK)
        rc = put_column_table(w);
    if (rc == FW_OK)
        rc = put_directory(w);
    off_columns = (uint32_t)w->out.len;
    if (rc == FW_OK)
        rc = fw_buf_add(&w->out, w->column_bytes.data, w->column_bytes.len);
    off_data = (uint32_t)w->out.len;
    if (rc == FW_OK)
        rc = put_data(w, &deflated);
    used = (uint32_t)w->out.len;
    if (rc == FW_OK)
        rc = pad(&w->out);
    if (rc != FW_OK)
        return rc;
    put_header(w, off_columns, off_data, used, journal_seq, deflated);
    *out = (struct fw_str){w->out.data, w->out.len};
    return FW_OK;
}

char *segment_writer_take(struct segment_writer *w)
{
    char *out = w->out.data;

    w->out = (struct fw_buf)FW_BUF_INIT(SEGMENT_MAX * 3);
    return out;
}
