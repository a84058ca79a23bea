/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * series_cache.c - one open-addressing table under one lock. Who looks up many
 * names asks for all of them at once: the lock is taken once and the slots are
 * on their way from memory before the first is looked at.
 *
 * The names themselves are not kept: two names with one 128-bit hash under a
 * seed nobody outside knows are not to be expected in the age of the universe.
 */
#include "server/ingest/series_cache.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "storage/base/hash.h"

#define FIRST_SLOTS 1024

struct slot {
    struct series_key key;
    uint32_t id;
    bool used;
};

struct series_cache {
    uint64_t seed;        /* constant */
    size_t max;           /* constant */
    pthread_mutex_t lock; /* leaf; guards the rest */
    struct slot *slots;
    size_t capacity; /* a power of two, or 0 */
    size_t count;
    uint64_t epoch; /* of the store when its ids were got */
    uint64_t misses, forgotten;
};

fw_rc series_cache_new(size_t max, struct series_cache **out)
{
    struct series_cache *cache = calloc(1, sizeof(*cache));

    if (cache == NULL)
        return FW_ENOMEM;
    cache->seed = fw_hash_random_seed();
    cache->max = max > 0 ? max : 1;
    (void)pthread_mutex_init(&cache->lock, NULL);
    *out = cache;
    return FW_OK;
}

void series_cache_free(struct series_cache *cache)
{
    if (cache == NULL)
        return;
    (void)pthread_mutex_destroy(&cache->lock);
    free(cache->slots);
    free(cache);
}

/* ---- keys ------------------------------------------------------------------
 */

/* Half of the scope seeds the hash, the other half goes into the result. */
struct series_key series_cache_key(struct series_key scope, struct fw_str name)
{
    struct series_key key;

    fw_hash128(name.p, name.n, scope.h[0], key.h);
    key.h[1] += scope.h[1];
    return key;
}

struct series_key series_cache_scope(const struct series_cache *cache,
                                     const struct fw_str *pieces, size_t n)
{
    struct series_key scope = {{cache->seed, 0}};

    for (size_t i = 0; i < n; i++)
        scope = series_cache_key(scope, pieces[i]);
    return scope;
}

/* ---- the table -------------------------------------------------------------
 */

static size_t home(const struct series_cache *cache, struct series_key key)
{
    return (size_t)key.h[0] & (cache->capacity - 1);
}

/* Where the key is, or the free slot where it belongs. */
static struct slot *place_locked(const struct series_cache *cache,
                                 struct series_key key)
{
    size_t i = home(cache, key);

    while (cache->slots[i].used && (cache->slots[i].key.h[0] != key.h[0] ||
                                    cache->slots[i].key.h[1] != key.h[1]))
        i = (i + 1) & (cache->capacity - 1);
    return &cache->slots[i];
}

static bool find_locked(struct series_cache *cache, struct series_key key,
                        uint32_t *id)
{
    const struct slot *slot =
        cache->capacity > 0 ? place_locked(cache, key) : NULL;

    if (slot == NULL || !slot->used) {
        cache->misses++;
        return false;
    }
    *id = slot->id;
    return true;
}

bool series_cache_find(struct series_cache *cache, struct series_key key,
                       uint32_t *id)
{
    bool found;

    (void)pthread_mutex_lock(&cache->lock);
    found = find_locked(cache, key, id);
    (void)pthread_mutex_unlock(&cache->lock);
    return found;
}

bool series_cache_find_all(struct series_cache *cache,
                           const struct series_key *keys, size_t n,
                           uint32_t *ids)
{
    bool found = true;

    (void)pthread_mutex_lock(&cache->lock);
    for (size_t i = 0; i < n && cache->capacity > 0; i++)
        __builtin_prefetch(&cache->slots[home(cache, keys[i])]);
    for (size_t i = 0; i < n && found; i++)
        found = find_locked(cache, keys[i], &ids[i]);
    (void)pthread_mutex_unlock(&cache->lock);
    return found;
}

/* Doubles the table once it is half full. */
static bool make_room_locked(struct series_cache *cache)
{
    struct slot *old = cache->slots;
    size_t old_capacity = cache->capacity;
    size_t capacity = old_capacity == 0 ? FIRST_SLOTS : old_capacity * 2;
    struct slot *slots;

    if (cache->count + 1 <= old_capacity / 2)
        return true;
    slots = calloc(capacity, sizeof(*slots));
    if (slots == NULL)
        return false;
    cache->slots = slots;
    cache->capacity = capacity;
    for (size_t i = 0; i < old_capacity; i++)
        if (old[i].used)
            *place_locked(cache, old[i].key) = old[i];
    free(old);
    return true;
}

static void forget_locked(struct series_cache *cache)
{
    if (cache->count > 0) {
        memset(cache->slots, 0, cache->capacity * sizeof(*cache->slots));
        cache->forgotten++;
    }
    cache->count = 0;
}

void series_cache_at(struct series_cache *cache, uint64_t epoch)
{
    (void)pthread_mutex_lock(&cache->lock);
    if (cache->epoch != epoch)
        forget_locked(cache);
    cache->epoch = epoch;
    (void)pthread_mutex_unlock(&cache->lock);
}

void series_cache_put(struct series_cache *cache, struct series_key key,
                      uint32_t id)
{
    (void)pthread_mutex_lock(&cache->lock);
    if (cache->count >= cache->max)
        forget_locked(cache);
    if (make_room_locked(cache)) {
        struct slot *slot = place_locked(cache, key);

        if (!slot->used)
            cache->count++;
        *slot = (struct slot){.key = key, .id = id, .used = true};
    }
    (void)pthread_mutex_unlock(&cache->lock);
}

void series_cache_stats(struct series_cache *cache,
                        struct series_cache_stats *out)
{
    (void)pthread_mutex_lock(&cache->lock);
    *out = (struct series_cache_stats){cache->count, cache->misses,
                                       cache->forgotten};
    (void)pthread_mutex_unlock(&cache->lock);
}
