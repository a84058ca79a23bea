/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * test_twins.c - how often samples are read: once, however much windows
 * overlap and however often an expression names them.
 */
#include "tests/support/fixture.h"

#include "storage/base/limits.h"
#include "tests/unit/query/memory_source.h"

#define SERIES 3
#define SAMPLES 101
#define ALL (SERIES * SAMPLES)

struct fixture {
    struct memory_source data;
    struct fw_source source;
    struct fw_arena *arena;
    struct fw_query_options options;
    struct fw_result result;
    struct fw_err err;
};

static int setup(void **state)
{
    static struct fixture f;

    f = (struct fixture){.arena = fw_arena_new((size_t)64 << 20),
                         .options = {.end = 1000000, .step = 10000}};
    memory_source_init(&f.data);
    f.source = memory_source_as_source(&f.data);
    for (int s = 0; s < SERIES; s++) {
        char name[32];
        struct memory_series *series;

        (void)snprintf(name, sizeof(name), "m{s=\"%d\"}", s);
        series = memory_source_series(&f.data, name);
        for (int i = 0; i < SAMPLES; i++)
            memory_series_add(series, i * 10000, s * 100 + i % 7 + 1);
    }
    *state = &f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    memory_source_release(&f->data);
    fw_arena_free(f->arena);
    return 0;
}

/* How many samples were handed out for the expression. */
static uint64_t samples_of(struct fixture *f, const char *text)
{
    struct fw_query *query = NULL;

    f->data.handed = f->data.opened = 0;
    assert_int_equal(fw_query_parse(fw_str_of(text), f->arena, &query, &f->err),
                     FW_OK);
    if (fw_query_run(query, &f->source, &f->options, f->arena, &f->result,
                     &f->err) != FW_OK)
        fail_msg("%s: %s", text, f->err.text);
    assert_int_equal(f->result.series_read, f->data.opened);
    /* The instants of subqueries are counted as well. */
    if (strchr(text, ':') == NULL)
        assert_int_equal(f->result.samples_read, f->data.handed);
    return f->data.handed;
}

static void overlapping_windows_read_each_sample_once(void **state)
{
    static const char *const texts[] = {
        "m",
        "rate(m[10s])",
        "rate(m[500s])",
        "sum_over_time(m[15s])",
        "avg_over_time(m[900s])",
        "max_over_time(m[100s])",
        "stddev_over_time(m[300s])",
        "quantile_over_time(0.9, m[400s])",
        "changes(m[200s])",
        "deriv(m[5m])",
        "sum by (s) (rate(m[100s]))",
        "topk(2, m)",
        "max_over_time(m[200s:10s])",
        "sum_over_time(rate(m[100s])[300s:20s])",
        "max_over_time(sum_over_time(m[50s])[200s:10s])",
    };
    struct fixture *f = *state;

    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        print_message("%s\n", texts[i]);
        assert_int_equal(samples_of(f, texts[i]), ALL);
        assert_int_equal(f->data.opened, SERIES);
    }
}

static void equal_vectors_are_read_once(void **state)
{
    static const char *const texts[] = {
        "m / m",
        "sum(m) / count(m)",
        "sum by (s) (m) / sum by (s) (m)",
        "m / on (s) (m + on (s) (m))",
        "m{s=~\"0|1|2\"} + m{s=~\"0|1|2\"} - m{s=~\"0|1|2\"}",
        "avg_over_time(m[100s]) > 1 and avg_over_time( m [100s])",
        "max_over_time(m[9s]) + (m + m) unless max_over_time(m[9s])",
        "max_over_time((m + m)[50s:10s])",
        "scalar(sum(m)) + sum(m)",
        "label_replace(m, \"a\", \"b\", \"\", \"\") * on (s) m",
    };
    static const uint64_t wanted[] = {ALL, ALL,     ALL, ALL, ALL,
                                      ALL, 2 * ALL, ALL, ALL, ALL};
    struct fixture *f = *state;

    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        print_message("%s\n", texts[i]);
        assert_int_equal(samples_of(f, texts[i]), wanted[i]);
    }
}

static void what_differs_is_read_for_itself(void **state)
{
    static const char *const texts[] = {
        "m - -m",           /* twins: m */
        "m{s!=\"9\"} - m",  /* a matcher */
        "m - m offset 1ms", /* a shift */
        "sum_over_time(m[10s]) / sum_over_time(m[20s])",
        "max_over_time(m[60s:10s]) - on (s) m", /* other instants */
        "timestamp(m) - m",                     /* reads for itself */
        "rate(m[1m]) + rate(m[1m])",            /* each says where it stands */
    };
    struct fixture *f = *state;

    assert_int_equal(samples_of(f, texts[0]), ALL);
    for (size_t i = 1; i < sizeof(texts) / sizeof(texts[0]); i++) {
        print_message("%s\n", texts[i]);
        assert_true(samples_of(f, texts[i]) > ALL);
    }
}

/* The value at a step of the first series. */
static double value(const struct fixture *f, size_t i)
{
    return f->result.series[0].v[i];
}

static void receivers_may_write_to_what_they_are_given(void **state)
{
    struct fixture *f = *state;

    /* The sign is turned in place, four times over the same rows. */
    (void)samples_of(f, "-m + -m * -m - m");
    for (size_t i = 0; i < SAMPLES; i++) {
        double m = (double)(i % 7 + 1);

        assert_true(value(f, i) == -m + m * m - m);
    }
    (void)samples_of(f, "m + -m + m + -m + m");
    for (size_t i = 0; i < SAMPLES; i++)
        assert_true(value(f, i) == (double)(i % 7 + 1));
}

static void without_room_each_is_read_again(void **state)
{
    struct fw_query_limits before = fw_query_limits();
    struct fw_query_limits tight = {.max_bytes = 8000};
    struct fixture *f = *state;

    fw_query_limits_set(&tight);
    assert_int_equal(samples_of(f, "m - m"), 2 * ALL);
    for (size_t i = 0; i < SAMPLES; i++)
        assert_true(value(f, i) == 0);
    fw_query_limits_set(&before);
    assert_int_equal(samples_of(f, "m - m"), ALL);
}

/* 256 vectors are compared with; what comes behind them is read for itself. */
static void only_the_first_are_compared_with(void **state)
{
    struct fixture *f = *state;
    struct fw_buf text = FW_BUF_INIT(FW_MAX_QUERY_TEXT_BYTES);

    assert_int_equal(fw_buf_adds(&text, "m or (x or m"), FW_OK);
    for (int i = 0; i < 200; i++)
        assert_int_equal(fw_buf_printf(&text, " or x%d", i), FW_OK);
    assert_int_equal(fw_buf_adds(&text, " or m"), FW_OK);
    for (int i = 200; i < 400; i++)
        assert_int_equal(fw_buf_printf(&text, " or x%d", i), FW_OK);
    assert_int_equal(fw_buf_adds(&text, ") or -m or -m"), FW_OK);
    (void)samples_of(f, text.data);
    assert_int_equal(f->result.count, SERIES);
    fw_buf_release(&text);
}

static void explain_says_which_rows_were_there(void **state)
{
    struct fixture *f = *state;
    struct fw_query *query = NULL;
    struct fw_buf plan = FW_BUF_INIT(100000);

    assert_int_equal(
        fw_query_parse(FW_STR("sum(m) / count(m)"), f->arena, &query, &f->err),
        FW_OK);
    assert_int_equal(fw_query_explain(query, &f->source, &f->options, f->arena,
                                      &plan, &f->err),
                     FW_OK);
    assert_non_null(strstr(plan.data, "read 3 series, 303 samples"));
    assert_non_null(strstr(plan.data, "3 series out  those made above\n"));
    fw_buf_release(&plan);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        TEST(overlapping_windows_read_each_sample_once),
        TEST(equal_vectors_are_read_once),
        TEST(what_differs_is_read_for_itself),
        TEST(receivers_may_write_to_what_they_are_given),
        TEST(without_room_each_is_read_again),
        TEST(only_the_first_are_compared_with),
        TEST(explain_says_which_rows_were_there),
    };

    return fixture_main(argc, argv, tests);
}
