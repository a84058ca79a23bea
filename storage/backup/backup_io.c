/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "storage/backup/backup_io.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define STEP_BYTES ((size_t)1 << 20)
#define OPEN_FOLDERS 16 /* of nftw(3) at once */

/* ---- Files ----------------------------------------------------------------
 */

static fw_rc write_all(int fd, const char *bytes, size_t n, const char *path,
                       struct fw_err *err)
{
    while (n > 0) {
        ssize_t put = write(fd, bytes, n);

        if (put < 0 && errno == EINTR)
            continue;
        if (put < 0)
            return fw_err_sys(err, errno, "cannot write %s", path);
        bytes += put;
        n -= (size_t)put;
    }
    return FW_OK;
}

/* From the one to the other (none: to < 0), and into the hash. */
static fw_rc pump(int from, int to, const char *path, const char *copy,
                  struct fw_sha256_state *hash, uint64_t *bytes,
                  const atomic_bool *cancel, struct fw_err *err)
{
    char *step = malloc(STEP_BYTES);
    fw_rc rc =
        step != NULL ? FW_OK : fw_err_set(err, FW_ENOMEM, "out of memory");

    while (rc == FW_OK) {
        ssize_t got = read(from, step, STEP_BYTES);

        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            rc = fw_err_sys(err, errno, "cannot read %s", path);
        if (got <= 0)
            break;
        if (cancel != NULL && atomic_load(cancel))
            rc = fw_err_set(err, FW_ECANCELED, "it was called off");
        if (rc == FW_OK)
            rc = fw_sha256_add(hash, step, (size_t)got, err);
        if (rc == FW_OK && to >= 0)
            rc = write_all(to, step, (size_t)got, copy, err);
        *bytes += (uint64_t)got;
    }
    free(step);
    return rc;
}

fw_rc backup_read_file(const char *path, const char *copy,
                       struct backup_file *file, const atomic_bool *cancel,
                       struct fw_err *err)
{
    struct fw_sha256_state hash = {0};
    uint64_t bytes = 0;
    int to = -1;
    int from = open(path, O_RDONLY | O_CLOEXEC);
    fw_rc rc;

    if (from < 0)
        return fw_err_sys(err, errno, "cannot open %s", path);
    rc = fw_sha256_start(&hash, err);
    if (rc == FW_OK && copy != NULL) {
        to = open(copy, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0640);
        if (to < 0)
            rc = fw_err_sys(err, errno, "cannot make %s", copy);
    }
    if (rc == FW_OK)
        rc = pump(from, to, path, copy, &hash, &bytes, cancel, err);
    if (rc == FW_OK && to >= 0 && fsync(to) != 0)
        rc = fw_err_sys(err, errno, "cannot sync %s", copy);
    if (rc == FW_OK)
        rc = fw_sha256_end(&hash, &file->hash, err);
    if (rc == FW_OK)
        file->bytes = bytes;
    fw_sha256_release(&hash);
    if (to >= 0)
        (void)close(to); /* synced, or given up */
    (void)close(from);
    return rc;
}

/* ---- Folders --------------------------------------------------------------
 */

/* The folder that holds `path`. */
static void parent_of(const char *path, char out[FW_PATH_BYTES])
{
    const char *slash = strrchr(path, '/');
    size_t n = slash == NULL ? 0 : (size_t)(slash - path);

    if (slash == NULL)
        (void)snprintf(out, FW_PATH_BYTES, ".");
    else
        (void)snprintf(out, FW_PATH_BYTES, "%.*s", n == 0 ? 1 : (int)n, path);
}

static bool is_empty(const char *dir)
{
    DIR *d = opendir(dir);
    int n = 0;

    if (d == NULL)
        return false;
    while (readdir(d) != NULL)
        n++;
    (void)closedir(d);
    return n == 2; /* . and .. */
}

fw_rc backup_folder_begin(struct backup_folder *folder, const char *to,
                          struct fw_err *err)
{
    char parent[FW_PATH_BYTES];
    size_t n = strlen(to);
    fw_rc rc;

    *folder = (struct backup_folder){0};
    while (n > 1 && to[n - 1] == '/')
        n--;
    if (n == 0 || n >= FW_PATH_BYTES - 64)
        return fw_err_set(err, FW_EINVAL, "'%.100s' cannot name a folder", to);
    memcpy(folder->to, to, n);
    if (fw_file_exists(folder->to) && !is_empty(folder->to))
        return fw_err_set(err, FW_EINVAL,
                          "%s is there and not empty; name a new folder",
                          folder->to);
    parent_of(folder->to, parent);
    rc = fw_dir_make(parent, err);
    if (rc != FW_OK)
        return rc;
    (void)snprintf(folder->path, sizeof(folder->path), "%.*s.unfinished",
                   (int)n, folder->to);
    if (mkdir(folder->path, 0750) == 0)
        return FW_OK;
    rc = errno == EEXIST
             ? fw_err_set(err, FW_EINVAL,
                          "%s is being made by another process, or was left by "
                          "one that was stopped: then remove it",
                          folder->path)
             : fw_err_sys(err, errno, "cannot make %s", folder->path);
    folder->path[0] = '\0'; /* not ours */
    return rc;
}

fw_rc backup_folder_add(const struct backup_folder *folder, const char *name,
                        struct fw_err *err)
{
    char path[FW_PATH_BYTES];
    fw_rc rc = fw_path_join(path, folder->path, name, err);

    return rc == FW_OK ? fw_dir_make(path, err) : rc;
}

/* nftw(3) has no room for a context: the first failure is in errno. */
static int sync_one(const char *path, const struct stat *st, int kind,
                    struct FTW *at)
{
    struct fw_err err = {0};

    (void)st;
    (void)at;
    return kind == FTW_DP && fw_dir_sync(path, &err) != FW_OK ? -1 : 0;
}

fw_rc backup_folder_commit(struct backup_folder *folder, struct fw_err *err)
{
    char parent[FW_PATH_BYTES];

    if (nftw(folder->path, sync_one, OPEN_FOLDERS, FTW_DEPTH | FTW_PHYS) != 0)
        return fw_err_sys(err, errno, "cannot sync %s", folder->path);
    if (rename(folder->path, folder->to) != 0)
        return fw_err_sys(err, errno, "cannot rename %s", folder->path);
    folder->path[0] = '\0';
    parent_of(folder->to, parent);
    return fw_dir_sync(parent, err);
}

static int remove_one(const char *path, const struct stat *st, int kind,
                      struct FTW *at)
{
    (void)st;
    (void)kind;
    (void)at;
    (void)remove(path); /* what stays is told by the next one who comes */
    return 0;
}

void backup_folder_abort(struct backup_folder *folder)
{
    if (folder->path[0] != '\0')
        (void)nftw(folder->path, remove_one, OPEN_FOLDERS,
                   FTW_DEPTH | FTW_PHYS);
    folder->path[0] = '\0';
}
