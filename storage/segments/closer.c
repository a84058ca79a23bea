/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "storage/segments/closer.h"

#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "storage/base/bytes.h"
#include "storage/segments/retention.h"
#include "storage/segments/rewrite.h"
#include "storage/segments/sealer.h"

#define LOOK_NS ((uint64_t)5 * 1000000000u)
#define RETRY_NS ((uint64_t)60 * 1000000000u)
#define IDLE_NS ((uint64_t)600 * 1000000000u)  /* nothing came for so long */
#define LATE_NS ((uint64_t)3600 * 1000000000u) /* beside a closed one */
#define GRAVE_NS ((uint64_t)60 * 1000000000u)
#define MERGE_BYTES                                                            \
    ((uint64_t)64 << 20) /* closed ones are merged up to this                  \
                          */
#define MERGE_FEW 4      /* neighbours that are worth it, if nobody asked */
#define NICENESS 10
#define ROLLUP_FEW 8 /* final rollups are merged once there are so many, */
#define ROLLUP_MONTH (32 * FW_DAY) /* up to this */

/* A file that is no longer needed here, kept for other processes. */
struct grave {
    struct partition *part; /* a reference */
    uint64_t at_ns;
};

struct closer {
    struct fw_store *store;
    struct rewrite job; /* sealer, while not running */
    bool running;       /* sealer */
    pthread_t thread;
    atomic_bool cancel;
    atomic_bool finished;
    fw_rc job_rc; /* the job's thread, until finished */
    struct fw_err job_err;
    uint64_t look_ns; /* sealer, as all down to `lock`; no look before */
    uint32_t forced;  /* partitions up to this serial are to be closed now */
    struct grave *graves;
    size_t grave_count, grave_cap;

    pthread_mutex_t lock; /* leaf */
    pthread_cond_t changed;
    uint64_t wanted, begun, served; /* requests; lock */
    fw_rc rc;                       /* of the one being served; lock */
    struct fw_err err;              /* lock */
};

/* ---- What to close --------------------------------------------------------
 */

static uint64_t file_bytes(const struct partition *p)
{
    struct stat st;

    return stat(p->path, &st) == 0 ? (uint64_t)st.st_size : 0;
}

static bool overlap(const struct partition *p, fw_ms first, fw_ms last)
{
    return p->first <= last && p->last >= first;
}

static bool has_late_company(struct partition *const *list, size_t count,
                             const struct partition *p)
{
    for (size_t i = 0; i < count; i++)
        if (list[i] != p && overlap(list[i], p->first, p->last) &&
            atomic_load(&list[i]->kind) == PARTITION_CLOSED)
            return true;
    return false;
}

/* True if a partition that takes samples has had its time. */
static bool is_ripe(struct closer *c, struct partition *const *list,
                    size_t count, const struct partition *p)
{
    struct fw_store *store = c->store;
    uint64_t now_ns = fw_clock_mono_ns(store->options.clock);
    fw_ms now = fw_clock_now(store->options.clock);
    uint64_t idle;
    fw_ms edge;

    if (p->damaged || !p->exists)
        return false;
    if (atomic_load(&p->kind) == PARTITION_FROZEN)
        return true;
    if (atomic_load(&p->kind) == PARTITION_CLOSED)
        return c->forced != 0 && tombs_wait(&store->tombs, p);
    if (p->serial < c->forced)
        return true;
    if (__builtin_add_overflow(p->last, store->options.close_after, &edge) ||
        now <= edge)
        return false;
    idle = has_late_company(list, count, p) ? LATE_NS : IDLE_NS;
    return now_ns - p->appended_ns > idle;
}

/*
 * The partition at `start` and all that overlap it, or what came with it.
 * False if one of them cannot be closed now.
 */
static bool gather(struct closer *c, struct partition **list, size_t count,
                   size_t start, bool chosen[])
{
    fw_ms first = list[start]->first, last = list[start]->last;
    size_t n = 1;
    bool more = true;

    memset(chosen, 0, count * sizeof(chosen[0]));
    chosen[start] = true;
    while (more) {
        more = false;
        for (size_t i = 0; i < count; i++) {
            if (chosen[i] || !overlap(list[i], first, last) ||
                !list[i]->exists || n == REWRITE_SOURCES_MAX)
                continue;
            if (atomic_load(&list[i]->kind) == PARTITION_HOT &&
                !is_ripe(c, list, count, list[i]))
                continue; /* younger than what it lies beside: it can wait */
            if (list[i]->damaged)
                return false;
            chosen[i] = true;
            n++;
            first = list[i]->first < first ? list[i]->first : first;
            last = list[i]->last > last ? list[i]->last : last;
            more = true;
        }
    }
    return true;
}

static bool choose_ripe(struct closer *c, struct partition **list, size_t count,
                        bool chosen[])
{
    for (size_t i = 0; i < count; i++)
        if (is_ripe(c, list, count, list[i]) &&
            gather(c, list, count, i, chosen))
            return true;
    return false;
}

/* How long a stretch may become by merging: retention drops it as a whole. */
static bool too_long(const struct closer *c, fw_ms first, fw_ms last)
{
    fw_ms retention = c->store->options.retention;
    uint64_t limit = (uint64_t)(8 * FW_DAY);

    if (retention < 0 || retention == INT64_MAX)
        return false;
    if ((uint64_t)retention / 8 > limit)
        limit = (uint64_t)retention / 8;
    return (uint64_t)last - (uint64_t)first >= limit;
}

static uint64_t merge_limit(const struct closer *c)
{
    uint64_t whole = c->store->options.retention_bytes;

    return whole != 0 && whole / 16 < MERGE_BYTES ? whole / 16 : MERGE_BYTES;
}

/* Small closed neighbours, which waste pages and open files. */
static bool choose_merge(struct closer *c, struct partition **list,
                         size_t count, bool chosen[])
{
    size_t few = c->forced > 0 ? 2 : MERGE_FEW;

    for (size_t start = 0; start < count; start++) {
        uint64_t total = 0, largest = 0;
        size_t end = start;

        for (; end < count && end - start < REWRITE_SOURCES_MAX; end++) {
            uint64_t bytes = file_bytes(list[end]);

            if (atomic_load(&list[end]->kind) != PARTITION_CLOSED ||
                list[end]->damaged || total + bytes > merge_limit(c) ||
                too_long(c, list[start]->first, list[end]->last))
                break;
            total += bytes;
            largest = bytes > largest ? bytes : largest;
        }
        if (end - start < few || (c->forced == 0 && largest > total / 2))
            continue;
        memset(chosen, 0, count * sizeof(chosen[0]));
        for (size_t i = start; i < end; i++)
            chosen[i] = true;
        return true;
    }
    return false;
}

/* ---- Rollups --------------------------------------------------------------
 */

/* Moves the rollups behind the others, in order; how many others there are. */
static size_t put_rollups_last(struct partition **list, size_t count)
{
    struct partition **rollups =
        malloc((count + 1) * sizeof(struct partition *));
    size_t kept = 0, n = 0;

    for (size_t i = 0; rollups != NULL && i < count; i++)
        if (rollup_is(list[i]))
            rollups[n++] = list[i];
        else
            list[kept++] = list[i];
    if (n > 0)
        memcpy(list + kept, rollups, n * sizeof(struct partition *));
    free(rollups);
    return kept;
}

/* Final ones from which something was deleted, one at a time, if asked. */
static bool choose_deleted(struct closer *c, struct partition **list,
                           size_t raw, size_t count, bool chosen[])
{
    for (size_t i = raw; i < count && c->forced > 0; i++)
        if (list[i]->exists && !list[i]->damaged &&
            tombs_wait(&c->store->tombs, list[i]) &&
            rollup_is_final(list[i], list, count)) {
            memset(chosen, 0, count * sizeof(chosen[0]));
            chosen[i] = true;
            return true;
        }
    return false;
}

/* Final neighbours: many days become a file of up to a month. */
static bool choose_rollups(struct closer *c, struct partition **list,
                           size_t raw, size_t count, bool chosen[])
{
    size_t few = c->forced > 0 ? 2 : ROLLUP_FEW;

    for (size_t start = raw; start < count; start++) {
        uint64_t total = 0, largest = 0;
        size_t end = start;

        for (; end < count && end - start < REWRITE_SOURCES_MAX; end++) {
            uint64_t bytes = file_bytes(list[end]);

            if (list[end]->damaged || !list[end]->exists ||
                total + bytes > merge_limit(c) ||
                list[end]->last - list[start]->first >= ROLLUP_MONTH ||
                !rollup_is_final(list[end], list, count))
                break;
            total += bytes;
            largest = bytes > largest ? bytes : largest;
        }
        if (end - start < few || (c->forced == 0 && largest > total / 2))
            continue;
        memset(chosen, 0, count * sizeof(chosen[0]));
        for (size_t i = start; i < end; i++)
            chosen[i] = true;
        return true;
    }
    return false;
}

/*
 * A closed partition whose samples go soon and that has no rollup yet: it is
 * rewritten with one.
 */
static bool choose_due(struct closer *c, struct partition **list, size_t raw,
                       size_t count, bool chosen[])
{
    fw_ms edge = retention_rollup_edge(c->store);

    for (size_t i = 0; i < raw; i++)
        if (rollup_is_due(list[i], list, count, edge) && !list[i]->busy) {
            memset(chosen, 0, count * sizeof(chosen[0]));
            chosen[i] = true;
            return true;
        }
    return false;
}

/*
 * Rollups of what is rewritten go with it. What others cover is not summarised
 * again: their samples are gone, and late ones alone would be half the truth.
 */
static fw_rc note_rollups(struct rewrite *job, struct partition **list,
                          size_t raw, size_t count)
{
    size_t n = count - raw;

    job->old_rollups = calloc(n + 1, sizeof(struct partition *));
    job->gaps = calloc(n + 1, sizeof(*job->gaps));
    if (job->old_rollups == NULL || job->gaps == NULL)
        return FW_ENOMEM;
    for (size_t i = raw; i < count; i++) {
        bool mine = !rollup_is_final(list[i], job->sources, job->source_count);

        if (mine)
            job->old_rollups[job->old_count++] = partition_ref(list[i]);
        else
            job->gaps[job->gap_count++] =
                (struct rollup_gap){list[i]->first, list[i]->last};
    }
    return FW_OK;
}

/* ---- Beginning ------------------------------------------------------------
 */

static void *run_job(void *self)
{
    struct closer *c = self;

    /* Only this thread, as Linux has it: ingest and queries come first. */
    (void)setpriority(PRIO_PROCESS, (id_t)gettid(), NICENESS);
    c->job_rc = rewrite_run(&c->job, &c->job_err);
    atomic_store(&c->finished, true);
    sealer_wake(c->store->sealer);
    return NULL;
}

static fw_rc take_sources(struct closer *c, struct partition **list,
                          size_t count, const bool chosen[], struct fw_err *err)
{
    struct rewrite *job = &c->job;
    fw_rc rc = FW_OK;

    *job = (struct rewrite){.store = c->store, .cancel = &c->cancel};
    job->sources = calloc(count, sizeof(struct partition *));
    if (job->sources == NULL)
        return fw_err_set(err, FW_ENOMEM, "out of memory");
    for (size_t i = 0; i < count && rc == FW_OK; i++) {
        if (!chosen[i])
            continue;
        job->sources[job->source_count++] = partition_ref(list[i]);
        list[i]->busy = true;
        if (atomic_load(&list[i]->kind) == PARTITION_HOT)
            rc = manifest_freeze(&c->store->manifest, list[i], err);
    }
    return rc;
}

static void release_job(struct closer *c)
{
    for (size_t i = 0; i < c->job.source_count; i++)
        c->job.sources[i]->busy = false;
    for (size_t i = 0; i < c->job.old_count; i++)
        c->job.old_rollups[i]->busy = false;
    rewrite_release(&c->job);
}

static struct manifest_stretch stretch_of(const struct closer *c)
{
    const struct rewrite *job = &c->job;
    struct manifest_stretch s = {.first = job->sources[0]->first,
                                 .last = job->sources[0]->last,
                                 .tombs = c->store->tombs.last_id};

    for (size_t i = 0; i < job->source_count; i++) {
        const struct partition *p = job->sources[i];

        s.first = p->first < s.first ? p->first : s.first;
        s.last = p->last > s.last ? p->last : s.last;
        s.rank = p->rank > s.rank ? p->rank : s.rank;
    }
    s.kind = job->rollups_only ? PARTITION_ROLLUP : PARTITION_CLOSED;
    s.alone = job->rollups_only;
    return s;
}

static fw_rc plan(struct closer *c, struct partition **list, size_t raw,
                  size_t count, struct fw_err *err)
{
    struct rewrite *job = &c->job;
    struct manifest *m = &c->store->manifest;
    struct manifest_stretch stretch = stretch_of(c);
    fw_rc rc = manifest_plan_closed(m, &stretch, &job->made, err);

    if (rc != FW_OK || job->rollups_only)
        return rc;
    if (note_rollups(job, list, raw, count) != FW_OK)
        return fw_err_set(err, FW_ENOMEM, "out of memory");
    for (size_t i = 0; i < job->old_count; i++)
        job->old_rollups[i]->busy = true;
    if (c->store->options.rollup_retention == 0 ||
        (job->old_count == 0 &&
         stretch.last >= retention_rollup_edge(c->store)))
        return FW_OK; /* it comes when the samples are about to go */
    stretch.kind = PARTITION_ROLLUP;
    return manifest_plan_closed(m, &stretch, &job->rollup, err);
}

/* Takes back what was planned and is not in the lists. */
static void unplan(struct closer *c)
{
    struct manifest *m = &c->store->manifest;

    if (c->job.made != NULL)
        manifest_unplan(m, c->job.made);
    if (c->job.rollup != NULL)
        manifest_unplan(m, c->job.rollup);
}

static void failed(struct closer *c, fw_rc rc, const struct fw_err *err)
{
    (void)atomic_fetch_add(&c->store->counters.close_failures, 1);
    c->look_ns = fw_clock_mono_ns(c->store->options.clock) + RETRY_NS;
    (void)pthread_mutex_lock(&c->lock);
    if (c->begun > c->served && c->rc == FW_OK) {
        c->rc = rc;
        c->err = *err;
    }
    (void)pthread_mutex_unlock(&c->lock);
}

static void begin(struct closer *c, struct partition **list, size_t raw,
                  size_t count, const bool chosen[])
{
    struct fw_err err = {0};
    fw_rc rc = store_check_disk(c->store, &err);

    if (rc == FW_OK)
        rc = take_sources(c, list, count, chosen, &err);
    if (rc == FW_OK)
        c->job.rollups_only = rollup_is(c->job.sources[0]);
    if (rc == FW_OK)
        rc = plan(c, list, raw, count, &err);
    atomic_store(&c->finished, false);
    if (rc == FW_OK && pthread_create(&c->thread, NULL, run_job, c) != 0)
        rc = fw_err_set(&err, FW_ENOMEM, "cannot start a thread");
    if (rc == FW_OK) {
        c->running = true;
        return;
    }
    unplan(c);
    release_job(c);
    failed(c, rc, &err);
}

/* ---- Publishing -----------------------------------------------------------
 */

/* Blocks of one series, which stand together. */
static size_t run_of(const struct rewrite *job, size_t at)
{
    size_t n = 1;

    while (at + n < job->block_count && job->series[at + n] == job->series[at])
        n++;
    return n;
}

static fw_rc reserve(struct closer *c, struct fw_err *err)
{
    const struct rewrite *job = &c->job;

    for (size_t i = 0; i < job->block_count; i += run_of(job, i))
        if (head_reserve_blocks(&c->store->head, job->series[i],
                                run_of(job, i)) != FW_OK)
            return fw_err_set(err, FW_ENOMEM, "out of memory");
    return FW_OK;
}

static void bury(struct closer *c, struct partition *p)
{
    uint64_t now_ns = fw_clock_mono_ns(c->store->options.clock);

    if (fw_grow(&c->graves, &c->grave_cap, c->grave_count + 1,
                sizeof(*c->graves), MANIFEST_MAX) == FW_OK)
        c->graves[c->grave_count++] = (struct grave){partition_ref(p), now_ns};
}

/* Nobody finds blocks of the old ones any more, and so they may go. */
static void change_blocks(struct closer *c)
{
    struct rewrite *job = &c->job;
    struct head *head = &c->store->head;
    uint16_t parts[REWRITE_SOURCES_MAX];

    for (size_t i = 0; i < job->source_count; i++)
        parts[i] = job->sources[i]->index;
    for (size_t i = 0; i < job->block_count; i += run_of(job, i))
        head_replace_blocks(head, job->series[i], parts, job->source_count,
                            &job->refs[i], run_of(job, i));
    for (size_t i = 0; i < job->source_count && !job->rollups_only; i++)
        head_forget_part(head, parts[i]); /* series with nothing left */
    for (size_t i = 0; i < job->source_count; i++) {
        bury(c, job->sources[i]);
        manifest_forget(&c->store->manifest, job->sources[i]);
    }
    for (size_t i = 0; i < job->old_count; i++) {
        bury(c, job->old_rollups[i]);
        manifest_forget(&c->store->manifest, job->old_rollups[i]);
    }
    rollup_look(c->store);
}

/* The sources and the rollups of them, of which the caller frees the list. */
static struct partition **olds_of(const struct rewrite *job)
{
    struct partition **olds = malloc((job->source_count + job->old_count + 1) *
                                     sizeof(struct partition *));

    for (size_t i = 0; olds != NULL && i < job->source_count; i++)
        olds[i] = job->sources[i];
    for (size_t i = 0; olds != NULL && i < job->old_count; i++)
        olds[job->source_count + i] = job->old_rollups[i];
    return olds;
}

/* With `anything` false every sample was deleted: nothing comes. */
static fw_rc publish(struct closer *c, bool anything, struct fw_err *err)
{
    struct rewrite *job = &c->job;
    struct manifest *m = &c->store->manifest;
    struct partition *made[2] = {job->made, job->rollup};
    size_t made_count = !anything ? 0 : job->rollup != NULL && !job->no_rows;
    struct partition **olds = olds_of(job);
    fw_rc rc = olds == NULL ? fw_err_set(err, FW_ENOMEM, "out of memory")
                            : reserve(c, err);

    made_count += anything ? 1 : 0;
    if (rc == FW_OK)
        rc = manifest_replace(m, made, made_count, olds,
                              job->source_count + job->old_count, err);
    free(olds);
    if (rc != FW_OK)
        return rc;
    for (size_t i = 0; i < job->block_count && anything; i++)
        job->refs[i].part = job->made->index;
    if (anything && job->rollup != NULL && job->no_rows)
        job->made->no_rollup = true; /* else it would be tried for ever */
    job->made = anything ? NULL : job->made; /* the manifest's now */
    if (made_count == 2)
        atomic_store(&c->store->retain, true);
    job->rollup = made_count == 2 ? NULL : job->rollup;
    change_blocks(c);
    if (anything)
        (void)atomic_fetch_add(&c->store->counters.closed, 1);
    return FW_OK;
}

/* The oldest record the journal has on disk; UINT64_MAX for none. */
static uint64_t first_record(struct fw_store *store)
{
    struct lmdb_txn txn = {0};
    struct lmdb_cursor cursor = {0};
    struct fw_str key = {0}, value = {0};
    struct fw_err err = {0};
    uint64_t first = 0;
    fw_rc rc = lmdb_begin_read(store->journal.env, &txn, &err);

    if (rc != FW_OK)
        return 0;
    rc = lmdb_cursor_open(&txn, &cursor, &err);
    if (rc == FW_OK)
        rc = lmdb_seek(&cursor, (struct fw_str){"", 0}, &key, &value, &err);
    if (rc == FW_OK && key.n == 8)
        first = fw_get_be64(key.p);
    else if (rc == FW_END)
        first = UINT64_MAX;
    lmdb_cursor_close(&cursor);
    lmdb_end(&txn);
    return first;
}

/*
 * A tombstone goes when each partition it holds for has been rewritten since,
 * and the journal has no record any more that it holds for.
 */
static void remove_tombs(struct closer *c)
{
    struct fw_store *store = c->store;
    struct partition **list = NULL;
    struct fw_err err = {0};
    uint64_t first;
    size_t count = 0;

    if (atomic_load(&store->tombs.count) == 0 ||
        manifest_list(&store->manifest, &list, &count) != FW_OK)
        return;
    first = first_record(store);
    for (size_t i = 0; i < atomic_load(&store->tombs.count);) {
        const struct tomb *tomb = &store->tombs.v[i];
        bool needed = tomb->seq >= first;

        for (size_t k = 0; k < count && !needed; k++)
            needed = list[k]->exists && list[k]->tombs < tomb->id &&
                     list[k]->rank <= tomb->rank &&
                     overlap(list[k], tomb->from, tomb->to);
        if (needed ||
            tombs_remove(&store->tombs, store->meta, tomb->id, &err) != FW_OK)
            i++;
    }
    manifest_list_free(list, count);
}

static void finish(struct closer *c)
{
    struct rewrite *job = &c->job;
    struct fw_err err = c->job_err;
    fw_rc rc = c->job_rc;

    (void)pthread_join(c->thread, NULL);
    c->running = false;
    if (rc == FW_OK || rc == FW_NONE)
        rc = publish(c, rc == FW_OK, &err);
    if (rc == FW_ECORRUPT)
        for (size_t i = 0; i < job->source_count; i++)
            job->sources[i]->damaged = true; /* stays as it is: see verify */
    unplan(c);
    release_job(c);
    if (rc != FW_OK && rc != FW_END)
        failed(c, rc, &err);
    remove_tombs(c);
}

/* ---- The sealing thread's turn --------------------------------------------
 */

static void open_graves(struct closer *c, uint64_t now_ns, bool all)
{
    size_t kept = 0;

    for (size_t i = 0; i < c->grave_count; i++) {
        if (!all && now_ns - c->graves[i].at_ns < GRAVE_NS)
            c->graves[kept++] = c->graves[i];
        else
            partition_unref(c->graves[i].part);
    }
    c->grave_count = kept;
}

/* When did something last come? Their segments tell. */
static void see_appends(struct closer *c, struct partition **list, size_t count)
{
    uint64_t now_ns = fw_clock_mono_ns(c->store->options.clock);

    for (size_t i = 0; i < count; i++)
        if (list[i]->next_segment != list[i]->seen_segment) {
            list[i]->seen_segment = list[i]->next_segment;
            list[i]->appended_ns = now_ns;
        }
}

/* Looks for work and begins it; false if there is none. */
static bool look(struct closer *c)
{
    struct partition **list = NULL;
    size_t count = 0, raw;
    bool *chosen = NULL;
    bool any = false;

    if (manifest_list(&c->store->manifest, &list, &count) != FW_OK)
        return false;
    chosen = calloc(count + 1, sizeof(*chosen));
    raw = put_rollups_last(list, count);
    see_appends(c, list, raw);
    if (chosen != NULL)
        any = choose_ripe(c, list, raw, chosen) ||
              choose_merge(c, list, raw, chosen) ||
              choose_deleted(c, list, raw, count, chosen) ||
              choose_due(c, list, raw, count, chosen) ||
              choose_rollups(c, list, raw, count, chosen);
    if (any)
        begin(c, list, raw, count, chosen);
    free(chosen);
    manifest_list_free(list, count);
    return any && c->running;
}

static void begin_request(struct closer *c)
{
    (void)pthread_mutex_lock(&c->lock);
    if (c->wanted > c->begun) {
        c->begun = c->wanted;
        c->rc = FW_OK;
        c->forced = c->store->manifest.serial + 1;
        c->look_ns = 0;
    }
    (void)pthread_mutex_unlock(&c->lock);
}

/* Whoever asked wants the room at once. */
static void end_request(struct closer *c)
{
    open_graves(c, 0, true);
    (void)pthread_mutex_lock(&c->lock);
    c->served = c->begun;
    c->forced = 0;
    (void)pthread_cond_broadcast(&c->changed);
    (void)pthread_mutex_unlock(&c->lock);
}

static bool has_failed(struct closer *c)
{
    bool has;

    (void)pthread_mutex_lock(&c->lock);
    has = c->rc != FW_OK;
    (void)pthread_mutex_unlock(&c->lock);
    return has;
}

void closer_tick(struct closer *c)
{
    uint64_t now_ns = fw_clock_mono_ns(c->store->options.clock);

    open_graves(c, now_ns, false);
    if (c->running && !atomic_load(&c->finished))
        return;
    if (c->running)
        finish(c);
    begin_request(c);
    if (c->forced == 0 && now_ns < c->look_ns)
        return;
    if (c->look_ns < now_ns)
        c->look_ns = now_ns + LOOK_NS;
    if (c->forced == 0)
        (void)look(c);
    else if (has_failed(c) || !look(c))
        end_request(c);
}

/* ---- Others ---------------------------------------------------------------
 */

fw_rc closer_new(struct fw_store *store, struct closer **out)
{
    struct closer *c = calloc(1, sizeof(*c));
    pthread_condattr_t attr;

    if (c == NULL)
        return FW_ENOMEM;
    c->store = store;
    (void)pthread_mutex_init(&c->lock, NULL);
    (void)pthread_condattr_init(&attr);
    (void)pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    (void)pthread_cond_init(&c->changed, &attr);
    (void)pthread_condattr_destroy(&attr);
    *out = c;
    return FW_OK;
}

void closer_stop(struct closer *c)
{
    if (!c->running)
        return;
    atomic_store(&c->cancel, true);
    (void)pthread_join(c->thread, NULL);
    unplan(c);
    release_job(c);
    c->running = false;
}

void closer_free(struct closer *c)
{
    if (c == NULL)
        return;
    closer_stop(c);
    open_graves(c, 0, true);
    free(c->graves);
    (void)pthread_cond_destroy(&c->changed);
    (void)pthread_mutex_destroy(&c->lock);
    free(c);
}

static struct timespec in_a_moment(void)
{
    struct timespec ts = {0};

    (void)clock_gettime(CLOCK_MONOTONIC, &ts);
    ts.tv_sec++;
    return ts;
}

fw_rc closer_compact(struct closer *c, const atomic_bool *cancel,
                     struct fw_err *err)
{
    fw_rc rc = sealer_run(c->store->sealer, SEAL_ALL, err);
    uint64_t mine;

    if (rc != FW_OK)
        return rc;
    (void)pthread_mutex_lock(&c->lock);
    mine = ++c->wanted;
    sealer_wake(c->store->sealer);
    while (c->served < mine && rc == FW_OK) {
        struct timespec until = in_a_moment();

        (void)pthread_cond_timedwait(&c->changed, &c->lock, &until);
        if (cancel != NULL && atomic_load(cancel))
            rc = FW_END;
    }
    if (rc == FW_OK && c->rc != FW_OK)
        rc = fw_err_set(err, c->rc, "%s", c->err.text);
    (void)pthread_mutex_unlock(&c->lock);
    return rc;
}
