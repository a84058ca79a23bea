/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * select.c - see select.h.
 *
 * The matcher that leaves fewest series by its postings gives the candidates.
 * Each other one is put to them in the cheaper of two ways: by its own
 * postings, where it has few lists and ids compared with the candidates, or
 * by the labels of each candidate. The pages that are not packed yet, a few
 * at most, are no part of the postings: their rows are looked at one by one.
 */
#include "storage/index/select.h"

#include <stdlib.h>
#include <string.h>

#include "storage/base/limits.h"
#include "storage/segments/rollup.h"

#define UNCOUNTED SIZE_MAX
/* What reading a label costs, in ids that one could read from postings. */
#define LABEL_COST 8
/* More ids than this are sorted by marking them in a bitmap. */
#define MARK_ABOVE 2048

fw_rc selection_begin(struct selection *s, struct fw_store *store,
                      const struct fw_matcher *matchers, size_t n,
                      struct fw_err *err)
{
    bool leads = false;
    fw_rc rc = FW_OK;

    *s = (struct selection){.store = store};
    s->conditions = calloc(n + 1, sizeof(*s->conditions));
    if (s->conditions == NULL)
        return fw_err_set(err, FW_ENOMEM, "out of memory");
    while (s->n < n && rc == FW_OK) {
        struct condition *c = &s->conditions[s->n];

        rc = matcher_begin(&c->matcher, &matchers[s->n], &store->matchers, err);
        leads = leads || !c->matcher.takes_empty;
        s->n++;
    }
    if (rc == FW_OK && !leads)
        return fw_err_set(err, FW_EINVAL,
                          "a selector needs at least one matcher that does "
                          "not match the empty value");
    return rc;
}

void selection_end(struct selection *s)
{
    for (size_t i = 0; i < s->n; i++)
        matcher_end(&s->conditions[i].matcher, &s->store->matchers);
    free(s->conditions);
    free(s->ids.v);
    free(s->other.v);
}

static struct registry *registry_of(const struct selection *s)
{
    return &s->store->registry;
}

static const struct posting_name *lists_of(const struct selection *s,
                                           const struct condition *c)
{
    return c->name == SYMBOL_NONE
               ? NULL
               : postings_name(&registry_of(s)->postings, c->name);
}

static fw_rc prepare(struct selection *s, struct condition *c)
{
    const struct posting_name *name;

    c->name = symbols_find(&registry_of(s)->symbols, c->matcher.name);
    name = lists_of(s, c);
    c->lists = name == NULL ? 0 : posting_lists(name);
    c->sum = UNCOUNTED;
    return matcher_prepare(&c->matcher, &registry_of(s)->symbols);
}

static bool takes_symbol(struct selection *s, struct condition *c,
                         uint32_t value)
{
    return matcher_takes_symbol(&c->matcher, &registry_of(s)->symbols, value);
}

/* ---- By labels --------------------------------------------------------------
 */

static void find_label(struct condition *c, const struct label_row *row)
{
    c->page = row->page;
    c->shape = row->shape;
    c->label = UINT32_MAX;
    for (uint32_t i = 0; i < row->shape->labels; i++)
        if (label_row_name(row, i) == c->name) {
            c->label = i;
            return;
        }
}

static bool takes_row(struct selection *s, struct condition *c,
                      const struct label_row *row)
{
    if (c->page != row->page || c->shape != row->shape)
        find_label(c, row);
    return c->label == UINT32_MAX
               ? c->matcher.takes_empty
               : takes_symbol(s, c, label_row_value(row, c->label));
}

static bool takes_pairs(struct selection *s, struct condition *c,
                        const uint32_t *pairs, uint32_t labels)
{
    for (uint32_t i = 0; i < labels; i++)
        if (pairs[2 * i] == c->name)
            return takes_symbol(s, c, pairs[2 * i + 1]);
    return c->matcher.takes_empty;
}

static bool takes_id(struct selection *s, struct condition *c, uint32_t id)
{
    const struct label_page *page = registry_page_locked(registry_of(s), id);
    uint32_t pairs[2 * FW_MAX_LABELS];
    struct label_row row;
    uint32_t labels = 0;

    if (page != NULL)
        return label_page_row(page, id % REGISTRY_PAGE_SERIES, &row) &&
               takes_row(s, c, &row);
    return registry_pairs_locked(registry_of(s), id, pairs, &labels) &&
           takes_pairs(s, c, pairs, labels);
}

static void keep_by_labels(struct selection *s, struct condition *c)
{
    size_t kept = 0;

    for (size_t i = 0; i < s->ids.n; i++)
        if (takes_id(s, c, s->ids.v[i]))
            s->ids.v[kept++] = s->ids.v[i];
    s->ids.n = kept;
}

/* ---- By postings
 * --------------------------------------------------------------
 */

typedef fw_rc (*list_fn)(struct selection *s, const struct posting_name *name,
                         size_t list);

static fw_rc add_list(struct selection *s, const struct posting_name *name,
                      size_t list)
{
    return posting_list_ids(name, list, &s->other);
}

/*
 * Calls add (which may be NULL) with each list whose value the condition
 * takes, or, `inverted`, refuses; *sum is how many ids they have.
 */
static fw_rc each_list(struct selection *s, struct condition *c, bool inverted,
                       list_fn add, size_t *sum)
{
    const struct posting_name *name = lists_of(s, c);
    const struct fw_str *words = NULL;
    size_t word_count = inverted ? 0 : matcher_words(&c->matcher, &words);
    fw_rc rc = FW_OK;
    size_t n;

    *sum = 0;
    if (name == NULL)
        return FW_OK;
    for (size_t i = 0; i < word_count && rc == FW_OK; i++) {
        uint32_t value = symbols_find(&registry_of(s)->symbols, words[i]);
        size_t lists[2];
        size_t found =
            value == SYMBOL_NONE ? 0 : posting_find(name, value, lists);

        for (size_t j = 0; j < found && rc == FW_OK; j++) {
            (void)posting_list_value(name, lists[j], &n);
            *sum += n;
            if (add != NULL)
                rc = add(s, name, lists[j]);
        }
    }
    if (word_count > 0)
        return rc;
    for (size_t i = 0; i < c->lists && rc == FW_OK; i++) {
        uint32_t value = posting_list_value(name, i, &n);

        if (takes_symbol(s, c, value) == inverted)
            continue;
        *sum += n;
        if (add != NULL)
            rc = add(s, name, i);
    }
    return rc;
}

static int by_id(const void *a, const void *b)
{
    uint32_t left = *(const uint32_t *)a;
    uint32_t right = *(const uint32_t *)b;

    return (left > right) - (left < right);
}

static bool sorted(const struct id_list *ids)
{
    for (size_t i = 1; i < ids->n; i++)
        if (ids->v[i - 1] >= ids->v[i])
            return false;
    return true;
}

/* Many ids in no order: mark them, then read the marks. */
static fw_rc sort_by_marks(struct id_list *ids)
{
    uint32_t least = UINT32_MAX, most = 0;
    uint64_t *marks;
    size_t words, kept = 0;

    for (size_t i = 0; i < ids->n; i++) {
        least = ids->v[i] < least ? ids->v[i] : least;
        most = ids->v[i] > most ? ids->v[i] : most;
    }
    words = (most - least) / 64 + 1;
    marks = calloc(words, sizeof(*marks));
    if (marks == NULL)
        return FW_ENOMEM;
    for (size_t i = 0; i < ids->n; i++)
        marks[(ids->v[i] - least) / 64] |= (uint64_t)1
                                           << (ids->v[i] - least) % 64;
    for (size_t w = 0; w < words; w++)
        for (uint64_t bits = marks[w]; bits != 0; bits &= bits - 1)
            ids->v[kept++] =
                least + (uint32_t)(w * 64) + (uint32_t)__builtin_ctzll(bits);
    ids->n = kept;
    free(marks);
    return FW_OK;
}

/* Sorted, each id once. */
static fw_rc sort_ids(struct id_list *ids)
{
    size_t kept = 0;

    if (sorted(ids))
        return FW_OK;
    if (ids->n > MARK_ABOVE)
        return sort_by_marks(ids);
    qsort(ids->v, ids->n, sizeof(*ids->v), by_id);
    for (size_t i = 0; i < ids->n; i++)
        if (kept == 0 || ids->v[kept - 1] != ids->v[i])
            ids->v[kept++] = ids->v[i];
    ids->n = kept;
    return FW_OK;
}

/* Keeps the candidates that are among `other`, or those that are not. */
static void keep_common(struct selection *s, bool inverted)
{
    const struct id_list *other = &s->other;
    size_t kept = 0, j = 0;

    for (size_t i = 0; i < s->ids.n; i++) {
        uint32_t id = s->ids.v[i];

        while (j < other->n && other->v[j] < id)
            j++;
        s->ids.v[kept] = id;
        kept += (j < other->n && other->v[j] == id) != inverted;
    }
    s->ids.n = kept;
}

static fw_rc keep_by_postings(struct selection *s, struct condition *c)
{
    bool inverted = c->matcher.takes_empty;
    size_t sum;
    fw_rc rc;

    s->other.n = 0;
    rc = each_list(s, c, inverted, add_list, &sum);
    if (rc == FW_OK)
        rc = sort_ids(&s->other);
    if (rc == FW_OK)
        keep_common(s, inverted);
    return rc;
}

/* ---- All conditions
 * -----------------------------------------------------------
 */

static bool counts_fast(const struct condition *c)
{
    const struct fw_str *words;

    return matcher_words(&c->matcher, &words) > 0;
}

/* The condition with the fewest series; only one that refuses "" can lead. */
static fw_rc find_leader(struct selection *s, struct condition **out)
{
    struct condition *leader = NULL;
    fw_rc rc = FW_OK;

    for (int pass = 0; pass < 2; pass++)
        for (size_t i = 0; i < s->n && rc == FW_OK; i++) {
            struct condition *c = &s->conditions[i];

            if (c->matcher.takes_empty || counts_fast(c) != (pass == 0))
                continue;
            /* Not worth a look at all values where few series are left. */
            if (leader != NULL && pass == 1 && leader->sum < c->lists)
                continue;
            rc = each_list(s, c, false, NULL, &c->sum);
            if (leader == NULL || c->sum < leader->sum)
                leader = c;
        }
    *out = leader;
    return rc;
}

static fw_rc keep(struct selection *s, struct condition *c)
{
    size_t budget = s->ids.n * LABEL_COST;
    bool inverted = c->matcher.takes_empty;
    fw_rc rc = FW_OK;

    if (c->lists > budget && !(counts_fast(c) && !inverted)) {
        keep_by_labels(s, c);
        return FW_OK;
    }
    if (c->sum == UNCOUNTED)
        rc = each_list(s, c, inverted, NULL, &c->sum);
    if (rc != FW_OK)
        return rc;
    if (c->sum <= budget)
        return keep_by_postings(s, c);
    keep_by_labels(s, c);
    return FW_OK;
}

static fw_rc find_packed(struct selection *s)
{
    struct condition *leader = NULL;
    size_t sum;
    fw_rc rc = find_leader(s, &leader);

    if (rc != FW_OK || leader == NULL)
        return rc;
    rc = each_list(s, leader, false, add_list, &sum);
    if (rc == FW_OK)
        rc = sort_ids(&s->other);
    if (rc == FW_OK) {
        struct id_list candidates = s->other;

        s->other = s->ids;
        s->ids = candidates;
    }
    for (size_t i = 0; i < s->n && rc == FW_OK && s->ids.n > 0; i++)
        if (&s->conditions[i] != leader)
            rc = keep(s, &s->conditions[i]);
    return rc;
}

static bool takes_all(struct selection *s, const uint32_t *pairs,
                      uint32_t labels)
{
    for (size_t i = 0; i < s->n; i++)
        if (!takes_pairs(s, &s->conditions[i], pairs, labels))
            return false;
    return true;
}

static fw_rc find_open(struct selection *s)
{
    const struct registry *r = registry_of(s);
    fw_rc rc = FW_OK;

    for (size_t i = 0; i < r->open_count; i++) {
        const struct label_rows *rows = &r->open[i]->rows;

        for (uint32_t row = 0; row < rows->count && rc == FW_OK; row++) {
            if (rows->pairs[row] == NULL ||
                !takes_all(s, rows->pairs[row], rows->labels[row]))
                continue;
            rc = fw_grow(&s->ids.v, &s->ids.cap, s->ids.n + 1,
                         sizeof(*s->ids.v), UINT32_MAX);
            if (rc == FW_OK)
                s->ids.v[s->ids.n++] =
                    r->open[i]->number * REGISTRY_PAGE_SERIES + row;
        }
    }
    return rc;
}

fw_rc selection_find_locked(struct selection *s, fw_ms from, fw_ms to)
{
    struct rollup_set summarised = {0};
    struct fw_err err = {0};
    size_t kept = 0;
    fw_rc rc = FW_OK;

    for (size_t i = 0; i < s->n && rc == FW_OK; i++)
        rc = prepare(s, &s->conditions[i]);
    if (rc == FW_OK)
        rc = find_packed(s);
    if (rc == FW_OK)
        rc = find_open(s);
    if (rc == FW_OK)
        rc = sort_ids(&s->ids);
    if (rc != FW_OK)
        return rc;
    rc = rollup_series(s->store, from, to, true, &summarised, &err);
    if (rc == FW_ECORRUPT) /* whoever reads the rows will say it */
        (void)atomic_fetch_add(&s->store->counters.corrupt, 1);
    else if (rc != FW_OK)
        return rc;
    for (size_t i = 0; i < s->ids.n; i++)
        if (head_overlaps(&s->store->head, s->ids.v[i], from, to) ||
            rollup_set_has(&summarised, s->ids.v[i]))
            s->ids.v[kept++] = s->ids.v[i];
    rollup_set_release(&summarised);
    s->ids.n = kept;
    return FW_OK;
}

/* ---- The answer, few series
 * -----------------------------------------------------
 */

static int by_labels(const void *a, const void *b)
{
    const struct fw_series *left = a;
    const struct fw_series *right = b;

    return fw_labels_cmp(&left->labels, &right->labels);
}

static fw_rc copy_few(struct selection *s, struct fw_arena *arena,
                      struct fw_series *v, struct fw_err *err)
{
    fw_rc rc = FW_OK;

    for (size_t i = 0; i < s->ids.n && rc == FW_OK; i++) {
        v[i].id = s->ids.v[i];
        rc = registry_copy_locked(registry_of(s), s->ids.v[i], arena,
                                  &v[i].labels, err);
    }
    if (rc == FW_OK && s->ids.n > 1)
        qsort(v, s->ids.n, sizeof(*v), by_labels);
    return rc;
}

/* ---- The answer, many series
 * ------------------------------------------------------
 */

/*
 * Each word is copied and ranked once, and the series are put in order by the
 * ranks of their words.
 */
struct many {
    const struct registry *r;
    struct fw_arena *arena;
    uint32_t *slot_of; /* by symbol: its place in `words` + 1; owned */
    uint32_t *symbols; /* that occur; owned */
    size_t count, cap;
    struct fw_str *texts; /* by place, in the arena */
    uint32_t *rank;       /* by place, from 1; owned */
    struct sort_item *items;
    uint32_t *keys; /* ranks of all series, each ended by a 0; owned */
};

struct sort_item {
    const uint32_t *key;
    uint32_t index; /* in the ids */
    uint32_t labels;
};

static void many_release(struct many *m)
{
    free(m->slot_of);
    free(m->symbols);
    free(m->rank);
    free(m->items);
    free(m->keys);
}

static fw_rc note_symbol(struct many *m, uint32_t symbol)
{
    fw_rc rc;

    if (m->slot_of[symbol] != 0)
        return FW_OK;
    rc = fw_grow(&m->symbols, &m->cap, m->count + 1, sizeof(*m->symbols),
                 UINT32_MAX);
    if (rc == FW_OK) {
        m->symbols[m->count++] = symbol;
        m->slot_of[symbol] = (uint32_t)m->count;
    }
    return rc;
}

struct ranked {
    struct fw_str text;
    uint32_t place;
};

static int by_text(const void *a, const void *b)
{
    return fw_str_cmp(((const struct ranked *)a)->text,
                      ((const struct ranked *)b)->text);
}

static fw_rc rank_words(struct many *m)
{
    struct ranked *sorted_words =
        malloc((m->count + 1) * sizeof(*sorted_words));
    size_t bytes = 0;
    char *to;

    m->rank = malloc((m->count + 1) * sizeof(*m->rank));
    for (size_t i = 0; i < m->count; i++)
        bytes += symbols_text(&m->r->symbols, m->symbols[i]).n;
    m->texts = fw_arena_alloc(m->arena, m->count * sizeof(*m->texts) + bytes);
    if (sorted_words == NULL || m->rank == NULL || m->texts == NULL) {
        free(sorted_words);
        return FW_ENOMEM;
    }
    to = (char *)(m->texts + m->count);
    for (size_t i = 0; i < m->count; i++) {
        struct fw_str text = symbols_text(&m->r->symbols, m->symbols[i]);

        memcpy(to, text.p, text.n);
        m->texts[i] = (struct fw_str){to, text.n};
        sorted_words[i] = (struct ranked){m->texts[i], (uint32_t)i};
        to += text.n;
    }
    if (m->count > 1)
        qsort(sorted_words, m->count, sizeof(*sorted_words), by_text);
    for (size_t i = 0; i < m->count; i++)
        m->rank[sorted_words[i].place] = (uint32_t)i + 1;
    free(sorted_words);
    return FW_OK;
}

static int by_key(const void *a, const void *b)
{
    const uint32_t *left = ((const struct sort_item *)a)->key;
    const uint32_t *right = ((const struct sort_item *)b)->key;

    while (*left == *right && *left != 0) {
        left++;
        right++;
    }
    return (*left > *right) - (*left < *right);
}

/* First the places of the words, then, when all are known, their ranks. */
static fw_rc many_keys(struct many *m, const struct id_list *ids)
{
    uint32_t pairs[2 * FW_MAX_LABELS];
    size_t used = 0, cap = 0;
    fw_rc rc = FW_OK;

    for (size_t i = 0; i < ids->n && rc == FW_OK; i++) {
        uint32_t labels = 0;

        (void)registry_pairs_locked(m->r, ids->v[i], pairs, &labels);
        for (uint32_t j = 0; j < 2 * labels && rc == FW_OK; j++) {
            rc = note_symbol(m, pairs[j]);
            pairs[j] = m->slot_of[pairs[j]];
        }
        if (rc == FW_OK)
            rc = fw_grow(&m->keys, &cap, used + 2 * labels + 1,
                         sizeof(*m->keys), SIZE_MAX / 8);
        if (rc != FW_OK)
            return rc;
        memcpy(m->keys + used, pairs, 2 * labels * sizeof(*pairs));
        used += 2 * labels;
        m->keys[used++] = 0;
        m->items[i] = (struct sort_item){NULL, (uint32_t)i, labels};
    }
    if (rc == FW_OK)
        rc = rank_words(m);
    if (rc != FW_OK)
        return rc;
    for (size_t i = 0, at = 0; i < ids->n; i++) {
        m->items[i].key = m->keys + at;
        for (; m->keys[at] != 0; at++)
            m->keys[at] = m->rank[m->keys[at] - 1];
        at++;
    }
    return FW_OK;
}

static fw_rc copy_many(struct selection *s, struct fw_arena *arena,
                       struct fw_series *v, struct fw_err *err)
{
    struct many m = {.r = registry_of(s), .arena = arena};
    uint32_t pairs[2 * FW_MAX_LABELS];
    fw_rc rc = FW_OK;

    m.slot_of = calloc(m.r->symbols.n + 1, sizeof(*m.slot_of));
    m.items = malloc((s->ids.n + 1) * sizeof(*m.items));
    rc = m.slot_of == NULL || m.items == NULL ? FW_ENOMEM
                                              : many_keys(&m, &s->ids);
    if (rc == FW_OK)
        qsort(m.items, s->ids.n, sizeof(*m.items), by_key);
    for (size_t i = 0; i < s->ids.n && rc == FW_OK; i++) {
        uint32_t labels = m.items[i].labels;
        struct fw_label *to = fw_arena_alloc(arena, labels * sizeof(*to));

        if (to == NULL) {
            rc = FW_ENOMEM;
            break;
        }
        v[i].id = s->ids.v[m.items[i].index];
        v[i].labels = (struct fw_labels){to, labels};
        (void)registry_pairs_locked(m.r, v[i].id, pairs, &labels);
        for (uint32_t j = 0; j < labels; j++)
            to[j] = (struct fw_label){m.texts[m.slot_of[pairs[2 * j]] - 1],
                                      m.texts[m.slot_of[pairs[2 * j + 1]] - 1]};
    }
    many_release(&m);
    return rc == FW_OK ? FW_OK : fw_arena_err(arena, err);
}

static fw_rc copy_out_locked(struct selection *s, struct fw_arena *arena,
                             struct fw_series **out, size_t *count,
                             struct fw_err *err)
{
    struct fw_series *v =
        fw_arena_alloc(arena, s->ids.n * sizeof(struct fw_series));
    fw_rc rc;

    if (v == NULL)
        return fw_arena_err(arena, err);
    /* A table of all symbols pays where many are used. */
    rc = s->ids.n < 64 + registry_of(s)->symbols.n / 64
             ? copy_few(s, arena, v, err)
             : copy_many(s, arena, v, err);
    if (rc != FW_OK)
        return rc;
    *out = v;
    *count = s->ids.n;
    return FW_OK;
}

fw_rc fw_store_select(struct fw_store *store, const struct fw_matcher *matchers,
                      size_t n, fw_ms from, fw_ms to, size_t max_series,
                      struct fw_arena *arena, struct fw_series **series,
                      size_t *count, struct fw_err *err)
{
    struct selection s;
    fw_rc rc = selection_begin(&s, store, matchers, n, err);

    if (rc != FW_OK)
        goto out;
    (void)pthread_rwlock_rdlock(&store->registry.lock);
    rc = selection_find_locked(&s, from, to);
    if (rc != FW_OK)
        rc = fw_err_set(err, rc, "out of memory");
    else if (s.ids.n > max_series)
        rc = fw_err_set(err, FW_ETOOBIG,
                        "the selector matches %zu series, more than %zu",
                        s.ids.n, max_series);
    else
        rc = copy_out_locked(&s, arena, series, count, err);
    (void)pthread_rwlock_unlock(&store->registry.lock);
out:
    selection_end(&s);
    return rc;
}
