/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * select.c - which series satisfy a set of matchers, and which names and
 * values there are.
 *
 * The matcher that leaves fewest series by its postings gives the candidates;
 * each is then put to all matchers by its labels. What a regex said about a
 * value is remembered by the value's symbol, so a million series with ten
 * values cost ten matches.
 */
#include "storage/store.h"

#include <stdlib.h>
#include <string.h>

#include "storage/base/limits.h"
#include "storage/matcher.h"

#define MEMO_UNKNOWN 0
#define MEMO_NO 1
#define MEMO_YES 2

struct condition {
    struct matcher matcher;
    uint32_t name;  /* symbol, or SYMBOL_NONE */
    uint32_t value; /* symbol of = and != */
    uint8_t *memo;  /* by symbol of the value; owned; NULL where not needed */
    size_t memo_n;
};

struct selection {
    struct fw_store *store;
    struct condition *conditions;
    size_t n;
    uint32_t *ids; /* candidates, sorted; owned */
    size_t id_count, id_cap;
};

/* ---- Conditions -----------------------------------------------------------
 */

static fw_rc prepare_locked(struct selection *s, struct condition *c)
{
    struct registry *r = &s->store->registry;

    c->name = symbols_find(&r->symbols, c->matcher.name);
    c->value = SYMBOL_NONE;
    if (c->matcher.regex == NULL) {
        c->value = symbols_find(&r->symbols, c->matcher.value);
        return FW_OK;
    }
    c->memo_n = r->symbols.n;
    c->memo = calloc(c->memo_n + 1, 1);
    return c->memo == NULL ? FW_ENOMEM : FW_OK;
}

static bool takes_value(struct selection *s, struct condition *c,
                        uint32_t value)
{
    struct registry *r = &s->store->registry;

    if (c->matcher.regex == NULL)
        return (value == c->value) != c->matcher.negated;
    if (c->memo[value] == MEMO_UNKNOWN)
        c->memo[value] =
            matcher_takes(&c->matcher, symbols_text(&r->symbols, value))
                ? MEMO_YES
                : MEMO_NO;
    return c->memo[value] == MEMO_YES;
}

static bool takes_series(struct selection *s, struct condition *c,
                         const struct registry_series *series)
{
    for (uint32_t i = 0; i < series->count; i++)
        if (series->pairs[2 * i] == c->name)
            return takes_value(s, c, series->pairs[2 * i + 1]);
    return c->matcher.takes_empty;
}

/* ---- Candidates -----------------------------------------------------------
 */

/* Calls add (which may be NULL) with each list the condition takes; the sum. */
static size_t each_list(struct selection *s, struct condition *c,
                        fw_rc (*add)(struct selection *s,
                                     const struct posting *list),
                        fw_rc *rc)
{
    const struct postings *p = &s->store->registry.postings;
    const struct posting_name *name = postings_name(p, c->name);
    const struct fw_str *words = NULL;
    size_t word_count = matcher_words(&c->matcher, &words);
    size_t sum = 0;

    for (size_t i = 0; i < word_count && *rc == FW_OK; i++) {
        uint32_t value = symbols_find(&s->store->registry.symbols, words[i]);
        const struct posting *list =
            value == SYMBOL_NONE ? NULL : postings_find(p, c->name, value);

        sum += list == NULL ? 0 : list->n;
        if (list != NULL && add != NULL)
            *rc = add(s, list);
    }
    if (word_count > 0 || name == NULL)
        return sum;
    for (size_t i = 0; i < name->n && *rc == FW_OK; i++) {
        const struct posting *list = &p->v[name->lists[i]];

        if (!takes_value(s, c, list->value))
            continue;
        sum += list->n;
        if (add != NULL)
            *rc = add(s, list);
    }
    return sum;
}

static fw_rc add_ids(struct selection *s, const struct posting *list)
{
    fw_rc rc = fw_grow(&s->ids, &s->id_cap, s->id_count + list->n,
                       sizeof(*s->ids), UINT32_MAX);

    if (rc != FW_OK)
        return rc;
    memcpy(s->ids + s->id_count, list->ids, list->n * sizeof(*s->ids));
    s->id_count += list->n;
    return FW_OK;
}

/* The condition with the fewest series; only one that refuses "" can lead. */
static struct condition *find_leader(struct selection *s, fw_rc *rc)
{
    struct condition *leader = NULL;
    size_t least = SIZE_MAX;

    for (size_t i = 0; i < s->n && *rc == FW_OK; i++) {
        struct condition *c = &s->conditions[i];
        size_t sum;

        if (c->matcher.takes_empty)
            continue;
        sum = each_list(s, c, NULL, rc);
        if (leader == NULL || sum < least) {
            leader = c;
            least = sum;
        }
    }
    return leader;
}

static bool takes_id(struct selection *s, uint32_t id, fw_ms from, fw_ms to)
{
    const struct registry *r = &s->store->registry;

    if (id >= r->n || r->series[id].pairs == NULL)
        return false;
    for (size_t i = 0; i < s->n; i++)
        if (!takes_series(s, &s->conditions[i], &r->series[id]))
            return false;
    return head_overlaps(&s->store->head, id, from, to);
}

static int by_id(const void *a, const void *b)
{
    uint32_t left = *(const uint32_t *)a;
    uint32_t right = *(const uint32_t *)b;

    return (left > right) - (left < right);
}

static fw_rc find_ids_locked(struct selection *s, fw_ms from, fw_ms to)
{
    struct condition *leader;
    size_t kept = 0;
    fw_rc rc = FW_OK;

    for (size_t i = 0; i < s->n && rc == FW_OK; i++)
        rc = prepare_locked(s, &s->conditions[i]);
    if (rc != FW_OK)
        return rc;
    leader = find_leader(s, &rc);
    if (leader == NULL || rc != FW_OK)
        return rc;
    (void)each_list(s, leader, add_ids, &rc);
    if (rc != FW_OK || s->id_count == 0)
        return rc;
    qsort(s->ids, s->id_count, sizeof(*s->ids), by_id);
    for (size_t i = 0; i < s->id_count; i++) {
        if (kept > 0 && s->ids[kept - 1] == s->ids[i])
            continue; /* a pattern may name a value twice */
        if (takes_id(s, s->ids[i], from, to))
            s->ids[kept++] = s->ids[i];
    }
    s->id_count = kept;
    return FW_OK;
}

/* ---- The answer -----------------------------------------------------------
 */

static int by_labels(const void *a, const void *b)
{
    const struct fw_series *left = a;
    const struct fw_series *right = b;

    return fw_labels_cmp(&left->labels, &right->labels);
}

static fw_rc copy_out_locked(struct selection *s, struct fw_arena *arena,
                             struct fw_series **out, size_t *count,
                             struct fw_err *err)
{
    struct fw_series *v =
        fw_arena_alloc(arena, s->id_count * sizeof(struct fw_series));
    fw_rc rc = FW_OK;

    if (v == NULL)
        return fw_arena_err(arena, err);
    for (size_t i = 0; i < s->id_count && rc == FW_OK; i++) {
        v[i].id = s->ids[i];
        rc = registry_copy_locked(&s->store->registry, s->ids[i], arena,
                                  &v[i].labels, err);
    }
    if (rc != FW_OK)
        return rc;
    *out = v;
    *count = s->id_count;
    return FW_OK;
}

static fw_rc open_conditions(struct selection *s, const struct fw_matcher *from,
                             size_t n, struct fw_err *err)
{
    bool leads = false;
    fw_rc rc = FW_OK;

    s->conditions = calloc(n + 1, sizeof(*s->conditions));
    if (s->conditions == NULL)
        return fw_err_set(err, FW_ENOMEM, "out of memory");
    while (s->n < n && rc == FW_OK) {
        rc = matcher_init(&s->conditions[s->n].matcher, &from[s->n], err);
        leads = leads || !s->conditions[s->n].matcher.takes_empty;
        s->n++;
    }
    if (rc == FW_OK && !leads)
        return fw_err_set(err, FW_EINVAL,
                          "a selector needs at least one matcher that does "
                          "not match the empty value");
    return rc;
}

static void selection_release(struct selection *s)
{
    for (size_t i = 0; i < s->n; i++) {
        matcher_release(&s->conditions[i].matcher);
        free(s->conditions[i].memo);
    }
    free(s->conditions);
    free(s->ids);
}

fw_rc fw_store_select(struct fw_store *store, const struct fw_matcher *matchers,
                      size_t n, fw_ms from, fw_ms to, size_t max_series,
                      struct fw_arena *arena, struct fw_series **series,
                      size_t *count, struct fw_err *err)
{
    struct selection s = {.store = store};
    fw_rc rc = open_conditions(&s, matchers, n, err);

    if (rc != FW_OK)
        goto out;
    (void)pthread_rwlock_rdlock(&store->registry.lock);
    rc = find_ids_locked(&s, from, to);
    if (rc != FW_OK)
        rc = fw_err_set(err, rc, "out of memory");
    else if (s.id_count > max_series)
        rc = fw_err_set(err, FW_ETOOBIG,
                        "the selector matches %zu series, more than %zu",
                        s.id_count, max_series);
    else
        rc = copy_out_locked(&s, arena, series, count, err);
    (void)pthread_rwlock_unlock(&store->registry.lock);
    if (rc == FW_OK && *count > 1)
        qsort(*series, *count, sizeof(**series), by_labels);
out:
    selection_release(&s);
    return rc;
}

/* ---- Names and values -------------------------------------------------------
 */

/* True if a series of the list has samples; mostly the first one does. */
static bool alive(struct fw_store *store, const struct posting *list)
{
    for (size_t i = 0; i < list->n; i++)
        if (head_overlaps(&store->head, list->ids[i], INT64_MIN, INT64_MAX))
            return true;
    return false;
}

static int by_text(const void *a, const void *b)
{
    return fw_str_cmp(*(const struct fw_str *)a, *(const struct fw_str *)b);
}

static bool copy_text(struct fw_arena *arena, struct fw_str from,
                      struct fw_str *to)
{
    char *text = fw_arena_strndup(arena, from.p, from.n);

    *to = (struct fw_str){text, from.n};
    return text != NULL;
}

static fw_rc names_locked(struct fw_store *store, struct fw_arena *arena,
                          struct fw_str **out, size_t *count,
                          struct fw_err *err)
{
    const struct registry *r = &store->registry;
    const struct postings *p = &r->postings;
    struct fw_str *v = fw_arena_alloc(arena, p->name_count * sizeof(*v));
    size_t n = 0;

    if (v == NULL)
        return fw_arena_err(arena, err);
    for (size_t i = 0; i < p->name_count; i++) {
        const struct posting_name *name = &p->names[i];
        bool any = false;

        for (size_t j = 0; j < name->n && !any; j++)
            any = alive(store, &p->v[name->lists[j]]);
        if (any &&
            !copy_text(arena, symbols_text(&r->symbols, name->name), &v[n++]))
            return fw_arena_err(arena, err);
    }
    *out = v;
    *count = n;
    return FW_OK;
}

fw_rc fw_store_label_names(struct fw_store *store, struct fw_arena *arena,
                           struct fw_str **names, size_t *count,
                           struct fw_err *err)
{
    fw_rc rc;

    (void)pthread_rwlock_rdlock(&store->registry.lock);
    rc = names_locked(store, arena, names, count, err);
    (void)pthread_rwlock_unlock(&store->registry.lock);
    if (rc == FW_OK && *count > 1)
        qsort(*names, *count, sizeof(**names), by_text);
    return rc;
}

static fw_rc values_locked(struct fw_store *store, struct fw_str name,
                           struct fw_arena *arena, struct fw_str **out,
                           size_t *count, struct fw_err *err)
{
    const struct registry *r = &store->registry;
    uint32_t symbol = symbols_find(&r->symbols, name);
    const struct posting_name *found = postings_name(&r->postings, symbol);
    size_t n = 0;
    struct fw_str *v;

    v = fw_arena_alloc(arena, (found == NULL ? 0 : found->n) * sizeof(*v));
    if (v == NULL)
        return fw_arena_err(arena, err);
    for (size_t i = 0; found != NULL && i < found->n; i++) {
        const struct posting *list = &r->postings.v[found->lists[i]];

        if (alive(store, list) &&
            !copy_text(arena, symbols_text(&r->symbols, list->value), &v[n++]))
            return fw_arena_err(arena, err);
    }
    *out = v;
    *count = n;
    return FW_OK;
}

fw_rc fw_store_label_values(struct fw_store *store, struct fw_str name,
                            struct fw_arena *arena, struct fw_str **values,
                            size_t *count, struct fw_err *err)
{
    fw_rc rc;

    (void)pthread_rwlock_rdlock(&store->registry.lock);
    rc = values_locked(store, name, arena, values, count, err);
    (void)pthread_rwlock_unlock(&store->registry.lock);
    if (rc == FW_OK && *count > 1)
        qsort(*values, *count, sizeof(**values), by_text);
    return rc;
}
