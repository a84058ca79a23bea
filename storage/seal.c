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
    size_t first_ref, ref_count;
    uint64_t seq_left; /* no sample that stays is from an older record */
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
    struct block_ref *refs;
    size_t ref_count, ref_cap;
    struct target **targets;
    size_t target_count, target_cap;
};

static void step_clear(struct step *s)
{
    for (size_t i = 0; i < s->item_count; i++)
        head_get(&s->store->head, s->items[i].series)->seal_left = 0;
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
    free(s->items);
    free(s->t);
    free(s->v);
    free(s->refs);
    free(s->targets);
}

/* ---- Copying --------------------------------------------------------------
 */

/* How many samples of a series are due. */
static size_t due_locked(const struct head_series *s, enum seal_scope scope,
                         uint64_t before)
{
    size_t whole = s->n / HEAD_BLOCK_SAMPLES * HEAD_BLOCK_SAMPLES;

    if (scope == SEAL_ALL || (scope == SEAL_OLD && s->seq_first <= before))
        return s->n;
    /*
     * After a late sample the order of time is not the order of records, and
     * what stays of the run could be from any of them: so all of it goes.
     */
    return (s->flags & HEAD_DISORDERED) != 0 && whole > 0 ? s->n : whole;
}

static fw_rc copy_series(struct step *step, uint32_t id, enum seal_scope scope,
                         uint64_t before)
{
    struct head_series *s = head_get(&step->store->head, id);
    struct item item = {.series = id, .at = step->n};
    fw_rc rc = FW_OK;

    if (s == NULL)
        return FW_OK;
    head_lock(&step->store->head, id);
    item.n = due_locked(s, scope, before);
    if (item.n == 0)
        goto out;
    rc = fw_grow(&step->items, &step->item_cap, step->item_count + 1,
                 sizeof(*step->items), UINT32_MAX);
    if (rc == FW_OK)
        rc = fw_grow(&step->t, &step->t_cap, step->n + item.n, sizeof(*step->t),
                     SIZE_MAX / 16);
    if (rc == FW_OK)
        rc = fw_grow(&step->v, &step->v_cap, step->n + item.n, sizeof(*step->v),
                     SIZE_MAX / 16);
    if (rc != FW_OK)
        goto out;
    memcpy(step->t + step->n, head_times(s), item.n * sizeof(*step->t));
    memcpy(step->v + step->n, head_values(s), item.n * sizeof(*step->v));
    item.seq_left = item.n < s->n ? s->seq_next : step->applied + 1;
    item.has_sealed = s->block_count > 0;
    item.sealed_max = s->sealed_max;
    s->seal_left = item.seq_left;
    step->n += item.n;
    step->items[step->item_count++] = item;
out:
    head_unlock(&step->store->head, id);
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

static fw_rc put_block(struct step *s, struct target *target, uint32_t series,
                       const fw_ms *t, const double *v, size_t n)
{
    struct head_series *state = head_get(&s->store->head, series);
    struct block_ref ref;
    fw_rc rc = fw_grow(&s->refs, &s->ref_cap, s->ref_count + 1,
                       sizeof(*s->refs), SIZE_MAX / sizeof(*s->refs));

    if (rc == FW_OK)
        rc = segment_writer_add(&target->writer, series, t, v, n, &state->hint,
                                &ref);
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
        rc = put_block(s, target, item->series, t + i, s->v + item->at + i,
                       end - i);
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

static fw_rc save_registry(struct fw_store *store, struct seal_state *state,
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

static fw_rc commit_targets(struct step *s, uint64_t edge, struct fw_err *err)
{
    fw_rc rc = FW_OK;

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

        rc = head_publish(&s->store->head, item->series,
                          s->refs + item->first_ref, item->ref_count,
                          s->t + item->at, item->n, item->seq_left);
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
        rc = save_registry(s->store, state, err);
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

fw_rc seal_round(struct fw_store *store, struct seal_state *state,
                 enum seal_scope scope, uint64_t before, struct fw_err *err)
{
    struct step step = {.store = store,
                        .now = fw_clock_now(store->options.clock)};
    uint32_t limit = head_limit(&store->head);
    fw_rc rc = FW_OK;

    step.applied = atomic_load(&store->head.applied);
    for (uint32_t id = 0; id < limit && rc == FW_OK; id++) {
        rc = copy_series(&step, id, scope, before);
        if (rc != FW_OK)
            rc = fw_err_set(err, rc, "out of memory");
        else if (step.n >= STEP_SAMPLES) {
            rc = finish_step(&step, state, err);
            step.applied = atomic_load(&store->head.applied);
        }
    }
    if (rc == FW_OK)
        rc = finish_step(&step, state, err);
    step_release(&step);
    if (rc != FW_OK)
        (void)atomic_fetch_add(&store->counters.seal_failures, 1);
    return rc;
}
