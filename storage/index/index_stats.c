/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * index_stats.c - which metrics and labels have the most series. The postings
 * know: no series is looked at but those of pages that are still open.
 */
#include <stdlib.h>
#include <string.h>

#include "storage/store.h"

struct entry {
    uint32_t name, value; /* symbols; value SYMBOL_NONE: none */
    uint64_t n;
};

/* The largest `top` so far, largest first. */
struct leaders {
    struct entry *v; /* owned; room for top + 1 */
    size_t n, top;
};

struct survey {
    const struct registry *r;
    struct leaders metrics, values, bytes, pairs;
    uint64_t pair_count;
};

static fw_rc leaders_begin(struct leaders *l, size_t top)
{
    *l = (struct leaders){.v = calloc(top + 1, sizeof(*l->v)), .top = top};
    return l->v == NULL ? FW_ENOMEM : FW_OK;
}

static void offer(struct leaders *l, struct entry e)
{
    size_t at = l->n;

    if (l->n == l->top && (l->top == 0 || l->v[l->top - 1].n >= e.n))
        return;
    while (at > 0 && l->v[at - 1].n < e.n) {
        l->v[at] = l->v[at - 1];
        at--;
    }
    l->v[at] = e;
    l->n += l->n < l->top;
}

/* ---- Counting
 * -----------------------------------------------------------------
 */

struct tally {
    uint32_t value;
    uint64_t n;
};

static int by_value(const void *a, const void *b)
{
    const struct tally *left = a, *right = b;

    return (left->value > right->value) - (left->value < right->value);
}

/* The values of a name that rows of open pages have, each row for itself. */
static size_t open_values(const struct registry *r, uint32_t name,
                          struct tally *out)
{
    size_t n = 0;

    for (size_t i = 0; i < r->open_count; i++) {
        const struct label_rows *rows = &r->open[i]->rows;

        /* What came back from a packed page is in the postings already. */
        if (r->open[i]->unposted < r->open[i]->known)
            continue;
        for (uint32_t row = 0; row < rows->count; row++)
            for (uint32_t j = 0;
                 rows->pairs[row] != NULL && j < rows->labels[row]; j++)
                if (rows->pairs[row][2 * j] == name)
                    out[n++] = (struct tally){rows->pairs[row][2 * j + 1], 1};
    }
    return n;
}

static fw_rc survey_name(struct survey *s, uint32_t name)
{
    const struct posting_name *found = postings_name(&s->r->postings, name);
    size_t lists = found == NULL ? 0 : posting_lists(found);
    size_t room = lists + REGISTRY_OPEN_PAGES * REGISTRY_PAGE_SERIES;
    struct tally *v = malloc(room * sizeof(*v));
    uint64_t bytes = 0, values = 0;
    size_t n = 0;

    if (v == NULL)
        return FW_ENOMEM;
    for (; n < lists; n++) {
        size_t ids;

        v[n].value = posting_list_value(found, n, &ids);
        v[n].n = ids;
    }
    n += open_values(s->r, name, v + n);
    if (n > 1)
        qsort(v, n, sizeof(*v), by_value);
    for (size_t i = 0; i < n;) {
        uint32_t value = v[i].value;
        uint64_t series = 0;

        for (; i < n && v[i].value == value; i++)
            series += v[i].n;
        values++;
        bytes += symbols_text(&s->r->symbols, value).n;
        offer(&s->pairs, (struct entry){name, value, series});
        if (name == s->r->metrics.label)
            offer(&s->metrics, (struct entry){value, SYMBOL_NONE, series});
    }
    free(v);
    if (values == 0)
        return FW_OK;
    s->pair_count += values;
    offer(&s->values, (struct entry){name, SYMBOL_NONE, values});
    offer(&s->bytes, (struct entry){name, SYMBOL_NONE, bytes});
    return FW_OK;
}

/* Names that only rows of open pages have; a few at most. */
static fw_rc survey_open_names(struct survey *s)
{
    struct id_list names = {0};
    fw_rc rc = FW_OK;

    for (size_t i = 0; i < s->r->open_count; i++) {
        const struct label_rows *rows = &s->r->open[i]->rows;

        for (uint32_t row = 0; row < rows->count && rc == FW_OK; row++)
            for (uint32_t j = 0; rows->pairs[row] != NULL &&
                                 j < rows->labels[row] && rc == FW_OK;
                 j++) {
                uint32_t name = rows->pairs[row][2 * j];
                bool known = postings_name(&s->r->postings, name) != NULL;

                for (size_t k = names.n; k > 0 && !known; k--)
                    known = names.v[k - 1] == name;
                if (known)
                    continue;
                rc = fw_grow(&names.v, &names.cap, names.n + 1,
                             sizeof(*names.v), UINT32_MAX);
                if (rc == FW_OK)
                    names.v[names.n++] = name;
            }
    }
    for (size_t i = 0; i < names.n && rc == FW_OK; i++)
        rc = survey_name(s, names.v[i]);
    free(names.v);
    return rc;
}

static fw_rc survey_all(struct survey *s)
{
    const struct postings *p = &s->r->postings;
    fw_rc rc = FW_OK;

    for (size_t i = 0; i < p->name_count && rc == FW_OK; i++)
        rc = survey_name(s, p->names[i].name);
    return rc == FW_OK ? survey_open_names(s) : rc;
}

/* ---- Telling
 * ------------------------------------------------------------------
 */

static fw_rc copy_symbol(const struct registry *r, uint32_t symbol,
                         struct fw_arena *arena, struct fw_str *out)
{
    struct fw_str text = {"", 0};

    if (symbol != SYMBOL_NONE)
        text = symbols_text(&r->symbols, symbol);
    out->n = text.n;
    out->p = fw_arena_strndup(arena, text.p, text.n);
    return out->p == NULL ? FW_ENOMEM : FW_OK;
}

static int larger_first(const void *a, const void *b)
{
    const struct fw_index_entry *x = a, *y = b;
    int order;

    if (x->n != y->n)
        return x->n < y->n ? 1 : -1;
    order = fw_str_cmp(x->name, y->name);
    return order != 0 ? order : fw_str_cmp(x->value, y->value);
}

static fw_rc copy_leaders(const struct registry *r, const struct leaders *l,
                          struct fw_arena *arena, struct fw_index_entry **out,
                          size_t *count)
{
    struct fw_index_entry *v = fw_arena_alloc(arena, l->n * sizeof(*v));
    fw_rc rc = v == NULL ? FW_ENOMEM : FW_OK;

    for (size_t i = 0; i < l->n && rc == FW_OK; i++) {
        v[i].n = l->v[i].n;
        rc = copy_symbol(r, l->v[i].name, arena, &v[i].name);
        if (rc == FW_OK)
            rc = copy_symbol(r, l->v[i].value, arena, &v[i].value);
    }
    if (rc == FW_OK && l->n > 1)
        qsort(v, l->n, sizeof(*v), larger_first);
    *out = v;
    *count = l->n;
    return rc;
}

static uint64_t memory_of(const struct registry *r)
{
    return r->page_bytes + r->packed_cap * sizeof(struct label_page *) +
           postings_bytes(&r->postings) +
           r->by_labels.capacity * sizeof(uint64_t) +
           symbols_bytes(&r->symbols) +
           r->open_count * sizeof(struct registry_open);
}

static fw_rc copy_out(const struct survey *s, struct fw_arena *arena,
                      struct fw_index_stats *out, struct fw_err *err)
{
    const struct registry *r = s->r;
    struct fw_index_stats stats = {.series = r->known,
                                   .pairs = s->pair_count,
                                   .memory_bytes = memory_of(r)};
    fw_rc rc = copy_leaders(r, &s->metrics, arena, &stats.metrics,
                            &stats.metric_count);

    if (rc == FW_OK)
        rc = copy_leaders(r, &s->values, arena, &stats.values,
                          &stats.value_count);
    if (rc == FW_OK)
        rc = copy_leaders(r, &s->bytes, arena, &stats.bytes, &stats.byte_count);
    if (rc == FW_OK)
        rc = copy_leaders(r, &s->pairs, arena, &stats.by_pair,
                          &stats.by_pair_count);
    if (rc != FW_OK)
        return fw_arena_err(arena, err);
    *out = stats;
    return FW_OK;
}

fw_rc fw_store_index_stats(struct fw_store *store, size_t top,
                           struct fw_arena *arena, struct fw_index_stats *out,
                           struct fw_err *err)
{
    struct survey s = {.r = &store->registry};
    fw_rc rc = leaders_begin(&s.metrics, top);

    if (rc == FW_OK)
        rc = leaders_begin(&s.values, top);
    if (rc == FW_OK)
        rc = leaders_begin(&s.bytes, top);
    if (rc == FW_OK)
        rc = leaders_begin(&s.pairs, top);
    (void)pthread_rwlock_rdlock(&store->registry.lock);
    if (rc == FW_OK)
        rc = survey_all(&s);
    if (rc != FW_OK)
        rc = fw_err_set(err, rc, "out of memory");
    else
        rc = copy_out(&s, arena, out, err);
    (void)pthread_rwlock_unlock(&store->registry.lock);
    if (rc == FW_OK) {
        struct head_extent all;

        head_measure(&store->head, &all);
        out->oldest = all.oldest;
        out->newest = all.newest;
        out->blocks = all.blocks;
    }
    free(s.metrics.v);
    free(s.values.v);
    free(s.bytes.v);
    free(s.pairs.v);
    return rc;
}
