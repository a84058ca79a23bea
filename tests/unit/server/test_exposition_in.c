/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "tests/support/fixture.h"

#include <math.h>
#include <string.h>

#include "server/ingest/exposition_in.h"

/* A line's series printed back in its canonical form, or the fault's name. */
static const char *labels_of(const char *text, struct fw_buf *out)
{
    struct exposition line;
    struct line_labels labels;
    struct fw_arena *arena = fw_arena_new(1 << 16);
    enum line_fault fault = exposition_parse(fw_str_of(text), &line);

    fw_buf_clear(out);
    if (fault == LINE_OK)
        fault = exposition_labels(line.series, arena, &labels);
    if (fault == LINE_OK &&
        fw_labels_canonical(labels.v, &labels.n, NULL) != FW_OK)
        fault = LINE_BAD_LABELS;
    if (fault != LINE_OK)
        assert_int_equal(fw_buf_adds(out, line_fault_name(fault)), FW_OK);
    else
        assert_int_equal(
            fw_labels_print(out, &(struct fw_labels){labels.v, labels.n}),
            FW_OK);
    fw_arena_free(arena);
    return out->data;
}

static void names_and_labels(void **state)
{
    static const char *const cases[][2] = {
        {"up 1", "up"},
        {"  up{} 1", "up"},
        {"up{a=\"b\",c=\"d\",} 1 5", "up{a=\"b\",c=\"d\"}"},
        {"up { a = \"b\" , c=\"d\" } 1", "up{a=\"b\",c=\"d\"}"},
        {"up{a=\"x}\\\"y\\\\\\n\"} 1", "up{a=\"x}\\\"y\\\\\\n\"}"},
        {"up{a=\"\"} 1", "up"},
        {"{\"my.metric\",\"l.1\"=\"v\"} 1", "{\"my.metric\",\"l.1\"=\"v\"}"},
        {"ns:up{a=\"\xc3\xa9\"} 1", "ns:up{a=\"\xc3\xa9\"}"},
    };
    struct fw_buf out = FW_BUF_INIT(4096);

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        assert_string_equal(labels_of(cases[i][0], &out), cases[i][1]);
    fw_buf_release(&out);
}

static void values_and_times(void **state)
{
    struct exposition line;

    (void)state;
    assert_int_equal(exposition_parse(FW_STR("a 1.5e3 -12 \r"), &line),
                     LINE_OK);
    assert_true(line.v == 1500 && line.timed && line.t == -12);
    assert_int_equal(exposition_parse(FW_STR("a +Inf"), &line), LINE_OK);
    assert_true(isinf(line.v) && !line.timed);
    assert_int_equal(exposition_parse(FW_STR("a NaN"), &line), LINE_OK);
    assert_true(isnan(line.v));
    assert_int_equal(exposition_parse(FW_STR("a 1 2 # {id=\"x\"} 1"), &line),
                     LINE_OK);
    assert_int_equal(exposition_parse(FW_STR("# HELP a b"), &line), LINE_OK);
    assert_int_equal(line.series.n, 0);
    assert_int_equal(exposition_parse(FW_STR(""), &line), LINE_OK);
    assert_int_equal(line.series.n, 0);
}

static void bad_lines_say_what_is_bad(void **state)
{
    static const struct {
        const char *text;
        enum line_fault fault;
    } cases[] = {
        {"1 2", LINE_BAD_NAME},
        {"a", LINE_BAD_VALUE},
        {"a x", LINE_BAD_VALUE},
        {"a 1 x", LINE_BAD_TIME},
        {"a 1 2 3", LINE_BAD_FORM},
        {"a{b=\"c\" 1", LINE_BAD_FORM},
        {"a{b=\"c} 1", LINE_BAD_FORM},
        {"a{b} 1", LINE_BAD_TAG},
        {"a{b=c} 1", LINE_BAD_TAG},
        {"a{b=\"c\"x=\"y\"} 1", LINE_BAD_TAG},
        {"{} 1", LINE_BAD_NAME},
        {"a{=\"c\"} 1", LINE_BAD_TAG},
        {"a{b=\"c\",b=\"d\"} 1", LINE_BAD_LABELS},
    };
    struct fw_buf out = FW_BUF_INIT(4096);

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        assert_string_equal(labels_of(cases[i].text, &out),
                            line_fault_name(cases[i].fault));
    fw_buf_release(&out);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_and_labels),
        cmocka_unit_test(values_and_times),
        cmocka_unit_test(bad_lines_say_what_is_bad),
    };
    return fixture_main(argc, argv, tests);
}
