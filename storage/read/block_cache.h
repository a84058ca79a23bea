/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * block_cache.h - "is there a sample at this time on disk?", for late samples.
 *
 * A client that sends everything again asks this for every sample, block
 * after block, so a few decoded blocks are kept. One thread at a time.
 */
#ifndef STORAGE_BLOCK_CACHE_H
#define STORAGE_BLOCK_CACHE_H

#include "storage/read/block_reader.h"
#include "storage/store.h"

#define BLOCK_CACHE_SLOTS 256

struct block_cache_slot {
    struct block_ref ref;
    uint32_t series;
    bool filled;
    size_t cap;
    fw_ms *t; /* owned; cap times, then cap values */
};

struct block_cache {
    struct block_cache_slot slots[BLOCK_CACHE_SLOTS];
    struct block_reader *reader; /* owned */
};

void block_cache_release(struct block_cache *c);

/*
 * FW_OK and the value's bits if a block of the series has a sample at t,
 * FW_NONE if not. A block that cannot be read counts as not having it.
 */
FW_CHECK fw_rc block_cache_find(struct block_cache *c, struct fw_store *store,
                                uint32_t series, fw_ms t, uint64_t *bits);

#endif
