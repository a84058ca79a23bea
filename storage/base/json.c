/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "storage/base/json.h"

#include <math.h>
#include <stdio.h>

#define SECONDS_BYTES 32 /* of a time, a sign and two bytes before it */

void fw_json_init(struct fw_json *json, struct fw_buf *out)
{
    *json = (struct fw_json){.out = out};
}

fw_rc fw_json_rc(const struct fw_json *json)
{
    return json->rc;
}

static void put(struct fw_json *json, const char *bytes, size_t n)
{
    if (json->rc == FW_OK)
        json->rc = fw_buf_add(json->out, bytes, n);
}

static void before_value(struct fw_json *json)
{
    if (json->need_comma)
        put(json, ",", 1);
    json->need_comma = true;
}

static void open_with(struct fw_json *json, char c)
{
    before_value(json);
    put(json, &c, 1);
    json->need_comma = false;
}

static void close_with(struct fw_json *json, char c)
{
    put(json, &c, 1);
    json->need_comma = true;
}

void fw_json_object(struct fw_json *json)
{
    open_with(json, '{');
}

void fw_json_object_end(struct fw_json *json)
{
    close_with(json, '}');
}

void fw_json_array(struct fw_json *json)
{
    open_with(json, '[');
}

void fw_json_array_end(struct fw_json *json)
{
    close_with(json, ']');
}

/* The two-character escape of a byte, or 0 where it has none. */
static char short_escape(unsigned char c)
{
    switch (c) {
    case '"':
    case '\\':
        return (char)c;
    case '\n':
        return 'n';
    case '\r':
        return 'r';
    case '\t':
        return 't';
    default:
        return 0;
    }
}

static void put_quoted(struct fw_json *json, struct fw_str text)
{
    size_t clean = 0; /* start of the run that needs no escape */
    size_t i = 0;

    put(json, "\"", 1);
    while (i < text.n) {
        unsigned char c = (unsigned char)text.p[i];
        uint32_t cp;
        size_t len;
        char escape[8];
        int n;

        if (c >= 0x20 && c < 0x7F && c != '"' && c != '\\') {
            i++;
            continue;
        }
        len = fw_utf8_next(text.p + i, text.n - i, &cp);
        if (len > 1 && cp != 0x2028 && cp != 0x2029) {
            i += len;
            continue;
        }
        put(json, text.p + clean, i - clean);
        if (short_escape(c) != 0)
            n = snprintf(escape, sizeof(escape), "\\%c", short_escape(c));
        else
            n = snprintf(escape, sizeof(escape), "\\u%04x", cp & 0xFFFFu);
        put(json, escape, (size_t)n);
        i += len;
        clean = i;
    }
    put(json, text.p + clean, i - clean);
    put(json, "\"", 1);
}

void fw_json_key_str(struct fw_json *json, struct fw_str key)
{
    before_value(json);
    put_quoted(json, key);
    put(json, ":", 1);
    json->need_comma = false;
}

void fw_json_key(struct fw_json *json, const char *key)
{
    fw_json_key_str(json, fw_str_of(key));
}

void fw_json_str(struct fw_json *json, struct fw_str text)
{
    before_value(json);
    put_quoted(json, text);
}

void fw_json_text(struct fw_json *json, const char *text)
{
    fw_json_str(json, fw_str_of(text));
}

void fw_json_int(struct fw_json *json, int64_t v)
{
    char text[24];
    int n = snprintf(text, sizeof(text), "%lld", (long long)v);

    before_value(json);
    put(json, text, (size_t)n);
}

void fw_json_bool(struct fw_json *json, bool v)
{
    before_value(json);
    put(json, v ? "true" : "false", v ? 4 : 5);
}

void fw_json_null(struct fw_json *json)
{
    before_value(json);
    put(json, "null", 4);
}

void fw_json_raw(struct fw_json *json, struct fw_str value)
{
    before_value(json);
    put(json, value.p, value.n);
}

void fw_json_double(struct fw_json *json, double v)
{
    char text[FW_DOUBLE_TEXT_BYTES];

    if (!isfinite(v)) {
        fw_json_null(json);
        return;
    }
    before_value(json);
    put(json, text, fw_format_double(text, v));
}

void fw_json_quoted_double(struct fw_json *json, double v)
{
    char text[FW_DOUBLE_TEXT_BYTES + 2];
    size_t n = fw_format_double(text + 1, v);

    text[0] = '"';
    text[n + 1] = '"';
    before_value(json);
    put(json, text, n + 2);
}

/* Seconds with up to three decimals before `end`; where they begin. */
static char *seconds_before(char *end, fw_ms t)
{
    uint64_t ms = t < 0 ? 0 - (uint64_t)t : (uint64_t)t;
    unsigned rest = (unsigned)(ms % 1000);
    char *p = end;

    /* From its end: milliseconds without closing zeros, seconds, the sign. */
    for (int i = 0; i < 3 && ms % 1000 != 0; i++, rest /= 10) {
        if (rest % 10 != 0 || p < end)
            *--p = (char)('0' + rest % 10);
    }
    if (p < end)
        *--p = '.';
    p = fw_digits_before(p, ms / 1000);
    if (t < 0)
        *--p = '-';
    return p;
}

void fw_json_seconds(struct fw_json *json, fw_ms t)
{
    char text[SECONDS_BYTES];
    const char *p = seconds_before(text + sizeof(text), t);

    before_value(json);
    put(json, p, (size_t)(text + sizeof(text) - p));
}

void fw_json_point(struct fw_json *json, fw_ms t, double v)
{
    char text[SECONDS_BYTES + FW_DOUBLE_TEXT_BYTES + 8];
    char *value = text + SECONDS_BYTES;
    char *p = seconds_before(value, t);

    *--p = '[';
    if (json->need_comma)
        *--p = ',';
    *value++ = ',';
    *value++ = '"';
    value += fw_format_double(value, v);
    *value++ = '"';
    *value++ = ']';
    put(json, p, (size_t)(value - p));
    json->need_comma = true;
}

void fw_json_field_str(struct fw_json *json, const char *key,
                       struct fw_str text)
{
    fw_json_key(json, key);
    fw_json_str(json, text);
}

void fw_json_field_text(struct fw_json *json, const char *key, const char *text)
{
    fw_json_key(json, key);
    fw_json_text(json, text);
}

void fw_json_field_int(struct fw_json *json, const char *key, int64_t v)
{
    fw_json_key(json, key);
    fw_json_int(json, v);
}

void fw_json_field_count(struct fw_json *json, const char *key, uint64_t n)
{
    fw_json_key(json, key);
    fw_json_int(json, n < INT64_MAX ? (int64_t)n : INT64_MAX);
}

void fw_json_field_bool(struct fw_json *json, const char *key, bool v)
{
    fw_json_key(json, key);
    fw_json_bool(json, v);
}

void fw_json_field_double(struct fw_json *json, const char *key, double v)
{
    fw_json_key(json, key);
    fw_json_double(json, v);
}

void fw_json_field_seconds(struct fw_json *json, const char *key, fw_ms span)
{
    fw_json_key(json, key);
    fw_json_seconds(json, span);
}

void fw_json_field_span(struct fw_json *json, const char *key, fw_ms span)
{
    fw_json_key(json, key);
    if (span < 0)
        fw_json_null(json);
    else
        fw_json_seconds(json, span);
}

void fw_json_field_time(struct fw_json *json, const char *key, fw_ms t)
{
    char text[FW_TIME_TEXT_BYTES];

    (void)fw_format_time(text, t);
    fw_json_field_text(json, key, t > 0 ? text : "0001-01-01T00:00:00Z");
}

void fw_json_field_duration(struct fw_json *json, const char *key, fw_ms span)
{
    char text[FW_DURATION_TEXT_BYTES];

    (void)fw_format_duration(text, span);
    fw_json_field_text(json, key, text);
}
