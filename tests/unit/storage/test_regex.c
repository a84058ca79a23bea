/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "tests/support/fixture.h"

#include <string.h>

#include "storage/index/regex.h"

static bool matches(const char *pattern, const char *text)
{
    struct fw_regex *regex = NULL;
    struct fw_err err = {0};
    bool yes;

    if (fw_regex_compile(fw_str_of(pattern), &regex, &err) != FW_OK)
        fail_msg("%s: %s", pattern, err.text);
    yes = fw_regex_matches(regex, fw_str_of(text));
    fw_regex_free(regex);
    return yes;
}

static void patterns_are_anchored_at_both_ends(void **state)
{
    (void)state;
    assert_true(matches("abc", "abc"));
    assert_false(matches("abc", "abcd"));
    assert_false(matches("b[c]", "abc"));
    assert_true(matches("a|b[c]", "bc"));
    assert_false(matches("a|b[c]", "ac"));
    assert_false(matches("a[b]", "ab\n"));
    assert_true(matches("a.c", "a\nc"));
    assert_true(matches("", ""));
    assert_false(matches("", "x"));
}

static void each_shape_gives_the_engine_answer(void **state)
{
    (void)state;
    assert_true(matches(".*", ""));
    assert_false(matches(".+", ""));
    assert_true(matches(".+", "\n"));
    assert_true(matches("node_.*", "node_"));
    assert_false(matches("node_.*", "nod"));
    assert_true(matches("a|b|c", "b"));
    assert_true(matches("(a|b|c)", "c"));
    assert_true(matches("(?:a||c)", ""));
    assert_false(matches("a|b|c", ""));
    assert_true(matches("(a|b)|c", "c"));
    assert_false(matches("(a)|(b)", "a)|(b"));
}

static void classes_mean_what_they_mean_in_go(void **state)
{
    (void)state;
    assert_true(matches("\\d+", "42"));
    assert_false(matches("\\d+", "\xd9\xa3")); /* an Arabic digit */
    assert_false(matches("\\s", "\v"));
    assert_true(matches("\\S", "\v"));
    assert_true(matches("[\\s]", "\t"));
    assert_true(matches("[^\\s]", "\v"));
    assert_true(matches("[\\S]", "\v"));
    assert_true(matches("\\v", "\v"));
    assert_false(matches("\\v", "\n"));
    assert_true(matches("\\Qa.b\\E+", "a.bb"));
    assert_true(matches("\\x41\\x{42}\\103", "ABC"));
    assert_true(matches("[[:alpha:]]+", "abc"));
    assert_true(matches("[]a]+", "]a"));
    assert_true(matches("[a[]+", "[a"));
    assert_true(matches("x{,3}", "x{,3}"));
    assert_true(matches("x{2}", "xx"));
    assert_true(matches("(?i)AbC", "aBc"));
    assert_true(matches("(?P<n>a)(?:b)(?i:C)", "abc"));
    assert_true(matches("\\pL+", "\xc3\xa4"));
    assert_true(matches(".", "\xe2\x82\xac")); /* one character, not bytes */
}

static void what_re2_refuses_is_refused(void **state)
{
    static const char *const bad[] = {
        "(",       ")",       "a(b",    "[a",          "*a",      "a**",
        "a*+",     "a++",     "a??+",   "(?=a)",       "(?!a)",   "(?<=a)",
        "(?<!a)",  "(?>a)",   "(?R)",   "(?1)",        "(a)\\1",  "\\k<n>",
        "\\g1",    "\\K",     "\\R",    "\\X",         "\\h",     "\\C",
        "\\Z",     "\\G",     "(*UTF)", "(?#c)",       "(?|a)",   "(?'n'a)",
        "(?P=n)",  "(?P>n)",  "(?C1)",  "a{1001}",     "a{2,1}",  "a\\",
        "\\8",     "\\e",     "\\cA",   "[z-a]",       "[[:x:]]", "(?x)a",
        "a{2}{3}", "(?(1)a)", "|*",     "\\x{110000}", "\xff",    "\\N"};
    struct fw_err err = {0};

    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        if (fw_regex_check(fw_str_of(bad[i]), &err) != FW_EINVAL)
            fail_msg("'%s' was accepted", bad[i]);
}

static void hostile_patterns_come_to_an_end(void **state)
{
    char text[64];

    (void)state;
    memset(text, 'a', sizeof(text));
    text[sizeof(text) - 2] = 'b';
    text[sizeof(text) - 1] = '\0';
    assert_false(matches("(a+)+c", text));
    assert_true(matches("(a+)+b", text));
    assert_false(matches("(a|aa)*c", text));
    assert_true(matches("((a|aa)*)*b", text));
}

static void groups_are_found_by_number_and_name(void **state)
{
    struct fw_regex *regex = NULL;
    struct fw_str groups[8];
    struct fw_err err = {0};
    size_t n = 0;

    (void)state;
    assert_int_equal(
        fw_regex_compile(FW_STR("(?P<host>[a-z]+)(:(\\d+))?"), &regex, &err),
        FW_OK);
    assert_int_equal(fw_regex_groups(regex, FW_STR("db:9090"), groups, 8, &n),
                     FW_OK);
    assert_int_equal(n, 4);
    assert_true(fw_str_eq(groups[0], FW_STR("db:9090")));
    assert_true(fw_str_eq(groups[fw_regex_group_number(regex, FW_STR("host"))],
                          FW_STR("db")));
    assert_true(fw_str_eq(groups[3], FW_STR("9090")));
    assert_int_equal(fw_regex_groups(regex, FW_STR("db"), groups, 8, &n),
                     FW_OK);
    assert_null(groups[3].p);
    assert_int_equal(fw_regex_groups(regex, FW_STR("9"), groups, 8, &n),
                     FW_NONE);
    assert_int_equal(fw_regex_group_number(regex, FW_STR("port")), 0);
    fw_regex_free(regex);
    assert_int_equal(fw_regex_compile(FW_STR("(a|b)"), &regex, &err), FW_OK);
    assert_int_equal(fw_regex_groups(regex, FW_STR("b"), groups, 8, &n), FW_OK);
    assert_int_equal(n, 2);
    assert_true(fw_str_eq(groups[1], FW_STR("b")));
    fw_regex_free(regex);
}

/* Each of these RE2 took us to task for (tests/re2). */
static void what_re2_showed_stays_right(void **state)
{
    struct fw_err err = {0};

    (void)state;
    assert_true(matches("\\b+a\\z*", "a"));
    assert_true(matches("(?:^)*a(?:$){2}", "a"));
    assert_true(matches("(?)a", "a"));
    assert_true(matches("a{03}", "a{03}"));
    assert_true(matches("[\\d-z]+", "4-z"));
    assert_true(matches("[a[:^digit ]]+", "t]]"));
    assert_true(matches("[[:^digit:]k]+", "\xce\xb1"));
    assert_true(matches("(?m:.*^)", "ck\n"));
    assert_true(matches("\\p{Greek}\\pC?", "\xce\xb1"));
    assert_int_equal(fw_regex_check(FW_STR("\\p{Grek}"), &err), FW_EINVAL);
    assert_int_equal(fw_regex_check(FW_STR("\\pX"), &err), FW_EINVAL);
    assert_int_equal(fw_regex_check(FW_STR("[[:alpa:]]"), &err), FW_EINVAL);
    assert_int_equal(fw_regex_check(FW_STR("[c-a]"), &err), FW_EINVAL);
}

static void the_second_engine_ends_at_the_end_too(void **state)
{
    /* So many ways that the first one gives up. */
    const char *pattern = "(x+x+)+y|(?:x?){30}x{30}";
    char text[64];

    (void)state;
    memset(text, 'x', 40);
    text[40] = '\0';
    assert_true(matches(pattern, text));
    text[40] = 'z';
    text[41] = '\0';
    assert_false(matches(pattern, text));
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(patterns_are_anchored_at_both_ends),
        cmocka_unit_test(each_shape_gives_the_engine_answer),
        cmocka_unit_test(classes_mean_what_they_mean_in_go),
        cmocka_unit_test(what_re2_refuses_is_refused),
        cmocka_unit_test(groups_are_found_by_number_and_name),
        cmocka_unit_test(hostile_patterns_come_to_an_end),
        cmocka_unit_test(what_re2_showed_stays_right),
        cmocka_unit_test(the_second_engine_ends_at_the_end_too),
    };

    return fixture_main(argc, argv, tests);
}
