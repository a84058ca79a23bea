/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "storage/index/tag_index.h"

#include <stdlib.h>

#define FIRST_CAPACITY 16
#define SHRINK_ABOVE 4096

static uint64_t slot_of(uint32_t tag, uint32_t value)
{
    return (uint64_t)tag << 32 | (value + 1);
}

static uint32_t slot_tag(uint64_t slot)
{
    return (uint32_t)(slot >> 32);
}

static uint32_t slot_value(uint64_t slot)
{
    return (uint32_t)slot - 1;
}

void tag_index_release(struct tag_index *index)
{
    free(index->slots);
    *index = (struct tag_index){0};
}

uint32_t tag_index_find(const struct tag_index *index, uint64_t hash,
                        fw_index_equal equal, const void *self, const void *key)
{
    size_t mask = index->capacity - 1;
    uint32_t tag = (uint32_t)hash;

    if (index->capacity == 0)
        return FW_INDEX_NONE;
    for (size_t i = tag & mask;; i = (i + 1) & mask) {
        uint64_t slot = index->slots[i];

        if (slot == 0)
            return FW_INDEX_NONE;
        if (slot_tag(slot) == tag && equal(self, slot_value(slot), key))
            return slot_value(slot);
    }
}

static void place(uint64_t *slots, size_t capacity, uint64_t slot)
{
    size_t mask = capacity - 1;
    size_t i = slot_tag(slot) & mask;

    while (slots[i] != 0)
        i = (i + 1) & mask;
    slots[i] = slot;
}

static fw_rc resize(struct tag_index *index, size_t capacity)
{
    uint64_t *slots = calloc(capacity, sizeof(*slots));

    if (slots == NULL)
        return FW_ENOMEM;
    for (size_t i = 0; i < index->capacity; i++)
        if (index->slots[i] != 0)
            place(slots, capacity, index->slots[i]);
    free(index->slots);
    index->slots = slots;
    index->capacity = capacity;
    return FW_OK;
}

fw_rc tag_index_reserve(struct tag_index *index, size_t count)
{
    size_t capacity = index->capacity == 0 ? FIRST_CAPACITY : index->capacity;

    /* Three quarters full is as long as linear probing stays short. */
    while (count > capacity / 4 * 3)
        capacity *= 2;
    return capacity == index->capacity ? FW_OK : resize(index, capacity);
}

fw_rc tag_index_add(struct tag_index *index, uint64_t hash, uint32_t value)
{
    fw_rc rc = tag_index_reserve(index, index->count + 1);

    if (rc != FW_OK)
        return rc;
    place(index->slots, index->capacity, slot_of((uint32_t)hash, value));
    index->count++;
    return FW_OK;
}

/* Items behind a hole move up where that brings them nearer to their place. */
static void close_hole(struct tag_index *index, size_t hole)
{
    size_t mask = index->capacity - 1;

    for (size_t i = (hole + 1) & mask; index->slots[i] != 0;
         i = (i + 1) & mask) {
        size_t home = slot_tag(index->slots[i]) & mask;

        if (((i - home) & mask) < ((i - hole) & mask))
            continue;
        index->slots[hole] = index->slots[i];
        hole = i;
    }
    index->slots[hole] = 0;
}

bool tag_index_remove(struct tag_index *index, uint64_t hash, uint32_t value)
{
    uint64_t wanted = slot_of((uint32_t)hash, value);
    size_t mask = index->capacity - 1;
    size_t i = (uint32_t)hash & mask;

    if (index->capacity == 0)
        return false;
    while (index->slots[i] != wanted) {
        if (index->slots[i] == 0)
            return false;
        i = (i + 1) & mask;
    }
    close_hole(index, i);
    index->count--;
    /* Without memory for a smaller table the large one goes on serving. */
    if (index->capacity > SHRINK_ABOVE && index->count < index->capacity / 8)
        (void)!resize(index, index->capacity / 4);
    return true;
}
