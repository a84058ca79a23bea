/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * series_cache.c - one open-addressing table under one lock. Who looks up many
 * names asks for all of them at once: the lock is taken once and the slots are
 * on their way from memory before the first is looked at.
 *
 * The table does not keep the names themselves: two names with one 128-bit hash
 * under a seed nobody outside knows are not to be expected in the age of the
 * universe. Names that are walked are kept beside it, as long as there is room,
 * and are compared whole. Once it is full and many walk by that are not on it,
 * the trail begins anew.
 */
#include "server/ingest/series_cache.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "server/ingest/name_trail.h"
#include "storage/base/hash.h"

#define FIRST_SLOTS 1024
#define STRANGERS 16 /* times the names of a full trail: it begins anew */
#define LOOK_UP_AT_ONCE 8

/* What a slot says of the trail; else the number of a step and FIRST_STEP. */
enum { FREE_SLOT = 0, NO_STEP = 1, FIRST_STEP = 2 };

struct slot {
    struct series_key key;
    uint32_t id;
    uint32_t step;
};

struct series_cache {
    uint64_t seed;         /* constant */
    size_t max;            /* constant */
    pthread_rwlock_t lock; /* leaf; guards the rest, atomics apart */
    struct slot *slots;
    size_t capacity; /* a power of two, or 0 */
    size_t count;
    uint64_t epoch; /* of the store when its ids were got */
    uint64_t forgotten;
    _Atomic uint64_t misses;

    struct name_trail trail; /* its links are atomic */
    struct series_key scope; /* of its names */
    uint64_t round;          /* times it began, less one */
    _Atomic uint64_t strangers;
};

fw_rc series_cache_new(size_t max, struct series_cache **out)
{
    struct series_cache *cache = calloc(1, sizeof(*cache));

    if (cache == NULL)
        return FW_ENOMEM;
    cache->seed = fw_hash_random_seed();
    cache->max = max > 0 ? max : 1;
    (void)pthread_rwlock_init(&cache->lock, NULL);
    trail_init(&cache->trail);
    *out = cache;
    return FW_OK;
}

void series_cache_free(struct series_cache *cache)
{
    if (cache == NULL)
        return;
    (void)pthread_rwlock_destroy(&cache->lock);
    trail_release(&cache->trail);
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

    while (cache->slots[i].step != FREE_SLOT &&
           (cache->slots[i].key.h[0] != key.h[0] ||
            cache->slots[i].key.h[1] != key.h[1]))
        i = (i + 1) & (cache->capacity - 1);
    return &cache->slots[i];
}

static uint32_t step_of(const struct slot *slot)
{
    return slot->step >= FIRST_STEP ? slot->step - FIRST_STEP : TRAIL_NONE;
}

/* NULL for a key that is not there, which is counted. */
static const struct slot *find_locked(struct series_cache *cache,
                                      struct series_key key)
{
    const struct slot *slot =
        cache->capacity > 0 ? place_locked(cache, key) : NULL;

    if (slot != NULL && slot->step != FREE_SLOT)
        return slot;
    (void)atomic_fetch_add_explicit(&cache->misses, 1, memory_order_relaxed);
    return NULL;
}

bool series_cache_find(struct series_cache *cache, struct series_key key,
                       uint32_t *id)
{
    const struct slot *slot;

    (void)pthread_rwlock_rdlock(&cache->lock);
    slot = find_locked(cache, key);
    if (slot != NULL)
        *id = slot->id;
    (void)pthread_rwlock_unlock(&cache->lock);
    return slot != NULL;
}

bool series_cache_find_all(struct series_cache *cache,
                           const struct series_key *keys, size_t n,
                           uint32_t *ids)
{
    const struct slot *slot;
    size_t found = 0;

    (void)pthread_rwlock_rdlock(&cache->lock);
    for (size_t i = 0; i < n && cache->capacity > 0; i++)
        __builtin_prefetch(&cache->slots[home(cache, keys[i])]);
    while (found < n && (slot = find_locked(cache, keys[found])) != NULL)
        ids[found++] = slot->id;
    (void)pthread_rwlock_unlock(&cache->lock);
    return found == n;
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
        if (old[i].step != FREE_SLOT)
            *place_locked(cache, old[i].key) = old[i];
    free(old);
    return true;
}

static void forget_trail_locked(struct series_cache *cache)
{
    trail_clear(&cache->trail);
    atomic_store(&cache->strangers, 0);
    cache->round++;
}

static void forget_locked(struct series_cache *cache)
{
    if (cache->count > 0) {
        memset(cache->slots, 0, cache->capacity * sizeof(*cache->slots));
        cache->forgotten++;
    }
    cache->count = 0;
    forget_trail_locked(cache);
}

void series_cache_at(struct series_cache *cache, uint64_t epoch)
{
    bool same;

    (void)pthread_rwlock_rdlock(&cache->lock);
    same = cache->epoch == epoch;
    (void)pthread_rwlock_unlock(&cache->lock);
    if (same)
        return;
    (void)pthread_rwlock_wrlock(&cache->lock);
    if (cache->epoch != epoch)
        forget_locked(cache);
    cache->epoch = epoch;
    (void)pthread_rwlock_unlock(&cache->lock);
}

void series_cache_put(struct series_cache *cache, struct series_key key,
                      uint32_t id)
{
    (void)pthread_rwlock_wrlock(&cache->lock);
    if (cache->count >= cache->max)
        forget_locked(cache);
    if (make_room_locked(cache)) {
        struct slot *slot = place_locked(cache, key);

        if (slot->step == FREE_SLOT) {
            cache->count++;
            slot->key = key;
            slot->step = NO_STEP;
        } else if (step_of(slot) != TRAIL_NONE) {
            cache->trail.steps[step_of(slot)].id = id;
        }
        slot->id = id;
    }
    (void)pthread_rwlock_unlock(&cache->lock);
}

/* ---- walking ---------------------------------------------------------------
 */

struct series_walk series_cache_walk(struct series_key scope)
{
    return (struct series_walk){
        .scope = scope, .round = UINT64_MAX, .step = TRAIL_NONE};
}

static bool same_key(struct series_key a, struct series_key b)
{
    return a.h[0] == b.h[0] && a.h[1] == b.h[1];
}

/* Some names by hash; how many of them are there, before the first that is not.
 */
static size_t look_up_locked(struct series_cache *cache,
                             struct series_walk *walk,
                             const struct fw_str *names, size_t n,
                             uint32_t *ids, size_t *strange)
{
    struct series_key keys[LOOK_UP_AT_ONCE];
    const struct slot *slot;
    size_t found = 0;

    for (size_t i = 0; i < n; i++) {
        keys[i] = series_cache_key(walk->scope, names[i]);
        if (cache->capacity > 0)
            __builtin_prefetch(&cache->slots[home(cache, keys[i])]);
    }
    while (found < n && (slot = find_locked(cache, keys[found])) != NULL) {
        trail_link(&cache->trail, walk->step, step_of(slot));
        walk->step = step_of(slot);
        *strange += walk->step == TRAIL_NONE;
        ids[found++] = slot->id;
    }
    return found;
}

/* What is foreseen by comparing, the rest by hash. False: one is not there. */
static bool follow_locked(struct series_cache *cache, struct series_walk *walk,
                          const struct fw_str *names, size_t n, uint32_t *ids,
                          size_t *strange)
{
    bool own = same_key(walk->scope, cache->scope);

    for (size_t i = 0; i < n;) {
        size_t most = n - i < LOOK_UP_AT_ONCE ? n - i : LOOK_UP_AT_ONCE, some;
        uint32_t next = own ? trail_follow(&cache->trail, walk->step, names[i])
                            : TRAIL_NONE;

        if (next != TRAIL_NONE) {
            ids[i++] = cache->trail.steps[next].id;
            walk->step = next;
            continue;
        }
        some = look_up_locked(cache, walk, names + i, most, ids + i, strange);
        if (some < most)
            return false;
        i += some;
    }
    return true;
}

static bool is_anew_due(const struct series_cache *cache)
{
    return atomic_load_explicit(&cache->strangers, memory_order_relaxed) >
           STRANGERS * (uint64_t)cache->trail.count;
}

static bool can_learn_locked(const struct series_cache *cache,
                             const struct series_walk *walk, size_t bytes)
{
    return (cache->trail.count == 0 || same_key(walk->scope, cache->scope)) &&
           (trail_has_room(&cache->trail, bytes) || is_anew_due(cache));
}

static void begin_trail_anew_locked(struct series_cache *cache)
{
    for (size_t i = 0; i < cache->capacity; i++)
        if (cache->slots[i].step != FREE_SLOT)
            cache->slots[i].step = NO_STEP;
    forget_trail_locked(cache);
}

/* Puts names on the trail behind the step `walk` stands at. */
static void learn(struct series_cache *cache, struct series_walk *walk,
                  const struct fw_str *names, size_t n)
{
    (void)pthread_rwlock_wrlock(&cache->lock);
    if (walk->round == cache->round &&
        can_learn_locked(cache, walk, names[0].n)) {
        if (!trail_has_room(&cache->trail, names[0].n)) {
            begin_trail_anew_locked(cache);
            walk->round = cache->round;
            walk->step = TRAIL_NONE;
        }
        cache->scope = walk->scope;
        for (size_t i = 0; i < n && cache->capacity > 0; i++) {
            struct slot *slot =
                place_locked(cache, series_cache_key(walk->scope, names[i]));
            uint32_t step = step_of(slot);

            if (slot->step == FREE_SLOT)
                break;
            if (step == TRAIL_NONE)
                step = trail_add(&cache->trail, names[i], slot->id);
            if (step == TRAIL_NONE)
                break;
            slot->step = step + FIRST_STEP;
            trail_link(&cache->trail, walk->step, step);
            walk->step = step;
        }
    }
    (void)pthread_rwlock_unlock(&cache->lock);
}

bool series_cache_walk_on(struct series_cache *cache, struct series_walk *walk,
                          const struct fw_str *names, size_t n, uint32_t *ids)
{
    struct series_walk before;
    size_t strange = 0;
    bool found, willing = false;

    (void)pthread_rwlock_rdlock(&cache->lock);
    if (walk->round != cache->round) {
        walk->round = cache->round;
        walk->step = TRAIL_NONE;
    }
    before = *walk;
    found = follow_locked(cache, walk, names, n, ids, &strange);
    if (found && strange > 0) {
        (void)atomic_fetch_add_explicit(&cache->strangers, strange,
                                        memory_order_relaxed);
        willing = can_learn_locked(cache, walk, names[0].n);
    }
    (void)pthread_rwlock_unlock(&cache->lock);
    if (willing) {
        *walk = before;
        learn(cache, walk, names, n);
    }
    return found;
}

void series_cache_stats(struct series_cache *cache,
                        struct series_cache_stats *out)
{
    (void)pthread_rwlock_rdlock(&cache->lock);
    *out = (struct series_cache_stats){
        cache->count, atomic_load(&cache->misses), cache->forgotten};
    (void)pthread_rwlock_unlock(&cache->lock);
}
