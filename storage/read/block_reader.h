/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * block_reader.h - blocks off the disk, one after the other, for one thread.
 *
 * What blocks share is decoded once and kept for the next: the column of
 * times that all series of a scrape have, the directory of a segment, the
 * inflated data of a cold one. A reader outlives the cursor that uses it
 * (reader_pool), so a scan over many series finds what the last one left.
 */
#ifndef STORAGE_BLOCK_READER_H
#define STORAGE_BLOCK_READER_H

#include <pthread.h>

#include "storage/base/clock.h"
#include "storage/segments/partition.h"

#define READER_COLUMNS 128
#define READER_SEGMENTS 64
#define READER_LOOKS 4

/* A decoded column of times; which one, as the other caches below. */
struct reader_column {
    bool filled;
    uint16_t part;
    uint16_t column;
    uint32_t segment;
    uint32_t n, cap;
    fw_ms step; /* between any two of them; 0: not the same */
    fw_ms *t;   /* owned, aligned to 64 bytes */
};

struct reader_segment {
    bool filled;
    uint16_t part;
    uint32_t segment;
    uint32_t block_count;
    struct segment_block *blocks; /* owned; NULL: not read yet */
    uint8_t *data;                /* owned; NULL: not deflated, or not yet */
    size_t data_bytes;
    uint64_t look;       /* number of the one in which `open` holds */
    struct segment open; /* in the mapped file */
};

/* A partition that is looked at. */
struct reader_look {
    uint64_t number;   /* 0: it has ended */
    uint64_t began_ns; /* where the reader is of a pool */
    struct partition_view view;
};

struct block_reader {
    struct block_reader *next; /* in the pool */
    struct reader_pool *pool;  /* NULL: of none; its looks may last */
    struct reader_column columns[READER_COLUMNS];
    struct reader_segment segments[READER_SEGMENTS];
    double *v; /* owned, aligned to 64 bytes: values of the last block */
    size_t v_cap;
    bool holds; /* looks last until block_reader_look_away() */
    struct reader_look looks[READER_LOOKS];
    uint64_t look_count; /* there have been */
    uint32_t steps;      /* since the clock was asked how old they are */
};

struct block_reader *block_reader_new(void);
void block_reader_free(struct block_reader *r);

/*
 * Ends what is looked at. Whoever lets a reader hold refers to the partitions
 * of its blocks until then, and waits for nothing meanwhile: a file cannot
 * grow its map while somebody looks.
 */
void block_reader_look_away(struct block_reader *r);

/* Fetches the bytes of a block into the cache, if it is known where they are */
void block_reader_expect(const struct block_reader *r,
                         const struct block_ref *ref);

/*
 * The samples of a block; they belong to the reader and hold until the next
 * call. FW_ECORRUPT names the place.
 */
FW_CHECK fw_rc block_reader_read(struct block_reader *r, struct partition *part,
                                 const struct block_ref *ref, uint32_t series,
                                 struct fw_run *out, struct fw_err *err);

/* What the directory says of a block; FW_ECORRUPT. */
FW_CHECK fw_rc block_reader_summary(struct block_reader *r,
                                    struct partition *part,
                                    const struct block_ref *ref,
                                    uint32_t series, struct fw_summary *out,
                                    struct fw_err *err);

/*
 * Readers that no cursor uses. A look of one of them that holds is begun anew
 * once it has lasted longer than the budget: what is looked at is append-only
 * or frozen, so nothing is missed, and the file's writer waits no longer.
 */
struct reader_pool {
    const struct fw_clock *clock;
    uint64_t budget_ns;
    _Atomic uint64_t renewed;
    pthread_mutex_t lock;      /* leaf */
    struct block_reader *idle; /* lock */
    size_t count;              /* lock */
};

void reader_pool_init(struct reader_pool *pool, const struct fw_clock *clock,
                      uint64_t budget_ns);
void reader_pool_release(struct reader_pool *pool);
struct block_reader *reader_pool_take(struct reader_pool *pool); /* or NULL */
void reader_pool_give(struct reader_pool *pool, struct block_reader *r);

#endif
