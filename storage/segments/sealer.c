/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "storage/segments/sealer.h"

#include <malloc.h>
#include <stdlib.h>
#include <time.h>

#include "storage/index/forget.h"
#include "storage/journal/checkpoint.h"
#include "storage/segments/closer.h"
#include "storage/segments/retention.h"

#define TICK_MS 200
#define FULL_ENOUGH (64 * HEAD_BLOCK_SAMPLES) /* a segment or so */
#define FULL_SHARE 128 /* of the series, for a round looks at all of them */
#define FULL_WAIT_NS ((uint64_t)30 * 1000000000u)
#define MANY_SHARE 8 /* of the series: so many are looked for everywhere */
#define AGE_NS ((uint64_t)3 * 3600 * 1000000000u)
#define MARK_NS ((uint64_t)60 * 1000000000u)
#define MARKS 256 /* a minute apart: longer than the age */
#define HOUSEKEEPING_NS ((uint64_t)10 * 1000000000u)
#define RETRY_NS ((uint64_t)5 * 1000000000u)
#define RING_BYTES ((uint64_t)64 << 20)
#define RING_SAMPLE_BYTES 3 /* a ring longer than this is mostly rubbish */
#define RETENTION_EVERY FW_MINUTE

/* Which records of journal and ring were the last ones at a time. */
struct mark {
    uint64_t at_ns;
    uint64_t seq;
    uint32_t ring;
};

struct sealer {
    struct fw_store *store;
    struct seal_state state; /* sealer thread, as all down to `lock` */
    struct mark marks[MARKS];
    size_t mark_count; /* ever made; the ring holds the last ones */
    uint64_t last_round_ns;
    uint64_t last_look_ns; /* the last round that looked at all series, */
    bool looked;           /* unless there was none, or one failed since */
    uint64_t last_housekeeping_ns;
    uint64_t retry_ns; /* no round before this: the last one failed */
    fw_ms last_retention;
    struct forget_state forget;

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
        (struct mark){now_ns, atomic_load(&s->store->head.applied),
                      (uint32_t)(s->store->ring.next_seq - 1)};
}

/* The last records that are older than samples may get in memory. */
static struct mark old_mark(const struct sealer *s, uint64_t now_ns)
{
    size_t first = s->mark_count > MARKS ? s->mark_count - MARKS : 0;
    struct mark old = {0};

    for (size_t i = first; i < s->mark_count; i++) {
        const struct mark *mark = &s->marks[i % MARKS];

        if (now_ns - mark->at_ns >= AGE_NS)
            old = *mark;
    }
    return old;
}

/*
 * The middle record where there are more bytes or samples, else 0: also while
 * what the last checkpoint let go of still counts, for it is deleted with the
 * next record.
 */
static uint64_t older_half(struct journal *j, uint64_t last, uint64_t bytes,
                           uint64_t samples)
{
    uint64_t first = atomic_load(&j->trim_to);

    if (atomic_load(&j->first_seq) < first ||
        (atomic_load(&j->live_bytes) < bytes &&
         atomic_load(&j->live_samples) < samples) ||
        last < first)
        return 0;
    return first + (last - first) / 2;
}

static int64_t full_enough(const struct head *head)
{
    int64_t share = (int64_t)head_limit(head) / FULL_SHARE * HEAD_BLOCK_SAMPLES;

    return share > FULL_ENOUGH ? share : FULL_ENOUGH;
}

/*
 * To look at a million series for the few that are due costs more than to seal
 * those. Now and then that is done all the same: to move the watermark, and
 * for what has no mark.
 */
static bool marks_will_do(const struct sealer *s, int64_t full, uint64_t now_ns)
{
    int64_t many =
        (int64_t)head_limit(&s->store->head) / MANY_SHARE * HEAD_BLOCK_SAMPLES;

    return s->looked && full < many && now_ns - s->last_look_ns <= FULL_WAIT_NS;
}

static bool round_is_due(struct sealer *s, uint64_t now_ns,
                         struct seal_order *order)
{
    struct fw_store *store = s->store;
    int64_t full = atomic_load(&store->head.full);
    struct mark old = old_mark(s, now_ns);
    bool any_old = old.seq >= atomic_load(&store->journal.trim_to) ||
                   old.ring >= atomic_load(&store->ring.trim_to);

    *order = (struct seal_order){any_old ? SEAL_OLD : SEAL_FULL, old.seq,
                                 old.ring, marks_will_do(s, full, now_ns)};
    return any_old || full >= full_enough(&store->head) ||
           (full > 0 && now_ns - s->last_round_ns > FULL_WAIT_NS);
}

/* What a checkpoint of these records was due to. */
static void count_checkpoint(struct fw_store *store, uint64_t before,
                             uint64_t ring_before)
{
    const struct fw_store_options *options = &store->options;
    _Atomic uint64_t *of = store->counters.checkpoints;

    if (ring_before > 0)
        (void)atomic_fetch_add(&of[FW_CHECKPOINT_RING], 1);
    if (before == 0)
        return;
    if (atomic_load(&store->journal.live_bytes) >= options->journal_bytes)
        (void)atomic_fetch_add(&of[FW_CHECKPOINT_BYTES], 1);
    else
        (void)atomic_fetch_add(&of[FW_CHECKPOINT_SAMPLES], 1);
}

/* A journal that has grown too long gives its older half to the ring. */
static fw_rc checkpoint_if_due(struct sealer *s, struct fw_err *err)
{
    struct fw_store *store = s->store;
    uint64_t before = older_half(
        &store->journal, atomic_load(&store->head.applied),
        store->options.journal_bytes, store->options.journal_samples);
    uint64_t ring_before = older_half(
        &store->ring, store->ring.next_seq - 1,
        RING_BYTES + RING_SAMPLE_BYTES * atomic_load(&store->head.samples),
        UINT64_MAX);
    struct seal_order late_ones = {SEAL_OLD, before, (uint32_t)ring_before,
                                   false};
    bool late = false;
    fw_rc rc;

    if (before == 0 && ring_before == 0)
        return FW_OK;
    count_checkpoint(store, before, ring_before);
    rc = checkpoint_round(store, &s->state, before, (uint32_t)ring_before,
                          &late, err);
    if (rc == FW_OK && late)
        rc = seal_round(store, &s->state, &late_ones, err);
    return rc;
}

static fw_rc do_rounds(struct sealer *s, uint64_t now_ns, struct fw_err *err)
{
    struct fw_store *store = s->store;
    struct seal_order order;
    fw_rc rc;

    if (now_ns < s->retry_ns || atomic_load(&store->head.samples) == 0)
        return FW_OK;
    rc = checkpoint_if_due(s, err);
    if (rc != FW_OK || !round_is_due(s, now_ns, &order))
        return rc;
    rc = seal_round(store, &s->state, &order, err);
    s->last_round_ns = now_ns;
    if (rc != FW_OK || order.scope != SEAL_FULL || !order.marked) {
        s->looked = rc == FW_OK;
        s->last_look_ns = now_ns;
    }
    return rc == FW_OK ? checkpoint_trim(store, err) : rc;
}

/* ---- Retention and housekeeping
 * ----------------------------------------------
 */

static void retain_if_due(struct sealer *s)
{
    fw_ms now = fw_clock_now(s->store->options.clock);
    struct fw_err err = {0};

    if (now >= s->last_retention && now - s->last_retention < RETENTION_EVERY &&
        !atomic_exchange(&s->store->retain, false))
        return;
    s->last_retention = now;
    if (retention_run(s->store, &err) != FW_OK)
        (void)atomic_fetch_add(&s->store->counters.seal_failures, 1);
}

static void forget_if_due(struct sealer *s, uint64_t now_ns)
{
    struct fw_err err = {0};

    if (now_ns - s->forget.last_ns < FORGET_EVERY_NS)
        return;
    s->forget.last_ns = now_ns;
    if (forget_sweep(s->store, &s->forget, &err) != FW_OK)
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

/* Clears slots of readers that died; the lag of those that live, if more. */
static void see_readers(struct fw_store *store, struct lmdb_env *env,
                        uint64_t *lag)
{
    int dead = lmdb_clear_stale_readers(env);
    uint64_t behind = lmdb_reader_lag(env);

    (void)atomic_fetch_add(&store->counters.stale_readers, (uint64_t)dead);
    *lag = behind > *lag ? behind : *lag;
}

/*
 * Where memory is so short that tails are packed, what rounds needed goes back
 * to the kernel.
 */
static void trim_memory(const struct head *head)
{
#ifdef __GLIBC__
    if (atomic_load(&head->plain_bytes) > head->plain_max / 2)
        (void)malloc_trim(0);
#else
    (void)head;
#endif
}

static void keep_house(struct sealer *s)
{
    struct partition **list = NULL;
    uint64_t lag = 0;
    size_t count = 0;

    see_readers(s->store, s->store->meta, &lag);
    see_readers(s->store, s->store->journal.env, &lag);
    see_readers(s->store, s->store->ring.env, &lag);
    if (manifest_list(&s->store->manifest, &list, &count) == FW_OK)
        for (size_t i = 0; i < count; i++) {
            (void)pthread_mutex_lock(&list[i]->lock);
            if (list[i]->env != NULL)
                see_readers(s->store, list[i]->env, &lag);
            (void)pthread_mutex_unlock(&list[i]->lock);
        }
    manifest_list_free(list, count);
    atomic_store(&s->store->counters.reader_lag, lag);
    manifest_close_idle(&s->store->manifest);
    trim_memory(&s->store->head);
}

/* ---- The thread -----------------------------------------------------------
 */

static void tick(struct sealer *s)
{
    uint64_t now_ns = fw_clock_mono_ns(s->store->options.clock);
    struct fw_err err = {0};

    make_mark(s, now_ns);
    if (do_rounds(s, now_ns, &err) != FW_OK)
        s->retry_ns = now_ns + RETRY_NS;
    retain_if_due(s);
    closer_tick(s->store->closer);
    forget_if_due(s, now_ns);
    recover_health(s->store);
    if (now_ns - s->last_housekeeping_ns >= HOUSEKEEPING_NS) {
        s->last_housekeeping_ns = now_ns;
        keep_house(s);
    }
}

static void serve_request_locked(struct sealer *s)
{
    struct seal_order order = {s->scope, UINT64_MAX, UINT32_MAX, false};
    struct fw_err err = {0};
    bool late = false;
    fw_rc rc;

    (void)pthread_mutex_unlock(&s->lock);
    (void)pthread_mutex_lock(&s->store->quiet);
    if (order.scope == SEAL_RING)
        rc = checkpoint_round(s->store, &s->state, UINT64_MAX, 0, &late, &err);
    else
        rc = seal_round(s->store, &s->state, &order, &err);
    if (rc == FW_OK)
        rc = checkpoint_trim(s->store, &err);
    if (rc == FW_OK)
        rc = retention_run(s->store, &err);
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

    (void)pthread_setname_np(pthread_self(), "sealer");
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
    s->forget.last_ns = s->last_round_ns;
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
