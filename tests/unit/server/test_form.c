/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "tests/support/fixture.h"

#include <string.h>

#include "server/http/form.h"

static int setup(void **state)
{
    *state = fw_arena_new(1 << 20);
    return *state == NULL;
}

static int teardown(void **state)
{
    fw_arena_free(*state);
    return 0;
}

static void names_and_values_are_decoded(void **state)
{
    struct form form = {0};
    struct fw_err err = {0};
    const struct form_pair *pair;
    size_t i = 0;

    assert_int_equal(form_parse(&form,
                                FW_STR("query=up%7Ba%3D%22b%22%7D+%2B1&"
                                       "match%5B%5D=x&match[]=y&empty=&bare&&"),
                                *state, &err),
                     FW_OK);
    assert_true(fw_str_eq(form_get(&form, "query"), FW_STR("up{a=\"b\"} +1")));
    pair = form_each(&form, "match[]", &i);
    assert_true(fw_str_eq(pair->value, FW_STR("x")));
    pair = form_each(&form, "match[]", &i);
    assert_true(fw_str_eq(pair->value, FW_STR("y")));
    assert_null(form_each(&form, "match[]", &i));
    assert_true(form_has(&form, "empty") && form_has(&form, "bare"));
    assert_false(form_has(&form, "absent"));
}

static void a_second_text_comes_behind_the_first(void **state)
{
    struct form form = {0};
    struct fw_err err = {0};

    assert_int_equal(form_parse(&form, FW_STR("a=1"), *state, &err), FW_OK);
    assert_int_equal(form_parse(&form, FW_STR("a=2&b=3"), *state, &err), FW_OK);
    assert_true(fw_str_eq(form_get(&form, "a"), FW_STR("1")));
    assert_true(fw_str_eq(form_get(&form, "b"), FW_STR("3")));
}

static void bad_escapes_and_semicolons_are_refused(void **state)
{
    static const char *const bad[] = {"a=%",   "a=%1",  "a=%g0", "%zz=1",
                                      "a=%1g", "a=1;b", "a%"};

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct form form = {0};
        struct fw_err err = {0};

        assert_int_equal(form_parse(&form, fw_str_of(bad[i]), *state, &err),
                         FW_EINVAL);
        assert_true(err.text[0] != '\0');
    }
}

static void the_number_of_parameters_has_a_cap(void **state)
{
    struct form form = {0};
    struct fw_err err = {0};
    fw_rc rc = FW_OK;
    int taken = 0;

    while (rc == FW_OK && taken < 10000) {
        rc = form_parse(&form, FW_STR("a=b"), *state, &err);
        taken += rc == FW_OK;
    }
    assert_int_equal(rc, FW_ETOOBIG);
    assert_int_equal(taken, FW_MAX_HTTP_PARAMETERS);
}

static void a_path_keeps_its_plus(void **state)
{
    struct fw_str out;
    struct fw_err err = {0};

    assert_int_equal(form_decode(FW_STR("a+b%2Fc"), false, *state, &out, &err),
                     FW_OK);
    assert_true(fw_str_eq(out, FW_STR("a+b/c")));
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(names_and_values_are_decoded, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(a_second_text_comes_behind_the_first,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(bad_escapes_and_semicolons_are_refused,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(the_number_of_parameters_has_a_cap,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(a_path_keeps_its_plus, setup, teardown),
    };
    return fixture_main(argc, argv, tests);
}
