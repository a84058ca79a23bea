/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * matcher.h - one condition on a label, ready to be put to many values.
 *
 * What a regex said about a value is remembered by the value's symbol; and the
 * matcher of a regex, once used, waits in a small cache for the next query
 * that asks the same. So a dashboard's regex is put to each value once, and
 * later only to values that are new.
 */
#ifndef STORAGE_MATCHER_H
#define STORAGE_MATCHER_H

#include <pthread.h>

#include "storage/index/symbols.h"
#include "storage/storage.h"

struct matcher {
    struct fw_str name;
    struct fw_str value;    /* of = and != */
    struct fw_regex *regex; /* of =~ and !~; owned */
    bool negated;
    bool takes_empty; /* true of a series that lacks the label */

    uint32_t value_symbol; /* of = and !=; SYMBOL_NONE for a text unknown */
    uint8_t *memo;         /* by symbol: what the regex said; owned */
    size_t memo_n;
    uint64_t forgotten; /* symbols->forgotten as the memo knows it */
};

#define MATCHER_CACHE 64

struct matcher_cache {
    pthread_mutex_t lock;               /* leaf */
    struct matcher idle[MATCHER_CACHE]; /* latest last; names owned */
    size_t count;
    uint64_t hits, misses;
};

void matcher_cache_init(struct matcher_cache *cache);
void matcher_cache_release(struct matcher_cache *cache);

/*
 * Texts are borrowed from `from`. `cache` may be NULL. FW_EINVAL for a bad
 * regex. Give it back with matcher_end().
 */
FW_CHECK fw_rc matcher_begin(struct matcher *m, const struct fw_matcher *from,
                             struct matcher_cache *cache, struct fw_err *err);
void matcher_end(struct matcher *m, struct matcher_cache *cache);

/* Before matcher_takes_symbol(); the registry's lock is held from here on. */
FW_CHECK fw_rc matcher_prepare(struct matcher *m, const struct symbols *s);

bool matcher_takes(struct matcher *m, struct fw_str value);
bool matcher_takes_symbol(struct matcher *m, const struct symbols *s,
                          uint32_t value);

/*
 * The values the matcher takes where they can be counted: *words and how many;
 * 0 where only trying tells.
 */
size_t matcher_words(const struct matcher *m, const struct fw_str **words);

#endif
