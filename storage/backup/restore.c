/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * restore.c - is a backup what it was, and a data folder made of it.
 */
#include <dirent.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "storage/backup/backup_io.h"
#include "storage/segments/verify.h"
#include "storage/storage.h"

static const char *const folders[] = {"meta", "journal", "head", "part"};
#define FOLDER_COUNT (sizeof(folders) / sizeof(folders[0]))

/* ---- Looking at it --------------------------------------------------------
 */

static fw_rc read_list(struct backup_list *list, const char *from,
                       struct fw_err *err)
{
    struct fw_buf text = FW_BUF_INIT(BACKUP_LIST_BYTES);
    char path[FW_PATH_BYTES];
    fw_rc rc = fw_path_join(path, from, BACKUP_LIST_NAME, err);

    if (rc == FW_OK && !fw_file_exists(path))
        return fw_err_set(err, FW_ENOTFOUND,
                          "%s holds no backup: it has no " BACKUP_LIST_NAME,
                          from);
    if (rc == FW_OK)
        rc = fw_file_read(path, &text, err);
    if (rc == FW_OK)
        rc = backup_list_read(list, (struct fw_str){text.data, text.len}, err);
    if (rc == FW_ECORRUPT)
        (void)fw_err_prefix(err, "%s", from);
    fw_buf_release(&text);
    return rc;
}

/* Locks and sockets come from looking into a backup as a data folder. */
static bool is_lock(const char *name)
{
    size_t n = strlen(name);

    return strcmp(name, "lock.mdb") == 0 ||
           (n > 5 && strcmp(name + n - 5, "-lock") == 0);
}

/* A file that the list does not have would be believed by nobody but LMDB. */
static fw_rc check_strangers(const struct backup_list *list, const char *from,
                             const char *folder, struct fw_err *err)
{
    char path[FW_PATH_BYTES], name[BACKUP_FILE_BYTES];
    struct dirent *entry;
    fw_rc rc = fw_path_join(path, from, folder, err);
    DIR *d = rc == FW_OK ? opendir(path) : NULL;

    while (d != NULL && rc == FW_OK && (entry = readdir(d)) != NULL) {
        if (strcmp(entry->d_name, ".") == 0 ||
            strcmp(entry->d_name, "..") == 0 || is_lock(entry->d_name))
            continue;
        (void)snprintf(name, sizeof(name), "%.100s/%.120s", folder,
                       entry->d_name);
        if (backup_list_find(list, name) == NULL)
            rc =
                fw_err_set(err, FW_ECORRUPT,
                           "%s/%s is not in the " BACKUP_LIST_NAME, from, name);
    }
    if (d != NULL)
        (void)closedir(d);
    return rc;
}

/* Reads a file of the list, copies it to `to` unless NULL, and compares. */
static fw_rc check_file(const struct backup_file *said, const char *from,
                        const char *to, const atomic_bool *cancel,
                        struct fw_err *err)
{
    char path[FW_PATH_BYTES], copy[FW_PATH_BYTES];
    struct backup_file is = {0};
    fw_rc rc = fw_path_join(path, from, said->name, err);

    if (rc == FW_OK && to != NULL)
        rc = fw_path_join(copy, to, said->name, err);
    if (rc == FW_OK && !fw_file_exists(path))
        rc = fw_err_set(err, FW_ECORRUPT, "%s is missing", path);
    if (rc == FW_OK)
        rc = backup_read_file(path, to != NULL ? copy : NULL, &is, cancel, err);
    if (rc == FW_OK && is.bytes != said->bytes)
        rc = fw_err_set(
            err, FW_ECORRUPT,
            "%s has %llu bytes and the " BACKUP_LIST_NAME " says %llu", path,
            (unsigned long long)is.bytes, (unsigned long long)said->bytes);
    if (rc == FW_OK && memcmp(&is.hash, &said->hash, sizeof(is.hash)) != 0)
        rc = fw_err_set(err, FW_ECORRUPT,
                        "%s is damaged: its SHA-256 is not the one of "
                        "the " BACKUP_LIST_NAME,
                        path);
    return rc;
}

static fw_rc check_all(const struct backup_list *list, const char *from,
                       const char *to, const atomic_bool *cancel,
                       struct fw_backup_report *report, struct fw_err *err)
{
    fw_rc rc = FW_OK;

    *report = (struct fw_backup_report){.record = list->record, .at = list->at};
    for (size_t i = 0; i < FOLDER_COUNT && rc == FW_OK; i++)
        rc = check_strangers(list, from, folders[i], err);
    for (size_t i = 0; i < list->count && rc == FW_OK; i++) {
        rc = check_file(&list->files[i], from, to, cancel, err);
        report->files++;
        report->bytes += list->files[i].bytes;
    }
    return rc;
}

fw_rc fw_backup_check(const char *from, struct fw_backup_report *out,
                      struct fw_err *err)
{
    struct fw_backup_report report = {0};
    struct backup_list list = {0};
    fw_rc rc = read_list(&list, from, err);

    if (rc == FW_OK)
        rc = check_all(&list, from, NULL, NULL, &report, err);
    if (rc == FW_OK)
        *out = report;
    backup_list_release(&list);
    return rc;
}

/* ---- Making a data folder of it -------------------------------------------
 */

/* Keeps the first thing that is wrong. */
static void keep_finding(void *self, const char *sentence)
{
    struct fw_err *err = self;

    if (err->rc == FW_OK)
        (void)fw_err_set(err, FW_ECORRUPT, "%s", sentence);
}

static fw_rc verify_copy(const char *dir, struct fw_err *err)
{
    struct fw_store_options options = {.read_only = true};
    struct verify_totals totals = {0};
    struct fw_err found = {0};
    struct fw_store *store = NULL;
    fw_rc rc = fw_store_open(dir, &options, &store, err);

    if (rc == FW_OK)
        rc = verify_store(store, keep_finding, &found, &totals, err);
    if (rc == FW_OK && totals.findings > 0)
        rc = fw_err_set(err, FW_ECORRUPT,
                        "what was backed up was damaged already: %s",
                        found.text);
    fw_store_close(store);
    return rc;
}

static fw_rc fill(const struct backup_folder *folder,
                  const struct backup_list *list, const char *from,
                  const atomic_bool *cancel, struct fw_backup_report *report,
                  struct fw_err *err)
{
    fw_rc rc = FW_OK;

    for (size_t i = 0; i < FOLDER_COUNT && rc == FW_OK; i++)
        rc = backup_folder_add(folder, folders[i], err);
    if (rc == FW_OK)
        rc = check_all(list, from, folder->path, cancel, report, err);
    return rc == FW_OK ? verify_copy(folder->path, err) : rc;
}

fw_rc fw_store_restore(const char *from, const char *to,
                       const atomic_bool *cancel, struct fw_backup_report *out,
                       struct fw_err *err)
{
    struct fw_backup_report report = {0};
    struct backup_folder folder = {0};
    struct backup_list list = {0};
    fw_rc rc = read_list(&list, from, err);

    if (rc == FW_OK)
        rc = backup_folder_begin(&folder, to, err);
    if (rc == FW_OK)
        rc = fill(&folder, &list, from, cancel, &report, err);
    if (rc == FW_OK)
        rc = backup_folder_commit(&folder, err);
    if (rc == FW_OK)
        *out = report;
    backup_folder_abort(&folder);
    backup_list_release(&list);
    return rc;
}
