/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "storage/base/hash.h"

#include <stdlib.h>
#include <sys/random.h>
#include <time.h>
#include <xxhash.h>

#define INDEX_FIRST_CAPACITY 16

uint64_t fw_hash64(const void *bytes, size_t n, uint64_t seed)
{
    return XXH3_64bits_withSeed(bytes, n, seed);
}

void fw_hash128(const void *bytes, size_t n, uint64_t seed, uint64_t out[2])
{
    XXH128_hash_t hash = XXH3_128bits_withSeed(bytes, n, seed);

    out[0] = hash.low64;
    out[1] = hash.high64;
}

uint64_t fw_xxh64(const void *bytes, size_t n)
{
    return XXH64(bytes, n, 0);
}

uint64_t fw_hash_random_seed(void)
{
    uint64_t seed = 0;

    if (getrandom(&seed, sizeof(seed), GRND_NONBLOCK) == sizeof(seed))
        return seed;
    /* Early at boot there may be no randomness yet; an address will do. */
    return (uint64_t)(uintptr_t)&seed ^ (uint64_t)clock();
}

void fw_index_release(struct fw_index *index)
{
    free(index->slots);
    *index = (struct fw_index){0};
}

uint32_t fw_index_find(const struct fw_index *index, uint64_t hash,
                       fw_index_equal equal, const void *self, const void *key)
{
    size_t mask = index->capacity - 1;

    if (index->capacity == 0)
        return FW_INDEX_NONE;
    for (size_t i = (size_t)hash & mask;; i = (i + 1) & mask) {
        const struct fw_index_slot *slot = &index->slots[i];

        if (slot->value_plus_1 == 0)
            return FW_INDEX_NONE;
        if (slot->hash == hash && equal(self, slot->value_plus_1 - 1, key))
            return slot->value_plus_1 - 1;
    }
}

static void place(struct fw_index_slot *slots, size_t capacity, uint64_t hash,
                  uint32_t value_plus_1)
{
    size_t mask = capacity - 1;
    size_t i = (size_t)hash & mask;

    while (slots[i].value_plus_1 != 0)
        i = (i + 1) & mask;
    slots[i].hash = hash;
    slots[i].value_plus_1 = value_plus_1;
}

static fw_rc grow(struct fw_index *index)
{
    size_t capacity =
        index->capacity == 0 ? INDEX_FIRST_CAPACITY : index->capacity * 2;
    struct fw_index_slot *slots = calloc(capacity, sizeof(*slots));

    if (slots == NULL)
        return FW_ENOMEM;
    for (size_t i = 0; i < index->capacity; i++)
        if (index->slots[i].value_plus_1 != 0)
            place(slots, capacity, index->slots[i].hash,
                  index->slots[i].value_plus_1);
    free(index->slots);
    index->slots = slots;
    index->capacity = capacity;
    return FW_OK;
}

fw_rc fw_index_add(struct fw_index *index, uint64_t hash, uint32_t value)
{
    /* Three quarters full is as long as linear probing stays short. */
    if (index->count + 1 > index->capacity / 4 * 3) {
        fw_rc rc = grow(index);

        if (rc != FW_OK)
            return rc;
    }
    place(index->slots, index->capacity, hash, value + 1);
    index->count++;
    return FW_OK;
}
