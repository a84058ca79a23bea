/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * committer.c - see committer.h.
 *
 * The life of a batch here: stage (decide about each sample and reserve its
 * room), journal (the only wait for the disk), apply (show), answer. What can
 * fail stands before the commit; what stands behind it cannot. A failed commit
 * takes back the staging, so the store is as if the batches had never come.
 */
#include "storage/journal/committer.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "storage/base/bytes.h"
#include "storage/base/limits.h"
#include "storage/read/block_cache.h"

/* A sample takes about this much in the journal, which ends the linger. */
#define SAMPLE_BYTES_GUESS 8
#define GROUP_SAMPLES_MAX ((size_t)1 << 17)
#define SPARES_MAX 128
#define SPARE_SAMPLES 16384 /* larger ones are not kept */
#define SPARES_LOOK 1024    /* batches: a second of many, an hour of few */
#define SPARES_IDLE_S 10    /* without any batch: then none is kept */
#define RUN_SAMPLES 256 /* staged under one lock, as a piece of the journal */

struct pending {
    struct pending *next;
    struct fw_batch batch; /* after staging the accepted samples come first */
    size_t at;             /* samples before this have been looked at */
    size_t accepted;
    size_t shown; /* of those accepted; the others are in the running commit */
    bool known;   /* all its series are */
    fw_append_done done;
    void *self;
    struct fw_append_result result;
};

/*
 * Arrays of batches that were answered, for who fills the next: memory that has
 * its pages. What was not needed for a while is given back.
 */
struct spares {
    struct fw_batch v[SPARES_MAX];
    size_t n;
    size_t lent;     /* batches that were asked for and are not back */
    size_t least;    /* of n since the last look at it */
    size_t answered; /* batches since then */
};

struct committer {
    struct fw_store *store;
    pthread_t thread;
    pthread_mutex_t lock; /* leaf */
    pthread_cond_t wake;
    struct spares spares;          /* lock */
    struct pending *first, **last; /* lock */
    size_t queued;                 /* samples waiting or in a commit; lock */
    struct timespec due;           /* when the linger ends; lock */
    bool closing;                  /* lock */

    struct journal_writer writer; /* committer thread, as all below */
    uint32_t *defined;            /* series this commit defines */
    size_t defined_count, defined_cap;
    struct fw_buf definition;
    struct block_cache cache;
    struct head_hold hold;
    fw_ms now;    /* when staging began */
    fw_ms edge;   /* of retention, at that time */
    fw_ms latest; /* what is ahead of this is too far ahead */
};

/* ---- Staging --------------------------------------------------------------
 */

/* The sentence for the first sample of a batch that is refused. */
static void explain(struct committer *c, struct fw_append_result *result,
                    uint32_t id, fw_ms t, bool too_new)
{
    char series[256], at[FW_TIME_TEXT_BYTES], span[FW_DURATION_TEXT_BYTES];

    if (result->err.text[0] != '\0')
        return;
    head_let_go(&c->hold);
    registry_describe(&c->store->registry, id, series, sizeof(series));
    (void)fw_format_time(at, t);
    if (too_new) {
        (void)fw_format_duration(span, c->store->options.max_future);
        (void)fw_err_set(&result->err, FW_EINVAL,
                         "%s: the sample at %s is more than %s ahead of the "
                         "clock (--max-future)",
                         series, at, span);
    } else if (t < c->edge) {
        (void)fw_format_duration(span, c->store->options.retention);
        (void)fw_err_set(&result->err, FW_EINVAL,
                         "%s: the sample at %s is older than the %s that are "
                         "kept (--retention)",
                         series, at, span);
    } else {
        (void)fw_format_duration(span, c->store->options.ooo_window);
        (void)fw_err_set(&result->err, FW_EINVAL,
                         "%s: the sample at %s is more than %s behind the "
                         "newest one of its series (--out-of-order-window)",
                         series, at, span);
    }
}

/* Adds the labels of a series to the record that first uses it. */
static fw_rc define(struct committer *c, uint32_t id)
{
    struct head_series *s = head_get(&c->store->head, id);
    fw_rc rc;

    if (s->defined)
        return FW_OK;
    head_let_go(&c->hold);
    fw_buf_clear(&c->definition);
    rc = registry_put_definition(&c->store->registry, id, &c->definition);
    if (rc == FW_OK)
        rc = fw_grow(&c->defined, &c->defined_cap, c->defined_count + 1,
                     sizeof(*c->defined), UINT32_MAX);
    if (rc == FW_OK)
        rc = journal_writer_define(
            &c->writer, id,
            (struct fw_str){c->definition.data, c->definition.len});
    if (rc != FW_OK)
        return rc;
    c->defined[c->defined_count++] = id;
    s->defined = true;
    return FW_OK;
}

static enum head_verdict decide(struct committer *c, uint32_t id, fw_ms t,
                                uint64_t bits)
{
    fw_ms window = c->store->options.ooo_window;
    enum head_verdict verdict;
    uint64_t there = 0;

    if (t < c->edge)
        return HEAD_TOO_OLD;
    verdict = head_stage(&c->hold, id, t, bits, window, false);
    if (verdict != HEAD_ASK_DISK)
        return verdict;
    head_let_go(&c->hold);
    if (block_cache_find(&c->cache, c->store, id, t, &there) == FW_OK)
        return there == bits ? HEAD_DUPLICATE : HEAD_CONFLICT;
    return head_stage(&c->hold, id, t, bits, window, true);
}

static fw_rc stage_one(struct committer *c, struct pending *p, size_t i)
{
    struct fw_batch *b = &p->batch;
    uint32_t id = b->series[i];
    uint64_t bits = fw_double_bits(b->v[i]);
    enum head_verdict verdict = decide(c, id, b->t[i], bits);
    fw_rc rc;

    switch (verdict) {
    case HEAD_ACCEPTED:
    case HEAD_LATE:
        b->series[p->accepted] = id;
        b->t[p->accepted] = b->t[i];
        memcpy(&b->v[p->accepted], &bits, sizeof(bits));
        p->accepted++;
        rc = define(c, id);
        if (rc == FW_OK)
            rc = journal_writer_add(&c->writer, id, b->t[p->accepted - 1], bits,
                                    verdict == HEAD_LATE);
        return rc;
    case HEAD_DUPLICATE:
        p->result.duplicates++;
        return FW_OK;
    case HEAD_CONFLICT:
        p->result.conflicts++;
        return FW_OK;
    case HEAD_TOO_OLD:
        p->result.too_old++;
        explain(c, &p->result, id, b->t[i], false);
        return FW_OK;
    case HEAD_NO_MEMORY:
        return FW_ENOMEM;
    case HEAD_ASK_DISK:
    case HEAD_NO_SERIES:
        break;
    }
    return FW_EINVAL;
}

/* A batch that names a series nobody made is refused before it is touched. */
static bool ids_known(struct committer *c, struct pending *p)
{
    for (size_t i = 0; i < p->batch.n; i++) {
        const struct head_series *s =
            head_get(&c->store->head, p->batch.series[i]);

        if (s != NULL && s->made)
            continue;
        p->result.rc =
            fw_err_set(&p->result.err, FW_EINVAL,
                       "there is no series with the id %u", p->batch.series[i]);
        return false;
    }
    return true;
}

/* The next samples that go without asking; FW_END if the first does not. */
static fw_rc stage_run(struct committer *c, struct pending *p)
{
    struct fw_batch *b = &p->batch;
    size_t to = p->accepted, from = p->at, most = b->n - from, n;

    most = most < RUN_SAMPLES ? most : RUN_SAMPLES;
    n = head_stage_run(&c->hold, b->series + from, b->t + from, b->v + from,
                       most, c->edge, c->latest);
    if (n == 0)
        return FW_END;
    if (to < from) {
        memmove(b->series + to, b->series + from, n * sizeof(*b->series));
        memmove(b->t + to, b->t + from, n * sizeof(*b->t));
        memmove(b->v + to, b->v + from, n * sizeof(*b->v));
    }
    p->at += n;
    p->accepted += n;
    return journal_writer_add_run(&c->writer, b->series + to, b->t + to,
                                  b->v + to, n);
}

/* To the end of the batch, unless the record is long enough before. */
static fw_rc stage_batch(struct committer *c, struct pending *p)
{
    fw_rc rc = FW_OK;

    if (!p->known && !(p->known = ids_known(c, p)))
        p->at = p->batch.n;
    while (p->at < p->batch.n && rc == FW_OK &&
           !journal_writer_full(&c->writer)) {
        size_t i = p->at;

        rc = stage_run(c, p);
        if (rc != FW_END)
            continue;
        rc = FW_OK;
        if (p->batch.t[i] > c->latest) {
            p->result.too_new++;
            explain(c, &p->result, p->batch.series[i], p->batch.t[i], true);
        } else {
            rc = stage_one(c, p, i);
        }
        if (rc == FW_OK) /* else the batch is not at its end */
            p->at++;
    }
    return rc;
}

static void unstage_all(struct committer *c, struct pending *group)
{
    for (struct pending *p = group; p != NULL; p = p->next) {
        for (size_t i = p->shown; i < p->accepted; i++)
            head_unstage(&c->hold, p->batch.series[i]);
        p->accepted = p->shown;
    }
    head_let_go(&c->hold);
    for (size_t i = 0; i < c->defined_count; i++)
        head_get(&c->store->head, c->defined[i])->defined = false;
}

/* ---- Committing -----------------------------------------------------------
 */

static fw_rc journal_group(struct committer *c, struct fw_err *err)
{
    struct fw_store *store = c->store;
    struct fw_str record = {0};
    fw_rc rc;

    if (c->writer.sample_count == 0)
        return FW_OK;
    rc = store_check_disk(store, err);
    if (rc != FW_OK)
        return rc;
    rc = journal_writer_finish(&c->writer, store->journal.next_seq, c->now,
                               &record);
    if (rc != FW_OK)
        return fw_err_set(err, rc, "out of memory");
    rc = journal_append(&store->journal, record, err);
    if (rc != FW_OK)
        return rc;
    (void)atomic_fetch_add(&store->journal.live_samples,
                           c->writer.sample_count);
    (void)atomic_fetch_add(&store->counters.commits, 1);
    (void)atomic_fetch_add(&store->counters.commit_bytes, record.n);
    return FW_OK;
}

static void apply_batch(struct committer *c, struct pending *p, uint64_t seq)
{
    struct fw_batch *b = &p->batch;

    while (p->shown < p->accepted) {
        size_t i = p->shown;
        size_t n = head_apply_run(&c->hold, b->series + i, b->t + i, b->v + i,
                                  p->accepted - i, seq);

        p->result.stored += (uint32_t)n;
        p->shown += n;
        if (n > 0)
            continue;
        switch (head_apply(&c->hold, b->series[i], b->t[i],
                           fw_double_bits(b->v[i]), seq)) {
        case HEAD_DUPLICATE:
            p->result.duplicates++;
            break;
        case HEAD_CONFLICT:
            p->result.conflicts++;
            break;
        default:
            p->result.stored++;
            break;
        }
        p->shown++;
    }
}

static void count_result(struct fw_store *store,
                         const struct fw_append_result *r)
{
    (void)atomic_fetch_add(&store->counters.stored, r->stored);
    (void)atomic_fetch_add(&store->counters.duplicates, r->duplicates);
    (void)atomic_fetch_add(&store->counters.conflicts, r->conflicts);
    (void)atomic_fetch_add(&store->counters.too_old, r->too_old);
    (void)atomic_fetch_add(&store->counters.too_new, r->too_new);
}

/* What was in earlier records stays; a sender who repeats does no harm. */
static void group_failed(struct committer *c, struct pending *group, fw_rc rc,
                         struct fw_err *err)
{
    /* LMDB tells a short write on a full disk as an I/O error. */
    struct fw_err disk = {0};

    if (rc == FW_EIO && store_check_disk(c->store, &disk) == FW_ENOSPC) {
        rc = FW_ENOSPC;
        *err = disk;
    }
    for (struct pending *p = group; p != NULL; p = p->next)
        if (p->at < p->batch.n || p->shown < p->accepted)
            p->result = (struct fw_append_result){
                .rc = rc, .err = *err, .stored = p->result.stored};
    unstage_all(c, group);
    (void)atomic_fetch_add(&c->store->counters.commit_failures, 1);
    if (rc == FW_ENOSPC || rc == FW_EIO)
        store_set_health(c->store, rc, err->text);
}

/* Stages from batch *p on until the record is long enough, and moves *p. */
static fw_rc stage_record(struct committer *c, struct pending **p,
                          struct fw_err *err)
{
    fw_rc rc = FW_OK;

    journal_writer_clear(&c->writer);
    c->defined_count = 0;
    while (*p != NULL && rc == FW_OK && !journal_writer_full(&c->writer)) {
        rc = stage_batch(c, *p);
        if (rc == FW_OK && (*p)->at == (*p)->batch.n)
            *p = (*p)->next;
    }
    head_let_go(&c->hold);
    return rc == FW_OK ? FW_OK : fw_err_set(err, rc, "out of memory");
}

/* One record, and what it holds is shown. */
static fw_rc commit_record(struct committer *c, struct pending **p,
                           struct fw_err *err)
{
    struct pending *first = *p;
    uint64_t seq = c->store->journal.next_seq;
    fw_rc rc = stage_record(c, p, err);

    if (rc == FW_OK)
        rc = journal_group(c, err);
    if (rc != FW_OK)
        return rc;
    for (struct pending *q = first; q != NULL; q = q == *p ? NULL : q->next)
        apply_batch(c, q, seq);
    head_let_go(&c->hold);
    if (c->writer.sample_count > 0) {
        atomic_store(&c->store->head.applied, seq);
        store_set_health(c->store, FW_OK, NULL);
    }
    return FW_OK;
}

/* A record, or several where there is a flood of new series. */
static void commit_group(struct committer *c, struct pending *group)
{
    struct pending *p = group;
    struct fw_err err = {0};
    fw_rc rc = FW_OK;

    c->now = fw_clock_now(c->store->options.clock);
    c->edge = store_retention_edge(c->store);
    c->latest = c->now > INT64_MAX - c->store->options.max_future
                    ? INT64_MAX
                    : c->now + c->store->options.max_future;
    while (p != NULL && rc == FW_OK)
        rc = commit_record(c, &p, &err);
    if (rc != FW_OK)
        group_failed(c, group, rc, &err);
}

/* ---- The thread -----------------------------------------------------------
 */

static bool before(const struct timespec *a, const struct timespec *b)
{
    return a->tv_sec != b->tv_sec ? a->tv_sec < b->tv_sec
                                  : a->tv_nsec < b->tv_nsec;
}

static bool enough_locked(const struct committer *c)
{
    return c->queued * SAMPLE_BYTES_GUESS >= FW_COMMIT_BYTES || c->closing;
}

static void drop_spares(struct spares *spares, size_t n)
{
    for (; n > 0 && spares->n > 0; n--)
        fw_batch_release(&spares->v[--spares->n]);
    spares->least = spares->n;
    spares->answered = 0;
}

/* A long pause is the time to give memory back. */
static void wait_for_first_locked(struct committer *c)
{
    struct timespec pause = {0};

    (void)clock_gettime(CLOCK_MONOTONIC, &pause);
    pause.tv_sec += SPARES_IDLE_S;
    while (c->first == NULL && !c->closing) {
        if (c->spares.n == 0)
            (void)pthread_cond_wait(&c->wake, &c->lock);
        else if (pthread_cond_timedwait(&c->wake, &c->lock, &pause) ==
                 ETIMEDOUT)
            drop_spares(&c->spares, SPARES_MAX);
    }
}

/* Waits for work and for its linger; NULL when closing and empty. */
static struct pending *take_group(struct committer *c)
{
    struct pending *group = NULL;
    struct pending *p;
    size_t samples = 0;

    (void)pthread_mutex_lock(&c->lock);
    wait_for_first_locked(c);
    while (c->first != NULL && !enough_locked(c)) {
        struct timespec due = c->due; /* may come nearer meanwhile */

        if (pthread_cond_timedwait(&c->wake, &c->lock, &due) == ETIMEDOUT)
            break;
    }
    group = c->first;
    for (p = group; p != NULL; p = p->next) {
        samples += p->batch.n;
        if (samples >= GROUP_SAMPLES_MAX)
            break;
    }
    if (p != NULL) {
        c->first = p->next;
        p->next = NULL;
    } else {
        c->first = NULL;
    }
    if (c->first == NULL)
        c->last = &c->first;
    (void)pthread_mutex_unlock(&c->lock);
    return group;
}

/* Keeps the arrays of a batch, as many as were asked for. */
static void spare_locked(struct spares *spares, struct fw_batch *batch)
{
    if (++spares->answered >= SPARES_LOOK)
        drop_spares(spares, spares->least);
    if (spares->lent == 0)
        return;
    spares->lent--;
    if (spares->n == SPARES_MAX || batch->cap > SPARE_SAMPLES)
        return;
    spares->v[spares->n] = *batch;
    spares->v[spares->n++].n = 0;
    *batch = (struct fw_batch){0};
}

static void answer(struct committer *c, struct pending *group)
{
    while (group != NULL) {
        struct pending *p = group;

        group = p->next;
        (void)pthread_mutex_lock(&c->lock);
        c->queued -= p->batch.n;
        spare_locked(&c->spares, &p->batch);
        (void)pthread_mutex_unlock(&c->lock);
        count_result(c->store, &p->result);
        if (p->done != NULL)
            p->done(p->self, &p->result);
        fw_batch_release(&p->batch);
        free(p);
    }
}

/* Whether there are batches that have waited for as long as they have to. */
static bool group_waits(struct committer *c)
{
    struct timespec now = {0};
    bool waits;

    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    (void)pthread_mutex_lock(&c->lock);
    waits = c->closing ||
            (c->first != NULL && (enough_locked(c) || !before(&now, &c->due)));
    (void)pthread_mutex_unlock(&c->lock);
    return waits;
}

static void *committer_main(void *self)
{
    struct committer *c = self;
    struct pending *group;

    (void)pthread_setname_np(pthread_self(), "committer");
    while ((group = take_group(c)) != NULL) {
        commit_group(c, group);
        answer(c, group);
        while (head_pack_some(&c->hold) && !group_waits(c))
            continue;
    }
    return NULL;
}

/*
 * The linger is a matter of the disk, not of the data, so it follows the
 * machine's clock and not the one handed in, which may stand still.
 */
static struct timespec linger_end(fw_ms linger)
{
    struct timespec ts = {0};

    (void)clock_gettime(CLOCK_MONOTONIC, &ts);
    ts.tv_sec += (time_t)(linger / 1000);
    ts.tv_nsec += (long)(linger % 1000) * 1000000L;
    if (ts.tv_nsec >= 1000000000L) {
        ts.tv_sec++;
        ts.tv_nsec -= 1000000000L;
    }
    return ts;
}

static fw_ms patience_of(const struct committer *c, const struct fw_batch *b)
{
    fw_ms linger = c->store->options.linger;

    return b->patience > linger ? b->patience : linger > 0 ? linger : 0;
}

static void committer_free(struct committer *c)
{
    drop_spares(&c->spares, SPARES_MAX);
    head_hold_release(&c->hold);
    journal_writer_release(&c->writer);
    fw_buf_release(&c->definition);
    block_cache_release(&c->cache);
    free(c->defined);
    (void)pthread_cond_destroy(&c->wake);
    (void)pthread_mutex_destroy(&c->lock);
    free(c);
}

fw_rc committer_start(struct fw_store *store, struct fw_err *err)
{
    struct committer *c = calloc(1, sizeof(*c));
    pthread_condattr_t attr;

    if (c == NULL)
        return fw_err_set(err, FW_ENOMEM, "out of memory");
    c->store = store;
    c->hold.head = &store->head;
    c->last = &c->first;
    journal_writer_init(&c->writer);
    fw_buf_init(&c->definition, FW_MAX_SERIES_BYTES * 2);
    (void)pthread_mutex_init(&c->lock, NULL);
    (void)pthread_condattr_init(&attr);
    (void)pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    (void)pthread_cond_init(&c->wake, &attr);
    (void)pthread_condattr_destroy(&attr);
    if (pthread_create(&c->thread, NULL, committer_main, c) != 0) {
        committer_free(c);
        return fw_err_set(err, FW_ENOMEM, "cannot start a thread");
    }
    store->committer = c;
    return FW_OK;
}

void committer_stop(struct committer *committer)
{
    if (committer == NULL)
        return;
    (void)pthread_mutex_lock(&committer->lock);
    committer->closing = true;
    (void)pthread_cond_signal(&committer->wake);
    (void)pthread_mutex_unlock(&committer->lock);
    (void)pthread_join(committer->thread, NULL);
    committer_free(committer);
}

uint64_t committer_pending(struct committer *committer)
{
    uint64_t samples;

    (void)pthread_mutex_lock(&committer->lock);
    samples = committer->queued;
    (void)pthread_mutex_unlock(&committer->lock);
    return samples;
}

/* ---- For everybody ----------------------------------------------------------
 */

/*
 * The committer is woken where that changes how long it waits: by the first of
 * a group, by one whose linger ends sooner, and by the one that is enough.
 */
static fw_rc enqueue(struct committer *c, struct pending *p, struct fw_err *err)
{
    bool wake = false;
    fw_rc rc = FW_OK;

    (void)pthread_mutex_lock(&c->lock);
    if (c->closing) {
        rc = fw_err_set(err, FW_ECANCELED, "the store is closing");
    } else if (c->queued + p->batch.n > FW_MAX_PENDING_SAMPLES) {
        rc = fw_err_set(err, FW_EBUSY,
                        "%zu samples wait for the disk already; try again",
                        c->queued);
    } else {
        struct timespec due = linger_end(patience_of(c, &p->batch));

        wake = c->first == NULL || before(&due, &c->due);
        if (wake)
            c->due = due;
        *c->last = p;
        c->last = &p->next;
        c->queued += p->batch.n;
        wake = wake || enough_locked(c);
    }
    (void)pthread_mutex_unlock(&c->lock);
    if (wake) /* not before: it would only wait for the lock */
        (void)pthread_cond_signal(&c->wake);
    if (rc == FW_EBUSY)
        (void)atomic_fetch_add(&c->store->counters.busy, 1);
    return rc;
}

fw_rc fw_store_submit(struct fw_store *store, struct fw_batch *batch,
                      fw_append_done done, void *self, struct fw_err *err)
{
    struct pending *p;
    fw_rc rc;

    if (store->committer == NULL)
        return fw_err_set(err, FW_EREADONLY, "%s was opened for reading only",
                          store->dir);
    p = calloc(1, sizeof(*p));
    if (p == NULL)
        return fw_err_set(err, FW_ENOMEM, "out of memory");
    p->batch = *batch;
    p->done = done;
    p->self = self;
    rc = enqueue(store->committer, p, err);
    if (rc != FW_OK) {
        free(p);
        return rc;
    }
    *batch = (struct fw_batch){0};
    return FW_OK;
}

void fw_store_spare_batch(struct fw_store *store, struct fw_batch *batch)
{
    struct committer *c = store->committer;
    struct spares *spares;
    fw_ms patience = batch->patience;

    if (c == NULL || batch->cap > 0)
        return;
    spares = &c->spares;
    (void)pthread_mutex_lock(&c->lock);
    if (spares->n > 0)
        *batch = spares->v[--spares->n];
    if (spares->n < spares->least)
        spares->least = spares->n;
    if (spares->lent < SPARES_MAX)
        spares->lent++;
    (void)pthread_mutex_unlock(&c->lock);
    batch->patience = patience;
}

struct waiter {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool done; /* lock */
    struct fw_append_result *result;
};

static void wake_waiter(void *self, const struct fw_append_result *result)
{
    struct waiter *w = self;

    (void)pthread_mutex_lock(&w->lock);
    *w->result = *result;
    w->done = true;
    (void)pthread_cond_signal(&w->changed);
    (void)pthread_mutex_unlock(&w->lock);
}

fw_rc fw_store_append(struct fw_store *store, struct fw_batch *batch,
                      struct fw_append_result *result, struct fw_err *err)
{
    struct fw_append_result own;
    struct waiter w = {.result = result != NULL ? result : &own};
    fw_rc rc;

    (void)pthread_mutex_init(&w.lock, NULL);
    (void)pthread_cond_init(&w.changed, NULL);
    rc = fw_store_submit(store, batch, wake_waiter, &w, err);
    if (rc == FW_OK) {
        (void)pthread_mutex_lock(&w.lock);
        while (!w.done)
            (void)pthread_cond_wait(&w.changed, &w.lock);
        (void)pthread_mutex_unlock(&w.lock);
        rc = w.result->rc;
        if (rc != FW_OK)
            (void)fw_err_set(err, rc, "%s", w.result->err.text);
    } else {
        *w.result = (struct fw_append_result){.rc = rc};
    }
    (void)pthread_cond_destroy(&w.changed);
    (void)pthread_mutex_destroy(&w.lock);
    return rc;
}
