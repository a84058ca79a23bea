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
#include "storage/read/cursor.h"

#include <stdlib.h>
#include <string.h>

#include "storage/base/bytes.h"
#include "storage/read/cursor_parts.h"
#include "storage/store.h"

#define COPY_TRIES 16
#define EXPECT_AHEAD 2    /* pieces whose bytes are fetched beforehand */
#define PARTS_HELD_MAX 64 /* partitions that a holding cursor keeps */

/* A block on disk, or (part == NULL) what is in memory. */
struct piece {
    fw_ms t_min, t_max;
    struct partition *part; /* of the cursor's list */
    struct block_ref ref;
};

struct fw_cursor {
    struct fw_store *store;
    struct block_reader *reader; /* taken from the pool when first needed */
    struct cursor_parts parts;
    bool holds;
    uint32_t series;
    fw_ms from, to;
    struct piece *pieces; /* owned, by t_min; those from `next` are unread */
    size_t count, next, piece_cap;
    struct head_snap memory; /* its samples that have no block yet */
    fw_ms *t; /* owned: what is merged from pieces that overlap */
    double *v;
    size_t cap;
    struct tomb_range *tombs; /* owned: what of the series is deleted */
    size_t tomb_count, tomb_cap;
    fw_ms *kept_t; /* owned: what is left of a piece where some is */
    double *kept_v;
    size_t kept_cap;
    struct sample *merged; /* owned, as above */
    size_t merged_cap;
};

struct sample {
    fw_ms t;
    uint64_t bits;
    size_t rank; /* of its piece: lower is older */
};

/* ---- Opening --------------------------------------------------------------
 */

/* Room for n times and n values in one piece of memory. */
static bool make_room(fw_ms **t, double **v, size_t *cap, size_t n)
{
    fw_ms *room;

    if (n <= *cap)
        return true;
    room = malloc(n * (sizeof(**t) + sizeof(**v)));
    if (room == NULL)
        return false;
    free(*t);
    *t = room;
    *v = (double *)(void *)(room + n);
    *cap = n;
    return true;
}

static fw_rc copy_refs(struct fw_cursor *c, const struct head_series *s)
{
    size_t wanted = 0;
    fw_rc rc;

    for (uint32_t i = 0; i < s->block_count; i++)
        if (s->blocks[i].t_min <= c->to && s->blocks[i].t_max >= c->from)
            wanted++;
    rc = fw_grow(&c->pieces, &c->piece_cap, wanted + 1, sizeof(*c->pieces),
                 SIZE_MAX / sizeof(*c->pieces));
    if (rc != FW_OK)
        return rc;
    for (uint32_t i = 0; i < s->block_count; i++) {
        const struct block_ref *ref = &s->blocks[i];

        if (ref->t_min <= c->to && ref->t_max >= c->from)
            c->pieces[c->count++] =
                (struct piece){ref->t_min, ref->t_max, NULL, *ref};
    }
    return FW_OK;
}

/* Forgets what is left to read. */
static void drop_pieces(struct fw_cursor *c)
{
    c->count = 0;
    c->next = 0;
    head_snap_clear(&c->memory);
}

/* The same, and of the partitions it was in, unless they are to be kept. */
static void drop_all(struct fw_cursor *c)
{
    drop_pieces(c);
    if (c->holds && c->parts.count <= PARTS_HELD_MAX)
        return;
    if (c->reader != NULL)
        block_reader_look_away(c->reader);
    cursor_parts_clear(&c->parts);
}

/*
 * FW_NONE if a partition went away since its blocks were noted: it was dropped
 * by retention or replaced by a rewritten one, and what the series has now
 * must be noted anew.
 */
static fw_rc take_partitions(struct fw_cursor *c)
{
    fw_rc all = FW_OK;

    for (size_t i = 0; i < c->count; i++) {
        struct piece *piece = &c->pieces[i];
        fw_rc rc = FW_OK;

        if (i > 0 && piece[-1].part != NULL &&
            piece[-1].ref.part == piece->ref.part)
            piece->part = piece[-1].part;
        else
            rc = cursor_parts_get(&c->parts, &c->store->manifest,
                                  piece->ref.part, &piece->part);
        if (rc == FW_NONE)
            all = FW_NONE;
        else if (rc != FW_OK)
            return rc;
    }
    return all;
}

/* After many tries: partitions come and go faster than they can be read. */
static void leave_missing(struct fw_cursor *c)
{
    size_t kept = 0;

    for (size_t i = 0; i < c->count; i++)
        if (c->pieces[i].part != NULL)
            c->pieces[kept++] = c->pieces[i];
    c->count = kept;
}

/* The bytes of this piece will be wanted soon. */
static void expect_piece(const struct fw_cursor *c, size_t piece)
{
    if (c->holds && c->reader != NULL && piece < c->count &&
        c->pieces[piece].part != NULL)
        block_reader_expect(c->reader, &c->pieces[piece].ref);
}

/* Puts the samples in memory among the blocks; behind those of equal start. */
static void place_head(struct fw_cursor *c)
{
    size_t at = c->count;

    if (c->memory.n == 0)
        return;
    while (at > 0 && c->pieces[at - 1].t_min > c->memory.t[0]) {
        c->pieces[at] = c->pieces[at - 1];
        at--;
    }
    c->pieces[at] = (struct piece){.t_min = c->memory.t[0],
                                   .t_max = c->memory.t[c->memory.n - 1]};
    c->count++;
}

/* Notes what there is, in one moment. */
static fw_rc note_pieces(struct fw_cursor *c, struct head_series *s)
{
    fw_rc rc = FW_OK;

    /* Before the blocks: what has been deleted then is seen to be. */
    rc = tombs_of(&c->store->tombs, c->series, c->from, c->to, &c->tombs,
                  &c->tomb_count, &c->tomb_cap);
    for (int tries = 0; tries < COPY_TRIES && rc == FW_OK; tries++) {
        drop_pieces(c);
        head_lock(&c->store->head, c->series);
        rc = copy_refs(c, s);
        if (rc == FW_OK && head_count(s) > 0)
            rc = head_snap_take(&c->memory, s, c->from, c->to);
        head_unlock(&c->store->head, c->series);
        if (rc != FW_OK)
            return rc;
        rc = take_partitions(c);
        if (rc != FW_NONE)
            break;
        rc = FW_OK;
    }
    if (rc != FW_OK)
        return rc;
    leave_missing(c);
    for (size_t i = 0; i < EXPECT_AHEAD; i++)
        expect_piece(c, i);
    rc = head_snap_unpack(&c->memory);
    if (rc == FW_OK)
        place_head(c);
    return rc;
}

fw_rc fw_cursor_reset(struct fw_cursor *c, uint32_t series, fw_ms from,
                      fw_ms to, struct fw_err *err)
{
    struct head_series *s = head_get(&c->store->head, series);
    fw_rc rc = FW_OK;

    drop_all(c);
    c->series = series;
    c->from = from;
    c->to = to;
    if (s != NULL)
        rc = note_pieces(c, s);
    if (rc == FW_OK)
        return FW_OK;
    drop_all(c);
    return fw_err_set(err, rc, "out of memory");
}

static struct partition *part_of(struct partition *const *parts, size_t count,
                                 uint16_t index)
{
    for (size_t i = 0; i < count; i++)
        if (parts[i]->index == index)
            return parts[i];
    return NULL;
}

fw_rc cursor_reset_parts(struct fw_cursor *c, uint32_t series,
                         struct partition *const *parts, size_t count,
                         struct fw_err *err)
{
    struct head_series *s = head_get(&c->store->head, series);
    size_t kept = 0;
    fw_rc rc = FW_OK;

    drop_all(c);
    c->series = series;
    c->from = INT64_MIN;
    c->to = INT64_MAX;
    if (s == NULL)
        return FW_OK;
    for (size_t i = 0; i < count && rc == FW_OK; i++)
        rc = cursor_parts_add(&c->parts, parts[i]);
    if (rc != FW_OK)
        return fw_err_set(err, rc, "out of memory");
    rc = tombs_of(&c->store->tombs, series, c->from, c->to, &c->tombs,
                  &c->tomb_count, &c->tomb_cap);
    head_lock(&c->store->head, series);
    if (rc == FW_OK)
        rc = copy_refs(c, s);
    head_unlock(&c->store->head, series);
    for (size_t i = 0; i < c->count; i++) {
        struct piece piece = c->pieces[i];

        piece.part = part_of(parts, count, piece.ref.part);
        if (piece.part == NULL)
            continue;
        c->pieces[kept++] = piece;
    }
    c->count = kept;
    return rc == FW_OK ? FW_OK : fw_err_set(err, rc, "out of memory");
}

fw_rc cursor_new(struct fw_store *store, struct fw_cursor **out,
                 struct fw_err *err)
{
    struct fw_cursor *c = calloc(1, sizeof(*c));

    if (c == NULL)
        return fw_err_set(err, FW_ENOMEM, "out of memory");
    c->store = store;
    *out = c;
    return FW_OK;
}

fw_rc fw_cursor_open(struct fw_store *store, uint32_t series, fw_ms from,
                     fw_ms to, struct fw_cursor **out, struct fw_err *err)
{
    struct fw_cursor *c = NULL;
    fw_rc rc = cursor_new(store, &c, err);

    if (rc != FW_OK)
        return rc;
    rc = fw_cursor_reset(c, series, from, to, err);
    if (rc == FW_OK)
        *out = c;
    else
        fw_cursor_close(c);
    return rc;
}

/* ---- Reading --------------------------------------------------------------
 */

static fw_rc need_reader(struct fw_cursor *c, struct fw_err *err)
{
    if (c->reader == NULL) {
        c->reader = reader_pool_take(&c->store->readers);
        if (c->reader != NULL)
            c->reader->holds = c->holds;
    }
    return c->reader != NULL ? FW_OK
                             : fw_err_set(err, FW_ENOMEM, "out of memory");
}

static bool is_deleted(const struct fw_cursor *c, uint32_t rank, fw_ms t)
{
    for (size_t i = 0; i < c->tomb_count; i++)
        if (c->tombs[i].from <= t && t <= c->tombs[i].to &&
            rank <= c->tombs[i].rank)
            return true;
    return false;
}

/* True if some of a piece may have been deleted. */
static bool is_touched(const struct fw_cursor *c, const struct piece *piece)
{
    for (size_t i = 0; i < c->tomb_count; i++)
        if (c->tombs[i].from <= piece->t_max &&
            c->tombs[i].to >= piece->t_min && piece->part != NULL &&
            piece->part->rank <= c->tombs[i].rank)
            return true;
    return false;
}

static fw_rc leave_out_deleted(struct fw_cursor *c, const struct piece *piece,
                               struct fw_run *run, struct fw_err *err)
{
    size_t n = 0;

    if (!make_room(&c->kept_t, &c->kept_v, &c->kept_cap, run->n))
        return fw_err_set(err, FW_ENOMEM, "out of memory");
    for (size_t i = 0; i < run->n; i++) {
        if (is_deleted(c, piece->part->rank, run->t[i]))
            continue;
        c->kept_t[n] = run->t[i];
        memcpy(&c->kept_v[n++], &run->v[i], sizeof(*c->kept_v));
    }
    *run = (struct fw_run){c->kept_t, c->kept_v, n, 0};
    return FW_OK;
}

/* Says which samples cannot be read. */
static fw_rc tell_damage(struct fw_cursor *c, const struct piece *piece,
                         struct fw_err *err)
{
    char at[FW_TIME_TEXT_BYTES], until[FW_TIME_TEXT_BYTES], name[256];

    (void)atomic_fetch_add(&c->store->counters.corrupt, 1);
    (void)fw_format_time(at, piece->t_min);
    (void)fw_format_time(until, piece->t_max);
    registry_describe(&c->store->registry, c->series, name, sizeof(name));
    return fw_err_prefix(err, "%s from %s to %s", name, at, until);
}

static fw_rc read_piece(struct fw_cursor *c, const struct piece *piece,
                        struct fw_run *run, struct fw_err *err)
{
    fw_rc rc;

    if (piece->part == NULL) {
        *run = (struct fw_run){c->memory.t, c->memory.v, c->memory.n, 0};
        return FW_OK;
    }
    rc = need_reader(c, err);
    if (rc == FW_OK)
        rc = block_reader_read(c->reader, piece->part, &piece->ref, c->series,
                               run, err);
    if (rc == FW_OK && is_touched(c, piece))
        rc = leave_out_deleted(c, piece, run, err);
    return rc == FW_ECORRUPT ? tell_damage(c, piece, err) : rc;
}

/* Leaves in the run only the samples within [from, to]. */
static void trim(const struct fw_cursor *c, struct fw_run *run)
{
    size_t first = 0, last = run->n;

    if (run->n > 0 && run->t[0] < c->from)
        first = head_lower_bound(run->t, run->n, c->from);
    if (last > first && run->t[last - 1] > c->to)
        last = head_lower_bound(run->t, run->n, c->to + 1);
    run->t += first;
    run->v += first;
    run->n = last - first;
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

/*
 * The age of a piece: memory is youngest; of partitions of one stretch the
 * one made later is younger, and segments of a partition count up.
 */
static int older(const struct piece *a, const struct piece *b)
{
    uint64_t left = a->part == NULL
                        ? UINT64_MAX
                        : (uint64_t)a->part->rank << 32 | a->ref.segment;
    uint64_t right = b->part == NULL
                         ? UINT64_MAX
                         : (uint64_t)b->part->rank << 32 | b->ref.segment;

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

static fw_rc collect(struct fw_cursor *c, const struct fw_run *run, size_t rank,
                     size_t *total)
{
    fw_rc rc = fw_grow(&c->merged, &c->merged_cap, *total + run->n,
                       sizeof(*c->merged), SIZE_MAX / sizeof(*c->merged));

    for (size_t i = 0; i < run->n && rc == FW_OK; i++) {
        struct sample *s = &c->merged[(*total)++];

        s->t = run->t[i];
        memcpy(&s->bits, &run->v[i], sizeof(s->bits));
        s->rank = rank;
    }
    return rc;
}

/* The others of the group are read when asked again. */
static void leave_out(struct fw_cursor *c, size_t piece)
{
    memmove(&c->pieces[piece], &c->pieces[piece + 1],
            (c->count - piece - 1) * sizeof(*c->pieces));
    c->count--;
}

static void merge(struct fw_cursor *c, size_t total, struct fw_run *run)
{
    size_t n = 0;

    if (total > 0)
        qsort(c->merged, total, sizeof(*c->merged), by_time_and_age);
    for (size_t i = 0; i < total; i++) {
        if (n > 0 && c->t[n - 1] == c->merged[i].t)
            continue;
        c->t[n] = c->merged[i].t;
        memcpy(&c->v[n++], &c->merged[i].bits, sizeof(*c->v));
    }
    *run = (struct fw_run){c->t, c->v, n, 0};
}

static fw_rc read_group(struct fw_cursor *c, size_t pieces, struct fw_run *run,
                        struct fw_err *err)
{
    struct fw_run one = {0};
    size_t total = 0;

    for (size_t i = 0; i < pieces; i++) {
        fw_rc rc = read_piece(c, &c->pieces[c->next + i], &one, err);

        if (rc == FW_ECORRUPT)
            leave_out(c, c->next + i);
        if (rc != FW_OK)
            return rc;
        trim(c, &one);
        if (collect(c, &one, rank_in_group(c, i, pieces), &total) != FW_OK)
            return fw_err_set(err, FW_ENOMEM, "out of memory");
    }
    if (!make_room(&c->t, &c->v, &c->cap, total))
        return fw_err_set(err, FW_ENOMEM, "out of memory");
    merge(c, total, run);
    return FW_OK;
}

fw_rc fw_cursor_next(struct fw_cursor *cursor, struct fw_run *run,
                     struct fw_err *err)
{
    struct fw_run found = {0};

    while (cursor->next < cursor->count) {
        size_t pieces = group_size(cursor);
        fw_rc rc;

        if (pieces > 1) {
            rc = read_group(cursor, pieces, &found, err);
            if (rc == FW_ECORRUPT)
                return rc;
        } else {
            expect_piece(cursor, cursor->next + EXPECT_AHEAD);
            rc = read_piece(cursor, &cursor->pieces[cursor->next], &found, err);
            trim(cursor, &found);
        }
        cursor->next += pieces;
        if (rc != FW_OK)
            return rc;
        if (found.n == 0)
            continue;
        *run = found;
        return FW_OK;
    }
    return FW_END;
}

/* ---- Summaries ------------------------------------------------------------
 */

fw_rc fw_cursor_peek(struct fw_cursor *cursor, struct fw_summary *s,
                     struct fw_err *err)
{
    const struct piece *piece;
    fw_rc rc;

    if (cursor->next == cursor->count)
        return FW_END;
    piece = &cursor->pieces[cursor->next];
    if (piece->part == NULL || piece->t_min < cursor->from ||
        piece->t_max > cursor->to || group_size(cursor) > 1 ||
        is_touched(cursor, piece))
        return FW_NONE;
    rc = need_reader(cursor, err);
    if (rc == FW_OK)
        rc = block_reader_summary(cursor->reader, piece->part, &piece->ref,
                                  cursor->series, s, err);
    return rc == FW_ECORRUPT ? tell_damage(cursor, piece, err) : rc;
}

fw_rc fw_cursor_span(const struct fw_cursor *cursor, fw_ms *first, fw_ms *last)
{
    size_t n;

    if (cursor->next == cursor->count)
        return FW_END;
    n = group_size(cursor);
    *first = cursor->pieces[cursor->next].t_min;
    *last = *first;
    for (size_t i = 0; i < n; i++)
        if (cursor->pieces[cursor->next + i].t_max > *last)
            *last = cursor->pieces[cursor->next + i].t_max;
    return FW_OK;
}

void fw_cursor_skip(struct fw_cursor *cursor)
{
    if (cursor->next < cursor->count)
        cursor->next += group_size(cursor);
}

void fw_cursor_hold(struct fw_cursor *cursor, bool on)
{
    cursor->holds = on;
    if (cursor->reader == NULL)
        return;
    cursor->reader->holds = on;
    if (!on)
        block_reader_look_away(cursor->reader);
}

void fw_cursor_close(struct fw_cursor *cursor)
{
    if (cursor == NULL)
        return;
    fw_cursor_hold(cursor, false);
    drop_all(cursor);
    reader_pool_give(&cursor->store->readers, cursor->reader);
    cursor_parts_release(&cursor->parts);
    free(cursor->pieces);
    head_snap_release(&cursor->memory);
    free(cursor->t);
    free(cursor->merged);
    free(cursor->tombs);
    free(cursor->kept_t);
    free(cursor);
}
