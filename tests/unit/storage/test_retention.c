/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "tests/support/fixture.h"

#include <string.h>

#include "storage/base/file.h"
#include "storage/segments/sealer.h"
#include "tests/support/fake_clock.h"
#include "tests/support/tmpdir.h"

#define NOW ((fw_ms)1700000000000)

static struct fake_clock fake;
static struct fw_err err;

static struct fw_store *open_store(const char *dir)
{
    struct fw_store_options options = {.create = true,
                                       .linger = -1,
                                       .retention = 10 * FW_DAY,
                                       .max_future = 100 * FW_DAY,
                                       .disk_floor = 1,
                                       .clock = &fake.clock};
    struct fw_store *store = NULL;

    if (fw_store_open(dir, &options, &store, &err) != FW_OK)
        fail_msg("open: %s", err.text);
    return store;
}

static uint32_t series_id(struct fw_store *store)
{
    struct fw_label v[] = {{FW_STR(FW_METRIC_NAME), FW_STR("m")}};
    struct fw_labels labels = {v, 1};
    uint32_t id = 0;

    assert_int_equal(fw_store_series(store, &labels, &id, &err), FW_OK);
    return id;
}

static struct fw_append_result append(struct fw_store *store, fw_ms t)
{
    struct fw_append_result result = {0};
    struct fw_batch batch = {0};

    assert_int_equal(fw_batch_add(&batch, series_id(store), t, 1), FW_OK);
    assert_int_equal(fw_store_append(store, &batch, &result, &err), FW_OK);
    return result;
}

static size_t count(struct fw_cursor *cursor)
{
    struct fw_run run = {0};
    size_t n = 0;

    while (fw_cursor_next(cursor, &run, &err) == FW_OK)
        n += run.n;
    return n;
}

static size_t count_all(struct fw_store *store)
{
    struct fw_cursor *cursor = NULL;
    size_t n;

    assert_int_equal(fw_cursor_open(store, series_id(store), INT64_MIN,
                                    INT64_MAX, &cursor, &err),
                     FW_OK);
    n = count(cursor);
    fw_cursor_close(cursor);
    return n;
}

/* One sample a day, twenty days, in blocks; the clock stands at the first. */
static struct fw_store *make_store(const char *dir)
{
    struct fw_store *store;

    fake_clock_init(&fake, NOW - 20 * FW_DAY);
    store = open_store(dir);
    for (int day = 20; day > 0; day--)
        assert_int_equal(append(store, NOW - day * FW_DAY).stored, 1);
    assert_int_equal(sealer_run(store->sealer, SEAL_ALL, &err), FW_OK);
    assert_int_equal(count_all(store), 20);
    return store;
}

static void let_it_be(struct fw_store *store, fw_ms now)
{
    fake_clock_step(&fake, now);
    assert_int_equal(sealer_run(store->sealer, SEAL_FULL, &err), FW_OK);
}

static void days_behind_the_edge_go_as_a_whole(void **state)
{
    const char *dir = tmpdir_new();
    struct fw_store *store = make_store(dir);

    (void)state;
    let_it_be(store, NOW);
    /* Counted from the newest sample, a day back: 11 of 20 days stay. */
    assert_int_equal(count_all(store), 11);
    fw_store_close(store);
    store = open_store(dir);
    assert_int_equal(count_all(store), 11);
    fw_store_close(store);
}

static void a_clock_far_ahead_deletes_no_more(void **state)
{
    struct fw_store *store = make_store(tmpdir_new());

    (void)state;
    let_it_be(store, NOW + 1000 * FW_DAY);
    assert_int_equal(count_all(store), 11);
    fw_store_close(store);
}

static void a_sample_far_ahead_deletes_nothing(void **state)
{
    struct fw_store *store = make_store(tmpdir_new());

    (void)state;
    assert_int_equal(append(store, NOW + 70 * FW_DAY).stored, 1);
    let_it_be(store, NOW - 15 * FW_DAY);
    assert_int_equal(count_all(store), 21);
    fw_store_close(store);
}

static void a_reader_keeps_what_it_has_begun_to_read(void **state)
{
    struct fw_store *store = make_store(tmpdir_new());
    struct fw_cursor *cursor = NULL;
    char path[FW_PATH_BYTES];

    (void)state;
    (void)snprintf(path, sizeof(path), "%s",
                   manifest_find(&store->manifest, NOW - 20 * FW_DAY)->path);
    assert_int_equal(fw_cursor_open(store, series_id(store), INT64_MIN,
                                    INT64_MAX, &cursor, &err),
                     FW_OK);
    let_it_be(store, NOW);
    assert_true(fw_file_exists(path));
    assert_int_equal(count(cursor), 20);
    fw_cursor_close(cursor);
    assert_false(fw_file_exists(path));
    assert_int_equal(count_all(store), 11);
    fw_store_close(store);
}

/* Bytes of the files of the partitions there are. */
static uint64_t disk_bytes(struct fw_store *store)
{
    struct fw_store_stats stats;

    fw_store_stats(store, &stats);
    return stats.disk_bytes;
}

static void the_oldest_days_go_when_the_folder_is_too_large(void **state)
{
    struct fw_store *store = make_store(tmpdir_new());
    uint64_t whole = disk_bytes(store);
    struct fw_cursor *cursor = NULL;
    struct fw_run run = {0};
    size_t before = 20;

    (void)state;
    store->options.retention = INT64_MAX;
    /* Each day is a file of some pages: a little less room, some days less. */
    store->options.retention_bytes = whole - whole / 4;
    let_it_be(store, NOW);
    assert_true(disk_bytes(store) <= whole - whole / 4);
    assert_true(count_all(store) < before && count_all(store) >= 10);
    before = count_all(store);
    let_it_be(store, NOW);
    assert_int_equal(count_all(store), before); /* no more than needed */
    assert_int_equal(fw_cursor_open(store, series_id(store), INT64_MIN,
                                    INT64_MAX, &cursor, &err),
                     FW_OK);
    assert_int_equal(fw_cursor_next(cursor, &run, &err), FW_OK);
    assert_true(run.t[0] == NOW - (fw_ms)before * FW_DAY); /* the oldest went */
    fw_cursor_close(cursor);
    store->options.retention_bytes = 1;
    let_it_be(store, NOW);
    assert_int_equal(count_all(store), 1); /* but not the newest */
    fw_store_close(store);
}

static void what_would_not_stay_is_refused_by_name(void **state)
{
    struct fw_store *store = make_store(tmpdir_new());
    struct fw_append_result r;

    (void)state;
    fake_clock_step(&fake, NOW);
    r = append(store, NOW - 30 * FW_DAY);
    assert_int_equal(r.too_old, 1);
    assert_non_null(strstr(r.err.text, "--retention"));
    fw_store_close(store);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(days_behind_the_edge_go_as_a_whole),
        cmocka_unit_test(a_clock_far_ahead_deletes_no_more),
        cmocka_unit_test(a_sample_far_ahead_deletes_nothing),
        cmocka_unit_test(a_reader_keeps_what_it_has_begun_to_read),
        cmocka_unit_test(the_oldest_days_go_when_the_folder_is_too_large),
        cmocka_unit_test(what_would_not_stay_is_refused_by_name),
    };

    return fixture_main(argc, argv, tests);
}
