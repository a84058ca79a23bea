/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "storage/segments/verify.h"
#include "tests/support/fixture.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "storage/base/bytes.h"
#include "storage/meta.h"
#include "storage/segments/sealer.h"
#include "tests/support/fake_clock.h"
#include "tests/support/synth.h"
#include "tests/support/tmpdir.h"
#include "tests/unit/storage/numbered.h"

#define NOW ((fw_ms)1700000000000)
#define SERIES 8
#define SAMPLES 600
#define PAGE_ROOM 65536

static struct fake_clock fake;
static struct fw_err err;

struct findings {
    size_t n;
    char first[1024];
};

static void note(void *self, const char *sentence)
{
    struct findings *f = self;

    if (f->n++ == 0)
        (void)snprintf(f->first, sizeof(f->first), "%s", sentence);
}

static void write_series(struct fw_store *store, uint32_t number, fw_ms from,
                         size_t n)
{
    char text[16];
    struct fw_label v[] = {{FW_STR("n"), {text, 0}}};
    struct fw_labels labels = {v, 1};
    struct fw_batch batch = {0};
    uint32_t id = 0;

    v[0].value.n = (size_t)snprintf(text, sizeof(text), "%u", number);
    assert_int_equal(fw_store_series(store, &labels, &id, &err), FW_OK);
    for (size_t i = 0; i < n; i++)
        assert_int_equal(fw_batch_add(&batch, id, from + (fw_ms)i * 1000,
                                      (double)(i * number) / 10),
                         FW_OK);
    assert_int_equal(fw_store_append(store, &batch, NULL, &err), FW_OK);
}

/* A closed store with blocks of SERIES series; its partition file's path. */
static const char *make_folder(char path[FW_PATH_BYTES])
{
    const char *dir = tmpdir_new();
    struct fw_store *store = numbered_open(dir, &fake, false);

    for (uint32_t i = 0; i < SERIES; i++)
        write_series(store, i, NOW, SAMPLES);
    assert_int_equal(sealer_run(store->sealer, SEAL_ALL, &err), FW_OK);
    (void)snprintf(path, FW_PATH_BYTES, "%s",
                   manifest_find(&store->manifest, NOW)->path);
    fw_store_close(store);
    return dir;
}

static char *read_file(const char *path, size_t *n)
{
    struct stat st;
    int fd = open(path, O_RDONLY);
    char *bytes;

    assert_true(fd >= 0);
    assert_int_equal(fstat(fd, &st), 0);
    *n = (size_t)st.st_size;
    bytes = malloc(*n);
    assert_non_null(bytes);
    assert_int_equal(read(fd, bytes, *n), *n);
    (void)close(fd);
    return bytes;
}

static void write_byte(const char *path, size_t at, char byte)
{
    int fd = open(path, O_WRONLY);

    assert_true(fd >= 0);
    assert_int_equal(pwrite(fd, &byte, 1, (off_t)at), 1);
    (void)close(fd);
}

/* Where the (last written) segment begins in the file. */
static size_t find_segment(const char *bytes, size_t n)
{
    for (size_t at = n - 64; at > 0; at--)
        if (memcmp(bytes + at, "FWS1", 4) == 0)
            return at;
    fail_msg("there is no segment");
    return 0;
}

static struct verify_totals verify(const char *dir, struct findings *f)
{
    struct fw_store *store = numbered_open(dir, &fake, true);
    struct verify_totals totals = {0};

    *f = (struct findings){0};
    assert_int_equal(verify_store(store, note, f, &totals, &err), FW_OK);
    assert_int_equal(f->n, totals.findings);
    fw_store_close(store);
    return totals;
}

/* Reads every series; how many samples came, how many errors. */
static size_t read_all(const char *dir, size_t *errors)
{
    struct fw_store *store = numbered_open(dir, &fake, true);
    size_t n = 0;

    *errors = 0;
    for (uint32_t id = 0; id < SERIES; id++) {
        struct fw_cursor *cursor = NULL;
        struct fw_run run = {0};
        fw_rc rc;

        assert_int_equal(
            fw_cursor_open(store, id, INT64_MIN, INT64_MAX, &cursor, &err),
            FW_OK);
        while ((rc = fw_cursor_next(cursor, &run, &err)) != FW_END) {
            if (rc != FW_OK) {
                assert_int_equal(rc, FW_ECORRUPT);
                (*errors)++;
                continue;
            }
            for (size_t i = 0; i < run.n; i++, n++) {
                fw_ms step = (run.t[i] - NOW) / 1000;

                if (run.v[i] != (double)(step * (fw_ms)id) / 10)
                    fail_msg("a wrong value was served");
            }
        }
        fw_cursor_close(cursor);
    }
    fw_store_close(store);
    return n;
}

static void a_sound_folder_has_no_findings(void **state)
{
    struct verify_totals totals;
    struct findings f;
    char path[FW_PATH_BYTES];
    const char *dir = make_folder(path);
    struct fw_store *store;

    (void)state;
    totals = verify(dir, &f);
    if (f.n > 0)
        fail_msg("%s", f.first);
    assert_int_equal(totals.series, SERIES);
    assert_int_equal(totals.samples, SERIES * SAMPLES);
    assert_int_equal(totals.blocks, SERIES * 2);
    /* and beside a server that has samples in its journal only */
    store = numbered_open(dir, &fake, false);
    write_series(store, 77, NOW, 10);
    totals = verify(dir, &f);
    assert_int_equal(f.n, 0);
    assert_int_equal(totals.journal_records, 1);
    fw_store_close(store);
}

static void every_flipped_bit_of_a_segment_is_found(void **state)
{
    struct synth_rng rng = synth_seed(fixture_seed());
    struct findings f;
    char path[FW_PATH_BYTES];
    const char *dir = make_folder(path);
    size_t n = 0, start, length;
    char *bytes = read_file(path, &n);
    size_t errors = 0;

    (void)state;
    start = find_segment(bytes, n);
    length = fw_get_le32(bytes + start + 40); /* used */
    for (int i = 0; i < 150; i++) {
        size_t at = start + (i < 64 ? (size_t)i : synth_u64(&rng) % length);
        char flipped = (char)(bytes[at] ^ (1 << synth_u64(&rng) % 8));

        write_byte(path, at, flipped);
        (void)verify(dir, &f);
        if (f.n == 0)
            fail_msg("byte %zu of the segment: not found", at - start);
        assert_non_null(strstr(f.first, path));
        /* What is served is right, and what is missing is told or gone. */
        assert_true(read_all(dir, &errors) <= (size_t)SERIES * SAMPLES);
        write_byte(path, at, bytes[at]);
    }
    (void)verify(dir, &f);
    assert_int_equal(f.n, 0);
    free(bytes);
}

static void a_bad_block_is_named_and_the_others_are_served(void **state)
{
    struct findings f;
    char path[FW_PATH_BYTES];
    const char *dir = make_folder(path);
    size_t n = 0, start, data, errors = 0;
    char *bytes = read_file(path, &n);

    (void)state;
    start = find_segment(bytes, n);
    data = start + fw_get_le32(bytes + start + 36);
    write_byte(path, data, (char)(bytes[data] ^ 1)); /* the first block */
    (void)verify(dir, &f);
    assert_int_equal(f.n, 1);
    assert_non_null(strstr(f.first, "{n=\"0\"} from 2023-11-14T22:13:20Z"));
    assert_non_null(strstr(f.first, "segment 1"));
    assert_int_equal(read_all(dir, &errors), SERIES * SAMPLES - 512);
    assert_int_equal(errors, 1);
    assert_non_null(strstr(err.text, "{n=\"0\"}"));
    assert_non_null(strstr(err.text, path));
    free(bytes);
}

static void a_partition_that_is_gone_is_told(void **state)
{
    struct findings f;
    char path[FW_PATH_BYTES];
    const char *dir = make_folder(path);
    struct fw_store_stats stats;
    struct fw_store *store;

    (void)state;
    assert_int_equal(unlink(path), 0);
    (void)verify(dir, &f);
    assert_int_equal(f.n, 1);
    assert_non_null(strstr(f.first, "is gone"));
    store = numbered_open(dir, &fake, false);
    fw_store_stats(store, &stats);
    assert_int_equal(stats.corrupt_found, 1);
    fw_store_close(store);
}

static void a_partition_that_cannot_be_opened_is_set_aside(void **state)
{
    struct findings f;
    char path[FW_PATH_BYTES], aside[FW_PATH_BYTES + 16];
    const char *dir = make_folder(path);
    struct fw_store_stats stats;
    struct fw_store *store;

    (void)state;
    for (size_t page = 2; page < 12; page++) /* the roots are among them */
        write_byte(path, page * 4096 + 12, (char)0xFF);
    (void)verify(dir, &f);
    assert_true(f.n > 0);
    assert_non_null(strstr(f.first, "is damaged"));
    store = numbered_open(dir, &fake, false);
    fw_store_stats(store, &stats);
    assert_true(stats.corrupt_found > 0);
    write_series(store, 0, NOW + FW_MINUTE, 10);
    assert_int_equal(sealer_run(store->sealer, SEAL_ALL, &err), FW_OK);
    fw_store_close(store);
    (void)snprintf(aside, sizeof(aside), "%s.damaged", path);
    assert_true(fw_file_exists(aside));
    assert_true(fw_file_exists(path));
    (void)verify(dir, &f);
    assert_int_equal(f.n, 1);
    assert_non_null(strstr(f.first, "was set aside"));
}

static fw_rc change_in(void *self, struct lmdb_txn *txn, struct fw_err *e)
{
    static const char page[] = {META_PAGE, 0, 0, 0, 0};
    struct fw_str key = {page, sizeof(page)}, value = {0};
    char copy[PAGE_ROOM];
    fw_rc rc = lmdb_get(txn, key, &value, e);

    (void)self;
    if (rc != FW_OK)
        return rc;
    assert_in_range(value.n, 31, sizeof(copy));
    memcpy(copy, value.p, value.n);
    copy[30] ^= 1;
    return lmdb_put(txn, key, (struct fw_str){copy, value.n}, e);
}

/* One bit of registry page 0. */
static void change_page(const char *dir)
{
    const struct lmdb_options options = {.map_bytes = (size_t)1 << 24};
    char path[FW_PATH_BYTES];
    struct lmdb_env *env = NULL;

    assert_int_equal(fw_path_join(path, dir, "meta", &err), FW_OK);
    assert_int_equal(lmdb_open(path, &options, &env, &err), FW_OK);
    assert_int_equal(lmdb_update(env, change_in, NULL, &err), FW_OK);
    (void)lmdb_close(env);
}

static void a_bad_registry_page_keeps_its_ids(void **state)
{
    struct findings f;
    char path[FW_PATH_BYTES];
    const char *dir = make_folder(path);
    struct fw_store *store;
    struct fw_label v[] = {{FW_STR("n"), FW_STR("new")}};
    struct fw_labels labels = {v, 1};
    uint32_t id = 0;

    (void)state;
    change_page(dir);
    (void)verify(dir, &f);
    assert_true(f.n > 0);
    assert_non_null(strstr(f.first, "registry page 0"));
    store = numbered_open(dir, &fake, false);
    assert_int_equal(fw_store_series(store, &labels, &id, &err), FW_OK);
    assert_int_equal(id, 512);
    fw_store_close(store);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_sound_folder_has_no_findings),
        cmocka_unit_test(every_flipped_bit_of_a_segment_is_found),
        cmocka_unit_test(a_bad_block_is_named_and_the_others_are_served),
        cmocka_unit_test(a_partition_that_is_gone_is_told),
        cmocka_unit_test(a_partition_that_cannot_be_opened_is_set_aside),
        cmocka_unit_test(a_bad_registry_page_keeps_its_ids),
    };

    fake_clock_init(&fake, NOW + FW_HOUR);
    return fixture_main(argc, argv, tests);
}
