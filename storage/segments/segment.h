/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * segment.h - many blocks of many series in one LMDB value.
 * docs/formats/segment.md has the picture of the bytes.
 *
 * Block = up to 512 samples of one series: its values here, its times in a
 * column that all blocks with the same times share.
 */
#ifndef STORAGE_SEGMENT_H
#define STORAGE_SEGMENT_H

#include "storage/codec/values.h"
#include "storage/head/head.h"
#include "storage/storage.h"

#define SEGMENT_MAGIC 0x31535746u /* "FWS1" */
#define SEGMENT_VERSION 1
#define SEGMENT_HEADER 64
#define SEGMENT_COLUMN_ENTRY 8
#define SEGMENT_BLOCKS_MAX 32768
#define SEGMENT_SAMPLES_MAX 4096       /* of one block */
#define SEGMENT_TARGET (128 * 1024)    /* when the writer says it is full */
#define SEGMENT_MAX ((size_t)16 << 20) /* of each part, inflated */
#define SEGMENT_DEFLATED 1             /* flag: the data are a zlib stream */
#define SEGMENT_ROWS 2  /* flag: summaries alone, no samples (rollup.h) */
#define SEGMENT_INDEX 4 /* flag, with the one before: a row for each series */

/* What the directory knows of a block without decoding it. */
struct segment_block {
    uint32_t series;
    uint32_t offset; /* of the block from the start of the data */
    uint32_t bytes;
    uint32_t n;
    uint32_t column;
    uint32_t nans; /* stale markers among them */
    fw_ms t_min, t_max;
    double min, max; /* of the values that are no NaN; NaN if none is */
    double sum;      /* of those, compensated */
    double first, last;
    double increase; /* sum of the rises, a fall being a reset to 0 */
};

/* Fills in what the values say: nans, min, max, sum, first, last, increase. */
void segment_summarise(struct segment_block *b, const double *v, size_t n);

/* The same of some blocks of n values each; SEGMENT_TOGETHER cost the least. */
#define SEGMENT_TOGETHER 8
void segment_summarise_together(struct segment_block *const *b,
                                const double *const *v, size_t blocks,
                                size_t n);

/* ---- Writing --------------------------------------------------------------
 */

#define SEGMENT_KNOWN 4

/* Times that are in a column, told by where they are. */
struct segment_known {
    const fw_ms *t;
    size_t n;
    uint32_t column;
};

/* Blocks that were added and are summarised with the next ones. */
#define SEGMENT_PENDING_SAMPLES 512 /* longer ones are at once */
#define SEGMENT_PENDING_STRIDE 520  /* not all on the same line of the cache */
struct segment_pending {
    double *values; /* owned: SEGMENT_PENDING_STRIDE apart */
    size_t at[SEGMENT_TOGETHER];
    size_t count, n; /* of blocks; of values of each of them */
};

/* What the directory of one segment teaches the next. */
#define SEGMENT_DOUBLES 6 /* columns of the directory that are no integers */
struct segment_hints {
    struct values_hint of[SEGMENT_DOUBLES];
};

struct segment_writer {
    struct segment_block *blocks; /* owned */
    size_t n, cap;
    struct segment_column *columns; /* owned; see segment_writer.c */
    size_t column_count, column_cap;
    uint64_t times_id; /* of the caller's times; 0: they have none */
    struct segment_known known[SEGMENT_KNOWN];
    size_t known_count;
    struct segment_pending pending;
    struct segment_hints hints;
    bool learns; /* uses the hints: quick, and a little larger */
    struct fw_buf column_bytes;
    struct fw_buf data;
    struct fw_buf out;
    struct fw_buf packed; /* the data deflated */
    size_t target;        /* bytes after which it is full */
    bool deflate;         /* the data, where that saves enough */
    uint16_t flags;       /* SEGMENT_ROWS, SEGMENT_INDEX */
};

void segment_writer_init(struct segment_writer *w);
void segment_writer_release(struct segment_writer *w);
void segment_writer_clear(struct segment_writer *w);

/*
 * Says that from now on the memory that times are handed in from holds the
 * times `id`: as long as it is the same nobody has written there, and the
 * writer need not look at them again. 0 for memory that changes.
 */
void segment_writer_times(struct segment_writer *w, uint64_t id);

/*
 * Adds n samples (1 to 4096, times strictly rising) and tells in *ref where
 * they will be; ref->part and ref->segment are the caller's. FW_ENOMEM, and
 * FW_ETOOBIG when there are too many blocks.
 */
FW_CHECK fw_rc segment_writer_add(struct segment_writer *w, uint32_t series,
                                  const fw_ms *t, const double *v, size_t n,
                                  struct values_hint *hint,
                                  struct block_ref *ref);

/* Adds a summary without samples; w->flags tells that there are only such. */
FW_CHECK fw_rc segment_writer_add_row(struct segment_writer *w,
                                      const struct segment_block *row);

/* True when the segment has reached the size it should have. */
bool segment_writer_full(const struct segment_writer *w);

/* What it takes so far, about. */
size_t segment_writer_bytes(const struct segment_writer *w);

/* A point to go back to: what was added since is then forgotten. */
struct segment_mark {
    size_t n, columns, column_bytes, data;
};
struct segment_mark segment_writer_mark(const struct segment_writer *w);
void segment_writer_rewind(struct segment_writer *w, struct segment_mark mark);

/* The finished value; it belongs to the writer until that is cleared. */
FW_CHECK fw_rc segment_writer_finish(struct segment_writer *w,
                                     uint64_t journal_seq, struct fw_str *out);

/* Makes it the caller's, who frees it. */
char *segment_writer_take(struct segment_writer *w);

/* ---- Reading --------------------------------------------------------------
 */

/* A value whose header has been checked; points into hostile bytes. */
struct segment {
    const uint8_t *p;
    size_t n;
    uint32_t block_count, column_count;
    uint32_t off_columns, off_data, used;
    fw_ms t_min, t_max;
    uint64_t journal_seq;
    bool deflated;
    bool rows, index;    /* no samples: see the flags */
    uint32_t data_bytes; /* inflated */
    const uint8_t *data; /* NULL while deflated: segment_inflate() fills it */
};

/* FW_ECORRUPT, FW_EVERSION. */
FW_CHECK fw_rc segment_open(struct segment *s, struct fw_str bytes,
                            struct fw_err *err);

/* Inflates the data of a deflated segment to `out`, s->data_bytes of it. */
FW_CHECK fw_rc segment_inflate(const struct segment *s, uint8_t *out,
                               struct fw_err *err);

/*
 * The directory, checked against its checksum; *blocks is the caller's to
 * free and has s->block_count items.
 */
FW_CHECK fw_rc segment_directory(const struct segment *s,
                                 struct segment_block **blocks,
                                 struct fw_err *err);

/* Decodes the times of a column that must have n of them. */
FW_CHECK fw_rc segment_times(const struct segment *s, uint32_t column, size_t n,
                             fw_ms *out, struct fw_err *err);

/*
 * Decodes the values of a block; the checksum covers the series too. s->data
 * must be there.
 */
FW_CHECK fw_rc segment_values(const struct segment *s, uint32_t series,
                              uint32_t offset, uint32_t bytes, size_t n,
                              double *out, struct fw_err *err);

#endif
