/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "storage/folder.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "storage/base/file.h"
#include "storage/lmdb/lmdb_env.h"

#define LOCK_NAME "forewarn.lock"
#define META_FILE "meta/data.mdb"
#define JOURNAL_FILE "journal/data.mdb"

/* statfs(2), f_type: LMDB's shared maps and locks do not work on these. */
static const struct {
    unsigned long type;
    const char *name;
} remote[] = {
    {0x6969, "NFS"},        {0xFF534D42, "CIFS"}, {0xFE534D42, "SMB2"},
    {0x517B, "SMB"},        {0x01021997, "9p"},   {0x5346414F, "AFS"},
    {0x6B414653, "AFS"},    {0x73757245, "Coda"}, {0x00C36400, "Ceph"},
    {0x0BD00BD0, "Lustre"}, {0x564C, "NCP"},      {0x47504653, "GPFS"},
};

static fw_rc check_local(const char *dir, struct fw_err *err)
{
    struct statfs fs;

    if (statfs(dir, &fs) != 0)
        return fw_err_sys(err, errno, "cannot look at the disk of %s", dir);
    for (size_t i = 0; i < sizeof(remote) / sizeof(remote[0]); i++)
        if (((unsigned long)fs.f_type & 0xFFFFFFFFu) == remote[i].type)
            return fw_err_set(err, FW_EINVAL,
                              "%s is on a remote file system (%s), where the "
                              "store cannot keep its promises; put --data on "
                              "a local disk",
                              dir, remote[i].name);
    return FW_OK;
}

/* The first entry that a store does not have; "" in an empty folder. */
static fw_rc find_stranger(const char *dir, char *out, size_t n,
                           struct fw_err *err)
{
    static const char *const ours[] = {
        ".",       "..",   LOCK_NAME,    "meta",       "part",
        "journal", "head", "quarantine", "lost+found", "forewarn.sock"};
    DIR *d = opendir(dir);
    struct dirent *entry;

    if (d == NULL)
        return fw_err_sys(err, errno, "cannot read the folder %s", dir);
    out[0] = '\0';
    while ((entry = readdir(d)) != NULL) {
        bool known = false;

        for (size_t i = 0; i < sizeof(ours) / sizeof(ours[0]); i++)
            known = known || strcmp(entry->d_name, ours[i]) == 0;
        if (!known) {
            (void)snprintf(out, n, "%s", entry->d_name);
            break;
        }
    }
    (void)closedir(d);
    return FW_OK;
}

fw_rc folder_check(const char *dir, bool create, struct fw_err *err)
{
    char path[FW_PATH_BYTES], stranger[256];
    fw_rc rc = fw_path_join(path, dir, META_FILE, err);

    if (rc != FW_OK)
        return rc;
    if (!fw_dir_exists(dir)) {
        if (fw_file_exists(dir))
            return fw_err_set(err, FW_ENOTFOUND,
                              "%s is a file; --data names a folder", dir);
        if (create)
            return FW_NONE;
        return fw_err_set(err, FW_ENOTFOUND,
                          "there is no folder %s; 'forewarn serve --data %s' "
                          "makes it, or give another --data",
                          dir, dir);
    }
    rc = check_local(dir, err);
    if (rc != FW_OK || fw_file_exists(path))
        return rc;
    rc = find_stranger(dir, stranger, sizeof(stranger), err);
    if (rc != FW_OK)
        return rc;
    if (stranger[0] != '\0')
        return fw_err_set(err, FW_ENOTFOUND,
                          "%s holds something else (%s, ...) and no Forewarn "
                          "store; give an empty folder or a new one as --data",
                          dir, stranger);
    if (!create)
        return fw_err_set(err, FW_ENOTFOUND,
                          "the folder %s holds no store yet; 'forewarn serve "
                          "--data %s' fills it, or give another --data",
                          dir, dir);
    return FW_NONE;
}

/* The process that wrote its number into the lock file, or 0. */
static long holder_of(int fd)
{
    char text[32] = "";
    ssize_t n = pread(fd, text, sizeof(text) - 1, 0);
    long pid = 0;

    for (ssize_t i = 0; i < n && text[i] >= '0' && text[i] <= '9'; i++)
        pid = pid * 10 + (text[i] - '0');
    return pid;
}

fw_rc folder_lock(const char *dir, int *fd, struct fw_err *err)
{
    struct flock whole = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    char path[FW_PATH_BYTES], text[32];
    fw_rc rc = fw_path_join(path, dir, LOCK_NAME, err);
    int lock, n;

    if (rc != FW_OK)
        return rc;
    lock = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0640);
    if (lock < 0)
        return fw_err_sys(err, errno, "cannot open %s", path);
    /* Of the open file, not of the process: so two stores of one process
     * exclude each other too. */
    if (fcntl(lock, F_OFD_SETLK, &whole) != 0) {
        rc = errno == EAGAIN || errno == EACCES
                 ? fw_err_set(err, FW_EBUSY,
                              "%s is in use by process %ld; stop that one "
                              "('kill %ld'), ask it instead, or give another "
                              "--data folder",
                              dir, holder_of(lock), holder_of(lock))
                 : fw_err_sys(err, errno, "cannot lock %s", path);
        (void)close(lock);
        return rc;
    }
    n = snprintf(text, sizeof(text), "%ld\n", (long)getpid());
    /* The number is for people; the lock holds without it. */
    if (ftruncate(lock, 0) == 0)
        (void)!pwrite(lock, text, (size_t)n, 0);
    *fd = lock;
    return FW_OK;
}

void folder_unlock(int fd)
{
    if (fd >= 0)
        (void)close(fd); /* which lets go of the lock */
}

bool folder_is_written(const char *dir)
{
    struct flock whole = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    char path[FW_PATH_BYTES];
    struct fw_err err = {0};
    bool taken = false;
    int lock;

    if (fw_path_join(path, dir, LOCK_NAME, &err) != FW_OK)
        return false;
    lock = open(path, O_RDONLY | O_CLOEXEC);
    if (lock < 0)
        return false;
    if (fcntl(lock, F_OFD_GETLK, &whole) == 0)
        taken = whole.l_type != F_UNLCK;
    (void)close(lock);
    return taken;
}

bool folder_has_samples(const char *dir)
{
    char path[FW_PATH_BYTES];
    struct fw_err err = {0};
    struct dirent *entry;
    bool any = false;
    DIR *d;

    if (fw_path_join(path, dir, JOURNAL_FILE, &err) == FW_OK &&
        lmdb_is_begun(path))
        return true;
    d = fw_path_join(path, dir, "part", &err) == FW_OK ? opendir(path) : NULL;
    while (d != NULL && !any && (entry = readdir(d)) != NULL)
        any = entry->d_name[0] != '.';
    if (d != NULL)
        (void)closedir(d);
    return any;
}
