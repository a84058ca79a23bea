/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * journal_record.h - the bytes of one group commit; docs/formats/journal.md
 * has the picture.
 *
 * A record defines the series that appear in it for the first time, so that
 * one fsync makes a series and its first samples durable together.
 */
#ifndef STORAGE_JOURNAL_RECORD_H
#define STORAGE_JOURNAL_RECORD_H

#include "storage/base/limits.h"
#include "storage/journal/journal_define.h"
#include "storage/journal/journal_piece.h"
#include "storage/storage.h"

#define JOURNAL_RECORD_HEADER 32
#define JOURNAL_RECORD_MAX ((size_t)64 << 20)
#define JOURNAL_RECORD_FULL ((size_t)8 << 20) /* then another one begins */

#define JOURNAL_HINTS 64

struct journal_writer {
    struct fw_buf definitions;
    struct fw_buf samples;
    struct fw_buf record;
    uint32_t definition_count;
    uint32_t sample_count;
    struct journal_before before; /* its texts are in before_text */
    struct fw_buf before_text;
    struct journal_last last; /* sample of a piece that is in `samples` */
    struct journal_piece piece;
    struct values_hint hints[JOURNAL_HINTS]; /* from record to record */
};

void journal_writer_init(struct journal_writer *w);
void journal_writer_release(struct journal_writer *w);
void journal_writer_clear(struct journal_writer *w);

/* `definition` as definition.h writes it. FW_ENOMEM, FW_ETOOBIG. */
FW_CHECK fw_rc journal_writer_define(struct journal_writer *w, uint32_t id,
                                     struct fw_str definition);
/* `late`: the series has a newer sample already. */
FW_CHECK fw_rc journal_writer_add(struct journal_writer *w, uint32_t id,
                                  fw_ms t, uint64_t bits, bool late);
/* The same for n samples that are not late. */
FW_CHECK fw_rc journal_writer_add_run(struct journal_writer *w,
                                      const uint32_t *ids, const fw_ms *t,
                                      const double *v, size_t n);
/* True once there is enough for a record; a series and a piece more fit. */
bool journal_writer_full(const struct journal_writer *w);
/* The finished record; it belongs to the writer until it is cleared. */
FW_CHECK fw_rc journal_writer_finish(struct journal_writer *w, uint64_t seq,
                                     fw_ms now, struct fw_str *out);

/* Reads a record of hostile bytes; they must outlive the reader. */
struct journal_reader {
    const char *p;
    size_t n;
    size_t at;
    uint64_t seq;
    fw_ms written; /* wall clock when it was committed */
    uint32_t definitions_left;
    uint32_t samples_left;
    bool pieces; /* FWJ2 or 3; else FWJ1, sample by sample */
    bool packed; /* FWJ4: definitions are differences */
    struct journal_before before;
    bool late; /* the last sample may have been late when it came */
    struct journal_last last;
    struct journal_piece piece;
    uint32_t piece_at;
};

/* FW_ECORRUPT unless the checksum and all counts are right. */
FW_CHECK fw_rc journal_reader_open(struct journal_reader *r, struct fw_str text,
                                   struct fw_err *err);
/* All definitions first, then all samples; FW_END after the last of each. */
FW_CHECK fw_rc journal_reader_definition(struct journal_reader *r, uint32_t *id,
                                         struct fw_label room[FW_MAX_LABELS],
                                         struct fw_labels *labels,
                                         struct fw_err *err);
FW_CHECK fw_rc journal_reader_sample(struct journal_reader *r, uint32_t *id,
                                     fw_ms *t, uint64_t *bits,
                                     struct fw_err *err);
/* The same by many: the next ones are in r->piece. */
FW_CHECK fw_rc journal_reader_piece(struct journal_reader *r,
                                    struct fw_err *err);

#endif
