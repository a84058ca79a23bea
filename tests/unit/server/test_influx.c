/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "tests/support/fixture.h"

#include "server/ingest/influx.h"
#include "tests/unit/server/line_text.h"

static void every_field_is_a_series_of_its_own(void **state)
{
    (void)state;
    assert_line("cpu,host=a,core=0 user=1.5,sys=2 1700000000000000000",
                "cpu_user{host=a,core=0} 1.5 @1700000000000; "
                "cpu_sys{host=a,core=0} 2 @1700000000000");
}

static void every_form_of_a_value_is_read(void **state)
{
    (void)state;
    assert_line("m a=1,b=-1.5e3,c=42i,d=-42i,e=42u,f=.5,g=7.",
                "m_a{} 1 now; m_b{} -1500 now; m_c{} 42 now; m_d{} -42 now; "
                "m_e{} 42 now; m_f{} 0.5 now; m_g{} 7 now");
    assert_line("m a=t,b=T,c=true,d=True,e=TRUE",
                "m_a{} 1 now; m_b{} 1 now; m_c{} 1 now; m_d{} 1 now; "
                "m_e{} 1 now");
    assert_line("m a=f,b=F,c=false,d=False,e=FALSE",
                "m_a{} 0 now; m_b{} 0 now; m_c{} 0 now; m_d{} 0 now; "
                "m_e{} 0 now");
    assert_line("m a=18446744073709551615u", "m_a{} 18446744073709552000 now");
}

static void strings_are_skipped_and_counted(void **state)
{
    (void)state;
    assert_line("m s=\"a, b=1 c\",v=2 1700000000",
                "m_v{} 2 @1700000000000 (1 skipped)");
    assert_line("m s=\"he said \\\"1\\\"\"", " (1 skipped)");
    assert_line("m s=\"open", "bad_value");
    assert_line("m s=\"a\"b,v=1", "bad_value");
}

static void a_backslash_takes_the_meaning_away(void **state)
{
    (void)state;
    assert_line("a\\ b\\,c,t\\=x=v\\ 1\\,2 f\\ g=1 1700000000",
                "a b,c_f g{t=x=v 1,2} 1 @1700000000000");
    assert_line("m,p=C:\\\\dir f=1", "m_f{p=C:\\dir} 1 now");
    assert_line("m,p=a\\b f=1", "m_f{p=a\\b} 1 now");
    assert_line("m,p=a\\ f=1", "bad_value");
}

static void the_unit_of_a_time_shows_in_its_size(void **state)
{
    (void)state;
    assert_line("m v=1 1700000000", "m_v{} 1 @1700000000000");
    assert_line("m v=1 1700000000123", "m_v{} 1 @1700000000123");
    assert_line("m v=1 1700000000123456", "m_v{} 1 @1700000000123");
    assert_line("m v=1 1700000000123456789", "m_v{} 1 @1700000000123");
    assert_line("m v=1 0", "m_v{} 1 @0");
    assert_line("m v=1 -1", "m_v{} 1 @-1000");
}

static void a_named_unit_is_taken_at_its_word(void **state)
{
    (void)state;
    assert_line_unit("m v=1 1500000", TIME_NS, "m_v{} 1 @1");
    assert_line_unit("m v=1 -1", TIME_NS, "m_v{} 1 @-1");
    assert_line_unit("m v=1 1500", TIME_US, "m_v{} 1 @1");
    assert_line_unit("m v=1 1500", TIME_MS, "m_v{} 1 @1500");
    assert_line_unit("m v=1 9223372036854775807", TIME_S, "bad_time");
}

static void what_is_wrong_is_named(void **state)
{
    (void)state;
    assert_line("m v=", "bad_value");
    assert_line("m v=1x", "bad_value");
    assert_line("m v=0x10", "bad_value");
    assert_line("m v=nan", "bad_value");
    assert_line("m v=inf", "bad_value");
    assert_line("m v=99999999999999999999i", "bad_value");
    assert_line("m v=-1u", "bad_value");
    assert_line("m v=1 soon", "bad_time");
    assert_line("m v=1 1.5", "bad_time");
    assert_line("m v=1 1700000000 2", "bad_time");
    assert_line("m v=1 99999999999999999999", "bad_time");
    assert_line("m =1", "bad_name");
    assert_line(",t=1 v=1", "bad_name");
    assert_line("m,t v=1", "bad_tag");
    assert_line("m,=1 v=1", "bad_tag");
    assert_line("m, v=1", "bad_tag");
    assert_line("m v=1,", "bad_name");
    assert_line("m v=1,w", "bad_value");
    assert_line("m v=1,,w=2", "bad_name");
}

static void an_empty_tag_value_is_a_label_that_is_not_there(void **state)
{
    (void)state;
    /* The store drops empty labels; the parser hands them on. */
    assert_line("m,t= v=1", "m_v{t=} 1 now");
}

static void one_bad_field_spoils_its_line(void **state)
{
    (void)state;
    assert_line("m a=1,b=x,c=3", "bad_value");
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_field_is_a_series_of_its_own),
        cmocka_unit_test(every_form_of_a_value_is_read),
        cmocka_unit_test(strings_are_skipped_and_counted),
        cmocka_unit_test(a_backslash_takes_the_meaning_away),
        cmocka_unit_test(the_unit_of_a_time_shows_in_its_size),
        cmocka_unit_test(a_named_unit_is_taken_at_its_word),
        cmocka_unit_test(what_is_wrong_is_named),
        cmocka_unit_test(an_empty_tag_value_is_a_label_that_is_not_there),
        cmocka_unit_test(one_bad_field_spoils_its_line),
    };
    return fixture_main(argc, argv, tests);
}
