/* SPDX-License-Identifier: GPL-3.0-or-later */
/* ctest: timeout=120 */
#include "tests/support/fixture.h"

#include <dirent.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "storage/base/bytes.h"
#include "storage/index/forget.h"
#include "storage/segments/closer.h"
#include "storage/segments/rollup.h"
#include "storage/segments/sealer.h"
#include "storage/segments/verify.h"
#include "tests/support/fake_clock.h"
#include "tests/support/tmpdir.h"

#define START ((fw_ms)19700 * FW_DAY)
#define STEP ((fw_ms)60000)
#define DAY_SAMPLES ((int)(FW_DAY / STEP))
#define SERIES 3

static struct fake_clock fake;
static struct fw_err err;

static struct fw_store *open_with_lead(const char *dir, fw_ms rollups,
                                       fw_ms step, fw_ms lead)
{
    struct fw_store_options options = {.create = true,
                                       .linger = -1,
                                       .retention = 5 * FW_DAY,
                                       .rollup_retention = rollups,
                                       .rollup_step = step,
                                       .rollup_lead = lead,
                                       .ooo_window = 100 * FW_DAY,
                                       .max_future = 100 * FW_DAY,
                                       .disk_floor = 1,
                                       .clock = &fake.clock};
    struct fw_store *store = NULL;

    if (fw_store_open(dir, &options, &store, &err) != FW_OK)
        fail_msg("open: %s", err.text);
    return store;
}

/* Rollups as days are closed. */
static struct fw_store *open_for(const char *dir, fw_ms rollups, fw_ms step)
{
    return open_with_lead(dir, rollups, step, INT64_MAX);
}

static int set_up(void **state)
{
    (void)state;
    fake_clock_init(&fake, START + 4 * FW_DAY);
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

/* A counter that begins anew now and then, and now and then is a NaN. */
static double value_of(uint32_t series, int i)
{
    static const uint64_t stale = FW_STALE_BITS;
    double v = (double)((i * (int)(series + 3)) % 977) / 10;

    if (series == 1 && i % 500 == 499)
        memcpy(&v, &stale, sizeof(v));
    if (series == 2 && i % 700 == 699)
        v = NAN;
    return v;
}

static void append(struct fw_store *store, uint32_t s, int from, int to)
{
    struct fw_append_result result = {0};
    struct fw_batch batch = {0};
    uint32_t id = series_id(store, s);

    for (int i = from; i < to; i++)
        assert_int_equal(
            fw_batch_add(&batch, id, START + i * STEP, value_of(s, i)), FW_OK);
    assert_int_equal(fw_store_append(store, &batch, &result, &err), FW_OK);
    assert_int_equal(result.stored, (unsigned)(to - from));
}

static void append_all(struct fw_store *store, int from, int to)
{
    for (uint32_t s = 0; s < SERIES; s++)
        append(store, s, from, to);
}

static void compact(struct fw_store *store)
{
    if (fw_store_compact(store, NULL, &err) != FW_OK)
        fail_msg("compact: %s", err.text);
}

/* The clock moves on, and retention does what it then has to. */
static void pass(struct fw_store *store, int day)
{
    fake_clock_step(&fake, START + day * FW_DAY);
    append(store, 0, day * DAY_SAMPLES - 1, day * DAY_SAMPLES);
    assert_int_equal(sealer_run(store->sealer, SEAL_ALL, &err), FW_OK);
}

static size_t files_ending(const char *dir, const char *ending)
{
    char path[4096];
    struct dirent *entry;
    size_t n = 0;
    DIR *d;

    (void)snprintf(path, sizeof(path), "%s/part", dir);
    d = opendir(path);
    assert_non_null(d);
    while ((entry = readdir(d)) != NULL) {
        const char *dot = strrchr(entry->d_name, '.');

        n += dot != NULL && strcmp(dot, ending) == 0 ? 1 : 0;
    }
    (void)closedir(d);
    return n;
}

static void tell(void *self, const char *sentence)
{
    (void)self;
    print_message("%s\n", sentence);
}

static void expect_sound(struct fw_store *store)
{
    struct verify_totals totals;

    assert_int_equal(verify_store(store, tell, NULL, &totals, &err), FW_OK);
    assert_int_equal(totals.findings, 0);
}

/* What the row of (end - step, end] must be; n == 0 for none. */
static struct fw_summary want_row(uint32_t s, fw_ms end, fw_ms step, int limit)
{
    struct fw_summary w = {.min = NAN, .max = NAN};
    double before = NAN;

    for (int i = 0; i < limit; i++) {
        fw_ms t = START + i * STEP;
        double v = value_of(s, i);

        if (t <= end - step || t > end || fw_double_bits(v) == FW_STALE_BITS)
            continue;
        w.t_first = w.n == 0 ? t : w.t_first;
        w.t_last = t;
        w.n++;
        w.nans += isnan(v) ? 1 : 0;
        if (isnan(v))
            continue;
        w.sum += v;
        w.min = isnan(w.min) || v < w.min ? v : w.min;
        w.max = isnan(w.max) || v > w.max ? v : w.max;
        w.first = isnan(before) ? v : w.first;
        w.last = v;
        if (!isnan(before))
            w.increase += v >= before ? v - before : v;
        before = v;
    }
    return w;
}

static void expect_row(const struct fw_summary *is,
                       const struct fw_summary *want)
{
    assert_true(is->t_first == want->t_first && is->t_last == want->t_last);
    assert_int_equal(is->n, want->n);
    assert_int_equal(is->nans, want->nans);
    assert_true(is->min == want->min && is->max == want->max);
    assert_true(fabs(is->sum - want->sum) < 1e-6);
    assert_true(is->first == want->first && is->last == want->last);
    assert_true(fabs(is->increase - want->increase) < 1e-6);
}

/* All rows of all series up to `day`, days being cut where partitions are. */
static void expect_rows(struct fw_store *store, int days, fw_ms step)
{
    struct fw_rollups *r = NULL;
    const struct fw_summary *rows = NULL;

    assert_int_equal(fw_rollups_open(store, &r, &err), FW_OK);
    for (uint32_t s = 0; s < SERIES; s++) {
        size_t n = 0, at = 0;

        if (fw_rollups_read(r, series_id(store, s), INT64_MIN, INT64_MAX, &rows,
                            &n, &err) != FW_OK)
            fail_msg("%s", err.text);
        for (fw_ms end = START; end < START + days * FW_DAY + step;
             end += step) {
            struct fw_summary want = want_row(s, end, step, days * DAY_SAMPLES);

            if (want.n == 0)
                continue;
            /* Midnight is the first moment of its partition: two rows. */
            if (at + 1 < n && rows[at].t_last < want.t_last) {
                struct fw_summary last = {.t_first = end, .t_last = end};

                assert_true(rows[at].t_first == want.t_first);
                assert_int_equal(rows[at].n + rows[at + 1].n, want.n);
                assert_true(rows[at + 1].t_first == last.t_first);
                at += 2;
                continue;
            }
            assert_true(at < n);
            expect_row(&rows[at++], &want);
        }
        assert_int_equal(at, n);
    }
    fw_rollups_close(r);
}

static size_t count_rows(struct fw_store *store, uint32_t s, fw_ms from,
                         fw_ms to)
{
    struct fw_rollups *r = NULL;
    const struct fw_summary *rows = NULL;
    size_t n = 0;

    assert_int_equal(fw_rollups_open(store, &r, &err), FW_OK);
    if (fw_rollups_read(r, series_id(store, s), from, to, &rows, &n, &err) !=
        FW_OK)
        fail_msg("%s", err.text);
    fw_rollups_close(r);
    return n;
}

static void hours_outlive_their_samples(void **state)
{
    const char *dir = tmpdir_new();
    struct fw_store *store = open_for(dir, 100 * FW_DAY, 0);

    (void)state;
    append_all(store, 0, 2 * DAY_SAMPLES);
    compact(store);
    assert_true(files_ending(dir, ".rollup") >= 1);
    assert_true(fw_store_rollups_last(store) == INT64_MIN);
    assert_int_equal(count_rows(store, 0, INT64_MIN, INT64_MAX), 0);
    expect_sound(store);
    pass(store, 9);
    assert_int_equal(files_ending(dir, ".sealed"), 0);
    assert_true(fw_store_rollups_last(store) == START + 2 * FW_DAY - 1);
    expect_rows(store, 2, FW_HOUR);
    expect_sound(store);
    fw_store_close(store);
    store = open_for(dir, 100 * FW_DAY, 0);
    expect_rows(store, 2, FW_HOUR);
    expect_sound(store);
    fw_store_close(store);
}

/* What the closer does by itself; a compaction would merge the days too. */
static void await_rollup(const char *dir)
{
    for (int i = 0; i < 6000 && files_ending(dir, ".rollup") == 0; i++) {
        fake_clock_advance(&fake, 100);
        (void)usleep(10000);
    }
    assert_true(files_ending(dir, ".rollup") >= 1);
}

static void await_final(struct fw_store *store, fw_ms last)
{
    for (int i = 0; i < 6000 && fw_store_rollups_last(store) < last; i++) {
        fake_clock_advance(&fake, 100);
        (void)usleep(10000);
    }
    assert_true(fw_store_rollups_last(store) >= last);
}

static void a_rollup_is_made_when_its_samples_are_about_to_go(void **state)
{
    const char *dir = tmpdir_new();
    struct fw_store *store = open_with_lead(dir, 100 * FW_DAY, 0, FW_DAY);

    (void)state;
    append_all(store, 0, 2 * DAY_SAMPLES);
    compact(store);
    assert_int_equal(files_ending(dir, ".rollup"), 0);
    expect_sound(store);
    fake_clock_step(&fake, START + 6 * FW_DAY + FW_HOUR);
    append(store, 0, 6 * DAY_SAMPLES, 6 * DAY_SAMPLES + 10);
    await_rollup(dir);
    assert_true(files_ending(dir, ".sealed") >= 1);
    assert_true(fw_store_rollups_last(store) == INT64_MIN);
    expect_sound(store);
    pass(store, 8);
    await_final(store, START + 2 * FW_DAY - 1);
    expect_rows(store, 2, FW_HOUR);
    fw_store_close(store);
}

/* Nobody was there to make it: the days are kept until it is made. */
static void what_is_too_old_waits_for_its_rollup(void **state)
{
    const char *dir = tmpdir_new();
    struct fw_store *store = open_with_lead(dir, 100 * FW_DAY, 0, 5 * FW_DAY);

    (void)state;
    append_all(store, 0, 2 * DAY_SAMPLES);
    fw_store_close(store);
    store = open_with_lead(dir, 0, 0, 0);
    compact(store); /* none are made */
    fw_store_close(store);
    assert_int_equal(files_ending(dir, ".rollup"), 0);
    store = open_with_lead(dir, 100 * FW_DAY, 0, 5 * FW_DAY);
    pass(store, 8);
    await_final(store, START + 2 * FW_DAY - 1);
    expect_rows(store, 2, FW_HOUR);
    expect_sound(store);
    fw_store_close(store);
}

static void near_the_limit_of_bytes_it_is_made_too(void **state)
{
    struct fw_store_options options = {.create = true,
                                       .linger = -1,
                                       .retention = INT64_MAX,
                                       .rollup_retention = INT64_MAX,
                                       .ooo_window = 100 * FW_DAY,
                                       .max_future = 100 * FW_DAY,
                                       .disk_floor = 1,
                                       .clock = &fake.clock};
    const char *dir = tmpdir_new();
    struct fw_store_stats stats;
    struct fw_store *store = NULL;

    (void)state;
    assert_int_equal(fw_store_open(dir, &options, &store, &err), FW_OK);
    append_all(store, 0, 2 * DAY_SAMPLES);
    compact(store);
    append(store, 0, 4 * DAY_SAMPLES, 4 * DAY_SAMPLES + 10);
    assert_int_equal(sealer_run(store->sealer, SEAL_ALL, &err), FW_OK);
    fw_store_stats(store, &stats);
    assert_int_equal(files_ending(dir, ".rollup"), 0);
    store->options.retention_bytes = stats.disk_bytes;
    assert_int_equal(sealer_run(store->sealer, SEAL_ALL, &err), FW_OK);
    await_rollup(dir);
    assert_true(files_ending(dir, ".sealed") >= 1);
    expect_sound(store);
    fw_store_close(store);
}

static void but_not_for_ever(void **state)
{
    const char *dir = tmpdir_new();
    struct fw_store *store = open_with_lead(dir, 0, 0, 0);

    (void)state;
    append_all(store, 0, 2 * DAY_SAMPLES);
    compact(store);
    fw_store_close(store);
    store = open_with_lead(dir, 100 * FW_DAY, 0, FW_DAY);
    pass(store, 40);
    assert_true(fw_store_rollups_last(store) == INT64_MIN);
    assert_int_equal(count_rows(store, 0, INT64_MIN, INT64_MAX), 0);
    expect_sound(store);
    fw_store_close(store);
}

static void five_minutes_if_asked(void **state)
{
    const char *dir = tmpdir_new();
    struct fw_store *store = open_for(dir, 100 * FW_DAY, 5 * FW_MINUTE);

    (void)state;
    append_all(store, 0, DAY_SAMPLES);
    compact(store);
    pass(store, 9);
    expect_rows(store, 1, 5 * FW_MINUTE);
    fw_store_close(store);
}

static void they_have_a_retention_of_their_own(void **state)
{
    const char *dir = tmpdir_new();
    struct fw_store *store = open_for(dir, 20 * FW_DAY, 0);

    (void)state;
    append_all(store, 0, DAY_SAMPLES);
    compact(store);
    pass(store, 19);
    assert_true(count_rows(store, 0, INT64_MIN, INT64_MAX) >= 24);
    pass(store, 22);
    assert_int_equal(count_rows(store, 0, INT64_MIN, INT64_MAX), 0);
    assert_true(fw_store_rollups_last(store) == INT64_MIN);
    assert_int_equal(files_ending(dir, ".rollup"), 0);
    fw_store_close(store);
}

static void none_are_made_where_nobody_asks(void **state)
{
    const char *dir = tmpdir_new();
    struct fw_store *store = open_for(dir, 0, 0);

    (void)state;
    append_all(store, 0, DAY_SAMPLES);
    compact(store);
    assert_int_equal(files_ending(dir, ".rollup"), 0);
    fw_store_close(store);
}

/* Late samples of a closed day come into its rows when it is closed again. */
static void late_samples_are_summarised(void **state)
{
    const char *dir = tmpdir_new();
    struct fw_store *store = open_for(dir, 100 * FW_DAY, 0);

    (void)state;
    for (uint32_t s = 0; s < SERIES; s++) {
        append(store, s, 0, 100);
        append(store, s, 300, 2 * DAY_SAMPLES);
    }
    compact(store);
    append_all(store, 100, 300);
    compact(store);
    expect_sound(store);
    pass(store, 9);
    expect_rows(store, 2, FW_HOUR);
    fw_store_close(store);
}

static void delete_range(struct fw_store *store, const char *name, fw_ms from,
                         fw_ms to)
{
    struct fw_matcher m = {
        FW_MATCH_EQUAL, FW_STR(FW_METRIC_NAME), {name, strlen(name)}};
    uint64_t series = 0;

    if (fw_store_delete(store, &m, 1, from, to, &series, &err) != FW_OK)
        fail_msg("delete: %s", err.text);
    assert_int_equal(series, 1);
}

static void deleted_samples_do_not_come_back(void **state)
{
    const char *dir = tmpdir_new();
    struct fw_store *store = open_for(dir, 100 * FW_DAY, 0);
    fw_ms hour = START + 5 * FW_HOUR;
    fw_ms day_end = START + FW_DAY;
    size_t all;

    (void)state;
    append_all(store, 0, DAY_SAMPLES);
    compact(store);
    /* While the samples are there: the rows are of what is left. */
    delete_range(store, "m0", START, hour);
    compact(store);
    pass(store, 9);
    assert_int_equal(count_rows(store, 0, START, hour), 0);
    assert_int_equal(count_rows(store, 0, hour, day_end), 19);
    /* When they are gone: at once, and for good with the next rewrite. */
    all = count_rows(store, 2, START, day_end);
    delete_range(store, "m2", hour + FW_HOUR / 2, hour + FW_HOUR / 2);
    assert_int_equal(count_rows(store, 2, START, day_end), all - 1);
    compact(store);
    pass(store, 10); /* the journal has no record left that is as old */
    compact(store);
    assert_int_equal(atomic_load(&store->tombs.count), 0);
    assert_int_equal(count_rows(store, 2, START, day_end), all - 1);
    assert_int_equal(count_rows(store, 1, START, day_end), all);
    expect_sound(store);
    fw_store_close(store);
}

static size_t selected(struct fw_store *store, fw_ms from, fw_ms to)
{
    struct fw_matcher m = {FW_MATCH_REGEX, FW_STR(FW_METRIC_NAME),
                           FW_STR("m.")};
    struct fw_arena *arena = fw_arena_new(1 << 20);
    struct fw_series *series = NULL;
    size_t count = 0;

    assert_non_null(arena);
    assert_int_equal(fw_store_select(store, &m, 1, from, to, 100, arena,
                                     &series, &count, &err),
                     FW_OK);
    fw_arena_free(arena);
    return count;
}

static void their_series_are_found_and_not_forgotten(void **state)
{
    const char *dir = tmpdir_new();
    struct fw_store *store = open_for(dir, 20 * FW_DAY, 0);
    struct forget_state forget = {0};

    (void)state;
    append_all(store, 0, DAY_SAMPLES);
    compact(store);
    pass(store, 9);
    assert_int_equal(selected(store, START, START + FW_DAY), SERIES);
    assert_int_equal(selected(store, START + FW_DAY, START + 2 * FW_DAY), 0);
    (void)pthread_mutex_lock(&store->quiet);
    for (int i = 0; i < 3; i++)
        assert_int_equal(forget_sweep(store, &forget, &err), FW_OK);
    (void)pthread_mutex_unlock(&store->quiet);
    assert_int_equal(selected(store, START, START + FW_DAY), SERIES);
    assert_true(count_rows(store, 1, INT64_MIN, INT64_MAX) >= 24);
    fw_store_close(store);
}

/* Days that are final are put together; nothing of their rows changes. */
static void final_days_become_one_file(void **state)
{
    const char *dir = tmpdir_new();
    struct fw_store *store = open_for(dir, 100 * FW_DAY, 0);

    (void)state;
    fake_clock_step(&fake, START);
    for (int day = 0; day < 3; day++) {
        fake_clock_step(&fake, START + (day + 1) * FW_DAY);
        append_all(store, day * DAY_SAMPLES, (day + 1) * DAY_SAMPLES);
    }
    compact(store);
    pass(store, 12);
    expect_rows(store, 3, FW_HOUR);
    compact(store);
    assert_true(files_ending(dir, ".rollup") <= 2);
    expect_rows(store, 3, FW_HOUR);
    expect_sound(store);
    fw_store_close(store);
}

static void a_damaged_file_is_named(void **state)
{
    const char *dir = tmpdir_new();
    struct fw_store *store = open_for(dir, 100 * FW_DAY, 0);
    struct partition **list = NULL;
    struct verify_totals totals;
    char path[4096] = "";
    size_t count = 0;
    struct stat st;
    FILE *f;

    (void)state;
    append_all(store, 0, DAY_SAMPLES);
    compact(store);
    pass(store, 9);
    assert_int_equal(manifest_list(&store->manifest, &list, &count), FW_OK);
    for (size_t i = 0; i < count; i++)
        if (rollup_is(list[i]))
            (void)snprintf(path, sizeof(path), "%s", list[i]->path);
    manifest_list_free(list, count);
    fw_store_close(store);
    assert_int_equal(stat(path, &st), 0);
    f = fopen(path, "r+");
    assert_non_null(f);
    for (long at = 8192 + 200; at < st.st_size; at += 4096) {
        assert_int_equal(fseek(f, at, SEEK_SET), 0);
        assert_int_equal(fputc(0x5a, f), 0x5a);
    }
    assert_int_equal(fclose(f), 0);
    store = open_for(dir, 100 * FW_DAY, 0);
    assert_int_equal(verify_store(store, tell, NULL, &totals, &err), FW_OK);
    assert_true(totals.findings > 0);
    fw_store_close(store);
}

/* The rollup of a day of which something is missing. */
static const char *folder_with_gaps(void)
{
    const char *dir = tmpdir_new();
    struct fw_store *store = open_for(dir, 100 * FW_DAY, 0);

    append(store, 0, 0, DAY_SAMPLES);
    append(store, 1, 0, 100);
    append(store, 1, 101, DAY_SAMPLES);
    append(store, 2, 0, DAY_SAMPLES / 2);
    compact(store);
    fw_store_close(store);
    return dir;
}

static void rollup_path(const char *dir, char out[4096])
{
    struct fw_store *store = open_for(dir, 100 * FW_DAY, 0);
    struct partition **list = NULL;
    size_t count = 0;

    out[0] = '\0';
    assert_int_equal(manifest_list(&store->manifest, &list, &count), FW_OK);
    for (size_t i = 0; i < count; i++)
        if (rollup_is(list[i]))
            (void)snprintf(out, 4096, "%s", list[i]->path);
    manifest_list_free(list, count);
    fw_store_close(store);
    assert_true(out[0] != '\0');
}

static void keep_all(void *self, const char *sentence)
{
    size_t n = strlen(self);

    (void)snprintf((char *)self + n, 2048 - n, "%s\n", sentence);
}

/* While there are both, verify holds one against the other. */
static void verify_compares_it_with_the_samples(void **state)
{
    const char *dir = tmpdir_new();
    struct fw_store *store = open_for(dir, 100 * FW_DAY, 0);
    struct verify_totals totals;
    char said[2048] = "", path[4096], other[4096];

    (void)state;
    append_all(store, 0, DAY_SAMPLES);
    compact(store);
    expect_sound(store);
    fw_store_close(store);
    rollup_path(dir, path);
    rollup_path(folder_with_gaps(), other);
    assert_int_equal(rename(other, path), 0);
    store = open_for(dir, 100 * FW_DAY, 0);
    assert_int_equal(verify_store(store, keep_all, said, &totals, &err), FW_OK);
    assert_int_equal(totals.findings, 2);
    assert_non_null(strstr(said, "does not say what the samples say (1 rows)"));
    assert_non_null(strstr(said, "has no rows for"));
    fw_store_close(store);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(hours_outlive_their_samples, set_up),
        cmocka_unit_test_setup(
            a_rollup_is_made_when_its_samples_are_about_to_go, set_up),
        cmocka_unit_test_setup(what_is_too_old_waits_for_its_rollup, set_up),
        cmocka_unit_test_setup(near_the_limit_of_bytes_it_is_made_too, set_up),
        cmocka_unit_test_setup(but_not_for_ever, set_up),
        cmocka_unit_test_setup(five_minutes_if_asked, set_up),
        cmocka_unit_test_setup(they_have_a_retention_of_their_own, set_up),
        cmocka_unit_test_setup(none_are_made_where_nobody_asks, set_up),
        cmocka_unit_test_setup(late_samples_are_summarised, set_up),
        cmocka_unit_test_setup(deleted_samples_do_not_come_back, set_up),
        cmocka_unit_test_setup(their_series_are_found_and_not_forgotten,
                               set_up),
        cmocka_unit_test_setup(final_days_become_one_file, set_up),
        cmocka_unit_test_setup(a_damaged_file_is_named, set_up),
        cmocka_unit_test_setup(verify_compares_it_with_the_samples, set_up),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
