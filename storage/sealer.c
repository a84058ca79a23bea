/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "storage/sealer.h"

#include <stdlib.h>
#include <time.h>

#include "storage/closer.h"

#define TICK_MS 200
#define FULL_ENOUGH (64 * HEAD_BLOCK_SAMPLES) /* a segment or so */
#define FULL_WAIT_NS ((uint64_t)30 * 1000000000u)
#define AGE_NS ((uint64_t)3 * 3600 * 1000000000u)
#define MARK_NS ((uint64_t)60 * 1000000000u)
#define MARKS 256 /* a minute apart: longer than the age */
#define HOUSEKEEPING_NS ((uint64_t)10 * 1000000000u)
#define RETRY_NS ((uint64_t)5 * 1000000000u)
#define JOURNAL_BYTES ((uint64_t)256 << 20)
#define RETENTION_EVERY FW_MINUTE

/* Which journal record was the last one at a time. */
struct mark {
    uint64_t at_ns;
    uint64_t seq;
};

struct sealer {
    struct fw_store *store;
    struct seal_state state; /* sealer thread, as all down to `lock` */
    struct mark marks[MARKS];
    size_t mark_count; /* ever made; the ring holds the last ones */
    uint64_t last_round_ns;
    uint64_t last_housekeeping_ns;
    uint64_t retry_ns; /* no round before this: the last one failed */
    fw_ms last_retention;

    pthread_t thread;
    pthread_mutex_t lock; /* leaf */
    pthread_cond_t changed;
    bool closing;          /* lock */
    bool requested;        /* lock */
    bool woken;            /* lock */
    enum seal_scope scope; /* lock */
    fw_rc result;          /* of the request; lock */
    struct fw_err error;   /* lock */
};

/* ---- When to seal
 * ------------------------------------------------------------
 */

static void make_mark(struct sealer *s, uint64_t now_ns)
{
    const struct mark *last = &s->marks[(s->mark_count + MARKS - 1) % MARKS];

    if (s->mark_count > 0 && now_ns - last->at_ns < MARK_NS)
        return;
    s->marks[s->mark_count++ % MARKS] =
        (struct mark){now_ns, atomic_load(&s->store->head.applied)};
}

/* The last journal record that is older than samples may get in memory. */
static uint64_t old_seq(const struct sealer *s, uint64_t now_ns)
{
    size_t first = s->mark_count > MARKS ? s->mark_count - MARKS : 0;
    uint64_t seq = 0;

    for (size_t i = first; i < s->mark_count; i++) {
        const struct mark *mark = &s->marks[i % MARKS];

        if (now_ns - mark->at_ns >= AGE_NS)
            seq = mark->seq;
    }
    return seq;
}

/* Where the journal has grown too long, its older half has to go. */
static uint64_t journal_half(const struct sealer *s)
{
    struct journal *j = &s->store->journal;
    uint64_t first = atomic_load(&j->trim_to);
    uint64_t last = atomic_load(&s->store->head.applied);

    if (atomic_load(&j->live_bytes) < JOURNAL_BYTES || last < first)
        return 0;
    return first + (last - first) / 2;
}

static bool round_is_due(struct sealer *s, uint64_t now_ns,
                         enum seal_scope *scope, uint64_t *before)
{
    struct head *head = &s->store->head;
    int64_t full = atomic_load(&head->full);
    uint64_t old = old_seq(s, now_ns);
    uint64_t half = journal_half(s);

    *before = old > half ? old : half;
    *scope = *before >= atomic_load(&s->store->journal.trim_to) ? SEAL_OLD
                                                                : SEAL_FULL;
    if (now_ns < s->retry_ns || atomic_load(&head->samples) == 0)
        return false;
    return *scope == SEAL_OLD || full >= FULL_ENOUGH ||
           (full > 0 && now_ns - s->last_round_ns > FULL_WAIT_NS);
}

/* ---- Retention and housekeeping
 * ----------------------------------------------
 */

fw_ms store_retention_edge(struct fw_store *store)
{
    fw_ms now = fw_clock_now(store->options.clock);
    fw_ms newest = atomic_load(&store->head.newest);
    fw_ms from = newest < now ? newest : now;
    fw_ms edge;

    if (store->options.retention < 0 || store->options.retention == INT64_MAX ||
        __builtin_sub_overflow(from, store->options.retention, &edge))
        return INT64_MIN;
    return edge;
}

/* Drops partitions that lie before the edge of retention as a whole. */
static fw_rc retain(struct fw_store *store, struct fw_err *err)
{
    fw_ms edge = store_retention_edge(store);
    struct partition **list = NULL;
    size_t count = 0;
    fw_rc rc = manifest_list(&store->manifest, &list, &count);

    if (rc != FW_OK)
        return fw_err_set(err, rc, "out of memory");
    for (size_t i = 0; i < count && list[i]->first < edge && rc == FW_OK; i++) {
        if (list[i]->last >= edge || list[i]->busy)
            continue;
        head_forget_part(&store->head, list[i]->index);
        rc = manifest_drop(&store->manifest, list[i], err);
    }
    manifest_list_free(list, count);
    return rc;
}

static void retain_if_due(struct sealer *s)
{
    fw_ms now = fw_clock_now(s->store->options.clock);
    struct fw_err err = {0};

    if (now >= s->last_retention && now - s->last_retention < RETENTION_EVERY)
        return;
    s->last_retention = now;
    if (retain(s->store, &err) != FW_OK)
        (void)atomic_fetch_add(&s->store->counters.seal_failures, 1);
}

/* A full disk that has room again, or an error that may have passed. */
static void recover_health(struct fw_store *store)
{
    struct fw_err err = {0};

    if (store_get_health(store, &err) != FW_OK &&
        store_check_disk(store, &err) == FW_OK)
        store_set_health(store, FW_OK, NULL);
}

static void keep_house(struct sealer *s)
{
    struct partition **list = NULL;
    size_t count = 0;

    (void)lmdb_clear_stale_readers(s->store->meta);
    (void)lmdb_clear_stale_readers(s->store->journal.env);
    if (manifest_list(&s->store->manifest, &list, &count) == FW_OK)
        for (size_t i = 0; i < count; i++) {
            (void)pthread_mutex_lock(&list[i]->lock);
            if (list[i]->env != NULL)
                (void)lmdb_clear_stale_readers(list[i]->env);
            (void)pthread_mutex_unlock(&list[i]->lock);
        }
    manifest_list_free(list, count);
    manifest_close_idle(&s->store->manifest);
}

/* ---- The thread -----------------------------------------------------------
 */

static void tick(struct sealer *s)
{
    uint64_t now_ns = fw_clock_mono_ns(s->store->options.clock);
    struct fw_err err = {0};
    enum seal_scope scope;
    uint64_t before;

    make_mark(s, now_ns);
    if (round_is_due(s, now_ns, &scope, &before)) {
        fw_rc rc = seal_round(s->store, &s->state, scope, before, &err);

        s->last_round_ns = now_ns;
        s->retry_ns = rc == FW_OK ? 0 : now_ns + RETRY_NS;
    }
    retain_if_due(s);
    closer_tick(s->store->closer);
    recover_health(s->store);
    if (now_ns - s->last_housekeeping_ns >= HOUSEKEEPING_NS) {
        s->last_housekeeping_ns = now_ns;
        keep_house(s);
    }
}

static void serve_request_locked(struct sealer *s)
{
    enum seal_scope scope = s->scope;
    struct fw_err err = {0};
    fw_rc rc;

    (void)pthread_mutex_unlock(&s->lock);
    (void)pthread_mutex_lock(&s->store->quiet);
    rc = seal_round(s->store, &s->state, scope, 0, &err);
    if (rc == FW_OK)
        rc = retain(s->store, &err);
    (void)pthread_mutex_unlock(&s->store->quiet);
    (void)pthread_mutex_lock(&s->lock);
    s->result = rc;
    s->error = err;
    s->requested = false;
    (void)pthread_cond_broadcast(&s->changed);
}

static struct timespec next_tick(void)
{
    struct timespec ts = {0};

    (void)clock_gettime(CLOCK_MONOTONIC, &ts);
    ts.tv_nsec += TICK_MS * 1000000L;
    if (ts.tv_nsec >= 1000000000L) {
        ts.tv_sec++;
        ts.tv_nsec -= 1000000000L;
    }
    return ts;
}

static void *sealer_main(void *self)
{
    struct sealer *s = self;

    (void)pthread_mutex_lock(&s->lock);
    while (!s->closing) {
        struct timespec until = next_tick();

        if (s->requested)
            serve_request_locked(s);
        (void)pthread_mutex_unlock(&s->lock);
        (void)pthread_mutex_lock(&s->store->quiet);
        tick(s);
        (void)pthread_mutex_unlock(&s->store->quiet);
        (void)pthread_mutex_lock(&s->lock);
        if (!s->closing && !s->requested && !s->woken)
            (void)pthread_cond_timedwait(&s->changed, &s->lock, &until);
        s->woken = false;
    }
    (void)pthread_mutex_unlock(&s->lock);
    return NULL;
}

fw_rc sealer_start(struct fw_store *store, const struct seal_state *state,
                   struct fw_err *err)
{
    struct sealer *s = calloc(1, sizeof(*s));
    pthread_condattr_t attr;

    if (s == NULL)
        return fw_err_set(err, FW_ENOMEM, "out of memory");
    s->store = store;
    s->state = *state;
    s->last_retention = INT64_MAX; /* the first tick looks */
    s->last_round_ns = fw_clock_mono_ns(store->options.clock);
    (void)pthread_mutex_init(&s->lock, NULL);
    (void)pthread_condattr_init(&attr);
    (void)pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    (void)pthread_cond_init(&s->changed, &attr);
    (void)pthread_condattr_destroy(&attr);
    store->sealer = s;
    if (pthread_create(&s->thread, NULL, sealer_main, s) != 0) {
        store->sealer = NULL;
        free(s);
        return fw_err_set(err, FW_ENOMEM, "cannot start a thread");
    }
    return FW_OK;
}

void sealer_stop(struct sealer *sealer, struct seal_state *state)
{
    if (sealer == NULL)
        return;
    (void)pthread_mutex_lock(&sealer->lock);
    sealer->closing = true;
    (void)pthread_cond_broadcast(&sealer->changed);
    (void)pthread_mutex_unlock(&sealer->lock);
    (void)pthread_join(sealer->thread, NULL);
    closer_stop(sealer->store->closer); /* its thread wakes this one */
    *state = sealer->state;
    (void)pthread_cond_destroy(&sealer->changed);
    (void)pthread_mutex_destroy(&sealer->lock);
    free(sealer);
}

fw_rc sealer_run(struct sealer *sealer, enum seal_scope scope,
                 struct fw_err *err)
{
    fw_rc rc;

    (void)pthread_mutex_lock(&sealer->lock);
    sealer->scope = scope;
    sealer->requested = true;
    (void)pthread_cond_broadcast(&sealer->changed);
    while (sealer->requested)
        (void)pthread_cond_wait(&sealer->changed, &sealer->lock);
    rc = sealer->result;
    if (rc != FW_OK)
        (void)fw_err_set(err, rc, "%s", sealer->error.text);
    (void)pthread_mutex_unlock(&sealer->lock);
    return rc;
}

void sealer_wake(struct sealer *sealer)
{
    if (sealer == NULL)
        return;
    (void)pthread_mutex_lock(&sealer->lock);
    sealer->woken = true;
    (void)pthread_cond_broadcast(&sealer->changed);
    (void)pthread_mutex_unlock(&sealer->lock);
}
