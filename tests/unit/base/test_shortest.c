/* SPDX-License-Identifier: GPL-3.0-or-later */
/* test_shortest.c - against printf and strtod of the C library. */
#include "tests/support/fixture.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "storage/base/bytes.h"
#include "storage/base/shortest.h"
#include "tests/support/synth.h"

#define ROUNDS 30000

/* How many digits a decimal needs that reads back as v. */
static int digits_needed(double v)
{
    char text[64];
    int precision = 0;

    for (; precision < 17; precision++) {
        (void)snprintf(text, sizeof(text), "%.*e", precision, v);
        if (strtod(text, NULL) == v)
            break;
    }
    return precision + 1;
}

static void check(double v)
{
    uint64_t digits = 0;
    int exponent = 0;
    char text[64];

    fw_shortest(v, &digits, &exponent);
    (void)snprintf(text, sizeof(text), "%llue%d", (unsigned long long)digits,
                   exponent);
    if (strtod(text, NULL) != v)
        fail_msg("%.17g became %s", v, text);
    while (digits % 10 == 0)
        digits /= 10;
    (void)snprintf(text, sizeof(text), "%llu", (unsigned long long)digits);
    if ((int)strlen(text) > digits_needed(v))
        fail_msg("%.17g needs %d digits, not %s", v, digits_needed(v), text);
}

static void any_double_reads_back_from_the_fewest_digits(void **state)
{
    struct synth_rng rng = synth_seed(fixture_seed());

    (void)state;
    for (int i = 0; i < ROUNDS; i++) {
        double v = fabs(fw_double_of_bits(synth_u64(&rng)));

        if (isfinite(v) && v > 0)
            check(v);
        check((double)(1 + synth_u64(&rng) % 100000000) / 1000);
    }
}

static void the_edges_of_each_power_of_two(void **state)
{
    (void)state;
    for (uint64_t exponent = 0; exponent < 2047; exponent++) {
        for (uint64_t c = 0; c < 3; c++) {
            uint64_t bits = exponent << 52 | c;

            if (bits > 0)
                check(fw_double_of_bits(bits));
            check(fw_double_of_bits((exponent << 52 | 0xFFFFFFFFFFFFFu) - c));
        }
    }
}

static void powers_of_ten_have_one_digit(void **state)
{
    (void)state;
    for (int k = -307; k <= 308; k++) {
        char text[16];
        uint64_t digits = 0;
        int exponent = 0;

        (void)snprintf(text, sizeof(text), "1e%d", k);
        fw_shortest(strtod(text, NULL), &digits, &exponent);
        for (; digits % 10 == 0; digits /= 10)
            exponent++;
        assert_int_equal(digits, 1);
        assert_int_equal(exponent, k);
    }
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(any_double_reads_back_from_the_fewest_digits),
        cmocka_unit_test(the_edges_of_each_power_of_two),
        cmocka_unit_test(powers_of_ten_have_one_digit),
    };

    return fixture_main(argc, argv, tests);
}
