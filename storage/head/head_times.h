/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * head_times.h - the times of samples in memory, shared by the series that
 * have the same.
 *
 * A scrape gives hundreds of series the same times, so each time is kept once
 * for all of them. A column is open: the times of tails, which grow. Packed
 * times belong to chunks and never change. Both are counted: the last user
 * frees them, on any thread.
 *
 * One thread (the committer; at open the one that replays) adds to columns.
 * Others read only as many times of a column as a series of theirs has, under
 * the lock of that series: those were written before the series had them.
 */
#ifndef STORAGE_HEAD_TIMES_H
#define STORAGE_HEAD_TIMES_H

#include <stdatomic.h>
#include <stdbool.h>

#include "storage/codec/times.h"

#define HEAD_RECENT 16

struct head_times {
    uint64_t id; /* never given again, so that memos need no reference */
    _Atomic uint32_t refs;
    uint16_t n, bytes;
    fw_ms first, last;
    uint8_t packed[];
};

/* One reference; NULL without memory. n <= HEAD_CHUNK_SAMPLES. */
struct head_times *head_times_new(const fw_ms *t, size_t n);
/* The same from bytes of a checkpoint; NULL if they are no times. */
struct head_times *head_times_of(const uint8_t *packed, size_t bytes, size_t n);
struct head_times *head_times_ref(struct head_times *times);
void head_times_unref(struct head_times *times);
/* All n of them. */
void head_times_get(const struct head_times *times, fw_ms *out);

struct head_column {
    uint64_t id;
    _Atomic uint32_t refs;
    uint32_t n, cap;
    uint32_t fork_at;
    struct head_column *fork; /* same as this one before fork_at; a reference */
    struct head_column *grown; /* same, with more room; a reference */
    _Atomic int64_t *bytes;    /* what columns take together; outlives them */
    fw_ms t[];
};

/* The columns that series began with last, by their first time. */
struct head_recent {
    _Atomic int64_t *bytes; /* what columns take together; not NULL */
    struct head_column *columns[HEAD_RECENT]; /* references */
};

struct head_column *head_column_ref(struct head_column *column);
void head_column_unref(struct head_column *column);
void head_recent_release(struct head_recent *recent);

/*
 * Sees that *column has time t at index `at`, where it agrees before that:
 * by joining a neighbour's column, by adding, or by a copy that differs. NULL
 * in *column where at == 0. False without memory, *column as it was.
 */
bool head_column_take(struct head_column **column, struct head_recent *recent,
                      uint32_t at, fw_ms t);

#endif
