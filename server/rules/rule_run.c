/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * rule_run.c - the state of groups and rules: made, kept, handed over, ended.
 * What an evaluation does to it stands in rule_eval.c.
 */
#include "server/rules/rule_run.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/rules/rule_emit.h"
#include "storage/base/limits.h"

#define MAX_ALERTS 1000000 /* of one rule */

const char *rule_alert_state_name(enum rule_alert_state state)
{
    static const char *const names[] = {"inactive", "pending", "firing"};

    return names[state];
}

uint64_t rule_labels_hash(const struct fw_labels *labels)
{
    uint64_t hash = 0;

    for (size_t i = 0; i < labels->n; i++) {
        hash = fw_hash64(labels->v[i].name.p, labels->v[i].name.n, hash);
        hash = fw_hash64(labels->v[i].value.p, labels->v[i].value.n, hash + 1);
    }
    return hash;
}

fw_rc rule_labels_copy(const struct fw_labels *labels, struct fw_labels *out)
{
    size_t bytes = labels->n * sizeof(struct fw_label);
    struct fw_label *v;
    char *text;

    for (size_t i = 0; i < labels->n; i++)
        bytes += labels->v[i].name.n + labels->v[i].value.n;
    v = malloc(bytes + 1);
    if (v == NULL)
        return FW_ENOMEM;
    text = (char *)(v + labels->n);
    for (size_t i = 0; i < labels->n; i++) {
        const struct fw_label *from = &labels->v[i];

        v[i] = (struct fw_label){{text, from->name.n},
                                 {text + from->name.n, from->value.n}};
        memcpy(text, from->name.p, from->name.n);
        text += from->name.n;
        if (from->value.n > 0)
            memcpy(text, from->value.p, from->value.n);
        text += from->value.n;
    }
    *out = (struct fw_labels){v, labels->n};
    return FW_OK;
}

/* ---- one rule ---- */

static void free_labels(struct fw_labels *labels)
{
    free((void *)(uintptr_t)labels->v);
    *labels = (struct fw_labels){NULL, 0};
}

void rule_alert_free(struct rule_alert *a)
{
    if (a == NULL)
        return;
    free_labels(&a->labels);
    free_labels(&a->annotations);
    free(a);
}

void rule_series_release(struct rule_series *s)
{
    free_labels(&s->labels);
}

static void rule_run_release(struct rule_run *r)
{
    for (size_t i = 0; i < r->alert_count; i++)
        rule_alert_free(r->alerts[i]);
    for (size_t i = 0; i < r->series_count; i++)
        rule_series_release(&r->series[i]);
    free(r->alerts);
    free(r->series);
    fw_index_release(&r->alert_index);
    fw_index_release(&r->series_index);
}

enum rule_alert_state rule_run_state(const struct rule_run *r)
{
    enum rule_alert_state state = RULE_INACTIVE;

    for (size_t i = 0; i < r->alert_count; i++)
        if (r->alerts[i]->state > state)
            state = r->alerts[i]->state;
    return state;
}

static bool is_alert(const void *self, uint32_t at, const void *key)
{
    const struct rule_run *r = self;

    return fw_labels_cmp(&r->alerts[at]->labels, key) == 0;
}

struct rule_alert *rule_run_find_alert(struct rule_run *r,
                                       const struct fw_labels *labels,
                                       uint64_t hash)
{
    uint32_t at = fw_index_find(&r->alert_index, hash, is_alert, r, labels);

    return at == FW_INDEX_NONE ? NULL : r->alerts[at];
}

fw_rc rule_run_add_alert(struct rule_run *r, const struct fw_labels *labels,
                         const struct fw_labels *annotations,
                         struct rule_alert **out, struct fw_err *err)
{
    struct rule_alert *a = calloc(1, sizeof(*a));
    fw_rc rc = a != NULL ? FW_OK : FW_ENOMEM;

    if (rc == FW_OK)
        rc = rule_labels_copy(labels, &a->labels);
    if (rc == FW_OK)
        rc = rule_labels_copy(annotations, &a->annotations);
    if (rc == FW_OK)
        rc = fw_grow(&r->alerts, &r->alert_cap, r->alert_count + 1,
                     sizeof(struct rule_alert *), MAX_ALERTS);
    if (rc == FW_OK) {
        a->hash = rule_labels_hash(labels);
        rc = fw_index_add(&r->alert_index, a->hash, (uint32_t)r->alert_count);
    }
    if (rc != FW_OK) {
        rule_alert_free(a);
        return fw_err_set(err, rc, "no room for more than %zu alerts",
                          r->alert_count);
    }
    r->alerts[r->alert_count++] = a;
    *out = a;
    return FW_OK;
}

/* Drops the alerts that were freed (NULL) and rebuilds the index. */
fw_rc rule_run_pack_alerts(struct rule_run *r)
{
    size_t kept = 0;
    fw_rc rc = FW_OK;

    for (size_t i = 0; i < r->alert_count; i++)
        if (r->alerts[i] != NULL)
            r->alerts[kept++] = r->alerts[i];
    if (kept == r->alert_count)
        return FW_OK;
    r->alert_count = kept;
    fw_index_release(&r->alert_index);
    for (size_t i = 0; rc == FW_OK && i < kept; i++)
        rc = fw_index_add(&r->alert_index, r->alerts[i]->hash, (uint32_t)i);
    return rc;
}

/* ---- groups ---- */

/*
 * Prometheus's own slot: xxhash64 over its bytes of {file, name}, so that both
 * evaluate a group of the same path and name at the same instants
 * [Group.EvalTimestamp; labels_stringlabels.go].
 */
static fw_rc add_sized(struct fw_buf *out, const char *text)
{
    size_t n = strlen(text);
    char size[4] = {(char)n, 0, 0, 0};
    bool large = n >= 255; /* 255, then three bytes, little-endian */
    fw_rc rc;

    if (large) {
        size[0] = (char)255;
        size[1] = (char)n;
        size[2] = (char)(n >> 8);
        size[3] = (char)(n >> 16);
    }
    rc = fw_buf_add(out, size, large ? 4 : 1);
    return rc == FW_OK ? fw_buf_add(out, text, n) : rc;
}

/* Out of memory gives another slot: nothing but the phase depends on it. */
static uint64_t slot_hash(const struct rule_group *group)
{
    struct fw_buf text = FW_BUF_INIT(65536);
    uint64_t hash = 0;
    fw_rc rc = add_sized(&text, "file");

    if (rc == FW_OK)
        rc = add_sized(&text, group->file);
    if (rc == FW_OK)
        rc = add_sized(&text, "name");
    if (rc == FW_OK)
        rc = add_sized(&text, group->name);
    if (rc == FW_OK)
        hash = fw_xxh64(text.data, text.len);
    fw_buf_release(&text);
    return hash;
}

static uint64_t identity_of(const struct rule_group *group,
                            const struct rule *rule, size_t twin)
{
    uint64_t hash = fw_hash64(group->file, strlen(group->file), twin);

    hash = fw_hash64(group->name, strlen(group->name), hash);
    hash = fw_hash64(rule->name, strlen(rule->name), hash);
    for (size_t i = 0; i < rule->label_count; i++) {
        hash = fw_hash64(rule->labels[i].name.p, rule->labels[i].name.n, hash);
        hash = fw_hash64(rule->labels[i].value.p, rule->labels[i].value.n,
                         hash + 1);
    }
    return hash;
}

static bool is_same_rule(const struct rule *a, const struct rule *b)
{
    if (a->alerting != b->alerting || strcmp(a->name, b->name) != 0 ||
        a->label_count != b->label_count)
        return false;
    for (size_t i = 0; i < a->label_count; i++)
        if (!fw_str_eq(a->labels[i].name, b->labels[i].name) ||
            !fw_str_eq(a->labels[i].value, b->labels[i].value))
            return false;
    return true;
}

/* How many rules before this one have the same name and labels. */
static size_t twin_number(const struct rule_group *group, size_t at)
{
    size_t n = 0;

    for (size_t i = 0; i < at; i++)
        n += is_same_rule(&group->rules[i], &group->rules[at]);
    return n;
}

fw_rc group_run_init(struct group_run *g, const struct rule_group *group,
                     fw_ms default_interval, fw_ms default_offset,
                     bool restored, struct fw_err *err)
{
    struct rule_run *rules = calloc(group->rule_count + 1, sizeof(*rules));

    if (rules == NULL)
        return fw_err_set(err, FW_ENOMEM, "out of memory");
    *g = (struct group_run){
        .group = group,
        .interval = group->interval > 0 ? group->interval : default_interval,
        .query_offset =
            group->query_offset >= 0 ? group->query_offset : default_offset,
        .rules = rules,
        .count = group->rule_count};
    g->slot_ns = slot_hash(group) % ((uint64_t)g->interval * 1000000);
    for (size_t i = 0; i < g->count; i++) {
        rules[i].rule = &group->rules[i];
        rules[i].restored = restored;
        rules[i].identity =
            identity_of(group, &group->rules[i], twin_number(group, i));
    }
    return FW_OK;
}

void group_run_release(struct group_run *g)
{
    for (size_t i = 0; i < g->count; i++)
        rule_run_release(&g->rules[i]);
    free(g->rules);
    *g = (struct group_run){0};
}

fw_ms group_run_slot(const struct group_run *g, fw_ms now)
{
    fw_ms slot = (fw_ms)(g->slot_ns / 1000000);
    fw_ms behind = (now - slot) % g->interval;

    return now - (behind < 0 ? behind + g->interval : behind);
}

void group_run_adopt(struct group_run *g, struct group_run *from)
{
    g->evaluated_at = from->evaluated_at;
    g->took_ns = from->took_ns;
    for (size_t i = 0; i < g->count; i++)
        for (size_t k = 0; k < from->count; k++) {
            struct rule_run *old = &from->rules[k], *r = &g->rules[i];
            struct rule_run empty = {.rule = old->rule};

            if (old->turn == 0 || !is_same_rule(r->rule, old->rule))
                continue;
            empty.identity = old->identity;
            r->alerts = old->alerts;
            r->alert_count = old->alert_count;
            r->alert_cap = old->alert_cap;
            r->alert_index = old->alert_index;
            r->series = old->series;
            r->series_count = old->series_count;
            r->series_cap = old->series_cap;
            r->series_index = old->series_index;
            r->turn = old->turn;
            r->restored = old->restored;
            *old = empty;
            break;
        }
}
