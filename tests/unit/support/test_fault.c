/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * test_fault.c - the faults strike where they are told to, and nowhere else.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include "tests/support/fault.h"
#include "tests/support/fixture.h"
#include "tests/support/tmpdir.h"

/* The compiler may drop an allocation it sees to be unused. */
static void *volatile g_kept;

static bool allocates(void)
{
    g_kept = malloc(8);
    bool yes = g_kept != NULL;
    free(g_kept);
    return yes;
}

static void only_the_nth_allocation_fails_once(void **state)
{
    (void)state;
    fault_memory(2, FAULT_ONCE);
    bool first = allocates();
    bool second = allocates();
    bool third = allocates();
    assert_true(fault_end());
    assert_true(first);
    assert_false(second);
    assert_true(third);
}

static void every_allocation_from_the_nth_fails_for_ever(void **state)
{
    (void)state;
    fault_memory(2, FAULT_FOREVER);
    bool first = allocates();
    bool second = allocates();
    bool third = allocates();
    assert_true(fault_end());
    assert_true(first);
    assert_false(second);
    assert_false(third);
    assert_true(allocates());
}

static void each_way_to_allocate_fails_with_enomem(void **state)
{
    (void)state;
    void *aligned = NULL;
    fault_memory(1, FAULT_FOREVER);
    void *got[] = {malloc(1),
                   calloc(1, 1),
                   realloc(NULL, 1),
                   reallocarray(NULL, 1, 1),
                   aligned_alloc(16, 16),
                   strdup("a"),
                   strndup("a", 1)};
    int error = errno;
    int rc = posix_memalign(&aligned, 16, 16);
    uint64_t count = fault_count();
    assert_true(fault_end());
    for (size_t i = 0; i < sizeof(got) / sizeof(got[0]); i++)
        assert_null(got[i]);
    assert_int_equal(error, ENOMEM);
    assert_int_equal(rc, ENOMEM);
    assert_int_equal(count, 8);
}

static void a_run_that_meets_no_fault_says_so(void **state)
{
    (void)state;
    fault_memory(3, FAULT_ONCE);
    bool got = allocates();
    assert_true(got);
    assert_false(fault_end());
}

static int open_file(char *path, size_t size)
{
    tmpdir_path(path, size, tmpdir_new(), "file");
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    return fd;
}

static void the_nth_write_fails_with_the_given_error(void **state)
{
    (void)state;
    char path[512];
    int fd = open_file(path, sizeof(path));
    fault_disk(FAULT_WRITE, 2, FAULT_ONCE, ENOSPC);
    ssize_t first = write(fd, "abcd", 4);
    ssize_t second = pwrite(fd, "abcd", 4, 4);
    int error = errno;
    ssize_t third = pwrite(fd, "abcd", 4, 4);
    assert_true(fault_end());
    assert_int_equal(first, 4);
    assert_int_equal(second, -1);
    assert_int_equal(error, ENOSPC);
    assert_int_equal(third, 4);
    assert_int_equal(close(fd), 0);
}

static void a_short_write_leaves_half_of_it(void **state)
{
    (void)state;
    char path[512];
    struct stat st;
    int fd = open_file(path, sizeof(path));
    fault_disk(FAULT_WRITE, 1, FAULT_ONCE, FAULT_SHORT);
    ssize_t n = write(fd, "abcd", 4);
    assert_true(fault_end());
    assert_int_equal(n, 2);
    assert_int_equal(fstat(fd, &st), 0);
    assert_int_equal(st.st_size, 2);
    assert_int_equal(close(fd), 0);
}

static void each_kind_of_call_is_told_apart(void **state)
{
    (void)state;
    char path[512], other[600];
    struct iovec part = {other, 1};
    int fd = open_file(path, sizeof(path));
    tmpdir_path(other, sizeof(other), tmpdir_new(), "other");
    fault_disk(FAULT_SYNC, 1, FAULT_FOREVER, EIO);
    assert_int_equal(write(fd, "a", 1), 1);
    assert_int_equal(fsync(fd), -1);
    assert_int_equal(fdatasync(fd), -1);
    fault_disk(FAULT_RESIZE, 1, FAULT_FOREVER, EIO);
    assert_int_equal(fsync(fd), 0);
    assert_int_equal(ftruncate(fd, 10), -1);
    assert_int_equal(posix_fallocate(fd, 0, 10), EIO);
    assert_int_equal(fallocate(fd, 0, 0, 10), -1);
    fault_disk(FAULT_NAME, 1, FAULT_FOREVER, EIO);
    assert_int_equal(ftruncate(fd, 10), 0);
    assert_int_equal(rename(path, other), -1);
    assert_int_equal(unlink(path), -1);
    fault_disk(FAULT_READ, 1, FAULT_FOREVER, EIO);
    assert_int_equal(writev(fd, &part, 1), 1);
    assert_int_equal(pread(fd, other, 1, 0), -1);
    fault_disk(FAULT_WRITE, 1, FAULT_FOREVER, EIO);
    assert_int_equal(writev(fd, &part, 1), -1);
    assert_int_equal(pread(fd, other, 1, 0), 1);
    assert_true(fault_end());
    assert_int_equal(close(fd), 0);
}

static void a_pipe_is_no_disk(void **state)
{
    (void)state;
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    fault_disk(FAULT_DISK, 1, FAULT_FOREVER, EIO);
    ssize_t n = write(ends[1], "a", 1);
    assert_false(fault_end());
    assert_int_equal(n, 1);
    assert_int_equal(close(ends[0]), 0);
    assert_int_equal(close(ends[1]), 0);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(only_the_nth_allocation_fails_once),
        cmocka_unit_test(every_allocation_from_the_nth_fails_for_ever),
        cmocka_unit_test(each_way_to_allocate_fails_with_enomem),
        cmocka_unit_test(a_run_that_meets_no_fault_says_so),
        cmocka_unit_test(the_nth_write_fails_with_the_given_error),
        cmocka_unit_test(a_short_write_leaves_half_of_it),
        cmocka_unit_test(each_kind_of_call_is_told_apart),
        cmocka_unit_test(a_pipe_is_no_disk),
    };
    return fixture_main(argc, argv, tests);
}
