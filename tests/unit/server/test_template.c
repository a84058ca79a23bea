/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Templates by themselves. That they print what Go prints is shown beside
 * promtool, by tests/rules/unit/templates_test.yml.
 */
#include "tests/support/fixture.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "server/rules/template.h"

static struct fw_arena *arena;
static struct fw_err err;

static const struct fw_label own[] = {
    {{"instance", 8}, {"a:9100", 6}},
    {{"job", 3}, {"node", 4}},
};
static const struct fw_label external[] = {{{"dc", 2}, {"d1", 2}}};
static const struct fw_labels labels = {own, 2};
static const struct fw_labels externals = {external, 1};

static fw_rc answer(void *self, struct fw_str expr, struct fw_arena *a,
                    struct fw_result *out, struct fw_err *e)
{
    struct fw_result_series *s = fw_arena_calloc(a, 2, sizeof(*s));

    (void)self;
    if (fw_str_eq(expr, FW_STR("bad")))
        return fw_err_set(e, FW_EINVAL, "it is bad");
    s[0] = (struct fw_result_series){
        .labels = labels, .v = fw_arena_calloc(a, 1, sizeof(double)), .n = 1};
    s[0].v[0] = 42;
    *out = (struct fw_result){.type = FW_VECTOR,
                              .series = s,
                              .count = fw_str_eq(expr, FW_STR("none")) ? 0 : 1};
    return FW_OK;
}

/* What a text becomes, or the sentence of its failure. */
static const char *expand(const char *text, double value)
{
    struct template_data data = {.labels = &labels,
                                 .external_labels = &externals,
                                 .external_url = "http://x/p",
                                 .value = value,
                                 .now = 1000,
                                 .query = answer};
    struct fw_buf out = FW_BUF_INIT((size_t)2 << 20);
    struct template *t = NULL;
    const char *copy;

    err = (struct fw_err){0};
    fw_arena_clear(arena);
    if (template_parse(fw_str_of(text), "t", arena, &t, &err) != FW_OK ||
        template_expand(t, &data, arena, &out, &err) != FW_OK)
        copy = err.text;
    else
        copy = fw_arena_strndup(arena, out.len > 0 ? out.data : "", out.len);
    fw_buf_release(&out);
    return copy;
}

static int begin(void **state)
{
    (void)state;
    arena = fw_arena_new((size_t)64 << 20);
    return arena == NULL;
}

static int end(void **state)
{
    (void)state;
    fw_arena_free(arena);
    return 0;
}

static void plain_text_stands_for_itself(void **state)
{
    (void)state;
    assert_string_equal(expand("a } b { c %d", 1), "a } b { c %d");
    assert_string_equal(expand("", 1), "");
}

static void labels_and_values_are_there(void **state)
{
    (void)state;
    assert_string_equal(
        expand("{{ $labels.job }} {{ .Labels.job }} {{ $value }} {{ .Value }} "
               "{{ $externalLabels.dc }} {{ $externalURL }}",
               1.5),
        "node node 1.5 1.5 d1 http://x/p");
    assert_string_equal(expand("[{{ $labels.nothing }}]", 1), "[]");
    assert_string_equal(expand("{{ pathPrefix }} {{ externalURL }}", 1),
                        "/p http://x/p");
}

static void branches_are_taken(void **state)
{
    static const char text[] = "{{ if gt $value 10.0 }}big{{ else if gt $value "
                               "1.0 }}mid{{ else }}small{{ end }}";

    (void)state;
    assert_string_equal(expand(text, 100), "big");
    assert_string_equal(expand(text, 5), "mid");
    assert_string_equal(expand(text, 0), "small");
    assert_string_equal(expand("{{ with $labels.x }}a{{ else }}b{{ end }}", 1),
                        "b");
}

static void loops_and_variables_work(void **state)
{
    (void)state;
    assert_string_equal(
        expand("{{ range $k, $v := $labels }}{{ $k }}={{ $v }};{{ end }}", 1),
        "instance=a:9100;job=node;");
    assert_string_equal(
        expand("{{ $n := 1 }}{{ range query \"x\" }}{{ $n = .Value }}{{ end "
               "}}{{ $n }}",
               1),
        "42");
    assert_string_equal(
        expand("{{ range $labels }}{{ . }}{{ break }}{{ end }}", 1), "a:9100");
    assert_string_equal(
        expand("{{ range query \"none\" }}x{{ else }}-{{ end }}", 1), "-");
}

static void failures_have_gos_words(void **state)
{
    (void)state;
    assert_string_equal(expand("{{ $x }}", 1),
                        "template: t:1: undefined variable \"$x\"");
    assert_string_equal(expand("\n{{ nofunc }}", 1),
                        "template: t:2: function \"nofunc\" not defined");
    assert_string_equal(expand("{{ if }}x{{ end }}", 1),
                        "template: t:1: missing value for if");
    assert_string_equal(expand("{{ if true }}x", 1),
                        "template: t:1: unexpected EOF");
    assert_string_equal(expand("{{ end }}", 1),
                        "template: t:1: unexpected {{end}}");
    assert_string_equal(expand("{{ \"x", 1),
                        "template: t:1: unterminated quoted string");
    assert_string_equal(
        expand("{{ query \"none\" | first | value }}", 1),
        "error executing template t: template: t:1:130: executing \"t\" at "
        "<first>: error calling first: first() called on vector with no "
        "elements");
    assert_non_null(strstr(expand("{{ query \"bad\" }}", 1),
                           "error calling query: it is bad"));
    assert_non_null(strstr(expand("{{ gt $value 5 }}", 1),
                           "incompatible types for comparison"));
}

static void numbers_for_people(void **state)
{
    (void)state;
    assert_string_equal(expand("{{ humanize $value }}", 1234567), "1.235M");
    assert_string_equal(expand("{{ humanize $value }}", NAN), "NaN");
    assert_string_equal(expand("{{ humanize1024 $value }}", 1048576), "1Mi");
    assert_string_equal(expand("{{ humanizeDuration $value }}", 90061),
                        "1d 1h 1m 1s");
    assert_string_equal(expand("{{ humanizePercentage $value }}", 0.1234),
                        "12.34%");
    assert_string_equal(expand("{{ humanizeTimestamp $value }}", INFINITY),
                        "+Inf");
    assert_string_equal(expand("{{ $value }}", 1e6), "1e+06");
    assert_string_equal(expand("{{ $value }}", INFINITY), "+Inf");
}

static void a_template_that_never_ends_is_cut_off(void **state)
{
    (void)state;
    assert_non_null(
        strstr(expand("{{ define \"d\" }}{{ template \"d\" . }}{{ end }}{{ "
                      "template \"d\" . }}",
                      1),
               "exceeded maximum template depth"));
    assert_non_null(
        strstr(expand("{{ range 2000 }}{{ range 2000 }}{{ end }}{{ end }}", 1),
               "runs for too long"));
    assert_non_null(strstr(
        expand("{{ printf \"%1000s%1000s\" \"a\" \"b\" | printf \"%s%s\" \"c\" "
               "| len }}",
               1),
        "2001"));
}

static void deep_nesting_is_refused(void **state)
{
    char text[2048] = "{{ ";
    size_t n = strlen(text);

    (void)state;
    while (n < 1000)
        text[n++] = '(';
    text[n] = '\0';
    (void)expand(text, 1);
    assert_int_equal(err.rc, FW_EINVAL);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(plain_text_stands_for_itself, begin,
                                        end),
        cmocka_unit_test_setup_teardown(labels_and_values_are_there, begin,
                                        end),
        cmocka_unit_test_setup_teardown(branches_are_taken, begin, end),
        cmocka_unit_test_setup_teardown(loops_and_variables_work, begin, end),
        cmocka_unit_test_setup_teardown(failures_have_gos_words, begin, end),
        cmocka_unit_test_setup_teardown(numbers_for_people, begin, end),
        cmocka_unit_test_setup_teardown(a_template_that_never_ends_is_cut_off,
                                        begin, end),
        cmocka_unit_test_setup_teardown(deep_nesting_is_refused, begin, end),
    };

    return fixture_main(argc, argv, tests);
}
