/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "tests/support/fixture.h"

#include <math.h>

#include "storage/base/json.h"
#include "tests/support/fault.h"

static void nests_with_commas_in_the_right_places(void **state)
{
    struct fw_buf out = FW_BUF_INIT(1000);
    struct fw_json json;

    (void)state;
    fw_json_init(&json, &out);
    fw_json_object(&json);
    fw_json_key(&json, "a");
    fw_json_array(&json);
    fw_json_int(&json, -3);
    fw_json_array(&json);
    fw_json_array_end(&json);
    fw_json_bool(&json, true);
    fw_json_null(&json);
    fw_json_array_end(&json);
    fw_json_key(&json, "b");
    fw_json_quoted_double(&json, INFINITY);
    fw_json_key(&json, "c");
    fw_json_double(&json, NAN);
    fw_json_key(&json, "d");
    fw_json_seconds(&json, -1500);
    fw_json_object_end(&json);
    assert_int_equal(fw_json_rc(&json), FW_OK);
    assert_string_equal(out.data, "{\"a\":[-3,[],true,null],\"b\":\"+Inf\","
                                  "\"c\":null,\"d\":-1.5}");
    fw_buf_release(&out);
}

static void strings_are_always_valid(void **state)
{
    struct fw_buf out = FW_BUF_INIT(1000);
    struct fw_json json;

    (void)state;
    fw_json_init(&json, &out);
    fw_json_str(&json, FW_STR("q\"b\\n\n\001\xff\xc3\xa9\xe2\x80\xa8\x7f"));
    assert_string_equal(out.data, "\"q\\\"b\\\\n\\n\\u0001\\ufffd\xc3"
                                  "\xa9\\u2028\\u007f\"");
    fw_buf_release(&out);
}

static void a_full_buffer_is_told_at_the_end(void **state)
{
    struct fw_buf out = FW_BUF_INIT(10);
    struct fw_json json;

    (void)state;
    fw_json_init(&json, &out);
    fw_json_text(&json, "longer than ten bytes");
    fw_json_text(&json, "x");
    assert_int_equal(fw_json_rc(&json), FW_ETOOBIG);
    fw_buf_release(&out);
}

static void a_point_is_a_time_and_a_quoted_value(void **state)
{
    struct fw_buf out = FW_BUF_INIT(4096);
    struct fw_json json;

    (void)state;
    fw_json_init(&json, &out);
    fw_json_array(&json);
    fw_json_point(&json, 1700000000000, 0.1);
    fw_json_point(&json, -1500, -INFINITY);
    fw_json_point(&json, 50, -1.2345678901234568e-300);
    fw_json_point(&json, 0, 123456789012345680000.0);
    fw_json_point(&json, INT64_MIN, 0.0000012345);
    fw_json_array_end(&json);
    assert_int_equal(fw_json_rc(&json), FW_OK);
    assert_string_equal(out.data, "[[1700000000,\"0.1\"],[-1.5,\"-Inf\"],"
                                  "[0.05,\"-1.2345678901234568e-300\"],"
                                  "[0,\"123456789012345680000\"],"
                                  "[-9223372036854775.808,\"0.0000012345\"]]");
    fw_buf_release(&out);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nests_with_commas_in_the_right_places),
        cmocka_unit_test(strings_are_always_valid),
        cmocka_unit_test(a_full_buffer_is_told_at_the_end),
        cmocka_unit_test(a_point_is_a_time_and_a_quoted_value),
    };

    return fixture_main(argc, argv, tests);
}
