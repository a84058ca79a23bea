/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "server/ingest/exposition_in.h"

#include <string.h>

#include "server/ingest/number.h"

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

static void skip_blanks(struct fw_str *in)
{
    while (in->n > 0 && is_blank(in->p[0])) {
        in->p++;
        in->n--;
    }
}

static bool is_name_byte(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
           (c >= '0' && c <= '9') || c == '_' || c == ':' ||
           (unsigned char)c >= 0x80;
}

/* How long a quoted text is with both its quotes; 0 if it does not end. */
static size_t quoted_length(struct fw_str in)
{
    for (size_t i = 1; i < in.n; i++) {
        if (in.p[i] == '\\')
            i++;
        else if (in.p[i] == '"')
            return i + 1;
    }
    return 0;
}

/* How long name and braces are; 0 if a brace or a quote does not close. */
static size_t series_length(struct fw_str in)
{
    size_t i = 0;

    while (i < in.n && is_name_byte(in.p[i]))
        i++;
    if (i == in.n || in.p[i] != '{') {
        size_t k = i; /* "name {a="b"}" is also written */

        while (k < in.n && is_blank(in.p[k]))
            k++;
        if (k == in.n || in.p[k] != '{')
            return i;
        i = k;
    }
    for (i++; i < in.n; i++) {
        if (in.p[i] == '}')
            return i + 1;
        if (in.p[i] == '"') {
            size_t n = quoted_length((struct fw_str){in.p + i, in.n - i});

            if (n == 0)
                return 0;
            i += n - 1;
        }
    }
    return 0;
}

enum line_fault exposition_parse(struct fw_str text, struct exposition *out)
{
    struct fw_str word;
    size_t n;

    *out = (struct exposition){0};
    if (text.n > 0 && text.p[text.n - 1] == '\r')
        text.n--;
    skip_blanks(&text);
    if (text.n == 0 || text.p[0] == '#')
        return LINE_OK;
    n = series_length(text);
    if (n == 0)
        return LINE_BAD_FORM;
    out->series = (struct fw_str){text.p, n};
    text.p += n;
    text.n -= n;
    word = line_word(&text);
    if (!number_parse_any(word, &out->v))
        return LINE_BAD_VALUE;
    word = line_word(&text);
    if (word.n > 0) {
        int64_t ms;

        if (!number_parse_int(word, &ms))
            return LINE_BAD_TIME;
        out->t = ms;
        out->timed = true;
    }
    skip_blanks(&text);
    if (text.n > 0 && text.p[0] != '#') /* an exemplar may follow */
        return LINE_BAD_FORM;
    return LINE_OK;
}

/* Takes a quoted text off the front, with \\ \" and \n undone. */
static enum line_fault take_quoted(struct fw_str *in, struct fw_arena *arena,
                                   struct fw_str *out)
{
    size_t n = in->n > 0 && in->p[0] == '"' ? quoted_length(*in) : 0;
    struct fw_str raw;
    char *to;
    size_t len = 0;

    if (n == 0)
        return LINE_BAD_TAG;
    raw = (struct fw_str){in->p + 1, n - 2};
    in->p += n;
    in->n -= n;
    *out = raw;
    if (memchr(raw.p, '\\', raw.n) == NULL)
        return LINE_OK;
    to = fw_arena_alloc(arena, raw.n);
    if (to == NULL)
        return LINE_NO_MEMORY;
    for (size_t i = 0; i < raw.n; i++) {
        char c = raw.p[i];

        if (c == '\\' && ++i < raw.n) {
            c = raw.p[i];
            if (c == 'n')
                c = '\n';
            else if (c != '\\' && c != '"')
                to[len++] = '\\'; /* unknown: stays as it is */
        }
        to[len++] = c;
    }
    *out = (struct fw_str){to, len};
    return LINE_OK;
}

static struct fw_str take_name(struct fw_str *in)
{
    struct fw_str name = {in->p, 0};

    while (name.n < in->n && is_name_byte(name.p[name.n]))
        name.n++;
    in->p += name.n;
    in->n -= name.n;
    return name;
}

/* One of `name="value"`, `"name"="value"`, `"metric name"`. */
static enum line_fault take_label(struct fw_str *in, struct fw_arena *arena,
                                  struct line_labels *out)
{
    struct fw_str name, value;
    bool quoted = in->p[0] == '"';
    enum line_fault fault = LINE_OK;

    if (quoted)
        fault = take_quoted(in, arena, &name);
    else
        name = take_name(in);
    if (fault != LINE_OK)
        return fault;
    skip_blanks(in);
    if (quoted && in->n > 0 && in->p[0] != '=')
        return line_add_label(out, FW_STR(FW_METRIC_NAME), name);
    if (name.n == 0 || in->n == 0 || in->p[0] != '=')
        return LINE_BAD_TAG;
    in->p++;
    in->n--;
    skip_blanks(in);
    fault = take_quoted(in, arena, &value);
    return fault == LINE_OK ? line_add_label(out, name, value) : fault;
}

enum line_fault exposition_labels(struct fw_str series, struct fw_arena *arena,
                                  struct line_labels *out)
{
    struct fw_str rest = series;
    struct fw_str name = take_name(&rest);
    enum line_fault fault = LINE_OK;

    out->n = 0;
    if (name.n > 0 && name.p[0] >= '0' && name.p[0] <= '9')
        return LINE_BAD_NAME;
    if (name.n > 0)
        fault = line_add_label(out, FW_STR(FW_METRIC_NAME), name);
    skip_blanks(&rest);
    if (fault != LINE_OK || rest.n == 0)
        return fault;
    rest.p++; /* the brace that series_length() found */
    rest.n--;
    for (skip_blanks(&rest); rest.n > 0 && rest.p[0] != '}';
         skip_blanks(&rest)) {
        fault = take_label(&rest, arena, out);
        if (fault != LINE_OK)
            return fault;
        skip_blanks(&rest);
        if (rest.n > 0 && rest.p[0] == ',') {
            rest.p++;
            rest.n--;
        } else if (rest.n == 0 || rest.p[0] != '}') {
            return LINE_BAD_TAG;
        }
    }
    return out->n > 0 ? LINE_OK : LINE_BAD_NAME;
}
