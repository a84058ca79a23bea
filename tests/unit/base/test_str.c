/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "tests/support/fixture.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "storage/base/bytes.h"
#include "storage/base/str.h"
#include "tests/support/synth.h"

static void utf8_is_judged_by_rfc_3629(void **state)
{
    static const char *const good[] = {"", "plain", "\xc3\xa9", "\xe2\x82\xac",
                                       "\xf0\x9f\x92\xbe"};
    static const char *const bad[] = {
        "\xff",         "\xc3",     "\xc0\xaf",         "\xe0\x80\xaf",
        "\xed\xa0\x80", "a\x80",    "\xf4\x90\x80\x80", "\xf8\x88\x80\x80\x80",
        "\xe2\x82",     "\xe2(\xa1"};

    (void)state;
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
        assert_true(fw_utf8_valid(good[i], strlen(good[i])));
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        assert_false(fw_utf8_valid(bad[i], strlen(bad[i])));
}

static void columns_count_code_points(void **state)
{
    (void)state;
    assert_int_equal(fw_utf8_columns("a\xe2\x82\xac", 4), 2);
    assert_int_equal(fw_utf8_columns("", 0), 0);
}

static void what_moves_the_cursor_is_made_visible(void **state)
{
    struct fw_buf out = FW_BUF_INIT(200);

    (void)state;
    assert_int_equal(fw_add_visible(&out, FW_STR("a\033[2J\n\xff\xe2\x80\xae"
                                                 "\xc3\xa9\x7f")),
                     FW_OK);
    assert_string_equal(out.data, "a\\x1b[2J\\x0a\\xff\\u{202e}\xc3\xa9\\x7f");
    fw_buf_release(&out);
}

static void durations_read_as_prometheus_reads_them(void **state)
{
    static const struct {
        const char *text;
        fw_ms want;
    } cases[] = {{"5m", 300000},      {"1h30m", 5400000},
                 {"250ms", 250},      {"1d", 86400000},
                 {"1w2d", 777600000}, {"1y", 31536000000},
                 {"1m1s1ms", 61001},  {"0", 0},
                 {"0s", 0},           {"10675199d", 922337193600000}};

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        fw_ms got = -1;

        assert_int_equal(
            fw_parse_duration(fw_str_of(cases[i].text), &got, NULL), FW_OK);
        assert_true(got == cases[i].want);
    }
}

static void bad_durations_are_named(void **state)
{
    static const char *const bad[] = {"",
                                      "5",
                                      "m",
                                      "5x",
                                      "1m1h",
                                      "1h1h",
                                      "-5m",
                                      "1.5h",
                                      " 5m",
                                      "5m ",
                                      "99999999999999999999s",
                                      "400000000y"};
    struct fw_err err = {0};

    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        fw_ms got = 42;

        assert_int_equal(fw_parse_duration(fw_str_of(bad[i]), &got, &err),
                         FW_EINVAL);
        assert_true(got == 42);
        assert_non_null(strstr(err.text, "is not a duration"));
    }
}

static void times_read_in_every_form(void **state)
{
    const fw_ms now = 1700000000000;
    static const struct {
        const char *text;
        fw_ms want;
    } cases[] = {{"now", 1700000000000},
                 {"-6h", 1699978400000},
                 {"now-1m", 1699999940000},
                 {"now+1m", 1700000060000},
                 {"1700000000", 1700000000000},
                 {"1700000000.25", 1700000000250},
                 {"-1", -1000},
                 {"1970-01-01T00:00:00Z", 0},
                 {"1970-01-01", 0},
                 {"2023-11-14T22:13:20Z", 1700000000000},
                 {"2023-11-14 22:13:20", 1700000000000},
                 {"2023-11-14T23:13:20+01:00", 1700000000000},
                 {"2023-11-14T22:13:20.125Z", 1700000000125},
                 {"1969-12-31T23:59:59Z", -1000},
                 {"2000-02-29T00:00:00Z", 951782400000}};

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        fw_ms got = -77;

        assert_int_equal(
            fw_parse_time(fw_str_of(cases[i].text), now, &got, NULL), FW_OK);
        assert_true(got == cases[i].want);
    }
}

static void bad_times_are_named(void **state)
{
    static const char *const bad[] = {"",
                                      "yesterday",
                                      "2023-13-01",
                                      "now-",
                                      "2023-02-29",
                                      "2023-11-14T25:00:00Z",
                                      "1e300",
                                      "2023-11-14T22:13:20X",
                                      "nowish",
                                      "nan",
                                      "2023-11-14T22:13:20.Z"};
    struct fw_err err = {0};

    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        fw_ms got;

        assert_int_equal(fw_parse_time(fw_str_of(bad[i]), 0, &got, &err),
                         FW_EINVAL);
        assert_non_null(strstr(err.text, "is not a time"));
    }
}

static void times_print_and_read_back(void **state)
{
    struct synth_rng rng = synth_seed(fixture_seed());
    char text[FW_TIME_TEXT_BYTES];

    (void)state;
    for (int i = 0; i < 2000; i++) {
        fw_ms t = (fw_ms)(synth_u64(&rng) % 8000000000000u) - 2000000000000;
        fw_ms back = 0;

        (void)fw_format_time(text, t);
        assert_int_equal(fw_parse_time(fw_str_of(text), 0, &back, NULL), FW_OK);
        assert_true(back == t);
        (void)fw_format_second(text, t);
        assert_null(strchr(text, '.'));
        assert_int_equal(fw_parse_time(fw_str_of(text), 0, &back, NULL), FW_OK);
        assert_true(back <= t && t - back < FW_SECOND);
    }
    assert_int_equal(fw_format_second(text, 999), 20);
    assert_string_equal(text, "1970-01-01T00:00:00Z");
    assert_true(fw_format_second(text, INT64_MIN) > 20);
}

static void doubles_print_as_go_prints_them(void **state)
{
    static const struct {
        double v;
        const char *want;
    } cases[] = {{0, "0"},
                 {-0.0, "-0"},
                 {1, "1"},
                 {0.1, "0.1"},
                 {1e21, "1e+21"},
                 {1e20, "100000000000000000000"},
                 {123456789012345680.0, "123456789012345680"},
                 {1e-6, "0.000001"},
                 {9.5e-7, "9.5e-07"},
                 {5e-324, "5e-324"},
                 {1.7976931348623157e308, "1.7976931348623157e+308"},
                 {0.8721428571428987, "0.8721428571428987"},
                 {-2.5, "-2.5"},
                 {INFINITY, "+Inf"},
                 {-INFINITY, "-Inf"}};
    char text[FW_DOUBLE_TEXT_BYTES];

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        size_t n = fw_format_double(text, cases[i].v);

        assert_string_equal(text, cases[i].want);
        assert_int_equal(n, strlen(text));
    }
    (void)fw_format_double(text, NAN);
    assert_string_equal(text, "NaN");
}

static void any_double_prints_and_reads_back(void **state)
{
    struct synth_rng rng = synth_seed(fixture_seed());
    char text[FW_DOUBLE_TEXT_BYTES];

    (void)state;
    for (int i = 0; i < 100000; i++) {
        double v = fw_double_of_bits(synth_u64(&rng));
        double back;

        if (!isfinite(v))
            continue;
        assert_true(fw_format_double(text, v) < sizeof(text));
        assert_int_equal(fw_parse_double(fw_str_of(text), &back, NULL), FW_OK);
        assert_true(fw_double_bits(back) == fw_double_bits(v));
    }
}

static void spans_print_exactly_and_for_people(void **state)
{
    char text[FW_DURATION_TEXT_BYTES];

    (void)state;
    (void)fw_format_duration(text, 5400000);
    assert_string_equal(text, "1h30m");
    (void)fw_format_duration(text, 8 * FW_DAY);
    assert_string_equal(text, "8d");
    (void)fw_format_duration(text, 14 * FW_DAY);
    assert_string_equal(text, "2w");
    (void)fw_format_duration(text, -61001);
    assert_string_equal(text, "-1m1s1ms");
    (void)fw_format_duration(text, INT64_MIN);
    (void)fw_format_span(text, 47200);
    assert_string_equal(text, "47 s");
    (void)fw_format_span(text, 3 * FW_HOUR + 20 * FW_MINUTE);
    assert_string_equal(text, "3h 20m");
}

static void near_words_are_found_and_far_ones_are_not(void **state)
{
    static const char *const words[] = {"horizon", "history", "owner"};

    (void)state;
    assert_string_equal(fw_nearest("horizn", words, 3), "horizon");
    assert_string_equal(fw_nearest("ownr", words, 3), "owner");
    assert_null(fw_nearest("zebra", words, 3));
    assert_null(fw_nearest("", words, 3));
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(utf8_is_judged_by_rfc_3629),
        cmocka_unit_test(columns_count_code_points),
        cmocka_unit_test(what_moves_the_cursor_is_made_visible),
        cmocka_unit_test(durations_read_as_prometheus_reads_them),
        cmocka_unit_test(bad_durations_are_named),
        cmocka_unit_test(times_read_in_every_form),
        cmocka_unit_test(bad_times_are_named),
        cmocka_unit_test(times_print_and_read_back),
        cmocka_unit_test(doubles_print_as_go_prints_them),
        cmocka_unit_test(any_double_prints_and_reads_back),
        cmocka_unit_test(spans_print_exactly_and_for_people),
        cmocka_unit_test(near_words_are_found_and_far_ones_are_not),
    };

    return fixture_main(argc, argv, tests);
}
