/* SPDX-License-Identifier: GPL-3.0-or-later */
/* test_format.c - results and trees as JSON, CSV and tables. */
#include "tests/support/fixture.h"

#include "tests/unit/query/memory_source.h"

struct fixture {
    struct memory_source data;
    struct fw_arena *arena;
    struct fw_query *query;
    struct fw_result result;
    struct fw_buf out;
};

static int setup(void **state)
{
    static struct fixture f;
    struct memory_series *s;

    f = (struct fixture){.arena = fw_arena_new((size_t)16 << 20),
                         .out = FW_BUF_INIT((size_t)1 << 20)};
    memory_source_init(&f.data);
    s = memory_source_series(&f.data, "m{a=\"x,\\\"y\\\"\"}");
    memory_series_add(s, 0, 1);
    memory_series_add(s, 1500, 2.5);
    s = memory_source_series(&f.data, "m{a=\"z\"}");
    memory_series_add(s, 0, 1e21);
    *state = &f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    memory_source_release(&f->data);
    fw_arena_free(f->arena);
    fw_buf_release(&f->out);
    return 0;
}

static void ask(struct fixture *f, const char *text, fw_ms start, fw_ms end,
                fw_ms step)
{
    struct fw_source source = memory_source_as_source(&f->data);
    struct fw_query_options options = {
        .start = start, .end = end, .step = step};
    struct fw_err err = {0};

    if (fw_query_parse(fw_str_of(text), f->arena, &f->query, &err) != FW_OK ||
        fw_query_run(f->query, &source, &options, f->arena, &f->result, &err) !=
            FW_OK)
        fail_msg("%s: %s", text, err.text);
    fw_buf_clear(&f->out);
}

static void expect_json(struct fixture *f, const char *want)
{
    assert_int_equal(fw_print_json(&f->result, &f->out), FW_OK);
    assert_string_equal(f->out.data, want);
}

static void json_has_the_shape_of_prometheus(void **state)
{
    struct fixture *f = *state;

    ask(f, "1 / 0", 1500, 1500, 0);
    expect_json(f, "{\"status\":\"success\",\"data\":{\"resultType\":"
                   "\"scalar\",\"result\":[1.5,\"+Inf\"]}}");
    ask(f, "'a\"b'", 1000, 1000, 0);
    expect_json(f, "{\"status\":\"success\",\"data\":{\"resultType\":"
                   "\"string\",\"result\":[1,\"a\\\"b\"]}}");
    ask(f, "m{a='z'}", 0, 0, 0);
    expect_json(f, "{\"status\":\"success\",\"data\":{\"resultType\":"
                   "\"vector\",\"result\":[{\"metric\":{\"__name__\":\"m\","
                   "\"a\":\"z\"},\"value\":[0,\"1e+21\"]}]}}");
    ask(f, "m{a!='z'}[5s]", 2000, 2000, 0);
    expect_json(f, "{\"status\":\"success\",\"data\":{\"resultType\":"
                   "\"matrix\",\"result\":[{\"metric\":{\"__name__\":\"m\","
                   "\"a\":\"x,\\\"y\\\"\"},\"values\":[[0,\"1\"],[1.5,\"2.5\"]]"
                   "}]}}");
    ask(f, "nothing", 0, 1000, 1000);
    expect_json(f, "{\"status\":\"success\",\"data\":{\"resultType\":"
                   "\"matrix\",\"result\":[]}}");
    ask(f, "quantile(2, m{a='z'})", 0, 0, 0);
    expect_json(f, "{\"status\":\"success\",\"data\":{\"resultType\":"
                   "\"vector\",\"result\":[{\"metric\":{},\"value\":[0,"
                   "\"+Inf\"]}]},\"warnings\":[\"PromQL warning: quantile "
                   "value should be between 0 and 1, got 2 (1:10)\"]}");
}

static void csv_quotes_what_needs_it(void **state)
{
    struct fixture *f = *state;

    ask(f, "m", 1500, 1500, 0);
    assert_int_equal(fw_print_csv(&f->result, &f->out), FW_OK);
    assert_string_equal(f->out.data,
                        "series,timestamp,value\n"
                        "\"m{a=\"\"x,\\\"\"y\\\"\"\"\"}\",1.500,2.5\n"
                        "\"m{a=\"\"z\"\"}\",1.500,1e+21\n");
    ask(f, "3", 1000, 1000, 0);
    assert_int_equal(fw_print_csv(&f->result, &f->out), FW_OK);
    assert_string_equal(f->out.data, "series,timestamp,value\n,1,3\n");
}

static void a_pipe_gets_plain_lines(void **state)
{
    struct fixture *f = *state;

    ask(f, "m", 1500, 1500, 0);
    assert_int_equal(fw_print_table(&f->result, false, 80, &f->out), FW_OK);
    assert_string_equal(f->out.data,
                        "m{a=\"x,\\\"y\\\"\"} 2.5\nm{a=\"z\"} 1e+21\n");
    ask(f, "sum(m{a='z'})", 0, 2000, 1000);
    assert_int_equal(fw_print_table(&f->result, false, 80, &f->out), FW_OK);
    assert_string_equal(f->out.data, "{} 1e+21 1970-01-01T00:00:00Z\n"
                                     "{} 1e+21 1970-01-01T00:00:01Z\n"
                                     "{} 1e+21 1970-01-01T00:00:02Z\n");
}

static void a_terminal_gets_columns(void **state)
{
    struct fixture *f = *state;

    ask(f, "m", 1500, 1500, 0);
    assert_int_equal(fw_print_table(&f->result, true, 60, &f->out), FW_OK);
    assert_string_equal(f->out.data,
                        "SERIES                           VALUE\n"
                        "m{a=\"x,\\\"y\\\"\"}                     2.5\n"
                        "m{a=\"z\"}                         1e+21\n");
    ask(f, "m{a!='z'}", 0, 2000, 500);
    assert_int_equal(fw_print_table(&f->result, true, 100, &f->out), FW_OK);
    assert_non_null(strstr(f->out.data, "POINTS"));
}

static void expect_ast(struct fixture *f, const char *text, const char *want)
{
    struct fw_err err = {0};

    assert_int_equal(fw_query_parse(fw_str_of(text), f->arena, &f->query, &err),
                     FW_OK);
    fw_buf_clear(&f->out);
    assert_int_equal(fw_query_print_ast(f->query, &f->out), FW_OK);
    assert_string_equal(f->out.data, want);
}

#define X_SELECTOR                                                             \
    "{\"matchers\":[{\"name\":\"__name__\",\"type\":\"=\",\"value\":\"x\"}],"  \
    "\"name\":\"x\",\"offset\":0,\"startOrEnd\":null,\"timestamp\":null,"      \
    "\"type\":\"vectorSelector\"}"

static void trees_print_as_prometheus_prints_them(void **state)
{
    struct fixture *f = *state;

    expect_ast(f, "x", X_SELECTOR);
    expect_ast(f, "(1e30)",
               "{\"expr\":{\"type\":\"numberLiteral\",\"val\":"
               "\"1000000000000000000000000000000\"},\"type\":\"parenExpr\"}");
    expect_ast(f, "-x",
               "{\"expr\":" X_SELECTOR ",\"op\":\"-\",\"type\":\"unaryExpr\"}");
    expect_ast(f, "round(x)",
               "{\"args\":[" X_SELECTOR
               "],\"func\":{\"argTypes\":[\"vector\",\"scalar\"],\"name\":"
               "\"round\",\"returnType\":\"vector\",\"variadic\":1},\"type\":"
               "\"call\"}");
    expect_ast(f, "sum by (a) (x)",
               "{\"expr\":" X_SELECTOR
               ",\"grouping\":[\"a\"],\"op\":\"sum\",\"param\":null,\"type\":"
               "\"aggregation\",\"without\":false}");
    expect_ast(f, "x[5m:1m] @ start()",
               "{\"expr\":" X_SELECTOR
               ",\"offset\":0,\"range\":300000,\"startOrEnd\":\"start\","
               "\"step\":60000,\"timestamp\":null,\"type\":\"subquery\"}");
    expect_ast(
        f, "x * on(b) group_left(c) x",
        "{\"bool\":false,\"lhs\":" X_SELECTOR
        ",\"matching\":{\"card\":\"many-to-one\",\"include\":[\"c\"],"
        "\"labels\":[\"b\"],\"on\":true},\"op\":\"*\",\"rhs\":" X_SELECTOR
        ",\"type\":\"binaryExpr\"}");
}

int main(int argc, char **argv)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(json_has_the_shape_of_prometheus),
        TEST(csv_quotes_what_needs_it),
        TEST(a_pipe_gets_plain_lines),
        TEST(a_terminal_gets_columns),
        TEST(trees_print_as_prometheus_prints_them),
    };
    return fixture_main(argc, argv, tests);
}
