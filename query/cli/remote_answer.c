/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * remote_answer.c - JSON is read once, from front to back, without a tree:
 * what is known is taken, what is not is stepped over.
 */
#include "query/cli/remote_answer.h"

#include <math.h>
#include <stdlib.h>

#include "storage/base/limits.h"

#define MAX_DEPTH 32
#define MAX_ITEMS 100000000 /* of one list; memory is capped by the arena */

struct json_in {
    const char *p, *end;
    struct fw_arena *arena;
    struct fw_err *err;
    int depth;
};

static fw_rc not_json(struct json_in *in)
{
    return fw_err_set(in->err, FW_EIO,
                      "the server's answer is not that of Prometheus's API");
}

static char next_char(struct json_in *in)
{
    while (in->p < in->end && strchr(" \t\r\n", *in->p) != NULL)
        in->p++;
    return in->p < in->end ? *in->p : '\0';
}

static bool eat(struct json_in *in, char c)
{
    if (next_char(in) != c)
        return false;
    in->p++;
    return true;
}

/* ---- Values ---------------------------------------------------------------
 */

static bool hex4(const char *p, const char *end, uint32_t *out)
{
    *out = 0;
    if (end - p < 4)
        return false;
    for (int i = 0; i < 4; i++) {
        char c = p[i];

        if (c >= '0' && c <= '9')
            *out = *out * 16 + (uint32_t)(c - '0');
        else if ((c | 32) >= 'a' && (c | 32) <= 'f')
            *out = *out * 16 + (uint32_t)((c | 32) - 'a' + 10);
        else
            return false;
    }
    return true;
}

static size_t put_utf8(char *out, uint32_t c)
{
    if (c < 0x80) {
        out[0] = (char)c;
        return 1;
    }
    if (c < 0x800) {
        out[0] = (char)(0xC0 | c >> 6);
        out[1] = (char)(0x80 | (c & 63));
        return 2;
    }
    if (c < 0x10000) {
        out[0] = (char)(0xE0 | c >> 12);
        out[1] = (char)(0x80 | (c >> 6 & 63));
        out[2] = (char)(0x80 | (c & 63));
        return 3;
    }
    out[0] = (char)(0xF0 | c >> 18);
    out[1] = (char)(0x80 | (c >> 12 & 63));
    out[2] = (char)(0x80 | (c >> 6 & 63));
    out[3] = (char)(0x80 | (c & 63));
    return 4;
}

/* Behind "\u"; a pair of surrogates is one character. */
static bool take_unicode(struct json_in *in, char *out, size_t *n)
{
    uint32_t c, low;

    if (!hex4(in->p, in->end, &c))
        return false;
    in->p += 4;
    if (c >= 0xD800 && c < 0xDC00 && in->end - in->p >= 6 && in->p[0] == '\\' &&
        in->p[1] == 'u' && hex4(in->p + 2, in->end, &low) && low >= 0xDC00 &&
        low < 0xE000) {
        c = 0x10000 + ((c - 0xD800) << 10) + (low - 0xDC00);
        in->p += 6;
    }
    if (c >= 0xD800 && c < 0xE000)
        c = 0xFFFD;
    *n += put_utf8(out + *n, c);
    return true;
}

static bool take_escape(struct json_in *in, char *out, size_t *n)
{
    static const char from[] = "\"\\/bfnrt";
    static const char to[] = "\"\\/\b\f\n\r\t";
    const char *known;
    char c;

    if (in->p == in->end)
        return false;
    c = *in->p++;
    if (c == 'u')
        return take_unicode(in, out, n);
    known = c != '\0' ? strchr(from, c) : NULL;
    if (known == NULL)
        return false;
    out[(*n)++] = to[known - from];
    return true;
}

static fw_rc read_text(struct json_in *in, struct fw_str *out)
{
    const char *from;
    const char *to;
    char *text;
    size_t n = 0;

    if (!eat(in, '"'))
        return not_json(in);
    from = in->p;
    for (to = from; to < in->end && *to != '"'; to++)
        to += *to == '\\' && to + 1 < in->end;
    text = fw_arena_alloc(in->arena, (size_t)(to - from) + 1);
    if (text == NULL)
        return fw_arena_err(in->arena, in->err);
    while (in->p < to) {
        if (*in->p != '\\') {
            text[n++] = *in->p++;
            continue;
        }
        in->p++;
        if (!take_escape(in, text, &n)) /* never longer than its source */
            return not_json(in);
    }
    if (in->p != to || to == in->end || !fw_utf8_valid(text, n))
        return not_json(in);
    in->p++;
    *out = (struct fw_str){text, n};
    return FW_OK;
}

static fw_rc read_number(struct json_in *in, double *out)
{
    const char *from;

    (void)next_char(in);
    for (from = in->p; in->p < in->end; in->p++) {
        if (strchr("+-.eE0123456789", *in->p) == NULL)
            break;
    }
    if (fw_parse_double((struct fw_str){from, (size_t)(in->p - from)}, out,
                        NULL) != FW_OK)
        return not_json(in);
    return FW_OK;
}

/* Calls `member` for each; it reads the value. */
typedef fw_rc (*read_member)(struct json_in *in, struct fw_str name,
                             void *self);

static fw_rc read_object(struct json_in *in, read_member member, void *self)
{
    fw_rc rc = FW_OK;

    if (!eat(in, '{') || ++in->depth > MAX_DEPTH)
        return not_json(in);
    if (!eat(in, '}')) {
        do {
            struct fw_str name;

            rc = read_text(in, &name);
            if (rc == FW_OK && !eat(in, ':'))
                rc = not_json(in);
            if (rc == FW_OK)
                rc = member(in, name, self);
        } while (rc == FW_OK && eat(in, ','));
        if (rc == FW_OK && !eat(in, '}'))
            rc = not_json(in);
    }
    in->depth--;
    return rc;
}

/* Calls `item` for each; it reads the value. */
typedef fw_rc (*read_item)(struct json_in *in, void *self);

static fw_rc read_array(struct json_in *in, read_item item, void *self)
{
    fw_rc rc = FW_OK;

    if (!eat(in, '[') || ++in->depth > MAX_DEPTH)
        return not_json(in);
    if (!eat(in, ']')) {
        do
            rc = item(in, self);
        while (rc == FW_OK && eat(in, ','));
        if (rc == FW_OK && !eat(in, ']'))
            rc = not_json(in);
    }
    in->depth--;
    return rc;
}

static fw_rc skip_value(struct json_in *in);

static fw_rc skip_member(struct json_in *in, struct fw_str name, void *self)
{
    (void)name;
    (void)self;
    return skip_value(in);
}

static fw_rc skip_item(struct json_in *in, void *self)
{
    (void)self;
    return skip_value(in);
}

static fw_rc skip_value(struct json_in *in)
{
    struct fw_str text;
    const char *from;
    double number;
    char c = next_char(in);

    if (c == '{')
        return read_object(in, skip_member, NULL);
    if (c == '[')
        return read_array(in, skip_item, NULL);
    if (c == '"')
        return read_text(in, &text);
    if (c == '-' || (c >= '0' && c <= '9'))
        return read_number(in, &number);
    for (from = in->p; in->p < in->end && *in->p >= 'a' && *in->p <= 'z';)
        in->p++; /* true, false, null */
    return in->p == from ? not_json(in) : FW_OK;
}

/* ---- What the API answers -------------------------------------------------
 */

static fw_rc read_texts_item(struct json_in *in, void *self)
{
    struct remote_answer *a = self;
    size_t cap = a->text_count;
    struct fw_str *grown;

    /* Twice as much each time; what was there before stays in the arena. */
    if ((cap & (cap - 1)) == 0) {
        grown = fw_arena_alloc(in->arena, (2 * cap + 1) * sizeof(*grown));
        if (grown == NULL)
            return fw_arena_err(in->arena, in->err);
        if (cap > 0)
            memcpy(grown, a->texts, cap * sizeof(*grown));
        a->texts = grown;
    }
    return read_text(in, &a->texts[a->text_count++]);
}

struct label_list {
    struct fw_label v[FW_MAX_LABELS];
    size_t n;
};

static fw_rc read_label(struct json_in *in, struct fw_str name, void *self)
{
    struct label_list *list = self;

    if (list->n == FW_MAX_LABELS)
        return not_json(in);
    list->v[list->n].name = name;
    return read_text(in, &list->v[list->n++].value);
}

static fw_rc read_labels(struct json_in *in, struct fw_labels *out)
{
    struct label_list list = {.n = 0};
    struct fw_label *kept;
    fw_rc rc = read_object(in, read_label, &list);

    if (rc == FW_OK)
        rc = fw_labels_canonical(list.v, &list.n, in->err);
    if (rc != FW_OK)
        return rc;
    kept = fw_arena_alloc(in->arena, list.n * sizeof(*kept));
    if (kept == NULL)
        return fw_arena_err(in->arena, in->err);
    if (list.n > 0)
        memcpy(kept, list.v, list.n * sizeof(*kept));
    *out = (struct fw_labels){kept, list.n};
    return FW_OK;
}

/* [1700000000.5,"3.25"] */
static fw_rc read_pair(struct json_in *in, fw_ms *t, struct fw_str *text)
{
    double seconds = 0;
    fw_rc rc = eat(in, '[') ? read_number(in, &seconds) : not_json(in);

    if (rc == FW_OK && (!eat(in, ',') || !(fabs(seconds) < 9.2e15)))
        rc = not_json(in);
    if (rc == FW_OK)
        rc = read_text(in, text);
    if (rc == FW_OK && !eat(in, ']'))
        rc = not_json(in);
    if (rc == FW_OK)
        *t = (fw_ms)llround(seconds * 1000);
    return rc;
}

static fw_rc read_point(struct json_in *in, void *self)
{
    struct fw_result_series *s = self;
    struct fw_str text;
    size_t cap = s->n;
    fw_rc rc;

    if ((cap & (cap - 1)) == 0) {
        fw_ms *t = fw_arena_alloc(in->arena, (2 * cap + 1) * sizeof(*t));
        double *v = fw_arena_alloc(in->arena, (2 * cap + 1) * sizeof(*v));

        if (t == NULL || v == NULL)
            return fw_arena_err(in->arena, in->err);
        if (cap > 0) {
            memcpy(t, s->t, cap * sizeof(*t));
            memcpy(v, s->v, cap * sizeof(*v));
        }
        s->t = t;
        s->v = v;
    }
    rc = read_pair(in, &s->t[s->n], &text);
    if (rc == FW_OK && fw_parse_double(text, &s->v[s->n], NULL) != FW_OK)
        rc = not_json(in);
    s->n += rc == FW_OK;
    return rc;
}

static fw_rc read_series_member(struct json_in *in, struct fw_str name,
                                void *self)
{
    struct fw_result_series *s = self;

    if (fw_str_eq(name, FW_STR("metric")))
        return read_labels(in, &s->labels);
    if (fw_str_eq(name, FW_STR("value")))
        return read_point(in, s);
    if (fw_str_eq(name, FW_STR("values")))
        return read_array(in, read_point, s);
    return skip_value(in);
}

struct series_list {
    struct fw_result_series *v; /* grown */
    size_t n, cap;
};

static fw_rc read_series(struct json_in *in, void *self)
{
    struct series_list *list = self;

    if (fw_grow(&list->v, &list->cap, list->n + 1, sizeof(*list->v),
                FW_MAX_QUERY_SERIES) != FW_OK)
        return fw_err_set(in->err, FW_ETOOBIG,
                          "the answer has more than %d series",
                          FW_MAX_QUERY_SERIES);
    list->v[list->n] = (struct fw_result_series){0};
    return read_object(in, read_series_member, &list->v[list->n++]);
}

static fw_rc read_result(struct json_in *in, struct fw_result *result)
{
    struct series_list list = {0};
    fw_rc rc;

    if (result->type == FW_STRING)
        return read_pair(in, &result->time, &result->text);
    if (result->type == FW_SCALAR) {
        if (fw_grow(&list.v, &list.cap, 1, sizeof(*list.v), 1) != FW_OK)
            return fw_err_set(in->err, FW_ENOMEM, "out of memory");
        list.v[0] = (struct fw_result_series){0};
        list.n = 1;
        rc = read_point(in, &list.v[0]);
    } else {
        rc = read_array(in, read_series, &list);
    }
    result->series = fw_arena_alloc(in->arena, (list.n + 1) * sizeof(*list.v));
    if (rc == FW_OK && result->series == NULL)
        rc = fw_arena_err(in->arena, in->err);
    if (rc == FW_OK && list.n > 0)
        memcpy(result->series, list.v, list.n * sizeof(*list.v));
    result->count = list.n;
    free(list.v);
    return rc;
}

/* The members of the whole, and of "data". */
struct parts {
    struct fw_str status, kind, error, type;
    struct json_in result; /* where it begins; p is NULL for none */
    struct remote_answer answer;
    bool has_list;
    struct remote_answer warnings, infos; /* their texts */
};

static fw_rc read_data_member(struct json_in *in, struct fw_str name,
                              void *self)
{
    struct parts *parts = self;

    if (fw_str_eq(name, FW_STR("resultType")))
        return read_text(in, &parts->type);
    if (fw_str_eq(name, FW_STR("result")))
        parts->result = *in; /* its type may come behind it */
    return skip_value(in);
}

static fw_rc read_list_item(struct json_in *in, void *self)
{
    struct remote_answer *a = self;
    size_t cap = a->series_count;
    struct fw_labels *grown;

    if (next_char(in) != '{')
        return read_texts_item(in, a);
    if ((cap & (cap - 1)) == 0) {
        grown = fw_arena_alloc(in->arena, (2 * cap + 1) * sizeof(*grown));
        if (grown == NULL)
            return fw_arena_err(in->arena, in->err);
        if (cap > 0)
            memcpy(grown, a->series, cap * sizeof(*grown));
        a->series = grown;
    }
    return read_labels(in, &a->series[a->series_count++]);
}

static fw_rc read_top_member(struct json_in *in, struct fw_str name, void *self)
{
    struct parts *parts = self;

    if (fw_str_eq(name, FW_STR("status")))
        return read_text(in, &parts->status);
    if (fw_str_eq(name, FW_STR("errorType")))
        return read_text(in, &parts->kind);
    if (fw_str_eq(name, FW_STR("error")))
        return read_text(in, &parts->error);
    if (fw_str_eq(name, FW_STR("warnings")) && next_char(in) == '[')
        return read_array(in, read_texts_item, &parts->warnings);
    if (fw_str_eq(name, FW_STR("infos")) && next_char(in) == '[')
        return read_array(in, read_texts_item, &parts->infos);
    if (!fw_str_eq(name, FW_STR("data")))
        return skip_value(in);
    if (next_char(in) == '{')
        return read_object(in, read_data_member, parts);
    parts->has_list = next_char(in) == '[';
    return parts->has_list ? read_array(in, read_list_item, &parts->answer)
                           : skip_value(in);
}

static bool type_of(struct fw_str name, enum fw_value_type *out)
{
    static const char *const names[] = {[FW_SCALAR] = "scalar",
                                        [FW_STRING] = "string",
                                        [FW_VECTOR] = "vector",
                                        [FW_MATRIX] = "matrix"};

    for (int i = FW_SCALAR; i <= FW_MATRIX; i++) {
        if (fw_str_eq(name, fw_str_of(names[i]))) {
            *out = (enum fw_value_type)i;
            return true;
        }
    }
    return false;
}

static fw_rc refused(const struct parts *parts, struct fw_err *err)
{
    bool question = fw_str_eq(parts->kind, FW_STR("bad_data")) ||
                    fw_str_eq(parts->kind, FW_STR("422"));

    return fw_err_set(err, question ? FW_EINVAL : FW_EIO,
                      "the server says: %.*s", FW_STR_ARG(parts->error));
}

fw_rc remote_answer_read(struct fw_str body, struct fw_arena *arena,
                         struct remote_answer *out, struct fw_err *err)
{
    struct json_in in = {body.p, body.p + body.n, arena, err, 0};
    struct parts parts = {.result = {.p = NULL}};
    struct fw_result *result = &parts.answer.result;
    fw_rc rc = read_object(&in, read_top_member, &parts);

    if (rc == FW_OK && parts.error.n > 0)
        return refused(&parts, err);
    if (rc == FW_OK && !fw_str_eq(parts.status, FW_STR("success")))
        rc = not_json(&in);
    if (rc == FW_OK && !parts.has_list &&
        (parts.result.p == NULL || !type_of(parts.type, &result->type)))
        rc = not_json(&in);
    if (rc == FW_OK && !parts.has_list)
        rc = read_result(&parts.result, result);
    if (rc != FW_OK)
        return rc;
    result->warnings = parts.warnings.texts;
    result->warning_count = parts.warnings.text_count;
    result->infos = parts.infos.texts;
    result->info_count = parts.infos.text_count;
    *out = parts.answer;
    return FW_OK;
}
