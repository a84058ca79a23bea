/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * influx.c - InfluxDB line protocol, as docs/protocols/influx.md has it.
 *
 * A backslash takes the meaning of the next byte away, so the scanner steps
 * over pairs; what a pair stands for matters only when labels are made.
 */
#include "server/ingest/influx.h"

#include "server/ingest/scan.h"

static struct fw_str between(const char *from, const char *to)
{
    return (struct fw_str){from, (size_t)(to - from)};
}

bool influx_recognise(struct fw_str text)
{
    const char *end = text.p + text.n;
    const char *p = scan_to(text.p, end, ' ', ' ');

    while (p < end && *p == ' ')
        p++;
    p = scan_to(p, end, '=', ' ');
    return p < end && *p == '=';
}

static bool parse_bool(struct fw_str text, double *out)
{
    static const char *const yes[] = {"t", "T", "true", "True", "TRUE"};
    static const char *const no[] = {"f", "F", "false", "False", "FALSE"};

    for (size_t i = 0; i < sizeof(yes) / sizeof(yes[0]); i++) {
        if (fw_str_eq(text, fw_str_of(yes[i]))) {
            *out = 1;
            return true;
        }
        if (fw_str_eq(text, fw_str_of(no[i]))) {
            *out = 0;
            return true;
        }
    }
    return false;
}

static bool parse_value(struct fw_str text, double *out)
{
    struct fw_str digits = {text.p, text.n > 0 ? text.n - 1 : 0};
    char last = text.n > 0 ? text.p[text.n - 1] : '\0';
    uint64_t u;
    int64_t i;

    if (last == 'i' && number_parse_int(digits, &i)) {
        *out = (double)i;
        return true;
    }
    if (last == 'u' && number_parse_uint(digits, &u)) {
        *out = (double)u;
        return true;
    }
    return number_parse(text, out) || parse_bool(text, out);
}

/* Past the closing quote of a string that opens at p, or NULL. */
static const char *skip_string(const char *p, const char *end)
{
    p = scan_to(p + 1, end, '"', '"');
    return p < end ? p + 1 : NULL;
}

/* One key=value at *at; moves *at behind it. */
static enum line_fault take_field(const char **at, const char *end,
                                  struct line *out)
{
    const char *p = *at;
    const char *equals = p;
    struct fw_str key;
    double v;

    while (equals < end && *equals != '=' && *equals != ',' && *equals != ' ')
        equals += *equals == '\\' && equals + 1 < end ? 2 : 1;
    key = between(p, equals);
    if (key.n == 0)
        return LINE_BAD_NAME;
    if (equals >= end || *equals != '=')
        return LINE_BAD_VALUE;
    p = equals + 1;
    if (p < end && *p == '"') {
        *at = skip_string(p, end);
        if (*at == NULL)
            return LINE_BAD_VALUE;
        out->skipped++;
        return LINE_OK;
    }
    *at = scan_to(p, end, ',', ' ');
    if (!parse_value(between(p, *at), &v))
        return LINE_BAD_VALUE;
    return line_add_value(out, key, v);
}

enum line_fault influx_parse(struct fw_str text, enum time_unit unit,
                             struct line *out)
{
    const char *end = text.p + text.n;
    const char *p = scan_to(text.p, end, ' ', ' ');
    enum line_fault fault = LINE_OK;
    struct fw_str rest;

    out->protocol = LINE_INFLUX;
    out->series = between(text.p, p);
    if (out->series.n == 0 || *text.p == ',')
        return LINE_BAD_NAME;
    while (p < end && *p == ' ')
        p++;
    for (;;) {
        fault = take_field(&p, end, out);
        if (fault != LINE_OK)
            return fault;
        if (p >= end || *p == ' ')
            break;
        if (*p++ != ',')
            return LINE_BAD_VALUE; /* something stuck to a closing quote */
    }
    rest = between(p < end ? p : end, end);
    text = line_word(&rest);
    if (text.n == 0)
        return LINE_OK;
    out->timed = true;
    if (!time_parse(text, unit, &out->t) || line_word(&rest).n > 0)
        return LINE_BAD_TIME;
    return LINE_OK;
}

/* Adds text without the backslashes of its escapes; others stay. */
static size_t unescape(char *to, struct fw_str text)
{
    size_t n = 0;

    for (size_t i = 0; i < text.n; i++) {
        if (text.p[i] == '\\' && i + 1 < text.n &&
            memchr(" ,=\\", text.p[i + 1], 4) != NULL)
            i++;
        to[n++] = text.p[i];
    }
    return n;
}

static bool unescaped(struct fw_str text, struct fw_arena *arena,
                      struct fw_str *out)
{
    char *to;

    *out = text;
    if (memchr(text.p, '\\', text.n) == NULL)
        return true;
    to = fw_arena_alloc(arena, text.n);
    if (to == NULL)
        return false;
    *out = (struct fw_str){to, unescape(to, text)};
    return true;
}

/* The metric is measurement_field, as VictoriaMetrics names it. */
static enum line_fault add_metric(struct fw_str measurement,
                                  struct fw_str field, struct fw_arena *arena,
                                  struct line_labels *out)
{
    char *name = fw_arena_alloc(arena, measurement.n + field.n + 1);
    size_t n;

    if (name == NULL)
        return LINE_NO_MEMORY;
    n = unescape(name, measurement);
    name[n++] = '_';
    n += unescape(name + n, field);
    return line_add_label(out, FW_STR(FW_METRIC_NAME),
                          (struct fw_str){name, n});
}

enum line_fault influx_labels(struct fw_str series, struct fw_str field,
                              struct fw_arena *arena, struct line_labels *out)
{
    const char *end = series.p + series.n;
    const char *p = scan_to(series.p, end, ',', ',');
    enum line_fault fault = add_metric(between(series.p, p), field, arena, out);

    while (fault == LINE_OK && p < end) {
        const char *from = p + 1;
        const char *equals = scan_to(from, end, '=', ',');
        struct fw_str name, value;

        p = scan_to(from, end, ',', ',');
        if (equals >= p)
            return LINE_BAD_TAG;
        if (!unescaped(between(from, equals), arena, &name) ||
            !unescaped(between(equals + 1, p), arena, &value))
            return LINE_NO_MEMORY;
        fault = name.n == 0 ? LINE_BAD_TAG : line_add_label(out, name, value);
    }
    return fault;
}
