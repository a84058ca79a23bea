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
    fw_json_field_double(&json, "c", NAN);
    fw_json_field_seconds(&json, "d", -1500);
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

static void a_field_is_a_key_and_its_value(void **state)
{
    struct fw_buf out = FW_BUF_INIT(4096);
    struct fw_json json;

    (void)state;
    fw_json_init(&json, &out);
    fw_json_object(&json);
    fw_json_field_str(&json, "name", FW_STR("disk \"a\""));
    fw_json_field_text(&json, "state", "ok");
    fw_json_field_int(&json, "less", -3);
    fw_json_field_count(&json, "bytes", UINT64_MAX);
    fw_json_field_bool(&json, "fires", true);
    fw_json_field_double(&json, "loss", NAN);
    fw_json_field_seconds(&json, "for", 1500);
    fw_json_field_span(&json, "in", 0);
    fw_json_field_span(&json, "never", -1);
    fw_json_field_time(&json, "at", 1700000000000);
    fw_json_field_time(&json, "resolved", 0);
    fw_json_field_duration(&json, "horizon", 5400000);
    fw_json_object_end(&json);
    assert_int_equal(fw_json_rc(&json), FW_OK);
    assert_string_equal(
        out.data,
        "{\"name\":\"disk \\\"a\\\"\",\"state\":\"ok\",\"less\":-3,"
        "\"bytes\":9223372036854775807,\"fires\":true,\"loss\":null,"
        "\"for\":1.5,\"in\":0,\"never\":null,"
        "\"at\":\"2023-11-14T22:13:20Z\","
        "\"resolved\":\"0001-01-01T00:00:00Z\",\"horizon\":\"1h30m\"}");
    fw_buf_release(&out);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nests_with_commas_in_the_right_places),
        cmocka_unit_test(strings_are_always_valid),
        cmocka_unit_test(a_full_buffer_is_told_at_the_end),
        cmocka_unit_test(a_point_is_a_time_and_a_quoted_value),
        cmocka_unit_test(a_field_is_a_key_and_its_value),
    };

    return fixture_main(argc, argv, tests);
}
