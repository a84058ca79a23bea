/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "query/parse/literal.h"

#include <math.h>
#include <stdlib.h>
#include <strings.h>

/* ---- Numbers ------------------------------------------------------------ */

static int digit_of(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return 16;
}

/* The base by the prefix, which is skipped. */
static uint64_t take_base(struct fw_str *text)
{
    uint64_t base = 8;
    size_t skip = 2;

    if (text->n < 2 || text->p[0] != '0')
        return 10;
    switch (text->p[1] | 0x20) {
    case 'x':
        base = 16;
        break;
    case 'o':
        break;
    case 'b':
        base = 2;
        break;
    default:
        if (text->p[1] != '_' && digit_of(text->p[1]) > 9)
            return 10; /* 0.5, 0e1 */
        skip = 1;
    }
    text->p += skip;
    text->n -= skip;
    return base;
}

/* An integer that fits int64, with an underscore allowed between digits. */
static bool parse_integer(struct fw_str text, double *out)
{
    bool prefixed = text.n > 1 && text.p[0] == '0';
    uint64_t base = take_base(&text);
    uint64_t v = 0;

    if (text.n == 0)
        return false;
    for (size_t i = 0; i < text.n; i++) {
        uint64_t d = (uint64_t)digit_of(text.p[i]);

        if (text.p[i] == '_') {
            if ((i == 0 && !prefixed) || i + 1 == text.n ||
                text.p[i + 1] == '_')
                return false;
            continue;
        }
        if (d >= base || v > ((uint64_t)INT64_MAX - d) / base)
            return false;
        v = v * base + d;
    }
    *out = (double)(int64_t)v;
    return true;
}

fw_rc literal_number(struct fw_str text, double *out, struct fw_err *err)
{
    if (text.n == 3 && strncasecmp(text.p, "inf", 3) == 0) {
        *out = INFINITY;
        return FW_OK;
    }
    if (text.n == 3 && strncasecmp(text.p, "nan", 3) == 0) {
        *out = NAN;
        return FW_OK;
    }
    if (parse_integer(text, out))
        return FW_OK;
    if (memchr(text.p, '_', text.n) != NULL ||
        fw_parse_double(text, out, NULL) != FW_OK || isinf(*out))
        return fw_err_set(err, FW_EINVAL, "error parsing number: '%.*s'",
                          FW_STR_ARG(text));
    return FW_OK;
}

size_t literal_plain(char out[LITERAL_PLAIN_BYTES], double v)
{
    char text[FW_DOUBLE_TEXT_BYTES];
    size_t n = fw_format_double(text, v);
    const char *e = memchr(text, 'e', n);
    int decimals = 0;

    if (e == NULL)
        return (size_t)snprintf(out, LITERAL_PLAIN_BYTES, "%s", text);
    /* Digits behind the point that the exponent leaves. */
    decimals = -(int)strtol(e + 1, NULL, 10);
    if (memchr(text, '.', (size_t)(e - text)) != NULL)
        decimals += (int)(e - text) - 2 - (text[0] == '-');
    if (decimals > 0)
        return (size_t)snprintf(out, LITERAL_PLAIN_BYTES, "%.*f", decimals, v);
    /* 1.5e+22: the shortest digits, then zeros. */
    n = 0;
    for (const char *p = text; p < e; p++) {
        if (*p != '.')
            out[n++] = *p;
    }
    for (int i = decimals; i < 0 && n + 1 < LITERAL_PLAIN_BYTES; i++)
        out[n++] = '0';
    out[n] = '\0';
    return n;
}

/* ---- Strings ------------------------------------------------------------ */

static size_t put_utf8(char *out, uint32_t cp)
{
    if (cp < 0x80) {
        out[0] = (char)cp;
        return 1;
    }
    if (cp < 0x800) {
        out[0] = (char)(0xC0 | (cp >> 6));
        out[1] = (char)(0x80 | (cp & 0x3F));
        return 2;
    }
    if (cp < 0x10000) {
        out[0] = (char)(0xE0 | (cp >> 12));
        out[1] = (char)(0x80 | ((cp >> 6) & 0x3F));
        out[2] = (char)(0x80 | (cp & 0x3F));
        return 3;
    }
    out[0] = (char)(0xF0 | (cp >> 18));
    out[1] = (char)(0x80 | ((cp >> 12) & 0x3F));
    out[2] = (char)(0x80 | ((cp >> 6) & 0x3F));
    out[3] = (char)(0x80 | (cp & 0x3F));
    return 4;
}

/* `count` digits of `base` at p; false if there are not so many. */
static bool take_digits(struct fw_str text, size_t *at, size_t count,
                        uint32_t base, uint32_t *out)
{
    uint32_t v = 0;

    if (text.n - *at < count)
        return false;
    for (size_t i = 0; i < count; i++) {
        uint32_t d = (uint32_t)digit_of(text.p[*at + i]);

        if (d >= base)
            return false;
        v = v * base + d;
    }
    *at += count;
    *out = v;
    return true;
}

/*
 * The escape after a backslash at text.p[*at]; writes what it stands for and
 * returns its length, 0 if there is no such escape.
 */
static size_t take_escape(struct fw_str text, size_t *at, char quote, char *out)
{
    static const char names[] = "abfnrtv\\";
    static const char bytes[] = "\a\b\f\n\r\t\v\\";
    char c = *at < text.n ? text.p[(*at)++] : '\0';
    const char *hit = c != '\0' ? strchr(names, c) : NULL;
    uint32_t v = 0;

    if (c == quote || hit != NULL) {
        out[0] = c == quote ? quote : bytes[hit - names];
        return 1;
    }
    if (c >= '0' && c <= '7') {
        (*at)--;
        if (!take_digits(text, at, 3, 8, &v) || v > 255)
            return 0;
        out[0] = (char)v;
        return 1;
    }
    if (c == 'x' && take_digits(text, at, 2, 16, &v)) {
        out[0] = (char)v;
        return 1;
    }
    if ((c == 'u' && take_digits(text, at, 4, 16, &v)) ||
        (c == 'U' && take_digits(text, at, 8, 16, &v))) {
        if (v > 0x10FFFF || (v >= 0xD800 && v <= 0xDFFF))
            return 0;
        return put_utf8(out, v);
    }
    return 0;
}

fw_rc literal_string(struct fw_str text, struct fw_arena *arena,
                     struct fw_str *out, size_t *bad, struct fw_err *err)
{
    char quote = text.p[0];
    struct fw_str body = {text.p + 1, text.n - 2};
    char *to = fw_arena_alloc(arena, body.n + 1);
    size_t n = 0;

    if (to == NULL)
        return fw_arena_err(arena, err);
    for (size_t i = 0; i < body.n;) {
        size_t start = i;
        size_t took = 1;

        if (body.p[i] == '\\' && quote != '`') {
            i++;
            took = take_escape(body, &i, quote, to + n);
        } else {
            to[n] = body.p[i++];
        }
        if (took == 0) {
            uint32_t cp = 0;
            size_t len =
                start + 1 < body.n
                    ? fw_utf8_next(body.p + start + 1, body.n - start - 1, &cp)
                    : 0;

            *bad = start + 1;
            return fw_err_set(err, FW_EINVAL,
                              "unknown escape sequence U+%04X '%.*s'", cp,
                              (int)len, body.p + start + 1);
        }
        n += took;
    }
    *out = (struct fw_str){to, n};
    return FW_OK;
}
