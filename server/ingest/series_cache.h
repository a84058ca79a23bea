/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * series_cache.h - from the raw bytes that name a series to its id.
 *
 * Senders over HTTP come and go, but name the same series for ever. One cache
 * for all of them remembers each name as it was sent by its 128-bit hash under
 * a random seed, so that a repeated series costs a hash and no parsing; of some
 * names it keeps the text and what came next (name_trail.h), and they cost a
 * comparison. Any thread; ids hold for the store's epoch.
 */
#ifndef SERVER_INGEST_SERIES_CACHE_H
#define SERVER_INGEST_SERIES_CACHE_H

#include <stdbool.h>
#include <stdint.h>

#include "storage/base/err.h"
#include "storage/base/str.h"

struct series_cache;

struct series_key {
    uint64_t h[2];
};

/* Remembers up to `max` series. The caller frees *out. */
FW_CHECK fw_rc series_cache_new(size_t max, struct series_cache **out);
void series_cache_free(struct series_cache *cache);

/*
 * A name comes in pieces: the first ones (a protocol, a database, what a line's
 * fields share) make the scope that the last one is a key in. Where one piece
 * ends is part of the key.
 */
struct series_key series_cache_scope(const struct series_cache *cache,
                                     const struct fw_str *pieces, size_t n);
struct series_key series_cache_key(struct series_key scope, struct fw_str name);

bool series_cache_find(struct series_cache *cache, struct series_key key,
                       uint32_t *id);

/* The ids of n keys under one lock; false unless all of them are there. */
bool series_cache_find_all(struct series_cache *cache,
                           const struct series_key *keys, size_t n,
                           uint32_t *ids);

/* Where one who looks up many names of one scope, in order, stands. */
struct series_walk {
    struct series_key scope;
    uint64_t round; /* of the trail */
    uint32_t step;  /* of the last name */
};

struct series_walk series_cache_walk(struct series_key scope);

/*
 * The ids of the next names, under one lock; false unless all of them are
 * there. Only names of the scope that walked first are kept as text.
 */
bool series_cache_walk_on(struct series_cache *cache, struct series_walk *walk,
                          const struct fw_str *names, size_t n, uint32_t *ids);

/* Without memory, or with the cache full, it only forgets. */
void series_cache_put(struct series_cache *cache, struct series_key key,
                      uint32_t id);

/*
 * Tells what fw_store_epoch() says now: where it has changed some of the ids
 * will not hold much longer, and the cache begins anew.
 */
void series_cache_at(struct series_cache *cache, uint64_t epoch);

struct series_cache_stats {
    uint64_t entries;
    uint64_t misses;    /* names that were not there */
    uint64_t forgotten; /* times it began anew: full, or a new epoch */
};

void series_cache_stats(struct series_cache *cache,
                        struct series_cache_stats *out);

#endif
