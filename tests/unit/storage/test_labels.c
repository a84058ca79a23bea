/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "tests/support/fixture.h"

#include <stdio.h>
#include <string.h>

#include "storage/base/limits.h"
#include "storage/storage.h"

static struct fw_err err;

static struct fw_label pair(const char *name, const char *value)
{
    return (struct fw_label){fw_str_of(name), fw_str_of(value)};
}

static void canonical_labels_are_sorted_without_empty_ones(void **state)
{
    struct fw_label v[] = {pair("b", "2"), pair("c", ""), pair("a", "1"),
                           pair("aa", "3")};
    size_t n = 4;

    (void)state;
    assert_int_equal(fw_labels_canonical(v, &n, &err), FW_OK);
    assert_int_equal(n, 3);
    assert_true(fw_str_eq(v[0].name, FW_STR("a")));
    assert_true(fw_str_eq(v[1].name, FW_STR("aa")));
    assert_true(fw_str_eq(v[2].value, FW_STR("2")));
}

static void what_cannot_be_a_label_is_refused_by_name(void **state)
{
    static char huge[FW_MAX_LABEL_VALUE_BYTES + 2];
    struct fw_label twice[] = {pair("a", "1"), pair("a", "2")};
    struct fw_label empty[] = {pair("", "1")};
    struct fw_label bytes[] = {pair("a\xff", "1")};
    struct fw_label value[] = {pair("a", "\xc3(")};
    struct fw_label large[] = {pair("name", huge)};
    struct fw_label many[FW_MAX_LABELS + 1];
    char names[FW_MAX_LABELS + 1][16];
    size_t n = 2;

    (void)state;
    assert_int_equal(fw_labels_canonical(twice, &n, &err), FW_EINVAL);
    assert_non_null(strstr(err.text, "'a'"));
    n = 1;
    assert_int_equal(fw_labels_canonical(empty, &n, &err), FW_EINVAL);
    assert_int_equal(fw_labels_canonical(bytes, &n, &err), FW_EINVAL);
    assert_int_equal(fw_labels_canonical(value, &n, &err), FW_EINVAL);
    memset(huge, 'x', sizeof(huge) - 1);
    large[0].value = fw_str_of(huge);
    assert_int_equal(fw_labels_canonical(large, &n, &err), FW_ETOOBIG);
    assert_non_null(strstr(err.text, "'name'"));
    for (int i = 0; i <= FW_MAX_LABELS; i++) {
        (void)snprintf(names[i], sizeof(names[i]), "l%d", i);
        many[i] = pair(names[i], "v");
    }
    n = FW_MAX_LABELS + 1;
    assert_int_equal(fw_labels_canonical(many, &n, &err), FW_ETOOBIG);
    n = FW_MAX_LABELS;
    assert_int_equal(fw_labels_canonical(many, &n, &err), FW_OK);
}

static void order_is_label_by_label(void **state)
{
    struct fw_label a[] = {pair("a", "1"), pair("b", "1")};
    struct fw_label b[] = {pair("a", "1"), pair("b", "2")};
    struct fw_labels left = {a, 2}, right = {b, 2}, less = {a, 1};

    (void)state;
    assert_true(fw_labels_cmp(&left, &right) < 0);
    assert_true(fw_labels_cmp(&right, &left) > 0);
    assert_true(fw_labels_cmp(&left, &left) == 0);
    assert_true(fw_labels_cmp(&less, &left) < 0);
    assert_true(fw_str_eq(fw_labels_get(&left, FW_STR("b")), FW_STR("1")));
    assert_int_equal(fw_labels_get(&left, FW_STR("z")).n, 0);
}

static void expect_text(struct fw_label *v, size_t n, const char *text)
{
    struct fw_buf out = FW_BUF_INIT(1000);
    struct fw_labels labels = {v, n};

    assert_int_equal(fw_labels_print(&out, &labels), FW_OK);
    assert_string_equal(out.data, text);
    fw_buf_release(&out);
}

static void text_is_what_promql_reads(void **state)
{
    struct fw_label plain[] = {pair("__name__", "up"), pair("job", "a\"b\\\n")};
    struct fw_label quoted[] = {pair("__name__", "my metric"),
                                pair("my.label", "\xc3\xa4\x01")};
    struct fw_label nameless[] = {pair("a", "1"), pair("b", "2")};

    (void)state;
    expect_text(plain, 1, "up");
    expect_text(plain, 2, "up{job=\"a\\\"b\\\\\\n\"}");
    expect_text(quoted, 2, "{\"my metric\",\"my.label\"=\"\xc3\xa4\\x01\"}");
    expect_text(nameless, 2, "{a=\"1\",b=\"2\"}");
    expect_text(nameless, 0, "{}");
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(canonical_labels_are_sorted_without_empty_ones),
        cmocka_unit_test(what_cannot_be_a_label_is_refused_by_name),
        cmocka_unit_test(order_is_label_by_label),
        cmocka_unit_test(text_is_what_promql_reads),
    };

    return fixture_main(argc, argv, tests);
}
