/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "tests/support/fixture.h"

#include <math.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "storage/base/bytes.h"
#include "storage/base/limits.h"
#include "storage/storage.h"
#include "tests/support/fake_clock.h"
#include "tests/support/tmpdir.h"

#define NOW ((fw_ms)1700000000000)

static struct fake_clock fake;
static struct fw_err err;

static struct fw_store *open_store(const char *dir, bool read_only)
{
    struct fw_store_options options = {.create = true,
                                       .read_only = read_only,
                                       .linger = -1,
                                       .retention = INT64_MAX,
                                       .disk_floor = 1,
                                       .clock = &fake.clock};
    struct fw_store *store = NULL;
    fw_rc rc = fw_store_open(dir, &options, &store, &err);

    if (rc != FW_OK)
        fail_msg("open: %s", err.text);
    return store;
}

static uint32_t series_of(struct fw_store *store, const char *name,
                          const char *host)
{
    struct fw_label v[] = {{FW_STR(FW_METRIC_NAME), fw_str_of(name)},
                           {FW_STR("host"), fw_str_of(host)}};
    struct fw_labels labels = {v, host[0] == '\0' ? 1 : 2};
    uint32_t id = UINT32_MAX;

    assert_int_equal(fw_store_series(store, &labels, &id, &err), FW_OK);
    return id;
}

static struct fw_append_result append(struct fw_store *store, uint32_t id,
                                      fw_ms t, double v)
{
    struct fw_batch batch = {0};
    struct fw_append_result result = {0};

    fw_rc rc;

    assert_int_equal(fw_batch_add(&batch, id, t, v), FW_OK);
    rc = fw_store_append(store, &batch, &result, &err);
    assert_int_equal(rc, result.rc);
    assert_int_equal(batch.n, 0);
    return result;
}

/* All samples of a series: count, and the last one's bits. */
static size_t read_all(struct fw_store *store, uint32_t id, fw_ms from,
                       fw_ms to, fw_ms *last_t, uint64_t *last_bits)
{
    struct fw_cursor *cursor = NULL;
    struct fw_run run = {0};
    size_t n = 0;
    bool any = false;
    fw_ms before = 0;
    fw_rc rc;

    assert_int_equal(fw_cursor_open(store, id, from, to, &cursor, &err), FW_OK);
    while ((rc = fw_cursor_next(cursor, &run, &err)) == FW_OK)
        for (size_t i = 0; i < run.n; i++) {
            assert_true(run.t[i] >= from && run.t[i] <= to);
            assert_true(!any || run.t[i] > before);
            before = run.t[i];
            any = true;
            if (last_t != NULL)
                *last_t = run.t[i];
            if (last_bits != NULL)
                memcpy(last_bits, &run.v[i], 8);
            n++;
        }
    assert_int_equal(rc, FW_END);
    fw_cursor_close(cursor);
    return n;
}

static size_t select_count(struct fw_store *store, enum fw_match_op op,
                           const char *name, const char *value)
{
    struct fw_matcher matchers[] = {
        {FW_MATCH_REGEX, FW_STR(FW_METRIC_NAME), FW_STR(".+")},
        {op, fw_str_of(name), fw_str_of(value)}};
    struct fw_arena *arena = fw_arena_new(1 << 20);
    struct fw_series *series = NULL;
    size_t count = 0;

    assert_int_equal(fw_store_select(store, matchers, 2, INT64_MIN, INT64_MAX,
                                     100, arena, &series, &count, &err),
                     FW_OK);
    fw_arena_free(arena);
    return count;
}

static void samples_come_back_bit_for_bit(void **state)
{
    static const uint64_t odd[] = {
        0x7ff0000000000002u, 0x7ff8000000000001u, 0xfff8dead00000000u,
        0x8000000000000000u, 0x7ff0000000000000u, 0xfff0000000000000u,
        0x0000000000000001u, 0x3fb999999999999au, 0xffffffffffffffffu};
    struct fw_store *store = open_store(tmpdir_new(), false);
    uint32_t id = series_of(store, "m", "a");

    (void)state;
    for (size_t i = 0; i < sizeof(odd) / sizeof(odd[0]); i++) {
        uint64_t bits = 0;
        fw_ms t = 0;
        struct fw_append_result r =
            append(store, id, NOW + (fw_ms)i, fw_double_of_bits(odd[i]));

        assert_int_equal(r.rc, FW_OK);
        assert_int_equal(r.stored, 1);
        assert_int_equal(read_all(store, id, INT64_MIN, INT64_MAX, &t, &bits),
                         i + 1);
        assert_int_equal(t, NOW + (fw_ms)i);
        assert_true(bits == odd[i]);
    }
    fw_store_close(store);
}

static void a_store_reopened_has_everything(void **state)
{
    const char *dir = tmpdir_new();
    struct fw_store *store = open_store(dir, false);
    uint32_t a = series_of(store, "m", "a");
    uint32_t b = series_of(store, "m", "b");
    fw_ms t = 0;

    (void)state;
    for (int i = 0; i < 10; i++)
        assert_int_equal(append(store, b, NOW + i, i).stored, 1);
    assert_int_equal(append(store, a, NOW, 1).stored, 1);
    fw_store_close(store);
    store = open_store(dir, false);
    assert_int_equal(series_of(store, "m", "a"), a);
    assert_int_equal(series_of(store, "m", "b"), b);
    assert_int_equal(read_all(store, b, NOW + 2, NOW + 5, &t, NULL), 4);
    assert_int_equal(t, NOW + 5);
    assert_int_equal(append(store, b, NOW + 9, 9).duplicates, 1);
    assert_int_equal(series_of(store, "m", "c"), 2);
    fw_store_close(store);
}

static void late_samples_find_their_place(void **state)
{
    const char *dir = tmpdir_new();
    struct fw_store *store = open_store(dir, false);
    uint32_t id = series_of(store, "m", "a");
    struct fw_append_result r;

    (void)state;
    assert_int_equal(append(store, id, NOW, 1).stored, 1);
    assert_int_equal(append(store, id, NOW - FW_HOUR, 2).stored, 1);
    assert_int_equal(append(store, id, NOW - 5, 3).stored, 1);
    assert_int_equal(append(store, id, NOW - 5, 3).duplicates, 1);
    assert_int_equal(append(store, id, NOW - 5, 4).conflicts, 1);
    r = append(store, id, NOW - FW_HOUR - 1, 5);
    assert_int_equal(r.rc, FW_OK);
    assert_int_equal(r.too_old, 1);
    assert_non_null(strstr(r.err.text, "m{host=\"a\"}"));
    assert_int_equal(read_all(store, id, INT64_MIN, INT64_MAX, NULL, NULL), 3);
    fw_store_close(store);
}

static void samples_ahead_of_the_clock_are_refused_by_name(void **state)
{
    struct fw_store *store = open_store(tmpdir_new(), false);
    uint32_t id = series_of(store, "m", "a");
    struct fw_append_result r;

    (void)state;
    assert_int_equal(append(store, id, NOW + FW_MAX_FUTURE_MS, 1).stored, 1);
    r = append(store, id, NOW + FW_MAX_FUTURE_MS + 1, 1);
    assert_int_equal(r.too_new, 1);
    assert_non_null(strstr(r.err.text, "m{host=\"a\"}"));
    assert_non_null(strstr(r.err.text, "--max-future"));
    fw_store_close(store);
}

static void any_time_is_valid(void **state)
{
    static const fw_ms times[] = {INT64_MIN, INT64_MIN + 1, -FW_DAY, -1, 0, 1,
                                  NOW};
    const char *dir = tmpdir_new();
    struct fw_store *store = open_store(dir, false);
    uint32_t id = series_of(store, "m", "a");

    (void)state;
    for (size_t i = 0; i < sizeof(times) / sizeof(times[0]); i++)
        assert_int_equal(append(store, id, times[i], 1).stored, 1);
    assert_int_equal(append(store, id, INT64_MIN, 1).duplicates, 1);
    fw_store_close(store);
    store = open_store(dir, false);
    assert_int_equal(read_all(store, id, INT64_MIN, INT64_MAX, NULL, NULL), 7);
    assert_int_equal(read_all(store, id, INT64_MIN, -1, NULL, NULL), 4);
    fw_store_close(store);
}

static void matchers_select_as_prometheus_does(void **state)
{
    struct fw_store *store = open_store(tmpdir_new(), false);

    (void)state;
    assert_int_equal(append(store, series_of(store, "m", "a"), NOW, 1).stored,
                     1);
    assert_int_equal(append(store, series_of(store, "m", "b"), NOW, 1).stored,
                     1);
    assert_int_equal(append(store, series_of(store, "n", ""), NOW, 1).stored,
                     1);
    (void)series_of(store, "never_written", "");
    assert_int_equal(select_count(store, FW_MATCH_EQUAL, "host", "a"), 1);
    assert_int_equal(select_count(store, FW_MATCH_EQUAL, "host", ""), 1);
    assert_int_equal(select_count(store, FW_MATCH_DIFFERS, "host", "a"), 2);
    assert_int_equal(select_count(store, FW_MATCH_DIFFERS, "host", ""), 2);
    assert_int_equal(select_count(store, FW_MATCH_DIFFERS, "host", "zz"), 3);
    assert_int_equal(select_count(store, FW_MATCH_REGEX, "host", "a|b"), 2);
    assert_int_equal(select_count(store, FW_MATCH_REGEX, "host", "a|"), 2);
    assert_int_equal(select_count(store, FW_MATCH_REGEX, "host", "[ab]?"), 3);
    assert_int_equal(select_count(store, FW_MATCH_NOT_REGEX, "host", "a.*"), 2);
    assert_int_equal(select_count(store, FW_MATCH_NOT_REGEX, "host", ".+"), 1);
    assert_int_equal(select_count(store, FW_MATCH_EQUAL, "nowhere", ""), 3);
    assert_int_equal(select_count(store, FW_MATCH_EQUAL, "nowhere", "x"), 0);
    fw_store_close(store);
}

static void select_answers_in_label_order_and_by_time(void **state)
{
    struct fw_store *store = open_store(tmpdir_new(), false);
    struct fw_matcher all = {FW_MATCH_EQUAL, FW_STR(FW_METRIC_NAME),
                             FW_STR("m")};
    struct fw_matcher empty = {FW_MATCH_REGEX, FW_STR("host"), FW_STR(".*")};
    struct fw_arena *arena = fw_arena_new(1 << 20);
    struct fw_series *series = NULL;
    struct fw_str *texts = NULL;
    size_t n = 0;

    (void)state;
    (void)append(store, series_of(store, "m", "b"), NOW, 1);
    (void)append(store, series_of(store, "m", "a"), NOW - 100, 1);
    assert_int_equal(fw_store_select(store, &all, 1, NOW - 100, NOW, 10, arena,
                                     &series, &n, &err),
                     FW_OK);
    assert_int_equal(n, 2);
    assert_true(fw_str_eq(fw_labels_get(&series[0].labels, FW_STR("host")),
                          FW_STR("a")));
    assert_int_equal(fw_store_select(store, &all, 1, NOW - 10, NOW, 10, arena,
                                     &series, &n, &err),
                     FW_OK);
    assert_int_equal(n, 1);
    assert_int_equal(fw_store_select(store, &all, 1, NOW - 100, NOW, 1, arena,
                                     &series, &n, &err),
                     FW_ETOOBIG);
    assert_int_equal(
        fw_store_select(store, &empty, 1, 0, NOW, 1, arena, &series, &n, &err),
        FW_EINVAL);
    assert_int_equal(fw_store_label_names(store, NULL, arena, &texts, &n, &err),
                     FW_OK);
    assert_int_equal(n, 2);
    assert_true(fw_str_eq(texts[1], FW_STR("host")));
    assert_int_equal(fw_store_label_values(store, FW_STR("host"), NULL, arena,
                                           &texts, &n, &err),
                     FW_OK);
    assert_int_equal(n, 2);
    assert_true(fw_str_eq(texts[0], FW_STR("a")));
    fw_arena_free(arena);
    fw_store_close(store);
}

static void wrong_folders_have_a_sentence(void **state)
{
    struct fw_store_options options = {.clock = &fake.clock};
    struct fw_store *store = NULL;
    const char *dir = tmpdir_new();
    char path[512];

    (void)state;
    assert_int_equal(fw_store_open(dir, &options, &store, &err), FW_ENOTFOUND);
    assert_non_null(strstr(err.text, "holds no store yet"));
    assert_int_equal(fw_store_open(tmpdir_path(path, sizeof(path), dir, "no"),
                                   &options, &store, &err),
                     FW_ENOTFOUND);
    assert_non_null(strstr(err.text, "there is no folder"));
    assert_int_equal(
        mkdir(tmpdir_path(path, sizeof(path), dir, "photos"), 0700), 0);
    options.create = true;
    assert_int_equal(fw_store_open(dir, &options, &store, &err), FW_ENOTFOUND);
    assert_non_null(strstr(err.text, "photos"));
    assert_null(store);
}

static void a_second_writer_is_told_who_has_it(void **state)
{
    struct fw_store_options options = {.create = true, .clock = &fake.clock};
    const char *dir = tmpdir_new();
    struct fw_store *store = open_store(dir, false);
    struct fw_store *second = NULL;
    char pid[32];

    (void)state;
    assert_int_equal(fw_store_open(dir, &options, &second, &err), FW_EBUSY);
    (void)snprintf(pid, sizeof(pid), "%ld", (long)getpid());
    assert_non_null(strstr(err.text, pid));
    fw_store_close(store);
}

static void a_reader_sees_what_was_durable(void **state)
{
    const char *dir = tmpdir_new();
    struct fw_store *store = open_store(dir, false);
    uint32_t id = series_of(store, "m", "a");
    struct fw_store *reader;
    struct fw_batch batch = {0};

    (void)state;
    assert_int_equal(append(store, id, NOW, 1).stored, 1);
    reader = open_store(dir, true);
    assert_int_equal(append(store, id, NOW + 1, 1).stored, 1);
    assert_int_equal(read_all(reader, id, INT64_MIN, INT64_MAX, NULL, NULL), 1);
    assert_int_equal(fw_batch_add(&batch, id, NOW, 1), FW_OK);
    assert_int_equal(fw_store_append(reader, &batch, NULL, &err), FW_EREADONLY);
    fw_batch_release(&batch);
    fw_store_close(reader);
    fw_store_close(store);
}

static void unknown_series_are_refused(void **state)
{
    struct fw_store *store = open_store(tmpdir_new(), false);

    (void)state;
    assert_int_equal(append(store, 7, NOW, 1).rc, FW_EINVAL);
    assert_int_equal(append(store, UINT32_MAX, NOW, 1).rc, FW_EINVAL);
    fw_store_close(store);
}

/*
 * The arrays of an answered batch are lent to who asks, once, and empty. A
 * pause of the machine may make the store let go of them, so some are tried.
 */
static void answered_batches_lend_their_room(void **state)
{
    struct fw_store *store = open_store(tmpdir_new(), false);
    struct fw_batch first = {0}, other = {0}, patient = {.patience = 7};
    uint32_t id = series_of(store, "up", "a");
    uint64_t bits = 0;
    fw_ms t = NOW;

    (void)state;
    fw_store_spare_batch(store, &first);
    assert_null(first.series); /* nothing was answered yet */
    for (int i = 0; i < 100 && patient.cap == 0; i++) {
        for (int k = 0; k < 100; k++)
            assert_int_equal(fw_batch_add(&first, id, ++t, 1.5), FW_OK);
        assert_int_equal(fw_store_append(store, &first, NULL, &err), FW_OK);
        assert_int_equal(first.cap, 0);
        fw_store_spare_batch(store, &patient);
    }
    assert_true(patient.cap >= 100);
    assert_int_equal(patient.n, 0);
    assert_int_equal(patient.patience, 7);
    fw_store_spare_batch(store, &other); /* there was one */
    assert_int_equal(other.cap, 0);
    patient.patience = 0;
    assert_int_equal(fw_batch_add(&patient, id, ++t, 2.5), FW_OK);
    assert_int_equal(fw_store_append(store, &patient, NULL, &err), FW_OK);
    assert_int_equal(read_all(store, id, NOW, INT64_MAX, &(fw_ms){0}, &bits),
                     t - NOW);
    assert_int_equal(bits, fw_double_bits(2.5));
    fw_store_close(store);
}

static void count_answer(void *self, const struct fw_append_result *result)
{
    assert_int_equal(result->rc, FW_OK);
    (void)atomic_fetch_add((atomic_int *)self, 1);
}

/* Who can wait goes with who cannot, in the same commit. */
static void a_patient_batch_waits_for_company(void **state)
{
    struct fw_store *store = open_store(tmpdir_new(), false);
    struct fw_append_result result = {0};
    struct fw_label v[] = {{FW_STR("n"), FW_STR("1")}};
    struct fw_labels labels = {v, 1};
    struct fw_batch patient = {.patience = FW_MINUTE}, other = {0};
    struct fw_store_stats stats;
    atomic_int answers = 0;
    uint32_t id = 0;

    (void)state;
    assert_int_equal(fw_store_series(store, &labels, &id, &err), FW_OK);
    assert_int_equal(fw_batch_add(&patient, id, NOW, 1), FW_OK);
    assert_int_equal(fw_batch_add(&other, id, NOW + 1, 2), FW_OK);
    assert_int_equal(
        fw_store_submit(store, &patient, count_answer, &answers, &err), FW_OK);
    assert_int_equal(fw_store_append(store, &other, &result, &err), FW_OK);
    assert_int_equal(atomic_load(&answers), 1);
    fw_store_stats(store, &stats);
    assert_int_equal(stats.commits, 1);
    assert_int_equal(stats.samples_stored, 2);
    /* And nobody waits for it at the end. */
    patient = (struct fw_batch){.patience = FW_MINUTE};
    assert_int_equal(fw_batch_add(&patient, id, NOW + 2, 3), FW_OK);
    assert_int_equal(
        fw_store_submit(store, &patient, count_answer, &answers, &err), FW_OK);
    fw_store_close(store);
    assert_int_equal(atomic_load(&answers), 2);
}

/* Definitions past what one record takes go into several, in one batch. */
static void a_flood_of_new_series_is_stored(void **state)
{
    enum { SERIES = 1500 };
    const char *dir = tmpdir_new();
    struct fw_store *store = open_store(dir, false), *reader;
    struct fw_append_result result = {0};
    char long_text[3][FW_MAX_LABEL_VALUE_BYTES];
    struct fw_batch batch = {0};
    struct fw_store_stats stats;

    (void)state;
    memset(long_text, 'x', sizeof(long_text));
    for (uint32_t i = 0; i < SERIES; i++) {
        char number[16];
        struct fw_label v[] = {
            {FW_STR("a"), {long_text[0], sizeof(long_text[0])}},
            {FW_STR("b"), {long_text[1], sizeof(long_text[1])}},
            {FW_STR("c"), {long_text[2], sizeof(long_text[2])}},
            {FW_STR("n"), {number, 0}}};
        struct fw_labels labels = {v, 4};
        uint32_t id = 0;

        /* Texts of their own, so that no record gets away with one of them. */
        v[3].value.n = (size_t)snprintf(number, sizeof(number), "%u", i);
        for (int k = 0; k < 3; k++)
            memcpy(long_text[k], number, v[3].value.n);
        assert_int_equal(fw_store_series(store, &labels, &id, &err), FW_OK);
        assert_int_equal(fw_batch_add(&batch, id, NOW, i), FW_OK);
    }
    assert_int_equal(fw_store_append(store, &batch, &result, &err), FW_OK);
    assert_int_equal(result.stored, SERIES);
    fw_store_stats(store, &stats);
    assert_true(stats.commits > 1);
    /* Whoever opens the folder now has all of it from the journal. */
    reader = open_store(dir, true);
    fw_store_stats(reader, &stats);
    assert_int_equal(stats.series, SERIES);
    assert_int_equal(stats.replayed_samples, SERIES);
    for (uint32_t id = 0; id < SERIES; id += 499)
        assert_int_equal(read_all(reader, id, INT64_MIN, INT64_MAX, NULL, NULL),
                         1);
    fw_store_close(reader);
    fw_store_close(store);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(samples_come_back_bit_for_bit),
        cmocka_unit_test(a_store_reopened_has_everything),
        cmocka_unit_test(late_samples_find_their_place),
        cmocka_unit_test(samples_ahead_of_the_clock_are_refused_by_name),
        cmocka_unit_test(any_time_is_valid),
        cmocka_unit_test(matchers_select_as_prometheus_does),
        cmocka_unit_test(select_answers_in_label_order_and_by_time),
        cmocka_unit_test(wrong_folders_have_a_sentence),
        cmocka_unit_test(a_second_writer_is_told_who_has_it),
        cmocka_unit_test(a_reader_sees_what_was_durable),
        cmocka_unit_test(unknown_series_are_refused),
        cmocka_unit_test(answered_batches_lend_their_room),
        cmocka_unit_test(a_patient_batch_waits_for_company),
        cmocka_unit_test(a_flood_of_new_series_is_stored),
    };

    fake_clock_init(&fake, NOW);
    return fixture_main(argc, argv, tests);
}
