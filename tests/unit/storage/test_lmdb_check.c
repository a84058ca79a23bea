/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "storage/lmdb/lmdb_check.h"
#include "tests/support/fixture.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "storage/base/bytes.h"
#include "storage/base/crc32c.h"
#include "storage/base/file.h"
#include "storage/lmdb/lmdb_env.h"
#include "tests/support/fault.h"
#include "tests/support/synth.h"
#include "tests/support/tmpdir.h"

#define FLIPS 800
#define MEND_COMMITS 6
#define MEND_FLIPS 200 /* for each of them */

static struct fw_err err;
static unsigned byte_sum; /* so that every byte is read */

static fw_rc check(const char *path)
{
    bool hides = false;
    fw_rc rc = lmdb_check_file(path, false, &hides, &err);

    assert_false(hides);
    return rc;
}

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
        if (check(path) != FW_OK)
            fail_msg("after commit %d: %s", i, err.text);
    }
    (void)lmdb_close(env);
}

static void what_lmdb_writes_is_sound(void **state)
{
    char path[FW_PATH_BYTES];

    (void)state;
    make_file(path, 0);
    assert_int_equal(check(path), FW_OK);
    make_file(path, 60);
    assert_int_equal(check("/nonexistent/file"), FW_OK);
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

    bool hides = false;

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
        if (lmdb_check_file(path, false, &hides, &err) == FW_OK)
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
        if (check(path) == FW_ECORRUPT)
            refused++;
    }
    /* The last pages may be free ones, which nobody misses. */
    assert_true(refused + 5 >= tried);
    fw_buf_release(&bytes);
}

/* ---- The last commit ------------------------------------------------------
 */

enum kind { TREE, RING, APPENDED, KINDS };

struct course {
    struct synth_rng rng;
    enum kind kind;
    uint32_t first, next; /* of a ring's records */
};

/* Long enough for a page of its own, now and then. */
static fw_rc put_record(struct course *c, struct lmdb_txn *txn,
                        struct fw_err *e)
{
    static char value[9000];
    size_t n = synth_u64(&c->rng) % 3 == 0 ? 9000 : 40;
    char key[4];

    fw_put_be32(value, c->next);
    fw_put_be32(key, c->next);
    return lmdb_put(txn, (struct fw_str){key, 4}, (struct fw_str){value, n}, e);
}

static fw_rc one_commit(void *self, struct lmdb_txn *txn, struct fw_err *e)
{
    struct course *c = self;
    struct work w = {c->rng, 100};
    char key[4];
    fw_rc rc = FW_OK;

    if (c->kind == TREE) {
        fw_put_be32(key, (uint32_t)synth_u64(&c->rng));
        w.rng = c->rng;
        return change(&w, txn, e);
    }
    /* A ring loses its oldest; all of them, sometimes, and then one comes. */
    if (c->kind == RING && c->next > c->first && synth_u64(&c->rng) % 3 == 0) {
        uint32_t to = synth_u64(&c->rng) % 2 == 0 ? c->next : c->first + 1;

        for (; c->first < to && rc == FW_OK; c->first++) {
            fw_put_be32(key, c->first);
            rc = lmdb_delete(txn, (struct fw_str){key, 4}, e);
        }
        return rc;
    }
    rc = put_record(c, txn, e);
    c->next++;
    return rc;
}

/* A number for all keys and values that LMDB reads of the file. */
static uint32_t contents(const char *path)
{
    struct lmdb_options options = {
        .single_file = true, .sealed = true, .map_bytes = (size_t)64 << 20};
    struct lmdb_env *env = NULL;
    struct lmdb_txn txn = {0};
    struct lmdb_cursor cursor = {0};
    struct fw_str key, value;
    uint32_t crc = 0;
    fw_rc rc;

    assert_int_equal(lmdb_open(path, &options, &env, &err), FW_OK);
    assert_int_equal(lmdb_begin_read(env, &txn, &err), FW_OK);
    assert_int_equal(lmdb_cursor_open(&txn, &cursor, &err), FW_OK);
    rc = lmdb_seek(&cursor, (struct fw_str){"", 0}, &key, &value, &err);
    while (rc == FW_OK) {
        crc = fw_crc32c_more(crc, key.p, key.n);
        crc = fw_crc32c_more(crc, value.p, value.n);
        rc = lmdb_next(&cursor, &key, &value, &err);
    }
    assert_int_equal(rc, FW_END);
    lmdb_cursor_close(&cursor);
    lmdb_end(&txn);
    (void)lmdb_close(env);
    return crc;
}

static void write_file(const char *path, const struct fw_buf *bytes)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);

    assert_true(fd >= 0);
    assert_int_equal(write(fd, bytes->data, bytes->len), bytes->len);
    (void)close(fd);
}

/* Each bit of both numbers; how many were mended. */
static size_t flip_numbers(const char *path, const char *copy)
{
    struct fw_buf bytes = FW_BUF_INIT((size_t)64 << 20);
    uint32_t right = contents(path);
    size_t mended = 0;

    assert_int_equal(fw_file_read(path, &bytes, &err), FW_OK);
    for (unsigned i = 0; i < 2 * 64; i++) {
        char *byte = bytes.data + (i / 64) * 4096 + 144 + i % 64 / 8;
        bool hides = false, mends = false;
        fw_rc rc;

        *byte = (char)(*byte ^ 1 << i % 8);
        write_file(copy, &bytes);
        rc = lmdb_check_file(copy, false, &hides, &err);
        if (rc == FW_OK && !hides && contents(copy) != right)
            fail_msg("bit %u of head %u: the last commit is gone", i % 64,
                     i / 64);
        if (rc == FW_OK && hides) {
            assert_int_equal(lmdb_check_file(copy, true, &mends, &err), FW_OK);
            assert_false(mends);
            assert_int_equal(contents(copy), right);
            assert_int_equal(check(copy), FW_OK);
            mended++;
        }
        if (rc != FW_OK)
            assert_int_equal(rc, FW_ECORRUPT);
        *byte = (char)(*byte ^ 1 << i % 8);
    }
    fw_buf_release(&bytes);
    return mended;
}

/*
 * The file of `commits` commits, damaged and then looked through by one who may
 * mend it: it is refused, or has the last of them. Once a list of free pages
 * that could not be read spoke for the commit before.
 */
static void must_not_go_back(const char *copy, const uint32_t *had, int commits,
                             const char *what, size_t at)
{
    bool hides = false;
    fw_rc rc = lmdb_check_file(copy, true, &hides, &err);
    uint32_t now;

    if (rc != FW_OK) {
        assert_int_equal(rc, FW_ECORRUPT);
        return;
    }
    now = contents(copy);
    for (int i = 0; i + 1 < commits && now != had[commits - 1]; i++)
        if (now == had[i])
            fail_msg("%s %zu: commit %d of %d is the last", what, at, i + 1,
                     commits);
}

static void damage_for_mending(const char *path, const char *copy,
                               const uint32_t *had, int commits,
                               struct synth_rng *rng)
{
    struct fw_buf bytes = FW_BUF_INIT((size_t)64 << 20);
    size_t whole;

    assert_int_equal(fw_file_read(path, &bytes, &err), FW_OK);
    whole = bytes.len;
    for (size_t n = 8192; n < whole; n += 4096) {
        bytes.len = n;
        write_file(copy, &bytes);
        must_not_go_back(copy, had, commits, "cut to", n);
    }
    bytes.len = whole;
    for (int i = 0; i < MEND_FLIPS; i++) {
        size_t at = synth_u64(rng) % whole / 4096 * 4096 +
                    synth_u64(rng) % (i % 2 == 0 ? 152 : 4096);
        char flipped = (char)(bytes.data[at] ^ 1 << synth_u64(rng) % 8);
        char was = bytes.data[at];

        bytes.data[at] = flipped;
        write_file(copy, &bytes);
        must_not_go_back(copy, had, commits, "a bit of byte", at);
        bytes.data[at] = was;
    }
    fw_buf_release(&bytes);
}

static void whoever_mends_goes_back_to_no_earlier_commit(void **state)
{
    struct lmdb_options options = {.single_file = true,
                                   .map_bytes = (size_t)64 << 20};
    struct synth_rng rng = synth_seed(fixture_seed());
    const char *dir = tmpdir_new();
    char path[FW_PATH_BYTES], copy[FW_PATH_BYTES];

    (void)state;
    assert_int_equal(fw_path_join(copy, dir, "copy", &err), FW_OK);
    for (int kind = 0; kind < KINDS; kind++) {
        struct course c = {.rng = synth_seed(fixture_seed()),
                           .kind = (enum kind)kind};
        char name[8] = {(char)('a' + kind)};
        uint32_t had[MEND_COMMITS];

        assert_int_equal(fw_path_join(path, dir, name, &err), FW_OK);
        for (int i = 0; i < MEND_COMMITS; i++) {
            struct lmdb_env *env = NULL;

            assert_int_equal(lmdb_open(path, &options, &env, &err), FW_OK);
            (void)synth_u64(&c.rng);
            assert_int_equal(lmdb_update(env, one_commit, &c, &err), FW_OK);
            (void)lmdb_close(env);
            had[i] = contents(path);
            damage_for_mending(path, copy, had, i + 1, &rng);
        }
    }
}

static void no_number_hides_the_last_commit(void **state)
{
    struct lmdb_options options = {.single_file = true,
                                   .map_bytes = (size_t)64 << 20};
    const char *dir = tmpdir_new();
    char path[FW_PATH_BYTES], copy[FW_PATH_BYTES];
    size_t mended = 0;

    (void)state;
    assert_int_equal(fw_path_join(copy, dir, "copy", &err), FW_OK);
    for (int kind = 0; kind < KINDS; kind++) {
        struct course c = {.rng = synth_seed(fixture_seed()),
                           .kind = (enum kind)kind};
        char name[8] = {(char)('a' + kind)};

        assert_int_equal(fw_path_join(path, dir, name, &err), FW_OK);
        for (int i = 0; i < 24; i++) {
            struct lmdb_env *env = NULL;

            assert_int_equal(lmdb_open(path, &options, &env, &err), FW_OK);
            (void)synth_u64(&c.rng);
            assert_int_equal(lmdb_update(env, one_commit, &c, &err), FW_OK);
            (void)lmdb_close(env);
            if (check(path) != FW_OK)
                fail_msg("kind %d, commit %d: %s", kind, i, err.text);
            mended += flip_numbers(path, copy);
        }
    }
    print_message("%zu mended\n", mended);
    assert_true(mended >= KINDS * 20);
}

/* A commit fails in the middle, by whatever call; the file is sound. */
static void a_failed_commit_is_no_damage(void **state)
{
    struct lmdb_options options = {
        .single_file = true, .mend = true, .map_bytes = (size_t)64 << 20};
    const char *dir = tmpdir_new();
    char path[FW_PATH_BYTES];
    struct synth_rng rng = synth_seed(fixture_seed());
    size_t failed = 0;

    (void)state;
    for (int kind = 0; kind < KINDS; kind++) {
        struct course c = {.rng = rng, .kind = (enum kind)kind};
        char name[8] = {(char)('a' + kind)};
        struct lmdb_env *env = NULL;

        assert_int_equal(fw_path_join(path, dir, name, &err), FW_OK);
        assert_int_equal(lmdb_open(path, &options, &env, &err), FW_OK);
        for (int i = 0; i < 200; i++) {
            struct course before = c;
            bool hides = false;

            (void)synth_u64(&c.rng);
            fault_disk(FAULT_WRITE | FAULT_SYNC, 1 + synth_u64(&rng) % 8,
                       i % 2 == 0 ? FAULT_ONCE : FAULT_FOREVER, EIO);
            if (lmdb_update(env, one_commit, &c, &err) != FW_OK) {
                c.first = before.first;
                c.next = before.next;
                failed++;
            }
            (void)fault_end();
            if (i % 4 != 0)
                continue;
            (void)lmdb_close(env);
            if (lmdb_check_file(path, true, &hides, &err) != FW_OK)
                fail_msg("kind %d, commit %d: %s", kind, i, err.text);
            assert_false(hides);
            assert_int_equal(lmdb_open(path, &options, &env, &err), FW_OK);
        }
        (void)lmdb_close(env);
    }
    print_message("%zu failed\n", failed);
    assert_true(failed > 50);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_lmdb_writes_is_sound),
        cmocka_unit_test(a_flipped_bit_is_found_or_harmless),
        cmocka_unit_test(a_cut_file_is_found),
        cmocka_unit_test(no_number_hides_the_last_commit),
        cmocka_unit_test(whoever_mends_goes_back_to_no_earlier_commit),
        cmocka_unit_test(a_failed_commit_is_no_damage),
    };

    /* In memory where there is such a place: it writes many small files. */
    if (getenv("TMPDIR") == NULL && access("/dev/shm", W_OK) == 0)
        (void)setenv("TMPDIR", "/dev/shm", 1);
    return fixture_main(argc, argv, tests);
}
