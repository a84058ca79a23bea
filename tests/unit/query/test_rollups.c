/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * test_rollups.c - the same answers whether the samples are there or only their
 * summaries are, wherever no window cuts an hour.
 */
#include "tests/support/fixture.h"

#include <math.h>
#include <string.h>

#include "query/query.h"
#include "tests/support/fake_clock.h"
#include "tests/support/tmpdir.h"

#define START ((fw_ms)19700 * FW_DAY)
#define STEP ((fw_ms)30000)
#define SAMPLES ((int)(FW_DAY / STEP))
#define SERIES 3
#define POINTS 8

static struct fake_clock fake;
static struct fw_err err;

static struct fw_store *open_store(const char *dir)
{
    struct fw_store_options options = {.create = true,
                                       .linger = -1,
                                       .retention = 5 * FW_DAY,
                                       .rollup_retention = 100 * FW_DAY,
                                       .ooo_window = 100 * FW_DAY,
                                       .disk_floor = 1,
                                       .clock = &fake.clock};
    struct fw_store *store = NULL;

    if (fw_store_open(dir, &options, &store, &err) != FW_OK)
        fail_msg("open: %s", err.text);
    return store;
}

/* A counter that begins anew now and then. */
static void append(struct fw_store *store, fw_ms from, int n)
{
    struct fw_append_result result = {0};
    struct fw_batch batch = {0};

    for (int s = 0; s < SERIES; s++) {
        char host[8];
        struct fw_label v[] = {{FW_STR(FW_METRIC_NAME), FW_STR("m_total")},
                               {FW_STR("host"), {host, 0}}};
        struct fw_labels labels = {v, 2};
        uint32_t id = 0;

        v[1].value.n = (size_t)snprintf(host, sizeof(host), "h%d", s);
        assert_int_equal(fw_store_series(store, &labels, &id, &err), FW_OK);
        for (int i = 0; i < n; i++)
            assert_int_equal(
                fw_batch_add(&batch, id, from + i * STEP,
                             (double)(i * (s + 2) % (700 + s)) / 4 + 1),
                FW_OK);
    }
    assert_int_equal(fw_store_append(store, &batch, &result, &err), FW_OK);
    assert_int_equal(result.stored, (unsigned)(n * SERIES));
}

static void compact(struct fw_store *store)
{
    if (fw_store_compact(store, NULL, &err) != FW_OK)
        fail_msg("compact: %s", err.text);
}

/* The samples of the first day go, its summaries stay. */
static void let_go(struct fw_store *store)
{
    fake_clock_step(&fake, START + 20 * FW_DAY);
    append(store, START + 19 * FW_DAY, 1);
    compact(store);
    assert_true(fw_store_rollups_last(store) != INT64_MIN);
}

/* The values of all series at all steps, absent ones left out. */
static size_t ask(struct fw_store *store, const char *text, fw_ms start,
                  fw_ms step, double *out, struct fw_buf *plan)
{
    struct fw_source source = fw_source_of_store(store);
    struct fw_query_options options = {
        .start = start, .end = start + (POINTS - 1) * step, .step = step};
    struct fw_arena *arena = fw_arena_new((size_t)64 << 20);
    struct fw_query *query = NULL;
    struct fw_result result = {0};
    size_t n = 0;

    if (fw_query_parse(fw_str_of(text), arena, &query, &err) != FW_OK ||
        fw_query_run(query, &source, &options, arena, &result, &err) != FW_OK)
        fail_msg("%s: %s", text, err.text);
    for (size_t i = 0; i < result.count; i++)
        for (size_t k = 0; k < result.series[i].n; k++)
            out[n++] = result.series[i].v[k];
    if (plan != NULL)
        assert_int_equal(
            fw_query_explain(query, &source, &options, arena, plan, &err),
            FW_OK);
    fw_arena_free(arena);
    return n;
}

static const char *const expressions[] = {
    "sum_over_time(m_total[2h])",     "count_over_time(m_total[1h])",
    "avg_over_time(m_total[3h])",     "min_over_time(m_total[2h])",
    "max_over_time(m_total[1h])",     "last_over_time(m_total[2h])",
    "present_over_time(m_total[1h])", "rate(m_total[2h])",
    "increase(m_total[1h])",          "delta(m_total[3h])",
    "sum(rate(m_total[6h]))",         "avg_over_time(m_total[12h])",
};

static void windows_of_whole_hours_are_answered_as_before(void **state)
{
    enum { KINDS = sizeof(expressions) / sizeof(expressions[0]) };
    static double before[KINDS][SERIES * POINTS], after[SERIES * POINTS];
    const char *dir = tmpdir_new();
    struct fw_store *store = open_store(dir);
    fw_ms start = START + 13 * FW_HOUR;
    size_t counts[KINDS];

    (void)state;
    append(store, START, SAMPLES);
    for (size_t i = 0; i < KINDS; i++)
        counts[i] = ask(store, expressions[i], start, FW_HOUR, before[i], NULL);
    compact(store);
    let_go(store);
    for (size_t i = 0; i < KINDS; i++) {
        size_t n = ask(store, expressions[i], start, FW_HOUR, after, NULL);

        if (n != counts[i] || n < POINTS)
            fail_msg("%s: %zu of %zu points", expressions[i], n, counts[i]);
        for (size_t k = 0; k < n; k++)
            if (!(fabs(after[k] - before[i][k]) <=
                  1e-9 * (1 + fabs(before[i][k]))))
                fail_msg("%s: %.17g was %.17g", expressions[i], after[k],
                         before[i][k]);
    }
    fw_store_close(store);
}

static void an_hour_that_a_window_cuts_is_left_out(void **state)
{
    static double out[SERIES * POINTS];
    const char *dir = tmpdir_new();
    struct fw_store *store = open_store(dir);
    fw_ms half = START + 13 * FW_HOUR + FW_HOUR / 2;

    (void)state;
    append(store, START, SAMPLES);
    compact(store);
    let_go(store);
    /* Two hours with both ends in the midst of one: the whole one is there. */
    assert_int_equal(
        ask(store, "count_over_time(m_total[2h])", half, FW_DAY, out, NULL),
        SERIES);
    assert_true(out[0] == (double)(FW_HOUR / STEP));
    /* What needs samples finds none. */
    assert_int_equal(ask(store, "m_total", half, FW_HOUR, out, NULL), 0);
    assert_int_equal(ask(store, "quantile_over_time(0.5, m_total[2h])", half,
                         FW_HOUR, out, NULL),
                     0);
    fw_store_close(store);
}

static void explain_says_that_rollups_were_read(void **state)
{
    static double out[SERIES * POINTS];
    const char *dir = tmpdir_new();
    struct fw_store *store = open_store(dir);
    struct fw_buf plan = FW_BUF_INIT(1 << 16);

    (void)state;
    append(store, START, SAMPLES);
    compact(store);
    (void)ask(store, "increase(m_total[1h])", START + 13 * FW_HOUR, FW_HOUR,
              out, &plan);
    assert_int_equal(fw_buf_add(&plan, "", 1), FW_OK);
    assert_null(strstr(plan.data, "rollups"));
    let_go(store);
    plan.len = 0;
    (void)ask(store, "increase(m_total[1h])", START + 13 * FW_HOUR, FW_HOUR,
              out, &plan);
    assert_int_equal(fw_buf_add(&plan, "", 1), FW_OK);
    assert_non_null(strstr(plan.data, "24 rows of rollups"));
    fw_buf_release(&plan);
    fw_store_close(store);
}

static int set_up(void **state)
{
    (void)state;
    fake_clock_init(&fake, START + 2 * FW_DAY);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(windows_of_whole_hours_are_answered_as_before,
                               set_up),
        cmocka_unit_test_setup(an_hour_that_a_window_cuts_is_left_out, set_up),
        cmocka_unit_test_setup(explain_says_that_rollups_were_read, set_up),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
