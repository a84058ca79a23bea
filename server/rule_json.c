/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "server/rule_json.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MATCH_BYTES ((size_t)1 << 20) /* of one match[], taken apart */

/* ---- what is asked for ---- */

static bool named(const struct form *form, const char *parameter,
                  const char *name)
{
    const struct form_pair *pair;
    bool any = false;
    size_t i = 0;

    while ((pair = form_each(form, parameter, &i)) != NULL) {
        any = true;
        if (fw_str_eq(pair->value, fw_str_of(name)))
            return true;
    }
    return !any;
}

bool rule_filter_takes(const struct rule_filter *f, const char *group,
                       const char *file, const char *rule, bool alerting)
{
    return (alerting ? f->alerting : f->recording) &&
           named(f->form, "rule_group[]", group) &&
           named(f->form, "file[]", file) &&
           named(f->form, "rule_name[]", rule);
}

static bool holds(const struct fw_matcher *m, const struct fw_labels *labels)
{
    struct fw_str value = fw_labels_get(labels, m->name);
    struct fw_regex *regex = NULL;
    bool hit;

    if (m->op == FW_MATCH_EQUAL || m->op == FW_MATCH_DIFFERS)
        return fw_str_eq(m->value, value) == (m->op == FW_MATCH_EQUAL);
    if (fw_regex_compile(m->value, &regex, NULL) != FW_OK)
        return false;
    hit = fw_regex_matches(regex, value) == (m->op == FW_MATCH_REGEX);
    fw_regex_free(regex);
    return hit;
}

static bool all_hold(struct fw_str selector, const struct fw_labels *labels)
{
    struct fw_arena *arena = fw_arena_new(MATCH_BYTES);
    struct fw_matcher *matchers = NULL;
    size_t n = 0;
    bool all = arena != NULL &&
               fw_parse_selector(selector, arena, &matchers, &n, NULL) == FW_OK;

    for (size_t i = 0; i < n && all; i++)
        all = holds(&matchers[i], labels);
    fw_arena_free(arena);
    return all;
}

bool rule_filter_takes_labels(const struct rule_filter *f,
                              const struct fw_labels *labels)
{
    const struct form_pair *pair;
    bool any = false;
    size_t i = 0;

    while ((pair = form_each(f->form, "match[]", &i)) != NULL) {
        any = true;
        if (all_hold(pair->value, labels))
            return true;
    }
    return !any;
}

/* By its labels as they are written, templates and all. */
static bool takes_rule(const struct rule_filter *f, const struct rule *rule)
{
    struct fw_label v[FW_MAX_LABELS];
    struct fw_labels labels = {v, 0};

    for (size_t i = 0; i < rule->label_count && labels.n < FW_MAX_LABELS; i++)
        v[labels.n++] =
            (struct fw_label){rule->labels[i].name, rule->labels[i].value};
    return rule_filter_takes_labels(f, &labels);
}

static fw_rc read_limit(const struct form *form, struct rule_filter *out,
                        struct fw_err *err)
{
    struct fw_str text = form_get(form, "group_limit");
    struct fw_str token = form_get(form, "group_next_token");
    uint64_t n = 0;

    if (text.n == 0 && token.n > 0)
        return fw_err_set(err, FW_EINVAL,
                          "group_limit needs to be present in order to "
                          "paginate over the groups");
    for (size_t i = 0; i < text.n; i++) {
        if (text.p[i] < '0' || text.p[i] > '9' || n > 100000000)
            return fw_err_set(err, FW_EINVAL,
                              "group_limit needs to be a valid number");
        n = n * 10 + (uint64_t)(text.p[i] - '0');
    }
    if (text.n > 0 && n == 0)
        return fw_err_set(err, FW_EINVAL,
                          "group_limit needs to be greater than 0");
    out->group_limit = n;
    out->from = token;
    return FW_OK;
}

fw_rc rule_filter_read(const struct form *form, struct rule_filter *out,
                       struct fw_err *err)
{
    struct fw_str type = form_get(form, "type");
    struct fw_str exclude = form_get(form, "exclude_alerts");

    *out = (struct rule_filter){.form = form};
    if (type.n != 0 && !fw_str_eq(type, FW_STR("alert")) &&
        !fw_str_eq(type, FW_STR("record")))
        return fw_err_set(err, FW_EINVAL,
                          "invalid parameter \"type\": not supported value "
                          "\"%.*s\"",
                          FW_STR_ARG(type));
    out->alerting = !fw_str_eq(type, FW_STR("record"));
    out->recording = !fw_str_eq(type, FW_STR("alert"));
    if (exclude.n != 0 && !fw_str_eq(exclude, FW_STR("true")) &&
        !fw_str_eq(exclude, FW_STR("false")) &&
        !fw_str_eq(exclude, FW_STR("1")) && !fw_str_eq(exclude, FW_STR("0")))
        return fw_err_set(err, FW_EINVAL,
                          "invalid parameter \"exclude_alerts\": error parsing "
                          "exclude_alerts: strconv.ParseBool: parsing "
                          "\"%.*s\": invalid syntax",
                          FW_STR_ARG(exclude));
    out->without_alerts =
        fw_str_eq(exclude, FW_STR("true")) || fw_str_eq(exclude, FW_STR("1"));
    return read_limit(form, out, err);
}

/* ---- pieces ---- */

static void put_ns(struct fw_json *j, const char *key, uint64_t ns)
{
    fw_json_field_double(j, key, (double)ns / 1e9);
}

static void put_texts(struct fw_json *j, const char *key,
                      const struct rule_text *texts, size_t n)
{
    fw_json_key(j, key);
    fw_json_object(j);
    for (size_t i = 0; i < n; i++) {
        fw_json_key_str(j, texts[i].name);
        fw_json_str(j, texts[i].value);
    }
    fw_json_object_end(j);
}

/* strconv.FormatFloat(v, 'e', -1, 64): the fewest digits, always %e. */
static void put_value(struct fw_json *j, double v)
{
    char text[40] = "NaN";

    if (isinf(v)) {
        (void)snprintf(text, sizeof(text), "%s", v > 0 ? "+Inf" : "-Inf");
    } else if (!isnan(v)) {
        for (int digits = 0; digits < 17; digits++) {
            (void)snprintf(text, sizeof(text), "%.*e", digits, v);
            if (strtod(text, NULL) == v)
                break;
        }
    }
    fw_json_field_text(j, "value", text);
}

static void put_alert(struct fw_json *j, const struct rule_alert *a)
{
    fw_json_object(j);
    fw_json_key(j, "labels");
    fw_labels_json(j, &a->labels);
    fw_json_key(j, "annotations");
    fw_labels_json(j, &a->annotations);
    fw_json_field_text(j, "state", rule_alert_state_name(a->state));
    fw_json_field_time(j, "activeAt", a->active_at);
    if (a->keep_firing_since != 0)
        fw_json_field_time(j, "keepFiringSince", a->keep_firing_since);
    put_value(j, a->value);
    fw_json_object_end(j);
}

static void put_alerts(struct fw_json *j, const struct rule_run *r)
{
    for (size_t i = 0; i < r->alert_count; i++)
        if (r->alerts[i]->state != RULE_INACTIVE)
            put_alert(j, r->alerts[i]);
}

static void put_outcome(struct fw_json *j, const struct rule_run *r)
{
    fw_json_field_text(j, "health",
                       !r->evaluated ? "unknown"
                       : r->failed   ? "err"
                                     : "ok");
    if (r->failed)
        fw_json_field_text(j, "lastError", r->error);
    put_ns(j, "evaluationTime", r->took_ns);
    fw_json_field_time(j, "lastEvaluation", r->evaluated_at);
    fw_json_field_text(j, "type", r->rule->alerting ? "alerting" : "recording");
}

static void put_rule(struct fw_json *j, const struct rule_run *r,
                     const struct rule_filter *f)
{
    const struct rule *rule = r->rule;

    fw_json_object(j);
    if (rule->alerting)
        fw_json_field_text(j, "state",
                           rule_alert_state_name(rule_run_state(r)));
    fw_json_field_text(j, "name", rule->name);
    fw_json_field_text(j, "query", rule->expr);
    if (rule->alerting) {
        fw_json_field_seconds(j, "duration", rule->for_ms);
        fw_json_field_seconds(j, "keepFiringFor", rule->keep_firing_for);
    }
    if (rule->alerting || rule->label_count > 0)
        put_texts(j, "labels", rule->labels, rule->label_count);
    if (rule->alerting) {
        put_texts(j, "annotations", rule->annotations, rule->annotation_count);
        fw_json_key(j, "alerts");
        fw_json_array(j);
        if (!f->without_alerts)
            put_alerts(j, r);
        fw_json_array_end(j);
    }
    put_outcome(j, r);
    fw_json_object_end(j);
}

bool rule_json_group(struct fw_json *j, const struct group_run *g,
                     const struct rule_filter *f)
{
    bool begun = false;

    for (size_t i = 0; i < g->count; i++) {
        if (!rule_filter_takes(f, g->group->name, g->group->file,
                               g->rules[i].rule->name,
                               g->rules[i].rule->alerting) ||
            !takes_rule(f, g->rules[i].rule))
            continue;
        if (!begun) {
            fw_json_object(j);
            fw_json_field_text(j, "name", g->group->name);
            fw_json_field_text(j, "file", g->group->file);
            fw_json_key(j, "rules");
            fw_json_array(j);
            begun = true;
        }
        put_rule(j, &g->rules[i], f);
    }
    if (!begun)
        return false;
    fw_json_array_end(j);
    fw_json_field_seconds(j, "interval", g->interval);
    fw_json_field_int(j, "limit", g->group->limit);
    put_ns(j, "evaluationTime", g->took_ns);
    fw_json_field_time(j, "lastEvaluation", g->evaluated_at);
    fw_json_object_end(j);
    return true;
}

void rule_json_alerts(struct fw_json *j, const struct group_run *g)
{
    for (size_t i = 0; i < g->count; i++)
        put_alerts(j, &g->rules[i]);
}
