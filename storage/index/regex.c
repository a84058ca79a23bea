/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * regex.c - see regex.h; the one door to PCRE2.
 *
 * PCRE2 backtracks, and a hostile pattern can keep it busy for ever. So the
 * first engine runs with a budget, and when that is spent the second one, which
 * follows all paths at once and never goes back, gives the answer.
 */
#include "storage/index/regex.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>
#include <stdlib.h>
#include <string.h>

#include "storage/base/limits.h"

#define STEP_BUDGET 20000
#define HEAP_BUDGET_KIB 8192
#define FIRST_WORKSPACE 1024
#define LARGEST_WORKSPACE ((size_t)1 << 22)

/* ---- Shapes that need no engine --------------------------------------------
 */

static bool special(char c)
{
    return memchr("\\.+*?()|[]{}^$", c, 14) != NULL;
}

static bool plain(struct fw_str s)
{
    for (size_t i = 0; i < s.n; i++)
        if (special(s.p[i]))
            return false;
    return true;
}

static fw_rc add_word(struct fw_regex *re, size_t *cap, struct fw_str word)
{
    fw_rc rc = fw_grow(&re->words, cap, re->word_count + 1, sizeof(*re->words),
                       FW_MAX_REGEX_BYTES + 1);

    if (rc == FW_OK)
        re->words[re->word_count++] = word;
    return rc;
}

/* a|b|c, with or without one pair of parentheses around it. */
static bool alternatives(struct fw_regex *re, struct fw_str s, fw_rc *rc)
{
    size_t cap = 0;
    size_t start;

    if (s.n >= 2 && s.p[0] == '(' && s.p[s.n - 1] == ')') {
        s = (struct fw_str){s.p + 1, s.n - 2};
        if (s.n >= 2 && s.p[0] == '?' && s.p[1] == ':')
            s = (struct fw_str){s.p + 2, s.n - 2};
    }
    for (size_t i = 0; i < s.n; i++)
        if (special(s.p[i]) && s.p[i] != '|')
            return false;
    start = 0;
    for (size_t i = 0; i <= s.n && *rc == FW_OK; i++) {
        if (i < s.n && s.p[i] != '|')
            continue;
        *rc = add_word(re, &cap, (struct fw_str){s.p + start, i - start});
        start = i + 1;
    }
    return true;
}

/* Sets shape and words where no engine is needed. */
static fw_rc find_shape(struct fw_regex *re, struct fw_str s)
{
    size_t cap = 0;
    fw_rc rc = FW_OK;

    re->shape = REGEX_ENGINE;
    if (fw_str_eq(s, FW_STR(".*"))) {
        re->shape = REGEX_ANYTHING;
    } else if (fw_str_eq(s, FW_STR(".+"))) {
        re->shape = REGEX_NOT_EMPTY;
    } else if (s.n > 2 && s.p[s.n - 2] == '.' && s.p[s.n - 1] == '*' &&
               plain((struct fw_str){s.p, s.n - 2})) {
        re->shape = REGEX_PREFIX;
        rc = add_word(re, &cap, (struct fw_str){s.p, s.n - 2});
    } else if (alternatives(re, s, &rc)) {
        re->shape = REGEX_ALTERNATIVES;
    }
    return rc;
}

/* ---- The engine -----------------------------------------------------------
 */

static fw_rc engine_compile(struct fw_regex *re, struct fw_str translated,
                            struct fw_err *err)
{
    const uint32_t flags = PCRE2_ANCHORED | PCRE2_DOTALL |
                           PCRE2_DOLLAR_ENDONLY | PCRE2_ALT_CIRCUMFLEX |
                           PCRE2_UTF | PCRE2_NEVER_BACKSLASH_C;
    pcre2_compile_context *context = pcre2_compile_context_create(NULL);
    pcre2_match_context *limits = pcre2_match_context_create(NULL);
    PCRE2_SIZE offset = 0;
    int code = 0;

    if (context != NULL) {
        (void)pcre2_set_newline(context, PCRE2_NEWLINE_LF);
        re->code = pcre2_compile((PCRE2_SPTR)translated.p, translated.n, flags,
                                 &code, &offset, context);
        pcre2_compile_context_free(context);
    }
    re->context = limits;
    if (re->code == NULL && code != 0) {
        PCRE2_UCHAR text[256] = "";

        (void)pcre2_get_error_message(code, text, sizeof(text));
        return fw_err_set(err, FW_EINVAL, "bad regular expression: %s",
                          (const char *)text);
    }
    re->match = re->code == NULL
                    ? NULL
                    : pcre2_match_data_create_from_pattern(re->code, NULL);
    if (re->match == NULL || limits == NULL)
        return fw_err_set(err, FW_ENOMEM, "out of memory");
    (void)pcre2_set_match_limit(limits, STEP_BUDGET);
    (void)pcre2_set_heap_limit(limits, HEAP_BUDGET_KIB);
    /* Where memory may not be made executable this fails and is not missed. */
    (void)pcre2_jit_compile(re->code, PCRE2_JIT_COMPLETE);
    return FW_OK;
}

/* The answer of the second engine, whatever workspace it takes. */
static bool engine_follow_all(struct fw_regex *re, struct fw_str text)
{
    for (;;) {
        int code = PCRE2_ERROR_DFA_WSSIZE;

        if (re->workspace != NULL)
            code = pcre2_dfa_match(re->code, (PCRE2_SPTR)text.p, text.n, 0, 0,
                                   re->match, NULL, re->workspace,
                                   re->workspace_size);
        if (code != PCRE2_ERROR_DFA_WSSIZE)
            return code >= 0;
        if (re->workspace_size >= LARGEST_WORKSPACE)
            return false;
        re->workspace_size =
            re->workspace == NULL ? FIRST_WORKSPACE : re->workspace_size * 4;
        free(re->workspace);
        re->workspace = calloc(re->workspace_size, sizeof(*re->workspace));
        if (re->workspace == NULL)
            return false;
    }
}

static bool engine_matches(struct fw_regex *re, struct fw_str text)
{
    int code = pcre2_match(re->code, (PCRE2_SPTR)text.p, text.n, 0, 0,
                           re->match, re->context);

    if (code == PCRE2_ERROR_MATCHLIMIT || code == PCRE2_ERROR_DEPTHLIMIT ||
        code == PCRE2_ERROR_HEAPLIMIT || code == PCRE2_ERROR_JIT_STACKLIMIT)
        return engine_follow_all(re, text);
    return code >= 0;
}

/* ---- For everybody ----------------------------------------------------------
 */

/*
 * The pattern in PCRE2's words, up to the end of the text. It says so itself:
 * PCRE2_ENDANCHORED means nothing to the second engine.
 */
static fw_rc whole_text(struct fw_str pattern, struct fw_buf *out,
                        struct fw_err *err)
{
    fw_rc rc = fw_buf_adds(out, "(?:");

    if (rc == FW_OK)
        rc = regex_translate(pattern, out, err);
    return rc == FW_OK ? fw_buf_adds(out, ")\\z") : rc;
}

fw_rc fw_regex_compile(struct fw_str pattern, struct fw_regex **out,
                       struct fw_err *err)
{
    struct fw_buf translated = FW_BUF_INIT(FW_MAX_REGEX_BYTES * 40 + 64);
    struct fw_regex *re = calloc(1, sizeof(*re));
    fw_rc rc;

    if (re == NULL)
        return fw_err_set(err, FW_ENOMEM, "out of memory");
    rc = whole_text(pattern, &translated, err);
    if (rc != FW_OK)
        goto out;
    re->text = malloc(pattern.n + 1);
    if (re->text == NULL) {
        rc = fw_err_set(err, FW_ENOMEM, "out of memory");
        goto out;
    }
    memcpy(re->text, pattern.n > 0 ? pattern.p : "", pattern.n);
    re->text[pattern.n] = '\0';
    rc = find_shape(re, (struct fw_str){re->text, pattern.n});
    if (rc != FW_OK)
        rc = fw_err_set(err, rc, "out of memory");
    else if (re->shape == REGEX_ENGINE || strchr(re->text, '(') != NULL)
        rc = engine_compile(
            re, (struct fw_str){translated.data, translated.len}, err);
out:
    if (rc == FW_OK) {
        *out = re;
        re = NULL;
    }
    fw_regex_free(re);
    fw_buf_release(&translated);
    return rc;
}

void fw_regex_free(struct fw_regex *regex)
{
    if (regex == NULL)
        return;
    pcre2_match_data_free(regex->match);
    pcre2_match_context_free(regex->context);
    pcre2_code_free(regex->code);
    free(regex->workspace);
    free(regex->words);
    free(regex->text);
    free(regex);
}

fw_rc fw_regex_check(struct fw_str pattern, struct fw_err *err)
{
    struct fw_regex *regex = NULL;
    fw_rc rc = fw_regex_compile(pattern, &regex, err);

    fw_regex_free(regex);
    return rc;
}

bool fw_regex_matches(struct fw_regex *regex, struct fw_str text)
{
    switch (regex->shape) {
    case REGEX_ANYTHING:
        return true;
    case REGEX_NOT_EMPTY:
        return text.n > 0;
    case REGEX_PREFIX:
        return text.n >= regex->words[0].n &&
               memcmp(text.p, regex->words[0].p, regex->words[0].n) == 0;
    case REGEX_ALTERNATIVES:
        for (size_t i = 0; i < regex->word_count; i++)
            if (fw_str_eq(text, regex->words[i]))
                return true;
        return false;
    case REGEX_ENGINE:
        break;
    }
    return engine_matches(regex, text);
}

fw_rc fw_regex_groups(struct fw_regex *regex, struct fw_str text,
                      struct fw_str *groups, size_t max, size_t *count)
{
    const PCRE2_SIZE *ends;
    uint32_t n;
    int code;

    if (!fw_regex_matches(regex, text))
        return FW_NONE;
    *count = 1;
    if (max > 0)
        groups[0] = text;
    if (regex->code == NULL)
        return FW_OK;
    n = pcre2_get_ovector_count(regex->match);
    ends = pcre2_get_ovector_pointer(regex->match);
    code = pcre2_match(regex->code, (PCRE2_SPTR)text.p, text.n, 0, 0,
                       regex->match, regex->context);
    for (uint32_t i = 1; i < n && i < max; i++) {
        /* Past its budget the engine does not know what took part. */
        bool unset =
            code < 0 || (uint32_t)code <= i || ends[2 * i] == PCRE2_UNSET;

        groups[i] = unset ? (struct fw_str){NULL, 0}
                          : (struct fw_str){text.p + ends[2 * i],
                                            ends[2 * i + 1] - ends[2 * i]};
    }
    *count = n;
    return FW_OK;
}

size_t fw_regex_group_number(const struct fw_regex *regex, struct fw_str name)
{
    char text[FW_MAX_REGEX_BYTES + 1];
    int number;

    if (regex->code == NULL || name.n >= sizeof(text))
        return 0;
    memcpy(text, name.p, name.n);
    text[name.n] = '\0';
    number = pcre2_substring_number_from_name(regex->code, (PCRE2_SPTR)text);
    return number > 0 ? (size_t)number : 0;
}
