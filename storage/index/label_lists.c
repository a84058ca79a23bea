/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * label_lists.c - which label names and values there are, of all series or of
 * those that matchers select, in a stretch of time; and which of them have
 * the most series.
 */
#include <stdlib.h>
#include <string.h>

#include "storage/index/select.h"

struct marks {
    uint64_t *v; /* by symbol; owned */
    size_t n;
};

static fw_rc marks_begin(struct marks *m, const struct registry *r)
{
    m->n = r->symbols.n / 64 + 1;
    m->v = calloc(m->n, sizeof(*m->v));
    return m->v == NULL ? FW_ENOMEM : FW_OK;
}

static void mark(struct marks *m, uint32_t symbol)
{
    m->v[symbol / 64] |= (uint64_t)1 << symbol % 64;
}

static bool marked(const struct marks *m, uint32_t symbol)
{
    return (m->v[symbol / 64] >> symbol % 64 & 1) != 0;
}

static int by_text(const void *a, const void *b)
{
    return fw_str_cmp(*(const struct fw_str *)a, *(const struct fw_str *)b);
}

/* The texts of what is marked, sorted, at most `limit` (0: all). */
static fw_rc copy_marked(const struct registry *r, const struct marks *m,
                         size_t limit, struct fw_arena *arena,
                         struct fw_str **out, size_t *count, struct fw_err *err)
{
    size_t n = 0, at = 0;
    struct fw_str *v;

    for (size_t w = 0; w < m->n; w++)
        n += (size_t)__builtin_popcountll(m->v[w]);
    v = fw_arena_alloc(arena, n * sizeof(*v));
    if (v == NULL)
        return fw_arena_err(arena, err);
    for (size_t w = 0; w < m->n; w++)
        for (uint64_t bits = m->v[w]; bits != 0; bits &= bits - 1)
            v[at++] =
                symbols_text(&r->symbols, (uint32_t)(w * 64) +
                                              (uint32_t)__builtin_ctzll(bits));
    if (n > 1)
        qsort(v, n, sizeof(*v), by_text);
    n = limit > 0 && limit < n ? limit : n;
    for (size_t i = 0; i < n; i++) {
        v[i].p = fw_arena_strndup(arena, v[i].p, v[i].n);
        if (v[i].p == NULL)
            return fw_arena_err(arena, err);
    }
    *out = v;
    *count = n;
    return FW_OK;
}

/* ---- Of all series
 * ------------------------------------------------------------
 */

struct asked {
    struct fw_store *store;
    fw_ms from, to;
    uint32_t name; /* whose values; SYMBOL_NONE: names are asked for */
    struct marks marks;
    struct id_list ids; /* scratch */
};

/* True if a series of the list may have samples; mostly the first one does. */
static fw_rc list_alive(struct asked *a, const struct posting_name *name,
                        size_t list, bool *alive)
{
    fw_rc rc;

    a->ids.n = 0;
    *alive = false;
    rc = posting_list_ids(name, list, &a->ids);
    for (size_t i = 0; i < a->ids.n && rc == FW_OK && !*alive; i++)
        *alive = head_overlaps(&a->store->head, a->ids.v[i], a->from, a->to);
    return rc;
}

static fw_rc mark_names(struct asked *a)
{
    const struct postings *p = &a->store->registry.postings;
    fw_rc rc = FW_OK;

    for (size_t i = 0; i < p->name_count; i++) {
        const struct posting_name *name = &p->names[i];
        bool alive = false;

        for (size_t j = 0; j < posting_lists(name) && !alive && rc == FW_OK;
             j++)
            rc = list_alive(a, name, j, &alive);
        if (alive)
            mark(&a->marks, name->name);
    }
    return rc;
}

static fw_rc mark_values(struct asked *a)
{
    const struct posting_name *name =
        postings_name(&a->store->registry.postings, a->name);
    fw_rc rc = FW_OK;

    for (size_t i = 0; name != NULL && i < posting_lists(name) && rc == FW_OK;
         i++) {
        bool alive = false;
        size_t n;
        uint32_t value = posting_list_value(name, i, &n);

        if (marked(&a->marks, value))
            continue;
        rc = list_alive(a, name, i, &alive);
        if (alive)
            mark(&a->marks, value);
    }
    return rc;
}

static void mark_pairs(struct asked *a, const uint32_t *pairs, uint32_t labels)
{
    for (uint32_t i = 0; i < labels; i++) {
        if (a->name == SYMBOL_NONE)
            mark(&a->marks, pairs[2 * i]);
        else if (pairs[2 * i] == a->name)
            mark(&a->marks, pairs[2 * i + 1]);
    }
}

/* The pages that are in no postings yet. */
static void mark_open(struct asked *a)
{
    const struct registry *r = &a->store->registry;

    for (size_t i = 0; i < r->open_count; i++) {
        const struct label_rows *rows = &r->open[i]->rows;

        for (uint32_t row = 0; row < rows->count; row++)
            if (rows->pairs[row] != NULL &&
                head_overlaps(&a->store->head,
                              r->open[i]->number * REGISTRY_PAGE_SERIES + row,
                              a->from, a->to))
                mark_pairs(a, rows->pairs[row], rows->labels[row]);
    }
}

static fw_rc mark_all(struct asked *a)
{
    fw_rc rc = a->name == SYMBOL_NONE ? mark_names(a) : mark_values(a);

    if (rc == FW_OK)
        mark_open(a);
    return rc;
}

/* ---- Of some
 * ------------------------------------------------------------------
 */

static fw_rc mark_selected(struct asked *a, struct selection *s)
{
    uint32_t pairs[2 * FW_MAX_LABELS];
    fw_rc rc = selection_find_locked(s, a->from, a->to);

    for (size_t i = 0; i < s->ids.n && rc == FW_OK; i++) {
        uint32_t labels = 0;

        if (registry_pairs_locked(&a->store->registry, s->ids.v[i], pairs,
                                  &labels))
            mark_pairs(a, pairs, labels);
    }
    return rc;
}

static fw_rc answer_locked(struct asked *a, struct fw_str name,
                           struct selection *s, size_t limit,
                           struct fw_arena *arena, struct fw_str **out,
                           size_t *count, struct fw_err *err)
{
    const struct registry *r = &a->store->registry;
    fw_rc rc;

    a->name = SYMBOL_NONE;
    if (name.n > 0) {
        a->name = symbols_find(&r->symbols, name);
        if (a->name == SYMBOL_NONE) {
            *count = 0;
            *out = fw_arena_alloc(arena, 0);
            return *out == NULL ? fw_arena_err(arena, err) : FW_OK;
        }
    }
    rc = marks_begin(&a->marks, r);
    if (rc == FW_OK)
        rc = s->n > 0 ? mark_selected(a, s) : mark_all(a);
    if (rc != FW_OK)
        rc = fw_err_set(err, rc, "out of memory");
    else
        rc = copy_marked(r, &a->marks, limit, arena, out, count, err);
    free(a->marks.v);
    free(a->ids.v);
    return rc;
}

static fw_rc answer(struct fw_store *store, struct fw_str name,
                    const struct fw_label_query *query, struct fw_arena *arena,
                    struct fw_str **out, size_t *count, struct fw_err *err)
{
    static const struct fw_label_query everything = {.from = INT64_MIN,
                                                     .to = INT64_MAX};
    const struct fw_label_query *q = query != NULL ? query : &everything;
    struct asked a = {.store = store, .from = q->from, .to = q->to};
    struct selection s = {.store = store};
    fw_rc rc = FW_OK;

    if (q->n > 0)
        rc = selection_begin(&s, store, q->matchers, q->n, err);
    if (rc == FW_OK) {
        (void)pthread_rwlock_rdlock(&store->registry.lock);
        rc = answer_locked(&a, name, &s, q->limit, arena, out, count, err);
        (void)pthread_rwlock_unlock(&store->registry.lock);
    }
    selection_end(&s);
    return rc;
}

fw_rc fw_store_label_names(struct fw_store *store,
                           const struct fw_label_query *query,
                           struct fw_arena *arena, struct fw_str **names,
                           size_t *count, struct fw_err *err)
{
    return answer(store, (struct fw_str){"", 0}, query, arena, names, count,
                  err);
}

fw_rc fw_store_label_values(struct fw_store *store, struct fw_str name,
                            const struct fw_label_query *query,
                            struct fw_arena *arena, struct fw_str **values,
                            size_t *count, struct fw_err *err)
{
    if (name.n == 0) {
        *values = fw_arena_alloc(arena, 0);
        *count = 0;
        return *values == NULL ? fw_arena_err(arena, err) : FW_OK;
    }
    return answer(store, name, query, arena, values, count, err);
}
