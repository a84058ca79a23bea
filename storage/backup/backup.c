/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * backup.c - a copy of the store as it is at one moment, while it is written.
 *
 * Under store->quiet nobody changes part/ or what the store has in meta/, so
 * read transactions begun then see one state: all samples of the journal
 * records up to the last one, those that are not in the journal any more being
 * in a partition. After that each environment is copied from its transaction
 * at leisure; the journal first, since pages that it frees meanwhile cannot be
 * used again.
 */
#include "storage/backup/backup_io.h"

#include <stdlib.h>
#include <string.h>

#include "storage/base/bytes.h"
#include "storage/folder.h"
#include "storage/lmdb/lmdb_copy.h"
#include "storage/store.h"

/* More partitions than this are not held open all together: sealing waits
 * instead until they are copied. */
#define HELD_PARTITIONS 128

/* A partition and, unless it has no file, what the copy sees of it. */
struct caught {
    struct partition *part; /* a reference */
    struct lmdb_txn txn;    /* active while entered */
    bool entered;
};

struct backup {
    struct fw_store *store;
    const atomic_bool *cancel;
    struct backup_folder folder;
    struct backup_list list;
    struct lmdb_txn journal, ring, meta;
    struct caught *parts; /* owned */
    size_t part_count;
    bool quiet;     /* this thread holds store->quiet */
    uint64_t bytes; /* about as many will be written */
};

/* ---- The moment -----------------------------------------------------------
 */

static void let_go(struct caught *c)
{
    if (c->entered) {
        lmdb_end(&c->txn);
        partition_leave(c->part);
    }
    c->entered = false;
}

static fw_rc catch_part(struct backup *b, struct caught *c, struct fw_err *err)
{
    struct lmdb_env *env = NULL;
    fw_rc rc;

    if (c->entered || !lmdb_is_begun(c->part->path))
        return FW_OK; /* planned, and nothing came of it yet */
    rc = partition_enter(c->part, &env, err);
    if (rc != FW_OK)
        return rc;
    rc = lmdb_begin_read(env, &c->txn, err);
    if (rc != FW_OK) {
        partition_leave(c->part);
        return rc;
    }
    c->entered = true;
    b->bytes += lmdb_used_bytes(env);
    return FW_OK;
}

/* The number of the last record that the journal's snapshot has. */
static fw_rc find_record(struct backup *b, uint64_t applied, struct fw_err *err)
{
    struct lmdb_cursor cursor = {0};
    struct fw_str key, value;
    fw_rc rc = lmdb_cursor_open(&b->journal, &cursor, err);

    b->list.record = applied;
    if (rc == FW_OK)
        rc = lmdb_last(&cursor, &key, &value, err);
    if (rc == FW_OK && key.n == 8 && fw_get_be64(key.p) > applied)
        b->list.record = fw_get_be64(key.p);
    lmdb_cursor_close(&cursor);
    return rc == FW_END ? FW_OK : rc;
}

static fw_rc catch_journal(struct backup *b, struct fw_err *err)
{
    /* Read before the snapshot: all of these are in it, or in a partition. */
    uint64_t applied = atomic_load(&b->store->head.applied);
    fw_rc rc;

    b->list.record = applied;
    if (b->store->journal.env == NULL)
        return FW_OK; /* closed well, and opened for reading */
    rc = lmdb_begin_read(b->store->journal.env, &b->journal, err);
    if (rc == FW_OK)
        rc = find_record(b, applied, err);
    b->bytes += lmdb_used_bytes(b->store->journal.env);
    return rc;
}

static fw_rc list_parts(struct backup *b, struct fw_err *err)
{
    struct partition **list = NULL;

    if (manifest_list(&b->store->manifest, &list, &b->part_count) != FW_OK)
        return fw_err_set(err, FW_ENOMEM, "out of memory");
    b->parts = calloc(b->part_count + 1, sizeof(*b->parts));
    for (size_t i = 0; b->parts != NULL && i < b->part_count; i++)
        b->parts[i].part = partition_ref(list[i]);
    manifest_list_free(list, b->part_count);
    if (b->parts == NULL) {
        b->part_count = 0;
        return fw_err_set(err, FW_ENOMEM, "out of memory");
    }
    return FW_OK;
}

static void quiet_end(struct backup *b)
{
    if (b->quiet)
        (void)pthread_mutex_unlock(&b->store->quiet);
    b->quiet = false;
}

static fw_rc catch_all(struct backup *b, struct fw_err *err)
{
    fw_rc rc;

    (void)pthread_mutex_lock(&b->store->quiet);
    b->quiet = true;
    b->list.at = fw_clock_now(b->store->options.clock);
    rc = catch_journal(b, err);
    if (rc == FW_OK && b->store->ring.env != NULL)
        rc = lmdb_begin_read(b->store->ring.env, &b->ring, err);
    if (rc == FW_OK)
        rc = lmdb_begin_read(b->store->meta, &b->meta, err);
    if (rc == FW_OK)
        rc = list_parts(b, err);
    if (rc != FW_OK || b->part_count > HELD_PARTITIONS)
        return rc;
    for (size_t i = 0; i < b->part_count && rc == FW_OK; i++)
        rc = catch_part(b, &b->parts[i], err);
    quiet_end(b);
    return rc;
}

/* ---- The copy -------------------------------------------------------------
 */

static fw_rc check_room(struct backup *b, struct fw_err *err)
{
    uint64_t room = 0;
    uint64_t need;
    fw_rc rc = fw_disk_free(-1, b->folder.path, &room, err);

    b->bytes += lmdb_used_bytes(b->store->meta);
    if (b->store->ring.env != NULL)
        b->bytes += lmdb_used_bytes(b->store->ring.env);
    need = b->bytes + b->store->options.disk_floor;
    if (rc == FW_OK && room < need)
        rc = fw_err_set(err, FW_ENOSPC,
                        "the backup needs %llu KiB and the disk of %s has %llu "
                        "KiB",
                        (unsigned long long)need >> 10, b->folder.to,
                        (unsigned long long)room >> 10);
    return rc;
}

/* What `txn` sees becomes the file `name`; `path` is what to give LMDB. */
static fw_rc copy_env(struct backup *b, struct lmdb_txn *txn, const char *dir,
                      const char *name, bool single_file, struct fw_err *err)
{
    char path[FW_PATH_BYTES], target[FW_PATH_BYTES];
    struct backup_file file = {0};
    fw_rc rc;

    if (snprintf(file.name, sizeof(file.name), "%s/%s", dir, name) >=
        (int)sizeof(file.name))
        return fw_err_set(err, FW_ETOOBIG, "%s is too long a name", name);
    rc = fw_path_join(path, b->folder.path, file.name, err);
    if (rc == FW_OK)
        rc = fw_path_join(target, b->folder.path, single_file ? file.name : dir,
                          err);
    if (rc == FW_OK)
        rc = lmdb_copy(txn, target, single_file, b->cancel, err);
    if (rc == FW_OK)
        rc = backup_read_file(path, NULL, &file, b->cancel, err);
    return rc == FW_OK ? backup_list_add(&b->list, &file, err) : rc;
}

static fw_rc copy_parts(struct backup *b, struct fw_err *err)
{
    fw_rc rc = FW_OK;

    for (size_t i = 0; i < b->part_count && rc == FW_OK; i++) {
        struct caught *c = &b->parts[i];

        rc = catch_part(b, c, err);
        if (rc == FW_OK && c->entered)
            rc = copy_env(b, &c->txn, "part", c->part->name, true, err);
        let_go(c);
    }
    return rc;
}

static fw_rc copy_all(struct backup *b, struct fw_err *err)
{
    fw_rc rc = check_room(b, err);

    if (rc == FW_OK)
        rc = backup_folder_add(&b->folder, "meta", err);
    if (rc == FW_OK)
        rc = backup_folder_add(&b->folder, "journal", err);
    if (rc == FW_OK)
        rc = backup_folder_add(&b->folder, "head", err);
    if (rc == FW_OK)
        rc = backup_folder_add(&b->folder, "part", err);
    if (rc == FW_OK && b->journal.handle != NULL)
        rc = copy_env(b, &b->journal, "journal", "data.mdb", false, err);
    lmdb_end(&b->journal);
    if (rc == FW_OK && b->ring.handle != NULL)
        rc = copy_env(b, &b->ring, "head", "data.mdb", false, err);
    lmdb_end(&b->ring);
    if (rc == FW_OK)
        rc = copy_env(b, &b->meta, "meta", "data.mdb", false, err);
    lmdb_end(&b->meta);
    return rc == FW_OK ? copy_parts(b, err) : rc;
}

static fw_rc write_list(struct backup *b, struct fw_err *err)
{
    struct fw_buf text = FW_BUF_INIT(BACKUP_LIST_BYTES);
    char path[FW_PATH_BYTES];
    fw_rc rc = backup_list_print(&b->list, &text, err);

    if (rc == FW_OK)
        rc = fw_path_join(path, b->folder.path, BACKUP_LIST_NAME, err);
    if (rc == FW_OK)
        rc = fw_file_write(path, text.data, text.len, err);
    fw_buf_release(&text);
    return rc;
}

static void release(struct backup *b)
{
    for (size_t i = 0; i < b->part_count; i++) {
        let_go(&b->parts[i]);
        partition_unref(b->parts[i].part);
    }
    free(b->parts);
    lmdb_end(&b->journal);
    lmdb_end(&b->ring);
    lmdb_end(&b->meta);
    quiet_end(b);
    backup_folder_abort(&b->folder);
    backup_list_release(&b->list);
}

static fw_rc backup_open(struct fw_store *store, const char *to,
                         const atomic_bool *cancel,
                         struct fw_backup_report *out, struct fw_err *err)
{
    struct backup b = {.store = store, .cancel = cancel};
    struct fw_backup_report report = {0};
    fw_rc rc = backup_folder_begin(&b.folder, to, err);

    if (rc == FW_OK)
        rc = catch_all(&b, err);
    if (rc == FW_OK)
        rc = copy_all(&b, err);
    if (rc == FW_OK)
        rc = write_list(&b, err);
    if (rc == FW_OK)
        rc = backup_folder_commit(&b.folder, err);
    report.record = b.list.record;
    report.at = b.list.at;
    report.files = b.list.count;
    for (size_t i = 0; i < b.list.count; i++)
        report.bytes += b.list.files[i].bytes;
    if (rc == FW_OK)
        *out = report;
    release(&b);
    return rc;
}

/*
 * A folder without a server: taken for as long as it lasts, so that none comes
 * in between, and opened anew, since one may have come and gone.
 */
static fw_rc backup_closed(struct fw_store *store, const char *to,
                           const atomic_bool *cancel,
                           struct fw_backup_report *out, struct fw_err *err)
{
    struct fw_store *now = NULL;
    int lock = -1;
    fw_rc rc = folder_lock(store->dir, &lock, err);

    if (rc == FW_OK)
        rc = fw_store_open(store->dir, &store->options, &now, err);
    if (rc == FW_OK)
        rc = backup_open(now, to, cancel, out, err);
    fw_store_close(now);
    folder_unlock(lock);
    return rc;
}

fw_rc fw_store_backup(struct fw_store *store, const char *to,
                      const atomic_bool *cancel, struct fw_backup_report *out,
                      struct fw_err *err)
{
    return store->options.read_only ? backup_closed(store, to, cancel, out, err)
                                    : backup_open(store, to, cancel, out, err);
}
