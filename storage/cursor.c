/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * cursor.c - the samples of one series in order of time.
 *
 * What there is (blocks on disk, samples in memory) is noted at opening, in
 * one moment; the blocks are read one group at a time. A group is a run of
 * pieces whose times overlap, which is one block unless samples came late;
 * where pieces of a group have the same time, the oldest piece wins, as the
 * first value always does.
 */
#include <stdlib.h>
#include <string.h>

#include "storage/base/bytes.h"
#include "storage/store.h"

/* A block on disk, or (part == NULL) what is in memory. */
struct piece {
    fw_ms t_min, t_max;
    struct partition *part; /* one reference */
    struct block_ref ref;
};

struct fw_cursor {
    struct fw_store *store;
    uint32_t series;
    fw_ms from, to;
    struct piece *pieces; /* owned, by t_min; those from `next` are unread */
    size_t count, next;
    fw_ms *head_t; /* owned: times, then values */
    double *head_v;
    size_t head_n;
    fw_ms *t; /* owned: what the last run points into */
    double *v;
    size_t n, cap;
    struct sample *merged; /* owned, only used where pieces overlap */
    size_t merged_cap;
};

struct sample {
    fw_ms t;
    uint64_t bits;
    size_t rank; /* of its piece: lower is older */
};

/* ---- Opening --------------------------------------------------------------
 */

static fw_rc copy_head(struct fw_cursor *c, const struct head_series *s)
{
    const fw_ms *times = head_times(s);
    size_t first = head_lower_bound(times, s->n, c->from);
    size_t last = first;

    while (last < s->n && times[last] <= c->to)
        last++;
    if (last == first)
        return FW_OK;
    c->head_n = last - first;
    c->head_t = malloc(c->head_n * (sizeof(*c->head_t) + sizeof(*c->head_v)));
    if (c->head_t == NULL)
        return FW_ENOMEM;
    c->head_v = (double *)(void *)(c->head_t + c->head_n);
    memcpy(c->head_t, times + first, c->head_n * sizeof(*c->head_t));
    memcpy(c->head_v, head_values(s) + first, c->head_n * sizeof(*c->head_v));
    return FW_OK;
}

static fw_rc copy_refs(struct fw_cursor *c, const struct head_series *s)
{
    size_t wanted = 0;

    for (uint32_t i = 0; i < s->block_count; i++)
        if (s->blocks[i].t_min <= c->to && s->blocks[i].t_max >= c->from)
            wanted++;
    c->pieces = calloc(wanted + 1, sizeof(*c->pieces));
    if (c->pieces == NULL)
        return FW_ENOMEM;
    for (uint32_t i = 0; i < s->block_count; i++) {
        const struct block_ref *ref = &s->blocks[i];

        if (ref->t_min <= c->to && ref->t_max >= c->from)
            c->pieces[c->count++] =
                (struct piece){ref->t_min, ref->t_max, NULL, *ref};
    }
    return FW_OK;
}

/* Partitions that retention dropped meanwhile take their blocks with them. */
static void take_partitions(struct fw_cursor *c)
{
    size_t kept = 0;

    for (size_t i = 0; i < c->count; i++) {
        struct piece piece = c->pieces[i];

        if (kept > 0 && c->pieces[kept - 1].ref.part == piece.ref.part)
            piece.part = partition_ref(c->pieces[kept - 1].part);
        else
            piece.part = manifest_ref(&c->store->manifest, piece.ref.part);
        if (piece.part != NULL)
            c->pieces[kept++] = piece;
    }
    c->count = kept;
}

/* Puts the samples in memory among the blocks; behind those of equal start. */
static void place_head(struct fw_cursor *c)
{
    size_t at = c->count;

    if (c->head_n == 0)
        return;
    while (at > 0 && c->pieces[at - 1].t_min > c->head_t[0]) {
        c->pieces[at] = c->pieces[at - 1];
        at--;
    }
    c->pieces[at] = (struct piece){.t_min = c->head_t[0],
                                   .t_max = c->head_t[c->head_n - 1]};
    c->count++;
}

fw_rc fw_cursor_open(struct fw_store *store, uint32_t series, fw_ms from,
                     fw_ms to, struct fw_cursor **out, struct fw_err *err)
{
    struct fw_cursor *c = calloc(1, sizeof(*c));
    struct head_series *s = head_get(&store->head, series);
    fw_rc rc = c == NULL ? FW_ENOMEM : FW_OK;

    if (rc == FW_OK && s != NULL) {
        *c = (struct fw_cursor){
            .store = store, .series = series, .from = from, .to = to};
        head_lock(&store->head, series);
        rc = copy_refs(c, s);
        if (rc == FW_OK && s->n > 0)
            rc = copy_head(c, s);
        head_unlock(&store->head, series);
        take_partitions(c);
        if (rc == FW_OK)
            place_head(c);
    }
    if (rc != FW_OK) {
        fw_cursor_close(c);
        return fw_err_set(err, rc, "out of memory");
    }
    *out = c;
    return FW_OK;
}

/* ---- Reading --------------------------------------------------------------
 */

static fw_rc room_for(struct fw_cursor *c, size_t n)
{
    fw_ms *t;

    if (n <= c->cap)
        return FW_OK;
    t = malloc(n * (sizeof(*c->t) + sizeof(*c->v)));
    if (t == NULL)
        return FW_ENOMEM;
    free(c->t);
    c->t = t;
    c->v = (double *)(void *)(t + n);
    c->cap = n;
    return FW_OK;
}

static fw_rc read_piece(struct fw_cursor *c, const struct piece *piece,
                        struct fw_err *err)
{
    char at[FW_TIME_TEXT_BYTES], until[FW_TIME_TEXT_BYTES], name[256];
    size_t n = piece->part != NULL ? piece->ref.n : c->head_n;
    fw_rc rc = room_for(c, n);

    if (rc != FW_OK)
        return fw_err_set(err, rc, "out of memory");
    c->n = n;
    if (piece->part == NULL) {
        memcpy(c->t, c->head_t, n * sizeof(*c->t));
        memcpy(c->v, c->head_v, n * sizeof(*c->v));
        return FW_OK;
    }
    rc = partition_read_block(piece->part, &piece->ref, c->series, c->t, c->v,
                              err);
    if (rc != FW_ECORRUPT)
        return rc;
    (void)atomic_fetch_add(&c->store->counters.corrupt, 1);
    (void)fw_format_time(at, piece->t_min);
    (void)fw_format_time(until, piece->t_max);
    registry_describe(&c->store->registry, c->series, name, sizeof(name));
    return fw_err_prefix(err, "%s from %s to %s", name, at, until);
}

/* Leaves in t, v only the samples within [from, to]. */
static void trim(struct fw_cursor *c)
{
    size_t first = head_lower_bound(c->t, c->n, c->from);
    size_t last = c->n;

    while (last > first && c->t[last - 1] > c->to)
        last--;
    if (first > 0) {
        memmove(c->t, c->t + first, (last - first) * sizeof(*c->t));
        memmove(c->v, c->v + first, (last - first) * sizeof(*c->v));
    }
    c->n = last - first;
}

/* How many pieces from `next` on overlap, one with the other. */
static size_t group_size(const struct fw_cursor *c)
{
    fw_ms t_max = c->pieces[c->next].t_max;
    size_t n = 1;

    while (c->next + n < c->count && c->pieces[c->next + n].t_min <= t_max) {
        if (c->pieces[c->next + n].t_max > t_max)
            t_max = c->pieces[c->next + n].t_max;
        n++;
    }
    return n;
}

/* The age of a piece; segments of a partition count up, memory is youngest. */
static int older(const struct piece *a, const struct piece *b)
{
    uint64_t left = a->part == NULL ? UINT64_MAX : a->ref.segment;
    uint64_t right = b->part == NULL ? UINT64_MAX : b->ref.segment;

    if (left != right)
        return left < right ? -1 : 1;
    return (a->ref.offset > b->ref.offset) - (a->ref.offset < b->ref.offset);
}

static size_t rank_in_group(const struct fw_cursor *c, size_t i, size_t n)
{
    size_t rank = 0;

    for (size_t j = 0; j < n; j++)
        rank +=
            older(&c->pieces[c->next + j], &c->pieces[c->next + i]) < 0 ? 1 : 0;
    return rank;
}

static int by_time_and_age(const void *a, const void *b)
{
    const struct sample *left = a;
    const struct sample *right = b;

    if (left->t != right->t)
        return left->t < right->t ? -1 : 1;
    return (left->rank > right->rank) - (left->rank < right->rank);
}

static fw_rc collect(struct fw_cursor *c, size_t rank, size_t *total)
{
    fw_rc rc = fw_grow(&c->merged, &c->merged_cap, *total + c->n,
                       sizeof(*c->merged), SIZE_MAX / sizeof(*c->merged));

    for (size_t i = 0; i < c->n && rc == FW_OK; i++) {
        struct sample *s = &c->merged[(*total)++];

        s->t = c->t[i];
        memcpy(&s->bits, &c->v[i], sizeof(s->bits));
        s->rank = rank;
    }
    return rc;
}

static fw_rc read_group(struct fw_cursor *c, size_t pieces, struct fw_err *err)
{
    size_t total = 0;
    fw_rc rc = FW_OK;

    for (size_t i = 0; i < pieces && rc == FW_OK; i++) {
        rc = read_piece(c, &c->pieces[c->next + i], err);
        if (rc == FW_ECORRUPT) {
            /* The others of the group are read when asked again. */
            partition_unref(c->pieces[c->next + i].part);
            memmove(&c->pieces[c->next + i], &c->pieces[c->next + i + 1],
                    (c->count - c->next - i - 1) * sizeof(*c->pieces));
            c->count--;
            return rc;
        }
        if (rc == FW_OK) {
            rc = collect(c, rank_in_group(c, i, pieces), &total);
            if (rc != FW_OK)
                rc = fw_err_set(err, rc, "out of memory");
        }
    }
    if (rc == FW_OK && room_for(c, total) != FW_OK)
        rc = fw_err_set(err, FW_ENOMEM, "out of memory");
    if (rc != FW_OK)
        return rc;
    qsort(c->merged, total, sizeof(*c->merged), by_time_and_age);
    c->n = 0;
    for (size_t i = 0; i < total; i++) {
        if (c->n > 0 && c->t[c->n - 1] == c->merged[i].t)
            continue;
        c->t[c->n] = c->merged[i].t;
        memcpy(&c->v[c->n++], &c->merged[i].bits, sizeof(*c->v));
    }
    return FW_OK;
}

static fw_rc read_next(struct fw_cursor *c, struct fw_err *err)
{
    size_t pieces = group_size(c);
    fw_rc rc;

    if (pieces > 1) {
        rc = read_group(c, pieces, err);
        if (rc == FW_ECORRUPT)
            return rc;
    } else {
        rc = read_piece(c, &c->pieces[c->next], err);
    }
    for (size_t i = 0; i < pieces; i++)
        partition_unref(c->pieces[c->next + i].part);
    c->next += pieces;
    return rc;
}

fw_rc fw_cursor_next(struct fw_cursor *cursor, struct fw_run *run,
                     struct fw_err *err)
{
    while (cursor->next < cursor->count) {
        fw_rc rc = read_next(cursor, err);

        if (rc != FW_OK)
            return rc;
        trim(cursor);
        if (cursor->n == 0)
            continue;
        *run = (struct fw_run){cursor->t, cursor->v, cursor->n};
        return FW_OK;
    }
    return FW_END;
}

void fw_cursor_close(struct fw_cursor *cursor)
{
    if (cursor == NULL)
        return;
    for (size_t i = cursor->next; i < cursor->count; i++)
        partition_unref(cursor->pieces[i].part);
    free(cursor->pieces);
    free(cursor->head_t);
    free(cursor->t);
    free(cursor->merged);
    free(cursor);
}
