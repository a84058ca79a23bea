/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * journal_record.c - see docs/formats/journal.md.
 *
 * A sample is its series and time as differences from the sample before it
 * and its value with the bytes reversed, all as varints: the trailing zeros
 * that small and whole numbers have become leading ones and cost nothing. No
 * state is kept between records, so each can be read alone.
 */
#include "storage/journal_record.h"

#include "storage/base/bytes.h"
#include "storage/base/crc32c.h"
#include "storage/definition.h"

#define MAGIC 0x314A5746u /* "FWJ1" */
#define SAMPLE_BYTES (3 * FW_VARINT_MAX_BYTES)

void journal_writer_init(struct journal_writer *w)
{
    *w = (struct journal_writer){
        .definitions = FW_BUF_INIT(JOURNAL_RECORD_MAX),
        .samples = FW_BUF_INIT(JOURNAL_RECORD_MAX),
        .record = FW_BUF_INIT(2 * JOURNAL_RECORD_MAX),
    };
}

void journal_writer_release(struct journal_writer *w)
{
    fw_buf_release(&w->definitions);
    fw_buf_release(&w->samples);
    fw_buf_release(&w->record);
}

void journal_writer_clear(struct journal_writer *w)
{
    fw_buf_clear(&w->definitions);
    fw_buf_clear(&w->samples);
    fw_buf_clear(&w->record);
    w->definition_count = 0;
    w->sample_count = 0;
    w->series = 0;
    w->t = 0;
}

fw_rc journal_writer_define(struct journal_writer *w, uint32_t id,
                            struct fw_str definition)
{
    char number[FW_VARINT_MAX_BYTES];
    size_t n = fw_varint_put(number, id);
    fw_rc rc = fw_buf_reserve(&w->definitions, n + definition.n);

    if (rc == FW_OK)
        rc = fw_buf_add(&w->definitions, number, n);
    if (rc == FW_OK)
        rc = fw_buf_add(&w->definitions, definition.p, definition.n);
    if (rc == FW_OK)
        w->definition_count++;
    return rc;
}

fw_rc journal_writer_add(struct journal_writer *w, uint32_t id, fw_ms t,
                         uint64_t bits)
{
    fw_rc rc = fw_buf_reserve(&w->samples, SAMPLE_BYTES);
    int64_t step = (int64_t)id - (int64_t)w->series;
    uint64_t span = (uint64_t)t - (uint64_t)w->t; /* wraps, and back */
    char *to;

    if (rc != FW_OK)
        return rc;
    to = w->samples.data + w->samples.len;
    to += fw_varint_put(to, fw_zigzag(step));
    to += fw_varint_put(to, fw_zigzag((int64_t)span));
    to += fw_varint_put(to, __builtin_bswap64(bits));
    w->samples.len = (size_t)(to - w->samples.data);
    w->series = id;
    w->t = t;
    w->sample_count++;
    return FW_OK;
}

fw_rc journal_writer_finish(struct journal_writer *w, uint64_t seq, fw_ms now,
                            struct fw_str *out)
{
    char header[JOURNAL_RECORD_HEADER] = {0};
    fw_rc rc;

    fw_put_le32(header + 0, MAGIC);
    fw_put_le64(header + 8, seq);
    fw_put_le64(header + 16, (uint64_t)now);
    fw_put_le32(header + 24, w->definition_count);
    fw_put_le32(header + 28, w->sample_count);
    fw_buf_clear(&w->record);
    rc = fw_buf_add(&w->record, header, sizeof(header));
    if (rc == FW_OK && w->definitions.len > 0)
        rc = fw_buf_add(&w->record, w->definitions.data, w->definitions.len);
    if (rc == FW_OK && w->samples.len > 0)
        rc = fw_buf_add(&w->record, w->samples.data, w->samples.len);
    if (rc != FW_OK)
        return rc;
    fw_put_le32(w->record.data + 4,
                fw_crc32c(w->record.data + 8, w->record.len - 8));
    *out = (struct fw_str){w->record.data, w->record.len};
    return FW_OK;
}

/* ---- Reading --------------------------------------------------------------
 */

fw_rc journal_reader_open(struct journal_reader *r, struct fw_str text,
                          struct fw_err *err)
{
    if (text.n < JOURNAL_RECORD_HEADER || fw_get_le32(text.p) != MAGIC)
        return fw_err_set(err, FW_ECORRUPT, "a journal record has no header");
    if (fw_get_le32(text.p + 4) != fw_crc32c(text.p + 8, text.n - 8))
        return fw_err_set(err, FW_ECORRUPT,
                          "a journal record fails its checksum");
    *r = (struct journal_reader){
        .p = text.p,
        .n = text.n,
        .at = JOURNAL_RECORD_HEADER,
        .seq = fw_get_le64(text.p + 8),
        .written = (fw_ms)fw_get_le64(text.p + 16),
        .definitions_left = fw_get_le32(text.p + 24),
        .samples_left = fw_get_le32(text.p + 28),
    };
    return FW_OK;
}

static fw_rc cut_short(const struct journal_reader *r, struct fw_err *err)
{
    return fw_err_set(err, FW_ECORRUPT,
                      "journal record %llu is wrong at byte %zu",
                      (unsigned long long)r->seq, r->at);
}

static bool get_number(struct journal_reader *r, uint64_t *out)
{
    size_t took = fw_varint_get(r->p + r->at, r->n - r->at, out);

    r->at += took;
    return took > 0;
}

fw_rc journal_reader_definition(struct journal_reader *r, uint32_t *id,
                                struct fw_label room[FW_MAX_LABELS],
                                struct fw_labels *labels, struct fw_err *err)
{
    uint64_t number = 0;
    size_t used = 0;

    if (r->definitions_left == 0)
        return FW_END;
    if (!get_number(r, &number) || number >= UINT32_MAX ||
        definition_get(r->p + r->at, r->n - r->at, room, labels, &used) !=
            FW_OK)
        return cut_short(r, err);
    r->at += used;
    r->definitions_left--;
    *id = (uint32_t)number;
    return FW_OK;
}

fw_rc journal_reader_sample(struct journal_reader *r, uint32_t *id, fw_ms *t,
                            uint64_t *bits, struct fw_err *err)
{
    uint64_t step = 0, span = 0, value = 0;
    int64_t series;

    if (r->samples_left == 0)
        return r->at == r->n ? FW_END : cut_short(r, err);
    if (r->definitions_left > 0 || !get_number(r, &step) ||
        !get_number(r, &span) || !get_number(r, &value))
        return cut_short(r, err);
    if (step > (uint64_t)UINT32_MAX * 2)
        return cut_short(r, err);
    series = (int64_t)r->series + fw_unzigzag(step);
    if (series < 0 || series >= UINT32_MAX)
        return cut_short(r, err);
    r->series = (uint32_t)series;
    r->t = (fw_ms)((uint64_t)r->t + (uint64_t)fw_unzigzag(span));
    r->samples_left--;
    *id = r->series;
    *t = r->t;
    *bits = __builtin_bswap64(value);
    return FW_OK;
}
