/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * tag_index.h - a hash table of eight bytes a slot that things can leave.
 *
 * As base/hash.h's table it maps a hash to a u32 and keeps keys elsewhere; it
 * keeps 32 bits of the hash only, which is enough to place an item and to be
 * wrong about one lookup in thousands, where the owner's `equal` decides.
 * Made for millions of items: half the memory, and room is given back.
 */
#ifndef STORAGE_TAG_INDEX_H
#define STORAGE_TAG_INDEX_H

#include "storage/base/hash.h"

/* Zero-initialised is an empty table. Not thread-safe. */
struct tag_index {
    uint64_t *slots; /* tag, value + 1; 0: free. owned */
    size_t capacity; /* a power of two, or 0 */
    size_t count;
};

void tag_index_release(struct tag_index *index);

/* The value whose item equals `key`, or FW_INDEX_NONE. */
uint32_t tag_index_find(const struct tag_index *index, uint64_t hash,
                        fw_index_equal equal, const void *self,
                        const void *key);

/*
 * Adds a value (< FW_INDEX_NONE) under a hash; the caller has seen that no
 * equal key is there. FW_ENOMEM leaves the table as it was.
 */
FW_CHECK fw_rc tag_index_add(struct tag_index *index, uint64_t hash,
                             uint32_t value);

/* Takes a value out that was added under this hash; false if it is not there.
 */
bool tag_index_remove(struct tag_index *index, uint64_t hash, uint32_t value);

/* Room for `count` items, so that adding so many does not grow it. */
FW_CHECK fw_rc tag_index_reserve(struct tag_index *index, size_t count);

#endif
