/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "tests/support/fixture.h"

#include <math.h>
#include <string.h>

#include "predict/csv_input.h"

struct read {
    struct fw_arena *arena;
    struct csv_series *series;
    size_t count;
    struct csv_report report;
    struct fw_err err;
};

static int set_up(void **state)
{
    static struct read r;

    memset(&r, 0, sizeof(r));
    r.arena = fw_arena_new((size_t)16 << 20);
    *state = &r;
    return r.arena == NULL;
}

static int tear_down(void **state)
{
    fw_arena_free(((struct read *)*state)->arena);
    return 0;
}

static fw_rc series(struct read *r, const char *text)
{
    return csv_read_series(fw_str_of(text), r->arena, &r->series, &r->count,
                           &r->report, &r->err);
}

static void columns_go_by_their_names(void **state)
{
    struct read *r = *state;

    assert_int_equal(series(r, "value,series,timestamp\n"
                               "1.5,a,1700000000\n"
                               "2.5,b,1700000000\n"
                               "3.5,a,1700000060.25\n"),
                     FW_OK);
    assert_int_equal(r->count, 2);
    assert_true(fw_str_eq(r->series[0].name, FW_STR("a")));
    assert_int_equal(r->series[0].n, 2);
    assert_int_equal(r->series[0].t[1], 1700000060250);
    assert_true(r->series[0].v[1] == 3.5);
}

static void a_header_is_not_needed(void **state)
{
    struct read *r = *state;

    assert_int_equal(series(r, "2023-11-14T22:13:20Z,7\n"
                               "2023-11-14T22:13:21+00:00,8\r\n"),
                     FW_OK);
    assert_int_equal(r->count, 1);
    assert_int_equal(r->series[0].t[0], 1700000000000);
    assert_int_equal(r->series[0].n, 2);
}

static void quotes_keep_commas_and_lines(void **state)
{
    struct read *r = *state;

    assert_int_equal(series(r, "\xef\xbb\xbfseries,timestamp,value\n"
                               "\"a,\"\"b\"\"\nc\", 1 , 2 \n"
                               "x,zwei,3\n"),
                     FW_OK);
    assert_true(fw_str_eq(r->series[0].name, FW_STR("a,\"b\"\nc")));
    assert_int_equal(r->report.bad, 1);
    assert_int_equal(r->report.complaint[0].row, 4);
}

static void disorder_is_sorted_and_the_last_of_equals_counts(void **state)
{
    struct read *r = *state;

    assert_int_equal(series(r, "timestamp,value\n30,3\n10,1\n20,2\n10,9\n"),
                     FW_OK);
    assert_int_equal(r->series[0].n, 3);
    assert_true(r->series[0].v[0] == 9.0);
    assert_int_equal(r->report.duplicates, 1);
    assert_true(r->report.unordered);
    assert_true(r->series[0].t[2] == 30000);
}

static void bad_rows_are_named_by_their_line(void **state)
{
    struct read *r = *state;

    assert_int_equal(series(r, "timestamp,value\n1,1\n2,n/a\nyesterday,3\n4\n"
                               "\n5,5\n1e300,6\n"),
                     FW_OK);
    assert_int_equal(r->report.bad, 4);
    assert_int_equal(r->report.complaint[0].row, 3);
    assert_non_null(strstr(r->report.complaint[0].what, "'n/a' is no number"));
    assert_int_equal(r->report.complaint[1].row, 4);
    assert_int_equal(r->report.complaint[2].row, 5);
    assert_int_equal(r->report.complaint[3].row, 8);
    assert_int_equal(r->series[0].n, 2);
}

static void nothing_usable_is_refused(void **state)
{
    struct read *r = *state;

    assert_int_equal(series(r, ""), FW_EINVAL);
    assert_int_equal(series(r, "alpha,beta\n1,2\n"), FW_EINVAL);
    assert_non_null(strstr(r->err.text, "names no columns"));
    assert_int_equal(series(r, "timestamp,value\nx,y\n"), FW_EINVAL);
    assert_int_equal(series(r, "timestamp,value\n\"1,2\n"), FW_EINVAL);
}

static void nan_and_infinity_are_values(void **state)
{
    struct read *r = *state;

    assert_int_equal(series(r, "timestamp,value\n1,NaN\n2,-Inf\n3,1e999\n"),
                     FW_OK);
    assert_true(isnan(r->series[0].v[0]));
    assert_true(isinf(r->series[0].v[1]));
    assert_true(isinf(r->series[0].v[2]));
}

static void tasks_are_read(void **state)
{
    struct read *r = *state;
    struct csv_task *tasks;
    size_t n;

    assert_int_equal(
        csv_read_tasks(FW_STR("task,series,as_of,threshold,direction,"
                              "horizon_s,breach\n"
                              "q1,a,1700000000,90,above,3600,0\n"
                              "q2,a,1700000000,9,below,60,0\n"
                              "q3,a,1700000000,9,beside,60,0\n"
                              "q4,a,1700000000,nan,below,60,0\n"
                              "q5,a,1700000000,1,below,-60,0\n"),
                       r->arena, &tasks, &n, &r->report, &r->err),
        FW_OK);
    assert_int_equal(n, 2);
    assert_int_equal(r->report.bad, 3);
    assert_true(tasks[1].below);
    assert_int_equal(tasks[0].horizon, FW_HOUR);
    assert_int_equal(csv_read_tasks(FW_STR("task,series\nq,a\n"), r->arena,
                                    &tasks, &n, &r->report, &r->err),
                     FW_EINVAL);
    assert_non_null(strstr(r->err.text, "as_of"));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        TEST(columns_go_by_their_names),
        TEST(a_header_is_not_needed),
        TEST(quotes_keep_commas_and_lines),
        TEST(disorder_is_sorted_and_the_last_of_equals_counts),
        TEST(bad_rows_are_named_by_their_line),
        TEST(nothing_usable_is_refused),
        TEST(nan_and_infinity_are_values),
        TEST(tasks_are_read),
    };
    return fixture_main(argc, argv, tests);
}
