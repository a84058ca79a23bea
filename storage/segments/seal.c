/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * seal.c - see seal.h.
 *
 * A step takes series after series: copies what is packed of it under its
 * lock, and without one unpacks and encodes it at once, while it is near. When
 * there is enough each partition is committed once. The order makes every
 * crash harmless:
 *
 *   1. meta/: labels of all series, partitions planned
 *   2. part/: segments, with the watermark in the same commit
 *   3. memory: blocks appear and samples go, in one moment for each series
 *   4. journal: what is on disk whole may be trimmed with the next commit
 *
 * Samples that a checkpoint has are trimmed from its ring in the same way.
 * After a crash between 2 and 4 the journal still has samples that are in
 * blocks; replay skips them by the watermark, or finds them there.
 */
#include "storage/segments/seal.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "storage/index/registry_page.h"
#include "storage/meta.h"

#define STEP_BYTES ((size_t)4 << 20) /* of blocks before a commit */

/* The samples of one series that this step seals. */
struct item {
    uint32_t series;
    size_t n;   /* samples */
    size_t run; /* of those, from chunks and tail */
    size_t first_ref, ref_count;
    struct values_hint hint; /* what its blocks here taught */
    size_t late_at, late_n;  /* in the step's times, if some were late: all */
};

/* What goes to one partition. */
struct target {
    struct partition *part;
    struct segment_writer writer;
    struct fw_str *segments; /* owned, as their texts */
    size_t count, cap;
};

struct step {
    struct fw_store *store;
    fw_ms now;
    uint64_t applied; /* the last record shown when copying began */
    struct item *items;
    size_t item_count, item_cap;
    struct head_snap snap; /* the series being encoded */
    bool has_sealed;       /* it has blocks, */
    fw_ms sealed_max;      /* the newest of which ends here */
    uint64_t times_id;     /* counts the times that came by in the snap */
    fw_ms *late;           /* owned: times of series that had late samples */
    size_t late_n, late_cap;
    size_t bytes; /* of blocks, and what they take beside, about */
    struct block_ref *refs;
    size_t ref_count, ref_cap;
    struct target **targets;
    size_t target_count, target_cap;
    struct segment_hints hints; /* what directories taught */
};

static void step_clear(struct step *s)
{
    for (size_t i = 0; i < s->item_count; i++)
        head_stays(&s->store->head, s->items[i].series);
    for (size_t i = 0; i < s->target_count; i++) {
        struct target *target = s->targets[i];

        for (size_t j = 0; j < target->count; j++)
            free((void *)(uintptr_t)target->segments[j].p);
        free(target->segments);
        segment_writer_release(&target->writer);
        partition_unref(target->part);
        free(target);
    }
    s->target_count = 0;
    s->item_count = 0;
    s->ref_count = 0;
    s->late_n = 0;
    s->bytes = 0;
}

static void step_release(struct step *s)
{
    step_clear(s);
    head_snap_release(&s->snap);
    free(s->items);
    free(s->late);
    free(s->refs);
    free(s->targets);
}

/* ---- Copying --------------------------------------------------------------
 */

enum due { DUE_NOT, DUE_FULL, DUE_WHOLE };

static bool old_locked(const struct head_series *s,
                       const struct seal_order *order)
{
    return order->scope == SEAL_OLD &&
           (s->seq_first <= order->before ||
            (s->ring_first != 0 && s->ring_first <= order->ring_before));
}

static enum due due_locked(const struct head_series *s,
                           const struct seal_order *order)
{
    bool full = head_full(s) > 0;

    if (head_count(s) == 0)
        return DUE_NOT;
    if (order->scope == SEAL_ALL || old_locked(s, order))
        return DUE_WHOLE;
    if (head_late_count(s) >= HEAD_BLOCK_SAMPLES)
        return DUE_WHOLE;
    /* Late ones lie among the others, and blocks must not overlap by design. */
    return !full ? DUE_NOT : head_late_count(s) > 0 ? DUE_WHOLE : DUE_FULL;
}

static fw_rc take_locked(struct step *step, struct head_series *s, enum due due,
                         struct item *item)
{
    fw_rc rc = due == DUE_WHOLE
                   ? head_snap_take(&step->snap, s, INT64_MIN, INT64_MAX)
                   : head_snap_take_full(&step->snap, s);

    if (rc != FW_OK)
        return rc;
    item->run = step->snap.run;
    step->has_sealed = s->block_count > 0;
    step->sealed_max = s->sealed_max;
    if (due == DUE_WHOLE)
        s->flags |= HEAD_LEAVES;
    return FW_OK;
}

/* Unpacks what was taken of a series. */
static fw_rc unpack(struct step *step, struct item *item)
{
    struct head_snap *snap = &step->snap;
    fw_rc rc = head_snap_unpack(snap);

    if (rc != FW_OK)
        return rc;
    item->n = snap->n;
    step->times_id += snap->same_times ? 0 : 1;
    if (snap->late_n == 0)
        return FW_OK;
    rc = fw_grow(&step->late, &step->late_cap, step->late_n + snap->n,
                 sizeof(*step->late), SIZE_MAX / 16);
    if (rc != FW_OK)
        return rc;
    memcpy(step->late + step->late_n, snap->t, snap->n * sizeof(*snap->t));
    item->late_at = step->late_n;
    item->late_n = snap->n;
    step->late_n += snap->n;
    return FW_OK;
}

/* Takes what is due of a series into step->snap; FW_NONE: nothing. */
static fw_rc copy_series(struct step *step, uint32_t id,
                         const struct seal_order *order)
{
    struct head_series *s = head_get(&step->store->head, id);
    struct item item = {.series = id};
    enum due due;
    fw_rc rc;

    if (s == NULL)
        return FW_NONE;
    rc = fw_grow(&step->items, &step->item_cap, step->item_count + 1,
                 sizeof(*step->items), UINT32_MAX);
    if (rc != FW_OK)
        return rc;
    head_lock(&step->store->head, id);
    due = due_locked(s, order);
    head_fetch_ahead(&step->store->head, id);
    if (due != DUE_NOT)
        rc = take_locked(step, s, due, &item);
    head_unlock(&step->store->head, id);
    if (rc != FW_OK || due == DUE_NOT)
        return rc == FW_OK ? FW_NONE : rc;
    step->items[step->item_count++] = item; /* so that it may stay */
    return unpack(step, &step->items[step->item_count - 1]);
}

/* ---- Encoding -------------------------------------------------------------
 */

static fw_rc target_of(struct step *s, fw_ms t, struct target **out,
                       struct fw_err *err)
{
    struct target *target;
    struct partition *part = NULL;
    fw_rc rc;

    for (size_t i = s->target_count; i > 0; i--) {
        target = s->targets[i - 1];
        if (target->part->first <= t && t <= target->part->last) {
            *out = target;
            return FW_OK;
        }
    }
    rc = manifest_plan(&s->store->manifest, t, s->now, &part, err);
    if (rc != FW_OK)
        return rc;
    target = calloc(1, sizeof(*target));
    rc = fw_grow(&s->targets, &s->target_cap, s->target_count + 1,
                 sizeof(struct target *), MANIFEST_MAX);
    if (target == NULL || rc != FW_OK) {
        free(target);
        return fw_err_set(err, FW_ENOMEM, "out of memory");
    }
    segment_writer_init(&target->writer);
    target->writer.learns = true;
    target->writer.hints = s->hints;
    target->part = partition_ref(part);
    s->targets[s->target_count++] = target;
    *out = target;
    return FW_OK;
}

/* Moves what the writer has into the list of finished segments. */
static fw_rc close_segment(struct step *s, struct target *target)
{
    struct fw_str value = {0};
    fw_rc rc;

    if (target->writer.n == 0)
        return FW_OK;
    rc = segment_writer_finish(&target->writer, s->applied, &value);
    s->hints = target->writer.hints;
    if (rc == FW_OK)
        rc = fw_grow(&target->segments, &target->cap, target->count + 1,
                     sizeof(*target->segments), UINT32_MAX);
    if (rc != FW_OK)
        return rc;
    target->segments[target->count++] =
        (struct fw_str){segment_writer_take(&target->writer), value.n};
    segment_writer_clear(&target->writer);
    return FW_OK;
}

static fw_rc put_block(struct step *s, struct target *target,
                       const struct item *item, size_t from, size_t n)
{
    struct head_snap *snap = &s->snap;
    struct block_ref ref;
    fw_rc rc = fw_grow(&s->refs, &s->ref_cap, s->ref_count + 1,
                       sizeof(*s->refs), SIZE_MAX / sizeof(*s->refs));

    segment_writer_times(&target->writer, s->times_id);
    if (rc == FW_OK)
        rc = segment_writer_add(&target->writer, item->series, snap->t + from,
                                snap->v + from, n, &snap->hint, &ref);
    if (rc != FW_OK)
        return rc;
    ref.part = target->part->index;
    ref.segment = target->part->next_segment + (uint32_t)target->count;
    s->refs[s->ref_count++] = ref;
    s->bytes += ref.bytes + sizeof(ref);
    return segment_writer_full(&target->writer) ? close_segment(s, target)
                                                : FW_OK;
}

/*
 * Cuts a run into blocks: never across partitions, and never across the edge
 * of what is sealed, so that late samples do not make other blocks overlap.
 */
static fw_rc encode_item(struct step *s, struct item *item, struct fw_err *err)
{
    const fw_ms *t = s->snap.t;
    fw_rc rc = FW_OK;

    item->first_ref = s->ref_count;
    for (size_t i = 0; i < item->n && rc == FW_OK;) {
        struct target *target = NULL;
        size_t end =
            i + HEAD_BLOCK_SAMPLES < item->n ? i + HEAD_BLOCK_SAMPLES : item->n;
        size_t edge;

        rc = target_of(s, t[i], &target, err);
        if (rc != FW_OK)
            return rc;
        while (end > i + 1 && t[end - 1] > target->part->last)
            end = i +
                  head_lower_bound(t + i, end - 1 - i, target->part->last + 1);
        edge =
            s->has_sealed && t[i] <= s->sealed_max && s->sealed_max < INT64_MAX
                ? i + head_lower_bound(t + i, end - i, s->sealed_max + 1)
                : end;
        end = edge < end ? edge : end;
        rc = put_block(s, target, item, i, end - i);
        i = end;
    }
    item->ref_count = s->ref_count - item->first_ref;
    item->hint = s->snap.hint;
    return rc == FW_OK ? FW_OK : fw_err_set(err, rc, "out of memory");
}

/* ---- Committing -----------------------------------------------------------
 */

struct save_work {
    struct fw_store *store;
    uint32_t from, to;
};

static fw_rc save_in(void *self, struct lmdb_txn *txn, struct fw_err *err)
{
    struct save_work *w = self;

    return registry_save(&w->store->registry, txn, w->from, w->to, err);
}

fw_rc seal_save_registry(struct fw_store *store, struct seal_state *state,
                         struct fw_err *err)
{
    struct save_work work = {store, state->registry_saved,
                             (uint32_t)registry_next_id(&store->registry)};
    fw_rc rc = FW_OK;

    if (work.to > work.from)
        rc = lmdb_update(store->meta, save_in, &work, err);
    if (rc == FW_OK)
        state->registry_saved = work.to;
    return rc;
}

/* Records below this are on disk whole once this step is. */
static uint64_t edge_after(struct step *s)
{
    uint64_t oldest = head_oldest_seq(&s->store->head);

    return oldest < s->applied + 1 ? oldest : s->applied + 1;
}

static int by_time(const void *a, const void *b)
{
    const struct target *left = *(struct target *const *)a;
    const struct target *right = *(struct target *const *)b;

    return (left->part->first > right->part->first) -
           (left->part->first < right->part->first);
}

/*
 * The oldest partition first: wherever that is cut off, what a series has in
 * blocks is older than what it has not, which checkpoint.c counts on.
 */
static fw_rc commit_targets(struct step *s, uint64_t edge, struct fw_err *err)
{
    fw_rc rc = FW_OK;

    if (s->target_count > 0)
        qsort(s->targets, s->target_count, sizeof(struct target *), by_time);
    for (size_t i = 0; i < s->target_count && rc == FW_OK; i++) {
        struct target *target = s->targets[i];

        if (close_segment(s, target) != FW_OK)
            return fw_err_set(err, FW_ENOMEM, "out of memory");
        rc = partition_append(target->part, target->segments, target->count,
                              edge - 1, err);
        if (rc == FW_OK)
            rc = manifest_live(&s->store->manifest, target->part, err);
    }
    return rc;
}

static fw_rc publish(struct step *s, struct fw_err *err)
{
    fw_rc rc = FW_OK;

    for (size_t i = 0; i < s->item_count && rc == FW_OK; i++) {
        const struct item *item = &s->items[i];
        struct head_leaving leaving = {
            item->run, item->late_n > 0 ? s->late + item->late_at : NULL,
            item->late_n, item->hint};

        rc = head_publish(&s->store->head, item->series,
                          s->refs + item->first_ref, item->ref_count, &leaving);
        (void)atomic_fetch_add(&s->store->counters.sealed, item->n);
    }
    return rc == FW_OK ? FW_OK : fw_err_set(err, rc, "out of memory");
}

/*
 * To find the edge all series are looked at, so only the last step of a round
 * that does so anyway finds it; otherwise partitions keep the watermark they
 * have.
 */
static fw_rc finish_step(struct step *s, struct seal_state *state, bool last,
                         struct fw_err *err)
{
    uint64_t edge = 1;
    fw_rc rc = seal_save_registry(s->store, state, err);

    if (rc == FW_OK) {
        edge = last ? edge_after(s) : 1;
        rc = commit_targets(s, edge, err);
    }
    if (rc == FW_OK)
        rc = publish(s, err);
    if (rc == FW_OK && last)
        rc = journal_pass(&s->store->journal, s->store->meta, edge, err);
    step_clear(s);
    return rc;
}

/* Samples that come from here on are of records behind `applied`. */
static void begin_copying(struct step *s)
{
    s->applied = atomic_load(&s->store->head.applied);
    s->store->head.leaving_seq = s->applied + 1;
}

static fw_rc seal_series(struct step *step, uint32_t id,
                         const struct seal_order *order, struct fw_err *err)
{
    fw_rc rc = copy_series(step, id, order);

    if (rc == FW_OK)
        rc = encode_item(step, &step->items[step->item_count - 1], err);
    else if (rc != FW_NONE)
        (void)fw_err_set(err, rc, "out of memory");
    head_snap_clear(&step->snap);
    return rc == FW_NONE ? FW_OK : rc;
}

/* The marked ones of HEAD_STATES series from `first` on. */
static fw_rc seal_group(struct step *step, struct seal_state *state,
                        const struct seal_order *order, uint32_t first,
                        uint64_t marks, struct fw_err *err)
{
    fw_rc rc = FW_OK;

    for (uint32_t i = 0; i < HEAD_STATES && rc == FW_OK; i++) {
        if ((marks >> (i / HEAD_MARKED) & 1) == 0) {
            i += HEAD_MARKED - 1;
            continue;
        }
        rc = seal_series(step, first + i, order, err);
        if (rc == FW_OK && step->bytes >= STEP_BYTES) {
            rc = finish_step(step, state, false, err);
            begin_copying(step);
        }
    }
    return rc;
}

/* CPU time of this thread: a cost, and no time of day. */
static uint64_t spent_ns(void)
{
    struct timespec ts = {0};

    (void)clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);
    return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

fw_rc seal_round(struct fw_store *store, struct seal_state *state,
                 const struct seal_order *order, struct fw_err *err)
{
    struct step step = {.store = store,
                        .now = fw_clock_now(store->options.clock)};
    uint64_t limit = head_limit(&store->head), began_ns = spent_ns();
    bool some = order->scope == SEAL_FULL && order->marked;
    fw_rc rc = FW_OK;

    begin_copying(&step);
    for (uint64_t id = 0; id < limit && rc == FW_OK; id += HEAD_STATES) {
        uint64_t marks = head_take_marks(&store->head, (uint32_t)id);

        rc = seal_group(&step, state, order, (uint32_t)id,
                        some ? marks : UINT64_MAX, err);
    }
    if (rc == FW_OK)
        rc = finish_step(&step, state, !some, err);
    step_release(&step);
    (void)atomic_fetch_add(&store->counters.seal_cpu_ns, spent_ns() - began_ns);
    if (rc != FW_OK)
        (void)atomic_fetch_add(&store->counters.seal_failures, 1);
    return rc;
}
