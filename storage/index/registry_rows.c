/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * registry_rows.c - pages of 512 series: open ones are packed once they are
 * complete, and opened again to take a series in or out; one that comes from
 * disk is taken as it is.
 */
#include "storage/index/registry_parts.h"

#include <stdlib.h>
#include <string.h>

#define MERGE_POSTINGS ((size_t)65536 * 10) /* as of 64 Ki series */

void registry_drop_symbols(struct registry *r, const uint32_t *pairs, size_t n)
{
    for (size_t i = 0; i < n; i++)
        symbols_unref(&r->symbols, pairs[i]);
}

/* ---- Rows -------------------------------------------------------------------
 */

void page_open_free(struct registry_open *open)
{
    if (open == NULL)
        return;
    for (uint32_t i = 0; i < REGISTRY_PAGE_SERIES; i++)
        free((void *)(uintptr_t)open->rows.pairs[i]);
    free(open);
}

struct registry_open *page_find_open(const struct registry *r, uint32_t number)
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
    open = page_find_open(r, id / REGISTRY_PAGE_SERIES);
    if (open == NULL || open->rows.pairs[row] == NULL)
        return false;
    *labels = open->rows.labels[row];
    memcpy(pairs, open->rows.pairs[row], *labels * 2 * sizeof(*pairs));
    return true;
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

void page_drop_row(struct registry *r, const struct registry_open *open,
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
fw_rc page_pack(struct registry *r, size_t at)
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
            page_drop_row(r, open, row);
    if (page->known == 0) {
        label_page_free(page);
        page = NULL;
    }
    set_packed(r, open->number, page);
    page_open_free(open);
    memmove(r->open + at, r->open + at + 1,
            (r->open_count - at - 1) * sizeof(struct registry_open *));
    r->open_count--;
    return FW_OK;
}

fw_rc page_put_row(struct registry *r, struct registry_open *open, uint32_t row,
                   const uint32_t *pairs, uint32_t labels)
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
            rc = page_put_row(r, open, row, pairs, labels);
    }
    if (rc != FW_OK) {
        for (uint32_t row = 0; row < open->rows.count; row++)
            if (open->rows.pairs[row] != NULL)
                page_drop_row(r, open, row);
        return rc;
    }
    open->unposted = 0;
    set_packed(r, open->number, NULL);
    page_unref(r, page);
    label_page_free(page);
    return FW_OK;
}

fw_rc page_to_write(struct registry *r, uint32_t number,
                    struct registry_open **out)
{
    struct registry_open *open = page_find_open(r, number);
    fw_rc rc = FW_OK;

    *out = open;
    if (open != NULL)
        return FW_OK;
    if (r->open_count == REGISTRY_OPEN_PAGES)
        rc = page_pack(r, 0);
    if (rc != FW_OK)
        return rc;
    open = calloc(1, sizeof(*open));
    if (open == NULL)
        return FW_ENOMEM;
    open->number = number;
    if (number < r->packed_n && r->packed[number] != NULL)
        rc = unpack(r, open);
    if (rc != FW_OK) {
        page_open_free(open);
        return rc;
    }
    r->open[r->open_count++] = open;
    *out = open;
    return FW_OK;
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
            registry_drop_symbols(r, page->words, i);
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
                rows[ids[m]] = registry_hash_label(
                    rows[ids[m]], words[c->name],
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
    if (rc == FW_OK && (post_page(r, page, first) != FW_OK ||
                        metrics_count_page(r, page) != FW_OK)) {
        rc = fw_err_set(err, FW_ENOMEM, "out of memory");
        for (uint32_t row = 0; row < page->count; row++)
            (void)tag_index_remove(&r->by_labels, rows[row], first + row);
    }
    if (rc != FW_OK) {
        set_packed(r, number, NULL);
        registry_drop_symbols(r, page->words, page->word_count);
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
        page_find_open(r, first / REGISTRY_PAGE_SERIES) != NULL)
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
    const struct registry_open *open = page_find_open(r, number);
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
