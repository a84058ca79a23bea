/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * template_func.c - the functions a template may call: Go's own and those
 * Prometheus adds [prometheus/template/template.go]. Here are queries, printing
 * and taking apart; numbers, texts and comparisons have files of their own.
 */
#include "server/rules/template_func.h"

#include <stdio.h>
#include <string.h>

fw_rc template_keep(struct trun *run, struct fw_buf *text, fw_rc rc,
                    struct tv *out, struct fw_err *err)
{
    if (rc == FW_OK)
        rc = tv_keep(trun_arena(run), text, out, err);
    else if (rc == FW_ETOOBIG)
        rc = fw_err_set(err, FW_EINVAL, "the text is too long");
    else if (rc == FW_ENOMEM)
        rc = fw_err_set(err, rc, "out of memory");
    fw_buf_release(text);
    return rc;
}

/* ---- queries and their samples ---- */

CALL(query)
{
    const struct template_data *d = trun_data(run);
    struct fw_arena *arena = trun_arena(run);
    struct fw_result result = {0};
    struct tv_sample *samples;
    fw_rc rc;

    if (d->query == NULL)
        return fw_err_set(err, FW_EINVAL, "no query function");
    rc = d->query(d->self, args[0].s, arena, &result, err);
    if (rc != FW_OK)
        return rc == FW_ENOMEM ? rc : FW_EINVAL;
    samples = fw_arena_calloc(arena, result.count + 1, sizeof(*samples));
    if (samples == NULL)
        return fw_arena_err(arena, err);
    *out = (struct tv){.kind = TV_SAMPLES};
    out->samples.v = samples;
    for (size_t i = 0; i < result.count; i++)
        if (result.series[i].n > 0)
            samples[out->samples.n++] = (struct tv_sample){
                result.series[i].labels, result.series[i].v[0]};
    return FW_OK;
}

CALL(first)
{
    if (args[0].samples.n == 0)
        return fw_err_set(err, FW_EINVAL,
                          "first() called on vector with no elements");
    *out = (struct tv){.kind = TV_SAMPLE, .sample = args[0].samples.v};
    return FW_OK;
}

CALL(label)
{
    *out = tv_text(fw_labels_get(&args[1].sample->labels, args[0].s));
    return FW_OK;
}

CALL(value)
{
    *out = tv_float(args[0].sample->value);
    return FW_OK;
}

CALL(strvalue)
{
    *out = tv_text(fw_labels_get(&args[0].sample->labels, FW_STR("__value__")));
    return FW_OK;
}

/* Insertion keeps the order of equals; results of templates are short. */
CALL(sort_by_label)
{
    size_t count = args[1].samples.n;
    struct tv_sample *v =
        fw_arena_calloc(trun_arena(run), count + 1, sizeof(*v));

    if (v == NULL)
        return fw_arena_err(trun_arena(run), err);
    for (size_t i = 0; i < count; i++) {
        struct tv_sample s = args[1].samples.v[i];
        struct fw_str key = fw_labels_get(&s.labels, args[0].s);
        size_t at = i;

        while (at > 0 && fw_str_cmp(fw_labels_get(&v[at - 1].labels, args[0].s),
                                    key) > 0) {
            v[at] = v[at - 1];
            at--;
        }
        v[at] = s;
    }
    *out = (struct tv){.kind = TV_SAMPLES};
    out->samples.v = v;
    out->samples.n = count;
    return FW_OK;
}

CALL(external_url)
{
    *out = tv_text(fw_str_of(trun_data(run)->external_url));
    return FW_OK;
}

CALL(path_prefix)
{
    const char *p = strstr(trun_data(run)->external_url, "://");

    p = p != NULL ? strchr(p + 3, '/') : NULL;
    *out = tv_text(fw_str_of(p != NULL ? p : ""));
    return FW_OK;
}

CALL(as_is)
{
    *out = args[0];
    return FW_OK;
}

CALL(args_of)
{
    struct tv *copy = fw_arena_calloc(trun_arena(run), n + 1, sizeof(*copy));

    if (copy == NULL)
        return fw_arena_err(trun_arena(run), err);
    memcpy(copy, args, n * sizeof(*copy));
    *out = (struct tv){.kind = TV_ARGS};
    out->args.v = copy;
    out->args.n = n;
    return FW_OK;
}

CALL(tmpl)
{
    struct fw_buf text = TEXT_BUF;

    return template_keep(
        run, &text, trun_named(run, args[0].s, args[1], &text, err), out, err);
}

/* ---- Go's own ---- */

CALL(go_printf)
{
    struct fw_buf text = TEXT_BUF;

    return template_keep(
        run, &text, tv_printf(&text, args[0].s, args + 1, n - 1), out, err);
}

/* Blanks between operands when neither is a text; print has no newline. */
static fw_rc print_all(struct fw_buf *text, const struct tv *args, size_t n,
                       bool line)
{
    fw_rc rc = FW_OK;

    for (size_t i = 0; rc == FW_OK && i < n; i++) {
        if (i > 0 &&
            (line || (args[i].kind != TV_TEXT && args[i - 1].kind != TV_TEXT)))
            rc = fw_buf_addc(text, ' ');
        if (rc == FW_OK)
            rc = tv_print(text, &args[i]);
    }
    return rc == FW_OK && line ? fw_buf_addc(text, '\n') : rc;
}

CALL(go_print)
{
    struct fw_buf text = TEXT_BUF;

    return template_keep(run, &text, print_all(&text, args, n, false), out,
                         err);
}

CALL(go_println)
{
    struct fw_buf text = TEXT_BUF;

    return template_keep(run, &text, print_all(&text, args, n, true), out, err);
}

static fw_rc add_html(struct fw_buf *text, struct fw_str s)
{
    fw_rc rc = FW_OK;

    for (size_t i = 0; rc == FW_OK && i < s.n; i++) {
        switch (s.p[i]) {
        case '"':
            rc = fw_buf_adds(text, "&#34;");
            break;
        case '\'':
            rc = fw_buf_adds(text, "&#39;");
            break;
        case '&':
            rc = fw_buf_adds(text, "&amp;");
            break;
        case '<':
            rc = fw_buf_adds(text, "&lt;");
            break;
        case '>':
            rc = fw_buf_adds(text, "&gt;");
            break;
        default:
            rc = fw_buf_addc(text, s.p[i]);
        }
    }
    return rc;
}

CALL(go_html)
{
    struct fw_buf plain = TEXT_BUF, text = TEXT_BUF;
    fw_rc rc = print_all(&plain, args, n, false);

    if (rc == FW_OK && plain.len > 0)
        rc = add_html(&text, (struct fw_str){plain.data, plain.len});
    fw_buf_release(&plain);
    return template_keep(run, &text, rc, out, err);
}

CALL(go_urlquery)
{
    struct fw_buf plain = TEXT_BUF, text = TEXT_BUF;
    fw_rc rc = print_all(&plain, args, n, false);

    if (rc == FW_OK && plain.len > 0)
        rc =
            template_add_escaped(&text, (struct fw_str){plain.data, plain.len});
    fw_buf_release(&plain);
    return template_keep(run, &text, rc, out, err);
}

CALL(go_len)
{
    switch (args[0].kind) {
    case TV_TEXT:
        *out = tv_int((int64_t)args[0].s.n);
        return FW_OK;
    case TV_LABELS:
        *out = tv_int((int64_t)args[0].labels.n);
        return FW_OK;
    case TV_SAMPLES:
        *out = tv_int((int64_t)args[0].samples.n);
        return FW_OK;
    case TV_ARGS:
        *out = tv_int((int64_t)args[0].args.n);
        return FW_OK;
    default:
        return fw_err_set(err, FW_EINVAL, "len of type %s",
                          tv_type_name(&args[0]));
    }
}

static fw_rc index_one(struct tv *v, const struct tv *at, struct fw_err *err)
{
    char name[24];

    if (v->kind == TV_LABELS && at->kind == TV_TEXT) {
        *v = tv_text(fw_labels_get(&v->labels, at->s));
        return FW_OK;
    }
    if (v->kind == TV_ARGS && at->kind == TV_TEXT) {
        for (size_t i = 0; i < v->args.n; i++) {
            (void)snprintf(name, sizeof(name), "arg%zu", i);
            if (fw_str_eq(fw_str_of(name), at->s)) {
                *v = v->args.v[i];
                return FW_OK;
            }
        }
        *v = (struct tv){.kind = TV_NONE};
        return FW_OK;
    }
    if (v->kind != TV_SAMPLES && v->kind != TV_TEXT)
        return fw_err_set(err, FW_EINVAL, "can't index item of type %s",
                          tv_type_name(v));
    if (at->kind != TV_INT)
        return fw_err_set(err, FW_EINVAL,
                          "cannot index slice/array with type "
                          "%s",
                          tv_type_name(at));
    if (at->i < 0 ||
        (uint64_t)at->i >= (v->kind == TV_TEXT ? v->s.n : v->samples.n))
        return fw_err_set(err, FW_EINVAL, "index out of range: %lld",
                          (long long)at->i);
    if (v->kind == TV_TEXT)
        *v = tv_int((unsigned char)v->s.p[at->i]);
    else
        *v = (struct tv){.kind = TV_SAMPLE, .sample = &v->samples.v[at->i]};
    return FW_OK;
}

CALL(go_index)
{
    struct tv v = args[0];
    fw_rc rc = FW_OK;

    for (size_t i = 1; rc == FW_OK && i < n; i++)
        rc = index_one(&v, &args[i], err);
    if (rc == FW_OK)
        *out = v;
    return rc;
}

/* slice of a text: 1 to 3 bounds. */
CALL(go_slice)
{
    struct fw_str s = args[0].s;
    int64_t from = 0, to;

    if (args[0].kind != TV_TEXT)
        return fw_err_set(err, FW_EINVAL, "can't slice item of type %s",
                          tv_type_name(&args[0]));
    to = (int64_t)s.n;
    if (n > 1 && args[1].kind == TV_INT)
        from = args[1].i;
    if (n > 2 && args[2].kind == TV_INT)
        to = args[2].i;
    if (from < 0 || to < from || to > (int64_t)s.n)
        return fw_err_set(err, FW_EINVAL, "index out of range: %lld",
                          (long long)(from < 0 || from > to ? from : to));
    *out = tv_text((struct fw_str){s.p + from, (size_t)(to - from)});
    return FW_OK;
}

static const struct tfunction others[] = {
    {"args", 0, -1, "a", args_of},
    {"externalURL", 0, 0, "a", external_url},
    {"first", 1, 1, "S", first},
    {"html", 0, -1, "a", go_html},
    {"index", 1, -1, "a", go_index},
    {"label", 2, 2, "sp", label},
    {"len", 1, 1, "a", go_len},
    {"pathPrefix", 0, 0, "a", path_prefix},
    {"print", 0, -1, "a", go_print},
    {"printf", 1, -1, "sa", go_printf},
    {"println", 0, -1, "a", go_println},
    {"query", 1, 1, "s", query},
    {"safeHtml", 1, 1, "s", as_is},
    {"slice", 1, 4, "a", go_slice},
    {"sortByLabel", 2, 2, "sS", sort_by_label},
    {"strvalue", 1, 1, "p", strvalue},
    {"tmpl", 2, 2, "sa", tmpl},
    {"urlquery", 0, -1, "a", go_urlquery},
    {"value", 1, 1, "p", value},
    {0},
};

const struct tfunction *tfunction_find(struct fw_str name)
{
    static const struct tfunction *const tables[] = {
        others, template_numbers, template_words, template_comparisons};

    for (size_t i = 0; i < sizeof(tables) / sizeof(tables[0]); i++)
        for (const struct tfunction *f = tables[i]; f->name != NULL; f++)
            if (fw_str_eq(fw_str_of(f->name), name))
                return f;
    return NULL;
}
