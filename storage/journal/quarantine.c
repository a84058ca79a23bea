/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "storage/journal/quarantine.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "storage/base/bytes.h"
#include "storage/base/crc32c.h"
#include "storage/base/limits.h"

#define CONTENTS_BYTES 256

/* ---- Telling --------------------------------------------------------------
 */

void store_tell(struct fw_store *store, const char *fmt, ...)
{
    char text[FW_ERR_TEXT_BYTES];
    struct store_findings *f = &store->findings;
    va_list ap;

    va_start(ap, fmt);
    (void)vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    if (f->n < STORE_FINDINGS)
        f->v[f->n] = strdup(text);
    if (f->n < STORE_FINDINGS && f->v[f->n] != NULL)
        f->n++;
    else
        f->more++; /* counted at least */
}

/*
 * What is in a record, as far as one can say: samples and times where its
 * checksum is right, what its header claims where the rest is not.
 */
static void describe(struct fw_str record, char out[CONTENTS_BYTES])
{
    char from[FW_TIME_TEXT_BYTES], to[FW_TIME_TEXT_BYTES];
    struct fw_label room[FW_MAX_LABELS];
    struct fw_labels labels;
    struct journal_reader r;
    struct fw_err err = {0};
    fw_ms t = 0, first = INT64_MAX, last = INT64_MIN;
    uint32_t id = 0;
    uint64_t bits = 0, n = 0;
    fw_rc rc = journal_reader_open(&r, record, &err);

    /* A checkpoint's header says other things, a wrong one nothing. */
    if (rc != FW_OK && record.n >= JOURNAL_RECORD_HEADER &&
        memcmp(record.p, "FWJ", 3) == 0) {
        (void)fw_format_time(from, (fw_ms)fw_get_le64(record.p + 16));
        (void)snprintf(out, CONTENTS_BYTES,
                       "%zu bytes, whose header, if it can be believed, tells "
                       "of %u samples written at %s",
                       record.n, fw_get_le32(record.p + 28), from);
        return;
    }
    while (rc == FW_OK)
        rc = journal_reader_definition(&r, &id, room, &labels, &err);
    rc = rc == FW_END ? FW_OK : rc;
    while (rc == FW_OK) {
        rc = journal_reader_sample(&r, &id, &t, &bits, &err);
        if (rc != FW_OK)
            break;
        n++;
        first = t < first ? t : first;
        last = t > last ? t : last;
    }
    if (n == 0) {
        (void)snprintf(out, CONTENTS_BYTES, "%zu bytes", record.n);
        return;
    }
    (void)fw_format_time(from, first);
    (void)fw_format_time(to, last);
    (void)snprintf(out, CONTENTS_BYTES, "%llu samples from %s to %s",
                   (unsigned long long)n, from, to);
}

/* ---- The folder -----------------------------------------------------------
 */

static fw_rc folder_of(const struct fw_store *store, char out[FW_PATH_BYTES],
                       struct fw_err *err)
{
    return fw_path_join(out, store->dir, QUARANTINE_FOLDER, err);
}

void quarantine_look(struct fw_store *store)
{
    char dir[FW_PATH_BYTES];
    struct fw_err err = {0};
    uint64_t files = 0, bytes = 0;
    struct dirent *entry;
    struct stat st;
    DIR *d;

    if (folder_of(store, dir, &err) != FW_OK)
        return;
    d = opendir(dir);
    while (d != NULL && (entry = readdir(d)) != NULL)
        if (fstatat(dirfd(d), entry->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
            S_ISREG(st.st_mode)) {
            files++;
            bytes += (uint64_t)st.st_size;
        }
    if (d != NULL)
        (void)closedir(d);
    atomic_store(&store->counters.quarantine_files, files);
    atomic_store(&store->counters.quarantine_bytes, bytes);
}

/* False, and counted, if so many bytes more are too many. */
static bool has_room(struct fw_store *store, uint64_t bytes)
{
    struct store_counters *c = &store->counters;

    if (atomic_load(&c->quarantine_files) < FW_MAX_QUARANTINE_FILES &&
        bytes <= FW_MAX_QUARANTINE_BYTES &&
        atomic_load(&c->quarantine_bytes) <= FW_MAX_QUARANTINE_BYTES - bytes)
        return true;
    (void)atomic_fetch_add(&c->quarantine_refused, 1);
    return false;
}

static void count_file(struct fw_store *store, uint64_t bytes)
{
    (void)atomic_fetch_add(&store->counters.quarantine_files, 1);
    (void)atomic_fetch_add(&store->counters.quarantine_bytes, bytes);
}

static fw_rc make_path(struct fw_store *store, const char *name,
                       char path[FW_PATH_BYTES], struct fw_err *err)
{
    char dir[FW_PATH_BYTES];
    fw_rc rc = folder_of(store, dir, err);

    if (rc == FW_OK)
        rc = fw_dir_make(dir, err);
    return rc == FW_OK ? fw_path_join(path, dir, name, err) : rc;
}

/* The name says which bytes, so that the same ones are kept once. */
static fw_rc keep_record(struct fw_store *store, const char *ring, uint64_t seq,
                         struct fw_str record, char path[FW_PATH_BYTES],
                         struct fw_err *err)
{
    char name[96];
    fw_rc rc;

    (void)snprintf(name, sizeof(name), "%s-%llu-%08x.rec", ring,
                   (unsigned long long)seq, fw_crc32c(record.p, record.n));
    rc = make_path(store, name, path, err);
    if (rc != FW_OK || fw_file_exists(path))
        return rc;
    if (!has_room(store, record.n))
        return fw_err_set(err, FW_ETOOBIG,
                          "%s/" QUARANTINE_FOLDER " is full (limits are %u "
                          "MiB and %u files)",
                          store->dir, (unsigned)(FW_MAX_QUARANTINE_BYTES >> 20),
                          FW_MAX_QUARANTINE_FILES);
    rc = fw_file_write(path, record.p, record.n, err);
    if (rc == FW_OK) {
        (void)chmod(path, 0600); /* nobody needs it but who looks into it */
        count_file(store, record.n);
    }
    return rc;
}

void quarantine_record(struct fw_store *store, const char *ring, uint64_t seq,
                       struct fw_str record, const struct fw_err *why)
{
    char path[FW_PATH_BYTES], contents[CONTENTS_BYTES];
    struct fw_err err = {0};

    (void)atomic_fetch_add(&store->counters.corrupt, 1);
    (void)atomic_fetch_add(&store->counters.records_bad, 1);
    describe(record, contents);
    if (store->options.read_only)
        store_tell(store, "%s/%s, record %llu: %s (%s)", store->dir, ring,
                   (unsigned long long)seq, why->text, contents);
    else if (keep_record(store, ring, seq, record, path, &err) == FW_OK)
        store_tell(store,
                   "%s/%s, record %llu: %s (%s); it is kept as %s and all else "
                   "is served: send its samples again if you have them, then "
                   "remove the file",
                   store->dir, ring, (unsigned long long)seq, why->text,
                   contents, path);
    else
        store_tell(store,
                   "%s/%s, record %llu: %s (%s); it could not be kept: %s",
                   store->dir, ring, (unsigned long long)seq, why->text,
                   contents, err.text);
}

/* ---- Whole files ----------------------------------------------------------
 */

/* A name that `file` has there already, from a start that was cut off. */
static bool find_link(const char *dir, const struct stat *file, char *name,
                      size_t room)
{
    struct dirent *entry;
    struct stat st;
    bool found = false;
    DIR *d = opendir(dir);

    while (d != NULL && !found && (entry = readdir(d)) != NULL)
        if (fstatat(dirfd(d), entry->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
            st.st_dev == file->st_dev && st.st_ino == file->st_ino)
            found = (size_t)snprintf(name, room, "%s", entry->d_name) < room;
    if (d != NULL)
        (void)closedir(d);
    return found;
}

/* By the moment; where that was used before, by a number behind it. */
static fw_rc link_as_new(struct fw_store *store, const char *ring,
                         const char *file, char path[FW_PATH_BYTES],
                         struct fw_err *err)
{
    long long now = (long long)fw_clock_now(store->options.clock);
    fw_rc rc = FW_OK;

    for (unsigned i = 0; i < FW_MAX_QUARANTINE_FILES; i++) {
        char name[96];

        (void)snprintf(name, sizeof(name), "%s-data-%lld-%u.mdb", ring, now, i);
        rc = make_path(store, name, path, err);
        if (rc != FW_OK || link(file, path) == 0)
            return rc;
        if (errno != EEXIST)
            break;
    }
    return fw_err_sys(err, errno, "cannot keep %s as %s", file, path);
}

fw_rc quarantine_ring(struct fw_store *store, const char *ring,
                      char kept[FW_PATH_BYTES], struct fw_err *err)
{
    char dir[FW_PATH_BYTES], of_ring[FW_PATH_BYTES], file[FW_PATH_BYTES];
    char name[256];
    struct stat st;
    fw_rc rc = folder_of(store, dir, err);

    if (rc == FW_OK)
        rc = fw_path_join(of_ring, store->dir, ring, err);
    if (rc == FW_OK)
        rc = fw_path_join(file, of_ring, "data.mdb", err);
    if (rc != FW_OK)
        return rc;
    if (stat(file, &st) != 0)
        return fw_err_sys(err, errno, "cannot look at %s", file);
    if (find_link(dir, &st, name, sizeof(name)))
        return fw_path_join(kept, dir, name, err);
    if (!has_room(store, (uint64_t)st.st_size)) {
        kept[0] = '\0';
        return FW_OK;
    }
    rc = link_as_new(store, ring, file, kept, err);
    if (rc == FW_OK)
        rc = fw_dir_sync(dir, err);
    if (rc == FW_OK)
        count_file(store, (uint64_t)st.st_size);
    return rc;
}
