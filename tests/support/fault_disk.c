/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * fault_disk.c - calls to the disk that fail on demand.
 *
 * These definitions stand in the test program, so the dynamic linker gives
 * them to libraries too: LMDB's commits fail like our own writes. Only regular
 * files and folders are touched; pipes, sockets and the terminal are not. A
 * signature differs from libc's only where a header says `__nonnull` or the
 * like; the types are the same.
 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include "tests/support/fault_point.h"

static _Atomic unsigned g_calls;
static _Atomic int g_error;

void fault_disk(unsigned calls, uint64_t nth, enum fault_mode mode, int error)
{
    fault_point_arm(&fault_memory_point, 0, mode);
    fault_point_arm(&fault_disk_point, 0, mode);
    atomic_store(&g_calls, calls);
    atomic_store(&g_error, error);
    fault_point_arm(&fault_disk_point, nth, mode);
}

static bool is_on_disk(int fd)
{
    int kept = errno;
    struct stat st;
    bool yes =
        fstat(fd, &st) == 0 && (S_ISREG(st.st_mode) || S_ISDIR(st.st_mode));
    errno = kept;
    return yes;
}

/* True if this call on `fd` (or on a name, fd < 0) is one to fail. */
static bool strikes(unsigned call, int fd)
{
    if (!atomic_load(&fault_disk_point.armed) ||
        (atomic_load(&g_calls) & call) == 0 || (fd >= 0 && !is_on_disk(fd)))
        return false;
    return fault_point_hit(&fault_disk_point);
}

/* The answer of a call that fails; `half` is what a short write achieved. */
static ssize_t struck(ssize_t half)
{
    int error = atomic_load(&g_error);
    if (error == FAULT_SHORT && half > 0)
        return half;
    errno = error == FAULT_SHORT ? EIO : error;
    return -1;
}

static bool is_cut_short(size_t size)
{
    return atomic_load(&g_error) == FAULT_SHORT && size > 1;
}

/* ISO C has no cast from void * to a function; POSIX gives it this way. */
#define REAL(name)                                                             \
    static __typeof__(name) *real;                                             \
    if (real == NULL)                                                          \
    *(void **)&real = dlsym(RTLD_NEXT, #name)

ssize_t write(int fd, const void *bytes, size_t size)
{
    REAL(write);
    if (!strikes(FAULT_WRITE, fd))
        return real(fd, bytes, size);
    return struck(is_cut_short(size) ? real(fd, bytes, size / 2) : 0);
}

ssize_t pwrite(int fd, const void *bytes, size_t size, off_t at)
{
    REAL(pwrite);
    if (!strikes(FAULT_WRITE, fd))
        return real(fd, bytes, size, at);
    return struck(is_cut_short(size) ? real(fd, bytes, size / 2, at) : 0);
}

ssize_t writev(int fd, const struct iovec *parts, int count)
{
    REAL(writev);
    if (!strikes(FAULT_WRITE, fd))
        return real(fd, parts, count);
    return struck(is_cut_short((size_t)count) ? real(fd, parts, count / 2) : 0);
}

ssize_t pwritev(int fd, const struct iovec *parts, int count, off_t at)
{
    REAL(pwritev);
    if (!strikes(FAULT_WRITE, fd))
        return real(fd, parts, count, at);
    return struck(is_cut_short((size_t)count) ? real(fd, parts, count / 2, at)
                                              : 0);
}

ssize_t read(int fd, void *bytes, size_t size)
{
    REAL(read);
    return strikes(FAULT_READ, fd) ? struck(0) : real(fd, bytes, size);
}

ssize_t pread(int fd, void *bytes, size_t size, off_t at)
{
    REAL(pread);
    return strikes(FAULT_READ, fd) ? struck(0) : real(fd, bytes, size, at);
}

int fsync(int fd)
{
    REAL(fsync);
    return strikes(FAULT_SYNC, fd) ? (int)struck(0) : real(fd);
}

int fdatasync(int fd)
{
    REAL(fdatasync);
    return strikes(FAULT_SYNC, fd) ? (int)struck(0) : real(fd);
}

int msync(void *start, size_t size, int flags)
{
    REAL(msync);
    return strikes(FAULT_SYNC, -1) ? (int)struck(0) : real(start, size, flags);
}

int ftruncate(int fd, off_t size)
{
    REAL(ftruncate);
    return strikes(FAULT_RESIZE, fd) ? (int)struck(0) : real(fd, size);
}

int fallocate(int fd, int mode, off_t at, off_t size)
{
    REAL(fallocate);
    return strikes(FAULT_RESIZE, fd) ? (int)struck(0)
                                     : real(fd, mode, at, size);
}

/* Answers the error itself and leaves errno alone. */
int posix_fallocate(int fd, off_t at, off_t size)
{
    REAL(posix_fallocate);
    if (!strikes(FAULT_RESIZE, fd))
        return real(fd, at, size);
    int error = atomic_load(&g_error);
    return error == FAULT_SHORT ? EIO : error;
}

int rename(const char *from, const char *to)
{
    REAL(rename);
    return strikes(FAULT_NAME, -1) ? (int)struck(0) : real(from, to);
}

int unlink(const char *path)
{
    REAL(unlink);
    return strikes(FAULT_NAME, -1) ? (int)struck(0) : real(path);
}
