/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * record.c - see record.h.
 *
 * What is known of files lies in memory that forked processes share. The names
 * defined here are a superset of fault_disk.c's, so that a program has either.
 * Locks (lock.mdb, NAME-lock) are no data and are left out.
 */
#include "tests/powerloss/record.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#define MAX_FDS 65536
#define MAX_FILES 65536
#define NOBODY UINT32_MAX

struct known {
    dev_t device;
    ino_t inode;
};

struct shared {
    char root[PATH_MAX];
    size_t root_n;
    uint32_t count;
    struct known files[MAX_FILES]; /* the last one of an inode counts */
};

struct fd_state {
    uint32_t file_plus_1; /* 0: none of ours */
    bool durable;         /* O_DSYNC or O_SYNC */
    bool socket;
};

static struct shared *shared;
static struct fd_state fds[MAX_FDS];
static int log_fd = -1;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

/* ISO C has no cast from void * to a function; POSIX gives it this way. */
#define REAL(name)                                                             \
    static __typeof__(name) *real;                                             \
    if (real == NULL)                                                          \
    *(void **)&real = dlsym(RTLD_NEXT, #name)

static void give_up(const char *what)
{
    perror(what);
    abort();
}

static ssize_t real_write(int fd, const void *bytes, size_t n)
{
    REAL(write);
    return real(fd, bytes, n);
}

/* ---- The log --------------------------------------------------------------
 */

static void put(const void *bytes, size_t n)
{
    const char *p = bytes;

    while (n > 0) {
        ssize_t done = real_write(log_fd, p, n);

        if (done < 0)
            give_up("record: log");
        p += done;
        n -= (size_t)done;
    }
}

static void put_record(struct record_head head, const void *bytes, size_t n)
{
    head.n = (uint32_t)n;
    put(&head, sizeof(head));
    put(bytes, n);
}

/* ---- Which file it is -----------------------------------------------------
 */

static uint32_t find(const struct stat *st)
{
    for (uint32_t i = shared->count; i > 0; i--)
        if (shared->files[i - 1].device == st->st_dev &&
            shared->files[i - 1].inode == st->st_ino)
            return i - 1;
    return NOBODY;
}

static uint32_t find_path(const char *path)
{
    struct stat st;

    return lstat(path, &st) == 0 ? find(&st) : NOBODY;
}

static uint32_t add(const struct stat *st)
{
    if (shared->count == MAX_FILES)
        give_up("record: too many files");
    shared->files[shared->count] = (struct known){st->st_dev, st->st_ino};
    return shared->count++;
}

static bool is_lock(const char *name)
{
    size_t n = strlen(name);

    return strcmp(name, "lock.mdb") == 0 ||
           (n > 5 && strcmp(name + n - 5, "-lock") == 0);
}

/* The folder of ours that holds `path`, and the name in it. */
static uint32_t parent_of(const char *path, const char **name)
{
    char dir[PATH_MAX], whole[PATH_MAX];
    const char *slash = strrchr(path, '/');

    if (log_fd < 0)
        return NOBODY;
    *name = slash != NULL ? slash + 1 : path;
    if (is_lock(*name) || **name == '\0')
        return NOBODY;
    (void)snprintf(dir, sizeof(dir), "%.*s", (int)(*name - path), path);
    if (realpath(dir[0] == '\0' ? "." : dir, whole) == NULL ||
        strncmp(whole, shared->root, shared->root_n) != 0 ||
        (whole[shared->root_n] != '/' && whole[shared->root_n] != '\0'))
        return NOBODY;
    return find_path(whole);
}

static uint32_t file_of(int fd)
{
    if (log_fd < 0 || fd < 0 || fd >= MAX_FDS || fds[fd].file_plus_1 == 0)
        return NOBODY;
    return fds[fd].file_plus_1 - 1;
}

void record_continue(void)
{
    memset(fds, 0, sizeof(fds));
}

void record_begin(const char *root, const char *log)
{
    struct stat st;

    shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE,
                  MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (shared == MAP_FAILED || realpath(root, shared->root) == NULL ||
        stat(root, &st) != 0)
        give_up("record: root");
    shared->root_n = strlen(shared->root);
    (void)add(&st);
    log_fd =
        open(log, O_WRONLY | O_CREAT | O_EXCL | O_APPEND | O_CLOEXEC, 0600);
    if (log_fd < 0)
        give_up("record: log");
}

void record_end(void)
{
    int fd = log_fd;

    log_fd = -1;
    (void)close(fd);
    (void)munmap(shared, sizeof(*shared));
    shared = NULL;
}

void record_note(const void *bytes, size_t n)
{
    if (log_fd < 0)
        return;
    (void)pthread_mutex_lock(&lock);
    put_record((struct record_head){.kind = RECORD_NOTE}, bytes, n);
    (void)pthread_mutex_unlock(&lock);
}

__attribute__((constructor)) static void begin_from_environment(void)
{
    const char *log = getenv("FOREWARN_RECORD");
    const char *root = getenv("FOREWARN_RECORD_ROOT");

    if (log == NULL || root == NULL)
        return;
    record_begin(root, log);
    (void)unsetenv("LD_PRELOAD"); /* programs it starts are not recorded */
    (void)unsetenv("FOREWARN_RECORD");
}

/* ---- Opening and closing --------------------------------------------------
 */

/* After an open: what it is, and whether it is new. */
static void opened(int fd, int flags, uint32_t dir, const char *name,
                   bool is_new)
{
    struct stat st;
    uint32_t file;

    if (fd < 0 || fd >= MAX_FDS || dir == NOBODY || fstat(fd, &st) != 0)
        return;
    file = is_new ? add(&st) : find(&st);
    if (is_new)
        put_record((struct record_head){.kind = RECORD_CREATE,
                                        .file = file,
                                        .dir = dir},
                   name, strlen(name));
    else if (file != NOBODY && (flags & O_TRUNC) != 0)
        put_record((struct record_head){.kind = RECORD_RESIZE, .file = file},
                   NULL, 0);
    if (file != NOBODY)
        fds[fd] = (struct fd_state){file + 1, (flags & O_DSYNC) != 0, false};
}

static int do_open(int (*call)(const char *, int, ...), const char *path,
                   int flags, mode_t mode)
{
    const char *name = "";
    uint32_t dir;
    bool is_new;
    int fd, kept;

    if (log_fd < 0)
        return call(path, flags, mode);
    (void)pthread_mutex_lock(&lock);
    kept = errno;
    dir = parent_of(path, &name);
    if (dir == NOBODY && (flags & O_DIRECTORY) != 0 &&
        find_path(path) != NOBODY)
        dir = 0; /* the root itself */
    is_new = dir != NOBODY && (flags & O_CREAT) != 0 && access(path, F_OK) != 0;
    errno = kept;
    fd = call(path, flags, mode);
    kept = errno;
    opened(fd, flags, dir, name, is_new);
    errno = kept;
    (void)pthread_mutex_unlock(&lock);
    return fd;
}

#define OPEN_AS(name)                                                          \
    int name(const char *path, int flags, ...)                                 \
    {                                                                          \
        mode_t mode = 0;                                                       \
        REAL(name);                                                            \
        if ((flags & O_CREAT) != 0) {                                          \
            va_list ap;                                                        \
            va_start(ap, flags);                                               \
            mode = va_arg(ap, mode_t);                                         \
            va_end(ap);                                                        \
        }                                                                      \
        return do_open(real, path, flags, mode);                               \
    }
OPEN_AS(open)
OPEN_AS(open64)

int mkostemp(char *path, int flags)
{
    const char *name = "";
    uint32_t dir;
    int fd;
    REAL(mkostemp);

    if (log_fd < 0)
        return real(path, flags);
    (void)pthread_mutex_lock(&lock);
    dir = parent_of(path, &name);
    fd = real(path, flags);
    opened(fd, flags, dir, name, true);
    (void)pthread_mutex_unlock(&lock);
    return fd;
}

int close(int fd)
{
    REAL(close);
    if (fd >= 0 && fd < MAX_FDS)
        fds[fd] = (struct fd_state){0};
    return real(fd);
}

/* ---- Writing --------------------------------------------------------------
 */

static void wrote(int fd, const struct iovec *parts, int count, off_t at,
                  ssize_t done)
{
    struct record_head head = {.kind = RECORD_WRITE,
                               .flag = fds[fd].durable ? 1 : 0,
                               .file = fds[fd].file_plus_1 - 1,
                               .at = (uint64_t)at,
                               .n = done > 0 ? (uint32_t)done : 0};
    size_t left = head.n;

    if (done <= 0)
        return;
    put(&head, sizeof(head));
    for (int i = 0; i < count && left > 0; i++) {
        size_t n = parts[i].iov_len < left ? parts[i].iov_len : left;

        put(parts[i].iov_base, n);
        left -= n;
    }
}

ssize_t write(int fd, const void *bytes, size_t n)
{
    struct iovec part = {(void *)(uintptr_t)bytes, n};
    ssize_t done;
    off_t at;
    REAL(write);

    if (file_of(fd) == NOBODY)
        return real(fd, bytes, n);
    (void)pthread_mutex_lock(&lock);
    at = lseek(fd, 0, SEEK_CUR);
    done = real(fd, bytes, n);
    wrote(fd, &part, 1, at, done);
    (void)pthread_mutex_unlock(&lock);
    return done;
}

ssize_t pwrite(int fd, const void *bytes, size_t n, off_t at)
{
    struct iovec part = {(void *)(uintptr_t)bytes, n};
    ssize_t done;
    REAL(pwrite);

    if (file_of(fd) == NOBODY)
        return real(fd, bytes, n, at);
    (void)pthread_mutex_lock(&lock);
    done = real(fd, bytes, n, at);
    wrote(fd, &part, 1, at, done);
    (void)pthread_mutex_unlock(&lock);
    return done;
}

ssize_t writev(int fd, const struct iovec *parts, int count)
{
    ssize_t done;
    off_t at;
    REAL(writev);

    if (file_of(fd) == NOBODY)
        return real(fd, parts, count);
    (void)pthread_mutex_lock(&lock);
    at = lseek(fd, 0, SEEK_CUR);
    done = real(fd, parts, count);
    wrote(fd, parts, count, at, done);
    (void)pthread_mutex_unlock(&lock);
    return done;
}

ssize_t pwritev(int fd, const struct iovec *parts, int count, off_t at)
{
    ssize_t done;
    REAL(pwritev);

    if (file_of(fd) == NOBODY)
        return real(fd, parts, count, at);
    (void)pthread_mutex_lock(&lock);
    done = real(fd, parts, count, at);
    wrote(fd, parts, count, at, done);
    (void)pthread_mutex_unlock(&lock);
    return done;
}

static void resized(int fd)
{
    struct stat st;

    if (fstat(fd, &st) == 0)
        put_record((struct record_head){.kind = RECORD_RESIZE,
                                        .file = file_of(fd),
                                        .at = (uint64_t)st.st_size},
                   NULL, 0);
}

int ftruncate(int fd, off_t size)
{
    int rc;
    REAL(ftruncate);

    if (file_of(fd) == NOBODY)
        return real(fd, size);
    (void)pthread_mutex_lock(&lock);
    rc = real(fd, size);
    if (rc == 0)
        resized(fd);
    (void)pthread_mutex_unlock(&lock);
    return rc;
}

int fallocate(int fd, int mode, off_t at, off_t size)
{
    int rc;
    REAL(fallocate);

    if (file_of(fd) == NOBODY)
        return real(fd, mode, at, size);
    (void)pthread_mutex_lock(&lock);
    rc = real(fd, mode, at, size);
    if (rc == 0)
        resized(fd);
    (void)pthread_mutex_unlock(&lock);
    return rc;
}

int posix_fallocate(int fd, off_t at, off_t size)
{
    int rc;
    REAL(posix_fallocate);

    if (file_of(fd) == NOBODY)
        return real(fd, at, size);
    (void)pthread_mutex_lock(&lock);
    rc = real(fd, at, size);
    if (rc == 0)
        resized(fd);
    (void)pthread_mutex_unlock(&lock);
    return rc;
}

/* ---- Syncing --------------------------------------------------------------
 */

static int do_sync(int (*call)(int), int fd)
{
    int rc;

    if (file_of(fd) == NOBODY)
        return call(fd);
    (void)pthread_mutex_lock(&lock);
    rc = call(fd);
    if (rc == 0)
        put_record(
            (struct record_head){.kind = RECORD_SYNC, .file = file_of(fd)},
            NULL, 0);
    (void)pthread_mutex_unlock(&lock);
    return rc;
}

int fsync(int fd)
{
    REAL(fsync);
    return do_sync(real, fd);
}

int fdatasync(int fd)
{
    REAL(fdatasync);
    return do_sync(real, fd);
}

/* These two promise nothing that a power loss would have to keep. */
int sync_file_range(int fd, off64_t at, off64_t n, unsigned flags)
{
    REAL(sync_file_range);
    return real(fd, at, n, flags);
}

int msync(void *start, size_t size, int flags)
{
    REAL(msync);
    return real(start, size, flags);
}

/* ---- Names ----------------------------------------------------------------
 */

int rename(const char *from, const char *to)
{
    const char *old_name = "", *new_name = "";
    uint32_t dir, dir2;
    int rc;
    REAL(rename);

    if (log_fd < 0)
        return real(from, to);
    (void)pthread_mutex_lock(&lock);
    dir = parent_of(from, &old_name);
    dir2 = parent_of(to, &new_name);
    rc = real(from, to);
    if (rc == 0 && dir != NOBODY && dir2 != NOBODY) {
        char names[2 * NAME_MAX + 2];
        int n = snprintf(names, sizeof(names), "%s%c%s", old_name, 0, new_name);

        put_record((struct record_head){.kind = RECORD_RENAME,
                                        .dir = dir,
                                        .dir2 = dir2},
                   names, (size_t)n);
    }
    (void)pthread_mutex_unlock(&lock);
    return rc;
}

int link(const char *from, const char *to)
{
    const char *name = "";
    uint32_t dir;
    int rc;
    REAL(link);

    if (log_fd < 0)
        return real(from, to);
    (void)pthread_mutex_lock(&lock);
    dir = parent_of(to, &name);
    rc = real(from, to);
    if (rc == 0 && dir != NOBODY)
        put_record((struct record_head){.kind = RECORD_LINK,
                                        .file = find_path(to),
                                        .dir = dir},
                   name, strlen(name));
    (void)pthread_mutex_unlock(&lock);
    return rc;
}

static int do_remove(int (*call)(const char *), const char *path)
{
    const char *name = "";
    uint32_t dir;
    int rc;

    if (log_fd < 0)
        return call(path);
    (void)pthread_mutex_lock(&lock);
    dir = parent_of(path, &name);
    rc = call(path);
    if (rc == 0 && dir != NOBODY)
        put_record((struct record_head){.kind = RECORD_REMOVE, .dir = dir},
                   name, strlen(name));
    (void)pthread_mutex_unlock(&lock);
    return rc;
}

int unlink(const char *path)
{
    REAL(unlink);
    return do_remove(real, path);
}

int rmdir(const char *path)
{
    REAL(rmdir);
    return do_remove(real, path);
}

int remove(const char *path)
{
    REAL(remove);
    return do_remove(real, path);
}

int mkdir(const char *path, mode_t mode)
{
    const char *name = "";
    struct stat st;
    uint32_t dir;
    int rc;
    REAL(mkdir);

    if (log_fd < 0)
        return real(path, mode);
    (void)pthread_mutex_lock(&lock);
    dir = parent_of(path, &name);
    rc = real(path, mode);
    if (rc == 0 && dir != NOBODY && stat(path, &st) == 0)
        put_record((struct record_head){.kind = RECORD_FOLDER,
                                        .file = add(&st),
                                        .dir = dir},
                   name, strlen(name));
    (void)pthread_mutex_unlock(&lock);
    return rc;
}

/* ---- Reading, for programs that would else take fault_disk.c's
 * -----------------------------------------------------------------------------
 */

ssize_t read(int fd, void *bytes, size_t n)
{
    REAL(read);
    return real(fd, bytes, n);
}

ssize_t pread(int fd, void *bytes, size_t n, off_t at)
{
    REAL(pread);
    return real(fd, bytes, n, at);
}

/* ---- Sockets: what a server acknowledged, between its syncs
 * -----------------------------------------------------------------------------
 */

ssize_t send(int fd, const void *bytes, size_t n, int flags)
{
    ssize_t done;
    REAL(send);

    if (log_fd < 0)
        return real(fd, bytes, n, flags);
    (void)pthread_mutex_lock(&lock);
    done = real(fd, bytes, n, flags);
    if (done > 0)
        put_record(
            (struct record_head){.kind = RECORD_SENT, .file = (uint32_t)fd},
            bytes, (size_t)done);
    (void)pthread_mutex_unlock(&lock);
    return done;
}
