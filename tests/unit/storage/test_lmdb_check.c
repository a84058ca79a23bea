/* SPDX-License-Identifier: GPL-3.0-or-later */
/* ctest: timeout=300 */
#include "storage/lmdb_check.h"
#include "tests/support/fixture.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "storage/base/bytes.h"
#include "storage/base/file.h"
#include "storage/lmdb_env.h"
#include "tests/support/synth.h"
#include "tests/support/tmpdir.h"

#define FLIPS 800

static struct fw_err err;
static unsigned byte_sum; /* so that every byte is read */

struct work {
    struct synth_rng rng;
    uint32_t keys;
};

static fw_rc change(void *self, struct lmdb_txn *txn, struct fw_err *e)
{
    static char value[9000];
    struct work *w = self;
    fw_rc rc = FW_OK;

    for (int i = 0; i < 40 && rc == FW_OK; i++) {
        char key[300];
        size_t n = 4 + synth_u64(&w->rng) % 250;
        size_t size = synth_u64(&w->rng) % 8 == 0
                          ? synth_u64(&w->rng) % sizeof(value)
                          : synth_u64(&w->rng) % 200;

        memset(key, 'k', sizeof(key));
        fw_put_be32(key, (uint32_t)synth_u64(&w->rng) % w->keys);
        if (synth_u64(&w->rng) % 3 == 0) {
            rc = lmdb_delete(txn, (struct fw_str){key, 4}, e);
            rc = rc == FW_NONE ? FW_OK : rc;
        } else {
            rc = lmdb_put(txn, (struct fw_str){key, n},
                          (struct fw_str){value, size}, e);
        }
    }
    return rc;
}

/* An environment after many commits that add, replace and delete. */
static void make_file(char path[FW_PATH_BYTES], int commits)
{
    struct lmdb_options options = {.single_file = true,
                                   .map_bytes = (size_t)64 << 20};
    struct work w = {synth_seed(fixture_seed()), 300};
    struct lmdb_env *env = NULL;

    assert_int_equal(fw_path_join(path, tmpdir_new(), "file", &err), FW_OK);
    assert_int_equal(lmdb_open(path, &options, &env, &err), FW_OK);
    for (int i = 0; i < commits; i++) {
        assert_int_equal(lmdb_update(env, change, &w, &err), FW_OK);
        if (lmdb_check_file(path, &err) != FW_OK)
            fail_msg("after commit %d: %s", i, err.text);
    }
    (void)lmdb_close(env);
}

static void what_lmdb_writes_is_sound(void **state)
{
    char path[FW_PATH_BYTES];

    (void)state;
    make_file(path, 0);
    assert_int_equal(lmdb_check_file(path, &err), FW_OK);
    make_file(path, 60);
    assert_int_equal(lmdb_check_file("/nonexistent/file", &err), FW_OK);
}

/* Opens the file and reads all of it, as the store would. */
static void read_everything(const char *path)
{
    struct lmdb_options options = {.single_file = true,
                                   .map_bytes = (size_t)64 << 20};
    struct lmdb_env *env = NULL;
    struct lmdb_txn txn = {0};
    struct lmdb_cursor cursor = {0};
    struct fw_str key, value;
    fw_rc rc;

    if (lmdb_open(path, &options, &env, &err) != FW_OK)
        return;
    if (lmdb_begin_read(env, &txn, &err) == FW_OK) {
        assert_int_equal(lmdb_cursor_open(&txn, &cursor, &err), FW_OK);
        rc = lmdb_seek(&cursor, (struct fw_str){"", 0}, &key, &value, &err);
        while (rc == FW_OK) {
            for (size_t i = 0; i < key.n; i++)
                byte_sum += (unsigned char)key.p[i];
            for (size_t i = 0; i < value.n; i++)
                byte_sum += (unsigned char)value.p[i];
            rc = lmdb_next(&cursor, &key, &value, &err);
        }
        lmdb_cursor_close(&cursor);
        lmdb_end(&txn);
    }
    (void)lmdb_close(env);
}

/*
 * Whatever is flipped: the check finds it, or it lies inside a value or where
 * nothing is, and then LMDB reads the file to its end.
 */
static void a_flipped_bit_is_found_or_harmless(void **state)
{
    struct synth_rng rng = synth_seed(fixture_seed());
    struct fw_buf bytes = FW_BUF_INIT((size_t)64 << 20);
    char path[FW_PATH_BYTES];
    size_t found = 0;
    int fd;

    (void)state;
    make_file(path, 30);
    assert_int_equal(fw_file_read(path, &bytes, &err), FW_OK);
    fd = open(path, O_WRONLY);
    assert_true(fd >= 0);
    for (int i = 0; i < FLIPS; i++) {
        size_t page = synth_u64(&rng) % (bytes.len / 4096);
        /* mostly where the numbers of pages and nodes are */
        size_t at = i % 4 == 0   ? synth_u64(&rng) % bytes.len
                    : i % 4 == 1 ? synth_u64(&rng) % 8192
                                 : page * 4096 + synth_u64(&rng) % 64;
        char flipped = (char)(bytes.data[at] ^ (1 << synth_u64(&rng) % 8));

        assert_int_equal(pwrite(fd, &flipped, 1, (off_t)at), 1);
        if (lmdb_check_file(path, &err) == FW_OK)
            read_everything(path);
        else
            found++;
        assert_int_equal(pwrite(fd, &bytes.data[at], 1, (off_t)at), 1);
    }
    print_message("%zu of %d found, %u\n", found, FLIPS, byte_sum);
    assert_true(found > FLIPS / 10);
    (void)close(fd);
    fw_buf_release(&bytes);
}

static void a_cut_file_is_found(void **state)
{
    char path[FW_PATH_BYTES];
    struct fw_buf bytes = FW_BUF_INIT((size_t)64 << 20);
    size_t refused = 0, tried = 0;

    (void)state;
    make_file(path, 30);
    assert_int_equal(fw_file_read(path, &bytes, &err), FW_OK);
    for (size_t n = bytes.len - 1; n > 4096; n -= n > 40960 ? 20480 : 1024) {
        assert_int_equal(truncate(path, (off_t)n), 0);
        tried++;
        if (lmdb_check_file(path, &err) == FW_ECORRUPT)
            refused++;
    }
    /* The last pages may be free ones, which nobody misses. */
    assert_true(refused + 5 >= tried);
    fw_buf_release(&bytes);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_lmdb_writes_is_sound),
        cmocka_unit_test(a_flipped_bit_is_found_or_harmless),
        cmocka_unit_test(a_cut_file_is_found),
    };

    return fixture_main(argc, argv, tests);
}
