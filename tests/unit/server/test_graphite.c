/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "tests/support/fixture.h"

#include "server/ingest/graphite.h"
#include "tests/unit/server/line_text.h"

static void a_path_is_the_name_of_the_metric(void **state)
{
    (void)state;
    assert_line("servers.edge1.cpu-0.idle 97.5 1795404686",
                "servers.edge1.cpu-0.idle{} 97.5 @1795404686000");
    assert_line("a.b\t1\t1795404686", "a.b{} 1 @1795404686000");
}

static void tags_follow_semicolons(void **state)
{
    (void)state;
    assert_line("disk.used;host=a;mount=/var=x 5 1795404686",
                "disk.used{host=a,mount=/var=x} 5 @1795404686000");
}

static void minus_one_n_and_nothing_mean_now(void **state)
{
    (void)state;
    assert_line("a 1 -1", "a{} 1 now");
    assert_line("a 1 N", "a{} 1 now");
    assert_line("a 1", "a{} 1 now");
}

static void times_may_have_a_fraction_or_be_milliseconds(void **state)
{
    (void)state;
    assert_line("a 1 1795404686.25", "a{} 1 @1795404686250");
    assert_line("a 1 1795404686.001", "a{} 1 @1795404686001");
    assert_line("a 1 1.795404686e9", "a{} 1 @1795404686000");
    assert_line("a 1 1795404686123", "a{} 1 @1795404686123");
    assert_line("a 1 -86400", "a{} 1 @-86400000");
}

static void nan_is_a_value_the_sender_does_not_have(void **state)
{
    (void)state;
    assert_line("a nan 1795404686", " (1 skipped)");
    assert_line("a NaN 1795404686", " (1 skipped)");
    assert_line("a inf 1795404686", "a{} +Inf @1795404686000");
}

static void what_is_wrong_is_named(void **state)
{
    (void)state;
    assert_line("a", "bad_form");
    assert_line("a b 1 1795404686", "bad_form");
    assert_line("a 1x 1795404686", "bad_value");
    assert_line("a 1 soon", "bad_time");
    assert_line("a 1 1e300", "bad_time");
    assert_line("a 1 nan", "bad_time");
    assert_line(";t=1 1 1795404686", "bad_name");
    assert_line("a;t 1 1795404686", "bad_tag");
    assert_line("a;=v 1 1795404686", "bad_tag");
    assert_line("a;; 1 1795404686", "bad_tag");
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_path_is_the_name_of_the_metric),
        cmocka_unit_test(tags_follow_semicolons),
        cmocka_unit_test(minus_one_n_and_nothing_mean_now),
        cmocka_unit_test(times_may_have_a_fraction_or_be_milliseconds),
        cmocka_unit_test(nan_is_a_value_the_sender_does_not_have),
        cmocka_unit_test(what_is_wrong_is_named),
    };
    return fixture_main(argc, argv, tests);
}
