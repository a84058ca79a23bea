/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "storage/folder.h"
#include "tests/support/fixture.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "storage/base/bytes.h"
#include "storage/base/file.h"
#include "storage/lmdb/lmdb_env.h"
#include "storage/meta.h"
#include "storage/storage.h"
#include "tests/support/tmpdir.h"

static struct fw_err err;

static fw_rc try_open(const char *dir, bool create)
{
    struct fw_store_options options = {.create = create, .disk_floor = 1};
    struct fw_store *store = NULL;
    fw_rc rc = fw_store_open(dir, &options, &store, &err);

    if (rc == FW_OK)
        fw_store_close(store);
    return rc;
}

static fw_rc put_format(void *self, struct lmdb_txn *txn, struct fw_err *e)
{
    return lmdb_put(txn, FW_STR("F"), *(struct fw_str *)self, e);
}

/* A store whose format entry says something else. */
static const char *folder_with_format(const char *bytes, size_t n)
{
    struct lmdb_options options = {.map_bytes = (size_t)1 << 20};
    struct fw_str value = {bytes, n};
    const char *dir = tmpdir_new();
    struct lmdb_env *meta = NULL;
    char path[FW_PATH_BYTES];

    assert_int_equal(fw_path_join(path, dir, "meta", &err), FW_OK);
    assert_int_equal(fw_dir_make(path, &err), FW_OK);
    assert_int_equal(lmdb_open(path, &options, &meta, &err), FW_OK);
    assert_int_equal(lmdb_update(meta, put_format, &value, &err), FW_OK);
    (void)lmdb_close(meta);
    return dir;
}

static void another_version_is_refused_with_what_to_do(void **state)
{
    char bytes[8];

    (void)state;
    fw_put_le32(bytes, 0x4D445746u);
    fw_put_le32(bytes + 4, META_FORMAT_VERSION + 1);
    assert_int_equal(try_open(folder_with_format(bytes, 8), true), FW_EVERSION);
    assert_non_null(strstr(err.text, "format version 4"));
    assert_non_null(strstr(err.text, "use the version that wrote it"));
}

static void anothers_lmdb_is_refused(void **state)
{
    (void)state;
    assert_int_equal(try_open(folder_with_format("hello", 5), true),
                     FW_EVERSION);
    assert_non_null(strstr(err.text, "another program"));
}

static void a_meta_that_is_no_lmdb_is_refused(void **state)
{
    const char *dir = tmpdir_new();
    char path[FW_PATH_BYTES];
    char bytes[8192];

    (void)state;
    memset(bytes, 'x', sizeof(bytes));
    assert_int_equal(fw_path_join(path, dir, "meta", &err), FW_OK);
    assert_int_equal(fw_dir_make(path, &err), FW_OK);
    assert_int_equal(fw_path_join(path, dir, "meta/data.mdb", &err), FW_OK);
    assert_int_equal(fw_file_write(path, bytes, sizeof(bytes), &err), FW_OK);
    assert_int_equal(try_open(dir, true), FW_ECORRUPT);
    assert_non_null(strstr(err.text, dir));
}

static void a_file_is_no_folder(void **state)
{
    char path[FW_PATH_BYTES];

    (void)state;
    assert_int_equal(fw_path_join(path, tmpdir_new(), "file", &err), FW_OK);
    assert_int_equal(fw_file_write(path, "x", 1, &err), FW_OK);
    assert_int_equal(try_open(path, true), FW_ENOTFOUND);
    assert_non_null(strstr(err.text, "is a file"));
}

static void a_folder_whose_making_was_cut_off_is_made(void **state)
{
    const char *dir = tmpdir_new();
    char path[FW_PATH_BYTES];

    (void)state;
    assert_int_equal(fw_path_join(path, dir, "meta", &err), FW_OK);
    assert_int_equal(fw_dir_make(path, &err), FW_OK);
    assert_int_equal(try_open(dir, true), FW_OK);
    assert_int_equal(try_open(dir, false), FW_OK);
}

static void a_lock_dies_with_its_process(void **state)
{
    const char *dir = tmpdir_new();
    int fds[2], fd = -1, status = 0;
    char byte, pid_text[32];
    pid_t pid;

    (void)state;
    assert_int_equal(pipe(fds), 0);
    pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        if (folder_lock(dir, &fd, &err) != FW_OK || write(fds[1], "x", 1) != 1)
            _exit(1);
        (void)pause();
        _exit(0);
    }
    assert_int_equal(read(fds[0], &byte, 1), 1);
    assert_int_equal(folder_lock(dir, &fd, &err), FW_EBUSY);
    (void)snprintf(pid_text, sizeof(pid_text), "process %ld", (long)pid);
    assert_non_null(strstr(err.text, pid_text));
    assert_int_equal(kill(pid, SIGKILL), 0);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(folder_lock(dir, &fd, &err), FW_OK);
    folder_unlock(fd);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(another_version_is_refused_with_what_to_do),
        cmocka_unit_test(anothers_lmdb_is_refused),
        cmocka_unit_test(a_meta_that_is_no_lmdb_is_refused),
        cmocka_unit_test(a_file_is_no_folder),
        cmocka_unit_test(a_folder_whose_making_was_cut_off_is_made),
        cmocka_unit_test(a_lock_dies_with_its_process),
    };

    return fixture_main(argc, argv, tests);
}
