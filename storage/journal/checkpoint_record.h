/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * checkpoint_record.h - the bytes of a piece of a head checkpoint: packed
 * samples of many series; docs/formats/head.md has the picture.
 */
#ifndef STORAGE_CHECKPOINT_RECORD_H
#define STORAGE_CHECKPOINT_RECORD_H

#include "storage/base/buf.h"
#include "storage/base/str.h"
#include "storage/head/head_chunk.h"

#define CHECKPOINT_HEADER 40
#define CHECKPOINT_RECORD_MAX ((size_t)64 << 20)
#define CHECKPOINT_TARGET ((size_t)4 << 20) /* when a record is long enough */
#define CHECKPOINT_KNOWN 1024               /* columns looked for again */

struct checkpoint_writer {
    struct fw_buf columns;
    struct fw_buf series;
    struct fw_buf record;
    uint32_t column_count, series_count;
    uint32_t id; /* of the series before */
    struct {
        uint64_t id;
        uint32_t column;
    } known[CHECKPOINT_KNOWN];      /* packed times there are, by their id */
    fw_ms last[HEAD_CHUNK_SAMPLES]; /* times of the last plain chunk */
    size_t last_n;
    uint32_t last_column;
};

void checkpoint_writer_init(struct checkpoint_writer *w);
void checkpoint_writer_release(struct checkpoint_writer *w);
void checkpoint_writer_clear(struct checkpoint_writer *w);

/* FW_ENOMEM, FW_ETOOBIG; the writer is then good for nothing but clearing. */
FW_CHECK fw_rc checkpoint_writer_series(struct checkpoint_writer *w,
                                        uint32_t id, size_t chunk_count);
/* `chunk_count` of these two follow. */
FW_CHECK fw_rc checkpoint_writer_chunk(struct checkpoint_writer *w,
                                       const struct head_chunk *chunk);
FW_CHECK fw_rc checkpoint_writer_plain(struct checkpoint_writer *w,
                                       const fw_ms *t, const double *v,
                                       size_t n, struct values_hint *hint);
bool checkpoint_writer_full(const struct checkpoint_writer *w);

/*
 * The finished record; it belongs to the writer until that is cleared. What
 * journal records up to `applied` have of its series is in it or behind it.
 */
FW_CHECK fw_rc checkpoint_writer_finish(struct checkpoint_writer *w,
                                        uint64_t seq, uint64_t applied,
                                        struct fw_str *out);

/* Reads a record of hostile bytes; they must outlive the reader. */
struct checkpoint_reader {
    const char *p;
    size_t n, at;
    uint64_t seq, applied;
    struct head_times **columns; /* owned, with a reference each */
    uint32_t column_count;
    uint32_t series_left, chunks_left;
    uint32_t id;
    double v[HEAD_CHUNK_SAMPLES]; /* values of the last chunk */
};

/* FW_ECORRUPT, FW_EVERSION, FW_ENOMEM. */
FW_CHECK fw_rc checkpoint_reader_open(struct checkpoint_reader *r,
                                      struct fw_str text, struct fw_err *err);
void checkpoint_reader_release(struct checkpoint_reader *r);
/* The next series; FW_END after the last. All its chunks come before. */
FW_CHECK fw_rc checkpoint_reader_series(struct checkpoint_reader *r,
                                        uint32_t *id, struct fw_err *err);
/*
 * Its next chunk, which can be unpacked, and has been, to r->v; its times are
 * borrowed from the reader. FW_END after the last.
 */
FW_CHECK fw_rc checkpoint_reader_chunk(struct checkpoint_reader *r,
                                       struct head_chunk *out,
                                       struct fw_err *err);

#endif
