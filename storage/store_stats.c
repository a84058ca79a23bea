/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * store_stats.c - what a store knows of itself.
 */
#include <dirent.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "storage/journal/committer.h"
#include "storage/journal/quarantine.h"
#include "storage/store.h"

uint64_t store_folder_bytes(const struct fw_store *store, const char *name)
{
    char path[FW_PATH_BYTES];
    struct fw_err err = {0};
    struct dirent *entry;
    struct stat st;
    uint64_t bytes = 0;
    DIR *d;

    if (fw_path_join(path, store->dir, name, &err) != FW_OK)
        return 0;
    d = opendir(path);
    while (d != NULL && (entry = readdir(d)) != NULL)
        if (fstatat(dirfd(d), entry->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
            S_ISREG(st.st_mode))
            bytes += (uint64_t)st.st_blocks * 512;
    if (d != NULL)
        (void)closedir(d);
    return bytes;
}

static void read_health(struct fw_store *store, struct fw_store_stats *out)
{
    (void)pthread_mutex_lock(&store->health.lock);
    out->read_only = store->health.rc != FW_OK;
    memcpy(out->read_only_reason, store->health.reason,
           sizeof(out->read_only_reason));
    (void)pthread_mutex_unlock(&store->health.lock);
}

void fw_store_stats(struct fw_store *store, struct fw_store_stats *out)
{
    struct store_counters *c = &store->counters;

    *out = (struct fw_store_stats){
        .series = registry_known(&store->registry),
        .series_forgotten = atomic_load(&store->counters.forgotten),
        .head_samples = atomic_load(&store->head.samples),
        .head_plain_bytes = (uint64_t)atomic_load(&store->head.plain_bytes),
        .samples_stored = atomic_load(&c->stored),
        .samples_duplicate = atomic_load(&c->duplicates),
        .samples_conflict = atomic_load(&c->conflicts),
        .samples_too_old = atomic_load(&c->too_old),
        .samples_too_new = atomic_load(&c->too_new),
        .series_refused = atomic_load(&c->series_refused),
        .samples_sealed = atomic_load(&c->sealed),
        .seal_cpu_ns = atomic_load(&c->seal_cpu_ns),
        .commits = atomic_load(&c->commits),
        .commit_bytes = atomic_load(&c->commit_bytes),
        .commit_failures = atomic_load(&c->commit_failures),
        .journal_bytes = atomic_load(&store->journal.live_bytes),
        .journal_samples = atomic_load(&store->journal.live_samples),
        .checkpoint_bytes = atomic_load(&c->checkpoint_bytes),
        .busy = atomic_load(&c->busy),
        .replayed_samples = atomic_load(&c->replayed),
        .corrupt_found = atomic_load(&c->corrupt),
        .records_bad = atomic_load(&c->records_bad),
        .records_lost = atomic_load(&c->records_lost),
        .salvages = atomic_load(&c->salvages),
        .quarantine_files = atomic_load(&c->quarantine_files),
        .quarantine_bytes = atomic_load(&c->quarantine_bytes),
        .quarantine_refused = atomic_load(&c->quarantine_refused),
        .partitions = manifest_count(&store->manifest),
        .partitions_closed = atomic_load(&c->closed),
        .close_failures = atomic_load(&c->close_failures),
        .tombstones = atomic_load(&store->tombs.count),
        .partitions_dropped = atomic_load(&c->dropped),
        .snapshots_renewed = atomic_load(&store->readers.renewed),
        .stale_readers = atomic_load(&c->stale_readers),
        .reader_lag = atomic_load(&c->reader_lag),
    };
    for (int i = 0; i < FW_CHECKPOINT_REASONS; i++)
        out->checkpoints[i] = atomic_load(&c->checkpoints[i]);
    if (store->committer != NULL)
        out->pending_samples = committer_pending(store->committer);
    out->disk_bytes = store_folder_bytes(store, "meta") +
                      store_folder_bytes(store, "journal") +
                      store_folder_bytes(store, "head") +
                      store_folder_bytes(store, "part") +
                      store_folder_bytes(store, QUARANTINE_FOLDER);
    read_health(store, out);
}

size_t fw_store_findings(const struct fw_store *store, char *const **v,
                         size_t *more)
{
    *v = store->findings.v;
    *more = store->findings.more;
    return store->findings.n;
}
