/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * rule_test.c - tests of rules: a world in memory, the clock set to 1970, the
 * groups evaluated step by step, and what they gave compared with what the
 * file expects [prometheus/cmd/promtool/unittest.go].
 */
#include "server/rules/rule_test.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/config/yaml_tree.h"
#include "server/rules/rule_emit.h"
#include "server/rules/rule_memory.h"
#include "storage/base/file.h"
#include "storage/base/limits.h"

#define TEST_ARENA_BYTES ((size_t)256 << 20)
#define MAX_STEPS 10000000

/* One file of tests. */
struct suite {
    const char *path;
    struct fw_arena *arena;
    struct rule_set *set;
    fw_ms interval;                  /* evaluation_interval */
    const struct rule_group **order; /* groups as they are evaluated */
    bool fuzzy;
    struct fw_buf *out;
    size_t failures;
    struct fw_err *err;
};

/* One item of `tests`. */
struct test {
    struct suite *s;
    const struct node *map;
    struct fw_str name;
    struct rule_memory memory;
    struct rule_world world;
    struct group_run *groups; /* owned; s->set->count of them */
};

/* ---- reading ---- */

static fw_rc wrong(struct suite *s, const struct node *at, const char *fmt, ...)
    FW_PRINTF(3, 4);

static fw_rc wrong(struct suite *s, const struct node *at, const char *fmt, ...)
{
    char text[FW_ERR_TEXT_BYTES];
    va_list ap;

    va_start(ap, fmt);
    (void)vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    return fw_err_at(s->err, FW_EINVAL, at->line, at->column, "%s:%d:%d: %s",
                     s->path, at->line, at->column, text);
}

static const struct node *get(const struct node *map, const char *key)
{
    const struct node *item = yaml_member(map, key);

    return item != NULL && item->kind == NODE_TEXT && item->text.n == 0 &&
                   !item->quoted
               ? NULL
               : item;
}

static struct fw_str get_text(const struct node *map, const char *key)
{
    const struct node *node = get(map, key);

    return node != NULL && node->kind == NODE_TEXT ? node->text : FW_STR("");
}

static fw_rc get_span(struct suite *s, const struct node *map, const char *key,
                      fw_ms *out)
{
    const struct node *node = get(map, key);
    bool minus;

    if (node == NULL)
        return FW_OK;
    minus =
        node->kind == NODE_TEXT && node->text.n > 0 && node->text.p[0] == '-';
    if (node->kind == NODE_TEXT && fw_str_eq(node->text, FW_STR("0")))
        *out = 0;
    else if (node->kind != NODE_TEXT || minus ||
             fw_parse_duration(node->text, out, NULL) != FW_OK)
        return wrong(s, node, "'%s' takes a duration such as 90s or 5m", key);
    return FW_OK;
}

/* Only these keys may stand in a map; the list ends with NULL. */
static fw_rc check_keys(struct suite *s, const struct node *map,
                        const char *const *keys, const char *what)
{
    if (map->kind != NODE_MAP)
        return wrong(s, map, "%s is a map, not %s", what,
                     yaml_kind_name(map->kind));
    for (const struct node *item = map->first; item; item = item->next) {
        size_t i = 0;

        while (keys[i] != NULL &&
               !fw_str_eq(item->key->text, fw_str_of(keys[i])))
            i++;
        if (keys[i] == NULL)
            return wrong(s, item->key, "field %.*s not found in %s",
                         FW_STR_ARG(item->key->text), what);
    }
    return FW_OK;
}

static fw_rc check_list(struct suite *s, const struct node *list,
                        const char *const *keys, const char *what)
{
    fw_rc rc = FW_OK;

    if (list == NULL)
        return FW_OK;
    if (list->kind != NODE_LIST)
        return wrong(s, list, "this takes a list, not %s",
                     yaml_kind_name(list->kind));
    for (const struct node *item = list->first; rc == FW_OK && item;
         item = item->next)
        rc = check_keys(s, item, keys, what);
    return rc;
}

static fw_rc check_test(struct suite *s, const struct node *map)
{
    static const char *const keys[] = {
        "interval",        "input_series",     "name",
        "alert_rule_test", "promql_expr_test", "external_labels",
        "external_url",    "start_timestamp",  NULL};
    static const char *const input[] = {"series", "values", NULL};
    static const char *const alert[] = {"eval_time", "alertname", "exp_alerts",
                                        NULL};
    static const char *const expected[] = {"exp_labels", "exp_annotations",
                                           NULL};
    static const char *const promql[] = {"expr", "eval_time", "exp_samples",
                                         NULL};
    static const char *const sample[] = {"labels", "value", "histogram", NULL};
    fw_rc rc = check_keys(s, map, keys, "a test");
    const struct node *list;

    if (rc == FW_OK)
        rc = check_list(s, get(map, "input_series"), input, "an input series");
    list = get(map, "alert_rule_test");
    if (rc == FW_OK)
        rc = check_list(s, list, alert, "an alert_rule_test");
    for (const struct node *i = list != NULL ? list->first : NULL;
         rc == FW_OK && i; i = i->next) {
        rc = check_list(s, get(i, "exp_alerts"), expected, "an expected alert");
        if (rc == FW_OK && get_text(i, "alertname").n == 0)
            rc = wrong(s, i,
                       "an item under alert_rule_test misses required "
                       "attribute alertname");
    }
    list = get(map, "promql_expr_test");
    if (rc == FW_OK)
        rc = check_list(s, list, promql, "a promql_expr_test");
    for (const struct node *i = list != NULL ? list->first : NULL;
         rc == FW_OK && i; i = i->next)
        rc = check_list(s, get(i, "exp_samples"), sample, "an expected sample");
    return rc;
}

/* `up{a="b"}` as labels; `{}` and nothing are none. */
static fw_rc read_metric(struct suite *s, const struct node *at,
                         struct fw_str text, struct fw_labels *out)
{
    struct fw_matcher *matchers = NULL;
    struct fw_err inner = {0};
    struct fw_label *v;
    size_t n = 0, kept = 0;
    fw_rc rc;

    *out = (struct fw_labels){NULL, 0};
    if (text.n == 0 || fw_str_eq(text, FW_STR("{}")))
        return FW_OK;
    rc = fw_parse_selector(text, s->arena, &matchers, &n, &inner);
    if (rc != FW_OK)
        return wrong(s, at, "%s", inner.text);
    v = fw_arena_calloc(s->arena, n + 1, sizeof(*v));
    if (v == NULL)
        return fw_arena_err(s->arena, s->err);
    for (size_t i = 0; i < n; i++) {
        if (matchers[i].op != FW_MATCH_EQUAL)
            return wrong(s, at, "a series is named with = only");
        v[kept++] = (struct fw_label){matchers[i].name, matchers[i].value};
    }
    rc = fw_labels_canonical(v, &kept, &inner);
    if (rc != FW_OK)
        return wrong(s, at, "%s", inner.text);
    *out = (struct fw_labels){v, kept};
    return FW_OK;
}

/* A map of names and texts as labels, with one more (may be empty). */
static fw_rc read_map(struct suite *s, const struct node *map,
                      struct fw_str name, struct fw_str value,
                      struct fw_labels *out)
{
    size_t most = (map != NULL ? map->count : 0) + 2, n = 0;
    struct fw_label *v = fw_arena_calloc(s->arena, most, sizeof(*v));

    if (v == NULL)
        return fw_arena_err(s->arena, s->err);
    if (map != NULL && map->kind != NODE_MAP)
        return wrong(s, map, "this takes a map, not %s",
                     yaml_kind_name(map->kind));
    for (const struct node *i = map != NULL ? map->first : NULL; i; i = i->next)
        if (!fw_str_eq(i->key->text, name))
            v[n++] = (struct fw_label){i->key->text, i->text};
    if (name.n > 0)
        v[n++] = (struct fw_label){name, value};
    for (size_t i = 1; i < n; i++) /* maps here have a handful of items */
        for (size_t k = i; k > 0 && fw_str_cmp(v[k - 1].name, v[k].name) > 0;
             k--) {
            struct fw_label swap = v[k];

            v[k] = v[k - 1];
            v[k - 1] = swap;
        }
    *out = (struct fw_labels){v, n};
    return FW_OK;
}

/* ---- what is given ---- */

struct feeding {
    struct rule_memory *memory;
    const struct fw_labels *labels;
    uint32_t series;
};

static fw_rc feed(void *self, fw_ms t, double v, struct fw_err *err)
{
    struct feeding *f = self;

    return rule_memory_add(f->memory, f->labels, &f->series, t, v, err);
}

static fw_rc load_series(struct test *t, fw_ms interval)
{
    const struct node *list = get(t->map, "input_series");
    fw_rc rc = FW_OK;

    for (const struct node *i = list != NULL ? list->first : NULL;
         rc == FW_OK && i; i = i->next) {
        struct fw_labels labels = {0};
        struct feeding f = {&t->memory, &labels, 0};
        struct fw_err inner = {0};

        rc = read_metric(t->s, i, get_text(i, "series"), &labels);
        if (rc != FW_OK)
            return rc;
        rc =
            rule_test_values(get_text(i, "values"), interval, feed, &f, &inner);
        if (rc != FW_OK)
            rc = wrong(t->s, get(i, "values") != NULL ? get(i, "values") : i,
                       "series %.*s: %s", FW_STR_ARG(get_text(i, "series")),
                       inner.text);
    }
    return rc;
}

/* ---- comparing ---- */

static fw_rc fail(struct test *t, const char *fmt, ...) FW_PRINTF(2, 3);

static fw_rc fail(struct test *t, const char *fmt, ...)
{
    char text[8192];
    va_list ap;
    fw_rc rc;

    va_start(ap, fmt);
    (void)vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    rc = t->s->failures++ == 0 ? fw_buf_adds(t->s->out, "  FAILED:\n") : FW_OK;
    if (rc == FW_OK && t->name.n > 0)
        rc = fw_buf_printf(t->s->out, "    name: %.*s,\n", FW_STR_ARG(t->name));
    return rc == FW_OK ? fw_buf_printf(t->s->out, "%s\n", text) : rc;
}

/* {a="b", c="d"}, as Prometheus prints labels. */
static fw_rc add_labels(struct fw_buf *out, const struct fw_labels *labels)
{
    fw_rc rc = fw_buf_addc(out, '{');

    for (size_t i = 0; rc == FW_OK && i < labels->n; i++) {
        rc = fw_buf_printf(out, "%s%.*s=\"", i > 0 ? ", " : "",
                           FW_STR_ARG(labels->v[i].name));
        if (rc == FW_OK)
            rc = fw_add_visible(out, labels->v[i].value);
        if (rc == FW_OK)
            rc = fw_buf_addc(out, '"');
    }
    return rc == FW_OK ? fw_buf_addc(out, '}') : rc;
}

struct pair {
    struct fw_labels labels, annotations;
};

static int compare_pairs(const void *a, const void *b)
{
    const struct pair *x = a, *y = b;
    int order = fw_labels_cmp(&x->labels, &y->labels);

    return order != 0 ? order : fw_labels_cmp(&x->annotations, &y->annotations);
}

static fw_rc add_pairs(struct fw_buf *out, const char *head,
                       const struct pair *pairs, size_t n)
{
    fw_rc rc = fw_buf_printf(out, "\n        %s:[", head);

    for (size_t i = 0; rc == FW_OK && i < n; i++) {
        rc = fw_buf_printf(out, "\n            %zu:\n              Labels:", i);
        if (rc == FW_OK)
            rc = add_labels(out, &pairs[i].labels);
        if (rc == FW_OK)
            rc = fw_buf_adds(out, "\n              Annotations:");
        if (rc == FW_OK)
            rc = add_labels(out, &pairs[i].annotations);
    }
    if (rc == FW_OK && n > 0)
        rc = fw_buf_adds(out, "\n            ");
    return rc == FW_OK ? fw_buf_addc(out, ']') : rc;
}

static fw_rc gather_expected(struct test *t, const struct node *want,
                             struct pair **out, size_t *count)
{
    const struct node *list = get(want, "exp_alerts");
    size_t n = list != NULL ? list->count : 0;
    struct pair *pairs = fw_arena_calloc(t->s->arena, n + 1, sizeof(*pairs));
    fw_rc rc = FW_OK;

    if (pairs == NULL)
        return fw_arena_err(t->s->arena, t->s->err);
    n = 0;
    for (const struct node *i = list != NULL ? list->first : NULL;
         rc == FW_OK && i; i = i->next, n++) {
        rc = read_map(t->s, get(i, "exp_labels"), FW_STR("alertname"),
                      get_text(want, "alertname"), &pairs[n].labels);
        if (rc == FW_OK)
            rc = read_map(t->s, get(i, "exp_annotations"), FW_STR(""),
                          FW_STR(""), &pairs[n].annotations);
    }
    qsort(pairs, n, sizeof(*pairs), compare_pairs);
    *out = pairs;
    *count = n;
    return rc;
}

static fw_rc gather_firing(struct test *t, struct fw_str name,
                           struct pair **out, size_t *count)
{
    struct pair *pairs = NULL;
    size_t n = 0;

    for (int pass = 0; pass < 2; pass++) {
        if (pass == 1)
            pairs = fw_arena_calloc(t->s->arena, n + 1, sizeof(*pairs));
        if (pass == 1 && pairs == NULL)
            return fw_arena_err(t->s->arena, t->s->err);
        n = 0;
        for (size_t g = 0; g < t->s->set->count; g++)
            for (size_t k = 0; k < t->groups[g].count; k++) {
                const struct rule_run *r = &t->groups[g].rules[k];

                if (!r->rule->alerting ||
                    !fw_str_eq(fw_str_of(r->rule->name), name))
                    continue;
                for (size_t a = 0; a < r->alert_count; a++)
                    if (r->alerts[a]->state == RULE_FIRING) {
                        if (pairs != NULL)
                            pairs[n] = (struct pair){r->alerts[a]->labels,
                                                     r->alerts[a]->annotations};
                        n++;
                    }
            }
    }
    qsort(pairs, n, sizeof(*pairs), compare_pairs);
    *out = pairs;
    *count = n;
    return FW_OK;
}

static fw_rc check_alerts(struct test *t, const struct node *want)
{
    struct fw_buf text = FW_BUF_INIT((size_t)1 << 20);
    struct pair *expected = NULL, *got = NULL;
    size_t expected_n = 0, got_n = 0;
    bool same;
    fw_rc rc = gather_expected(t, want, &expected, &expected_n);

    if (rc == FW_OK)
        rc = gather_firing(t, get_text(want, "alertname"), &got, &got_n);
    if (rc != FW_OK)
        return rc;
    same = expected_n == got_n;
    for (size_t i = 0; same && i < got_n; i++)
        same = compare_pairs(&expected[i], &got[i]) == 0;
    if (same)
        return FW_OK;
    rc = add_pairs(&text, "exp", expected, expected_n);
    if (rc == FW_OK)
        rc = fw_buf_adds(&text, ", ");
    if (rc == FW_OK)
        rc = add_pairs(&text, "got", got, got_n);
    if (rc == FW_OK)
        rc = fail(t, "    alertname: %.*s, time: %.*s, %s",
                  FW_STR_ARG(get_text(want, "alertname")),
                  FW_STR_ARG(get_text(want, "eval_time")), text.data);
    fw_buf_release(&text);
    return rc;
}

struct expected_sample {
    struct fw_labels labels;
    double value;
};

static int compare_samples(const void *a, const void *b)
{
    const struct expected_sample *x = a, *y = b;

    return fw_labels_cmp(&x->labels, &y->labels);
}

/* YAML has names of its own for what is no number. */
static fw_rc read_value(struct suite *s, const struct node *node, double *out)
{
    struct fw_str text = node != NULL ? node->text : FW_STR("0");

    if (fw_str_eq(text, FW_STR(".inf")) || fw_str_eq(text, FW_STR(".Inf")) ||
        fw_str_eq(text, FW_STR("+.inf")))
        *out = INFINITY;
    else if (fw_str_eq(text, FW_STR("-.inf")) ||
             fw_str_eq(text, FW_STR("-.Inf")))
        *out = -INFINITY;
    else if (fw_str_eq(text, FW_STR(".nan")) || fw_str_eq(text, FW_STR(".NaN")))
        *out = NAN;
    else if (fw_parse_double(text, out, NULL) != FW_OK)
        return wrong(s, node, "'%.*s' is no number", FW_STR_ARG(text));
    return FW_OK;
}

static bool same_value(const struct suite *s, double a, double b)
{
    if (a == b || (isnan(a) && isnan(b)))
        return true;
    return s->fuzzy &&
           (nextafter(a, INFINITY) == b || nextafter(a, -INFINITY) == b);
}

static fw_rc add_samples(struct fw_buf *out, const char *head,
                         const struct expected_sample *v, size_t n)
{
    fw_rc rc = fw_buf_printf(out, "\n        %s: ", head);

    for (size_t i = 0; rc == FW_OK && i < n; i++) {
        char value[FW_DOUBLE_TEXT_BYTES];

        (void)fw_format_double(value, v[i].value);
        rc = fw_buf_adds(out, i > 0 ? ", " : "");
        if (rc == FW_OK)
            rc = fw_labels_print(out, &v[i].labels);
        if (rc == FW_OK)
            rc = fw_buf_printf(out, " %s", value);
    }
    return rc == FW_OK && n == 0 ? fw_buf_adds(out, "nil") : rc;
}

static fw_rc read_samples(struct suite *s, const struct node *list,
                          struct expected_sample **out, size_t *count)
{
    size_t n = 0;
    fw_rc rc = FW_OK;

    *out = fw_arena_calloc(s->arena, (list != NULL ? list->count : 0) + 1,
                           sizeof(**out));
    if (*out == NULL)
        return fw_arena_err(s->arena, s->err);
    for (const struct node *i = list != NULL ? list->first : NULL;
         rc == FW_OK && i; i = i->next, n++) {
        if (get(i, "histogram") != NULL)
            return wrong(s, get(i, "histogram"),
                         "native histograms are not taken yet");
        rc = read_metric(s, i, get_text(i, "labels"), &(*out)[n].labels);
        if (rc == FW_OK)
            rc = read_value(s, get(i, "value"), &(*out)[n].value);
    }
    qsort(*out, n, sizeof(**out), compare_samples);
    *count = n;
    return rc;
}

static fw_rc ask(struct test *t, const struct node *want,
                 struct expected_sample **out, size_t *count,
                 struct fw_err *err)
{
    struct fw_str expr = get_text(want, "expr");
    struct fw_query_options options = {0};
    struct fw_result result = {0};
    struct fw_query *query = NULL;
    size_t n = 0;
    fw_rc rc = get_span(t->s, want, "eval_time", &options.start);

    if (rc != FW_OK)
        return rc;
    options.end = options.start;
    rc = fw_query_parse(expr, t->s->arena, &query, err);
    if (rc == FW_OK)
        rc = fw_query_run(query, &t->world.source, &options, t->s->arena,
                          &result, err);
    if (rc == FW_OK && result.type != FW_VECTOR && result.type != FW_SCALAR)
        rc =
            fw_err_set(err, FW_EINVAL, "rule result is not a vector or scalar");
    if (rc != FW_OK)
        return rc;
    *out = fw_arena_calloc(t->s->arena, result.count + 1, sizeof(**out));
    if (*out == NULL)
        return fw_arena_err(t->s->arena, err);
    for (size_t i = 0; i < result.count; i++)
        if (result.series[i].n > 0)
            (*out)[n++] = (struct expected_sample){result.series[i].labels,
                                                   result.series[i].v[0]};
    qsort(*out, n, sizeof(**out), compare_samples);
    *count = n;
    return FW_OK;
}

static fw_rc check_expr(struct test *t, const struct node *want)
{
    struct fw_buf text = FW_BUF_INIT((size_t)1 << 20);
    struct expected_sample *expected = NULL, *got = NULL;
    size_t expected_n = 0, got_n = 0;
    struct fw_err err = {0};
    bool same;
    fw_rc rc =
        read_samples(t->s, get(want, "exp_samples"), &expected, &expected_n);

    if (rc != FW_OK)
        return rc;
    if (ask(t, want, &got, &got_n, &err) != FW_OK)
        return fail(t, "    expr: \"%.*s\", time: %.*s, err: %s",
                    FW_STR_ARG(get_text(want, "expr")),
                    FW_STR_ARG(get_text(want, "eval_time")), err.text);
    same = expected_n == got_n;
    for (size_t i = 0; same && i < got_n; i++)
        same = compare_samples(&expected[i], &got[i]) == 0 &&
               same_value(t->s, expected[i].value, got[i].value);
    if (same)
        return FW_OK;
    rc = add_samples(&text, "exp", expected, expected_n);
    if (rc == FW_OK)
        rc = add_samples(&text, "got", got, got_n);
    if (rc == FW_OK)
        rc = fail(t, "    expr: \"%.*s\", time: %.*s,%s",
                  FW_STR_ARG(get_text(want, "expr")),
                  FW_STR_ARG(get_text(want, "eval_time")), text.data);
    fw_buf_release(&text);
    return rc;
}

/* ---- running ---- */

/* Evaluates all groups; FW_NONE: a rule failed, and that was told. */
static fw_rc step(struct test *t, fw_ms ts)
{
    char when[FW_DURATION_TEXT_BYTES];
    bool failed = false;
    fw_rc rc = FW_OK;

    for (size_t g = 0; g < t->s->set->count; g++)
        group_run_evaluate(&t->groups[g], &t->world, ts, NULL);
    (void)fw_format_duration(when, ts);
    for (size_t g = 0; rc == FW_OK && g < t->s->set->count; g++)
        for (size_t k = 0; rc == FW_OK && k < t->groups[g].count; k++) {
            const struct rule_run *r = &t->groups[g].rules[k];

            if (!r->failed)
                continue;
            failed = true;
            rc = fail(t, "    rule: %s, time: %s, err: %s", r->rule->name, when,
                      r->error);
        }
    return rc == FW_OK && failed ? FW_NONE : rc;
}

static fw_rc check_alerts_at(struct test *t, fw_ms ts)
{
    const struct node *list = get(t->map, "alert_rule_test");
    fw_rc rc = FW_OK;

    for (const struct node *i = list != NULL ? list->first : NULL;
         rc == FW_OK && i; i = i->next) {
        fw_ms at = 0;

        rc = get_span(t->s, i, "eval_time", &at);
        if (rc == FW_OK && ts <= at && at < ts + t->s->interval)
            rc = check_alerts(t, i);
    }
    return rc;
}

static fw_rc last_time(struct test *t, const char *key, fw_ms *last)
{
    const struct node *list = get(t->map, key);
    fw_rc rc = FW_OK;

    for (const struct node *i = list != NULL ? list->first : NULL;
         rc == FW_OK && i; i = i->next) {
        fw_ms at = 0;

        rc = get_span(t->s, i, "eval_time", &at);
        if (at > *last)
            *last = at;
    }
    return rc;
}

static fw_rc run_steps(struct test *t)
{
    const struct node *list = get(t->map, "promql_expr_test");
    fw_ms last = 0;
    fw_rc rc = last_time(t, "alert_rule_test", &last);

    if (rc == FW_OK)
        rc = last_time(t, "promql_expr_test", &last);
    if (rc == FW_OK && last / t->s->interval > MAX_STEPS)
        return wrong(t->s, t->map, "more than %d evaluations", MAX_STEPS);
    for (fw_ms ts = 0; rc == FW_OK && ts <= last; ts += t->s->interval) {
        rc = step(t, ts);
        if (rc == FW_OK)
            rc = check_alerts_at(t, ts);
    }
    if (rc == FW_NONE) /* a rule that fails ends its test */
        return FW_OK;
    for (const struct node *i = list != NULL ? list->first : NULL;
         rc == FW_OK && i; i = i->next)
        rc = check_expr(t, i);
    return rc;
}

static fw_rc run_test(struct suite *s, const struct node *map)
{
    struct test t = {.s = s, .map = map, .name = get_text(map, "name")};
    struct fw_str url = get_text(map, "external_url");
    fw_ms interval = s->interval;
    fw_rc rc = check_test(s, map);

    if (rc != FW_OK)
        return rc;
    t.groups = calloc(s->set->count + 1, sizeof(*t.groups));
    if (t.groups == NULL)
        return fw_err_set(s->err, FW_ENOMEM, "out of memory");
    t.world = (struct rule_world){.source = rule_memory_source(&t.memory),
                                  .add = rule_memory_add,
                                  .self = &t.memory,
                                  .resend_delay = FW_MINUTE};
    t.world.external_url = fw_arena_strndup(s->arena, url.p, url.n);
    rc = t.world.external_url != NULL
             ? read_map(s, get(map, "external_labels"), FW_STR(""), FW_STR(""),
                        &t.world.external_labels)
             : fw_arena_err(s->arena, s->err);
    if (rc == FW_OK)
        rc = get_span(s, map, "interval", &interval);
    for (size_t i = 0; rc == FW_OK && i < s->set->count; i++)
        rc = group_run_init(&t.groups[i], s->order[i], s->interval, 0, true,
                            s->err);
    if (rc == FW_OK)
        rc = load_series(&t, interval);
    if (rc == FW_OK)
        rc = run_steps(&t);
    for (size_t i = 0; i < s->set->count; i++)
        group_run_release(&t.groups[i]);
    free(t.groups);
    rule_memory_release(&t.memory);
    return rc;
}

/* ---- the file ---- */

static fw_rc load_rules(struct suite *s, const struct node *list)
{
    const char *slash = strrchr(s->path, '/');
    fw_rc rc = FW_OK;

    for (const struct node *i = list != NULL ? list->first : NULL;
         rc == FW_OK && i; i = i->next) {
        const char *pattern;
        size_t before = s->set->count;

        if (i->kind != NODE_TEXT || i->text.n == 0)
            return wrong(s, i, "'rule_files' takes a list of texts");
        pattern =
            i->text.p[0] == '/' || slash == NULL
                ? fw_arena_strndup(s->arena, i->text.p, i->text.n)
                : fw_arena_printf(s->arena, "%.*s/%.*s", (int)(slash - s->path),
                                  s->path, FW_STR_ARG(i->text));
        if (pattern == NULL)
            return fw_arena_err(s->arena, s->err);
        rc = rule_set_glob(s->set, pattern, s->err);
        if (rc == FW_OK && s->set->count == before &&
            strpbrk(pattern, "*?[") == NULL && !fw_file_exists(pattern))
            rc = wrong(s, i, "no file match pattern %s", pattern);
    }
    return rc;
}

static size_t place_of(const struct node *order, const char *name)
{
    size_t at = 0;

    for (const struct node *i = order != NULL ? order->first : NULL; i;
         i = i->next, at++)
        if (fw_str_eq(i->text, fw_str_of(name)))
            return at;
    return SIZE_MAX;
}

/* Those that group_eval_order names first, the others as they stand. */
static fw_rc order_groups(struct suite *s, const struct node *order)
{
    s->order = fw_arena_calloc(s->arena, s->set->count + 1,
                               sizeof(const void *)); /* of pointers */
    if (s->order == NULL)
        return fw_arena_err(s->arena, s->err);
    for (size_t i = 0; i < s->set->count; i++) {
        const struct rule_group *g = &s->set->groups[i];
        size_t at = i;

        while (at > 0 && place_of(order, s->order[at - 1]->name) >
                             place_of(order, g->name)) {
            s->order[at] = s->order[at - 1];
            at--;
        }
        s->order[at] = g;
    }
    return FW_OK;
}

static fw_rc run_suite(struct suite *s, const struct node *root)
{
    static const char *const keys[] = {
        "rule_files", "evaluation_interval", "group_eval_order",
        "tests",      "fuzzy_compare",       NULL};
    const struct node *tests = get(root, "tests");
    fw_rc rc = check_keys(s, root, keys, "a file of tests");

    s->fuzzy = fw_str_eq(get_text(root, "fuzzy_compare"), FW_STR("true"));
    if (rc == FW_OK)
        rc = get_span(s, root, "evaluation_interval", &s->interval);
    if (rc == FW_OK && s->interval <= 0)
        s->interval = FW_MINUTE;
    if (rc == FW_OK)
        rc = load_rules(s, get(root, "rule_files"));
    if (rc == FW_OK)
        rc = order_groups(s, get(root, "group_eval_order"));
    if (rc == FW_OK && tests != NULL && tests->kind != NODE_LIST)
        rc = wrong(s, tests, "'tests' takes a list");
    for (const struct node *i = tests != NULL ? tests->first : NULL;
         rc == FW_OK && i; i = i->next)
        rc = run_test(s, i);
    return rc;
}

fw_rc rule_test_run(const char *path, struct fw_buf *out, struct fw_err *err)
{
    struct fw_buf text = FW_BUF_INIT(FW_MAX_CONFIG_BYTES);
    struct suite s = {
        .path = path, .interval = FW_MINUTE, .out = out, .err = err};
    const struct node *root = NULL;
    struct fw_err inner = {0};
    fw_rc rc = fw_file_read(path, &text, err);

    s.arena = fw_arena_new(TEST_ARENA_BYTES);
    if (rc == FW_OK && s.arena == NULL)
        rc = fw_err_set(err, FW_ENOMEM, "out of memory");
    if (rc == FW_OK)
        rc = rule_set_new(&s.set, err);
    if (rc == FW_OK)
        rc = yaml_tree_read_aliases(
            (struct fw_str){text.len > 0 ? text.data : "", text.len}, s.arena,
            &root, &inner);
    if (inner.rc != FW_OK)
        rc = inner.line > 0
                 ? fw_err_at(err, FW_EINVAL, inner.line, inner.column,
                             "%s:%d:%d: %s", path, inner.line, inner.column,
                             inner.text)
                 : fw_err_set(err, inner.rc, "%s: %s", path, inner.text);
    if (rc == FW_OK && root != NULL)
        rc = run_suite(&s, root);
    if (rc == FW_OK && s.failures == 0)
        rc = fw_buf_adds(out, "  SUCCESS\n");
    else if (rc == FW_OK)
        rc = FW_NONE;
    rule_set_free(s.set);
    fw_arena_free(s.arena);
    fw_buf_release(&text);
    return rc;
}
