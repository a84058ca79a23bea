/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * strtod() is the oracle. The count of random cases follows
 * $FOREWARN_DECIMAL_CASES: a million by default, a hundred times that by hand.
 */
#include "tests/support/fixture.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "storage/base/bytes.h"
#include "storage/base/decimal.h"
#include "tests/support/synth.h"

static void agrees(const char *text)
{
    size_t n = strlen(text);
    double want = strtod(text, NULL);
    double got = 0;

    if (fw_decimal_parse(text, n, &got) != n ||
        fw_double_bits(got) != fw_double_bits(want))
        fail_msg("%s: got %a, want %a", text, got, want);
}

static void known_hard_numbers_round_right(void **state)
{
    static const char *const texts[] = {
        "0",
        "-0",
        "1",
        "-1.5",
        "1.",
        ".5",
        "+7",
        "1e22",
        "1e23",
        "-1e-22",
        "9007199254740992",
        "9007199254740993",
        "9007199254740991.5",
        "9007199254740993.0000000000000000000000000000000000000000000000001",
        "1.7976931348623157e308",
        "1.7976931348623159e308",
        "1e309",
        "1e400",
        "2.2250738585072014e-308",
        "2.2250738585072011e-308",
        "2.2250738585072012e-308",
        "4.9406564584124654e-324",
        "1e-400",
        "2.4703282292062327208e-324",
        "2.4703282292062328e-324",
        "2.47032822920623272088284396434110686182e-324",
        "0.500000000000000166533453693773481063544750213623046875",
        "3.518437208883201171875e13",
        "62.5364939768271845828",
        "8.10109172351e-10",
        "1.50000000000000011102230246251565",
        "0.99999999999999994448884876874",
        "6250000000000000000000000000000000e-12",
        "7.3177701707893310e+15",
        "1e00000000000000000000000000000005",
        "0.000000000000000000000000000000000000000000000000000000000000001e65",
        "123456789012345678901234567890",
        "100000000000000016777215",
        "100000000000000016777216",
        "0e999999999999",
        "1e-999999999999",
        "0.13399999999999998",
        "179769313486231580793e289",
        "5708990770823839207320493820740630171355185152001e-3"};

    (void)state;
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
        agrees(texts[i]);
}

static uint64_t cases(void)
{
    const char *text = getenv("FOREWARN_DECIMAL_CASES");

    return text != NULL ? strtoull(text, NULL, 10) : 1000000;
}

/* What telemetry looks like, any bits at all, and exact half-way points. */
static void random_text(struct synth_rng *rng, char *text, size_t size)
{
    uint64_t bits = synth_u64(rng);
    int digits = (int)(synth_u64(rng) % 24);

    switch (synth_u64(rng) % 5) {
    case 0:
        (void)snprintf(text, size, "%.*f", digits % 8,
                       synth_normal(rng) * 1000);
        return;
    case 1:
        (void)snprintf(text, size, "%.*g", digits, fw_double_of_bits(bits));
        return;
    case 2:
        (void)snprintf(text, size, "%llue%d", (unsigned long long)bits,
                       (int)(synth_u64(rng) % 700) - 360);
        return;
    case 3:
        (void)snprintf(text, size, "%llu.%llu",
                       (unsigned long long)(bits >> (digits * 2)),
                       (unsigned long long)synth_u64(rng));
        return;
    default:
        /* The middle between two neighbours, written out in full. */
        (void)snprintf(
            text, size, "%.40Lg",
            ((long double)fw_double_of_bits(bits & ~(UINT64_C(3) << 61)) +
             (long double)fw_double_of_bits((bits & ~(UINT64_C(3) << 61)) +
                                            1)) /
                2);
    }
}

static void random_numbers_agree_with_strtod(void **state)
{
    struct synth_rng rng = synth_seed(fixture_seed());
    uint64_t n = cases();
    char text[128];

    (void)state;
    for (uint64_t i = 0; i < n; i++) {
        random_text(&rng, text, sizeof(text));
        if (strstr(text, "nan") == NULL)
            agrees(text);
    }
}

static void words_are_numbers_too(void **state)
{
    double v = 0;

    (void)state;
    assert_int_equal(fw_decimal_parse("+Inf", 4, &v), 4);
    assert_true(isinf(v) && v > 0);
    assert_int_equal(fw_decimal_parse("-INFINITY,", 10, &v), 9);
    assert_true(isinf(v) && v < 0);
    assert_int_equal(fw_decimal_parse("NaN", 3, &v), 3);
    assert_true(isnan(v));
}

static void what_is_no_number_takes_nothing(void **state)
{
    static const char *const texts[] = {"",    "+",  "-",  ".",   "-.", "e5",
                                        ".e5", "x1", " 1", "--1", "in", "na"};

    (void)state;
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        double v = 42;

        assert_int_equal(fw_decimal_parse(texts[i], strlen(texts[i]), &v), 0);
        assert_true(v == 42);
    }
}

static void it_stops_where_the_number_stops(void **state)
{
    static const struct {
        const char *text;
        size_t want;
    } rows[] = {{"12 34", 2}, {"1e", 1},   {"1e+", 1}, {"1.5i", 3},
                {"1..2", 2},  {"0x10", 1}, {"7,8", 1}, {"1e5e5", 3},
                {"3.e2", 4},  {"1_000", 1}};

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        double v = 0;

        assert_int_equal(
            fw_decimal_parse(rows[i].text, strlen(rows[i].text), &v),
            rows[i].want);
    }
}

static void it_never_reads_past_its_end(void **state)
{
    const char *text = "123456.75e10";

    (void)state;
    for (size_t n = 0; n <= strlen(text); n++) {
        char *copy = malloc(n + 1); /* exactly n bytes, for the sanitizer */
        char *tight = realloc(copy, n == 0 ? 1 : n);
        double v = 0;

        assert_non_null(tight);
        memcpy(tight, text, n);
        assert_true(fw_decimal_parse(tight, n, &v) <= n);
        free(tight);
    }
}

static void a_number_without_end_is_refused(void **state)
{
    static char text[FW_DECIMAL_MAX_BYTES + 100];
    double v = 42;

    (void)state;
    memset(text, '7', sizeof(text));
    assert_int_equal(fw_decimal_parse(text, sizeof(text), &v), 0);
    assert_true(v == 42);
    assert_int_equal(fw_decimal_parse(text, FW_DECIMAL_MAX_BYTES, &v),
                     FW_DECIMAL_MAX_BYTES);
    assert_true(isinf(v));
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(known_hard_numbers_round_right),
        cmocka_unit_test(random_numbers_agree_with_strtod),
        cmocka_unit_test(words_are_numbers_too),
        cmocka_unit_test(what_is_no_number_takes_nothing),
        cmocka_unit_test(it_stops_where_the_number_stops),
        cmocka_unit_test(it_never_reads_past_its_end),
        cmocka_unit_test(a_number_without_end_is_refused),
    };

    return fixture_main(argc, argv, tests);
}
