/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * limit_expr.c - a limit that is itself an expression.
 *
 * It is asked of PromQL, so that it is matched as PromQL matches: the series
 * times nothing, plus the limit, at one moment. What comes out has the labels
 * of the series and the value of the limit.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "predict/predict.h"
#include "storage/base/hash.h"

struct fw_limits {
    struct fw_result result;
    uint64_t *hash; /* of the labels of each, rising */
    uint32_t *at;
};

/* "on(a, b)" or "ignoring(a)" at the beginning; the rest moves on. */
static bool take_matching(struct fw_str *rest, struct fw_str *matching)
{
    size_t word = rest->n > 2 && memcmp(rest->p, "on", 2) == 0         ? 2
                  : rest->n > 8 && memcmp(rest->p, "ignoring", 8) == 0 ? 8
                                                                       : 0;
    size_t at = word;
    const char *end;

    while (at < rest->n && rest->p[at] == ' ')
        at++;
    if (word == 0 || at == rest->n || rest->p[at] != '(')
        return false;
    end = memchr(rest->p + at, ')', rest->n - at);
    if (end == NULL)
        return false;
    *matching = (struct fw_str){rest->p, (size_t)(end + 1 - rest->p)};
    rest->n -= matching->n;
    rest->p += matching->n;
    return true;
}

static void skip_group_left(struct fw_str *rest)
{
    static const char word[] = "group_left";
    struct fw_str r = *rest;

    while (r.n > 0 && *r.p == ' ') {
        r.p++;
        r.n--;
    }
    if (r.n < sizeof(word) || memcmp(r.p, word, sizeof(word) - 1) != 0)
        return;
    r.p += sizeof(word) - 1;
    r.n -= sizeof(word) - 1;
    while (r.n > 0 && *r.p == ' ') {
        r.p++;
        r.n--;
    }
    if (r.n > 1 && r.p[0] == '(' && r.p[1] == ')') {
        r.p += 2;
        r.n -= 2;
    }
    *rest = r;
}

/* A text that gives the labels of the series and the value nothing. */
static const char *nothing_of(struct fw_str expr, fw_ms history,
                              struct fw_arena *arena)
{
    char span[FW_DURATION_TEXT_BYTES];
    struct fw_query *query;
    const char *text;

    (void)fw_format_duration(span, history);
    text = fw_arena_printf(arena, "0 * count_over_time(%.*s[%s])",
                           FW_STR_ARG(expr), span);
    if (text == NULL ||
        fw_query_parse(fw_str_of(text), arena, &query, NULL) == FW_OK)
        return text;
    return fw_arena_printf(arena, "clamp((%.*s), 0, 0)", FW_STR_ARG(expr));
}

/* What stands left of `op` and the limit, matched, as one query. */
static fw_rc join(const char *left, char op, struct fw_str limit,
                  struct fw_arena *arena, const char **out, struct fw_err *err)
{
    struct fw_str matching = FW_STR("ignoring()"), rest = limit;
    struct fw_query *query;
    bool scalar;

    if (take_matching(&rest, &matching))
        skip_group_left(&rest);
    if (fw_query_parse(rest, arena, &query, err) != FW_OK)
        return fw_err_prefix(err, "the limit '%.*s'", FW_STR_ARG(limit));
    scalar = fw_query_type(query) == FW_SCALAR;
    if (!scalar && fw_query_type(query) != FW_VECTOR)
        return fw_err_set(err, FW_EINVAL,
                          "the limit '%.*s' is neither a number nor an "
                          "expression with one value for each series",
                          FW_STR_ARG(limit));
    *out =
        scalar
            ? fw_arena_printf(arena, "%s %c (%.*s)", left, op, FW_STR_ARG(rest))
            : fw_arena_printf(arena, "%s %c %.*s group_left() (%.*s)", left, op,
                              FW_STR_ARG(matching), FW_STR_ARG(rest));
    if (left == NULL || *out == NULL)
        return fw_arena_err(arena, err);
    return fw_query_parse(fw_str_of(*out), arena, &query, err);
}

fw_rc fw_limit_difference(struct fw_str expr, struct fw_str limit_expr,
                          struct fw_arena *arena, const char **out,
                          struct fw_err *err)
{
    const char *left = fw_arena_printf(arena, "(%.*s)", FW_STR_ARG(expr));

    return join(left, '-', limit_expr, arena, out, err);
}

static fw_rc question(struct fw_str expr, struct fw_str limit, fw_ms history,
                      struct fw_arena *arena, struct fw_query **out,
                      struct fw_err *err)
{
    const char *text;
    fw_rc rc =
        join(nothing_of(expr, history, arena), '+', limit, arena, &text, err);

    return rc == FW_OK ? fw_query_parse(fw_str_of(text), arena, out, err) : rc;
}

static uint64_t hash_of(const struct fw_labels *labels)
{
    uint64_t h = 0;

    for (size_t i = 0; i < labels->n; i++) {
        const struct fw_str name = labels->v[i].name, v = labels->v[i].value;

        if (fw_str_eq(name, FW_STR(FW_METRIC_NAME)))
            continue;
        h = fw_hash64(name.p, name.n, h);
        h = fw_hash64(v.p, v.n, h + 1);
    }
    return h;
}

static bool same(const struct fw_labels *a, const struct fw_labels *b)
{
    size_t i = 0, j = 0;

    for (;;) {
        while (i < a->n && fw_str_eq(a->v[i].name, FW_STR(FW_METRIC_NAME)))
            i++;
        while (j < b->n && fw_str_eq(b->v[j].name, FW_STR(FW_METRIC_NAME)))
            j++;
        if (i == a->n || j == b->n)
            return i == a->n && j == b->n;
        if (!fw_str_eq(a->v[i].name, b->v[j].name) ||
            !fw_str_eq(a->v[i].value, b->v[j].value))
            return false;
        i++;
        j++;
    }
}

struct hashed {
    uint64_t hash;
    uint32_t at;
};

static int by_hash(const void *a, const void *b)
{
    const struct hashed *x = a, *y = b;

    if (x->hash != y->hash)
        return x->hash < y->hash ? -1 : 1;
    return x->at < y->at ? -1 : x->at > y->at;
}

static fw_rc sort_out(struct fw_limits *l, struct fw_arena *arena)
{
    size_t n = l->result.count;
    struct hashed *all = malloc((n + 1) * sizeof(*all));

    l->hash = fw_arena_alloc(arena, (n + 1) * sizeof(*l->hash));
    l->at = fw_arena_alloc(arena, (n + 1) * sizeof(*l->at));
    if (all == NULL || l->hash == NULL || l->at == NULL) {
        free(all);
        return FW_ENOMEM;
    }
    for (size_t i = 0; i < n; i++)
        all[i] =
            (struct hashed){hash_of(&l->result.series[i].labels), (uint32_t)i};
    qsort(all, n, sizeof(*all), by_hash);
    for (size_t i = 0; i < n; i++) {
        l->hash[i] = all[i].hash;
        l->at[i] = all[i].at;
    }
    free(all);
    return FW_OK;
}

fw_rc fw_limits_fetch(struct fw_str expr, struct fw_str limit_expr,
                      const struct fw_source *src, fw_ms now, fw_ms history,
                      struct fw_arena *arena, struct fw_limits **out,
                      struct fw_err *err)
{
    struct fw_query_options q = {.start = now, .end = now};
    struct fw_limits *l = fw_arena_calloc(arena, 1, sizeof(*l));
    struct fw_query *query;
    fw_rc rc;

    if (l == NULL)
        return fw_arena_err(arena, err);
    rc = question(expr, limit_expr, history, arena, &query, err);
    if (rc == FW_OK)
        rc = fw_query_run(query, src, &q, arena, &l->result, err);
    if (rc == FW_OK)
        rc = sort_out(l, arena);
    if (rc == FW_ENOMEM)
        return fw_arena_err(arena, err);
    if (rc == FW_OK)
        *out = l;
    return rc;
}

double fw_limits_of(const struct fw_limits *limits,
                    const struct fw_labels *labels)
{
    uint64_t hash = hash_of(labels);
    size_t lo = 0, hi = limits->result.count;

    while (lo < hi) {
        size_t mid = (lo + hi) / 2;

        if (limits->hash[mid] < hash)
            lo = mid + 1;
        else
            hi = mid;
    }
    for (; lo < limits->result.count && limits->hash[lo] == hash; lo++) {
        const struct fw_result_series *s =
            &limits->result.series[limits->at[lo]];

        if (s->n > 0 && same(&s->labels, labels))
            return s->v[s->n - 1];
    }
    return NAN;
}
