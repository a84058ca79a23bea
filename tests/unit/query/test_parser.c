/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "tests/support/fixture.h"

#include <stdlib.h>

#include "query/parse/ast.h"
#include "storage/base/limits.h"

static struct fw_arena *arena;

static int new_arena(void **state)
{
    (void)state;
    arena = fw_arena_new((size_t)64 << 20);
    return arena == NULL ? -1 : 0;
}

static int free_arena(void **state)
{
    (void)state;
    fw_arena_free(arena);
    return 0;
}

static struct fw_query *parse(const char *text)
{
    struct fw_query *query = NULL;
    struct fw_err err = {0};

    if (fw_query_parse(fw_str_of(text), arena, &query, &err) != FW_OK)
        fail_msg("%s: %s", text, err.text);
    return query;
}

static void expect_print(const char *text, const char *want)
{
    struct fw_buf out = FW_BUF_INIT(65536);

    assert_int_equal(fw_query_print(parse(text), &out), FW_OK);
    assert_string_equal(out.data, want);
    fw_buf_release(&out);
}

static void printing_gives_the_canonical_form(void **state)
{
    (void)state;
    expect_print("1+2*3", "1 + 2 * 3");
    expect_print("sum(foo)by(a,b)", "sum by (a, b) (foo)");
    expect_print("sum without(a)(foo)", "sum without (a) (foo)");
    expect_print("topk(3,foo)", "topk(3, foo)");
    expect_print("foo{a=\"b\",c=~'d'}[300] offset 1m",
                 "foo{a=\"b\",c=~\"d\"}[5m] offset 1m");
    expect_print("foo @ 1.5 offset -90", "foo @ 1.500 offset -1m30s");
    expect_print("foo[1h:5m]@end()", "foo[1h:5m] @ end()");
    expect_print("a*on(x)group_left(y)b", "a * on (x) group_left (y) b");
    expect_print("a>bool 1", "a > bool 1");
    expect_print("-foo^2", "-foo ^ 2");
    expect_print("{\"my.metric\",\"a b\"=\"c\"}",
                 "{\"a b\"=\"c\",\"my.metric\"}");
    expect_print("label_replace(a,'x','\"y','z','.*')",
                 "label_replace(a, \"x\", \"\\\"y\", \"z\", \".*\")");
    expect_print("(a)", "(a)");
    expect_print("rate(x[5m])", "rate(x[5m])");
}

/* What was printed reads as the same tree. */
static void printing_twice_changes_nothing(void **state)
{
    static const char *const texts[] = {
        ("sum by (a) (rate(m{x!~\"y\"}[5m] offset -1h)) / "
         "on () group_right () b"),
        "histogram_quantile(0.9, sum by (le) (rate(x_bucket[5m])))",
        "max_over_time((a or b unless c)[1h:] @ start())",
        "a == bool b atan2 c % -d",
        "count_values without (x) (\"v\", {__name__=~\"a|b\"})",
    };
    (void)state;
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        struct fw_buf once = FW_BUF_INIT(65536);

        assert_int_equal(fw_query_print(parse(texts[i]), &once), FW_OK);
        expect_print(once.data, once.data);
        fw_buf_release(&once);
    }
}

static void types_are_known_before_running(void **state)
{
    (void)state;
    assert_int_equal(fw_query_type(parse("1")), FW_SCALAR);
    assert_int_equal(fw_query_type(parse("'a'")), FW_STRING);
    assert_int_equal(fw_query_type(parse("a + 1")), FW_VECTOR);
    assert_int_equal(fw_query_type(parse("a[5m]")), FW_MATRIX);
    assert_int_equal(fw_query_type(parse("a[5m:1m]")), FW_MATRIX);
    assert_int_equal(fw_query_type(parse("scalar(a)")), FW_SCALAR);
}

static void keywords_may_be_metrics_and_labels(void **state)
{
    (void)state;
    expect_print("sum", "sum");
    expect_print("sum{by=\"x\"}", "sum{by=\"x\"}");
    expect_print("sum by (by, sum, on) (avg)", "sum by (by, sum, on) (avg)");
    expect_print("start + end", "start + end");
    expect_print("offset offset 5m", "offset offset 5m");
}

static void errors_underline_the_place(void **state)
{
    struct fw_query *query = NULL;
    struct fw_err err = {0};

    (void)state;
    assert_int_equal(
        fw_query_parse(FW_STR("sum(x)\n  + rte(y[5m])"), arena, &query, &err),
        FW_EINVAL);
    assert_null(query);
    assert_int_equal(err.line, 2);
    assert_int_equal(err.column, 5);
    assert_string_equal(err.text,
                        "2:5: parse error: unknown function with name "
                        "\"rte\"\n    + rte(y[5m])\n      ^~~\n  did you mean "
                        "rate()?");
}

static void expect_depth_error(const char *open, const char *inner,
                               const char *close, size_t times,
                               const char *sentence)
{
    struct fw_buf text = FW_BUF_INIT((size_t)1 << 20);
    struct fw_query *query = NULL;
    struct fw_err err = {0};

    for (size_t i = 0; i < times; i++)
        assert_int_equal(fw_buf_adds(&text, open), FW_OK);
    assert_int_equal(fw_buf_adds(&text, inner), FW_OK);
    for (size_t i = 0; i < times; i++)
        assert_int_equal(fw_buf_adds(&text, close), FW_OK);
    assert_int_equal(fw_query_parse((struct fw_str){text.data, text.len}, arena,
                                    &query, &err),
                     FW_EINVAL);
    if (strstr(err.text, sentence) == NULL)
        fail_msg("want '%s', got '%s'", sentence, err.text);
    fw_buf_release(&text);
}

static void nesting_ends_with_a_clear_error(void **state)
{
    (void)state;
    expect_depth_error("(", "a", ")", 5000, "nested more than 64 levels");
    expect_depth_error("-", "a", "", 5000, "nested more than 64 levels");
    expect_depth_error("abs(", "a", ")", 5000, "nested more than 64 levels");
    expect_depth_error("a + ", "a", "", 5000, "more than 512 operators");
    expect_depth_error("a ^ ", "a", "", 5000, "nested more than 64 levels");
    expect_depth_error("", "a", "[5m:1m]", 3, "subquery is only allowed");
    expect_depth_error("a", "", "", FW_MAX_QUERY_TEXT_BYTES + 1, "bytes long");
}

static void sixty_levels_are_fine(void **state)
{
    char text[256] = "";

    (void)state;
    for (size_t i = 0; i < 60; i++)
        text[i] = '(';
    text[60] = '1';
    for (size_t i = 61; i < 121; i++)
        text[i] = ')';
    assert_int_equal(fw_query_type(parse(text)), FW_SCALAR);
}

static void a_selector_by_itself_can_be_parsed(void **state)
{
    struct fw_matcher *m = NULL;
    struct fw_err err = {0};
    size_t n = 0;

    (void)state;
    assert_int_equal(
        fw_parse_selector(FW_STR("up{job!=\"a\"}"), arena, &m, &n, &err),
        FW_OK);
    assert_int_equal(n, 2);
    assert_int_equal(m[0].op, FW_MATCH_DIFFERS);
    assert_int_equal(
        fw_parse_selector(FW_STR("up offset 5m"), arena, &m, &n, &err),
        FW_EINVAL);
    assert_int_equal(fw_parse_selector(FW_STR("up + 1"), arena, &m, &n, &err),
                     FW_EINVAL);
}

static void steadiness_follows_the_at_modifier(void **state)
{
    (void)state;
    assert_true(parse("a @ 5")->root->steady);
    assert_true(parse("sum(rate(a[5m] @ end()))")->root->steady);
    assert_false(parse("a")->root->steady);
    assert_false(parse("a @ 5 + b")->root->steady);
    assert_false(parse("predict_linear(a[5m] @ 5, 1)")->root->steady);
    assert_false(parse("timestamp(a @ 5)")->root->steady);
    assert_false(parse("max_over_time((a @ 5)[5m:])")->root->steady);
    assert_true(parse("max_over_time(a[5m:] @ 5)")->root->steady);
}

int main(int argc, char **argv)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, new_arena, free_arena)
    const struct CMUnitTest tests[] = {
        TEST(printing_gives_the_canonical_form),
        TEST(printing_twice_changes_nothing),
        TEST(types_are_known_before_running),
        TEST(keywords_may_be_metrics_and_labels),
        TEST(errors_underline_the_place),
        TEST(nesting_ends_with_a_clear_error),
        TEST(sixty_levels_are_fine),
        TEST(a_selector_by_itself_can_be_parsed),
        TEST(steadiness_follows_the_at_modifier),
    };
    return fixture_main(argc, argv, tests);
}
