/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * regex_translate.c - a pattern of RE2 (as Go's regexp/syntax reads it) said
 * in the words of PCRE2, or refused for the reason Go would give.
 *
 * One pass over the pattern, character by character. Only what is named here
 * gets through; so no construct that PCRE2 alone knows (look-around, back
 * references, recursion, atomic groups, verbs) can reach its engine.
 */
#include "storage/regex.h"

#include "storage/base/limits.h"

#define MAX_REPEAT 1000 /* as RE2 */
#define MAX_NESTING 250

struct reader {
    const char *p;
    size_t n;
    size_t at;
    struct fw_buf *out;
    struct fw_err *err;
    int depth;
    bool can_repeat; /* there is something a quantifier could apply to */
};

static bool is_word(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
           (c >= '0' && c <= '9') || c == '_';
}

static bool is_hex(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') ||
           (c >= 'A' && c <= 'F');
}

static char peek(const struct reader *r, size_t ahead)
{
    return r->at + ahead < r->n ? r->p[r->at + ahead] : '\0';
}

static fw_rc refuse(struct reader *r, const char *why, size_t from)
{
    size_t len = r->at > from ? r->at - from : 1;

    if (from + len > r->n)
        len = r->n - from;
    return fw_err_set(r->err, FW_EINVAL, "bad regular expression: %s: '%.*s'",
                      why, (int)len, r->p + from);
}

static fw_rc emit(struct reader *r, const char *text)
{
    return fw_buf_adds(r->out, text);
}

static fw_rc emit_from(struct reader *r, size_t from)
{
    return fw_buf_add(r->out, r->p + from, r->at - from);
}

/* One literal byte (or a byte of a UTF-8 sequence), escaped where needed. */
static fw_rc emit_literal(struct reader *r, char c)
{
    bool plain =
        is_word(c) || (unsigned char)c >= 0x80 || (unsigned char)c <= ' ';
    fw_rc rc = plain ? FW_OK : fw_buf_addc(r->out, '\\');

    return rc == FW_OK ? fw_buf_addc(r->out, c) : rc;
}

/* ---- Escapes --------------------------------------------------------------
 */

/* \x7F or \x{10FFFF}; `at` stands behind the x. */
static fw_rc hex_escape(struct reader *r, size_t from)
{
    size_t digits = 0;
    bool braces = peek(r, 0) == '{';

    if (braces)
        r->at++;
    while (is_hex(peek(r, 0)) && digits < (braces ? 8u : 2u)) {
        r->at++;
        digits++;
    }
    if (digits == 0 || (!braces && digits != 2) ||
        (braces && peek(r, 0) != '}'))
        return refuse(r, "invalid escape sequence", from);
    if (braces)
        r->at++;
    return emit_from(r, from);
}

/* \pN or \p{Greek} or \p{^Greek}; `at` stands behind the p. */
static fw_rc property_escape(struct reader *r, size_t from)
{
    if (peek(r, 0) == '{') {
        while (r->at < r->n && r->p[r->at] != '}')
            r->at++;
        if (r->at == r->n)
            return refuse(r, "invalid character class range", from);
    }
    if (r->at == r->n)
        return refuse(r, "invalid character class range", from);
    r->at++;
    return emit_from(r, from);
}

/* \0, \012 or \123: `at` stands behind the first digit. */
static fw_rc octal_escape(struct reader *r, char first, size_t from)
{
    unsigned value = (unsigned)(first - '0');

    if (first != '0' && (peek(r, 0) < '0' || peek(r, 0) > '7'))
        return refuse(r, "invalid escape sequence", from);
    for (int i = 0; i < 2 && peek(r, 0) >= '0' && peek(r, 0) <= '7'; i++)
        value = value * 8 + (unsigned)(r->p[r->at++] - '0');
    return fw_buf_printf(r->out, "\\x{%x}", value);
}

/*
 * An escape that stands for one character or one class, the same inside and
 * outside of brackets. RE2's \s lacks the vertical tab of PCRE2's.
 */
static fw_rc common_escape(struct reader *r, bool in_class)
{
    size_t from = r->at++;
    char c = peek(r, 0);

    if (r->at == r->n)
        return refuse(r, "trailing backslash at end of expression", from);
    r->at++;
    switch (c) {
    case 'd':
    case 'D':
    case 'w':
    case 'W':
    case 'a':
    case 'f':
    case 't':
    case 'n':
    case 'r':
        return emit_from(r, from);
    case 'v':
        return emit(r, "\\x{0b}");
    case 's':
        return emit(r,
                    in_class ? "\\t\\n\\f\\r\\x{20}" : "[\\t\\n\\f\\r\\x{20}]");
    case 'S':
        return emit(r, in_class ? "\\S\\x{0b}" : "[^\\t\\n\\f\\r\\x{20}]");
    case 'x':
        return hex_escape(r, from);
    case 'p':
    case 'P':
        return property_escape(r, from);
    default:
        break;
    }
    if (c >= '0' && c <= '7')
        return octal_escape(r, c, from);
    if ((unsigned char)c >= 0x80 || (is_word(c) && c != '_'))
        return refuse(r, "invalid escape sequence", from);
    return emit_literal(r, c);
}

/* \Q...\E: everything in between as it stands. */
static fw_rc quoted_run(struct reader *r)
{
    fw_rc rc = FW_OK;

    r->at += 2;
    while (r->at < r->n && rc == FW_OK) {
        if (r->p[r->at] == '\\' && peek(r, 1) == 'E') {
            r->at += 2;
            return FW_OK;
        }
        rc = emit_literal(r, r->p[r->at++]);
        r->can_repeat = true;
    }
    return rc;
}

static fw_rc escape(struct reader *r)
{
    char c = peek(r, 1);

    if (c == 'Q')
        return quoted_run(r);
    if (c == 'A' || c == 'b' || c == 'B' || c == 'z') {
        size_t from = r->at;

        r->at += 2;
        r->can_repeat = true;
        return emit_from(r, from);
    }
    r->can_repeat = true;
    return common_escape(r, false);
}

/* ---- Brackets --------------------------------------------------------------
 */

static fw_rc named_class(struct reader *r, size_t from)
{
    while (r->at < r->n && r->p[r->at] != ']')
        r->at++;
    if (r->at == r->n || r->p[r->at - 1] != ':')
        return refuse(r, "invalid character class range", from);
    r->at++;
    return emit_from(r, from);
}

static fw_rc bracket(struct reader *r)
{
    size_t from = r->at++;
    fw_rc rc = emit(r, "[");
    bool first = true;

    if (rc == FW_OK && peek(r, 0) == '^') {
        r->at++;
        rc = emit(r, "^");
    }
    while (rc == FW_OK && r->at < r->n && (first || r->p[r->at] != ']')) {
        char c = r->p[r->at];

        if (c == '[' && peek(r, 1) == ':') {
            rc = named_class(r, r->at);
        } else if (c == '\\') {
            rc = common_escape(r, true);
        } else if (c == '-') {
            /* Go takes a hyphen for itself only at either end. */
            bool ends = first || peek(r, 1) == ']';

            r->at++;
            rc = emit(r, ends ? "\\-" : "-");
        } else {
            r->at++;
            rc = emit_literal(r, c);
        }
        first = false;
    }
    if (rc == FW_OK && r->at == r->n)
        return refuse(r, "missing closing ]", from);
    r->at++;
    r->can_repeat = true;
    return rc == FW_OK ? emit(r, "]") : rc;
}

/* ---- Groups and repetition --------------------------------------------------
 */

/* (?P<name> or (?<name>; `at` stands on the '<'. */
static fw_rc group_name(struct reader *r, size_t from)
{
    size_t name = ++r->at;

    while (is_word(peek(r, 0)))
        r->at++;
    if (r->at == name || peek(r, 0) != '>')
        return refuse(r, "invalid named capture", from);
    r->at++;
    if (r->at - name > 30 || (r->p[name] >= '0' && r->p[name] <= '9'))
        return emit(r, "("); /* PCRE2 takes no such name; nobody asks by it */
    return emit_from(r, from);
}

/* (?flags) or (?flags: with the flags i m s U; `at` stands on the first. */
static fw_rc group_flags(struct reader *r, size_t from)
{
    bool minus = false;
    size_t flags = 0;

    for (;; r->at++) {
        char c = peek(r, 0);

        if (c == 'i' || c == 'm' || c == 's' || c == 'U') {
            flags++;
        } else if (c == '-' && !minus) {
            minus = true;
            flags = 0;
        } else {
            break;
        }
    }
    if ((minus && flags == 0) || (peek(r, 0) != ')' && peek(r, 0) != ':') ||
        (peek(r, 0) == ')' && flags == 0 && !minus))
        return refuse(r, "invalid or unsupported Perl syntax", from);
    if (r->p[r->at++] == ')')
        r->depth--; /* it opened nothing */
    return emit_from(r, from);
}

static fw_rc open_group(struct reader *r)
{
    size_t from = r->at++;

    r->can_repeat = false;
    if (++r->depth > MAX_NESTING)
        return refuse(r, "expression nests too deeply", from);
    if (peek(r, 0) != '?')
        return emit(r, "(");
    r->at++;
    if (peek(r, 0) == 'P' && peek(r, 1) == '<')
        r->at++;
    if (peek(r, 0) == '<' && peek(r, 1) != '=' && peek(r, 1) != '!')
        return group_name(r, from);
    return group_flags(r, from);
}

static fw_rc close_group(struct reader *r)
{
    if (--r->depth < 0)
        return refuse(r, "unexpected )", r->at);
    r->at++;
    r->can_repeat = true;
    return emit(r, ")");
}

/* Digits at `at`, up to 4 of them; -1 where there is none. */
static int number(struct reader *r)
{
    int value = -1;

    while (peek(r, 0) >= '0' && peek(r, 0) <= '9') {
        value = (value < 0 ? 0 : value) * 10 + (r->p[r->at++] - '0');
        if (value > MAX_REPEAT * 10)
            value = MAX_REPEAT * 10;
    }
    return value;
}

/* {n}, {n,} or {n,m}; anything else with a brace is a literal brace. */
static bool counted(struct reader *r, int *low, int *high)
{
    size_t from = r->at++;

    *low = number(r);
    *high = *low;
    if (*low >= 0 && peek(r, 0) == ',') {
        r->at++;
        *high = number(r);
    }
    if (*low >= 0 && peek(r, 0) == '}') {
        r->at++;
        return true;
    }
    r->at = from;
    return false;
}

static fw_rc quantifier(struct reader *r)
{
    size_t from = r->at;
    int low = 0, high = 0;

    if (r->p[r->at] == '{') {
        if (!counted(r, &low, &high)) {
            r->at++;
            r->can_repeat = true;
            return emit(r, "\\{");
        }
        if (low > MAX_REPEAT || high > MAX_REPEAT || (high >= 0 && low > high))
            return refuse(r, "invalid repeat count", from);
    } else {
        r->at++;
    }
    if (!r->can_repeat)
        return refuse(r, "missing argument to repetition operator", from);
    if (peek(r, 0) == '?')
        r->at++;
    if (peek(r, 0) == '*' || peek(r, 0) == '+' || peek(r, 0) == '?') {
        r->at++;
        return refuse(r, "invalid nested repetition operator", from);
    }
    if (peek(r, 0) == '{') {
        size_t here = r->at;

        if (counted(r, &low, &high))
            return refuse(r, "invalid nested repetition operator", from);
        r->at = here;
    }
    return emit_from(r, from);
}

static fw_rc step(struct reader *r)
{
    char c = r->p[r->at];

    switch (c) {
    case '\\':
        return escape(r);
    case '[':
        return bracket(r);
    case '(':
        return open_group(r);
    case ')':
        return close_group(r);
    case '*':
    case '+':
    case '?':
    case '{':
        return quantifier(r);
    case '|':
        r->at++;
        r->can_repeat = false;
        return emit(r, "|");
    case '.':
    case '^':
    case '$':
        r->at++;
        r->can_repeat = true;
        return fw_buf_addc(r->out, c);
    default:
        r->at++;
        r->can_repeat = true;
        return emit_literal(r, c);
    }
}

fw_rc regex_translate(struct fw_str pattern, struct fw_buf *out,
                      struct fw_err *err)
{
    struct reader r = {pattern.p, pattern.n, 0, out, err, 0, false};
    fw_rc rc = FW_OK;

    if (pattern.n > FW_MAX_REGEX_BYTES)
        return fw_err_set(err, FW_EINVAL,
                          "a regular expression of %zu bytes is longer than %d",
                          pattern.n, FW_MAX_REGEX_BYTES);
    if (!fw_utf8_valid(pattern.p, pattern.n))
        return fw_err_set(err, FW_EINVAL,
                          "bad regular expression: it is not UTF-8");
    while (r.at < r.n && rc == FW_OK)
        rc = step(&r);
    if (rc == FW_OK && r.depth > 0)
        return fw_err_set(err, FW_EINVAL,
                          "bad regular expression: missing closing ): '%.*s'",
                          FW_STR_ARG(pattern));
    if (rc == FW_ETOOBIG || rc == FW_ENOMEM)
        return fw_err_set(err, rc, "a regular expression is too large");
    return rc;
}
