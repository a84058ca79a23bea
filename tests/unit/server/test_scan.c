/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "tests/support/fixture.h"

#include <stdlib.h>
#include <string.h>

#include "server/ingest/scan.h"
#include "tests/support/synth.h"

/* Bytes that matter, in texts of every length, ending where memory ends. */
static void both_ways_find_the_same_byte(void **state)
{
    static const char bytes[] = " ,=\\\\\"aaaaaaaaaaaaaaaaaaaaaaa";
    struct synth_rng rng = synth_seed(fixture_seed());

    (void)state;
    for (size_t n = 0; n < 80; n++)
        for (int round = 0; round < 400; round++) {
            char *text = malloc(n > 0 ? n : 1);
            /* From none of the special ones to many of them. */
            size_t kinds = 6 + synth_u64(&rng) % (sizeof(bytes) - 7);
            char a = bytes[synth_u64(&rng) % 3];
            char b = bytes[synth_u64(&rng) % 6];

            assert_non_null(text);
            for (size_t i = 0; i < n; i++)
                text[i] =
                    bytes[synth_u64(&rng) % 4 == 0 ? synth_u64(&rng) % kinds
                                                   : sizeof(bytes) - 2];
            if (b == '\\')
                b = a;
            for (size_t from = 0; from <= n; from++)
                assert_ptr_equal(scan_to(text + from, text + n, a, b),
                                 scan_to_slowly(text + from, text + n, a, b));
            free(text);
        }
}

static void an_escaped_byte_ends_nothing(void **state)
{
    static const char text[] = "a\\ b\\\\ c and more than sixteen bytes";

    (void)state;
    assert_ptr_equal(scan_to(text, text + sizeof(text) - 1, ' ', '='),
                     text + 6);
    /* The last byte of all escapes nothing: it must not lead past the end. */
    assert_ptr_equal(scan_to(text, text + 2, ' ', '='), text + 2);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(both_ways_find_the_same_byte),
        cmocka_unit_test(an_escaped_byte_ends_nothing),
    };
    return fixture_main(argc, argv, tests);
}
