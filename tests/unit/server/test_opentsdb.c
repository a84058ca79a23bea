/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "tests/support/fixture.h"

#include "server/ingest/opentsdb.h"
#include "tests/unit/server/line_text.h"

static void a_put_is_name_time_value_tags(void **state)
{
    (void)state;
    assert_line("put sys.cpu.user 1356998400 42.5 host=web01 cpu=0",
                "sys.cpu.user{host=web01,cpu=0} 42.5 @1356998400000");
    assert_line("put sys.cpu.user 1356998400250 42.5 host=web01",
                "sys.cpu.user{host=web01} 42.5 @1356998400250");
}

static void tags_are_optional_and_trailing_blanks_are_fine(void **state)
{
    (void)state;
    assert_line("put a 1356998400 1", "a{} 1 @1356998400000");
    assert_line("put a 1356998400 1 h=x  ", "a{h=x} 1 @1356998400000");
    assert_line("put  a  1356998400  1   h=x   k=y=z",
                "a{h=x,k=y=z} 1 @1356998400000");
}

static void nan_is_a_value_the_sender_does_not_have(void **state)
{
    (void)state;
    assert_line("put a 1356998400 nan h=x", " (1 skipped)");
}

static void what_is_wrong_is_named(void **state)
{
    (void)state;
    assert_line("put", "bad_name");
    assert_line("put a", "bad_time");
    assert_line("put a 1356998400", "bad_value");
    assert_line("put a x 1", "bad_time");
    assert_line("put a 1356998400 x h=1", "bad_value");
    assert_line("put a 1356998400 1 h", "bad_tag");
    assert_line("put a 1356998400 1 =h", "bad_tag");
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_put_is_name_time_value_tags),
        cmocka_unit_test(tags_are_optional_and_trailing_blanks_are_fine),
        cmocka_unit_test(nan_is_a_value_the_sender_does_not_have),
        cmocka_unit_test(what_is_wrong_is_named),
    };
    return fixture_main(argc, argv, tests);
}
