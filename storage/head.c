/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "storage/head.h"

#include <stdlib.h>
#include <string.h>

#include "storage/base/buf.h"
#include "storage/base/bytes.h"

#define FIRST_CAP 4
#define HOLD_CALLS 1024
#define PACKS_AT_ONCE 64 /* a lock is held for: some tens of microseconds */
#define FETCH_AHEAD 4    /* series: about as long as memory takes */
#define TAIL_MAX ((uint32_t)1 << 24)
#define BLOCKS_MAX ((uint32_t)1 << 24)
#define STRIPE_SHIFT 6 /* neighbours share a lock: batches run over them */

fw_rc head_init(struct head *h, uint32_t max_series)
{
    memset(h, 0, sizeof(*h));
    for (size_t i = 0; i < HEAD_STRIPES; i++)
        (void)pthread_mutex_init(&h->locks[i], NULL);
    (void)pthread_mutex_init(&h->grow_lock, NULL);
    /* Ids never come again, so there are more of them than series. The table
     * takes address space, and memory where ids have been. */
    h->states_max = UINT32_MAX / HEAD_STATES + 1;
    h->groups_max = (size_t)max_series / HEAD_STATES * 2 + 16;
    h->states = calloc(h->states_max, sizeof(*h->states));
    atomic_init(&h->newest, INT64_MIN);
    return h->states == NULL ? FW_ENOMEM : FW_OK;
}

void head_drop_memory(struct head_series *s)
{
    if (s->data != NULL)
        head_area_unref(head_area(s), s->area_bytes);
    free(s->data);
    head_column_unref(s->column);
    free(s->late);
    free(s->blocks);
    s->data = NULL;
    s->column = NULL;
    s->late = NULL;
    s->blocks = NULL;
    s->block_cap = 0;
    s->tail_cap = 0;
    s->area_bytes = 0;
}

void head_release(struct head *h)
{
    for (size_t c = 0; h->states != NULL && c < atomic_load(&h->groups_used);
         c++) {
        struct head_series *states = atomic_load(&h->states[c]);

        if (states == NULL || head_is_gone(states))
            continue;
        for (size_t i = 0; i < HEAD_STATES; i++)
            head_drop_memory(&states[i]);
        free(states);
    }
    head_retire_release(h);
    free(h->states);
    h->states = NULL;
    head_recent_release(&h->recent);
    head_packer_release(&h->packer);
    for (size_t i = 0; i < HEAD_STRIPES; i++)
        (void)pthread_mutex_destroy(&h->locks[i]);
    (void)pthread_mutex_destroy(&h->grow_lock);
}

struct head_series *head_get(const struct head *h, uint32_t id)
{
    size_t c = id / HEAD_STATES;
    struct head_series *chunk;

    if (c >= h->states_max)
        return NULL;
    chunk = atomic_load_explicit(&h->states[c], memory_order_acquire);
    return chunk == NULL || head_is_gone(chunk) ? NULL
                                                : &chunk[id % HEAD_STATES];
}

static fw_rc make_group(struct head *h, size_t c)
{
    struct head_series *states;

    if (atomic_load(&h->groups) >= h->groups_max)
        return FW_ETOOBIG;
    states = calloc(HEAD_STATES, sizeof(*states));
    if (states == NULL)
        return FW_ENOMEM;
    (void)atomic_fetch_add(&h->groups, 1);
    if (atomic_load(&h->groups_used) <= c)
        atomic_store(&h->groups_used, c + 1);
    atomic_store_explicit(&h->states[c], states, memory_order_release);
    return FW_OK;
}

fw_rc head_make(struct head *h, uint32_t id)
{
    size_t c = id / HEAD_STATES;
    struct head_series *s;
    fw_rc rc = FW_OK;

    (void)pthread_mutex_lock(&h->grow_lock);
    if (atomic_load(&h->states[c]) == NULL)
        rc = make_group(h, c);
    s = head_get(h, id);
    if (rc == FW_OK && (s == NULL || s->retired))
        rc = FW_NONE;
    if (rc == FW_OK)
        s->made = true;
    (void)pthread_mutex_unlock(&h->grow_lock);
    return rc;
}

static pthread_mutex_t *stripe(struct head *h, uint32_t id)
{
    return &h->locks[(id >> STRIPE_SHIFT) % HEAD_STRIPES];
}

void head_lock(struct head *h, uint32_t id)
{
    (void)pthread_mutex_lock(stripe(h, id));
}

void head_unlock(struct head *h, uint32_t id)
{
    (void)pthread_mutex_unlock(stripe(h, id));
}

uint32_t head_limit(const struct head *h)
{
    size_t ids = atomic_load(&h->groups_used) * HEAD_STATES;

    return ids < UINT32_MAX ? (uint32_t)ids : UINT32_MAX;
}

size_t head_lower_bound(const fw_ms *t, size_t n, fw_ms at)
{
    size_t low = 0;

    while (n > 0) {
        size_t half = n / 2;

        if (t[low + half] < at) {
            low += half + 1;
            n -= half + 1;
        } else {
            n = half;
        }
    }
    return low;
}

/* ---- Holding a lock ---------------------------------------------------------
 */

static void see_newest(struct head *h, fw_ms t)
{
    int64_t seen = atomic_load_explicit(&h->newest, memory_order_relaxed);

    while (t > seen && !atomic_compare_exchange_weak(&h->newest, &seen, t))
        ;
}

void head_let_go(struct head_hold *hold)
{
    struct head *h = hold->head;

    if (hold->lock == NULL)
        return;
    (void)pthread_mutex_unlock(hold->lock);
    if (hold->shown > 0) {
        see_newest(h, hold->newest);
        (void)atomic_fetch_add_explicit(&h->samples, hold->shown,
                                        memory_order_relaxed);
    }
    hold->lock = NULL;
    hold->calls = 0;
    hold->shown = 0;
}

void head_hold_release(struct head_hold *hold)
{
    head_let_go(hold);
    free(hold->tails);
    hold->tails = NULL;
    hold->tail_count = 0;
    hold->tail_cap = 0;
}

/* A reader that waits for the lock gets it after so many samples at most. */
static void hold_series(struct head_hold *hold, uint32_t id)
{
    pthread_mutex_t *lock = stripe(hold->head, id);

    if (lock != hold->lock || ++hold->calls > HOLD_CALLS) {
        head_let_go(hold);
        (void)pthread_mutex_lock(lock);
        hold->lock = lock;
    }
}

/* ---- Staging --------------------------------------------------------------
 */

static bool set_tail_cap(struct head_series *s, uint32_t cap)
{
    size_t tail_bytes = (size_t)cap * sizeof(uint64_t);
    char *data = malloc(tail_bytes + s->area_bytes);

    if (data == NULL)
        return false;
    if (s->tail_n > 0)
        memcpy(data, s->data, s->tail_n * sizeof(uint64_t));
    if (s->area_bytes > 0)
        memcpy(data + tail_bytes, head_area(s), s->area_bytes);
    free(s->data);
    s->data = data;
    s->tail_cap = cap;
    return true;
}

static fw_ms newest_staged(const struct head_series *s)
{
    return s->staged > 0
               ? s->column->t[s->column_at + s->tail_n + s->staged - 1]
               : s->newest;
}

/* Promises room in the tail, and has the time there already. */
static enum head_verdict reserve(struct head *h, struct head_series *s, fw_ms t)
{
    uint32_t need = s->tail_n + s->staged + 1;
    uint32_t cap = s->tail_cap == 0 ? FIRST_CAP : s->tail_cap;

    if (need > TAIL_MAX)
        return HEAD_NO_MEMORY;
    while (cap < need)
        cap *= 2;
    if (need > FIRST_CAP && cap < HEAD_TAIL)
        cap = HEAD_TAIL;
    if (cap != s->tail_cap && !set_tail_cap(s, cap))
        return HEAD_NO_MEMORY;
    if (need == 1)
        s->column_at = 0;
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
    *bits = head_tail(s)[at];
    return true;
}

static enum head_verdict stage_locked(struct head *h, struct head_series *s,
                                      fw_ms t, uint64_t bits, fw_ms window,
                                      bool asked)
{
    bool any = (s->flags & HEAD_HAS_SAMPLES) != 0 || s->staged > 0;
    fw_ms newest = any ? newest_staged(s) : 0;
    uint64_t there = 0;

    if (!any || t > newest)
        return reserve(h, s, t);
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
    hold_series(hold, id);
    if (!s->made)
        return HEAD_NO_SERIES; /* it has just been retired */
    return stage_locked(hold->head, s, t, bits, window, asked);
}

void head_unstage(struct head_hold *hold, uint32_t id)
{
    struct head_series *s = head_get(hold->head, id);

    hold_series(hold, id);
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

/* A full tail is noted, to be packed when nobody waits. */
static void note_tail(struct head_hold *hold, const struct head_series *s,
                      uint32_t id)
{
    if (s->tail_n % HEAD_TAIL != 0 ||
        fw_grow(&hold->tails, &hold->tail_cap, hold->tail_count + 1,
                sizeof(*hold->tails), SIZE_MAX / sizeof(*hold->tails)) != FW_OK)
        return;
    hold->tails[hold->tail_count++] = id;
}

static enum head_verdict apply_locked(struct head_hold *hold,
                                      struct head_series *s, uint32_t id,
                                      fw_ms t, uint64_t bits, uint64_t seq)
{
    bool any = (s->flags & HEAD_HAS_SAMPLES) != 0;
    uint64_t there = 0;

    if (!any || t > s->newest) {
        FW_ASSERT(s->staged > 0 && s->column->t[s->column_at + s->tail_n] == t);
        count_in(s, t, seq);
        s->staged--;
        head_tail(s)[s->tail_n++] = bits;
        note_tail(hold, s, id);
        return HEAD_ACCEPTED;
    }
    FW_ASSERT(s->late != NULL && s->late->staged > 0);
    s->late->staged--;
    if (find_in_memory(s, t, &there))
        return there == bits ? HEAD_DUPLICATE : HEAD_CONFLICT;
    count_in(s, t, seq);
    apply_late(s, t, bits);
    return HEAD_ACCEPTED;
}

enum head_verdict head_apply(struct head_hold *hold, uint32_t id, fw_ms t,
                             uint64_t bits, uint64_t seq)
{
    struct head_series *s = head_get(hold->head, id);
    enum head_verdict verdict;

    hold_series(hold, id);
    verdict = apply_locked(hold, s, id, t, bits, seq);
    if (verdict != HEAD_ACCEPTED)
        return verdict;
    if (hold->shown++ == 0 || t > hold->newest)
        hold->newest = t;
    return HEAD_ACCEPTED;
}

/* ---- Packing --------------------------------------------------------------
 */

/* Samples up to the last big chunk. */
static uint32_t settled_in(const struct head_series *s)
{
    struct head_chunk chunk;
    uint32_t samples = 0, settled = 0;

    for (size_t at = 0; at < s->area_bytes;) {
        at = head_chunk_get(head_area(s), at, &chunk);
        samples += chunk.n;
        settled = chunk.n == HEAD_CHUNK_SAMPLES ? samples : settled;
    }
    return settled;
}

static int64_t full_samples(const struct head_series *s)
{
    return s->settled / HEAD_BLOCK_SAMPLES * HEAD_BLOCK_SAMPLES;
}

/* The chunks that stay, then the fresh ones, behind an empty tail. */
static bool take_fresh(struct head_series *s, const struct head_packer *p,
                       size_t keep)
{
    size_t tail_bytes = HEAD_TAIL * sizeof(uint64_t);
    char *data = malloc(tail_bytes + keep + p->fresh_bytes);

    if (data == NULL)
        return false;
    if (keep > 0)
        memcpy(data + tail_bytes, head_area(s), keep);
    memcpy(data + tail_bytes + keep, p->fresh, p->fresh_bytes);
    head_area_unref(head_area(s) + keep, s->area_bytes - keep);
    free(s->data);
    s->data = data;
    s->tail_cap = HEAD_TAIL;
    s->area_bytes = (uint32_t)(keep + p->fresh_bytes);
    return true;
}

/* Packs the tail of a series; where there is no memory it stays. */
static void pack_locked(struct head *h, struct head_series *s)
{
    struct head_packer *p = &h->packer;
    int64_t full = full_samples(s);
    size_t keep = 0;

    if (s->tail_n < HEAD_TAIL || s->staged > 0 ||
        head_pack(p, head_area(s), s->area_bytes, s->column, s->column_at,
                  head_tail(s), s->tail_n, &s->hint, &keep) != FW_OK)
        return;
    if (!take_fresh(s, p, keep)) {
        head_area_unref(p->fresh, p->fresh_bytes);
        return;
    }
    s->packed += s->tail_n;
    s->tail_n = 0;
    s->settled = settled_in(s);
    head_column_unref(s->column);
    s->column = NULL;
    full = full_samples(s) - full;
    if (full != 0)
        (void)atomic_fetch_add_explicit(&h->full, full, memory_order_relaxed);
}

void head_pack_tails(struct head_hold *hold)
{
    for (size_t i = 0; i < hold->tail_count; i++) {
        if (i % PACKS_AT_ONCE == 0)
            head_let_go(hold);
        hold_series(hold, hold->tails[i]);
        pack_locked(hold->head, head_get(hold->head, hold->tails[i]));
    }
    head_let_go(hold);
    hold->tail_count = 0;
}

/* ---- Blocks ---------------------------------------------------------------
 */

static void add_ref(struct head_series *s, const struct block_ref *ref)
{
    uint32_t at = s->block_count;

    while (at > 0 && s->blocks[at - 1].t_min > ref->t_min)
        at--;
    memmove(s->blocks + at + 1, s->blocks + at,
            (s->block_count - at) * sizeof(*s->blocks));
    s->blocks[at] = *ref;
    if (s->block_count == 0 || ref->t_max > s->sealed_max)
        s->sealed_max = ref->t_max;
    s->block_count++;
    if ((s->flags & HEAD_HAS_SAMPLES) == 0) {
        s->flags |= HEAD_HAS_SAMPLES;
        s->oldest = ref->t_min;
        s->newest = ref->t_max;
    }
    s->oldest = ref->t_min < s->oldest ? ref->t_min : s->oldest;
    s->newest = ref->t_max > s->newest ? ref->t_max : s->newest;
}

/* Drops late samples whose time is among t[0..n); both are sorted. */
static size_t drop_late(struct head_series *s, const fw_ms *t, size_t n)
{
    struct head_late *late = s->late;
    uint32_t kept = 0, had;

    if (late == NULL)
        return 0;
    had = late->n;
    for (size_t i = 0, j = 0; i < had; i++) {
        while (j < n && t[j] < late->items[i].t)
            j++;
        if (j == n || t[j] != late->items[i].t)
            late->items[kept++] = late->items[i];
    }
    late->n = kept;
    if (kept == 0 && late->staged == 0) {
        free(late);
        s->late = NULL;
    }
    return had - kept;
}

/* What is left of a chunk without its first `cut` samples, as a chunk. */
static fw_rc cut_chunk(const struct head_chunk *chunk, size_t cut,
                       char room[HEAD_CHUNK_HEADER + HEAD_VALUES_ROOM],
                       struct fw_str *out)
{
    uint8_t packed[HEAD_VALUES_ROOM];
    fw_ms t[HEAD_CHUNK_SAMPLES];
    double v[HEAD_CHUNK_SAMPLES];
    struct head_times *times;
    size_t bytes;

    head_times_get(chunk->times, t);
    head_chunk_values(chunk, v);
    times = head_times_new(t + cut, chunk->n - cut);
    if (times == NULL)
        return FW_ENOMEM;
    bytes = values_encode(v + cut, chunk->n - cut, NULL, packed);
    *out = (struct fw_str){room, head_chunk_put(room, times, packed, bytes)};
    return FW_OK;
}

void head_fetch_ahead(struct head *h, uint32_t id)
{
    uint32_t next = id + FETCH_AHEAD;
    const struct head_series *s =
        stripe(h, next) == stripe(h, id) ? head_get(h, next) : NULL;

    if (s == NULL || s->data == NULL)
        return;
    for (size_t at = 0; at < s->area_bytes + 64; at += 64)
        __builtin_prefetch(s->data + (size_t)s->tail_cap * 8 + at);
}

/* Gives back what a series without samples does not need. */
static void empty_series(struct head_series *s)
{
    free(s->data);
    s->data = NULL;
    s->tail_cap = 0;
    head_column_unref(s->column);
    s->column = NULL;
    s->column_at = 0;
}

/* The same of all of them, where no commit has been promised room. */
static void empty_run(struct head_series *s)
{
    head_area_unref(head_area(s), s->area_bytes);
    s->area_bytes = 0;
    s->packed = 0;
    s->settled = 0;
    s->tail_n = 0;
    empty_series(s);
}

/*
 * Drops the oldest `run` samples of chunks and tail. Since they were copied
 * chunks may have been packed together, so the end may lie inside of one.
 */
static fw_rc drop_run(struct head_series *s, size_t run)
{
    char room[HEAD_CHUNK_HEADER + HEAD_VALUES_ROOM];
    struct fw_str cut = {room, 0};
    struct head_chunk chunk;
    uint32_t left = (uint32_t)run, tail_cut;
    size_t at = 0, next = 0;
    char *old, *data;
    size_t tail_bytes, rest;

    if (run == (size_t)s->packed + s->tail_n && s->staged == 0) {
        empty_run(s);
        return FW_OK;
    }

    while (left > 0 && at < s->area_bytes) {
        next = head_chunk_get(head_area(s), at, &chunk);
        if (chunk.n > left)
            break;
        left -= chunk.n;
        at = next;
    }
    tail_cut = at == s->area_bytes ? left : 0;
    if (left > 0 && tail_cut == 0) {
        if (cut_chunk(&chunk, left, room, &cut) != FW_OK)
            return FW_ENOMEM;
    } else {
        next = at;
    }
    FW_ASSERT(tail_cut <= s->tail_n);
    rest = s->area_bytes - next;
    tail_bytes = (size_t)s->tail_cap * sizeof(uint64_t);
    data = malloc(tail_bytes + cut.n + rest);
    if (data == NULL) {
        head_area_unref(cut.p, cut.n);
        return FW_ENOMEM;
    }
    old = head_area(s);
    if (s->tail_n > tail_cut)
        memcpy(data, head_tail(s) + tail_cut,
               (s->tail_n - tail_cut) * sizeof(uint64_t));
    if (cut.n > 0)
        memcpy(data + tail_bytes, cut.p, cut.n);
    if (rest > 0)
        memcpy(data + tail_bytes + cut.n, old + next, rest);
    head_area_unref(old, next);
    free(s->data);
    s->data = data;
    s->area_bytes = (uint32_t)(cut.n + rest);
    s->packed -= (uint32_t)run - tail_cut;
    s->tail_n -= tail_cut;
    s->column_at += tail_cut;
    s->settled = settled_in(s);
    return FW_OK;
}

fw_rc head_publish(struct head *h, uint32_t id, const struct block_ref *refs,
                   size_t ref_count, const struct head_leaving *leaving)
{
    struct head_series *s = head_get(h, id);
    uint32_t before;
    size_t cap, gone;
    int64_t full;
    fw_rc rc;

    head_lock(h, id);
    head_fetch_ahead(h, id);
    cap = s->block_cap;
    full = full_samples(s);
    before = head_count(s);
    rc = fw_grow(&s->blocks, &cap, s->block_count + ref_count,
                 sizeof(*s->blocks), BLOCKS_MAX);
    s->block_cap = (uint32_t)cap;
    if (rc == FW_OK && leaving != NULL && leaving->run > 0)
        rc = drop_run(s, leaving->run);
    if (rc == FW_OK) {
        for (size_t i = 0; i < ref_count; i++)
            add_ref(s, &refs[i]);
        if (leaving != NULL)
            (void)drop_late(s, leaving->t, leaving->n);
        if (leaving != NULL)
            s->saved -=
                (uint32_t)(leaving->run < s->saved ? leaving->run : s->saved);
        if (s->saved == 0)
            s->ring_first = 0;
        if ((s->flags & HEAD_LEAVES) != 0)
            s->seq_first = h->leaving_seq;
        s->flags &= (uint8_t)~HEAD_LEAVES;
        if (head_count(s) == 0 && s->staged == 0)
            empty_series(s);
    }
    gone = before - head_count(s);
    full -= full_samples(s);
    head_unlock(h, id);
    (void)atomic_fetch_sub_explicit(&h->samples, gone, memory_order_relaxed);
    (void)atomic_fetch_sub_explicit(&h->full, full, memory_order_relaxed);
    for (size_t i = 0; i < ref_count; i++)
        see_newest(h, refs[i].t_max);
    return rc;
}

void head_stays(struct head *h, uint32_t id)
{
    head_lock(h, id);
    head_get(h, id)->flags &= (uint8_t)~HEAD_LEAVES;
    head_unlock(h, id);
}

/* INT64_MAX if there is nothing. */
static fw_ms oldest_in_memory(const struct head_series *s)
{
    struct head_chunk chunk;
    fw_ms oldest = INT64_MAX;

    if (s->area_bytes > 0) {
        (void)head_chunk_get(head_area(s), 0, &chunk);
        oldest = chunk.times->first;
    } else if (s->tail_n > 0) {
        oldest = s->column->t[s->column_at];
    }
    if (head_late_count(s) > 0 && s->late->items[0].t < oldest)
        oldest = s->late->items[0].t;
    return oldest;
}

static void forget_locked(struct head_series *s, uint16_t part)
{
    uint32_t kept = 0;
    fw_ms oldest;

    for (uint32_t i = 0; i < s->block_count; i++)
        if (s->blocks[i].part != part)
            s->blocks[kept++] = s->blocks[i];
    if (kept == s->block_count)
        return;
    s->block_count = kept;
    oldest = oldest_in_memory(s);
    if (kept > 0 && s->blocks[0].t_min < oldest)
        oldest = s->blocks[0].t_min;
    if (kept > 0 || head_count(s) > 0)
        s->oldest = oldest;
}

fw_rc head_reserve_blocks(struct head *h, uint32_t id, size_t more)
{
    struct head_series *s = head_get(h, id);
    size_t cap;
    fw_rc rc;

    head_lock(h, id);
    cap = s->block_cap;
    rc = fw_grow(&s->blocks, &cap, s->block_count + more, sizeof(*s->blocks),
                 UINT32_MAX);
    if (rc == FW_OK)
        s->block_cap = (uint32_t)cap;
    head_unlock(h, id);
    return rc;
}

static bool among(uint16_t part, const uint16_t *parts, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (parts[i] == part)
            return true;
    return false;
}

void head_replace_blocks(struct head *h, uint32_t id, const uint16_t *parts,
                         size_t part_count, const struct block_ref *refs,
                         size_t ref_count)
{
    struct head_series *s = head_get(h, id);
    uint32_t kept = 0;

    head_lock(h, id);
    for (uint32_t i = 0; i < s->block_count; i++)
        if (!among(s->blocks[i].part, parts, part_count))
            s->blocks[kept++] = s->blocks[i];
    s->block_count = kept;
    FW_ASSERT(kept + ref_count <= s->block_cap);
    for (size_t i = 0; i < ref_count; i++)
        add_ref(s, &refs[i]);
    head_unlock(h, id);
}

void head_forget_part(struct head *h, uint16_t part)
{
    uint32_t limit = head_limit(h);

    for (uint32_t id = 0; id < limit; id++) {
        struct head_series *s = head_get(h, id);

        if (s == NULL)
            continue;
        head_lock(h, id);
        forget_locked(s, part);
        head_unlock(h, id);
    }
}

uint64_t head_oldest_seq(struct head *h)
{
    uint32_t limit = head_limit(h);
    uint64_t oldest = UINT64_MAX;

    for (uint32_t id = 0; id < limit; id++) {
        struct head_series *s = head_get(h, id);

        if (s == NULL)
            continue;
        head_lock(h, id);
        if (head_count(s) > 0) {
            uint64_t seq =
                (s->flags & HEAD_LEAVES) != 0 ? h->leaving_seq : s->seq_first;

            oldest = seq < oldest ? seq : oldest;
        }
        head_unlock(h, id);
    }
    return oldest;
}

/* ---- Checkpoints ----------------------------------------------------------
 */

void head_saved(struct head *h, uint32_t id, uint32_t ring, bool all,
                uint32_t run, uint64_t seq_next)
{
    struct head_series *s = head_get(h, id);

    head_lock(h, id);
    s->saved = run;
    if (all || s->ring_first == 0)
        s->ring_first = ring;
    s->seq_first = seq_next;
    head_unlock(h, id);
}

uint64_t head_oldest_ring(struct head *h)
{
    uint32_t limit = head_limit(h);
    uint64_t oldest = UINT64_MAX;

    for (uint32_t id = 0; id < limit; id++) {
        const struct head_series *s = head_get(h, id);

        /* Only the sealing thread, which asks, changes it. */
        if (s != NULL && s->ring_first != 0 && s->ring_first < oldest)
            oldest = s->ring_first;
    }
    return oldest;
}

/*
 * Where a chunk that begins at `first` goes: chunks from there on, *samples of
 * them, are in it, since it was packed from them and what came next. False if
 * it begins inside of one, or of a block.
 */
static bool find_place(const struct head_series *s, fw_ms first, size_t *place,
                       uint32_t *samples)
{
    struct head_chunk chunk;

    if (s->block_count > 0 && first <= s->sealed_max)
        return false;
    *samples = 0;
    *place = s->area_bytes;
    for (size_t at = 0; at < s->area_bytes;) {
        size_t next = head_chunk_get(head_area(s), at, &chunk);

        if (*samples == 0 && chunk.times->first < first) {
            if (chunk.times->last >= first)
                return false;
        } else {
            *place = *samples == 0 ? at : *place;
            *samples += chunk.n;
        }
        at = next;
    }
    return true;
}

fw_rc head_restore(struct head *h, uint32_t id, const struct head_chunk *chunk,
                   uint32_t ring, uint64_t seq_next)
{
    char room[HEAD_CHUNK_HEADER + HEAD_VALUES_ROOM];
    struct head_series *s = head_get(h, id);
    bool any = (s->flags & HEAD_HAS_SAMPLES) != 0;
    int64_t full = full_samples(s);
    struct fw_str bytes = {room, 0};
    fw_ms first = chunk->times->first, last = chunk->times->last;
    size_t n = chunk->n, cut = 0, place = s->area_bytes;
    uint32_t replaced = 0;
    fw_ms t[HEAD_CHUNK_SAMPLES];
    char *data;

    if (any && last <= s->newest)
        return FW_OK;
    if (any && first <= s->newest && !find_place(s, first, &place, &replaced)) {
        place = s->area_bytes;
        replaced = 0;
        head_times_get(chunk->times, t);
        cut = head_lower_bound(t, n, s->newest + 1);
        first = t[cut];
        if (cut_chunk(chunk, cut, room, &bytes) != FW_OK)
            return FW_ENOMEM;
    } else {
        bytes.n = head_chunk_put(room, head_times_ref(chunk->times),
                                 chunk->values, chunk->bytes);
    }
    data = malloc(place + bytes.n); /* there is no tail yet */
    if (data == NULL) {
        head_area_unref(bytes.p, bytes.n);
        return FW_ENOMEM;
    }
    if (place > 0)
        memcpy(data, s->data, place);
    memcpy(data + place, bytes.p, bytes.n);
    if (place < s->area_bytes)
        head_area_unref(s->data + place, s->area_bytes - place);
    free(s->data);
    s->data = data;
    s->area_bytes = (uint32_t)(place + bytes.n);
    s->packed += (uint32_t)(n - cut) - replaced;
    s->settled = settled_in(s);
    s->saved = s->packed;
    s->ring_first = s->ring_first == 0 ? ring : s->ring_first;
    s->seq_first = seq_next;
    s->oldest = any && s->oldest < first ? s->oldest : first;
    s->newest = last;
    s->flags |= HEAD_HAS_SAMPLES;
    (void)atomic_fetch_add(&h->samples, n - cut - replaced);
    (void)atomic_fetch_add(&h->full, full_samples(s) - full);
    see_newest(h, last);
    return FW_OK;
}

bool head_overlaps(struct head *h, uint32_t id, fw_ms from, fw_ms to)
{
    struct head_series *s = head_get(h, id);
    bool overlaps = false;

    if (s == NULL)
        return false;
    head_lock(h, id);
    if ((s->flags & HEAD_HAS_SAMPLES) != 0 &&
        (head_count(s) > 0 || s->block_count > 0))
        overlaps = s->oldest <= to && s->newest >= from;
    head_unlock(h, id);
    return overlaps;
}
