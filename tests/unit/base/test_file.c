/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "tests/support/fixture.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "storage/base/file.h"
#include "tests/support/fault.h"
#include "tests/support/tmpdir.h"

static void what_was_written_is_read_back(void **state)
{
    struct fw_buf out = FW_BUF_INIT(1 << 20);
    char path[FW_PATH_BYTES];
    struct fw_err err = {0};
    static char big[300000];

    (void)state;
    memset(big, 'x', sizeof(big));
    tmpdir_path(path, sizeof(path), tmpdir_new(), "f");
    assert_int_equal(fw_file_write(path, big, sizeof(big), &err), FW_OK);
    assert_int_equal(fw_file_read(path, &out, &err), FW_OK);
    assert_int_equal(out.len, sizeof(big));
    assert_memory_equal(out.data, big, sizeof(big));
    fw_buf_release(&out);
}

static void a_file_past_the_cap_is_refused(void **state)
{
    struct fw_buf out = FW_BUF_INIT(9);
    char path[FW_PATH_BYTES];
    struct fw_err err = {0};

    (void)state;
    tmpdir_path(path, sizeof(path), tmpdir_new(), "f");
    assert_int_equal(fw_file_write(path, "0123456789", 10, &err), FW_OK);
    assert_int_equal(fw_file_read(path, &out, &err), FW_ETOOBIG);
    fw_buf_release(&out);
}

static void a_failed_write_leaves_the_old_file(void **state)
{
    const char *dir = tmpdir_new();
    char path[FW_PATH_BYTES];

    (void)state;
    tmpdir_path(path, sizeof(path), dir, "f");
    assert_int_equal(fw_file_write(path, "old", 3, NULL), FW_OK);
    for (uint64_t nth = 1; nth < 100; nth++) {
        struct fw_buf out = FW_BUF_INIT(100);
        struct fw_err err = {0};
        fw_rc rc;

        fault_disk(FAULT_DISK, nth, FAULT_ONCE, ENOSPC);
        rc = fw_file_write(path, "new", 3, &err);
        if (!fault_end()) {
            assert_int_equal(rc, FW_OK);
            assert_true(nth > 2);
            return;
        }
        assert_int_equal(rc, FW_ENOSPC);
        assert_int_equal(fw_file_read(path, &out, &err), FW_OK);
        assert_int_equal(out.len, 3);
        fw_buf_release(&out);
    }
    fail_msg("fw_file_write() never came through");
}

static void folders_are_made_with_those_above(void **state)
{
    char path[FW_PATH_BYTES];
    struct fw_err err = {0};

    (void)state;
    tmpdir_path(path, sizeof(path), tmpdir_new(), "a/b/c");
    assert_int_equal(fw_dir_make(path, &err), FW_OK);
    assert_true(fw_dir_exists(path));
    assert_int_equal(fw_dir_make(path, &err), FW_OK);
    assert_int_equal(fw_dir_make("/proc/no/such", &err), FW_ENOTFOUND);
    assert_int_equal(fw_dir_make("", &err), FW_EINVAL);
}

static void a_missing_file_is_told_by_name(void **state)
{
    struct fw_buf out = FW_BUF_INIT(9);
    struct fw_err err = {0};

    (void)state;
    assert_int_equal(fw_file_read("/no/such/file", &out, &err), FW_ENOTFOUND);
    assert_non_null(strstr(err.text, "/no/such/file"));
    fw_buf_release(&out);
}

static void the_disk_has_a_size(void **state)
{
    uint64_t bytes = 0;

    (void)state;
    assert_int_equal(fw_disk_free(-1, "/", &bytes, NULL), FW_OK);
    assert_true(bytes > 0);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_written_is_read_back),
        cmocka_unit_test(a_file_past_the_cap_is_refused),
        cmocka_unit_test(a_failed_write_leaves_the_old_file),
        cmocka_unit_test(folders_are_made_with_those_above),
        cmocka_unit_test(a_missing_file_is_told_by_name),
        cmocka_unit_test(the_disk_has_a_size),
    };

    return fixture_main(argc, argv, tests);
}
