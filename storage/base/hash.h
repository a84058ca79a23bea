/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * hash.h - hashing (XXH3) and the one hash table of the house.
 *
 * The table maps a 64-bit hash to a u32: an index into somebody's array. Keys
 * stay where they are; on a hash match the owner's `equal` decides. So one
 * small table serves symbols, series, groups and names alike.
 */
#ifndef FW_STORAGE_BASE_HASH_H
#define FW_STORAGE_BASE_HASH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "storage/base/err.h"

/* XXH3, 64 bits. Use a random seed for tables fed by strangers. */
uint64_t fw_hash64(const void *bytes, size_t n, uint64_t seed);

/* The same, 128 bits: two names will not meet by chance. */
void fw_hash128(const void *bytes, size_t n, uint64_t seed, uint64_t out[2]);

/* xxHash64 with seed 0, for those who must agree with another program. */
uint64_t fw_xxh64(const void *bytes, size_t n);

/* A seed that differs from process to process. */
uint64_t fw_hash_random_seed(void);

struct fw_index_slot {
    uint64_t hash;
    uint32_t value_plus_1; /* 0: free */
    uint32_t pad;
};

/* Zero-initialised is an empty table. Not thread-safe. */
struct fw_index {
    struct fw_index_slot *slots; /* owned */
    size_t capacity;             /* a power of two, or 0 */
    size_t count;
};

#define FW_INDEX_NONE UINT32_MAX

/* True if the item `value` is the one that `key` names. */
typedef bool (*fw_index_equal)(const void *self, uint32_t value,
                               const void *key);

void fw_index_release(struct fw_index *index);

/* The value whose item equals `key`, or FW_INDEX_NONE. */
uint32_t fw_index_find(const struct fw_index *index, uint64_t hash,
                       fw_index_equal equal, const void *self, const void *key);

/*
 * Adds a value (< FW_INDEX_NONE) under a hash; the caller has seen that no
 * equal key is there. FW_ENOMEM leaves the table as it was.
 */
FW_CHECK fw_rc fw_index_add(struct fw_index *index, uint64_t hash,
                            uint32_t value);

#endif
