/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * seal.c - see seal.h.
 *
 * A step copies the samples of some series, encodes them without any lock and
 * commits each partition once. The order makes every crash harmless:
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
#include "storage/seal.h"

#include <stdlib.h>
#include <string.h>

#include "storage/meta.h"
#include "storage/registry_page.h"

#define STEP_SAMPLES ((size_t)2 << 20) /* copied at once: 32 MiB */
#define NOTHING_LEFT UINT64_MAX

/* The samples of one series that this step seals. */
struct item {
    uint32_t series;
    size_t at, n; /* in the step's arrays */
    size_t run;   /* of those, from chunks and tail */
    size_t first_ref, ref_count;
    struct values_hint hint; /* of the series, for its blocks here */
    bool has_sealed;
    fw_ms sealed_max;
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
    fw_ms *t;
    size_t t_cap;
    double *v;
    size_t v_cap;
    size_t n;
    struct head_snap snap;
    struct block_ref *refs;
    size_t ref_count, ref_cap;
    struct target **targets;
    size_t target_count, target_cap;
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
    s->n = 0;
}

static void step_release(struct step *s)
{
    step_clear(s);
    head_snap_release(&s->snap);
    free(s->items);
    free(s->t);
    free(s->v);
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
    bool full = s->settled >= HEAD_BLOCK_SAMPLES;

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
    item->hint = step->snap.hint;
    item->has_sealed = s->block_count > 0;
    item->sealed_max = s->sealed_max;
    if (due == DUE_WHOLE)
        s->flags |= HEAD_LEAVES;
    return FW_OK;
}

/* Puts what was taken of a series into the step's arrays. */
static fw_rc unpack(struct step *step, struct item *item)
{
    struct head_snap *snap = &step->snap;
    fw_rc rc = head_snap_unpack(snap);

    if (rc == FW_OK)
        rc = fw_grow(&step->t, &step->t_cap, step->n + snap->n,
                     sizeof(*step->t), SIZE_MAX / 16);
    if (rc == FW_OK)
        rc = fw_grow(&step->v, &step->v_cap, step->n + snap->n,
                     sizeof(*step->v), SIZE_MAX / 16);
    if (rc != FW_OK)
        return rc;
    memcpy(step->t + step->n, snap->t, snap->n * sizeof(*step->t));
    memcpy(step->v + step->n, snap->v, snap->n * sizeof(*step->v));
    item->n = snap->n;
    step->n += snap->n;
    return FW_OK;
}

static fw_rc copy_series(struct step *step, uint32_t id,
                         const struct seal_order *order)
{
    struct head_series *s = head_get(&step->store->head, id);
    struct item item = {.series = id, .at = step->n};
    enum due due;
    fw_rc rc;

    if (s == NULL)
        return FW_OK;
    rc = fw_grow(&step->items, &step->item_cap, step->item_count + 1,
                 sizeof(*step->items), UINT32_MAX);
    if (rc != FW_OK)
        return rc;
    head_lock(&step->store->head, id);
    due = due_locked(s, order);
    if (due != DUE_NOT)
        rc = take_locked(step, s, due, &item);
    head_unlock(&step->store->head, id);
    if (due == DUE_NOT || rc != FW_OK)
        return rc;
    step->items[step->item_count++] = item; /* so that it may stay */
    rc = unpack(step, &step->items[step->item_count - 1]);
    head_snap_clear(&step->snap);
    return rc;
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
    target->part = partition_ref(part);
    s->targets[s->target_count++] = target;
    *out = target;
    return FW_OK;
}

/* Moves what the writer has into the list of finished segments. */
static fw_rc close_segment(struct step *s, struct target *target)
{
    struct fw_str value = {0};
    char *copy;
    fw_rc rc;

    if (target->writer.n == 0)
        return FW_OK;
    rc = segment_writer_finish(&target->writer, s->applied, &value);
    if (rc == FW_OK)
        rc = fw_grow(&target->segments, &target->cap, target->count + 1,
                     sizeof(*target->segments), UINT32_MAX);
    if (rc != FW_OK)
        return rc;
    copy = malloc(value.n);
    if (copy == NULL)
        return FW_ENOMEM;
    memcpy(copy, value.p, value.n);
    target->segments[target->count++] = (struct fw_str){copy, value.n};
    segment_writer_clear(&target->writer);
    return FW_OK;
}

static fw_rc put_block(struct step *s, struct target *target, struct item *item,
                       const fw_ms *t, const double *v, size_t n)
{
    struct block_ref ref;
    fw_rc rc = fw_grow(&s->refs, &s->ref_cap, s->ref_count + 1,
                       sizeof(*s->refs), SIZE_MAX / sizeof(*s->refs));

    if (rc == FW_OK)
        rc = segment_writer_add(&target->writer, item->series, t, v, n,
                                &item->hint, &ref);
    if (rc != FW_OK)
        return rc;
    ref.part = target->part->index;
    ref.segment = target->part->next_segment + (uint32_t)target->count;
    s->refs[s->ref_count++] = ref;
    return segment_writer_full(&target->writer) ? close_segment(s, target)
                                                : FW_OK;
}

/*
 * Cuts a run into blocks: never across partitions, and never across the edge
 * of what is sealed, so that late samples do not make other blocks overlap.
 */
static fw_rc encode_item(struct step *s, struct item *item, struct fw_err *err)
{
    const fw_ms *t = s->t + item->at;
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
        edge = item->has_sealed && t[i] <= item->sealed_max &&
                       item->sealed_max < INT64_MAX
                   ? i + head_lower_bound(t + i, end - i, item->sealed_max + 1)
                   : end;
        end = edge < end ? edge : end;
        rc = put_block(s, target, item, t + i, s->v + item->at + i, end - i);
        i = end;
    }
    item->ref_count = s->ref_count - item->first_ref;
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
        struct head_leaving leaving = {item->run, s->t + item->at, item->n};

        rc = head_publish(&s->store->head, item->series,
                          s->refs + item->first_ref, item->ref_count, &leaving);
        (void)atomic_fetch_add(&s->store->counters.sealed, item->n);
    }
    return rc == FW_OK ? FW_OK : fw_err_set(err, rc, "out of memory");
}

static fw_rc finish_step(struct step *s, struct seal_state *state,
                         struct fw_err *err)
{
    uint64_t edge;
    fw_rc rc = FW_OK;

    for (size_t i = 0; i < s->item_count && rc == FW_OK; i++)
        rc = encode_item(s, &s->items[i], err);
    if (rc == FW_OK)
        rc = seal_save_registry(s->store, state, err);
    if (rc == FW_OK) {
        edge = edge_after(s);
        rc = commit_targets(s, edge, err);
        if (rc == FW_OK)
            rc = publish(s, err);
        if (rc == FW_OK)
            journal_allow_trim(&s->store->journal, edge);
    }
    step_clear(s);
    return rc;
}

/* Samples that come from here on are of records behind `applied`. */
static void begin_copying(struct step *s)
{
    s->applied = atomic_load(&s->store->head.applied);
    s->store->head.leaving_seq = s->applied + 1;
}

fw_rc seal_round(struct fw_store *store, struct seal_state *state,
                 const struct seal_order *order, struct fw_err *err)
{
    struct step step = {.store = store,
                        .now = fw_clock_now(store->options.clock)};
    uint32_t limit = head_limit(&store->head);
    fw_rc rc = FW_OK;

    begin_copying(&step);
    for (uint32_t id = 0; id < limit && rc == FW_OK; id++) {
        rc = copy_series(&step, id, order);
        if (rc != FW_OK)
            rc = fw_err_set(err, rc, "out of memory");
        else if (step.n >= STEP_SAMPLES) {
            rc = finish_step(&step, state, err);
            begin_copying(&step);
        }
    }
    if (rc == FW_OK)
        rc = finish_step(&step, state, err);
    step_release(&step);
    if (rc != FW_OK)
        (void)atomic_fetch_add(&store->counters.seal_failures, 1);
    return rc;
}
