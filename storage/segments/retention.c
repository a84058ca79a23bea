/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "storage/segments/retention.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "storage/base/limits.h"
#include "storage/segments/rollup.h"

static fw_ms edge_of(struct fw_store *store, fw_ms retention)
{
    fw_ms now = fw_clock_now(store->options.clock);
    fw_ms newest = atomic_load(&store->head.newest);
    fw_ms from = newest < now ? newest : now;
    fw_ms edge;

    if (retention < 0 || retention == INT64_MAX ||
        __builtin_sub_overflow(from, retention, &edge))
        return INT64_MIN;
    return edge;
}

fw_ms store_retention_edge(struct fw_store *store)
{
    return edge_of(store, store->options.retention);
}

/* Rollups stay as long as the samples, at least. */
static fw_ms rollup_edge(struct fw_store *store)
{
    fw_ms samples = store_retention_edge(store);
    fw_ms rollups = edge_of(store, store->options.rollup_retention);

    return store->options.rollup_retention == 0 || samples < rollups ? samples
                                                                     : rollups;
}

fw_ms retention_rollup_edge(struct fw_store *store)
{
    fw_ms age = store_retention_edge(store);
    fw_ms size = atomic_load(&store->surplus_edge);
    fw_ms edge;

    if (store->options.rollup_retention == 0)
        return INT64_MIN;
    if (store->options.rollup_lead == INT64_MAX)
        return INT64_MAX;
    if (age == INT64_MIN)
        return size;
    if (__builtin_add_overflow(age, store->options.rollup_lead, &edge))
        return INT64_MAX;
    return edge > size ? edge : size;
}

/*
 * Whether samples that are too old wait for their rollup: not past a lead more,
 * nor a week, since one that cannot be made must not keep them for ever; and
 * not where a full disk is why it is not there.
 */
static bool waits_for_rollup(struct fw_store *store, const struct partition *p,
                             struct partition *const *list, size_t count)
{
    fw_ms lead = store->options.rollup_lead;
    fw_ms edge = store_retention_edge(store);

    lead = lead < FW_ROLLUP_LEAD_MS ? lead : FW_ROLLUP_LEAD_MS;
    return rollup_is_due(p, list, count, retention_rollup_edge(store)) &&
           (__builtin_sub_overflow(edge, lead, &edge) || p->last >= edge) &&
           store_check_disk(store, NULL) == FW_OK;
}

static fw_rc drop(struct fw_store *store, struct partition *p,
                  struct fw_err *err)
{
    fw_rc rc = manifest_replace(&store->manifest, NULL, 0, &p, 1, err);

    if (rc != FW_OK)
        return rc;
    if (!rollup_is(p))
        head_forget_part(&store->head, p->index);
    manifest_forget(&store->manifest, p);
    rollup_look(store);
    (void)atomic_fetch_add(&store->counters.dropped, 1);
    return FW_OK;
}

/* ---- By age ---------------------------------------------------------------
 */

static fw_rc drop_old(struct fw_store *store, struct partition **list,
                      size_t count, struct fw_err *err)
{
    fw_ms samples = store_retention_edge(store);
    fw_ms rollups = rollup_edge(store);
    fw_rc rc = FW_OK;

    for (size_t i = 0; i < count && rc == FW_OK; i++)
        if (list[i]->last < (rollup_is(list[i]) ? rollups : samples) &&
            !list[i]->busy && !waits_for_rollup(store, list[i], list, count))
            rc = drop(store, list[i], err);
    return rc;
}

/* ---- By size --------------------------------------------------------------
 */

static uint64_t file_bytes(const char *path)
{
    struct stat st;

    return stat(path, &st) == 0 ? (uint64_t)st.st_blocks * 512 : 0;
}

static uint64_t part_bytes(const struct partition *p)
{
    char lock_path[FW_PATH_BYTES + 8];

    (void)snprintf(lock_path, sizeof(lock_path), "%s-lock", p->path);
    return file_bytes(p->path) + file_bytes(lock_path);
}

static int by_last(const void *a, const void *b)
{
    const struct partition *left = *(struct partition *const *)a;
    const struct partition *right = *(struct partition *const *)b;

    if (rollup_is(left) != rollup_is(right))
        return rollup_is(left) ? 1 : -1; /* small, and all there is of a time */
    if (left->last != right->last)
        return left->last < right->last ? -1 : 1;
    return (left->rank > right->rank) - (left->rank < right->rank);
}

/* What would go if the limit were an eighth lower is summarised in time. */
static void foresee_surplus(struct fw_store *store, struct partition **list,
                            size_t count, uint64_t total)
{
    fw_ms newest = atomic_load(&store->head.newest);
    uint64_t limit = store->options.retention_bytes;
    fw_ms edge = INT64_MIN;

    limit -= limit / 8;
    for (size_t i = 0; i < count && total > limit; i++) {
        uint64_t bytes = part_bytes(list[i]);

        if (rollup_is(list[i]) || list[i]->last >= newest)
            break;
        edge = list[i]->last == INT64_MAX ? INT64_MAX : list[i]->last + 1;
        total -= bytes < total ? bytes : total;
    }
    atomic_store(&store->surplus_edge, edge);
}

/*
 * What a rewrite has replaced is not counted though its file may still be
 * there for a minute: it goes anyhow.
 */
static fw_rc drop_surplus(struct fw_store *store, struct partition **list,
                          size_t count, struct fw_err *err)
{
    static const char *const others[] = {"meta", "journal", "head"};
    uint64_t limit = store->options.retention_bytes;
    fw_ms newest = atomic_load(&store->head.newest);
    uint64_t total = 0;
    fw_rc rc = FW_OK;

    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
        total += store_folder_bytes(store, others[i]);
    for (size_t i = 0; i < count; i++)
        total += part_bytes(list[i]);
    qsort(list, count, sizeof(struct partition *), by_last);
    foresee_surplus(store, list, count, total);
    for (size_t i = 0; i < count && rc == FW_OK && total > limit; i++) {
        uint64_t bytes = part_bytes(list[i]);

        if (list[i]->last >= newest || list[i]->busy || !list[i]->exists)
            continue;
        rc = drop(store, list[i], err);
        total -= bytes;
    }
    return rc;
}

fw_rc retention_run(struct fw_store *store, struct fw_err *err)
{
    struct partition **list = NULL;
    size_t count = 0;
    fw_rc rc = manifest_list(&store->manifest, &list, &count);

    if (rc != FW_OK)
        return fw_err_set(err, rc, "out of memory");
    rc = drop_old(store, list, count, err);
    manifest_list_free(list, count);
    if (rc != FW_OK || store->options.retention_bytes == 0)
        return rc;
    rc = manifest_list(&store->manifest, &list, &count);
    if (rc != FW_OK)
        return fw_err_set(err, rc, "out of memory");
    rc = drop_surplus(store, list, count, err);
    manifest_list_free(list, count);
    return rc;
}
