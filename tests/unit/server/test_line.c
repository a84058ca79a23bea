/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * test_line.c - recognition, and lines that no protocol should take.
 */
#include "tests/support/fixture.h"

#include "server/ingest/line.h"
#include "tests/unit/server/line_text.h"

static void each_protocol_is_recognised_per_line(void **state)
{
    (void)state;
    assert_line("disk,host=a used=1 1700000000000000000",
                "disk_used{host=a} 1 @1700000000000");
    assert_line("edge1.load.load.shortterm 2.6845703125 1795404686",
                "edge1.load.load.shortterm{} 2.6845703125 @1795404686000");
    assert_line("put memory.cached 1795404686 2151227392 fqdn=edge1  ",
                "memory.cached{fqdn=edge1} 2151227392 @1795404686000");
}

static void a_metric_named_put_still_works_in_the_other_protocols(void **state)
{
    (void)state;
    assert_line("put a=1 1700000000", "put_a{} 1 @1700000000000");
    assert_line("put 1 1700000000", "put{} 1 @1700000000000");
    assert_line("put 1", "put{} 1 now");
    assert_line("put 7 1700000000 2", "7{} 2 @1700000000000");
}

static void blanks_around_a_line_and_its_cr_are_no_part_of_it(void **state)
{
    (void)state;
    assert_line("  a.b 1 1700000000\r", "a.b{} 1 @1700000000000");
    assert_line("\tcpu v=1 1700000000 \t", "cpu_v{} 1 @1700000000000");
}

static void empty_lines_and_comments_hold_nothing(void **state)
{
    (void)state;
    assert_line("", "");
    assert_line("   \r", "");
    assert_line("# disk used=1", "");
}

static void hostile_bytes_are_refused_by_name(void **state)
{
    (void)state;
    assert_line("a\xff 1 1700000000", "bad_text");
    assert_line("a\x01 1 1700000000", "bad_text");
    assert_line("m,t=\x7f f=1", "bad_text");
    assert_line("put m 1 1 t=\x1b[31m", "bad_text");
    assert_line("nothing", "bad_form");
    assert_line("a b c d e", "bad_form");
    assert_line("GET / HTTP/1.1", "bad_value");
    assert_line("\\", "bad_form");
    assert_line("= =", "bad_name");
}

static void a_nul_byte_is_a_byte_like_any_other(void **state)
{
    struct line line = {0};
    enum line_fault fault;

    (void)state;
    fault = line_parse((struct fw_str){"a\0b 1\0", 6}, TIME_AUTO, &line);
    assert_int_equal(fault, LINE_BAD_VALUE);
    line_release(&line);
}

static void http_and_tls_are_told_from_lines(void **state)
{
    (void)state;
    assert_true(line_is_foreign(fw_str_of("POST /write?db=a HTTP/1.1")));
    assert_true(line_is_foreign(fw_str_of("PRI * HTTP/2.0")));
    assert_true(line_is_foreign((struct fw_str){"\x16\x03\x01\x02", 4}));
    assert_false(line_is_foreign(fw_str_of("cpu v=1 HTTP/1.1")));
    assert_false(line_is_foreign(fw_str_of("GET 1 1700000000")));
    assert_false(line_is_foreign(fw_str_of("")));
}

static void fields_past_the_limit_are_refused(void **state)
{
    struct fw_buf text = FW_BUF_INIT(1 << 20);
    struct line line = {0};

    (void)state;
    assert_int_equal(fw_buf_adds(&text, "m a=1"), FW_OK);
    for (size_t i = 0; i < FW_MAX_LINE_VALUES; i++)
        assert_int_equal(fw_buf_printf(&text, ",f%zu=1", i), FW_OK);
    assert_int_equal(
        line_parse((struct fw_str){text.data, text.len}, TIME_AUTO, &line),
        LINE_TOO_MANY);
    line_release(&line);
    fw_buf_release(&text);
}

static void labels_past_the_limit_are_refused(void **state)
{
    struct fw_buf text = FW_BUF_INIT(1 << 16);

    (void)state;
    assert_int_equal(fw_buf_adds(&text, "m"), FW_OK);
    for (size_t i = 0; i <= FW_MAX_LABELS; i++)
        assert_int_equal(fw_buf_printf(&text, ",t%zu=1", i), FW_OK);
    assert_int_equal(fw_buf_adds(&text, " f=1"), FW_OK);
    assert_line(text.data, "bad_labels");
    fw_buf_release(&text);
}

static void every_fault_has_a_name_and_a_sentence(void **state)
{
    (void)state;
    for (int i = 0; i < LINE_FAULTS; i++) {
        assert_non_null(line_fault_name((enum line_fault)i));
        assert_non_null(line_fault_text((enum line_fault)i));
    }
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_protocol_is_recognised_per_line),
        cmocka_unit_test(a_metric_named_put_still_works_in_the_other_protocols),
        cmocka_unit_test(blanks_around_a_line_and_its_cr_are_no_part_of_it),
        cmocka_unit_test(empty_lines_and_comments_hold_nothing),
        cmocka_unit_test(hostile_bytes_are_refused_by_name),
        cmocka_unit_test(a_nul_byte_is_a_byte_like_any_other),
        cmocka_unit_test(http_and_tls_are_told_from_lines),
        cmocka_unit_test(fields_past_the_limit_are_refused),
        cmocka_unit_test(labels_past_the_limit_are_refused),
        cmocka_unit_test(every_fault_has_a_name_and_a_sentence),
    };
    return fixture_main(argc, argv, tests);
}
