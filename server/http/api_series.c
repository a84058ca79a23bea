/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * api_series.c - which series, label names and label values there are.
 */
#include "server/http/api.h"

#include <stdlib.h>
#include <string.h>

#include "storage/base/hash.h"

#define FOREVER (INT64_MAX / 4)

/* A list that is printed while it is sent. */
struct listing {
    struct fw_series *series;
    struct fw_str *texts; /* instead of series */
    size_t n, next, limit;
    bool begun;
    struct fw_json json;
};

/* ---- what matches ---- */

static int by_labels(const void *a, const void *b)
{
    const struct fw_series *x = a, *y = b;

    return fw_labels_cmp(&x->labels, &y->labels);
}

/* Joins two lists of series in label order; one that is in both stays once. */
static bool join(struct call *call, struct fw_series **series, size_t *count,
                 const struct fw_series *more, size_t n)
{
    size_t total = *count + n, kept = 0;
    struct fw_series *all =
        fw_arena_calloc(call->arena, total + 1, sizeof(*all));

    if (all == NULL) {
        call_error(call, 503, NULL, "out of memory");
        return false;
    }
    if (*count > 0)
        memcpy(all, *series, *count * sizeof(*all));
    if (n > 0)
        memcpy(all + *count, more, n * sizeof(*all));
    qsort(all, total, sizeof(*all), by_labels);
    for (size_t i = 0; i < total; i++)
        if (kept == 0 || all[kept - 1].id != all[i].id)
            all[kept++] = all[i];
    *series = all;
    *count = kept;
    return true;
}

bool api_select(struct call *call, const struct api_selector *asked,
                size_t asked_count, fw_ms from, fw_ms to,
                struct fw_series **series, size_t *count)
{
    *series = NULL;
    *count = 0;
    for (size_t i = 0; i < asked_count; i++) {
        struct fw_series *found;
        struct fw_err err = {0};
        size_t n;
        fw_rc rc = fw_store_select(call->api->store, asked[i].matchers,
                                   asked[i].n, from, to, FW_MAX_QUERY_SERIES,
                                   call->arena, &found, &n, &err);

        if (rc < 0) {
            err.rc = rc;
            call_failed(call, &err);
            return false;
        }
        if (i == 0) {
            *series = found;
            *count = n;
        } else if (!join(call, series, count, found, n)) {
            return false;
        }
    }
    return true;
}

bool api_range(struct call *call, fw_ms *from, fw_ms *to)
{
    *from = -FOREVER;
    *to = FOREVER;
    return api_time(call, "start", false, from) &&
           api_time(call, "end", false, to);
}

/* ---- printing while sending ---- */

static fw_rc list_more(void *self, struct fw_buf *out)
{
    struct listing *list = self;
    struct fw_json *json = &list->json;
    size_t count = list->n < list->limit ? list->n : list->limit;
    struct fw_str cut = FW_STR("results truncated due to limit");

    json->out = out;
    if (!list->begun) {
        fw_json_object(json);
        fw_json_field_text(json, "status", "success");
        fw_json_key(json, "data");
        fw_json_array(json);
        list->begun = true;
    }
    if (list->next < count) {
        if (list->texts != NULL)
            fw_json_str(json, list->texts[list->next]);
        else
            fw_labels_json(json, &list->series[list->next].labels);
        list->next++;
        return fw_json_rc(json);
    }
    fw_json_array_end(json);
    if (count < list->n)
        api_put_notes(json, "warnings", &cut, 1);
    fw_json_object_end(json);
    return fw_json_rc(json) == FW_OK ? FW_END : fw_json_rc(json);
}

static void answer_list(struct call *call, struct listing *list)
{
    call->reply.type = TYPE_JSON;
    call->reply.more = list_more;
    call->reply.self = list;
}

static struct listing *new_list(struct call *call)
{
    struct listing *list = fw_arena_calloc(call->arena, 1, sizeof(*list));

    if (list == NULL)
        call_error(call, 503, NULL, "out of memory");
    return list;
}

void api_series(struct call *call)
{
    struct listing *list = new_list(call);
    struct api_selector *asked;
    size_t count;
    fw_ms from, to;

    if (list == NULL || !api_limit(call, &list->limit) ||
        !api_range(call, &from, &to) ||
        !api_selectors(call, true, &asked, &count))
        return;
    if (from <= to &&
        !api_select(call, asked, count, from, to, &list->series, &list->n))
        return;
    answer_list(call, list);
}

/* ---- names and values ---- */

static bool same_text(const void *self, uint32_t value, const void *key)
{
    const struct fw_str *texts = self;

    return fw_str_eq(texts[value], *(const struct fw_str *)key);
}

/* Puts a text into a set; false when memory ran out. */
static bool set_add(struct fw_index *set, struct fw_str **texts, size_t *n,
                    size_t *cap, struct fw_str text)
{
    uint64_t hash = fw_hash64(text.p, text.n, 0);

    if (fw_index_find(set, hash, same_text, *texts, &text) != FW_INDEX_NONE)
        return true;
    if (fw_grow(texts, cap, *n + 1, sizeof(**texts), FW_INDEX_NONE - 1) !=
            FW_OK ||
        fw_index_add(set, hash, (uint32_t)*n) != FW_OK)
        return false;
    (*texts)[(*n)++] = text;
    return true;
}

static int by_text(const void *a, const void *b)
{
    const struct fw_str *x = a, *y = b;

    return fw_str_cmp(*x, *y);
}

/* The names, or the values of one, that a query of the index gives. */
static fw_rc ask_index(struct call *call, const struct fw_str *name,
                       const struct fw_label_query *query,
                       struct fw_str **texts, size_t *n, struct fw_err *err)
{
    struct fw_store *store = call->api->store;

    return name == NULL
               ? fw_store_label_names(store, query, call->arena, texts, n, err)
               : fw_store_label_values(store, *name, query, call->arena, texts,
                                       n, err);
}

/* What several queries give, each text once, sorted. */
struct texts {
    struct fw_index set;
    struct fw_str *v;
    size_t n, cap;
};

static bool merge(struct texts *all, const struct fw_str *more, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (!set_add(&all->set, &all->v, &all->n, &all->cap, more[i]))
            return false;
    return true;
}

static bool hand_over(struct call *call, const struct texts *all,
                      struct listing *list)
{
    list->texts = fw_arena_calloc(call->arena, all->n + 1, sizeof(*all->v));
    if (list->texts == NULL)
        return false;
    if (all->n > 0) {
        qsort(all->v, all->n, sizeof(*all->v), by_text);
        memcpy(list->texts, all->v, all->n * sizeof(*all->v));
    }
    list->n = all->n;
    return true;
}

/* Of all series where nothing is asked, else of what matches any. */
static void answer_texts(struct call *call, const struct fw_str *name)
{
    struct listing *list = new_list(call);
    struct fw_label_query query = {0};
    struct api_selector *asked;
    struct texts all = {0};
    struct fw_err err = {0};
    size_t count, i = 0;
    bool room = true;
    fw_rc rc = FW_OK;

    if (list == NULL || !api_limit(call, &list->limit) ||
        !api_range(call, &query.from, &query.to) ||
        !api_selectors(call, false, &asked, &count))
        return;
    /* One more than is shown, to know that there is more. */
    query.limit = list->limit < SIZE_MAX ? list->limit + 1 : 0;
    while (query.from <= query.to && rc >= 0 && room &&
           i < (count > 0 ? count : 1)) {
        struct fw_str *texts = NULL;
        size_t n = 0;

        if (count > 0) {
            query.matchers = asked[i].matchers;
            query.n = asked[i].n;
        }
        rc = ask_index(call, name, &query, &texts, &n, &err);
        if (rc >= 0)
            room = merge(&all, texts, n);
        i++;
    }
    room = room && rc >= 0 && hand_over(call, &all, list);
    fw_index_release(&all.set);
    free(all.v);
    err.rc = rc;
    if (rc < 0)
        call_failed(call, &err);
    else if (!room)
        call_error(call, 503, NULL, "out of memory");
    else
        answer_list(call, list);
}

void api_labels(struct call *call)
{
    answer_texts(call, NULL);
}

static size_t put_utf8(char out[4], uint32_t cp)
{
    if (cp < 0x80) {
        out[0] = (char)cp;
        return 1;
    }
    if (cp < 0x800) {
        out[0] = (char)(0xC0 | cp >> 6);
        out[1] = (char)(0x80 | (cp & 0x3F));
        return 2;
    }
    if (cp < 0x10000) {
        out[0] = (char)(0xE0 | cp >> 12);
        out[1] = (char)(0x80 | (cp >> 6 & 0x3F));
        out[2] = (char)(0x80 | (cp & 0x3F));
        return 3;
    }
    out[0] = (char)(0xF0 | cp >> 18);
    out[1] = (char)(0x80 | (cp >> 12 & 0x3F));
    out[2] = (char)(0x80 | (cp >> 6 & 0x3F));
    out[3] = (char)(0x80 | (cp & 0x3F));
    return 4;
}

/* One character of an escaped name: "__" is '_', "_e9_" a code point. */
static size_t unescape_one(struct fw_str in, char out[4], size_t *out_n)
{
    uint32_t cp = 0;
    size_t i = 1;

    if (in.p[0] != '_') {
        out[0] = in.p[0];
        *out_n = 1;
        return 1;
    }
    if (in.n > 1 && in.p[1] == '_') {
        out[0] = '_';
        *out_n = 1;
        return 2;
    }
    for (; i < in.n && in.p[i] != '_' && i <= 6; i++) {
        char c = in.p[i];

        if (c >= '0' && c <= '9')
            cp = cp * 16 + (uint32_t)(c - '0');
        else if (c >= 'a' && c <= 'f')
            cp = cp * 16 + (uint32_t)(c - 'a' + 10);
        else
            return 0;
    }
    if (i == 1 || i >= in.n || in.p[i] != '_' || cp > 0x10FFFF)
        return 0;
    *out_n = put_utf8(out, cp);
    return i + 1;
}

/*
 * Prometheus's escape for names that are no old-style identifiers, which a
 * path cannot carry otherwise: "U__my_2e_metric" is "my.metric". What does not
 * unescape is meant as it stands.
 */
static struct fw_str unescape(struct fw_str name, struct fw_arena *arena)
{
    struct fw_str rest = {name.p + 3, name.n - 3};
    char *out;
    size_t n = 0;

    if (name.n < 3 || memcmp(name.p, "U__", 3) != 0)
        return name;
    out = fw_arena_alloc(arena, name.n * 4);
    while (out != NULL && rest.n > 0) {
        size_t added;
        size_t used = unescape_one(rest, out + n, &added);

        if (used == 0)
            return name;
        n += added;
        rest.p += used;
        rest.n -= used;
    }
    return out == NULL ? name : (struct fw_str){out, n};
}

void api_label_values(struct call *call)
{
    struct fw_buf shown = FW_BUF_INIT(4 * FW_MAX_HTTP_TARGET_BYTES);
    struct fw_str name;
    struct fw_err err = {0};

    if (form_decode(call->hole, false, call->arena, &name, &err) != FW_OK) {
        call_error(call, 400, NULL, "%s", err.text);
        return;
    }
    name = unescape(name, call->arena);
    if (!fw_utf8_valid(name.p, name.n) || name.n > FW_MAX_LABEL_NAME_BYTES) {
        if (fw_add_visible(&shown, name) != FW_OK)
            fw_buf_clear(&shown);
        call_error(call, 400, NULL, "invalid label name: \"%s\"",
                   shown.data != NULL ? shown.data : "");
        fw_buf_release(&shown);
        return;
    }
    answer_texts(call, &name);
}
