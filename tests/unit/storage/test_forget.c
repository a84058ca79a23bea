/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "storage/index/forget.h"
#include "tests/support/fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "storage/segments/sealer.h"
#include "storage/segments/verify.h"
#include "tests/support/fake_clock.h"
#include "tests/support/tmpdir.h"

#define NOW ((fw_ms)1700000000000)
#define KEPT (3 * FW_DAY)

/* Only the wall clock moves here, so the store makes no sweeps by itself. */
static struct fake_clock fake;
static struct fw_err err;
static struct forget_state g_state;

static struct fw_store *open_store(const char *dir, bool read_only)
{
    struct fw_store_options options = {.create = true,
                                       .read_only = read_only,
                                       .linger = -1,
                                       .retention = KEPT,
                                       .ooo_window = 30 * FW_DAY,
                                       .disk_floor = 1,
                                       .clock = &fake.clock};
    struct fw_store *store = NULL;

    if (fw_store_open(dir, &options, &store, &err) != FW_OK)
        fail_msg("open: %s", err.text);
    g_state = (struct forget_state){0};
    return store;
}

static fw_rc make(struct fw_store *store, unsigned pod, uint32_t *id)
{
    char text[32];
    struct fw_label v[] = {{FW_STR(FW_METRIC_NAME), FW_STR("cpu")},
                           {FW_STR("namespace"), FW_STR("default")},
                           {FW_STR("pod"), {text, 0}}};
    struct fw_labels labels = {v, 3};

    v[2].value.n =
        (size_t)snprintf(text, sizeof(text), "pod-%08x", pod * 2654435761u);
    return fw_store_series(store, &labels, id, &err);
}

static uint32_t series_of(struct fw_store *store, unsigned pod)
{
    uint32_t id = 0;

    assert_int_equal(make(store, pod, &id), FW_OK);
    return id;
}

static fw_rc write_at(struct fw_store *store, uint32_t id, fw_ms t)
{
    struct fw_append_result result;
    struct fw_batch batch = {0};
    fw_rc rc;

    for (int i = 0; i < 3; i++)
        assert_int_equal(fw_batch_add(&batch, id, t + i * FW_MINUTE, i), FW_OK);
    rc = fw_store_append(store, &batch, &result, &err);
    fw_batch_release(&batch);
    return rc;
}

static void write_pods(struct fw_store *store, unsigned from, unsigned n,
                       fw_ms t)
{
    struct fw_append_result result;
    struct fw_batch batch = {0};

    for (unsigned i = 0; i < n; i++) {
        uint32_t id = series_of(store, from + i);

        for (int k = 0; k < 3; k++)
            assert_int_equal(fw_batch_add(&batch, id, t + k * FW_MINUTE, k),
                             FW_OK);
    }
    assert_int_equal(fw_store_append(store, &batch, &result, &err), FW_OK);
    assert_int_equal(result.stored, 3 * n);
}

static void sweep(struct fw_store *store)
{
    (void)pthread_mutex_lock(&store->quiet);
    if (forget_sweep(store, &g_state, &err) != FW_OK)
        fail_msg("sweep: %s", err.text);
    (void)pthread_mutex_unlock(&store->quiet);
}

/* What there is goes to disk, and what is too old goes. */
static void seal(struct fw_store *store)
{
    if (sealer_run(store->sealer, SEAL_ALL, &err) != FW_OK)
        fail_msg("seal: %s", err.text);
}

static void pass_days(struct fw_store *store, unsigned days)
{
    for (unsigned i = 0; i < days; i++) {
        fake_clock_step(&fake, fake.now_ms + FW_DAY);
        /* Somebody else goes on writing: the edge of retention moves. */
        assert_int_equal(write_at(store, series_of(store, 999999), fake.now_ms),
                         FW_OK);
        seal(store);
    }
}

static size_t count_pods(struct fw_store *store)
{
    const struct fw_matcher m = {FW_MATCH_REGEX, FW_STR("pod"), FW_STR(".+")};
    struct fw_arena *arena = fw_arena_new(64 << 20);
    struct fw_series *series = NULL;
    size_t n = 0;

    assert_int_equal(fw_store_select(store, &m, 1, INT64_MIN, INT64_MAX,
                                     SIZE_MAX, arena, &series, &n, &err),
                     FW_OK);
    fw_arena_free(arena);
    return n;
}

static void found(void *self, const char *text)
{
    (void)self;
    fail_msg("verify: %s", text);
}

static void series_that_came_and_went_leave_nothing(void **state)
{
    enum { DAYS = 30, PODS = 600, LIVE = (KEPT / FW_DAY + 3) * PODS };
    const char *dir = tmpdir_new();
    struct verify_totals totals;
    struct fw_store_stats stats;
    struct fw_store *store;

    (void)state;
    fake_clock_init(&fake, NOW);
    store = open_store(dir, false);
    for (unsigned day = 0; day < DAYS; day++) {
        fake_clock_step(&fake, NOW + day * FW_DAY);
        write_pods(store, day * PODS, PODS, fake.now_ms);
        seal(store);
        sweep(store);
        fw_store_stats(store, &stats);
        assert_true(stats.series <= LIVE);
    }
    assert_int_equal(stats.series + stats.series_forgotten, DAYS * PODS);
    assert_true(count_pods(store) >= 3 * PODS);
    assert_true(store->registry.symbols.n < LIVE + 100);
    assert_true(atomic_load(&store->head.groups) <= 2);
    assert_true(store->registry.page_bytes < LIVE * 12);
    assert_true(postings_bytes(&store->registry.postings) < 64 << 10);
    fw_store_close(store);
    store = open_store(dir, true);
    fw_store_stats(store, &stats);
    assert_true(stats.series <= LIVE);
    assert_true(stats.disk_bytes < 600000); /* 18,000 series were written */
    assert_int_equal(verify_store(store, found, NULL, &totals, &err), FW_OK);
    fw_store_close(store);
}

static void a_series_that_is_asked_for_stays(void **state)
{
    const char *dir = tmpdir_new();
    struct fw_store *store;
    uint32_t asked, left;
    uint64_t epoch;

    (void)state;
    fake_clock_init(&fake, NOW);
    store = open_store(dir, false);
    asked = series_of(store, 1);
    left = series_of(store, 2);
    assert_int_equal(write_at(store, asked, NOW), FW_OK);
    assert_int_equal(write_at(store, left, NOW), FW_OK);
    pass_days(store, 6);
    assert_int_equal(count_pods(store), 1);
    epoch = fw_store_epoch(store);
    sweep(store);
    assert_true(fw_store_epoch(store) != epoch);
    assert_int_equal(series_of(store, 1), asked);
    pass_days(store, 1);
    sweep(store);
    assert_int_equal(write_at(store, asked, fake.now_ms), FW_OK);
    assert_int_equal(write_at(store, left, fake.now_ms), FW_EINVAL);
    assert_true(series_of(store, 2) > left);
    assert_int_equal(write_at(store, series_of(store, 2), fake.now_ms), FW_OK);
    fw_store_close(store);
}

static void what_the_journal_still_has_stays(void **state)
{
    const char *dir = tmpdir_new();
    struct fw_store *store;
    uint32_t id;

    (void)state;
    fake_clock_init(&fake, NOW);
    store = open_store(dir, false);
    id = series_of(store, 1);
    assert_int_equal(write_at(store, id, NOW), FW_OK);
    fake_clock_step(&fake, NOW + 6 * FW_DAY);
    assert_int_equal(write_at(store, series_of(store, 999999), fake.now_ms),
                     FW_OK);
    seal(store); /* all is too old, but trimming waits for the next commit */
    sweep(store);
    sweep(store);
    assert_true(registry_has(&store->registry, id));
    pass_days(store, 1);
    sweep(store);
    assert_false(registry_has(&store->registry, id));
    fw_store_close(store);
}

static void nothing_is_forgotten_where_something_is_damaged(void **state)
{
    const char *dir = tmpdir_new();
    struct fw_store *store;
    uint32_t id;

    (void)state;
    fake_clock_init(&fake, NOW);
    store = open_store(dir, false);
    id = series_of(store, 1);
    assert_int_equal(write_at(store, id, NOW), FW_OK);
    pass_days(store, 6);
    atomic_store(&store->counters.corrupt, 1);
    for (int i = 0; i < 3; i++) {
        sweep(store);
        pass_days(store, 1);
    }
    assert_true(registry_has(&store->registry, id));
    fw_store_close(store);
}

static void an_id_never_comes_again(void **state)
{
    const char *dir = tmpdir_new();
    struct fw_store *store;
    uint32_t last;

    (void)state;
    fake_clock_init(&fake, NOW);
    store = open_store(dir, false);
    write_pods(store, 0, 1500, NOW);
    last = series_of(store, 1499);
    pass_days(store, 6);
    sweep(store);
    pass_days(store, 1);
    sweep(store);
    assert_false(registry_has(&store->registry, last));
    last = (uint32_t)registry_next_id(&store->registry);
    fw_store_close(store);
    store = open_store(dir, false);
    assert_int_equal(series_of(store, 5), last);
    fw_store_close(store);
}

static void a_metric_has_a_limit_of_its_own(void **state)
{
    struct fw_store_options options = {.create = true,
                                       .linger = -1,
                                       .disk_floor = 1,
                                       .max_metric_series = 700,
                                       .clock = &fake.clock};
    struct fw_label other[] = {{FW_STR(FW_METRIC_NAME), FW_STR("memory")}};
    struct fw_labels labels = {other, 1};
    struct fw_store_stats stats;
    struct fw_store *store = NULL;
    const char *dir = tmpdir_new();
    uint32_t id = 0;

    (void)state;
    fake_clock_init(&fake, NOW);
    for (int pass = 0; pass < 2; pass++) { /* the count is there again */
        assert_int_equal(fw_store_open(dir, &options, &store, &err), FW_OK);
        write_pods(store, 0, 700, NOW + pass * FW_MINUTE * 5);
        assert_int_equal(make(store, 701, &id), FW_ETOOBIG);
        assert_non_null(strstr(err.text, "'cpu' has 700 series"));
        assert_non_null(strstr(err.text, "--max-metric-series"));
        assert_int_equal(fw_store_series(store, &labels, &id, &err), FW_OK);
        fw_store_stats(store, &stats);
        assert_int_equal(stats.series_refused, 1);
        fw_store_close(store);
    }
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(series_that_came_and_went_leave_nothing),
        cmocka_unit_test(a_series_that_is_asked_for_stays),
        cmocka_unit_test(what_the_journal_still_has_stays),
        cmocka_unit_test(nothing_is_forgotten_where_something_is_damaged),
        cmocka_unit_test(an_id_never_comes_again),
        cmocka_unit_test(a_metric_has_a_limit_of_its_own),
    };

    return fixture_main(argc, argv, tests);
}
