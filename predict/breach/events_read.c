/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * events_read.c - a file of events: CSV by the names of its columns, or JSON,
 * an array of flat objects with the same names.
 */
#include <stdlib.h>
#include <string.h>

#include "predict/breach/events.h"
#include "predict/csv_input.h"

struct reading {
    struct fw_event_draft draft;
    struct fw_event *all; /* FW_MAX_EVENTS of them */
    size_t n;
    fw_ms now;
    struct fw_arena *arena;
    struct fw_err *err;
};

static fw_rc end_event(struct reading *r)
{
    fw_rc rc;

    if (r->n == FW_MAX_EVENTS)
        return fw_err_set(r->err, FW_ETOOBIG, "more than %d events",
                          FW_MAX_EVENTS);
    rc = fw_event_end(&r->draft, &r->all[r->n], r->err);
    r->n += rc == FW_OK;
    r->draft = (struct fw_event_draft){0};
    return rc;
}

static fw_rc take_field(void *self, size_t line, struct fw_str name,
                        struct fw_str value)
{
    struct reading *r = self;
    fw_rc rc = name.n > 0 ? fw_event_take(&r->draft, name, value, r->now,
                                          r->arena, r->err)
                          : end_event(r);

    return rc == FW_OK ? rc : fw_err_prefix(r->err, "line %zu", line);
}

/* ---- JSON ---------------------------------------------------------------- */

static char next_char(struct fw_str *in)
{
    while (in->n > 0 && strchr(" \t\r\n", *in->p) != NULL && *in->p != '\0') {
        in->p++;
        in->n--;
    }
    return in->n > 0 ? *in->p : '\0';
}

static bool eat(struct fw_str *in, char c)
{
    if (next_char(in) != c)
        return false;
    in->p++;
    in->n--;
    return true;
}

static bool hex4(struct fw_str in, uint32_t *out)
{
    *out = 0;
    for (size_t i = 0; i < 4; i++) {
        const char *digits = "0123456789abcdef", *at;

        if (i >= in.n || in.p[i] == '\0')
            return false;
        at = strchr(digits,
                    in.p[i] >= 'A' && in.p[i] <= 'F' ? in.p[i] | 32 : in.p[i]);
        if (at == NULL)
            return false;
        *out = *out * 16 + (uint32_t)(at - digits);
    }
    return true;
}

/* Code points of one unit; a half of a pair becomes a question mark. */
static size_t put_utf8(uint32_t c, char *out)
{
    if (c < 0x80) {
        out[0] = (char)c;
        return 1;
    }
    if (c < 0x800) {
        out[0] = (char)(0xc0 | c >> 6);
        out[1] = (char)(0x80 | (c & 0x3f));
        return 2;
    }
    if (c >= 0xd800 && c < 0xe000) {
        out[0] = '?';
        return 1;
    }
    out[0] = (char)(0xe0 | c >> 12);
    out[1] = (char)(0x80 | (c >> 6 & 0x3f));
    out[2] = (char)(0x80 | (c & 0x3f));
    return 3;
}

/* A text in quotes; false for anything else. */
static bool read_text(struct fw_str *in, struct fw_arena *arena,
                      struct fw_str *out)
{
    static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
    char *text;
    size_t n = 0;

    if (!eat(in, '"'))
        return false;
    text = fw_arena_alloc(arena, in->n + 1);
    if (text == NULL)
        return false;
    while (in->n > 0 && *in->p != '"') {
        char c = *in->p++;
        const char *at;
        uint32_t cp;

        in->n--;
        if (c != '\\') {
            text[n++] = c;
            continue;
        }
        if (in->n == 0)
            return false;
        c = *in->p++;
        in->n--;
        if (c == 'u' && hex4(*in, &cp)) {
            n += put_utf8(cp, text + n);
            in->p += 4;
            in->n -= 4;
            continue;
        }
        at = c != '\0' ? strchr(from, c) : NULL;
        if (at == NULL)
            return false;
        text[n++] = to[at - from];
    }
    *out = (struct fw_str){text, n};
    return eat(in, '"');
}

/* A number or word as its text, else what is in the quotes. */
static bool read_value(struct fw_str *in, struct fw_arena *arena,
                       struct fw_str *out)
{
    size_t n = 0;

    if (next_char(in) == '"')
        return read_text(in, arena, out);
    while (n < in->n && in->p[n] != '\0' &&
           strchr(",]} \t\r\n{[\"", in->p[n]) == NULL)
        n++;
    *out = (struct fw_str){in->p, n};
    in->p += n;
    in->n -= n;
    return n > 0;
}

static fw_rc no_json(struct reading *r)
{
    return fw_err_set(r->err, FW_EINVAL,
                      "event %zu: an array of objects is wanted, as in "
                      "[{\"at\": \"2026-11-27T10:00Z\", \"delta\": "
                      "\"+200GB\", \"why\": \"migration\"}]",
                      r->n + 1);
}

static fw_rc read_object(struct reading *r, struct fw_str *in)
{
    struct fw_str name, value;
    fw_rc rc = FW_OK;

    if (!eat(in, '{'))
        return no_json(r);
    while (rc == FW_OK && next_char(in) != '}') {
        if (!read_text(in, r->arena, &name) || !eat(in, ':') ||
            !read_value(in, r->arena, &value))
            return no_json(r);
        if (!fw_str_eq(value, FW_STR("null")))
            rc =
                fw_event_take(&r->draft, name, value, r->now, r->arena, r->err);
        if (rc == FW_OK && !eat(in, ',') && next_char(in) != '}')
            return no_json(r);
    }
    if (rc == FW_OK && eat(in, '}'))
        rc = end_event(r);
    return rc == FW_OK ? rc : fw_err_prefix(r->err, "event %zu", r->n + 1);
}

static fw_rc read_json(struct reading *r, struct fw_str in)
{
    fw_rc rc = FW_OK;

    if (!eat(&in, '['))
        return no_json(r);
    while (rc == FW_OK && next_char(&in) != ']') {
        rc = read_object(r, &in);
        if (rc == FW_OK && !eat(&in, ',') && next_char(&in) != ']')
            return no_json(r);
    }
    if (rc == FW_OK && (!eat(&in, ']') || next_char(&in) != '\0'))
        return no_json(r);
    return rc;
}

fw_rc fw_events_read(struct fw_str text, fw_ms now, struct fw_arena *arena,
                     struct fw_event **out, size_t *count, struct fw_err *err)
{
    struct reading r = {.now = now, .arena = arena, .err = err};
    struct fw_str in = text;
    fw_rc rc;

    r.all = fw_arena_calloc(arena, FW_MAX_EVENTS, sizeof(*r.all));
    if (r.all == NULL)
        return fw_arena_err(arena, err);
    if (next_char(&in) == '[' || next_char(&in) == '{')
        rc = read_json(&r, in);
    else
        rc = csv_walk(text, arena, take_field, &r);
    if (rc == FW_ENOMEM)
        return fw_arena_err(arena, err);
    if (rc != FW_OK)
        return rc;
    *out = r.all;
    *count = r.n;
    return FW_OK;
}
