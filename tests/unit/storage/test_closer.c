/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "tests/support/fixture.h"

#include <dirent.h>
#include <math.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "storage/base/bytes.h"
#include "storage/segments/closer.h"
#include "storage/segments/sealer.h"
#include "storage/segments/verify.h"
#include "tests/support/fake_clock.h"
#include "tests/support/synth.h"
#include "tests/support/tmpdir.h"

#define START ((fw_ms)19700 * FW_DAY)
#define STEP ((fw_ms)60000)
#define DAY_SAMPLES (FW_DAY / STEP)
#define DAYS 3
#define SERIES 5

static struct fake_clock fake;
static struct fw_err err;

static struct fw_store *open_store(const char *dir, bool read_only)
{
    struct fw_store_options options = {.create = true,
                                       .read_only = read_only,
                                       .linger = -1,
                                       .retention = INT64_MAX,
                                       .ooo_window = 100 * FW_DAY,
                                       .disk_floor = 1,
                                       .clock = &fake.clock};
    struct fw_store *store = NULL;

    if (fw_store_open(dir, &options, &store, &err) != FW_OK)
        fail_msg("open: %s", err.text);
    return store;
}

static int set_up(void **state)
{
    (void)state;
    fake_clock_init(&fake, START + DAYS * FW_DAY);
    return 0;
}

static uint32_t series_id(struct fw_store *store, uint32_t i)
{
    char name[16];
    struct fw_label v[] = {{FW_STR(FW_METRIC_NAME), {name, 2}}};
    struct fw_labels labels = {v, 1};
    uint32_t id = 0;

    (void)snprintf(name, sizeof(name), "m%u", i);
    assert_int_equal(fw_store_series(store, &labels, &id, &err), FW_OK);
    return id;
}

static double value_of(uint32_t series, size_t i)
{
    return (double)((series * 7919 + i * 31) % 1000) / 10;
}

/* Samples [from, to) of all series, leaving out every `but`th. */
static void append(struct fw_store *store, size_t from, size_t to, size_t but)
{
    struct fw_append_result result = {0};
    struct fw_batch batch = {0};

    for (uint32_t s = 0; s < SERIES; s++) {
        uint32_t id = series_id(store, s);

        for (size_t i = from; i < to; i++)
            if (but == 0 || i % but != 0)
                assert_int_equal(fw_batch_add(&batch, id,
                                              START + (fw_ms)i * STEP,
                                              value_of(s, i)),
                                 FW_OK);
    }
    assert_int_equal(fw_store_append(store, &batch, &result, &err), FW_OK);
    assert_int_equal(result.too_new + result.too_old + result.conflicts, 0);
}

static void compare(struct fw_store *store, size_t n)
{
    struct fw_cursor *cursor = NULL;
    struct fw_run run = {0};

    for (uint32_t s = 0; s < SERIES; s++) {
        size_t at = 0;
        fw_rc rc;

        assert_int_equal(fw_cursor_open(store, series_id(store, s), INT64_MIN,
                                        INT64_MAX, &cursor, &err),
                         FW_OK);
        while ((rc = fw_cursor_next(cursor, &run, &err)) == FW_OK)
            for (size_t i = 0; i < run.n; i++, at++)
                if (run.t[i] != START + (fw_ms)at * STEP ||
                    run.v[i] != value_of(s, at))
                    fail_msg("series %u, sample %zu differs", s, at);
        if (rc != FW_END || at != n)
            fail_msg("series %u: %zu of %zu samples, %s", s, at, n, err.text);
        fw_cursor_close(cursor);
    }
}

static size_t files_ending(struct fw_store *store, const char *ending)
{
    DIR *d = opendir(store->manifest.dir);
    struct dirent *entry;
    size_t n = 0;

    assert_non_null(d);
    while ((entry = readdir(d)) != NULL) {
        size_t length = strlen(entry->d_name);

        n +=
            length > strlen(ending) &&
                    strcmp(entry->d_name + length - strlen(ending), ending) == 0
                ? 1
                : 0;
    }
    (void)closedir(d);
    return n;
}

static void ignore(void *self, const char *sentence)
{
    (void)self;
    print_message("%s\n", sentence);
}

static void expect_sound(struct fw_store *store)
{
    struct verify_totals totals;

    assert_int_equal(verify_store(store, ignore, NULL, &totals, &err), FW_OK);
    assert_int_equal(totals.findings, 0);
}

static void days_become_one_closed_partition(void **state)
{
    const char *dir = tmpdir_new();
    struct fw_store *store = open_store(dir, false);
    struct fw_cursor *cursor = NULL;
    struct fw_run run = {0};

    (void)state;
    append(store, 0, DAYS * DAY_SAMPLES, 0);
    assert_int_equal(fw_store_compact(store, NULL, &err), FW_OK);
    assert_int_equal(files_ending(store, ".hot"), 0);
    assert_int_equal(files_ending(store, ".sealed"), 1);
    assert_int_equal(files_ending(store, "-lock"), 0);
    compare(store, DAYS * DAY_SAMPLES);
    expect_sound(store);
    /* 4320 samples in blocks of 4096: the first run tells. */
    assert_int_equal(
        fw_cursor_open(store, 0, INT64_MIN, INT64_MAX, &cursor, &err), FW_OK);
    assert_int_equal(fw_cursor_next(cursor, &run, &err), FW_OK);
    assert_true(run.n >= 1024);
    fw_cursor_close(cursor);
    fw_store_close(store);
    store = open_store(dir, false);
    compare(store, DAYS * DAY_SAMPLES);
    fw_store_close(store);
    store = open_store(dir, true);
    compare(store, DAYS * DAY_SAMPLES);
    expect_sound(store);
    fw_store_close(store);
}

static void late_samples_are_folded_in(void **state)
{
    const char *dir = tmpdir_new();
    struct fw_store *store = open_store(dir, false);

    (void)state;
    append(store, 0, DAYS * DAY_SAMPLES, 10);
    assert_int_equal(fw_store_compact(store, NULL, &err), FW_OK);
    append(store, 0, DAYS * DAY_SAMPLES, 0); /* the others are there already */
    compare(store, DAYS * DAY_SAMPLES);
    assert_int_equal(sealer_run(store->sealer, SEAL_ALL, &err), FW_OK);
    assert_int_equal(files_ending(store, ".hot"), DAYS);
    compare(store, DAYS * DAY_SAMPLES);
    assert_int_equal(fw_store_compact(store, NULL, &err), FW_OK);
    assert_int_equal(files_ending(store, ".hot"), 0);
    assert_int_equal(files_ending(store, ".sealed"), 1);
    compare(store, DAYS * DAY_SAMPLES);
    expect_sound(store);
    fw_store_close(store);
    store = open_store(dir, false);
    compare(store, DAYS * DAY_SAMPLES);
    fw_store_close(store);
}

static void a_reader_keeps_the_old_files(void **state)
{
    struct fw_store *store = open_store(tmpdir_new(), false);
    struct fw_cursor *cursor = NULL;
    struct fw_run run = {0};
    size_t n = 0;

    (void)state;
    append(store, 0, DAYS * DAY_SAMPLES, 0);
    assert_int_equal(sealer_run(store->sealer, SEAL_ALL, &err), FW_OK);
    assert_int_equal(
        fw_cursor_open(store, 2, INT64_MIN, INT64_MAX, &cursor, &err), FW_OK);
    assert_int_equal(fw_cursor_next(cursor, &run, &err), FW_OK);
    n += run.n;
    assert_int_equal(fw_store_compact(store, NULL, &err), FW_OK);
    assert_int_equal(files_ending(store, ".hot"), DAYS);
    while (fw_cursor_next(cursor, &run, &err) == FW_OK)
        n += run.n;
    assert_int_equal(n, DAYS * DAY_SAMPLES);
    fw_cursor_close(cursor);
    assert_int_equal(files_ending(store, ".hot"), 0);
    fw_store_close(store);
}

static void a_day_that_is_over_closes_by_itself(void **state)
{
    struct patience patience = {0};
    struct fw_store *store;

    (void)state;
    fake_clock_init(&fake, START + FW_DAY);
    store = open_store(tmpdir_new(), false);
    append(store, 0, DAY_SAMPLES, 0);
    assert_int_equal(sealer_run(store->sealer, SEAL_ALL, &err), FW_OK);
    fake_clock_advance(&fake, FW_HOUR);
    for (int i = 0; i < 5; i++)
        assert_int_equal(sealer_run(store->sealer, SEAL_ALL, &err), FW_OK);
    assert_int_equal(files_ending(store, ".hot"), 1);
    fake_clock_advance(&fake, FW_DAY);
    while (files_ending(store, ".sealed") == 0 && patience_lasts(&patience))
        continue;
    compare(store, DAY_SAMPLES);
    assert_int_equal(files_ending(store, ".sealed"), 1);
    fw_store_close(store);
}

/* What a crash leaves before the new partition is live. */
static void what_was_not_finished_is_removed(void **state)
{
    const char *dir = tmpdir_new();
    struct fw_store *store = open_store(dir, false);
    struct manifest_stretch stretch = {.kind = PARTITION_CLOSED};
    struct partition *planned = NULL;
    struct partition *hot;

    (void)state;
    append(store, 0, DAY_SAMPLES, 0);
    assert_int_equal(sealer_run(store->sealer, SEAL_ALL, &err), FW_OK);
    hot = manifest_find(&store->manifest, START);
    assert_int_equal(manifest_freeze(&store->manifest, hot, &err), FW_OK);
    stretch.first = hot->first;
    stretch.last = hot->last;
    stretch.rank = hot->rank;
    assert_int_equal(
        manifest_plan_closed(&store->manifest, &stretch, &planned, &err),
        FW_OK);
    assert_int_equal(fw_file_write(planned->path, "torn", 4, &err), FW_OK);
    partition_unref(planned);
    fw_store_close(store);
    store = open_store(dir, false);
    assert_int_equal(files_ending(store, ".sealed"), 0);
    assert_null(manifest_find(&store->manifest, START));
    compare(store, DAY_SAMPLES);
    assert_int_equal(fw_store_compact(store, NULL, &err), FW_OK);
    compare(store, DAY_SAMPLES);
    assert_int_equal(files_ending(store, ".hot"), 0);
    fw_store_close(store);
}

static void child_compacts(const char *dir)
{
    struct fw_store *store = open_store(dir, false);

    for (;;) {
        append(store, 0, DAYS * DAY_SAMPLES, 0);
        if (fw_store_compact(store, NULL, &err) != FW_OK)
            _exit(1);
    }
}

static void a_kill_at_any_moment_loses_nothing(void **state)
{
    struct synth_rng rng = synth_seed(fixture_seed());
    const char *dir = tmpdir_new();
    struct fw_store *store = open_store(dir, false);

    (void)state;
    append(store, 0, DAYS * DAY_SAMPLES, 0);
    fw_store_close(store);
    for (int round = 0; round < 25; round++) {
        pid_t child = fork();
        int status = 0;

        if (child == 0)
            child_compacts(dir);
        (void)usleep((useconds_t)(5000 + synth_u64(&rng) % 120000));
        assert_int_equal(kill(child, SIGKILL), 0);
        assert_int_equal(waitpid(child, &status, 0), child);
        assert_true(WIFSIGNALED(status));
        store = open_store(dir, false);
        compare(store, DAYS * DAY_SAMPLES);
        expect_sound(store);
        if (round % 3 == 0)
            append(store, (size_t)round * 100, (size_t)round * 100 + 1, 0);
        fw_store_close(store);
    }
}

static void a_damaged_day_stays_as_it_is(void **state)
{
    const char *dir = tmpdir_new();
    struct fw_store *store = open_store(dir, false);
    struct fw_buf bytes = FW_BUF_INIT(16 << 20);
    char path[FW_PATH_BYTES];
    char *segment;

    (void)state;
    append(store, 0, DAY_SAMPLES, 0);
    assert_int_equal(sealer_run(store->sealer, SEAL_ALL, &err), FW_OK);
    (void)snprintf(path, sizeof(path), "%s",
                   manifest_find(&store->manifest, START)->path);
    fw_store_close(store);
    assert_int_equal(fw_file_read(path, &bytes, &err), FW_OK);
    segment = memmem(bytes.data, bytes.len, "FWS1", 4);
    assert_non_null(segment);
    segment[fw_get_le32(segment + 40) - 20] ^= 1; /* among the values */
    assert_int_equal(fw_file_write(path, bytes.data, bytes.len, &err), FW_OK);
    fw_buf_release(&bytes);
    store = open_store(dir, false);
    assert_int_equal(fw_store_compact(store, NULL, &err), FW_ECORRUPT);
    assert_non_null(strstr(err.text, path));
    assert_int_equal(files_ending(store, ".hot"), 1);
    assert_int_equal(files_ending(store, ".sealed"), 0);
    fw_store_close(store);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(days_become_one_closed_partition, set_up),
        cmocka_unit_test_setup(late_samples_are_folded_in, set_up),
        cmocka_unit_test_setup(a_reader_keeps_the_old_files, set_up),
        cmocka_unit_test_setup(a_day_that_is_over_closes_by_itself, set_up),
        cmocka_unit_test_setup(what_was_not_finished_is_removed, set_up),
        cmocka_unit_test_setup(a_kill_at_any_moment_loses_nothing, set_up),
        cmocka_unit_test_setup(a_damaged_day_stays_as_it_is, set_up),
    };

    return fixture_main(argc, argv, tests);
}
