/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "query/parse/lexer.h"

#include "query/parse/place.h"

void lexer_init(struct lexer *lexer, struct fw_str text)
{
    *lexer = (struct lexer){.text = text};
}

/* The byte `ahead` of the next one; 0 past the end. */
static char peek(const struct lexer *lx, size_t ahead)
{
    return lx->at + ahead < lx->text.n ? lx->text.p[lx->at + ahead] : '\0';
}

static bool done(const struct lexer *lx)
{
    return lx->at >= lx->text.n;
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_alpha(char c)
{
    return c == '_' || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool is_alnum(char c)
{
    return is_alpha(c) || is_digit(c);
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

/* Takes the next byte if it is one of `set`. */
static bool take(struct lexer *lx, const char *set)
{
    char c = peek(lx, 0);

    if (c == '\0' || strchr(set, c) == NULL)
        return false;
    lx->at++;
    return true;
}

static void take_run(struct lexer *lx, const char *set)
{
    while (take(lx, set))
        ;
}

static bool next_is(const struct lexer *lx, const char *set)
{
    char c = peek(lx, 0);

    return c != '\0' && strchr(set, c) != NULL;
}

static void skip_blanks_and_comments(struct lexer *lx)
{
    while (!done(lx)) {
        if (is_blank(peek(lx, 0))) {
            lx->at++;
        } else if (peek(lx, 0) == '#') {
            while (!done(lx) && peek(lx, 0) != '\n' && peek(lx, 0) != '\r')
                lx->at++;
        } else {
            return;
        }
    }
}

/* The character at the present place, for an error message. */
static struct fw_str character(const struct lexer *lx)
{
    uint32_t cp;
    size_t n = fw_utf8_next(lx->text.p + lx->at, lx->text.n - lx->at, &cp);

    return (struct fw_str){lx->text.p + lx->at, n};
}

static fw_rc bad_character(const struct lexer *lx, const char *where,
                           struct fw_err *err)
{
    struct fw_str c = character(lx);
    struct span span = {(uint32_t)lx->at, (uint32_t)(lx->at + c.n)};
    bool shown = (unsigned char)c.p[0] >= 0x20 && c.p[0] != 0x7f &&
                 fw_utf8_valid(c.p, c.n);

    if (!shown)
        return complain(lx->text, span, NULL, err,
                        "unexpected character%s: '\\x%02x'", where,
                        (unsigned char)c.p[0]);
    return complain(lx->text, span, NULL, err, "unexpected character%s: '%.*s'",
                    where, FW_STR_ARG(c));
}

/* ---- Numbers and durations ---------------------------------------------- */

/*
 * One step through the digits of a number: false where it cannot go on so.
 * A dot and an exponent may stand once each, an underscore not before them.
 */
static bool number_part(struct lexer *lx, const char *digits, bool *dot,
                        bool *exponent)
{
    bool hex = strlen(digits) > 10;

    if (next_is(lx, digits)) {
        take_run(lx, digits);
        return true;
    }
    if (take(lx, ".")) {
        bool again = *dot;

        *dot = true;
        return !again && !take(lx, "_.") && !hex;
    }
    if (take(lx, "eE")) {
        bool again = *exponent;

        *exponent = true;
        if (again)
            return false;
        (void)take(lx, "+-"); /* the sign is optional */
        return !take(lx, "._eE") && !done(lx);
    }
    (void)take(lx, "_"); /* the caller saw one of the four */
    return !take(lx, "._eE") && !done(lx);
}

/* Takes a number; false (at the byte that spoils it) if it is none. */
static bool take_number(struct lexer *lx)
{
    const char *digits = "0123456789";
    size_t start = lx->at;
    bool dot = false;
    bool exponent = false;

    if (take(lx, "0") && take(lx, "xX")) {
        (void)take(lx, "_"); /* 0x_1F */
        digits = "0123456789abcdefABCDEF";
    }
    for (;;) {
        char c = peek(lx, 0);

        if (c == '\0' || (strchr(digits, c) == NULL && !next_is(lx, "._eE")))
            break;
        if (!number_part(lx, digits, &dot, &exponent))
            return false;
    }
    return lx->at != start && !is_alnum(peek(lx, 0));
}

/* After the digits of a first unit: "s", "ms", "h30m". */
static bool take_units(struct lexer *lx)
{
    if (!take(lx, "smhdwy"))
        return false;
    (void)take(lx, "s"); /* ms; hs and its like are refused when read */
    while (is_digit(peek(lx, 0))) {
        take_run(lx, "0123456789");
        if (!take(lx, "smhdw"))
            return false;
        (void)take(lx, "s");
    }
    if (!is_alnum(peek(lx, 0)))
        return true;
    lx->at++; /* so that the message shows what spoils it */
    return false;
}

static fw_rc number_or_duration(struct lexer *lx, struct token *out,
                                struct fw_err *err)
{
    size_t start = lx->at;
    struct span bad = {(uint32_t)start, 0};

    out->kind = TOKEN_NUMBER;
    if (take_number(lx))
        return FW_OK;
    out->kind = TOKEN_DURATION;
    if (take_units(lx))
        return FW_OK;
    bad.to = (uint32_t)lx->at;
    return complain(lx->text, bad, NULL, err,
                    "bad number or duration syntax: \"%.*s\"",
                    (int)(lx->at - start), lx->text.p + start);
}

/* ---- Strings ------------------------------------------------------------ */

static fw_rc string(struct lexer *lx, struct token *out, struct fw_err *err)
{
    char quote = peek(lx, 0);
    bool raw = quote == '`';
    struct span all = {(uint32_t)lx->at, (uint32_t)lx->at};

    out->kind = TOKEN_STRING;
    for (lx->at++; !done(lx); lx->at++) {
        char c = peek(lx, 0);

        if (c == quote) {
            lx->at++;
            return FW_OK;
        }
        if (c == '\n' && !raw)
            break;
        if (c == '\\' && !raw)
            lx->at++;
    }
    if (lx->at > lx->text.n)
        lx->at = lx->text.n;
    all.to = (uint32_t)lx->at;
    return complain(lx->text, all, NULL, err,
                    raw ? "unterminated raw string"
                        : "unterminated quoted string");
}

/* ---- Words and signs ---------------------------------------------------- */

static void word(struct lexer *lx, struct token *out)
{
    size_t start = lx->at;
    bool colons = !lx->in_braces;
    struct fw_str name = {lx->text.p + start, 0};

    while (is_alnum(peek(lx, 0)) || (colons && peek(lx, 0) == ':'))
        lx->at++;
    name.n = lx->at - start;
    out->kind = lx->in_braces ? TOKEN_IDENTIFIER : token_of_word(name);
}

struct sign {
    const char *text;
    enum token_kind kind;
};

/* Longer ones first. */
static const struct sign signs[] = {
    {"==", TOKEN_EQ},        {"=~", TOKEN_REGEX}, {"!=", TOKEN_NE},
    {"!~", TOKEN_NOT_REGEX}, {"<=", TOKEN_LE},    {">=", TOKEN_GE},
    {"=", TOKEN_ASSIGN},     {"<", TOKEN_LT},     {">", TOKEN_GT},
    {"+", TOKEN_ADD},        {"-", TOKEN_SUB},    {"*", TOKEN_MUL},
    {"/", TOKEN_DIV},        {"%", TOKEN_MOD},    {"^", TOKEN_POW},
    {"@", TOKEN_AT},         {",", TOKEN_COMMA},
};

/* Signs that mean something outside braces; in them only these do. */
static bool allowed(const struct lexer *lx, enum token_kind kind)
{
    if (lx->in_braces)
        return kind == TOKEN_ASSIGN || kind == TOKEN_NE ||
               kind == TOKEN_REGEX || kind == TOKEN_NOT_REGEX ||
               kind == TOKEN_COMMA;
    return kind != TOKEN_NOT_REGEX;
}

static bool sign(struct lexer *lx, struct token *out)
{
    for (size_t i = 0; i < sizeof(signs) / sizeof(signs[0]); i++) {
        size_t n = strlen(signs[i].text);

        if (lx->text.n - lx->at >= n && allowed(lx, signs[i].kind) &&
            memcmp(lx->text.p + lx->at, signs[i].text, n) == 0) {
            out->kind = signs[i].kind;
            lx->at += n;
            return true;
        }
    }
    return false;
}

static fw_rc in_braces(struct lexer *lx, struct token *out, struct fw_err *err)
{
    char c = peek(lx, 0);

    if (done(lx))
        return complain(lx->text, (struct span){(uint32_t)lx->at, 0}, NULL, err,
                        "unexpected end of input inside braces");
    if (is_alpha(c)) {
        word(lx, out);
        return FW_OK;
    }
    if (c == '"' || c == '\'' || c == '`')
        return string(lx, out, err);
    if (c == '}') {
        lx->at++;
        lx->in_braces = false;
        out->kind = TOKEN_RIGHT_BRACE;
        return FW_OK;
    }
    if (sign(lx, out))
        return FW_OK;
    return bad_character(lx, " inside braces", err);
}

/* ( ) { } [ ] and the colon between two durations. */
static fw_rc bracket(struct lexer *lx, struct token *out, struct fw_err *err)
{
    struct span here = {(uint32_t)lx->at, (uint32_t)lx->at + 1};
    char c = peek(lx, 0);

    switch (c) {
    case '(':
        out->kind = TOKEN_LEFT_PAREN;
        lx->parens++;
        break;
    case ')':
        out->kind = TOKEN_RIGHT_PAREN;
        if (--lx->parens < 0)
            return complain(lx->text, here, NULL, err,
                            "unexpected right parenthesis ')'");
        break;
    case '{':
        out->kind = TOKEN_LEFT_BRACE;
        lx->in_braces = true;
        break;
    case '[':
        if (lx->in_brackets)
            return bad_character(lx, " inside brackets", err);
        out->kind = TOKEN_LEFT_BRACKET;
        lx->in_brackets = true;
        lx->saw_colon = false;
        break;
    case ']':
        if (!lx->in_brackets)
            return complain(lx->text, here, NULL, err,
                            "unexpected right bracket ']'");
        out->kind = TOKEN_RIGHT_BRACKET;
        lx->in_brackets = false;
        break;
    default: /* ':' */
        if (lx->saw_colon)
            return complain(lx->text, here, NULL, err, "unexpected colon ':'");
        out->kind = TOKEN_COLON;
        lx->saw_colon = true;
        break;
    }
    lx->at++;
    return FW_OK;
}

static fw_rc at_end(struct lexer *lx, struct token *out, struct fw_err *err)
{
    struct span here = {(uint32_t)lx->at, (uint32_t)lx->at};

    if (lx->parens > 0)
        return complain(lx->text, here, NULL, err, "unclosed left parenthesis");
    if (lx->in_brackets)
        return complain(lx->text, here, NULL, err, "unclosed left bracket");
    out->kind = TOKEN_END;
    return FW_OK;
}

/* "=~" and "!x" where only "=", "==" and "!=" have a meaning. */
static fw_rc bad_second(struct lexer *lx, struct fw_err *err)
{
    char first = peek(lx, 0);
    struct span span = {(uint32_t)lx->at, (uint32_t)lx->at + 2};

    if (lx->at + 1 >= lx->text.n)
        return bad_character(lx, "", err);
    return complain(lx->text, span, NULL, err,
                    "unexpected character after '%c': '%c'", first,
                    peek(lx, 1));
}

static fw_rc outside(struct lexer *lx, struct token *out, struct fw_err *err)
{
    char c = peek(lx, 0);

    if (done(lx))
        return at_end(lx, out, err);
    if (is_digit(c) || (c == '.' && is_digit(peek(lx, 1))))
        return number_or_duration(lx, out, err);
    if (strchr("(){[]", c) != NULL && c != '\0')
        return bracket(lx, out, err);
    if (c == ':' && lx->in_brackets)
        return bracket(lx, out, err);
    if (is_alpha(c) || c == ':') {
        word(lx, out);
        return FW_OK;
    }
    if (c == '"' || c == '\'' || c == '`')
        return lx->in_brackets
                   ? bad_character(lx, " in duration expression", err)
                   : string(lx, out, err);
    if ((c == '=' && peek(lx, 1) == '~') || (c == '!' && peek(lx, 1) != '='))
        return bad_second(lx, err);
    if (sign(lx, out))
        return FW_OK;
    return bad_character(lx, "", err);
}

fw_rc lexer_next(struct lexer *lexer, struct token *out, struct fw_err *err)
{
    struct token token = {TOKEN_END, {0, 0}};
    fw_rc rc;

    skip_blanks_and_comments(lexer);
    token.span.from = (uint32_t)lexer->at;
    rc = lexer->in_braces ? in_braces(lexer, &token, err)
                          : outside(lexer, &token, err);
    if (rc != FW_OK)
        return rc;
    token.span.to = (uint32_t)lexer->at;
    *out = token;
    return FW_OK;
}
