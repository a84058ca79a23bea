/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "tests/support/fixture.h"

#include "query/parse/lexer.h"

/* The kinds of all tokens of a text; returns how many, END not counted. */
static size_t lex(const char *text, enum token_kind *kinds, size_t max,
                  struct fw_err *err)
{
    struct lexer lexer;
    struct token token = {TOKEN_END, {0, 0}};
    size_t n = 0;

    lexer_init(&lexer, fw_str_of(text));
    while (lexer_next(&lexer, &token, err) == FW_OK && token.kind != TOKEN_END)
        if (n < max)
            kinds[n++] = token.kind;
    return n;
}

static void expect_one(const char *text, enum token_kind kind)
{
    enum token_kind kinds[8];
    struct fw_err err = {0};

    assert_int_equal(lex(text, kinds, 8, &err), 1);
    assert_int_equal(err.rc, FW_OK);
    assert_int_equal(kinds[0], kind);
}

static void expect_error(const char *text, int column, const char *sentence)
{
    enum token_kind kinds[64];
    struct fw_err err = {0};

    (void)lex(text, kinds, 64, &err);
    assert_int_equal(err.rc, FW_EINVAL);
    assert_int_equal(err.column, column);
    if (strstr(err.text, sentence) == NULL)
        fail_msg("%s: want '%s', got '%s'", text, sentence, err.text);
}

static void numbers_have_all_their_forms(void **state)
{
    static const char *const numbers[] = {
        "1",    "1.",    ".5",  "1.5", "1e3", "1E-3", "0x1F",
        "0X_a", "1_000", "017", "inf", "NaN", "1.e5"};
    (void)state;
    for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
        expect_one(numbers[i], TOKEN_NUMBER);
}

static void durations_are_told_from_numbers(void **state)
{
    static const char *const durations[] = {"5m", "1h30m", "250ms",
                                            "1y2w3d4h5m6s7ms", "0s"};
    (void)state;
    for (size_t i = 0; i < sizeof(durations) / sizeof(durations[0]); i++)
        expect_one(durations[i], TOKEN_DURATION);
}

static void keywords_are_found_in_any_case(void **state)
{
    (void)state;
    expect_one("SUM", TOKEN_SUM);
    expect_one("Group_Left", TOKEN_GROUP_LEFT);
    expect_one("aTaN2", TOKEN_ATAN2);
    expect_one("summ", TOKEN_IDENTIFIER);
    expect_one("a:b", TOKEN_METRIC);
}

static void signs_take_the_longest_form(void **state)
{
    enum token_kind kinds[16];
    struct fw_err err = {0};

    (void)state;
    assert_int_equal(lex("== != <= >= < > = ^ %", kinds, 16, &err), 9);
    assert_int_equal(kinds[0], TOKEN_EQ);
    assert_int_equal(kinds[3], TOKEN_GE);
    assert_int_equal(kinds[6], TOKEN_ASSIGN);
}

static void braces_change_what_words_mean(void **state)
{
    enum token_kind kinds[16];
    struct fw_err err = {0};

    (void)state;
    assert_int_equal(lex("m{sum=\"a\",by=~'b'}", kinds, 16, &err), 10);
    assert_int_equal(kinds[2], TOKEN_IDENTIFIER); /* sum is a label here */
    assert_int_equal(kinds[7], TOKEN_REGEX);
}

static void comments_and_blanks_are_skipped(void **state)
{
    enum token_kind kinds[8];
    struct fw_err err = {0};

    (void)state;
    assert_int_equal(lex(" a # b\n + # c\r\n d # e", kinds, 8, &err), 3);
    assert_int_equal(err.rc, FW_OK);
}

static void quotes_may_hold_the_other_quotes(void **state)
{
    (void)state;
    expect_one("\"a'`b\"", TOKEN_STRING);
    expect_one("'a\"b\\'c'", TOKEN_STRING);
    expect_one("`a\\\nb`", TOKEN_STRING);
    expect_error("'a\nb'", 1, "unterminated quoted string");
}

static void bad_characters_are_shown_with_their_place(void **state)
{
    (void)state;
    expect_error("a $", 3, "unexpected character: '$'");
    expect_error("a \x01", 3, "unexpected character: '\\x01'");
    expect_error("\xC3\xA9\xC3\xA9", 1, "'\xC3\xA9'");
    expect_error("m{a=1}", 5, "unexpected character inside braces: '1'");
    expect_error("a\n  + $", 5, "2:5: parse error");
    expect_error("[[", 2, "inside brackets");
}

static void columns_count_characters_not_bytes(void **state)
{
    (void)state;
    expect_error("\"\xE2\x98\x83\" $", 5, "unexpected character: '$'");
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers_have_all_their_forms),
        cmocka_unit_test(durations_are_told_from_numbers),
        cmocka_unit_test(keywords_are_found_in_any_case),
        cmocka_unit_test(signs_take_the_longest_form),
        cmocka_unit_test(braces_change_what_words_mean),
        cmocka_unit_test(comments_and_blanks_are_skipped),
        cmocka_unit_test(quotes_may_hold_the_other_quotes),
        cmocka_unit_test(bad_characters_are_shown_with_their_place),
        cmocka_unit_test(columns_count_characters_not_bytes),
    };
    return fixture_main(argc, argv, tests);
}
