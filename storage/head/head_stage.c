/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * head_stage.c - samples come: staged before their commit, shown after it.
 *
 * Nearly all of them are the newest of their series, at a time that its column
 * has from a neighbour. Those go by runs, in the short functions; whatever is
 * unusual about one goes the long way, sample by sample.
 */
#include "storage/head/head_parts.h"

#include <stdlib.h>
#include <string.h>

#include "storage/base/bytes.h"

#define FIRST_CAP 4
#define GROW_STEP 64    /* samples that a plain tail grows by: a power of two */
#define GROW_LARGE 1024 /* from here on it grows by a share: who sends so */
#define GROW_SHARE 8    /* fast has sealing behind, and moves it less often */
#define TAIL_MAX ((uint32_t)1 << 24)
#define FETCH_AHEAD 6  /* samples: about as long as memory takes */
#define COLUMN_OLD 512 /* times before the tail: then it gets another one */

/* ---- Staging --------------------------------------------------------------
 */

static fw_ms newest_staged(const struct head_series *s)
{
    return s->staged > 0
               ? s->column->t[s->column_at + s->tail_n + s->staged - 1]
               : s->newest;
}

/*
 * Columns grow as long as a series is at them. One whose older samples have
 * left goes on with a column that begins at its tail; neighbours, whose tails
 * begin at the same time, find the same.
 */
static bool renew_column(struct head *h, struct head_series *s)
{
    const fw_ms *t = s->column->t + s->column_at;
    struct head_column *column = NULL;

    for (uint32_t i = 0; i < s->tail_n + s->staged; i++)
        if (!head_column_take(&column, &h->recent, i, t[i])) {
            head_column_unref(column);
            return false;
        }
    head_column_unref(s->column);
    s->column = column;
    s->column_at = 0;
    return true;
}

/*
 * The room of a plain tail for so many. Series that came together need more at
 * one time; they do not get it at one time, but by their stripes.
 */
static uint32_t plain_cap(uint32_t id, uint32_t need)
{
    uint32_t step = GROW_STEP, first = (id >> HEAD_STRIPE_SHIFT) % GROW_STEP;

    if (need <= HEAD_TAIL)
        return need <= FIRST_CAP ? FIRST_CAP : HEAD_TAIL;
    while (need > GROW_LARGE && step < need / GROW_SHARE)
        step *= 2;
    return need + (first - need) % step;
}

/* Room in a plain tail, which it may become by that. */
static bool reserve_plain(struct head *h, struct head_series *s, uint32_t id,
                          uint32_t need)
{
    if (need > TAIL_MAX)
        return false;
    if (s->tail_form != 0 && need < HEAD_TAIL)
        need = HEAD_TAIL;
    return (s->tail_form == 0 && need <= s->tail_cap) ||
           head_set_tail_cap(h, s, plain_cap(id, need));
}

static bool reserve_narrow(struct head_series *s, uint32_t need, uint64_t bits)
{
    return s->tail_form != 0 && need <= s->tail_cap &&
           head_narrow_put(s, need - 1, bits);
}

/* Promises room in the tail, and has the time there already. */
static enum head_verdict reserve(struct head_hold *hold, struct head_series *s,
                                 uint32_t id, fw_ms t, uint64_t bits)
{
    struct head *h = hold->head;
    uint32_t need = s->tail_n + s->staged + 1;

    if (need > s->tail_cap) {
        head_pack_tail(hold, s, id);
        need = s->tail_n + s->staged + 1;
    }
    if (!reserve_narrow(s, need, bits) && !reserve_plain(h, s, id, need))
        return HEAD_NO_MEMORY;
    if (need == 1)
        s->column_at = 0;
    else if (s->column_at >= COLUMN_OLD && !renew_column(h, s))
        return HEAD_NO_MEMORY;
    if (!head_column_take(&s->column, &h->recent, s->column_at + need - 1, t))
        return HEAD_NO_MEMORY;
    s->staged++;
    return HEAD_ACCEPTED;
}

static enum head_verdict reserve_late(struct head_series *s)
{
    uint32_t need = s->late != NULL ? s->late->n + s->late->staged + 1 : 1;
    uint32_t cap = s->late != NULL ? s->late->cap : FIRST_CAP;
    struct head_late *late = s->late;

    while (cap < need)
        cap *= 2;
    if (need > TAIL_MAX)
        return HEAD_NO_MEMORY;
    if (late == NULL || cap != late->cap) {
        late = realloc(s->late, sizeof(*late) + cap * sizeof(late->items[0]));
        if (late == NULL)
            return HEAD_NO_MEMORY;
        if (s->late == NULL)
            *late = (struct head_late){0};
        late->cap = cap;
        s->late = late;
    }
    late->staged++;
    return HEAD_LATE;
}

static bool block_spans(const struct head_series *s, fw_ms t)
{
    for (uint32_t i = s->block_count; i > 0; i--)
        if (s->blocks[i - 1].t_min <= t && t <= s->blocks[i - 1].t_max)
            return true;
    return false;
}

static uint32_t late_bound(const struct head_late *late, fw_ms t)
{
    uint32_t low = 0, n = late->n;

    while (n > 0) {
        uint32_t half = n / 2;

        if (late->items[low + half].t < t) {
            low += half + 1;
            n -= half + 1;
        } else {
            n = half;
        }
    }
    return low;
}

static bool in_chunks(const struct head_series *s, fw_ms t, uint64_t *bits)
{
    fw_ms times[HEAD_CHUNK_SAMPLES];
    double values[HEAD_CHUNK_SAMPLES];
    struct head_chunk chunk;
    size_t i;

    for (size_t at = 0; at < s->area_bytes;) {
        at = head_chunk_get(head_area(s), at, &chunk);
        if (t < chunk.times->first || t > chunk.times->last)
            continue;
        head_times_get(chunk.times, times);
        i = head_lower_bound(times, chunk.n, t);
        if (times[i] != t)
            return false;
        head_chunk_values(&chunk, values);
        *bits = fw_double_bits(values[i]);
        return true;
    }
    return false;
}

/* The bits of the sample in memory that has this time, if there is one. */
static bool find_in_memory(const struct head_series *s, fw_ms t, uint64_t *bits)
{
    const fw_ms *times = s->tail_n > 0 ? s->column->t + s->column_at : NULL;
    size_t at;

    if (s->late != NULL) {
        at = late_bound(s->late, t);
        if (at < s->late->n && s->late->items[at].t == t) {
            *bits = s->late->items[at].bits;
            return true;
        }
    }
    if (times == NULL || t < times[0])
        return in_chunks(s, t, bits);
    at = head_lower_bound(times, s->tail_n, t);
    if (at == s->tail_n || times[at] != t)
        return false;
    head_tail_get(s, at, 1, bits);
    return true;
}

static enum head_verdict stage_locked(struct head_hold *hold,
                                      struct head_series *s, uint32_t id,
                                      fw_ms t, uint64_t bits, fw_ms window,
                                      bool asked)
{
    bool any = (s->flags & HEAD_HAS_SAMPLES) != 0 || s->staged > 0;
    fw_ms newest = any ? newest_staged(s) : 0;
    uint64_t there = 0;

    if (!any || t > newest)
        return reserve(hold, s, id, t, bits);
    if (find_in_memory(s, t, &there))
        return there == bits ? HEAD_DUPLICATE : HEAD_CONFLICT;
    if (!asked && s->block_count > 0 && t <= s->sealed_max && block_spans(s, t))
        return HEAD_ASK_DISK;
    /* Unsigned, because the distance of two int64 needs 64 bits. */
    if (window >= 0 && (uint64_t)newest - (uint64_t)t > (uint64_t)window)
        return HEAD_TOO_OLD;
    return reserve_late(s);
}

enum head_verdict head_stage(struct head_hold *hold, uint32_t id, fw_ms t,
                             uint64_t bits, fw_ms window, bool asked)
{
    struct head_series *s = head_get(hold->head, id);

    if (s == NULL)
        return HEAD_NO_SERIES;
    head_hold_series(hold, id);
    if (!s->made)
        return HEAD_NO_SERIES; /* it has just been retired */
    return stage_locked(hold, s, id, t, bits, window, asked);
}

/* The same, if nothing is to be thought about. */
static inline bool stage_next(struct head_series *s, fw_ms t, double v)
{
    struct head_column *c = s->column;
    uint32_t before = s->tail_n + s->staged;
    uint32_t at = s->column_at + before;

    if (before == 0 || before >= s->tail_cap || s->column_at >= COLUMN_OLD ||
        !s->defined || t <= c->t[at - 1])
        return false;
    if (at < c->n ? c->t[at] != t : at >= c->cap)
        return false;
    if (s->tail_form != 0 && !head_narrow_put(s, before, fw_double_bits(v)))
        return false;
    if (at == c->n)
        c->t[c->n++] = t;
    s->staged++;
    return true;
}

/*
 * Fetches the base of a narrow tail some samples ahead, which is what staging
 * waits for otherwise; as long as the lock that is held is its lock too.
 */
static inline void fetch_ahead(struct head *h, const uint32_t *ids, size_t i,
                               size_t n)
{
    const struct head_series *s;

    if (i + FETCH_AHEAD >= n ||
        head_stripe(h, ids[i + FETCH_AHEAD]) != head_stripe(h, ids[i]))
        return;
    s = head_get(h, ids[i + FETCH_AHEAD]);
    if (s != NULL && s->tail_form != 0)
        __builtin_prefetch(s->data, 1);
}

size_t head_stage_run(struct head_hold *hold, const uint32_t *ids,
                      const fw_ms *t, const double *v, size_t n, fw_ms from,
                      fw_ms to)
{
    size_t i;

    for (i = 0; i < n; i++) {
        struct head_series *s = head_get(hold->head, ids[i]);

        if (s == NULL || t[i] < from || t[i] > to)
            break;
        head_hold_series(hold, ids[i]);
        fetch_ahead(hold->head, ids, i, n);
        if (!stage_next(s, t[i], v[i]))
            break;
    }
    return i;
}

void head_unstage(struct head_hold *hold, uint32_t id)
{
    struct head_series *s = head_get(hold->head, id);

    head_hold_series(hold, id);
    s->staged = 0; /* times that stay in the column are nobody's */
    if (s->late != NULL)
        s->late->staged = 0;
}

/* ---- Showing --------------------------------------------------------------
 */

static void count_in(struct head_series *s, fw_ms t, uint64_t seq)
{
    if ((s->flags & HEAD_HAS_SAMPLES) == 0) {
        s->flags |= HEAD_HAS_SAMPLES;
        s->oldest = t;
        s->newest = t;
    }
    s->oldest = t < s->oldest ? t : s->oldest;
    s->newest = t > s->newest ? t : s->newest;
    if (head_count(s) == 0)
        s->seq_first = seq;
}

static void apply_late(struct head_series *s, fw_ms t, uint64_t bits)
{
    struct head_late *late = s->late;
    uint32_t at = late_bound(late, t);

    FW_ASSERT(late->n < late->cap);
    memmove(late->items + at + 1, late->items + at,
            (late->n - at) * sizeof(late->items[0]));
    late->items[at] = (struct head_item){t, bits};
    late->n++;
}

/* A full tail is noted, to be packed when nobody waits; if that may be soon. */
static void note_tail(struct head_hold *hold, uint32_t id)
{
    if (hold->tails == NULL)
        hold->tails = malloc(HEAD_TAILS_NOTED * sizeof(*hold->tails));
    if (hold->tails == NULL ||
        hold->tails_end - hold->tails_begin == HEAD_TAILS_NOTED)
        return;
    hold->tails[hold->tails_end++ % HEAD_TAILS_NOTED] = id;
}

static inline void count_full(struct head_hold *hold,
                              const struct head_series *s, uint32_t id)
{
    uint32_t run = s->packed + s->tail_n, due = head_due(s);

    if (run < due || (run - due) % HEAD_BLOCK_SAMPLES != 0)
        return;
    hold->full += run == due ? due : HEAD_BLOCK_SAMPLES;
    head_mark(hold->head, id);
}

/* Shows a staged sample that is the newest; a narrow tail has it already. */
static inline void append(struct head_hold *hold, struct head_series *s,
                          uint32_t id, fw_ms t, uint64_t bits)
{
    FW_ASSERT(s->column->t[s->column_at + s->tail_n] == t);
    s->staged--;
    s->newest = t;
    if (s->tail_form == 0)
        head_tail(s)[s->tail_n] = bits;
    s->tail_n++;
    if ((s->tail_n & (s->tail_form == 0 ? HEAD_TAIL - 1 : HEAD_NARROW - 1)) ==
        0)
        note_tail(hold, id);
    count_full(hold, s, id);
    if (hold->shown++ == 0 || t > hold->newest)
        hold->newest = t;
}

enum head_verdict head_apply(struct head_hold *hold, uint32_t id, fw_ms t,
                             uint64_t bits, uint64_t seq)
{
    struct head_series *s = head_get(hold->head, id);
    uint64_t there = 0;

    head_hold_series(hold, id);
    if ((s->flags & HEAD_HAS_SAMPLES) == 0 || t > s->newest) {
        FW_ASSERT(s->staged > 0);
        count_in(s, t, seq);
        append(hold, s, id, t, bits);
        return HEAD_ACCEPTED;
    }
    FW_ASSERT(s->late != NULL && s->late->staged > 0);
    s->late->staged--;
    if (find_in_memory(s, t, &there))
        return there == bits ? HEAD_DUPLICATE : HEAD_CONFLICT;
    count_in(s, t, seq);
    apply_late(s, t, bits);
    if (s->late->n >= HEAD_BLOCK_SAMPLES)
        head_mark(hold->head, id);
    if (hold->shown++ == 0 || t > hold->newest)
        hold->newest = t;
    return HEAD_ACCEPTED;
}

size_t head_apply_run(struct head_hold *hold, const uint32_t *ids,
                      const fw_ms *t, const double *v, size_t n, uint64_t seq)
{
    size_t i;

    for (i = 0; i < n; i++) {
        struct head_series *s = head_get(hold->head, ids[i]);

        head_hold_series(hold, ids[i]);
        if (s->staged == 0 || (s->flags & HEAD_HAS_SAMPLES) == 0 ||
            t[i] <= s->newest)
            break;
        if (head_count(s) == 0)
            s->seq_first = seq;
        append(hold, s, ids[i], t[i], fw_double_bits(v[i]));
    }
    return i;
}

/* ---- Both at once -----------------------------------------------------------
 */

#define REPLAY_AHEAD 8 /* series: about as long as memory takes */

/* Where a series has its next sample. */
static inline void fetch_tail(const struct head *h, uint32_t id)
{
    const struct head_series *s = head_get(h, id);

    if (s == NULL || s->data == NULL)
        return;
    __builtin_prefetch(s->data);
    __builtin_prefetch(s->data + head_tail_bytes(s->tail_form, s->tail_n), 1);
}

size_t head_replay_run(struct head_hold *hold, const uint32_t *ids,
                       const fw_ms *t, const double *v, size_t n, uint64_t seq)
{
    size_t i;

    for (i = 0; i < n; i++) {
        struct head_series *s = head_get(hold->head, ids[i]);

        if (i + REPLAY_AHEAD < n)
            fetch_tail(hold->head, ids[i + REPLAY_AHEAD]);
        if (s == NULL || !s->made || (s->ring_first != 0 && seq < s->seq_first))
            break;
        head_hold_series(hold, ids[i]);
        if (!stage_next(s, t[i], v[i]))
            break;
        append(hold, s, ids[i], t[i], fw_double_bits(v[i]));
    }
    return i;
}
