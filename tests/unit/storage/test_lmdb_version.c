/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * test_lmdb_version.c - a reader beside a server is refused where the LMDB it
 * is linked with would stop the server's readers when it closes (0.9.26 to
 * 0.9.31); a writer, which is alone, is not.
 *
 * mdb_version() below stands in place of the library's.
 */
#include "tests/support/fixture.h"

#include <lmdb.h>
#include <string.h>

#include "storage/storage.h"
#include "tests/support/tmpdir.h"

static int patch_told;

char *mdb_version(int *major, int *minor, int *patch)
{
    static char text[] = "LMDB of a test";

    if (major != NULL)
        *major = 0;
    if (minor != NULL)
        *minor = 9;
    if (patch != NULL)
        *patch = patch_told;
    return text;
}

static fw_rc open_with(const char *dir, int patch, bool read_only,
                       struct fw_err *err)
{
    struct fw_store_options options = {
        .create = true, .read_only = read_only, .disk_floor = 1};
    struct fw_store *store = NULL;
    fw_rc rc;

    patch_told = patch;
    rc = fw_store_open(dir, &options, &store, err);
    fw_store_close(store);
    return rc;
}

static void versions_that_stop_others_are_refused(void **state)
{
    const char *dir = tmpdir_new();

    (void)state;
    for (int patch = 22; patch <= 34; patch++) {
        struct fw_err err = {0};
        bool harmful = patch >= 26 && patch <= 31;

        assert_int_equal(open_with(dir, patch, false, &err), FW_OK);
        if (!harmful) {
            assert_int_equal(open_with(dir, patch, true, &err), FW_OK);
            continue;
        }
        assert_int_not_equal(open_with(dir, patch, true, &err), FW_OK);
        assert_non_null(strstr(err.text, "LMDB"));
        assert_non_null(strstr(err.text, "0.9.24"));
    }
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(versions_that_stop_others_are_refused),
    };

    return fixture_main(argc, argv, tests);
}
