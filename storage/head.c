/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "storage/head.h"

#include <stdlib.h>
#include <string.h>

#define FIRST_CAP 8
#define HOLD_CALLS 1024
#define STRIPE_SHIFT 6 /* neighbours share a lock: batches run over them */

fw_rc head_init(struct head *h, uint32_t max_series)
{
    memset(h, 0, sizeof(*h));
    for (size_t i = 0; i < HEAD_STRIPES; i++)
        (void)pthread_mutex_init(&h->locks[i], NULL);
    (void)pthread_mutex_init(&h->grow_lock, NULL);
    /* Holes in the ids count too, so there is room for some. */
    h->chunk_max = (size_t)max_series / HEAD_CHUNK * 2 + 16;
    h->chunks = calloc(h->chunk_max, sizeof(*h->chunks));
    atomic_init(&h->newest, INT64_MIN);
    return h->chunks == NULL ? FW_ENOMEM : FW_OK;
}

void head_release(struct head *h)
{
    for (size_t c = 0; h->chunks != NULL && c < h->chunk_max; c++) {
        struct head_series *chunk = atomic_load(&h->chunks[c]);

        for (size_t i = 0; chunk != NULL && i < HEAD_CHUNK; i++) {
            free(chunk[i].data);
            free(chunk[i].blocks);
        }
        free(chunk);
    }
    free(h->chunks);
    h->chunks = NULL;
    for (size_t i = 0; i < HEAD_STRIPES; i++)
        (void)pthread_mutex_destroy(&h->locks[i]);
    (void)pthread_mutex_destroy(&h->grow_lock);
}

struct head_series *head_get(const struct head *h, uint32_t id)
{
    size_t c = id / HEAD_CHUNK;
    struct head_series *chunk;

    if (c >= h->chunk_max)
        return NULL;
    chunk = atomic_load_explicit(&h->chunks[c], memory_order_acquire);
    return chunk == NULL ? NULL : &chunk[id % HEAD_CHUNK];
}

fw_rc head_make(struct head *h, uint32_t id)
{
    size_t c = id / HEAD_CHUNK;
    fw_rc rc = FW_OK;

    if (c >= h->chunk_max)
        return FW_ETOOBIG;
    (void)pthread_mutex_lock(&h->grow_lock);
    if (atomic_load(&h->chunks[c]) == NULL) {
        struct head_series *chunk = calloc(HEAD_CHUNK, sizeof(*chunk));

        if (chunk == NULL)
            rc = FW_ENOMEM;
        else
            atomic_store_explicit(&h->chunks[c], chunk, memory_order_release);
    }
    if (rc == FW_OK)
        head_get(h, id)->made = true;
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
    size_t c = h->chunk_max;

    while (c > 0 && atomic_load(&h->chunks[c - 1]) == NULL)
        c--;
    return (uint32_t)(c * HEAD_CHUNK);
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
        (void)atomic_fetch_add_explicit(&h->full, hold->full,
                                        memory_order_relaxed);
    }
    *hold = (struct head_hold){.head = h};
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

/* ---- Writing --------------------------------------------------------------
 */

static bool set_cap(struct head_series *s, uint32_t cap)
{
    char *data = malloc((size_t)cap * (sizeof(fw_ms) + sizeof(uint64_t)));

    if (data == NULL)
        return false;
    if (s->n > 0) {
        memcpy(data, head_times(s), s->n * sizeof(fw_ms));
        memcpy(data + (size_t)cap * sizeof(fw_ms), head_values(s),
               s->n * sizeof(uint64_t));
    }
    free(s->data);
    s->data = data;
    s->cap = cap;
    return true;
}

/* Promises room for one more sample to the running commit. */
static enum head_verdict reserve(struct head_series *s, fw_ms t)
{
    uint32_t need = s->n + s->staged + 1;
    uint32_t cap = s->cap == 0 ? FIRST_CAP : s->cap;

    while (cap < need)
        cap *= 2;
    if (cap != s->cap && !set_cap(s, cap))
        return HEAD_NO_MEMORY;
    if ((s->flags & HEAD_HAS_SAMPLES) == 0 && s->staged == 0)
        s->newest_staged = t;
    if (t > s->newest_staged)
        s->newest_staged = t;
    s->staged++;
    return HEAD_ACCEPTED;
}

static bool block_spans(const struct head_series *s, fw_ms t)
{
    for (uint32_t i = s->block_count; i > 0; i--)
        if (s->blocks[i - 1].t_min <= t && t <= s->blocks[i - 1].t_max)
            return true;
    return false;
}

static enum head_verdict in_memory(const struct head_series *s, fw_ms t,
                                   uint64_t bits)
{
    const fw_ms *times = head_times(s);
    size_t at = head_lower_bound(times, s->n, t);

    if (at == s->n || times[at] != t)
        return HEAD_ACCEPTED;
    return head_values(s)[at] == bits ? HEAD_DUPLICATE : HEAD_CONFLICT;
}

static enum head_verdict stage_locked(struct head_series *s, fw_ms t,
                                      uint64_t bits, fw_ms window, bool asked)
{
    bool any = (s->flags & HEAD_HAS_SAMPLES) != 0 || s->staged > 0;
    enum head_verdict verdict;

    if (!any || t > s->newest_staged)
        return reserve(s, t);
    verdict = s->n > 0 ? in_memory(s, t, bits) : HEAD_ACCEPTED;
    if (verdict != HEAD_ACCEPTED)
        return verdict;
    if (!asked && s->block_count > 0 && t <= s->sealed_max && block_spans(s, t))
        return HEAD_ASK_DISK;
    /* Unsigned, because the distance of two int64 needs 64 bits. */
    if (window >= 0 &&
        (uint64_t)s->newest_staged - (uint64_t)t > (uint64_t)window)
        return HEAD_TOO_OLD;
    return reserve(s, t);
}

enum head_verdict head_stage(struct head_hold *hold, uint32_t id, fw_ms t,
                             uint64_t bits, fw_ms window, bool asked)
{
    struct head_series *s = head_get(hold->head, id);

    if (s == NULL)
        return HEAD_NO_SERIES;
    hold_series(hold, id);
    return stage_locked(s, t, bits, window, asked);
}

void head_unstage(struct head_hold *hold, uint32_t id)
{
    struct head_series *s = head_get(hold->head, id);

    hold_series(hold, id);
    s->staged--;
    if (s->staged == 0)
        s->newest_staged = s->newest;
}

static void count_in(struct head_series *s, fw_ms t, uint64_t seq)
{
    if ((s->flags & HEAD_HAS_SAMPLES) == 0) {
        s->flags |= HEAD_HAS_SAMPLES;
        s->oldest = t;
        s->newest = t;
    }
    s->oldest = t < s->oldest ? t : s->oldest;
    s->newest = t > s->newest ? t : s->newest;
    if (s->n == 0)
        s->seq_first = seq;
    if (s->n % HEAD_BLOCK_SAMPLES == 0)
        s->seq_next = seq;
    s->n++;
}

static enum head_verdict apply_locked(struct head_series *s, fw_ms t,
                                      uint64_t bits, uint64_t seq)
{
    fw_ms *times = head_times(s);
    uint64_t *values = head_values(s);
    size_t at = s->n;

    s->staged--;
    if (s->n > 0 && t <= times[s->n - 1]) {
        at = head_lower_bound(times, s->n, t);
        if (times[at] == t)
            return values[at] == bits ? HEAD_DUPLICATE : HEAD_CONFLICT;
        memmove(times + at + 1, times + at, (s->n - at) * sizeof(*times));
        memmove(values + at + 1, values + at, (s->n - at) * sizeof(*values));
        s->flags |= HEAD_DISORDERED;
    }
    times[at] = t;
    values[at] = bits;
    count_in(s, t, seq);
    return HEAD_ACCEPTED;
}

enum head_verdict head_apply(struct head_hold *hold, uint32_t id, fw_ms t,
                             uint64_t bits, uint64_t seq)
{
    struct head_series *s = head_get(hold->head, id);
    enum head_verdict verdict;

    hold_series(hold, id);
    FW_ASSERT(s->staged > 0);
    verdict = apply_locked(s, t, bits, seq);
    if (verdict != HEAD_ACCEPTED)
        return verdict;
    if (hold->shown++ == 0 || t > hold->newest)
        hold->newest = t;
    if (s->n % HEAD_BLOCK_SAMPLES == 0)
        hold->full += HEAD_BLOCK_SAMPLES;
    return HEAD_ACCEPTED;
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
    if (s->staged == 0)
        s->newest_staged = s->newest;
}

/* Keeps the samples whose time is not among t[0..n); both are sorted. */
static size_t drop_samples(struct head_series *s, const fw_ms *t, size_t n)
{
    fw_ms *times = head_times(s);
    uint64_t *values = head_values(s);
    uint32_t kept = 0;
    size_t gone;

    for (uint32_t i = 0, j = 0; i < s->n; i++) {
        while (j < n && t[j] < times[i])
            j++;
        if (j < n && t[j] == times[i])
            continue;
        times[kept] = times[i];
        values[kept++] = values[i];
    }
    gone = s->n - kept;
    s->n = kept;
    return gone;
}

fw_rc head_publish(struct head *h, uint32_t id, const struct block_ref *refs,
                   size_t ref_count, const fw_ms *t, size_t n,
                   uint64_t seq_left)
{
    struct head_series *s = head_get(h, id);
    size_t cap;
    size_t gone = 0;
    int64_t full;
    fw_rc rc;

    head_lock(h, id);
    cap = s->block_cap;
    full = s->n / HEAD_BLOCK_SAMPLES;
    rc = fw_grow(&s->blocks, &cap, s->block_count + ref_count,
                 sizeof(*s->blocks), UINT32_MAX);
    if (rc == FW_OK) {
        s->block_cap = (uint32_t)cap;
        for (size_t i = 0; i < ref_count; i++)
            add_ref(s, &refs[i]);
        if (n > 0) {
            gone = drop_samples(s, t, n);
            s->seq_first = seq_left;
            /* What is left may hold a late one that came meanwhile. */
            if (s->n == 0)
                s->flags &= ~(uint32_t)HEAD_DISORDERED;
        }
        if (n > 0 && s->n == 0 && s->staged == 0) {
            free(s->data);
            s->data = NULL;
            s->cap = 0;
        }
    }
    full -= s->n / HEAD_BLOCK_SAMPLES;
    head_unlock(h, id);
    (void)atomic_fetch_sub_explicit(&h->samples, gone, memory_order_relaxed);
    (void)atomic_fetch_sub_explicit(&h->full, full * HEAD_BLOCK_SAMPLES,
                                    memory_order_relaxed);
    for (size_t i = 0; i < ref_count; i++)
        see_newest(h, refs[i].t_max);
    return rc;
}

static void forget_locked(struct head_series *s, uint16_t part)
{
    uint32_t kept = 0;

    for (uint32_t i = 0; i < s->block_count; i++)
        if (s->blocks[i].part != part)
            s->blocks[kept++] = s->blocks[i];
    if (kept == s->block_count)
        return;
    s->block_count = kept;
    if (kept > 0)
        s->oldest = s->blocks[0].t_min;
    else if (s->n > 0)
        s->oldest = head_times(s)[0];
    if (kept > 0 && s->n > 0 && head_times(s)[0] < s->oldest)
        s->oldest = head_times(s)[0];
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
        if (s->n > 0) {
            uint64_t seq = s->seal_left != 0 ? s->seal_left : s->seq_first;

            oldest = seq < oldest ? seq : oldest;
        }
        head_unlock(h, id);
    }
    return oldest;
}

bool head_overlaps(struct head *h, uint32_t id, fw_ms from, fw_ms to)
{
    struct head_series *s = head_get(h, id);
    bool overlaps = false;

    if (s == NULL)
        return false;
    head_lock(h, id);
    if ((s->flags & HEAD_HAS_SAMPLES) != 0 && (s->n > 0 || s->block_count > 0))
        overlaps = s->oldest <= to && s->newest >= from;
    head_unlock(h, id);
    return overlaps;
}
