/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "storage/load.h"

#include <stdlib.h>

#include "storage/base/limits.h"

#include "storage/index/registry_page.h"
#include "storage/meta.h"
#include "storage/segments/rollup.h"

struct load_series {
    struct fw_store *store;
    struct seal_state *state;
    struct fw_err *why;
    fw_rc rc;    /* of what could not be told at once */
    bool before; /* pages of the format before were among them */
};

static void first_damage(struct fw_store *store, struct fw_err *why,
                         const struct fw_err *err)
{
    (void)atomic_fetch_add(&store->counters.corrupt, 1);
    if (why->text[0] == '\0')
        *why = *err;
}

/*
 * The ids of a damaged page stay taken, so that its series and new ones do
 * not mix; and the page stays as it is, for whoever can read it.
 */
static void bad_page(void *self, uint32_t page, const struct fw_err *err)
{
    struct load_series *load = self;
    uint32_t next = (page + 1) * REGISTRY_PAGE_SERIES;

    first_damage(load->store, load->why, err);
    if (page >= FW_MAX_SERIES / REGISTRY_PAGE_SERIES * 2)
        return; /* no page of ours: its number is part of the damage */
    if (registry_skip(&load->store->registry, next) != FW_OK)
        load->rc = FW_ENOMEM;
    if (next > load->state->registry_saved)
        load->state->registry_saved = next;
}

static fw_rc make_states(struct load_series *load, uint32_t first,
                         uint32_t next, struct fw_err *err)
{
    struct head *head = &load->store->head;

    for (uint32_t id = first; id < next; id++) {
        if (!registry_has(&load->store->registry, id))
            continue;
        if (head_make(head, id) != FW_OK)
            return fw_err_set(err, FW_ENOMEM, "out of memory");
        head_get(head, id)->defined = true;
    }
    return FW_OK;
}

static fw_rc each_page(void *self, uint32_t page, struct fw_str bytes,
                       struct fw_err *err)
{
    struct load_series *load = self;
    uint32_t first = page * REGISTRY_PAGE_SERIES, next = 0;
    struct fw_err why = {0};
    bool before = false;
    fw_rc rc = registry_page_load(&load->store->registry, page, bytes, &next,
                                  &before, &why);

    if (rc == FW_ECORRUPT) {
        bad_page(load, page, &why);
        return FW_OK;
    }
    if (rc != FW_OK)
        return fw_err_set(err, rc, "%s", why.text);
    load->before = load->before || before;
    if (next > load->state->registry_saved)
        load->state->registry_saved = next;
    return make_states(load, first, next, err);
}

static fw_rc load_registry(struct fw_store *store, struct seal_state *state,
                           struct fw_err *why, struct fw_err *err)
{
    struct load_series load = {.store = store, .state = state, .why = why};
    uint32_t next = 0;
    fw_rc rc = registry_each_page(store->meta, each_page, &load, &next, err);

    if (rc == FW_OK && load.rc != FW_OK)
        rc = fw_err_set(err, load.rc, "out of memory");
    if (rc == FW_OK && registry_skip(&store->registry, next) != FW_OK)
        rc = fw_err_set(err, FW_ENOMEM, "out of memory");
    if (load.before)
        state->registry_saved = 0; /* all of it, with the next pages */
    return rc;
}

/* ---- Blocks ---------------------------------------------------------------
 */

struct load_blocks {
    struct fw_store *store;
    struct partition *part;
    struct fw_err *why;
};

static fw_rc add_block(struct load_blocks *load, uint32_t number,
                       const struct segment_block *b)
{
    struct block_ref ref = {.t_min = b->t_min,
                            .t_max = b->t_max,
                            .segment = number,
                            .offset = b->offset,
                            .part = load->part->index,
                            .column = (uint16_t)b->column,
                            .n = (uint16_t)b->n,
                            .bytes = (uint16_t)b->bytes};
    fw_rc rc = head_make(&load->store->head, b->series);

    return rc == FW_OK
               ? head_publish(&load->store->head, b->series, &ref, 1, NULL)
               : rc;
}

static fw_rc each_segment(void *self, uint32_t number, struct fw_str value,
                          struct fw_err *err)
{
    struct load_blocks *load = self;
    struct segment_block *blocks = NULL;
    struct segment segment;
    struct fw_err why = {0};
    fw_rc rc = segment_open(&segment, value, &why);

    if (rc == FW_OK)
        rc = segment.rows ? fw_err_set(&why, FW_ECORRUPT, "it has no samples")
                          : segment_directory(&segment, &blocks, &why);
    if (rc == FW_ECORRUPT || rc == FW_EVERSION) {
        load->part->damaged = true;
        (void)fw_err_prefix(&why, "%s, segment %u", load->part->path, number);
        first_damage(load->store, load->why, &why);
        return FW_OK;
    }
    for (uint32_t i = 0; rc == FW_OK && i < segment.block_count; i++)
        rc = add_block(load, number, &blocks[i]);
    free(blocks);
    return rc == FW_OK ? FW_OK : fw_err_set(err, rc, "out of memory");
}

/* Only a reader meets it: who may write mends it (lmdb_check.h). */
static void tell_hidden(struct fw_store *store, const struct lmdb_env *env,
                        const char *path, struct fw_err *why)
{
    struct fw_err hidden = {0};

    if (env == NULL || !lmdb_hides_commit(env))
        return;
    (void)fw_err_set(&hidden, FW_ECORRUPT, LMDB_HIDES_TEXT, path);
    first_damage(store, why, &hidden);
}

static fw_rc load_partition(struct fw_store *store, struct partition *part,
                            struct fw_err *why, struct fw_err *err)
{
    struct load_blocks load = {store, part, why};
    struct fw_err damage = {0};
    struct partition_end end = {.next_segment = 1};
    struct lmdb_env *env = NULL;
    bool live;
    fw_rc rc;

    if (!lmdb_is_begun(part->path)) {
        if (!part->exists)
            return FW_OK; /* planned, and then the power went */
        if (store->options.read_only && !store->check_files &&
            !manifest_may_be_live(&store->manifest, part))
            return fw_err_set(err, FW_EBUSY, "%s is being rewritten; try again",
                              part->path);
        part->damaged = true;
        (void)fw_err_set(&damage, FW_ECORRUPT, "%s is gone", part->path);
        first_damage(store, why, &damage);
        return FW_OK;
    }
    part->exists = true;
    live = manifest_may_be_live(&store->manifest, part);
    if (rollup_is(part))
        return FW_OK; /* nobody needs it in memory */
    rc = partition_enter(part, &env, &damage);
    if (rc == FW_ECORRUPT) {
        /* Nothing in it can be reached, and nothing can be added to it. */
        part->damaged = atomic_load(&part->kind) != PARTITION_HOT;
        first_damage(store, why, &damage);
        return store->options.read_only ? FW_OK
                                        : partition_set_aside(part, err);
    }
    if (rc == FW_OK) {
        tell_hidden(store, env, part->path, why);
        rc = partition_scan(part, each_segment, &load, &end, &damage);
        part->next_segment = end.next_segment;
        part->complete = end.complete;
        partition_leave(part);
    }
    if (rc == FW_OK && live && !end.header)
        rc = fw_err_set(&damage, FW_ECORRUPT, PARTITION_EMPTY_TEXT, part->path);
    if (rc == FW_ECORRUPT || rc == FW_EVERSION) {
        part->damaged = true;
        first_damage(store, why, &damage);
        return FW_OK;
    }
    return rc == FW_OK ? FW_OK : fw_err_set(err, rc, "%s", damage.text);
}

static void never_again(struct journal *j, uint64_t seq)
{
    if (j->next_seq > seq)
        return;
    j->next_seq = seq + 1;
    j->first_seq = seq + 1;
}

/*
 * Tombstones say what they hold for by numbers: up to a rank of partitions and
 * a journal record. Partitions say by number which tombstones they have been
 * rewritten without. Each may outlive what had those numbers, which must not
 * be given to others then: a new sample would be taken for a deleted one, or a
 * new tombstone for one that was carried out.
 */
static void number_behind_tombs(struct fw_store *store)
{
    struct tombs *t = &store->tombs;
    struct manifest *m = &store->manifest;

    for (size_t i = 0; i < m->count; i++)
        if (m->sorted[i]->tombs > t->last_id)
            t->last_id = m->sorted[i]->tombs;
    for (size_t i = 0; i < atomic_load(&t->count); i++) {
        m->rank = t->v[i].rank > m->rank ? t->v[i].rank : m->rank;
        never_again(&store->journal, t->v[i].seq);
    }
}

static fw_rc load_partitions(struct fw_store *store, struct fw_err *why,
                             struct fw_err *err)
{
    struct partition **list = NULL;
    uint64_t complete = 0;
    size_t count = 0;
    fw_rc rc = manifest_list(&store->manifest, &list, &count);

    if (rc != FW_OK)
        return fw_err_set(err, rc, "out of memory");
    for (size_t i = 0; i < count && rc == FW_OK; i++) {
        rc = load_partition(store, list[i], why, err);
        if (list[i]->complete > complete)
            complete = list[i]->complete;
        if (i % 64 == 63)
            manifest_close_idle(&store->manifest);
    }
    manifest_list_free(list, count);
    /* Numbers of records never come again: watermarks count on it. */
    never_again(&store->journal, complete);
    return rc;
}

struct load_entries {
    struct fw_store *store;
    struct fw_err *why;
};

static void bad_entry(void *self, const char *sentence)
{
    struct load_entries *load = self;
    struct fw_err err = {0};

    (void)fw_err_set(&err, FW_ECORRUPT, "%s", sentence);
    first_damage(load->store, load->why, &err);
}

fw_rc load_all(struct fw_store *store, struct seal_state *state,
               struct fw_err *why, struct fw_err *err)
{
    struct load_entries entries = {store, why};
    struct fw_err stray = {0};
    fw_rc rc = meta_check_keys(store->meta, store->dir, &stray);

    tell_hidden(store, store->meta, "meta/", why);
    tell_hidden(store, store->journal.env, "journal/", why);
    tell_hidden(store, store->ring.env, "head/", why);
    if (rc == FW_ECORRUPT)
        first_damage(store, why, &stray);
    else if (rc != FW_OK)
        return fw_err_set(err, rc, "%s", stray.text);
    rc = store->check_files
             ? meta_check_entries(store->meta, bad_entry, &entries, err)
             : FW_OK;
    if (rc == FW_OK)
        rc = load_registry(store, state, why, err);
    if (rc == FW_OK)
        rc = manifest_load(&store->manifest, why, err);
    if (rc == FW_OK)
        rc = tombs_load(&store->tombs, store->meta, why, err);
    if (rc == FW_OK)
        number_behind_tombs(store);
    (void)atomic_fetch_add(&store->counters.corrupt,
                           store->manifest.damaged + store->tombs.damaged);
    if (rc == FW_OK)
        rc = load_partitions(store, why, err);
    return rc;
}
