/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * delete.c - samples are deleted at once for readers, and off the disk when
 * their partitions are rewritten; tombs.h has the idea.
 */
#include <stdlib.h>

#include "storage/base/limits.h"
#include "storage/journal/checkpoint.h"
#include "storage/segments/sealer.h"
#include "storage/store.h"

#define ARENA_BYTES ((size_t)1 << 30)

static int by_id(const void *a, const void *b)
{
    uint32_t left = *(const uint32_t *)a, right = *(const uint32_t *)b;

    return (left > right) - (left < right);
}

static fw_rc find_series(struct fw_store *store,
                         const struct fw_matcher *matchers, size_t n,
                         struct tomb *tomb, struct fw_err *err)
{
    struct fw_arena *arena = fw_arena_new(ARENA_BYTES);
    struct fw_series *series = NULL;
    fw_rc rc;

    if (arena == NULL)
        return fw_err_set(err, FW_ENOMEM, "out of memory");
    rc = fw_store_select(store, matchers, n, tomb->from, tomb->to,
                         TOMB_SERIES_MAX, arena, &series, &tomb->count, err);
    if (rc == FW_OK) {
        tomb->series = malloc(tomb->count * sizeof(*tomb->series) + 1);
        if (tomb->series == NULL)
            rc = fw_err_set(err, FW_ENOMEM, "out of memory");
    }
    if (rc == FW_OK) {
        for (size_t i = 0; i < tomb->count; i++)
            tomb->series[i] = series[i].id;
        qsort(tomb->series, tomb->count, sizeof(*tomb->series), by_id);
    }
    fw_arena_free(arena);
    return rc;
}

/* What comes from now on goes elsewhere, and is not meant. */
static fw_rc freeze(struct fw_store *store, const struct tomb *tomb,
                    struct fw_err *err)
{
    struct partition **list = NULL;
    size_t count = 0;
    fw_rc rc = manifest_list(&store->manifest, &list, &count);

    if (rc != FW_OK)
        return fw_err_set(err, rc, "out of memory");
    for (size_t i = 0; i < count && rc == FW_OK; i++)
        if (list[i]->exists && atomic_load(&list[i]->kind) == PARTITION_HOT &&
            list[i]->first <= tomb->to && list[i]->last >= tomb->from)
            rc = manifest_freeze(&store->manifest, list[i], err);
    manifest_list_free(list, count);
    return rc;
}

fw_rc fw_store_delete(struct fw_store *store, const struct fw_matcher *matchers,
                      size_t n, fw_ms from, fw_ms to, uint64_t *series,
                      struct fw_err *err)
{
    struct tomb tomb = {.from = from, .to = to};
    fw_rc rc;

    if (store->options.read_only)
        return fw_err_set(err, FW_EREADONLY, "%s was opened for reading only",
                          store->dir);
    if (from > to)
        return fw_err_set(err, FW_EINVAL, "the range ends before it begins");
    rc = find_series(store, matchers, n, &tomb, err);
    if (rc == FW_OK && tomb.count > 0) {
        /* All that is shown now will be on disk, in a frozen partition. */
        tomb.seq = atomic_load(&store->head.applied);
        rc = sealer_run(store->sealer, SEAL_ALL, err);
        (void)pthread_mutex_lock(&store->quiet);
        if (rc == FW_OK)
            rc = checkpoint_trim(store, err); /* or a crash would restore it */
        if (rc == FW_OK)
            rc = freeze(store, &tomb, err);
        tomb.rank = store->manifest.rank;
        if (rc == FW_OK)
            rc = tombs_add(&store->tombs, store->meta, &tomb, err);
        (void)pthread_mutex_unlock(&store->quiet);
    }
    free(tomb.series);
    if (rc == FW_OK)
        *series = tomb.count;
    return rc;
}
