/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * values_dictionary.c - runs of few distinct values.
 *
 * The entries are sorted, so that they pack well themselves and so that the
 * ranks of a smooth series stay smooth. They are found by a hash table of
 * indices that gives up as soon as there are too many.
 */
#include "storage/codec/values_dictionary.h"

#include <assert.h>
#include <stdbool.h>
#include <string.h>

#include "storage/codec/bits.h"
#include "storage/codec/values_format.h"

#define SLOTS_MAX 4096 /* a power of two, at least twice the entries */
#define SLOT_EMPTY UINT16_MAX

static_assert(SLOTS_MAX >= 2 * VALUES_ENTRIES_MAX, "the table must stay half "
                                                   "empty");

struct dictionary {
    size_t count;
    size_t limit;
    unsigned shift; /* of the hash, to the table's size */
    uint16_t slots[SLOTS_MAX];
    uint64_t keys[VALUES_ENTRIES_MAX]; /* values_order of each entry */
    uint16_t rank[VALUES_ENTRIES_MAX]; /* of the entry found i-th */
    uint64_t x[VALUES_RUN];            /* per value: index, then rank */
};

static void dictionary_init(struct dictionary *d, size_t n)
{
    unsigned bits = 4;

    d->count = 0;
    d->limit = n / 3;
    while ((size_t)1 << bits < 2 * d->limit)
        bits++;
    d->shift = 64 - bits;
    memset(d->slots, 0xFF, sizeof(*d->slots) << bits);
}

/* The index of a key, SLOT_EMPTY if it is one too many. */
static uint16_t index_of(struct dictionary *d, uint64_t key)
{
    size_t mask = SIZE_MAX >> (sizeof(size_t) * 8 - 64 + d->shift);
    /* Fibonacci hashing [Knuth, TAOCP 3, 6.4] after folding the high half,
     * as small integers have only high bits. */
    size_t at = (size_t)(((key ^ key >> 32) * UINT64_C(0x9E3779B97F4A7C15)) >>
                         d->shift);

    for (;; at = (at + 1) & mask) {
        uint16_t i = d->slots[at];
        if (i == SLOT_EMPTY)
            break;
        if (d->keys[i] == key)
            return i;
    }
    if (d->count == d->limit)
        return SLOT_EMPTY;
    d->slots[at] = (uint16_t)d->count;
    d->keys[d->count] = key;
    return (uint16_t)d->count++;
}

static bool dictionary_collect(struct dictionary *d, const double *v, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        uint16_t index = index_of(d, values_order(v[i]));
        if (index == SLOT_EMPTY)
            return false;
        d->x[i] = index;
    }
    return true;
}

/* Shell's sort with Ciura's gaps: short, no memory, quick at this size. */
static void sort_by_key(const uint64_t *keys, uint16_t *order, size_t n)
{
    static const size_t gaps[] = {701, 301, 132, 57, 23, 10, 4, 1};

    for (size_t g = 0; g < sizeof(gaps) / sizeof(*gaps); g++) {
        for (size_t i = gaps[g]; i < n; i++) {
            uint16_t moving = order[i];
            size_t j = i;
            for (; j >= gaps[g] &&
                   (int64_t)keys[order[j - gaps[g]]] > (int64_t)keys[moving];
                 j -= gaps[g])
                order[j] = order[j - gaps[g]];
            order[j] = moving;
        }
    }
}

/* Gives every entry its rank and lists the entries in order. */
static void dictionary_rank(struct dictionary *d, double *entries)
{
    uint16_t order[VALUES_ENTRIES_MAX];

    for (size_t i = 0; i < d->count; i++)
        order[i] = (uint16_t)i;
    sort_by_key(d->keys, order, d->count);
    for (size_t i = 0; i < d->count; i++) {
        uint64_t key = d->keys[order[i]];
        d->rank[order[i]] = (uint16_t)i;
        entries[i] = fw_double_of_bits(key ^ ((0 - (key >> 63)) >> 1));
    }
}

size_t values_dictionary_write(const double *v, size_t n,
                               const struct ints_manner *like,
                               struct ints_plan *plan, uint8_t *out)
{
    struct dictionary d;
    double entries[VALUES_ENTRIES_MAX];
    uint8_t *p = out;

    dictionary_init(&d, n);
    if (d.limit == 0 || !dictionary_collect(&d, v, n))
        return 0;
    dictionary_rank(&d, entries);
    for (size_t i = 0; i < n; i++)
        d.x[i] = d.rank[d.x[i]];
    *p++ = VALUES_DICTIONARY;
    p += fw_varint_put(p, d.count);
    p += values_entries_write(entries, d.count, p);
    if (like != NULL)
        ints_plan_like(d.x, n, *like, plan);
    else
        ints_plan(d.x, n, plan);
    if ((size_t)(p - out) + plan->bytes >= 1 + n * sizeof(double))
        return 0;
    p += ints_write(d.x, plan, p);
    return (size_t)(p - out);
}
