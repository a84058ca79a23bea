/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * store.c - opens and closes a store; wires the other files together.
 */
#include "storage/store.h"

#include <stdlib.h>
#include <string.h>

#include "storage/base/limits.h"
#include "storage/folder.h"
#include "storage/journal/checkpoint.h"
#include "storage/journal/committer.h"
#include "storage/journal/journal_salvage.h"
#include "storage/journal/quarantine.h"
#include "storage/journal/recover.h"
#include "storage/load.h"
#include "storage/meta.h"
#include "storage/segments/closer.h"
#include "storage/segments/rollup.h"
#include "storage/segments/sealer.h"

/* Address space, which grows when it is used up: small enough for machines
 * that have little of it, since up to 200 partitions are open at once. */
#define JOURNAL_MAP_BYTES ((size_t)4 << 30)
#define META_MAP_BYTES ((size_t)4 << 30)
#define PART_MAP_BYTES ((size_t)4 << 30)

static void resolve_options(struct fw_store_options *o)
{
    o->retention = o->retention == 0 ? FW_RETENTION_MS : o->retention;
    o->max_future = o->max_future == 0 ? FW_MAX_FUTURE_MS : o->max_future;
    o->ooo_window = o->ooo_window == 0 ? FW_OOO_WINDOW_MS : o->ooo_window;
    o->linger = o->linger == 0 ? FW_COMMIT_LINGER_MS : o->linger;
    o->max_series = o->max_series == 0 ? FW_MAX_SERIES : o->max_series;
    o->disk_floor = o->disk_floor == 0 ? FW_DISK_FLOOR_BYTES : o->disk_floor;
    o->plain_samples =
        o->plain_samples == 0 ? FW_PLAIN_SAMPLES_BYTES : o->plain_samples;
    o->journal_bytes =
        o->journal_bytes == 0 ? FW_JOURNAL_BYTES : o->journal_bytes;
    o->journal_samples =
        o->journal_samples == 0 ? FW_JOURNAL_SAMPLES : o->journal_samples;
    o->snapshot = o->snapshot <= 0 ? FW_SNAPSHOT_MS : o->snapshot;
    o->rollup_lead = o->rollup_lead == 0 ? FW_ROLLUP_LEAD_MS : o->rollup_lead;
    o->close_after = o->close_after == 0 ? FW_CLOSE_AFTER_MS : o->close_after;
    o->rollup_step = o->rollup_step <= 0 ? FW_HOUR : o->rollup_step;
    o->clock = o->clock == NULL ? fw_clock_system() : o->clock;
}

/* ---- Health ---------------------------------------------------------------
 */

void store_set_health(struct fw_store *store, fw_rc rc, const char *reason)
{
    (void)pthread_mutex_lock(&store->health.lock);
    store->health.rc = rc;
    (void)snprintf(store->health.reason, sizeof(store->health.reason), "%s",
                   reason != NULL ? reason : "");
    (void)pthread_mutex_unlock(&store->health.lock);
}

fw_rc store_get_health(struct fw_store *store, struct fw_err *err)
{
    fw_rc rc;

    (void)pthread_mutex_lock(&store->health.lock);
    rc = store->health.rc;
    if (rc != FW_OK)
        (void)fw_err_set(err, rc, "%s", store->health.reason);
    (void)pthread_mutex_unlock(&store->health.lock);
    return rc;
}

fw_rc store_check_disk(struct fw_store *store, struct fw_err *err)
{
    uint64_t free_bytes = 0;
    fw_rc rc = fw_disk_free(store->lock_fd, store->dir, &free_bytes, err);

    if (rc != FW_OK || free_bytes >= store->options.disk_floor)
        return rc;
    return fw_err_set(err, FW_ENOSPC,
                      "the disk of %s is full: %llu KiB are free and "
                      "--disk-floor keeps back %llu KiB; make room and it "
                      "goes on by itself",
                      store->dir, (unsigned long long)free_bytes >> 10,
                      (unsigned long long)store->options.disk_floor >> 10);
}

/* ---- Opening --------------------------------------------------------------
 */

static fw_rc make_folders(struct fw_store *store, struct fw_err *err)
{
    static const char *const names[] = {"meta", "journal", "head", "part"};
    char path[FW_PATH_BYTES];
    fw_rc rc = FW_OK;

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        rc = fw_path_join(path, store->dir, names[i], err);
        if (rc == FW_OK)
            rc = fw_dir_make(path, err);
        if (rc != FW_OK)
            break;
    }
    return rc;
}

static struct lmdb_options env_options(const struct fw_store *store,
                                       size_t map_bytes)
{
    size_t asked = store->options.map_bytes;

    return (struct lmdb_options){.read_only = store->options.read_only,
                                 .check = store->check_files,
                                 .mend = !store->options.read_only,
                                 .map_bytes = asked != 0 ? asked : map_bytes};
}

/* Opens meta/ and sees that its format is ours, or writes it into a new one. */
static fw_rc open_meta(struct fw_store *store, struct fw_err *err)
{
    struct lmdb_options options = env_options(store, META_MAP_BYTES);
    char path[FW_PATH_BYTES];
    uint32_t version = 0;
    fw_rc rc = fw_path_join(path, store->dir, "meta", err);

    if (rc == FW_OK)
        rc = lmdb_open(path, &options, &store->meta, err);
    if (rc == FW_ECORRUPT)
        return fw_err_prefix(err, "%s holds no store that can be read",
                             store->dir);
    if (rc == FW_OK)
        rc = meta_format_check(store->meta, store->dir, &version, err);
    /* What is added to it from now on an older program would not look for. */
    if (rc == FW_OK && version < META_FORMAT_VERSION &&
        !store->options.read_only)
        return meta_format_write(store->meta, err);
    if (rc == FW_NONE && folder_has_samples(store->dir))
        return fw_err_set(err, FW_ECORRUPT,
                          "%s has samples and an empty meta/, which says whose "
                          "they are; restore a backup, or give another --data "
                          "folder",
                          store->dir);
    if (rc == FW_NONE && !store->options.read_only)
        return meta_format_write(store->meta, err);
    if (rc == FW_NONE)
        return fw_err_set(err, FW_ENOTFOUND, "the folder %s holds no store yet",
                          store->dir);
    return rc;
}

/* There was one; nobody but us is here to take it away. */
static fw_rc check_ring(struct fw_store *store, const char *dir,
                        struct fw_err *err)
{
    char path[FW_PATH_BYTES];
    fw_rc rc = fw_path_join(path, dir, "data.mdb", err);

    if (rc != FW_OK || lmdb_is_begun(path))
        return rc;
    if (fw_file_exists(path))
        return fw_err_set(err, FW_ECORRUPT, "%s has been cut off", path);
    /* Moved away, so somebody knows; the samples are missing all the same. */
    (void)atomic_fetch_add(&store->counters.corrupt, 1);
    return FW_OK;
}

/* As it is, if LMDB may be given it. */
static fw_rc try_ring(struct fw_store *store, struct journal *j,
                      const char *path, bool noted, struct fw_err *err)
{
    struct lmdb_options options = env_options(store, JOURNAL_MAP_BYTES);
    fw_rc rc = FW_OK;

    if (noted && store->check_files)
        rc = check_ring(store, path, err);
    return rc == FW_OK ? journal_open(j, path, &options, err) : rc;
}

static fw_rc open_ring_of(struct fw_store *store, struct journal *j,
                          const char *name, const char *what,
                          struct fw_err *err)
{
    bool writer = !store->options.read_only;
    struct meta_ring note = {0};
    struct fw_err why = {0};
    char path[FW_PATH_BYTES];
    fw_rc rc = fw_path_join(path, store->dir, name, err);

    if (rc == FW_OK)
        rc = meta_ring_get(store->meta, name, &note, err);
    if (rc == FW_OK)
        rc = try_ring(store, j, path, note.noted, err);
    if (rc == FW_ECORRUPT && writer && note.numbered) {
        why = *err;
        rc = journal_salvage(store, name, &note, &why, err);
        if (rc == FW_OK)
            rc = try_ring(store, j, path, true, err);
    }
    if (rc == FW_ECORRUPT)
        (void)fw_err_prefix(err,
                            "%s cannot be read; %s, or move %s away to go on "
                            "without the samples that only it has",
                            what,
                            note.numbered && !writer
                                ? "start a server on the folder, which saves "
                                  "what is left"
                                : "restore a backup",
                            path);
    if (rc == FW_OK)
        rc = journal_adopt(j, store->meta, name, &note, writer, err);
    return rc;
}

static fw_rc open_journal(struct fw_store *store, struct fw_err *err)
{
    fw_rc rc =
        open_ring_of(store, &store->journal, "journal", "the journal", err);

    if (rc == FW_OK)
        rc = open_ring_of(store, &store->ring, "head", "the head's checkpoint",
                          err);
    return rc;
}

/*
 * The snapshots of the journal and then of the checkpoints are taken before
 * the partitions are read: samples move that way, so those that a running
 * server moves meanwhile are seen twice, never not at all.
 */
static fw_rc read_everything(struct fw_store *store, struct seal_state *state,
                             struct fw_err *err)
{
    struct lmdb_txn txn = {0}, ring_txn = {0};
    struct fw_err why = {0};
    bool journal = store->journal.env != NULL;
    bool ring = store->ring.env != NULL;
    fw_rc rc = FW_OK;

    if (journal)
        rc = lmdb_begin_read(store->journal.env, &txn, err);
    if (rc == FW_OK && ring)
        rc = lmdb_begin_read(store->ring.env, &ring_txn, err);
    if (rc == FW_OK)
        rc = load_all(store, state, &why, err);
    if (rc == FW_OK && ring)
        rc = checkpoint_load(store, &ring_txn, &why, err);
    lmdb_end(&ring_txn);
    if (rc == FW_OK && journal)
        rc = recover_journal(store, &txn, &why, err);
    lmdb_end(&txn);
    if (rc == FW_OK)
        atomic_store(&store->head.applied, store->journal.next_seq - 1);
    if (why.text[0] != '\0' && store->findings.n == 0)
        store_tell(store, "%s", why.text);
    /* What load_all() found to be behind us is no gap to a salvage. */
    if (rc == FW_OK && !store->options.read_only)
        rc = journal_pass(&store->journal, store->meta,
                          store->journal.first_seq, err);
    rollup_look(store);
    return rc;
}

static fw_rc open_parts(struct fw_store *store, struct fw_err *err)
{
    struct seal_state state = {0};
    fw_rc rc = open_meta(store, err);

    if (rc == FW_OK &&
        manifest_init(&store->manifest, store->dir, store->meta,
                      store->options.read_only,
                      env_options(store, PART_MAP_BYTES).map_bytes) != FW_OK)
        rc = fw_err_set(err, FW_ENOMEM, "out of memory");
    store->manifest.check = store->check_files;
    quarantine_look(store);
    if (rc == FW_OK)
        rc = open_journal(store, err);
    if (rc == FW_OK)
        rc = read_everything(store, &state, err);
    if (rc == FW_OK && !store->options.read_only &&
        closer_new(store, &store->closer) != FW_OK)
        rc = fw_err_set(err, FW_ENOMEM, "out of memory");
    if (rc == FW_OK && !store->options.read_only)
        rc = sealer_start(store, &state, err);
    if (rc == FW_OK && !store->options.read_only)
        rc = committer_start(store, err);
    return rc;
}

static fw_rc take_folder(struct fw_store *store, struct fw_err *err)
{
    bool writer = !store->options.read_only;
    fw_rc rc = folder_check(store->dir, writer && store->options.create, err);

    if (rc == FW_NONE)
        rc = fw_dir_make(store->dir, err);
    if (rc == FW_OK && writer)
        rc = folder_lock(store->dir, &store->lock_fd, err);
    if (rc == FW_OK && writer)
        rc = make_folders(store, err);
    if (rc == FW_OK && !writer)
        rc = lmdb_check_shareable(err);
    store->check_files = writer || !folder_is_written(store->dir);
    return rc;
}

static fw_rc open_once(const char *dir, const struct fw_store_options *options,
                       struct fw_store **out, struct fw_err *err)
{
    struct fw_store *store = calloc(1, sizeof(*store));
    fw_rc rc;

    if (store == NULL)
        return fw_err_set(err, FW_ENOMEM, "out of memory");
    memcpy(store->dir, dir, strlen(dir) + 1);
    store->options = *options;
    resolve_options(&store->options);
    store->lock_fd = -1;
    atomic_init(&store->surplus_edge, INT64_MIN);
    (void)pthread_mutex_init(&store->health.lock, NULL);
    reader_pool_init(&store->readers, store->options.clock,
                     (uint64_t)store->options.snapshot * 1000000u);
    tombs_init(&store->tombs);
    (void)pthread_mutex_init(&store->quiet, NULL);
    matcher_cache_init(&store->matchers);
    rc = registry_init(&store->registry);
    if (rc == FW_OK)
        rc = head_init(&store->head, store->options.max_series,
                       store->options.plain_samples);
    if (rc != FW_OK)
        rc = fw_err_set(err, rc, "out of memory");
    if (rc == FW_OK)
        rc = take_folder(store, err);
    if (rc == FW_OK)
        rc = open_parts(store, err);
    if (rc == FW_OK)
        *out = store;
    else
        fw_store_close(store);
    return rc;
}

fw_rc fw_store_open(const char *dir, const struct fw_store_options *options,
                    struct fw_store **out, struct fw_err *err)
{
    fw_rc rc;

    if (dir == NULL || dir[0] == '\0' || strlen(dir) >= FW_PATH_BYTES - 64)
        return fw_err_set(err, FW_EINVAL, "that cannot name a data folder");
    rc = open_once(dir, options, out, err);
    /* A day was rewritten, and the file that it was read from went. */
    for (int i = 0; i < 10 && rc == FW_EBUSY && options->read_only; i++)
        rc = open_once(dir, options, out, err);
    /* A server that began to write while its files were looked through makes
     * them look damaged; now that it is seen, they are not looked through. */
    if (rc == FW_ECORRUPT && options->read_only && folder_is_written(dir))
        rc = open_once(dir, options, out, err);
    return rc;
}

static void tidy(struct fw_store *store, struct journal *j, const char *name)
{
    const struct meta_ring none = {0};
    char path[FW_PATH_BYTES];
    struct fw_err err = {0};

    if (j->env != NULL && j->first_seq == j->next_seq)
        (void)!meta_ring_set(store->meta, name, &none, &err);
    if (fw_path_join(path, store->dir, name, &err) == FW_OK)
        journal_close_and_tidy(j, path);
}

/* Everything into blocks; where that fails journal and ring still have it. */
static void seal_rest(struct fw_store *store)
{
    const struct seal_order order = {SEAL_ALL, UINT64_MAX, UINT32_MAX, false};
    struct seal_state state = {0};
    struct fw_err err = {0};

    sealer_stop(store->sealer, &state);
    if (seal_round(store, &state, &order, &err) == FW_OK) {
        (void)!journal_trim(&store->journal, &err);
        (void)!checkpoint_trim(store, &err);
    }
    tidy(store, &store->journal, "journal");
    tidy(store, &store->ring, "head");
}

void fw_store_close(struct fw_store *store)
{
    if (store == NULL)
        return;
    committer_stop(store->committer);
    if (store->sealer != NULL)
        seal_rest(store);
    closer_free(store->closer);
    if (store->meta != NULL)
        manifest_release(&store->manifest);
    journal_close(&store->journal);
    journal_close(&store->ring);
    (void)lmdb_close(store->meta);
    head_release(&store->head);
    registry_release(&store->registry);
    reader_pool_release(&store->readers);
    tombs_release(&store->tombs);
    matcher_cache_release(&store->matchers);
    folder_unlock(store->lock_fd);
    for (size_t i = 0; i < store->findings.n; i++)
        free(store->findings.v[i]);
    (void)pthread_mutex_destroy(&store->health.lock);
    (void)pthread_mutex_destroy(&store->quiet);
    free(store);
}

const char *fw_store_dir(const struct fw_store *store)
{
    return store->dir;
}

fw_rc fw_store_compact(struct fw_store *store, const atomic_bool *cancel,
                       struct fw_err *err)
{
    if (store->options.read_only)
        return fw_err_set(err, FW_EREADONLY, "%s was opened for reading only",
                          store->dir);
    return closer_compact(store->closer, cancel, err);
}

/* ---- Series ---------------------------------------------------------------
 */

fw_rc fw_store_series(struct fw_store *store, const struct fw_labels *labels,
                      uint32_t *id, struct fw_err *err)
{
    const struct registry_limits limits = {store->options.max_series,
                                           store->options.max_metric_series};
    uint32_t found = 0;
    fw_rc rc, made;

    if (store->options.read_only) {
        rc = registry_find(&store->registry, labels, id);
        if (rc == FW_NONE)
            rc = fw_err_set(err, FW_EREADONLY, "%s was opened for reading only",
                            store->dir);
        return rc;
    }
    do {
        rc = registry_id(&store->registry, labels, &limits, &found, err);
        made = rc == FW_OK ? head_make(&store->head, found) : FW_OK;
    } while (made == FW_NONE); /* it was forgotten between the two */
    if (made != FW_OK)
        rc = fw_err_set(err, FW_ENOMEM, "out of memory");
    if (rc == FW_ETOOBIG)
        (void)atomic_fetch_add(&store->counters.series_refused, 1);
    if (rc == FW_OK)
        *id = found;
    return rc;
}

uint64_t fw_store_epoch(const struct fw_store *store)
{
    return atomic_load(&store->epoch);
}
