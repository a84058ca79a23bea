/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "storage/base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#define READ_STEP_BYTES 65536

fw_rc fw_path_join(char out[FW_PATH_BYTES], const char *a, const char *b,
                   struct fw_err *err)
{
    int n = snprintf(out, FW_PATH_BYTES, "%s/%s", a, b);

    if (n < 0 || n >= FW_PATH_BYTES)
        return fw_err_set(err, FW_ETOOBIG, "the path %.100s/... is too long",
                          a);
    return FW_OK;
}

bool fw_file_exists(const char *path)
{
    struct stat st;

    return stat(path, &st) == 0;
}

bool fw_dir_exists(const char *path)
{
    struct stat st;

    return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

fw_rc fw_dir_sync(const char *path, struct fw_err *err)
{
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    fw_rc rc = FW_OK;

    if (fd < 0)
        return fw_err_sys(err, errno, "cannot open the folder %s", path);
    if (fsync(fd) != 0)
        rc = fw_err_sys(err, errno, "cannot sync the folder %s", path);
    (void)close(fd);
    return rc;
}

static fw_rc sync_parent(char *path, struct fw_err *err)
{
    char *slash = strrchr(path, '/');
    fw_rc rc;

    if (slash == NULL)
        return fw_dir_sync(".", err);
    if (slash == path)
        return fw_dir_sync("/", err);
    *slash = '\0';
    rc = fw_dir_sync(path, err);
    *slash = '/';
    return rc;
}

/* Makes one folder whose parent is there, and syncs the parent. */
static fw_rc make_one(char *path, struct fw_err *err)
{
    struct fw_err mere = {0};

    if (mkdir(path, 0750) == 0)
        return sync_parent(path, err);
    if (errno != EEXIST || !fw_dir_exists(path))
        return fw_err_sys(err, errno, "cannot make the folder %s", path);
    /* Who made it may have been killed before he synced; where we may not read
     * the folder around it, it was not us who made it. */
    (void)!sync_parent(path, &mere);
    return FW_OK;
}

fw_rc fw_dir_make(const char *path, struct fw_err *err)
{
    char copy[FW_PATH_BYTES];
    fw_rc rc = FW_OK;
    size_t n = strlen(path);

    if (n == 0 || n >= sizeof(copy))
        return fw_err_set(err, FW_EINVAL, "'%.100s' cannot name a folder",
                          path);
    memcpy(copy, path, n + 1);
    for (char *p = copy + 1; *p != '\0' && rc == FW_OK; p++) {
        if (*p != '/')
            continue;
        *p = '\0';
        if (!fw_dir_exists(copy))
            rc = make_one(copy, err);
        *p = '/';
    }
    return rc == FW_OK ? make_one(copy, err) : rc;
}

fw_rc fw_file_read(const char *path, struct fw_buf *out, struct fw_err *err)
{
    bool standard_input = strcmp(path, "-") == 0;
    int fd = standard_input ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC);
    fw_rc rc = FW_OK;
    ssize_t got = 1;

    if (fd < 0)
        return fw_err_sys(err, errno, "cannot open %s", path);
    while (rc == FW_OK && got > 0) {
        size_t room = out->max - out->len;

        if (room > READ_STEP_BYTES)
            room = READ_STEP_BYTES;
        rc = fw_buf_reserve(out, room == 0 ? 1 : room);
        if (rc != FW_OK) {
            rc = fw_err_set(err, rc, "%s is larger than %zu bytes", path,
                            out->max);
            break;
        }
        got = read(fd, out->data + out->len, room);
        if (got < 0 && errno == EINTR)
            got = 1;
        else if (got < 0)
            rc = fw_err_sys(err, errno, "cannot read %s", path);
        else
            out->len += (size_t)got;
    }
    if (out->data != NULL)
        out->data[out->len] = '\0';
    if (!standard_input)
        (void)close(fd);
    return rc;
}

static fw_rc write_all(int fd, const char *bytes, size_t n)
{
    while (n > 0) {
        ssize_t put = write(fd, bytes, n);

        if (put < 0 && errno == EINTR)
            continue;
        if (put < 0)
            return FW_EIO;
        bytes += put;
        n -= (size_t)put;
    }
    return FW_OK;
}

/* The folder that holds `path`: "." where it names none. */
static void parent_of(const char *path, char out[FW_PATH_BYTES])
{
    const char *slash = strrchr(path, '/');
    size_t n = slash == NULL ? 0 : (size_t)(slash - path);

    if (slash == NULL || n >= FW_PATH_BYTES) {
        memcpy(out, ".", 2);
        return;
    }
    if (n == 0)
        n = 1; /* the root itself */
    memcpy(out, path, n);
    out[n] = '\0';
}

fw_rc fw_file_write(const char *path, const void *bytes, size_t n,
                    struct fw_err *err)
{
    char tmp[FW_PATH_BYTES];
    char parent[FW_PATH_BYTES];
    fw_rc rc = FW_OK;
    int fd;

    if (snprintf(tmp, sizeof(tmp), "%s.XXXXXX", path) >= (int)sizeof(tmp))
        return fw_err_set(err, FW_ETOOBIG, "the path %.100s... is too long",
                          path);
    fd = mkostemp(tmp, O_CLOEXEC);
    if (fd < 0)
        return fw_err_sys(err, errno, "cannot write %s", path);
    if (fchmod(fd, 0640) != 0 || write_all(fd, bytes, n) != FW_OK ||
        fsync(fd) != 0)
        rc = fw_err_sys(err, errno, "cannot write %s", path);
    if (close(fd) != 0 && rc == FW_OK)
        rc = fw_err_sys(err, errno, "cannot close %s", path);
    if (rc == FW_OK && rename(tmp, path) != 0)
        rc = fw_err_sys(err, errno, "cannot rename to %s", path);
    if (rc != FW_OK) {
        (void)unlink(tmp); /* best effort; the first failure is the news */
        return rc;
    }
    parent_of(path, parent);
    return fw_dir_sync(parent, err);
}

fw_rc fw_disk_free(int fd, const char *path, uint64_t *bytes,
                   struct fw_err *err)
{
    struct statvfs vfs;

    if ((fd >= 0 ? fstatvfs(fd, &vfs) : statvfs(path, &vfs)) != 0)
        return fw_err_sys(err, errno, "cannot ask for the free space of %s",
                          path);
    *bytes = (uint64_t)vfs.f_bavail * vfs.f_frsize;
    return FW_OK;
}
