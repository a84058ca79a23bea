/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * rollup_read.c - finds the rows of a series in the rollups.
 *
 * Segments are in order of series and say in their headers which they have, so
 * a few looks find the one to decode, and whoever goes from series to series
 * has the next one decoded already. Nothing of a rollup stays in memory but the
 * set of its series: a bit for each.
 */
#include <stdlib.h>
#include <string.h>

#include "storage/segments/rollup.h"

/* ---- Which are final ------------------------------------------------------
 */

bool rollup_is_final(const struct partition *p, struct partition *const *list,
                     size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (!rollup_is(list[i]) && list[i]->serial + 1 == p->serial)
            return false;
    return rollup_is(p);
}

bool rollup_is_due(const struct partition *p, struct partition *const *list,
                   size_t count, fw_ms edge)
{
    if (atomic_load(&p->kind) != PARTITION_CLOSED || !p->exists || p->damaged ||
        p->no_rollup || p->last >= edge)
        return false;
    for (size_t i = 0; i < count; i++)
        if (rollup_is(list[i]) && list[i]->serial == p->serial + 1)
            return false;
    return true;
}

void rollup_look(struct fw_store *store)
{
    struct partition **list = NULL;
    size_t count = 0;
    fw_ms last = INT64_MIN;

    if (manifest_list(&store->manifest, &list, &count) != FW_OK)
        return; /* what was known before stays */
    for (size_t i = 0; i < count; i++)
        if (rollup_is(list[i]) && rollup_is_final(list[i], list, count) &&
            list[i]->last > last)
            last = list[i]->last;
    atomic_store(&store->rollups_last, last);
    manifest_list_free(list, count);
}

fw_ms fw_store_rollups_last(const struct fw_store *store)
{
    return atomic_load(&store->rollups_last);
}

/* ---- Segments -------------------------------------------------------------
 */

struct bounds {
    uint32_t first, last; /* series */
};

static fw_rc bounds_of(struct partition_view *view, uint32_t number,
                       struct segment *segment, struct bounds *out,
                       struct fw_err *err)
{
    fw_rc rc = partition_segment(view, number, segment, err);

    if (rc == FW_OK && !segment->rows)
        rc = fw_err_set(err, FW_ECORRUPT, "a segment has samples");
    if (rc == FW_OK)
        *out = (struct bounds){(uint32_t)segment->journal_seq,
                               (uint32_t)(segment->journal_seq >> 32)};
    return rc;
}

/* The first of `count` segments whose last series is not before `series`. */
static fw_rc find_segment(struct partition_view *view, uint32_t count,
                          uint32_t series, uint32_t *out, struct fw_err *err)
{
    uint32_t low = 1, n = count;
    fw_rc rc = FW_OK;

    while (n > 0 && rc == FW_OK) {
        uint32_t half = n / 2;
        struct segment segment;
        struct bounds b = {0};

        rc = bounds_of(view, low + half, &segment, &b, err);
        if (rc == FW_OK && b.last < series) {
            low += half + 1;
            n -= half + 1;
        } else {
            n = half;
        }
    }
    *out = low;
    return rc;
}

static fw_rc damage(const struct partition *p, fw_rc rc, struct fw_err *err)
{
    struct fw_err why = *err;

    return fw_err_set(err, rc, "%s: %s", p->path, why.text);
}

/* ---- The set of series ----------------------------------------------------
 */

struct rollup_index {
    struct rollup_set set;
};

void rollup_set_release(struct rollup_set *set)
{
    free(set->bits);
    *set = (struct rollup_set){0};
}

void rollup_index_free(struct rollup_index *index)
{
    if (index != NULL)
        rollup_set_release(&index->set);
    free(index);
}

static fw_rc set_room(struct rollup_set *set, size_t words)
{
    uint64_t *bits;

    if (words <= set->words)
        return FW_OK;
    bits = realloc(set->bits, words * sizeof(*bits));
    if (bits == NULL)
        return FW_ENOMEM;
    memset(bits + set->words, 0, (words - set->words) * sizeof(*bits));
    set->bits = bits;
    set->words = words;
    return FW_OK;
}

static fw_rc add_series(struct rollup_set *set, const struct segment *s,
                        const struct segment_block *rows, struct fw_err *err)
{
    for (uint32_t i = 0; i < s->block_count; i++) {
        uint32_t id = rows[i].series;

        if (id >= FW_MAX_SERIES * 2u)
            return fw_err_set(err, FW_ECORRUPT, "there is no series %u", id);
        if (set_room(set, id / 64 + 1) != FW_OK)
            return fw_err_set(err, FW_ENOMEM, "out of memory");
        set->bits[id / 64] |= (uint64_t)1 << (id % 64);
    }
    return FW_OK;
}

static fw_rc read_index(struct partition *p, struct rollup_set *set,
                        struct fw_err *err)
{
    struct partition_view view;
    uint64_t rows = 0;
    uint32_t end = 0;
    fw_rc rc = partition_view(p, &view, err);

    if (rc != FW_OK)
        return rc;
    rc = partition_complete(&view, &rows, &end, err);
    for (uint64_t i = rows + 1; i < end && rc == FW_OK; i++) {
        struct segment_block *list = NULL;
        struct segment segment;

        rc = partition_segment(&view, (uint32_t)i, &segment, err);
        if (rc == FW_OK && !segment.index)
            rc = fw_err_set(err, FW_ECORRUPT, "its index is not where it was");
        if (rc == FW_OK)
            rc = segment_directory(&segment, &list, err);
        if (rc == FW_OK)
            rc = add_series(set, &segment, list, err);
        free(list);
    }
    partition_view_end(&view);
    return rc == FW_OK ? FW_OK : damage(p, rc, err);
}

/* The index of a partition, read once; it lives as long as that does. */
static fw_rc index_of(struct partition *p, const struct rollup_set **out,
                      struct fw_err *err)
{
    struct rollup_index *made = NULL, *have;
    fw_rc rc = FW_OK;

    (void)pthread_mutex_lock(&p->lock);
    have = p->rollups;
    (void)pthread_mutex_unlock(&p->lock);
    if (have == NULL) {
        made = calloc(1, sizeof(*made));
        rc = made == NULL ? fw_err_set(err, FW_ENOMEM, "out of memory")
                          : read_index(p, &made->set, err);
    }
    if (rc == FW_OK && made != NULL) {
        (void)pthread_mutex_lock(&p->lock);
        if (p->rollups == NULL) {
            p->rollups = made;
            made = NULL;
        }
        have = p->rollups;
        (void)pthread_mutex_unlock(&p->lock);
    }
    rollup_index_free(made);
    if (rc == FW_OK)
        *out = &have->set;
    return rc;
}

static fw_rc unite(struct rollup_set *to, const struct rollup_set *from,
                   struct fw_err *err)
{
    if (set_room(to, from->words) != FW_OK)
        return fw_err_set(err, FW_ENOMEM, "out of memory");
    for (size_t i = 0; i < from->words; i++)
        to->bits[i] |= from->bits[i];
    return FW_OK;
}

fw_rc rollup_series(struct fw_store *store, fw_ms from, fw_ms to,
                    bool final_only, struct rollup_set *set, struct fw_err *err)
{
    struct partition **list = NULL;
    const struct rollup_set *one = NULL;
    size_t count = 0;
    fw_rc rc = FW_OK;

    if (final_only && from > atomic_load(&store->rollups_last))
        return FW_OK;
    if (manifest_list(&store->manifest, &list, &count) != FW_OK)
        return fw_err_set(err, FW_ENOMEM, "out of memory");
    for (size_t i = 0; i < count && rc == FW_OK; i++) {
        struct partition *p = list[i];

        if (!rollup_is(p) || !p->exists || p->first > to || p->last < from ||
            (final_only && !rollup_is_final(p, list, count)))
            continue;
        rc = index_of(p, &one, err);
        if (rc == FW_OK)
            rc = unite(set, one, err);
    }
    manifest_list_free(list, count);
    return rc;
}

/* ---- Rows of a series -----------------------------------------------------
 */

struct fw_rollups {
    struct fw_store *store;
    struct partition **parts; /* owned, a reference each; by first */
    size_t count;
    const struct partition *at; /* whose segment is decoded */
    uint32_t number;
    struct segment_block *rows; /* owned: of that segment */
    uint32_t row_count;
    struct tomb_range *tombs; /* owned; of the series */
    size_t tomb_count, tomb_cap;
    struct fw_summary *out; /* owned */
    size_t n, cap;
};

void fw_rollups_close(struct fw_rollups *r)
{
    if (r == NULL)
        return;
    for (size_t i = 0; i < r->count; i++)
        partition_unref(r->parts[i]);
    free(r->parts);
    free(r->rows);
    free(r->tombs);
    free(r->out);
    free(r);
}

/* A reader of these rollups, which are taken over with their references. */
static struct fw_rollups *reader_of(struct fw_store *store,
                                    struct partition **parts, size_t count)
{
    struct fw_rollups *r = calloc(1, sizeof(*r));

    if (r == NULL) {
        manifest_list_free(parts, count);
        return NULL;
    }
    r->store = store;
    r->parts = parts;
    r->count = count;
    return r;
}

fw_rc fw_rollups_open(struct fw_store *store, struct fw_rollups **out,
                      struct fw_err *err)
{
    struct partition **list = NULL, **parts = NULL;
    size_t count = 0, kept = 0;

    if (manifest_list(&store->manifest, &list, &count) != FW_OK)
        return fw_err_set(err, FW_ENOMEM, "out of memory");
    parts = calloc(count + 1, sizeof(struct partition *));
    for (size_t i = 0; parts != NULL && i < count; i++)
        if (list[i]->exists && rollup_is_final(list[i], list, count))
            parts[kept++] = partition_ref(list[i]);
    manifest_list_free(list, count);
    *out = parts == NULL ? NULL : reader_of(store, parts, kept);
    return *out != NULL ? FW_OK : fw_err_set(err, FW_ENOMEM, "out of memory");
}

static fw_rc decode(struct fw_rollups *r, struct partition *p, uint32_t number,
                    const struct segment *segment, struct fw_err *err)
{
    fw_rc rc;

    if (r->at == p && r->number == number)
        return FW_OK;
    free(r->rows);
    r->rows = NULL;
    r->at = NULL;
    rc = segment_directory(segment, &r->rows, err);
    if (rc != FW_OK)
        return rc;
    r->at = p;
    r->number = number;
    r->row_count = segment->block_count;
    return FW_OK;
}

static uint32_t first_row(const struct fw_rollups *r, uint32_t series)
{
    uint32_t low = 0, n = r->row_count;

    while (n > 0) {
        uint32_t half = n / 2;

        if (r->rows[low + half].series < series) {
            low += half + 1;
            n -= half + 1;
        } else {
            n = half;
        }
    }
    return low;
}

/* What was deleted of an hour is not known, so all of it goes. */
static bool is_deleted(const struct fw_rollups *r, const struct partition *p,
                       const struct segment_block *row)
{
    for (size_t i = 0; i < r->tomb_count; i++)
        if (r->tombs[i].id > p->tombs && p->rank <= r->tombs[i].rank &&
            r->tombs[i].from <= row->t_max && row->t_min <= r->tombs[i].to)
            return true;
    return false;
}

static fw_rc take_rows(struct fw_rollups *r, const struct partition *p,
                       uint32_t series, fw_ms from, fw_ms to,
                       struct fw_err *err)
{
    for (uint32_t i = first_row(r, series);
         i < r->row_count && r->rows[i].series == series; i++) {
        const struct segment_block *row = &r->rows[i];

        if (row->t_min < from || row->t_max > to || is_deleted(r, p, row))
            continue;
        if (r->n > 0 && r->out[r->n - 1].t_last >= row->t_min)
            return fw_err_set(err, FW_ECORRUPT, "its rows do not rise");
        if (fw_grow(&r->out, &r->cap, r->n + 1, sizeof(*r->out), UINT32_MAX) !=
            FW_OK)
            return fw_err_set(err, FW_ENOMEM, "out of memory");
        r->out[r->n++] = (struct fw_summary){.t_first = row->t_min,
                                             .t_last = row->t_max,
                                             .n = row->n,
                                             .nans = row->nans,
                                             .min = row->min,
                                             .max = row->max,
                                             .sum = row->sum,
                                             .first = row->first,
                                             .last = row->last,
                                             .increase = row->increase};
    }
    return FW_OK;
}

static fw_rc read_part(struct fw_rollups *r, struct partition *p,
                       uint32_t series, fw_ms from, fw_ms to,
                       struct fw_err *err)
{
    struct partition_view view;
    struct segment segment;
    struct bounds b = {0};
    uint64_t count = 0;
    uint32_t number = 0, end = 0;
    fw_rc rc = partition_view(p, &view, err);

    if (rc != FW_OK)
        return rc;
    rc = partition_complete(&view, &count, &end, err);
    if (rc == FW_OK)
        rc = find_segment(&view, (uint32_t)count, series, &number, err);
    for (; rc == FW_OK && number <= count; number++) {
        rc = bounds_of(&view, number, &segment, &b, err);
        if (rc != FW_OK || b.first > series)
            break;
        rc = decode(r, p, number, &segment, err);
        if (rc == FW_OK)
            rc = take_rows(r, p, series, from, to, err);
    }
    partition_view_end(&view);
    return rc == FW_OK ? FW_OK : damage(p, rc, err);
}

fw_rc fw_rollups_read(struct fw_rollups *r, uint32_t series, fw_ms from,
                      fw_ms to, const struct fw_summary **rows, size_t *n,
                      struct fw_err *err)
{
    const struct rollup_set *set = NULL;
    fw_rc rc = tombs_of(&r->store->tombs, series, INT64_MIN, INT64_MAX,
                        &r->tombs, &r->tomb_count, &r->tomb_cap);

    r->n = 0;
    if (rc != FW_OK)
        rc = fw_err_set(err, rc, "out of memory");
    for (size_t i = 0; i < r->count && rc == FW_OK; i++) {
        struct partition *p = r->parts[i];

        if (p->first > to || p->last < from)
            continue;
        rc = index_of(p, &set, err);
        if (rc == FW_OK && rollup_set_has(set, series))
            rc = read_part(r, p, series, from, to, err);
    }
    if (rc == FW_OK) {
        *rows = r->out;
        *n = r->n;
    }
    return rc;
}

/* ---- Rewriting ------------------------------------------------------------
 */

static fw_rc copy_rows(struct rollup_writer *w, struct fw_rollups *r,
                       uint32_t series, struct fw_err *err)
{
    const struct fw_summary *rows = NULL;
    size_t n = 0;
    fw_rc rc = fw_rollups_read(r, series, INT64_MIN, INT64_MAX, &rows, &n, err);

    for (size_t i = 0; i < n && rc == FW_OK; i++) {
        struct segment_block row = {.series = series,
                                    .n = rows[i].n,
                                    .nans = rows[i].nans,
                                    .t_min = rows[i].t_first,
                                    .t_max = rows[i].t_last,
                                    .min = rows[i].min,
                                    .max = rows[i].max,
                                    .sum = rows[i].sum,
                                    .first = rows[i].first,
                                    .last = rows[i].last,
                                    .increase = rows[i].increase};

        rc = rollup_row(w, &row, err);
    }
    return rc;
}

static fw_rc copy_all(struct rollup_writer *w, struct fw_rollups *r,
                      const atomic_bool *cancel, struct fw_err *err)
{
    struct rollup_set all = {0};
    const struct rollup_set *one = NULL;
    fw_rc rc = FW_OK;

    for (size_t i = 0; i < r->count && rc == FW_OK; i++) {
        rc = index_of(r->parts[i], &one, err);
        if (rc == FW_OK)
            rc = unite(&all, one, err);
    }
    for (size_t id = 0; id < all.words * 64 && rc == FW_OK; id++) {
        if (rollup_set_has(&all, (uint32_t)id))
            rc = copy_rows(w, r, (uint32_t)id, err);
        if (rc == FW_OK && atomic_load(cancel))
            rc = FW_END;
    }
    rollup_set_release(&all);
    return rc;
}

fw_rc rollup_rewrite(struct fw_store *store, struct partition *made,
                     struct partition *const *sources, size_t count,
                     const atomic_bool *cancel, struct fw_err *err)
{
    struct partition **parts = calloc(count + 1, sizeof(struct partition *));
    struct fw_rollups *r = NULL;
    struct rollup_writer w;
    fw_rc rc;

    for (size_t i = 0; parts != NULL && i < count; i++)
        parts[i] = partition_ref(sources[i]);
    if (parts != NULL)
        r = reader_of(store, parts, count);
    if (r == NULL)
        return fw_err_set(err, FW_ENOMEM, "out of memory");
    rc = rollup_begin(&w, store->manifest.dir, made, FW_HOUR, err);
    if (rc == FW_OK)
        rc = copy_all(&w, r, cancel, err);
    if (rc == FW_OK)
        rc = rollup_finish(&w, made, err);
    rollup_release(&w);
    fw_rollups_close(r);
    return rc;
}
