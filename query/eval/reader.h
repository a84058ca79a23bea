/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * reader.h - the samples of one series after the other, for one thread.
 *
 * Series of one scrape have the same times. A reader notices, and then tells
 * whoever works on them (`new_times`), so that what depends on the times
 * alone, such as where the windows begin and end, is found once for all.
 */
#ifndef FW_QUERY_READER_H
#define FW_QUERY_READER_H

#include "query/eval/eval.h"

/* Memory that lives from one series to the next; grown, never shrunk. */
struct scratch {
    void *p;
    size_t cap;
};

/* `bytes` of scratch memory, uninitialised; NULL when there is none. */
void *scratch_get(struct scratch *scratch, size_t bytes);

/* A block that was not read: its samples would stand before samples[at]. */
struct digest {
    size_t at;
    struct fw_summary summary;
};

/* Times at even distances, as a run of samples had them. */
struct stretch {
    fw_ms first, step;
    size_t n, at; /* samples[at] is the first */
};

/*
 * Says whether a summary of the samples from t_first to t_last will do; else
 * they are read.
 */
typedef bool (*digest_test)(const void *self, fw_ms t_first, fw_ms t_last);

struct reader {
    struct eval ev; /* of this thread: no arena, no notes, an err of its own */
    struct fw_err err;
    void *cursor; /* kept from series to series; NULL for none */
    bool holds;   /* it keeps what it looks at, too */
    struct samples samples;
    bool new_times; /* the times differ from those of the last series */
    struct stretch *stretches; /* owned; of this series, then of the last */
    size_t stretch_count, stretch_old, stretch_cap;
    struct digest *digests; /* owned; in order of time */
    size_t digest_count, digest_cap;
    /* Rows of rollups that pass it become digests too; NULL: none is wanted. */
    digest_test rows_test;
    const void *rows_self;
    void *rollups;                         /* kept as the cursor is */
    struct scratch work, bounds, geometry; /* of window functions */
    struct node_cost cost;                 /* what was read */
};

/* A reader for a thread of this evaluation; releases with its cursor. */
void reader_init(struct reader *reader, const struct eval *ev);
void reader_release(struct reader *reader);

/* Whether files stay open from series to series: only while nothing waits. */
void reader_hold(struct reader *reader, bool on);

/* Adds what it read to the costs of a node. */
void reader_account(const struct reader *reader, struct node_cost *cost);

/*
 * All samples of a series in from..to, with or without the stale markers. Where
 * `test` is given, blocks without NaN that pass it become digests.
 */
FW_CHECK fw_rc reader_read(struct reader *reader, uint32_t series, fw_ms from,
                           fw_ms to, bool stale, digest_test test,
                           const void *self);

#endif
