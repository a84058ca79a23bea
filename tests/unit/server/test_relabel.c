/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "tests/support/fixture.h"

#include <string.h>

#include "server/notify/relabel.h"

#define RULE(...) ((struct config_relabel){__VA_ARGS__})

/* Prometheus's defaults where nothing is said. */
static struct config_relabel with_defaults(struct config_relabel rule)
{
    if (rule.separator == NULL)
        rule.separator = ";";
    if (rule.regex == NULL)
        rule.regex = "(.*)";
    if (rule.replacement == NULL)
        rule.replacement = "$1";
    if (rule.action == NULL)
        rule.action = "replace";
    return rule;
}

static const char *const ab[] = {"a", "b"};

/* The labels after one rule as "a=1 b=2", or "dropped". */
static void expect(struct config_relabel rule, const char *want)
{
    struct fw_arena *arena = fw_arena_new(1 << 20);
    struct fw_buf got = FW_BUF_INIT(65536);
    struct label_set set = {0};
    struct relabel *relabel = NULL;
    struct fw_err err = {0};
    fw_rc rc;

    rule = with_defaults(rule);
    if (relabel_check(&rule, &err) != FW_OK ||
        relabel_new(&rule, 1, &relabel, &err) != FW_OK)
        fail_msg("%s", err.text);
    assert_int_equal(label_set_put(&set, FW_STR("a"), FW_STR("foo")), FW_OK);
    assert_int_equal(label_set_put(&set, FW_STR("b"), FW_STR("Bar-1")), FW_OK);
    assert_int_equal(label_set_put(&set, FW_STR("my_c"), FW_STR("x")), FW_OK);
    rc = relabel_apply(relabel, &set, arena, &err);
    assert_true(rc == FW_OK || rc == FW_NONE);
    if (rc == FW_NONE)
        assert_int_equal(fw_buf_adds(&got, "dropped"), FW_OK);
    for (size_t i = 0; rc == FW_OK && i < set.n; i++)
        assert_int_equal(fw_buf_printf(&got, "%s%.*s=%.*s", i > 0 ? " " : "",
                                       FW_STR_ARG(set.v[i].name),
                                       FW_STR_ARG(set.v[i].value)),
                         FW_OK);
    assert_string_equal(got.data, want);
    relabel_free(relabel);
    fw_buf_release(&got);
    fw_arena_free(arena);
}

static void replace_writes_what_the_groups_say(void **state)
{
    (void)state;
    expect(RULE(.source = (const char **)ab, .source_count = 2,
                .regex = "f(.*);(.*)-(?P<n>\\d)", .target = "d",
                .replacement = "${1}_$2$$$n"),
           "a=foo b=Bar-1 d=oo_Bar$1 my_c=x");
    expect(RULE(.source = (const char **)ab, .source_count = 1,
                .regex = "f(o+)", .target = "t_$1", .replacement = "y"),
           "a=foo b=Bar-1 my_c=x t_oo=y");
    expect(RULE(.source = (const char **)ab, .source_count = 1, .regex = "no",
                .target = "b", .replacement = "y"),
           "a=foo b=Bar-1 my_c=x");
    /* The empty text takes the label away. */
    expect(RULE(.target = "b", .replacement = ""), "a=foo my_c=x");
    expect(RULE(.target = "b", .replacement = "set"), "a=foo b=set my_c=x");
}

static void keep_and_drop_decide_on_all_of_the_value(void **state)
{
    const char *const joined[] = {"a", "missing", "b"};

    (void)state;
    expect(RULE(.action = "keep", .source = (const char **)joined,
                .source_count = 3, .regex = "foo;;Bar.*"),
           "a=foo b=Bar-1 my_c=x");
    expect(RULE(.action = "keep", .source = (const char **)joined,
                .source_count = 3, .regex = "foo"),
           "dropped");
    expect(RULE(.action = "Drop", .source = (const char **)ab,
                .source_count = 1, .regex = "fo+"),
           "dropped");
    expect(RULE(.action = "dropequal", .source = (const char **)ab,
                .source_count = 1, .target = "b"),
           "a=foo b=Bar-1 my_c=x");
    expect(RULE(.action = "keepequal", .source = (const char **)ab,
                .source_count = 1, .target = "b"),
           "dropped");
}

static void labels_are_mapped_dropped_and_kept_by_name(void **state)
{
    (void)state;
    expect(RULE(.action = "labelmap", .regex = "my_(.+)"),
           "a=foo b=Bar-1 c=x my_c=x");
    expect(RULE(.action = "labeldrop", .regex = "[ab]"), "my_c=x");
    expect(RULE(.action = "labelkeep", .regex = "[ab]"), "a=foo b=Bar-1");
    expect(RULE(.action = "labeldrop", .regex = ".*"), "dropped");
}

/* The last eight bytes of the MD5 of "foo" are 696 modulo 1000. */
static void hashes_and_letters_are_prometheus_s(void **state)
{
    (void)state;
    expect(RULE(.action = "hashmod", .source = (const char **)(ab + 0),
                .source_count = 1, .target = "d", .modulus = 1000),
           "a=foo b=Bar-1 d=696 my_c=x");
    expect(RULE(.action = "uppercase", .source = (const char **)(ab + 1),
                .source_count = 1, .target = "b"),
           "a=foo b=BAR-1 my_c=x");
    expect(RULE(.action = "lowercase", .source = (const char **)(ab + 1),
                .source_count = 1, .target = "b"),
           "a=foo b=bar-1 my_c=x");
}

static void what_cannot_work_is_refused(void **state)
{
    const struct config_relabel wrong[] = {
        RULE(.action = "relace"),
        RULE(.action = "replace"),
        RULE(.regex = "(", .target = "a"),
        RULE(.action = "hashmod", .target = "a"),
        RULE(.action = "labeldrop", .regex = "a", .target = "b"),
        RULE(.action = "keepequal", .target = "a", .regex = "x"),
    };
    struct fw_err err = {0};

    (void)state;
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        struct config_relabel rule = with_defaults(wrong[i]);

        assert_int_equal(relabel_check(&rule, &err), FW_EINVAL);
        assert_true(err.text[0] != '\0');
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(replace_writes_what_the_groups_say),
        cmocka_unit_test(keep_and_drop_decide_on_all_of_the_value),
        cmocka_unit_test(labels_are_mapped_dropped_and_kept_by_name),
        cmocka_unit_test(hashes_and_letters_are_prometheus_s),
        cmocka_unit_test(what_cannot_work_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
