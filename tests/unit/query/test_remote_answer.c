/* SPDX-License-Identifier: GPL-3.0-or-later */
/* test_remote_answer.c - answers of other servers, whole, cut and strange. */
#include "tests/support/fixture.h"

#include <math.h>
#include <string.h>

#include "query/cli/remote_answer.h"

static fw_rc read(struct fw_arena *arena, const char *text, size_t n,
                  struct remote_answer *out, struct fw_err *err)
{
    *out = (struct remote_answer){.series = NULL};
    fw_arena_clear(arena);
    return remote_answer_read((struct fw_str){text, n}, arena, out, err);
}

static const char matrix[] =
    "{\"status\":\"success\",\"data\":{\"resultType\":\"matrix\",\"result\":["
    "{\"metric\":{\"job\":\"a\\u00e9\\n\\ud83d\\ude00\",\"__name__\":\"up\"},"
    "\"values\":[[1700000000,\"1\"],[1700000000.25,\"NaN\"],[-1.5,\"+Inf\"]]},"
    "{\"metric\":{},\"values\":[],\"histograms\":[[1,{\"x\":[true,null]}]]}]},"
    "\"warnings\":[\"w1\"],\"infos\":[\"i1\",\"i2\"]}";

static void a_matrix_is_read(void **state)
{
    struct fw_arena *arena = fw_arena_new((size_t)1 << 20);
    struct remote_answer a;
    struct fw_err err = {0};

    (void)state;
    assert_int_equal(read(arena, matrix, strlen(matrix), &a, &err), FW_OK);
    assert_int_equal(a.result.type, FW_MATRIX);
    assert_int_equal(a.result.count, 2);
    assert_int_equal(a.result.series[0].n, 3);
    assert_int_equal(a.result.series[0].t[1], 1700000000250);
    assert_int_equal(a.result.series[0].t[2], -1500);
    assert_true(isnan(a.result.series[0].v[1]));
    assert_true(isinf(a.result.series[0].v[2]));
    assert_int_equal(a.result.series[0].labels.n, 2);
    assert_true(fw_str_eq(a.result.series[0].labels.v[1].value,
                          FW_STR("a\xc3\xa9\n\xf0\x9f\x98\x80")));
    assert_int_equal(a.result.series[1].n, 0);
    assert_int_equal(a.result.warning_count, 1);
    assert_int_equal(a.result.info_count, 2);
    fw_arena_free(arena);
}

static void one_cut_anywhere_is_refused(void **state)
{
    struct fw_arena *arena = fw_arena_new((size_t)1 << 20);
    struct remote_answer a;
    struct fw_err err = {0};

    (void)state;
    for (size_t n = 0; n + 1 < sizeof(matrix) - 1; n++)
        assert_int_equal(read(arena, matrix, n, &a, &err), FW_EIO);
    fw_arena_free(arena);
}

static void lists_scalars_and_errors(void **state)
{
    static const struct {
        const char *text;
        fw_rc rc;
        const char *said;
    } cases[] = {
        {"{\"status\":\"success\",\"data\":[\"a\",\"b\"]}", FW_OK, ""},
        {"{\"status\":\"success\",\"data\":[{\"a\":\"b\"}]}", FW_OK, ""},
        {"{\"data\":{\"result\":[5,\"7\"],\"resultType\":\"scalar\"},"
         "\"status\":\"success\"}",
         FW_OK, ""},
        {"{\"status\":\"success\",\"data\":{\"resultType\":\"string\","
         "\"result\":[5,\"x\"]}}",
         FW_OK, ""},
        {"{\"status\":\"error\",\"errorType\":\"bad_data\",\"error\":\"no\"}",
         FW_EINVAL, "the server says: no"},
        {"{\"status\":\"error\",\"errorType\":\"timeout\",\"error\":\"slow\"}",
         FW_EIO, "the server says: slow"},
        {"{\"status\":\"success\",\"data\":{\"resultType\":\"odd\","
         "\"result\":[]}}",
         FW_EIO, "is not that of"},
        {"{\"status\":\"success\",\"data\":{\"resultType\":\"vector\","
         "\"result\":[{\"value\":[1e300,\"1\"]}]}}",
         FW_EIO, "is not that of"},
        {"<html>", FW_EIO, "is not that of"},
        {"{\"status\":\"success\"}", FW_EIO, "is not that of"},
        {"[[[[[[[[", FW_EIO, "is not that of"},
    };
    struct fw_arena *arena = fw_arena_new((size_t)1 << 20);
    struct remote_answer a;

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct fw_err err = {0};

        assert_int_equal(
            read(arena, cases[i].text, strlen(cases[i].text), &a, &err),
            cases[i].rc);
        if (cases[i].rc != FW_OK)
            assert_non_null(strstr(err.text, cases[i].said));
    }
    fw_arena_free(arena);
}

static void nesting_is_bounded(void **state)
{
    struct fw_arena *arena = fw_arena_new((size_t)1 << 20);
    char text[4000] = "{\"x\":";
    struct remote_answer a;
    struct fw_err err = {0};

    (void)state;
    memset(text + 5, '[', sizeof(text) - 5);
    assert_int_equal(read(arena, text, sizeof(text), &a, &err), FW_EIO);
    fw_arena_free(arena);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_matrix_is_read),
        cmocka_unit_test(one_cut_anywhere_is_refused),
        cmocka_unit_test(lists_scalars_and_errors),
        cmocka_unit_test(nesting_is_bounded),
    };

    return fixture_main(argc, argv, tests);
}
