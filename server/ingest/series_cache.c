/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * series_cache.c - sixteen open-addressing tables, each with its lock, so that
 * the threads that parse writes seldom meet.
 *
 * The names themselves are not kept: two names with one 128-bit hash under a
 * seed nobody outside knows are not to be expected in the age of the universe.
 */
#include "server/ingest/series_cache.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "storage/base/hash.h"

#define SHARDS 16
#define FIRST_SLOTS 256

struct slot {
    struct series_key key;
    uint32_t id;
    bool used;
};

struct shard {
    pthread_mutex_t lock; /* leaf; guards the rest */
    struct slot *slots;
    size_t capacity; /* a power of two, or 0 */
    size_t count;
};

struct series_cache {
    uint64_t seed[2];
    size_t max; /* of one shard */
    struct shard shards[SHARDS];
};

fw_rc series_cache_new(size_t max, struct series_cache **out)
{
    struct series_cache *cache = calloc(1, sizeof(*cache));

    if (cache == NULL)
        return FW_ENOMEM;
    cache->seed[0] = fw_hash_random_seed();
    cache->seed[1] = fw_hash_random_seed() ^ UINT64_C(0x9E3779B97F4A7C15);
    cache->max = max / SHARDS + 1;
    for (size_t i = 0; i < SHARDS; i++)
        (void)pthread_mutex_init(&cache->shards[i].lock, NULL);
    *out = cache;
    return FW_OK;
}

void series_cache_free(struct series_cache *cache)
{
    if (cache == NULL)
        return;
    for (size_t i = 0; i < SHARDS; i++) {
        (void)pthread_mutex_destroy(&cache->shards[i].lock);
        free(cache->shards[i].slots);
    }
    free(cache);
}

struct series_key series_cache_key(const struct series_cache *cache,
                                   const struct fw_str *pieces, size_t n)
{
    struct series_key key = {{cache->seed[0], cache->seed[1]}};

    for (size_t i = 0; i < n; i++)
        for (size_t k = 0; k < 2; k++)
            key.h[k] = fw_hash64(pieces[i].p, pieces[i].n, key.h[k] + i);
    return key;
}

/* Where the key is, or the free slot where it belongs. */
static struct slot *place(struct shard *shard, struct series_key key)
{
    size_t i = (size_t)(key.h[0] >> 4) & (shard->capacity - 1);

    while (shard->slots[i].used &&
           memcmp(&shard->slots[i].key, &key, sizeof(key)) != 0)
        i = (i + 1) & (shard->capacity - 1);
    return &shard->slots[i];
}

static struct shard *shard_of(struct series_cache *cache, struct series_key key)
{
    return &cache->shards[key.h[0] % SHARDS];
}

bool series_cache_find(struct series_cache *cache, struct series_key key,
                       uint32_t *id)
{
    struct shard *shard = shard_of(cache, key);
    bool found = false;

    (void)pthread_mutex_lock(&shard->lock);
    if (shard->capacity > 0) {
        const struct slot *slot = place(shard, key);

        found = slot->used;
        if (found)
            *id = slot->id;
    }
    (void)pthread_mutex_unlock(&shard->lock);
    return found;
}

/* Doubles the table once it is three quarters full. */
static bool make_room(struct shard *shard)
{
    struct slot *old = shard->slots;
    size_t old_capacity = shard->capacity;
    size_t capacity = old_capacity == 0 ? FIRST_SLOTS : old_capacity * 2;
    struct slot *slots;

    if (shard->count + 1 <= old_capacity / 4 * 3)
        return true;
    slots = calloc(capacity, sizeof(*slots));
    if (slots == NULL)
        return false;
    shard->slots = slots;
    shard->capacity = capacity;
    for (size_t i = 0; i < old_capacity; i++)
        if (old[i].used)
            *place(shard, old[i].key) = old[i];
    free(old);
    return true;
}

void series_cache_put(struct series_cache *cache, struct series_key key,
                      uint32_t id)
{
    struct shard *shard = shard_of(cache, key);

    (void)pthread_mutex_lock(&shard->lock);
    if (shard->count >= cache->max) {
        memset(shard->slots, 0, shard->capacity * sizeof(*shard->slots));
        shard->count = 0;
    }
    if (make_room(shard)) {
        struct slot *slot = place(shard, key);

        if (!slot->used)
            shard->count++;
        *slot = (struct slot){.key = key, .id = id, .used = true};
    }
    (void)pthread_mutex_unlock(&shard->lock);
}
