/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * journal_record.c - see docs/formats/journal.md.
 *
 * Samples are packed in pieces (journal_piece.h). A record of a few is written
 * as version 1 wrote all of them, which is shorter then: each sample its series
 * and time as differences from the one before it and its value with the bytes
 * reversed, all as varints, so that the trailing zeros of small and whole
 * numbers cost nothing. No state is kept between records, so each can be read
 * alone.
 */
#include "storage/journal/journal_record.h"

#include <string.h>

#include "storage/base/bytes.h"
#include "storage/base/crc32c.h"
#include "storage/index/definition.h"

#define MAGIC 0x314A5746u            /* "FWJ1" */
#define MAGIC_PIECES 0x324A5746u     /* "FWJ2" */
#define MAGIC_PACKED 0x344A5746u     /* "FWJ4": two bits from the others */
#define FEW 8                        /* samples, which are no piece */
#define KEPT_BYTES ((size_t)1 << 20) /* of buffers, between records */
#define SAMPLE_BYTES (3 * FW_VARINT_MAX_BYTES)

void journal_writer_init(struct journal_writer *w)
{
    memset(w, 0, sizeof(*w));
    fw_buf_init(&w->definitions, JOURNAL_RECORD_MAX);
    fw_buf_init(&w->samples, JOURNAL_RECORD_MAX);
    fw_buf_init(&w->record, 2 * JOURNAL_RECORD_MAX);
    fw_buf_init(&w->before_text, 2 * FW_MAX_SERIES_BYTES);
}

void journal_writer_release(struct journal_writer *w)
{
    fw_buf_release(&w->definitions);
    fw_buf_release(&w->samples);
    fw_buf_release(&w->record);
    fw_buf_release(&w->before_text);
}

/* What a flood of new series needed is not kept for ever. */
static void clear(struct fw_buf *buf)
{
    if (buf->cap > KEPT_BYTES)
        fw_buf_release(buf);
    else
        fw_buf_clear(buf);
}

void journal_writer_clear(struct journal_writer *w)
{
    clear(&w->definitions);
    clear(&w->samples);
    clear(&w->record);
    w->definition_count = 0;
    w->sample_count = 0;
    w->before.id = 0;
    w->before.n = 0;
    w->last = (struct journal_last){0, 0};
    w->piece.n = 0;
    w->piece.any_late = false;
}

/* The labels point into the caller's text, which he will use again. */
static fw_rc keep_text(struct journal_writer *w, struct fw_str definition)
{
    fw_rc rc;

    fw_buf_clear(&w->before_text);
    rc = fw_buf_add(&w->before_text, definition.p, definition.n);
    for (size_t i = 0; i < w->before.n && rc == FW_OK; i++) {
        struct fw_label *label = &w->before.v[i];

        label->name.p = w->before_text.data + (label->name.p - definition.p);
        label->value.p = w->before_text.data + (label->value.p - definition.p);
    }
    return rc;
}

fw_rc journal_writer_define(struct journal_writer *w, uint32_t id,
                            struct fw_str definition)
{
    struct fw_label room[FW_MAX_LABELS];
    struct fw_labels labels = {room, 0};
    size_t used = 0;
    fw_rc rc = definition_get(definition.p, definition.n, room, &labels, &used);

    if (rc == FW_OK)
        rc = journal_define_put(&w->before, id, &labels, &w->definitions);
    if (rc == FW_OK)
        rc = keep_text(w, definition);
    if (rc == FW_OK)
        w->definition_count++;
    return rc;
}

static fw_rc close_piece(struct journal_writer *w)
{
    /* Rows come again and again, so the same series teach the same hint. */
    uint32_t first = w->piece.ids[0] / JOURNAL_PIECE_SAMPLES;
    fw_rc rc = journal_piece_put(&w->piece, &w->last,
                                 &w->hints[first % JOURNAL_HINTS], &w->samples);

    w->piece.n = 0;
    w->piece.any_late = false;
    return rc;
}

fw_rc journal_writer_add(struct journal_writer *w, uint32_t id, fw_ms t,
                         uint64_t bits, bool late)
{
    struct journal_piece *p = &w->piece;

    p->ids[p->n] = id;
    p->t[p->n] = t;
    memcpy(&p->v[p->n], &bits, sizeof(bits));
    p->late[p->n] = late;
    p->any_late = p->any_late || late;
    w->sample_count++;
    return ++p->n == JOURNAL_PIECE_SAMPLES ? close_piece(w) : FW_OK;
}

fw_rc journal_writer_add_run(struct journal_writer *w, const uint32_t *ids,
                             const fw_ms *t, const double *v, size_t n)
{
    struct journal_piece *p = &w->piece;
    fw_rc rc = FW_OK;

    for (size_t i = 0; i < n && rc == FW_OK;) {
        size_t k = JOURNAL_PIECE_SAMPLES - p->n;

        k = k < n - i ? k : n - i;
        memcpy(p->ids + p->n, ids + i, k * sizeof(*ids));
        memcpy(p->t + p->n, t + i, k * sizeof(*t));
        memcpy(p->v + p->n, v + i, k * sizeof(*v));
        memset(p->late + p->n, 0, k * sizeof(*p->late));
        p->n += (uint32_t)k;
        w->sample_count += (uint32_t)k;
        i += k;
        if (p->n == JOURNAL_PIECE_SAMPLES)
            rc = close_piece(w);
    }
    return rc;
}

bool journal_writer_full(const struct journal_writer *w)
{
    return w->definitions.len + w->samples.len >= JOURNAL_RECORD_FULL;
}

/* The samples of a record that has only a few. */
static fw_rc put_few(struct journal_writer *w)
{
    const struct journal_piece *p = &w->piece;
    fw_rc rc = fw_buf_reserve(&w->samples, FEW * SAMPLE_BYTES);
    uint32_t id = 0;
    fw_ms t = 0;

    for (uint32_t i = 0; i < p->n && rc == FW_OK; i++) {
        int64_t step = (int64_t)p->ids[i] - (int64_t)id;
        uint64_t span = (uint64_t)p->t[i] - (uint64_t)t; /* wraps, and back */
        char *to = w->samples.data + w->samples.len;
        uint64_t bits;

        memcpy(&bits, &p->v[i], sizeof(bits));
        to += fw_varint_put(to, fw_zigzag(step));
        to += fw_varint_put(to, fw_zigzag((int64_t)span));
        to += fw_varint_put(to, __builtin_bswap64(bits));
        w->samples.len = (size_t)(to - w->samples.data);
        id = p->ids[i];
        t = p->t[i];
    }
    return rc;
}

fw_rc journal_writer_finish(struct journal_writer *w, uint64_t seq, fw_ms now,
                            struct fw_str *out)
{
    char header[JOURNAL_RECORD_HEADER] = {0};
    bool few = w->sample_count <= FEW && w->definition_count == 0;
    fw_rc rc = few ? put_few(w) : w->piece.n > 0 ? close_piece(w) : FW_OK;

    if (rc != FW_OK)
        return rc;
    fw_put_le32(header + 0, few                        ? MAGIC
                            : w->definition_count == 0 ? MAGIC_PIECES
                                                       : MAGIC_PACKED);
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
    uint32_t magic = text.n < JOURNAL_RECORD_HEADER ? 0 : fw_get_le32(text.p);

    if (magic != MAGIC && magic != MAGIC_PIECES && magic != MAGIC_PACKED)
        return fw_err_set(err, FW_ECORRUPT, "a journal record has no header");
    if (fw_get_le32(text.p + 4) != fw_crc32c(text.p + 8, text.n - 8))
        return fw_err_set(err, FW_ECORRUPT,
                          "a journal record fails its checksum");
    r->p = text.p;
    r->n = text.n;
    r->at = JOURNAL_RECORD_HEADER;
    r->seq = fw_get_le64(text.p + 8);
    r->written = (fw_ms)fw_get_le64(text.p + 16);
    r->definitions_left = fw_get_le32(text.p + 24);
    r->samples_left = fw_get_le32(text.p + 28);
    r->pieces = magic != MAGIC;
    r->packed = magic == MAGIC_PACKED;
    r->before.id = 0;
    r->before.n = 0;
    r->late = true;
    r->last = (struct journal_last){0, 0};
    r->piece.n = 0;
    r->piece_at = 0;
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

static fw_rc packed_definition(struct journal_reader *r, uint32_t *id,
                               struct fw_label room[FW_MAX_LABELS],
                               struct fw_labels *labels, struct fw_err *err)
{
    size_t took = journal_define_get(r->p + r->at, r->n - r->at, &r->before);

    if (took == 0)
        return cut_short(r, err);
    r->at += took;
    r->definitions_left--;
    memcpy(room, r->before.v, r->before.n * sizeof(*room));
    *labels = (struct fw_labels){room, r->before.n};
    *id = r->before.id;
    return FW_OK;
}

fw_rc journal_reader_definition(struct journal_reader *r, uint32_t *id,
                                struct fw_label room[FW_MAX_LABELS],
                                struct fw_labels *labels, struct fw_err *err)
{
    uint64_t number = 0;
    size_t used = 0;

    if (r->definitions_left == 0)
        return FW_END;
    if (r->packed)
        return packed_definition(r, id, room, labels, err);
    if (!get_number(r, &number) || number >= UINT32_MAX ||
        definition_get(r->p + r->at, r->n - r->at, room, labels, &used) !=
            FW_OK)
        return cut_short(r, err);
    r->at += used;
    r->definitions_left--;
    *id = (uint32_t)number;
    return FW_OK;
}

/* The next sample of FWJ1. */
static bool get_single(struct journal_reader *r, struct journal_piece *p)
{
    uint64_t step = 0, span = 0, value = 0;
    int64_t series;

    if (!get_number(r, &step) || !get_number(r, &span) ||
        !get_number(r, &value) || step > (uint64_t)UINT32_MAX * 2)
        return false;
    series = (int64_t)r->last.id + fw_unzigzag(step);
    if (series < 0 || series >= UINT32_MAX)
        return false;
    r->last.id = (uint32_t)series;
    r->last.t = (fw_ms)((uint64_t)r->last.t + (uint64_t)fw_unzigzag(span));
    p->ids[p->n] = r->last.id;
    p->t[p->n] = r->last.t;
    p->v[p->n] = fw_double_of_bits(__builtin_bswap64(value));
    p->late[p->n] = true;
    p->n++;
    return true;
}

/* What stands before a damage is told; then the damage. */
static fw_rc singles(struct journal_reader *r, struct fw_err *err)
{
    struct journal_piece *p = &r->piece;
    size_t at = r->at;

    p->n = 0;
    p->any_late = true;
    while (p->n < r->samples_left && p->n < JOURNAL_PIECE_SAMPLES &&
           get_single(r, p))
        at = r->at;
    r->at = at;
    r->samples_left -= p->n;
    return p->n > 0 ? FW_OK : cut_short(r, err);
}

fw_rc journal_reader_piece(struct journal_reader *r, struct fw_err *err)
{
    struct journal_piece *p = &r->piece;
    size_t took;

    p->n = 0;
    r->piece_at = 0;
    if (r->samples_left == 0)
        return r->at == r->n ? FW_END : cut_short(r, err);
    if (r->definitions_left > 0)
        return cut_short(r, err);
    if (!r->pieces)
        return singles(r, err);
    took = journal_piece_get(r->p + r->at, r->n - r->at, &r->last, p);
    if (took == 0 || p->n > r->samples_left) {
        p->n = 0;
        return cut_short(r, err);
    }
    r->at += took;
    r->samples_left -= p->n;
    return FW_OK;
}

fw_rc journal_reader_sample(struct journal_reader *r, uint32_t *id, fw_ms *t,
                            uint64_t *bits, struct fw_err *err)
{
    const struct journal_piece *p = &r->piece;
    fw_rc rc = r->piece_at < p->n ? FW_OK : journal_reader_piece(r, err);

    if (rc != FW_OK)
        return rc;
    *id = p->ids[r->piece_at];
    *t = p->t[r->piece_at];
    *bits = fw_double_bits(p->v[r->piece_at]);
    r->late = p->late[r->piece_at];
    r->piece_at++;
    return FW_OK;
}
