/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * checkpoint_record.c - see docs/formats/head.md.
 *
 * Chunks are written as they lie in memory. Each column of times stands once,
 * whoever shares it.
 */
#include "storage/journal/checkpoint_record.h"

#include <stdlib.h>
#include <string.h>

#include "storage/base/bytes.h"
#include "storage/base/crc32c.h"

#define MAGIC 0x31485746u /* "FWH1" */
#define VERSION 2         /* 1 had chunks of 64 at most */
#define NO_COLUMN UINT32_MAX

void checkpoint_writer_init(struct checkpoint_writer *w)
{
    memset(w, 0, sizeof(*w));
    fw_buf_init(&w->columns, CHECKPOINT_RECORD_MAX);
    fw_buf_init(&w->series, CHECKPOINT_RECORD_MAX);
    fw_buf_init(&w->record, 2 * CHECKPOINT_RECORD_MAX);
}

void checkpoint_writer_release(struct checkpoint_writer *w)
{
    fw_buf_release(&w->columns);
    fw_buf_release(&w->series);
    fw_buf_release(&w->record);
}

void checkpoint_writer_clear(struct checkpoint_writer *w)
{
    fw_buf_clear(&w->columns);
    fw_buf_clear(&w->series);
    fw_buf_clear(&w->record);
    w->column_count = 0;
    w->series_count = 0;
    w->id = 0;
    memset(w->known, 0, sizeof(w->known));
    w->last_n = 0;
}

static fw_rc put_number(struct fw_buf *buf, uint64_t v)
{
    char room[FW_VARINT_MAX_BYTES];

    return fw_buf_add(buf, room, fw_varint_put(room, v));
}

fw_rc checkpoint_writer_series(struct checkpoint_writer *w, uint32_t id,
                               size_t chunk_count)
{
    int64_t step = (int64_t)id - (int64_t)w->id;
    fw_rc rc = put_number(&w->series, fw_zigzag(step));

    if (rc == FW_OK)
        rc = put_number(&w->series, chunk_count);
    w->id = id;
    w->series_count++;
    return rc;
}

static fw_rc put_column(struct checkpoint_writer *w, const uint8_t *packed,
                        size_t bytes, size_t n, uint32_t *column)
{
    fw_rc rc = put_number(&w->columns, n);

    if (rc == FW_OK)
        rc = put_number(&w->columns, bytes);
    if (rc == FW_OK)
        rc = fw_buf_add(&w->columns, packed, bytes);
    *column = w->column_count++;
    return rc;
}

static fw_rc put_values(struct checkpoint_writer *w, uint32_t column,
                        const uint8_t *values, size_t bytes)
{
    fw_rc rc = put_number(&w->series, column);

    if (rc == FW_OK)
        rc = put_number(&w->series, bytes);
    return rc == FW_OK ? fw_buf_add(&w->series, values, bytes) : rc;
}

fw_rc checkpoint_writer_chunk(struct checkpoint_writer *w,
                              const struct head_chunk *chunk)
{
    const struct head_times *times = chunk->times;
    size_t at = times->id % CHECKPOINT_KNOWN;
    fw_rc rc = FW_OK;

    if (w->known[at].id != times->id) {
        rc = put_column(w, times->packed, times->bytes, times->n,
                        &w->known[at].column);
        w->known[at].id = times->id;
    }
    if (rc == FW_OK)
        rc = put_values(w, w->known[at].column, chunk->values, chunk->bytes);
    return rc;
}

fw_rc checkpoint_writer_plain(struct checkpoint_writer *w, const fw_ms *t,
                              const double *v, size_t n,
                              struct values_hint *hint)
{
    union {
        uint8_t times[HEAD_TIMES_ROOM];
        uint8_t values[HEAD_VALUES_ROOM];
    } room;
    fw_rc rc = FW_OK;

    FW_ASSERT(n > 0 && n <= HEAD_CHUNK_SAMPLES);
    if (n != w->last_n || memcmp(t, w->last, n * sizeof(*t)) != 0) {
        rc = put_column(w, room.times, times_encode(t, n, room.times), n,
                        &w->last_column);
        memcpy(w->last, t, n * sizeof(*t));
        w->last_n = n;
    }
    if (rc == FW_OK)
        rc = put_values(w, w->last_column, room.values,
                        values_encode_hastily(v, n, hint, room.values));
    return rc;
}

bool checkpoint_writer_full(const struct checkpoint_writer *w)
{
    return w->columns.len + w->series.len >= CHECKPOINT_TARGET;
}

fw_rc checkpoint_writer_finish(struct checkpoint_writer *w, uint64_t seq,
                               uint64_t applied, struct fw_str *out)
{
    char header[CHECKPOINT_HEADER] = {0};
    fw_rc rc;

    fw_put_le32(header + 0, MAGIC);
    fw_put_le64(header + 8, seq);
    fw_put_le64(header + 16, applied);
    fw_put_le32(header + 24, VERSION);
    fw_put_le32(header + 28, w->column_count);
    fw_put_le32(header + 32, w->series_count);
    fw_buf_clear(&w->record);
    rc = fw_buf_add(&w->record, header, sizeof(header));
    if (rc == FW_OK && w->columns.len > 0)
        rc = fw_buf_add(&w->record, w->columns.data, w->columns.len);
    if (rc == FW_OK && w->series.len > 0)
        rc = fw_buf_add(&w->record, w->series.data, w->series.len);
    if (rc != FW_OK)
        return rc;
    fw_put_le32(w->record.data + 4,
                fw_crc32c(w->record.data + 8, w->record.len - 8));
    *out = (struct fw_str){w->record.data, w->record.len};
    return FW_OK;
}

/* ---- Reading --------------------------------------------------------------
 */

static fw_rc wrong(const struct checkpoint_reader *r, struct fw_err *err)
{
    return fw_err_set(err, FW_ECORRUPT,
                      "head checkpoint %llu is wrong at byte %zu",
                      (unsigned long long)r->seq, r->at);
}

static bool get_number(struct checkpoint_reader *r, uint64_t max, uint64_t *out)
{
    size_t took = fw_varint_get(r->p + r->at, r->n - r->at, out);

    r->at += took;
    return took > 0 && *out <= max;
}

static fw_rc read_columns(struct checkpoint_reader *r, uint32_t count,
                          struct fw_err *err)
{
    uint64_t n = 0, bytes = 0;

    if (count > r->n / 3)
        return wrong(r, err);
    r->columns = calloc((size_t)count + 1, sizeof(struct head_times *));
    if (r->columns == NULL)
        return fw_err_set(err, FW_ENOMEM, "out of memory");
    while (r->column_count < count) {
        if (!get_number(r, HEAD_CHUNK_SAMPLES, &n) ||
            !get_number(r, r->n - r->at, &bytes) || bytes > r->n - r->at)
            return wrong(r, err);
        r->columns[r->column_count] = head_times_of(
            (const uint8_t *)r->p + r->at, (size_t)bytes, (size_t)n);
        if (r->columns[r->column_count] == NULL)
            return wrong(r, err);
        r->column_count++;
        r->at += (size_t)bytes;
    }
    return FW_OK;
}

fw_rc checkpoint_reader_open(struct checkpoint_reader *r, struct fw_str text,
                             struct fw_err *err)
{
    *r = (struct checkpoint_reader){.p = text.p, .n = text.n};
    if (text.n < CHECKPOINT_HEADER || fw_get_le32(text.p) != MAGIC)
        return fw_err_set(err, FW_ECORRUPT, "a head checkpoint has no header");
    if (fw_get_le32(text.p + 4) != fw_crc32c(text.p + 8, text.n - 8))
        return fw_err_set(err, FW_ECORRUPT,
                          "a head checkpoint fails its checksum");
    if (fw_get_le32(text.p + 24) == 0 || fw_get_le32(text.p + 24) > VERSION)
        return fw_err_set(
            err, FW_EVERSION,
            "a head checkpoint has format version %u; this build knows %d",
            fw_get_le32(text.p + 24), VERSION);
    r->at = CHECKPOINT_HEADER;
    r->seq = fw_get_le64(text.p + 8);
    r->applied = fw_get_le64(text.p + 16);
    r->series_left = fw_get_le32(text.p + 32);
    return read_columns(r, fw_get_le32(text.p + 28), err);
}

void checkpoint_reader_release(struct checkpoint_reader *r)
{
    for (uint32_t i = 0; r->columns != NULL && i < r->column_count; i++)
        head_times_unref(r->columns[i]);
    free(r->columns);
    r->columns = NULL;
}

fw_rc checkpoint_reader_series(struct checkpoint_reader *r, uint32_t *id,
                               struct fw_err *err)
{
    uint64_t step = 0, chunks = 0;
    int64_t next;

    if (r->series_left == 0)
        return r->at == r->n ? FW_END : wrong(r, err);
    if (r->chunks_left > 0 || !get_number(r, (uint64_t)UINT32_MAX * 2, &step) ||
        !get_number(r, r->n, &chunks))
        return wrong(r, err);
    next = (int64_t)r->id + fw_unzigzag(step);
    if (next < 0 || next >= UINT32_MAX)
        return wrong(r, err);
    r->id = (uint32_t)next;
    r->chunks_left = (uint32_t)chunks;
    r->series_left--;
    *id = r->id;
    return FW_OK;
}

fw_rc checkpoint_reader_chunk(struct checkpoint_reader *r,
                              struct head_chunk *out, struct fw_err *err)
{
    uint64_t column = 0, bytes = 0;
    struct fw_err why = {0};

    if (r->chunks_left == 0)
        return FW_END;
    if (!get_number(r, UINT32_MAX, &column) || column >= r->column_count ||
        !get_number(r, HEAD_VALUES_ROOM, &bytes) || bytes > r->n - r->at)
        return wrong(r, err);
    *out = (struct head_chunk){.times = r->columns[column],
                               .values = (const uint8_t *)r->p + r->at,
                               .n = r->columns[column]->n,
                               .bytes = (uint16_t)bytes};
    /* Memory is trusted later on, so this is looked at now. */
    if (values_decode(out->values, out->bytes, out->n, r->v, &why) != FW_OK)
        return wrong(r, err);
    r->at += (size_t)bytes;
    r->chunks_left--;
    return FW_OK;
}
