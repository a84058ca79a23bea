/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "storage/index/registry.h"

#include <stdlib.h>
#include <string.h>

#include "storage/base/limits.h"
#include "storage/index/definition.h"

#define MERGE_POSTINGS ((size_t)65536 * 10) /* as of 64 Ki series */

fw_rc registry_init(struct registry *r)
{
    *r = (struct registry){.metrics.label = SYMBOL_NONE};
    if (pthread_rwlock_init(&r->lock, NULL) != 0)
        return FW_ENOMEM;
    return symbols_init(&r->symbols);
}

static void open_free(struct registry_open *open)
{
    if (open == NULL)
        return;
    for (uint32_t i = 0; i < REGISTRY_PAGE_SERIES; i++)
        free((void *)(uintptr_t)open->rows.pairs[i]);
    free(open);
}

void registry_release(struct registry *r)
{
    for (size_t i = 0; i < r->packed_n; i++)
        label_page_free(r->packed[i]);
    for (size_t i = 0; i < r->open_count; i++)
        open_free(r->open[i]);
    free(r->packed);
    free(r->metrics.v);
    tag_index_release(&r->metrics.by_name);
    free(r->leaving);
    free(r->wanted);
    symbols_release(&r->symbols);
    postings_release(&r->postings);
    tag_index_release(&r->by_labels);
    (void)pthread_rwlock_destroy(&r->lock);
}

/* ---- Hashes -----------------------------------------------------------------
 */

/*
 * The hash of a series is made of those of its texts, so that a page gives
 * the hashes of its series from a few words. The texts' hashes are seeded.
 */
static uint64_t hash_label(uint64_t h, uint64_t name, uint64_t value)
{
    h = (h ^ name) * 0x9E3779B97F4A7C15u;
    h = ((h ^ h >> 32) + value) * 0xC2B2AE3D27D4EB4Fu;
    return h ^ h >> 29;
}

/* A label set with the hashes of its texts, for looking up and adding. */
struct hashed {
    const struct fw_labels *labels;
    uint64_t names[FW_MAX_LABELS], values[FW_MAX_LABELS];
    uint64_t all;
};

static void hash_labels(const struct registry *r,
                        const struct fw_labels *labels, struct hashed *out)
{
    out->labels = labels;
    out->all = 0;
    for (size_t i = 0; i < labels->n; i++) {
        out->names[i] = symbols_hash(&r->symbols, labels->v[i].name);
        out->values[i] = symbols_hash(&r->symbols, labels->v[i].value);
        out->all = hash_label(out->all, out->names[i], out->values[i]);
    }
}

static uint64_t hash_pairs(const struct registry *r, const uint32_t *pairs,
                           uint32_t labels)
{
    uint64_t h = 0;

    for (uint32_t i = 0; i < labels; i++)
        h = hash_label(
            h,
            symbols_hash(&r->symbols, symbols_text(&r->symbols, pairs[2 * i])),
            symbols_hash(&r->symbols,
                         symbols_text(&r->symbols, pairs[2 * i + 1])));
    return h;
}

/* ---- Rows -------------------------------------------------------------------
 */

static struct registry_open *open_page(const struct registry *r,
                                       uint32_t number)
{
    for (size_t i = r->open_count; i > 0; i--)
        if (r->open[i - 1]->number == number)
            return r->open[i - 1];
    return NULL;
}

bool registry_pairs_locked(const struct registry *r, uint32_t id,
                           uint32_t pairs[2 * FW_MAX_LABELS], uint32_t *labels)
{
    const struct label_page *page = registry_page_locked(r, id);
    uint32_t row = id % REGISTRY_PAGE_SERIES;
    const struct registry_open *open;
    struct label_row at;

    if (page != NULL) {
        if (!label_page_row(page, row, &at))
            return false;
        *labels = at.shape->labels;
        for (uint32_t i = 0; i < *labels; i++) {
            pairs[2 * i] = label_row_name(&at, i);
            pairs[2 * i + 1] = label_row_value(&at, i);
        }
        return true;
    }
    open = open_page(r, id / REGISTRY_PAGE_SERIES);
    if (open == NULL || open->rows.pairs[row] == NULL)
        return false;
    *labels = open->rows.labels[row];
    memcpy(pairs, open->rows.pairs[row], *labels * 2 * sizeof(*pairs));
    return true;
}

static bool same_labels(const void *self, uint32_t id, const void *key)
{
    const struct registry *r = self;
    const struct fw_labels *labels = key;
    uint32_t pairs[2 * FW_MAX_LABELS];
    uint32_t n = 0;

    if (!registry_pairs_locked(r, id, pairs, &n) || n != labels->n)
        return false;
    /* Values first, and from the end: that is where series differ. */
    for (size_t i = n; i > 0; i--)
        if (!fw_str_eq(symbols_text(&r->symbols, pairs[2 * i - 1]),
                       labels->v[i - 1].value))
            return false;
    for (size_t i = 0; i < n; i++)
        if (!fw_str_eq(symbols_text(&r->symbols, pairs[2 * i]),
                       labels->v[i].name))
            return false;
    return true;
}

static uint32_t find_locked(const struct registry *r, const struct hashed *h)
{
    return tag_index_find(&r->by_labels, h->all, same_labels, r, h->labels);
}

/* The labels as texts, in `room`; false for a hole or an unknown id. */
static bool labels_locked(const struct registry *r, uint32_t id,
                          struct fw_label room[FW_MAX_LABELS],
                          struct fw_labels *out)
{
    uint32_t pairs[2 * FW_MAX_LABELS];
    uint32_t n = 0;

    if (!registry_pairs_locked(r, id, pairs, &n))
        return false;
    for (uint32_t i = 0; i < n; i++) {
        room[i].name = symbols_text(&r->symbols, pairs[2 * i]);
        room[i].value = symbols_text(&r->symbols, pairs[2 * i + 1]);
    }
    *out = (struct fw_labels){room, n};
    return true;
}

/* ---- Metrics ----------------------------------------------------------------
 */

static bool same_metric(const void *self, uint32_t value, const void *key)
{
    const struct registry_metrics *m = self;

    return m->v[value].name == *(const uint32_t *)key;
}

static uint64_t hash_symbol(uint32_t symbol)
{
    uint64_t h = (uint64_t)symbol * 0x9E3779B97F4A7C15u;

    return h ^ h >> 32;
}

static uint32_t metric_series(const struct registry *r, uint32_t name)
{
    uint32_t at = tag_index_find(&r->metrics.by_name, hash_symbol(name),
                                 same_metric, &r->metrics, &name);

    return at == FW_INDEX_NONE ? 0 : r->metrics.v[at].series;
}

/* Counts `by` series of a metric more, or less. */
static fw_rc count_metric(struct registry *r, uint32_t name, int64_t by)
{
    struct registry_metrics *m = &r->metrics;
    uint32_t at =
        tag_index_find(&m->by_name, hash_symbol(name), same_metric, m, &name);
    fw_rc rc;

    if (at != FW_INDEX_NONE) {
        /* A count of 0 stays: the symbol may come again, for another text. */
        m->v[at].series = (uint32_t)((int64_t)m->v[at].series + by);
        return FW_OK;
    }
    rc = fw_grow(&m->v, &m->cap, m->n + 1, sizeof(*m->v), UINT32_MAX - 1);
    if (rc == FW_OK)
        rc = tag_index_add(&m->by_name, hash_symbol(name), (uint32_t)m->n);
    if (rc == FW_OK)
        m->v[m->n++] = (struct registry_metric){name, (uint32_t)by};
    return rc;
}

/* The symbol of __name__, once there is one; it then stays for good. */
static uint32_t metric_label(struct registry *r)
{
    if (r->metrics.label == SYMBOL_NONE) {
        r->metrics.label = symbols_find(&r->symbols, FW_STR(FW_METRIC_NAME));
        if (r->metrics.label != SYMBOL_NONE)
            symbols_ref(&r->symbols, r->metrics.label);
    }
    return r->metrics.label;
}

static fw_rc count_pairs(struct registry *r, const uint32_t *pairs,
                         uint32_t labels, int64_t by)
{
    uint32_t label = metric_label(r);

    for (uint32_t i = 0; i < labels; i++)
        if (pairs[2 * i] == label)
            return count_metric(r, pairs[2 * i + 1], by);
    return FW_OK;
}

static fw_rc count_page(struct registry *r, const struct label_page *page)
{
    uint32_t label = metric_label(r);
    fw_rc rc = FW_OK;

    for (uint32_t s = 0; s < page->shape_count; s++)
        for (uint32_t i = 0; i < page->shapes[s].labels; i++) {
            const struct label_column *c =
                &page->columns[page->shapes[s].first_column + i];

            if (page->words[c->name] != label)
                continue;
            for (uint32_t m = 0; m < page->shapes[s].members && rc == FW_OK;
                 m++)
                rc = count_metric(
                    r, page->words[c->base + label_column_rank(page, c, m)], 1);
        }
    return rc;
}

/* ---- Packing and opening pages ----------------------------------------------
 */

/* The members of a shape as rows of the page. */
static uint32_t shape_rows(const struct label_page *page, uint32_t shape,
                           uint32_t first, uint32_t ids[LABEL_PAGE_ROWS])
{
    uint32_t n = 0;

    for (uint32_t row = 0; row < page->count; row++)
        if (page->shape_of == NULL || page->shape_of[row] == shape)
            ids[n++] = first + row;
    return n;
}

/* Puts a column's ids to the lists of its values. */
static fw_rc post_column(struct registry *r, const struct label_page *page,
                         const struct label_column *c, const uint32_t *ids,
                         uint32_t n)
{
    uint32_t name = page->words[c->name];
    uint32_t sorted[LABEL_PAGE_ROWS];
    uint16_t start[LABEL_PAGE_ROWS + 2] = {0};
    fw_rc rc = FW_OK;

    if (c->distinct == 1)
        return postings_add(&r->postings, name, page->words[c->base], ids, n);
    for (uint32_t m = 0; m < n; m++)
        start[label_column_rank(page, c, m) + 2]++;
    for (uint32_t v = 2; v <= c->distinct; v++)
        start[v] = (uint16_t)(start[v] + start[v - 1]);
    for (uint32_t m = 0; m < n; m++)
        sorted[start[label_column_rank(page, c, m) + 1]++] = ids[m];
    for (uint32_t v = 0; v < c->distinct && rc == FW_OK; v++)
        rc = postings_add(&r->postings, name, page->words[c->base + v],
                          sorted + start[v], start[v + 1] - start[v]);
    return rc;
}

static fw_rc post_page(struct registry *r, const struct label_page *page,
                       uint32_t first)
{
    uint32_t ids[LABEL_PAGE_ROWS];
    fw_rc rc = FW_OK;

    for (uint32_t s = 0; s < page->shape_count && rc == FW_OK; s++) {
        const struct label_shape *shape = &page->shapes[s];
        uint32_t n = shape_rows(page, s, first, ids);

        for (uint32_t i = 0; i < shape->labels && rc == FW_OK; i++)
            rc = post_column(r, page, &page->columns[shape->first_column + i],
                             ids, n);
    }
    if (rc == FW_OK && r->postings.tail_ids >= MERGE_POSTINGS)
        rc = postings_merge(&r->postings);
    return rc;
}

static void page_ref(struct registry *r, const struct label_page *page)
{
    for (uint32_t i = 0; i < page->word_count; i++)
        symbols_ref(&r->symbols, page->words[i]);
}

static void page_unref(struct registry *r, const struct label_page *page)
{
    for (uint32_t i = 0; i < page->word_count; i++)
        symbols_unref(&r->symbols, page->words[i]);
}

static void row_unref(struct registry *r, const struct registry_open *open,
                      uint32_t row)
{
    for (uint32_t i = 0; i < 2u * open->rows.labels[row]; i++)
        symbols_unref(&r->symbols, open->rows.pairs[row][i]);
}

static fw_rc room_for_page(struct registry *r, uint32_t number)
{
    fw_rc rc = fw_grow(&r->packed, &r->packed_cap, (size_t)number + 1,
                       sizeof(void *), UINT32_MAX); /* of pointers */

    while (rc == FW_OK && r->packed_n <= number)
        r->packed[r->packed_n++] = NULL;
    return rc;
}

static void set_packed(struct registry *r, uint32_t number,
                       struct label_page *page)
{
    if (page != NULL)
        r->page_bytes += label_page_bytes(page);
    if (r->packed[number] != NULL)
        r->page_bytes -= label_page_bytes(r->packed[number]);
    r->packed[number] = page;
}

/* An open page becomes a packed one; without memory it stays open. */
static fw_rc pack_open(struct registry *r, size_t at)
{
    struct registry_open *open = r->open[at];
    struct label_page *page = NULL;
    fw_rc rc = label_page_pack(&open->rows, &page);

    if (rc == FW_OK)
        rc = room_for_page(r, open->number);
    if (rc == FW_OK && open->unposted > 0)
        rc = post_page(r, page, open->number * REGISTRY_PAGE_SERIES);
    if (rc != FW_OK) {
        label_page_free(page);
        return rc;
    }
    page_ref(r, page);
    for (uint32_t row = 0; row < open->rows.count; row++)
        if (open->rows.pairs[row] != NULL)
            row_unref(r, open, row);
    if (page->known == 0) {
        label_page_free(page);
        page = NULL;
    }
    set_packed(r, open->number, page);
    open_free(open);
    memmove(r->open + at, r->open + at + 1,
            (r->open_count - at - 1) * sizeof(struct registry_open *));
    r->open_count--;
    return FW_OK;
}

static fw_rc open_row(struct registry *r, struct registry_open *open,
                      uint32_t row, const uint32_t *pairs, uint32_t labels)
{
    uint32_t *copy = malloc((2 * (size_t)labels + 1) * sizeof(*copy));

    if (copy == NULL)
        return FW_ENOMEM;
    memcpy(copy, pairs, 2 * (size_t)labels * sizeof(*copy));
    for (uint32_t i = 0; i < 2 * labels; i++)
        symbols_ref(&r->symbols, copy[i]);
    open->rows.pairs[row] = copy;
    open->rows.labels[row] = (uint8_t)labels;
    if (open->rows.count <= row)
        open->rows.count = row + 1;
    open->known++;
    open->unposted++;
    return FW_OK;
}

/* A packed page that gets a series after all becomes rows again. */
static fw_rc unpack(struct registry *r, struct registry_open *open)
{
    struct label_page *page = r->packed[open->number];
    uint32_t pairs[2 * FW_MAX_LABELS];
    fw_rc rc = FW_OK;

    for (uint32_t row = 0; row < page->count && rc == FW_OK; row++) {
        uint32_t labels = 0;

        if (registry_pairs_locked(r, open->number * REGISTRY_PAGE_SERIES + row,
                                  pairs, &labels))
            rc = open_row(r, open, row, pairs, labels);
    }
    if (rc != FW_OK) {
        for (uint32_t row = 0; row < open->rows.count; row++)
            if (open->rows.pairs[row] != NULL)
                row_unref(r, open, row);
        return rc;
    }
    open->unposted = 0;
    set_packed(r, open->number, NULL);
    page_unref(r, page);
    label_page_free(page);
    return FW_OK;
}

static fw_rc page_to_write(struct registry *r, uint32_t number,
                           struct registry_open **out)
{
    struct registry_open *open = open_page(r, number);
    fw_rc rc = FW_OK;

    *out = open;
    if (open != NULL)
        return FW_OK;
    if (r->open_count == REGISTRY_OPEN_PAGES)
        rc = pack_open(r, 0);
    if (rc != FW_OK)
        return rc;
    open = calloc(1, sizeof(*open));
    if (open == NULL)
        return FW_ENOMEM;
    open->number = number;
    if (number < r->packed_n && r->packed[number] != NULL)
        rc = unpack(r, open);
    if (rc != FW_OK) {
        open_free(open);
        return rc;
    }
    r->open[r->open_count++] = open;
    *out = open;
    return FW_OK;
}

/* ---- Adding -----------------------------------------------------------------
 */

static void drop_symbols(struct registry *r, const uint32_t *pairs, size_t n)
{
    for (size_t i = 0; i < n; i++)
        symbols_unref(&r->symbols, pairs[i]);
}

/* The symbols of a label set, with a reference each. */
static fw_rc intern(struct registry *r, const struct hashed *h, uint32_t *pairs)
{
    size_t done = 0;
    fw_rc rc = FW_OK;

    for (size_t i = 0; i < h->labels->n && rc == FW_OK; i++) {
        rc = symbols_add(&r->symbols, h->labels->v[i].name, h->names[i],
                         &pairs[done]);
        done += rc == FW_OK;
        if (rc == FW_OK)
            rc = symbols_add(&r->symbols, h->labels->v[i].value, h->values[i],
                             &pairs[done]);
        done += rc == FW_OK;
        if (rc != FW_OK)
            drop_symbols(r, pairs, done);
    }
    return rc;
}

static fw_rc add_locked(struct registry *r, uint32_t id, const struct hashed *h)
{
    uint32_t number = id / REGISTRY_PAGE_SERIES;
    uint32_t labels = (uint32_t)h->labels->n;
    uint32_t pairs[2 * FW_MAX_LABELS];
    struct registry_open *open = NULL;
    fw_rc rc = page_to_write(r, number, &open);

    if (rc == FW_OK)
        rc = tag_index_reserve(&r->by_labels, r->by_labels.count + 1);
    if (rc == FW_OK)
        rc = intern(r, h, pairs);
    if (rc != FW_OK)
        return rc;
    rc = count_pairs(r, pairs, labels, 1);
    if (rc == FW_OK) {
        rc = open_row(r, open, id % REGISTRY_PAGE_SERIES, pairs, labels);
        if (rc != FW_OK)
            (void)!count_pairs(r, pairs, labels, -1);
    }
    drop_symbols(r, pairs, 2 * (size_t)labels); /* the row has its own now */
    if (rc == FW_OK)
        rc = tag_index_add(&r->by_labels, h->all, id);
    if (rc != FW_OK)
        return rc;
    r->known++;
    r->n = r->n > id ? r->n : (size_t)id + 1;
    /* Where memory for packing is missing the page is packed another time. */
    if (open->known == REGISTRY_PAGE_SERIES)
        for (size_t i = 0; i < r->open_count; i++)
            if (r->open[i] == open) {
                (void)!pack_open(r, i);
                break;
            }
    return FW_OK;
}

static int by_number(const void *a, const void *b)
{
    uint32_t left = *(const uint32_t *)a;
    uint32_t right = *(const uint32_t *)b;

    return (left > right) - (left < right);
}

/* Somebody asks for a series: it does not leave. */
static void want_locked(struct registry *r, uint32_t id)
{
    const uint32_t *at =
        r->leaving_n == 0
            ? NULL
            : bsearch(&id, r->leaving, r->leaving_n, sizeof(id), by_number);

    if (at != NULL)
        atomic_store(&r->wanted[at - r->leaving], true);
}

static fw_rc find_hashed(struct registry *r, const struct fw_labels *labels,
                         struct hashed *h, uint32_t *id)
{
    uint32_t found;

    if (!definition_canonical(labels))
        return FW_EINVAL;
    hash_labels(r, labels, h);
    (void)pthread_rwlock_rdlock(&r->lock);
    found = find_locked(r, h);
    if (found != FW_INDEX_NONE)
        want_locked(r, found);
    (void)pthread_rwlock_unlock(&r->lock);
    if (found == FW_INDEX_NONE)
        return FW_NONE;
    *id = found;
    return FW_OK;
}

fw_rc registry_find(struct registry *r, const struct fw_labels *labels,
                    uint32_t *id)
{
    struct hashed h;

    return find_hashed(r, labels, &h, id);
}

/* A new series is one too many. */
static fw_rc check_limits(const struct registry *r,
                          const struct fw_labels *labels,
                          const struct registry_limits *limits,
                          struct fw_err *err)
{
    struct fw_str metric = fw_labels_get(labels, FW_STR(FW_METRIC_NAME));
    uint32_t name;

    if (r->known >= limits->series || r->n >= UINT32_MAX - 1)
        return fw_err_set(err, FW_ETOOBIG,
                          "there are %zu series already, which is the limit "
                          "(--max-series)",
                          r->known);
    if (limits->metric == 0 || metric.n == 0)
        return FW_OK;
    name = symbols_find(&r->symbols, metric);
    if (name == SYMBOL_NONE || metric_series(r, name) < limits->metric)
        return FW_OK;
    return fw_err_set(err, FW_ETOOBIG,
                      "the metric '%.*s' has %u series already, which is the "
                      "limit of one metric (--max-metric-series)",
                      (int)(metric.n < 200 ? metric.n : 200), metric.p,
                      metric_series(r, name));
}

fw_rc registry_id(struct registry *r, const struct fw_labels *labels,
                  const struct registry_limits *limits, uint32_t *id,
                  struct fw_err *err)
{
    struct hashed h;
    fw_rc rc = find_hashed(r, labels, &h, id);
    uint32_t found;

    if (rc == FW_EINVAL)
        return fw_err_set(err, rc, "the labels are not in canonical form");
    if (rc == FW_OK)
        return rc;
    rc = FW_OK;
    (void)pthread_rwlock_wrlock(&r->lock);
    found = find_locked(r, &h); /* somebody may have been faster */
    if (found == FW_INDEX_NONE) {
        found = (uint32_t)r->n;
        rc = check_limits(r, labels, limits, err);
        if (rc == FW_OK)
            rc = add_locked(r, found, &h);
        if (rc == FW_ENOMEM)
            rc = fw_err_set(err, rc, "out of memory");
    }
    (void)pthread_rwlock_unlock(&r->lock);
    if (rc == FW_OK)
        *id = found;
    return rc;
}

static bool known_locked(const struct registry *r, uint32_t id)
{
    uint32_t pairs[2 * FW_MAX_LABELS];
    uint32_t n;

    return registry_pairs_locked(r, id, pairs, &n);
}

fw_rc registry_define(struct registry *r, uint32_t id,
                      const struct fw_labels *labels, struct fw_err *err)
{
    struct hashed h;
    uint32_t found;
    fw_rc rc = FW_OK;

    if (id >= UINT32_MAX - 1 || !definition_canonical(labels))
        return fw_err_set(err, FW_ECORRUPT, "bad labels of series %u", id);
    hash_labels(r, labels, &h);
    (void)pthread_rwlock_wrlock(&r->lock);
    found = find_locked(r, &h);
    if (found == id)
        rc = FW_OK;
    else if (found != FW_INDEX_NONE)
        rc = fw_err_set(err, FW_ECORRUPT,
                        "series %u has the labels of series %u", id, found);
    else if (known_locked(r, id))
        rc = fw_err_set(err, FW_ECORRUPT, "series %u has two sets of labels",
                        id);
    else
        rc = add_locked(r, id, &h);
    (void)pthread_rwlock_unlock(&r->lock);
    if (rc == FW_ENOMEM)
        return fw_err_set(err, rc, "out of memory");
    return rc;
}

/* ---- A page at once ---------------------------------------------------------
 */

/* Words that are texts become symbols. */
static fw_rc intern_words(struct registry *r, struct label_page *page,
                          const struct fw_str *texts, uint64_t *hashes)
{
    fw_rc rc = FW_OK;

    for (uint32_t i = 0; i < page->word_count; i++) {
        hashes[i] = symbols_hash(&r->symbols, texts[i]);
        rc = symbols_add(&r->symbols, texts[i], hashes[i], &page->words[i]);
        if (rc != FW_OK) {
            drop_symbols(r, page->words, i);
            return rc;
        }
    }
    return rc;
}

static void hash_rows(const struct label_page *page, const uint64_t *words,
                      uint64_t rows[LABEL_PAGE_ROWS])
{
    uint32_t ids[LABEL_PAGE_ROWS];

    for (uint32_t s = 0; s < page->shape_count; s++) {
        const struct label_shape *shape = &page->shapes[s];
        uint32_t n = shape_rows(page, s, 0, ids);

        for (uint32_t m = 0; m < n; m++)
            rows[ids[m]] = 0;
        for (uint32_t i = 0; i < shape->labels; i++) {
            const struct label_column *c =
                &page->columns[shape->first_column + i];

            for (uint32_t m = 0; m < n; m++)
                rows[ids[m]] =
                    hash_label(rows[ids[m]], words[c->name],
                               words[c->base + label_column_rank(page, c, m)]);
        }
    }
}

struct row_key {
    const struct registry *r;
    struct label_row row;
};

static bool same_row(const void *self, uint32_t id, const void *key)
{
    const struct row_key *k = key;
    uint32_t pairs[2 * FW_MAX_LABELS];
    uint32_t n = 0;

    if (!registry_pairs_locked(self, id, pairs, &n) ||
        n != k->row.shape->labels)
        return false;
    for (uint32_t i = 0; i < n; i++)
        if (pairs[2 * i] != label_row_name(&k->row, i) ||
            pairs[2 * i + 1] != label_row_value(&k->row, i))
            return false;
    return true;
}

/* Puts the rows into the table; undone again if one of them is there. */
static fw_rc index_rows(struct registry *r, uint32_t first,
                        const struct label_page *page,
                        const uint64_t rows[LABEL_PAGE_ROWS],
                        struct fw_err *err)
{
    struct row_key key = {.r = r};
    fw_rc rc =
        tag_index_reserve(&r->by_labels, r->by_labels.count + LABEL_PAGE_ROWS);
    uint32_t row = 0;

    if (rc != FW_OK)
        return fw_err_set(err, rc, "out of memory");
    for (; row < page->count && rc == FW_OK; row++) {
        uint32_t found;

        if (!label_page_row(page, row, &key.row))
            continue;
        found = tag_index_find(&r->by_labels, rows[row], same_row, r, &key);
        if (found != FW_INDEX_NONE)
            rc = fw_err_set(err, FW_ECORRUPT,
                            "series %u has the labels of series %u",
                            first + row, found);
        else
            rc = tag_index_add(&r->by_labels, rows[row], first + row);
    }
    while (rc != FW_OK && row-- > 0)
        (void)tag_index_remove(&r->by_labels, rows[row], first + row);
    return rc;
}

static fw_rc adopt_locked(struct registry *r, uint32_t first,
                          struct label_page *page, const struct fw_str *texts,
                          struct fw_err *err)
{
    uint32_t number = first / REGISTRY_PAGE_SERIES;
    uint64_t *hashes = malloc((page->word_count + 1) * sizeof(*hashes));
    uint64_t rows[LABEL_PAGE_ROWS] = {0};
    fw_rc rc = hashes == NULL ? FW_ENOMEM : room_for_page(r, number);

    if (rc == FW_OK)
        rc = intern_words(r, page, texts, hashes);
    if (rc != FW_OK) {
        free(hashes);
        return fw_err_set(err, rc, "out of memory");
    }
    hash_rows(page, hashes, rows);
    free(hashes);
    /* In its place already, so that its own rows are found too. */
    set_packed(r, number, page);
    rc = index_rows(r, first, page, rows, err);
    if (rc == FW_OK &&
        (post_page(r, page, first) != FW_OK || count_page(r, page) != FW_OK)) {
        rc = fw_err_set(err, FW_ENOMEM, "out of memory");
        for (uint32_t row = 0; row < page->count; row++)
            (void)tag_index_remove(&r->by_labels, rows[row], first + row);
    }
    if (rc != FW_OK) {
        set_packed(r, number, NULL);
        drop_symbols(r, page->words, page->word_count);
        return rc;
    }
    r->known += page->known;
    r->n = r->n > first + page->count ? r->n : first + page->count;
    return FW_OK;
}

fw_rc registry_adopt(struct registry *r, uint32_t first,
                     struct label_page *page, const struct fw_str *texts,
                     struct fw_err *err)
{
    fw_rc rc;

    if (first % REGISTRY_PAGE_SERIES != 0 ||
        first >= UINT32_MAX - REGISTRY_PAGE_SERIES)
        return fw_err_set(err, FW_ECORRUPT,
                          "a registry page cannot begin at series %u", first);
    (void)pthread_rwlock_wrlock(&r->lock);
    if (registry_page_locked(r, first) != NULL ||
        open_page(r, first / REGISTRY_PAGE_SERIES) != NULL)
        rc = fw_err_set(err, FW_ECORRUPT,
                        "there are two registry pages at series %u", first);
    else
        rc = adopt_locked(r, first, page, texts, err);
    (void)pthread_rwlock_unlock(&r->lock);
    return rc;
}

static fw_rc put_packed(const struct registry *r, const struct label_page *page,
                        struct fw_buf *out)
{
    struct fw_str *texts = malloc((page->word_count + 1) * sizeof(*texts));
    fw_rc rc;

    if (texts == NULL)
        return FW_ENOMEM;
    for (uint32_t i = 0; i < page->word_count; i++)
        texts[i] = symbols_text(&r->symbols, page->words[i]);
    rc = label_page_put(page, texts, out);
    free(texts);
    return rc;
}

/* A page, whatever its state is. */
static fw_rc put_page_locked(struct registry *r, uint32_t number,
                             struct fw_buf *out, uint32_t *rows)
{
    const struct label_page *page =
        number < r->packed_n ? r->packed[number] : NULL;
    const struct registry_open *open = open_page(r, number);
    struct label_page *made = NULL;
    fw_rc rc = FW_OK;

    *rows = 0;
    if (open != NULL && open->known > 0) {
        rc = label_page_pack(&open->rows, &made);
        page = made;
    }
    if (rc != FW_OK || page == NULL)
        return rc;
    *rows = page->count;
    rc = put_packed(r, page, out);
    label_page_free(made);
    return rc;
}

fw_rc registry_put_page(struct registry *r, uint32_t number, struct fw_buf *out,
                        uint32_t *rows)
{
    fw_rc rc;

    (void)pthread_rwlock_rdlock(&r->lock);
    rc = put_page_locked(r, number, out, rows);
    (void)pthread_rwlock_unlock(&r->lock);
    return rc;
}

/* ---- Forgetting -------------------------------------------------------------
 */

static fw_rc forget_row(struct registry *r, uint32_t id)
{
    uint32_t row = id % REGISTRY_PAGE_SERIES;
    uint32_t pairs[2 * FW_MAX_LABELS];
    uint32_t labels = 0;
    struct registry_open *open = NULL;
    fw_rc rc;

    if (!registry_pairs_locked(r, id, pairs, &labels))
        return FW_OK;
    rc = page_to_write(r, id / REGISTRY_PAGE_SERIES, &open);
    if (rc != FW_OK)
        return rc;
    (void)tag_index_remove(&r->by_labels, hash_pairs(r, pairs, labels), id);
    (void)!count_pairs(r, pairs, labels, -1); /* it is there to be counted */
    row_unref(r, open, row);
    free((void *)(uintptr_t)open->rows.pairs[row]);
    open->rows.pairs[row] = NULL;
    open->rows.labels[row] = 0;
    open->known--;
    r->known--;
    return FW_OK;
}

/* Pages that were opened to take series out, all but the one that grows. */
static fw_rc pack_others(struct registry *r)
{
    uint32_t newest = (uint32_t)(r->n / REGISTRY_PAGE_SERIES);
    fw_rc rc = FW_OK;

    for (size_t i = r->open_count; i > 0 && rc == FW_OK; i--)
        if (r->open[i - 1]->number != newest)
            rc = pack_open(r, i - 1);
    return rc;
}

size_t registry_leaving(struct registry *r, struct id_list *ids)
{
    size_t n = 0;

    (void)pthread_rwlock_wrlock(&r->lock);
    free(r->leaving);
    free(r->wanted);
    r->leaving = NULL;
    r->leaving_n = 0;
    for (size_t i = 0; i < ids->n; i++)
        if (known_locked(r, ids->v[i]))
            ids->v[n++] = ids->v[i];
    r->wanted = calloc(n + 1, sizeof(*r->wanted));
    if (r->wanted != NULL && n > 0) {
        r->leaving = ids->v;
        r->leaving_n = n;
        *ids = (struct id_list){0};
    }
    n = r->leaving_n;
    (void)pthread_rwlock_unlock(&r->lock);
    free(ids->v);
    *ids = (struct id_list){0};
    return n;
}

static fw_rc forget_locked(struct registry *r, registry_may may, void *self,
                           struct id_list *gone)
{
    size_t n = 0;
    fw_rc rc = fw_grow(&gone->v, &gone->cap, r->leaving_n + 1, sizeof(*gone->v),
                       UINT32_MAX);

    if (rc != FW_OK || r->leaving_n == 0)
        return rc;
    for (size_t i = 0; i < r->leaving_n; i++)
        if (!atomic_load(&r->wanted[i]) && may(self, r->leaving[i]))
            gone->v[n++] = r->leaving[i];
    r->leaving_n = 0;
    gone->n = n;
    if (n == 0)
        return FW_OK;
    /* Postings first: no list may name a symbol that is not there. */
    rc = postings_remove(&r->postings, gone->v, n);
    for (size_t i = 0; i < n && rc == FW_OK; i++)
        rc = forget_row(r, gone->v[i]);
    return rc == FW_OK ? pack_others(r) : rc;
}

fw_rc registry_forget(struct registry *r, registry_may may, void *self,
                      struct id_list *gone)
{
    fw_rc rc;

    (void)pthread_rwlock_wrlock(&r->lock);
    rc = forget_locked(r, may, self, gone);
    (void)pthread_rwlock_unlock(&r->lock);
    return rc;
}

/* ---- Telling ----------------------------------------------------------------
 */

fw_rc registry_put_definition(struct registry *r, uint32_t id,
                              struct fw_buf *out)
{
    struct fw_label room[FW_MAX_LABELS];
    struct fw_labels labels = {0};
    fw_rc rc = FW_NONE;

    (void)pthread_rwlock_rdlock(&r->lock);
    if (labels_locked(r, id, room, &labels))
        rc = definition_put(out, &labels);
    (void)pthread_rwlock_unlock(&r->lock);
    return rc;
}

void registry_describe(struct registry *r, uint32_t id, char *out, size_t n)
{
    struct fw_buf text = FW_BUF_INIT(FW_MAX_SERIES_BYTES * 8);
    struct fw_label room[FW_MAX_LABELS];
    struct fw_labels labels = {0};
    bool there;

    (void)pthread_rwlock_rdlock(&r->lock);
    there = labels_locked(r, id, room, &labels) &&
            fw_labels_print(&text, &labels) == FW_OK;
    (void)pthread_rwlock_unlock(&r->lock);
    if (there)
        (void)snprintf(out, n, "%s", text.data);
    else
        (void)snprintf(out, n, "series %u", id);
    fw_buf_release(&text);
}

fw_rc registry_skip(struct registry *r, uint32_t next)
{
    (void)pthread_rwlock_wrlock(&r->lock);
    r->n = r->n > next ? r->n : next;
    (void)pthread_rwlock_unlock(&r->lock);
    return FW_OK;
}

bool registry_has(struct registry *r, uint32_t id)
{
    bool has;

    (void)pthread_rwlock_rdlock(&r->lock);
    has = known_locked(r, id);
    (void)pthread_rwlock_unlock(&r->lock);
    return has;
}

bool registry_gone(struct registry *r, uint32_t id)
{
    bool gone;

    (void)pthread_rwlock_rdlock(&r->lock);
    gone = id < r->n && !known_locked(r, id);
    (void)pthread_rwlock_unlock(&r->lock);
    return gone;
}

size_t registry_next_id(struct registry *r)
{
    size_t n;

    (void)pthread_rwlock_rdlock(&r->lock);
    n = r->n;
    (void)pthread_rwlock_unlock(&r->lock);
    return n;
}

size_t registry_known(struct registry *r)
{
    size_t n;

    (void)pthread_rwlock_rdlock(&r->lock);
    n = r->known;
    (void)pthread_rwlock_unlock(&r->lock);
    return n;
}

fw_rc registry_copy_locked(struct registry *r, uint32_t id,
                           struct fw_arena *arena, struct fw_labels *labels,
                           struct fw_err *err)
{
    struct fw_label room[FW_MAX_LABELS];
    struct fw_labels found = {0};
    struct fw_label *v;
    size_t bytes = 0;
    char *texts;

    if (!labels_locked(r, id, room, &found))
        return FW_NONE;
    for (size_t i = 0; i < found.n; i++)
        bytes += room[i].name.n + room[i].value.n;
    v = fw_arena_alloc(arena, found.n * sizeof(*v) + bytes);
    if (v == NULL)
        return fw_arena_err(arena, err);
    texts = (char *)(v + found.n);
    for (size_t i = 0; i < found.n; i++) {
        v[i].name = (struct fw_str){texts, room[i].name.n};
        memcpy(texts, room[i].name.p, room[i].name.n);
        texts += room[i].name.n;
        v[i].value = (struct fw_str){texts, room[i].value.n};
        memcpy(texts, room[i].value.p, room[i].value.n);
        texts += room[i].value.n;
    }
    *labels = (struct fw_labels){v, found.n};
    return FW_OK;
}
