/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * rule_eval.c - one evaluation of a group: what each rule asks, what becomes of
 * its alerts, what it writes.
 *
 * A rule is worked out first (its query, its templates: all that takes long)
 * and then applied to its state in one go, so that readers of the state wait
 * for nothing. Line by line it is Prometheus's AlertingRule.Eval and
 * RecordingRule.Eval; where the two could differ, the difference is a bug.
 */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/rules/rule_emit.h"
#include "storage/base/limits.h"
#include "storage/base/log.h"

#define RESOLVED_RETENTION (15 * FW_MINUTE)

/* One evaluation of one rule. */
struct turn {
    struct group_run *g;
    struct rule_run *r;
    const struct rule_world *w;
    const struct rule_guard *guard;
    struct fw_arena *arena;
    fw_ms ts;
    struct candidate *candidates;
    size_t count;
    struct fw_err *err;
};

/* An element of the result, as an alert. Lives in the arena. */
struct candidate {
    struct fw_labels labels, annotations;
    uint64_t hash;
    double value;
};

static void lock(const struct rule_guard *guard)
{
    if (guard != NULL)
        guard->lock(guard->self);
}

static void unlock(const struct rule_guard *guard)
{
    if (guard != NULL)
        guard->unlock(guard->self);
}

/* ---- asking ---- */

static fw_rc ask(const struct rule_world *w, struct fw_str expr, fw_ms at,
                 struct fw_arena *arena, struct fw_result *result,
                 struct fw_err *err)
{
    struct fw_query_options options = {.start = at,
                                       .end = at,
                                       .lookback = w->lookback,
                                       .clock = w->clock,
                                       .cancel = w->cancel};
    struct fw_query *query = NULL;
    fw_rc rc = fw_query_parse(expr, arena, &query, err);

    if (rc == FW_OK)
        rc = fw_query_run(query, &w->source, &options, arena, result, err);
    if (rc == FW_OK && result->type != FW_VECTOR && result->type != FW_SCALAR)
        rc =
            fw_err_set(err, FW_EINVAL, "rule result is not a vector or scalar");
    if (rc != FW_OK) /* the lines below show the place in the text */
        err->text[strcspn(err->text, "\n")] = '\0';
    return rc;
}

static fw_rc ask_for_template(void *self, struct fw_str expr,
                              struct fw_arena *arena, struct fw_result *out,
                              struct fw_err *err)
{
    struct turn *t = self;

    return ask(t->w, expr, t->ts, arena, out, err);
}

/* ---- alerts: worked out ---- */

static fw_rc expand(struct turn *t, const struct rule_text *text,
                    const struct template_data *data, struct fw_str *out)
{
    struct fw_buf buf = FW_BUF_INIT(2 * (size_t)1024 * 1024);
    struct fw_err err = {0};
    char *copy;
    fw_rc rc = template_expand(text->text, data, t->arena, &buf, &err);

    if (rc == FW_EINVAL) {
        fw_log(FW_LOG_WARN, "the template of \"%.*s\" of alert '%s' fails: %s",
               FW_STR_ARG(text->name), t->r->rule->name, err.text);
        fw_buf_clear(&buf);
        rc = fw_buf_printf(&buf, "<error expanding template: %s>", err.text);
    }
    if (rc != FW_OK) {
        fw_buf_release(&buf);
        return fw_err_set(t->err, rc, "out of memory");
    }
    copy = fw_arena_strndup(t->arena, buf.len > 0 ? buf.data : "", buf.len);
    *out = (struct fw_str){copy, buf.len};
    fw_buf_release(&buf);
    return copy != NULL ? FW_OK : fw_arena_err(t->arena, t->err);
}

/* A label set, kept in the arena. */
static fw_rc keep(struct turn *t, const struct label_set *set,
                  struct fw_labels *out)
{
    struct fw_label *v = fw_arena_calloc(t->arena, set->n + 1, sizeof(*v));

    if (v == NULL)
        return fw_arena_err(t->arena, t->err);
    if (set->n > 0)
        memcpy(v, set->v, set->n * sizeof(*v));
    *out = (struct fw_labels){v, set->n};
    return FW_OK;
}

static fw_rc make_alert(struct turn *t, const struct fw_result_series *s,
                        struct candidate *c)
{
    const struct rule *rule = t->r->rule;
    struct label_set labels, annotations = {.n = 0};
    struct template_data data = {.labels = &s->labels,
                                 .external_labels = &t->w->external_labels,
                                 .external_url = t->w->external_url,
                                 .value = s->v[0],
                                 .now = t->ts,
                                 .query = ask_for_template,
                                 .self = t};
    struct fw_str text = {0};
    fw_rc rc = FW_OK;

    label_set_from(&labels, &s->labels);
    rc = label_set_put(&labels, FW_STR(FW_METRIC_NAME), FW_STR(""));
    for (size_t i = 0; rc == FW_OK && i < rule->label_count; i++) {
        rc = expand(t, &rule->labels[i], &data, &text);
        if (rc == FW_OK)
            rc = label_set_put(&labels, rule->labels[i].name, text);
    }
    if (rc == FW_OK)
        rc = label_set_put(&labels, FW_STR("alertname"), fw_str_of(rule->name));
    for (size_t i = 0; rc == FW_OK && i < rule->annotation_count; i++) {
        rc = expand(t, &rule->annotations[i], &data, &text);
        if (rc == FW_OK && annotations.n < RULE_MAX_LABELS)
            annotations.v[annotations.n++] =
                (struct fw_label){rule->annotations[i].name, text};
    }
    if (rc == FW_ETOOBIG)
        rc = fw_err_set(t->err, rc, "an alert has more than %d labels",
                        RULE_MAX_LABELS);
    if (rc == FW_OK)
        rc = keep(t, &labels, &c->labels);
    if (rc == FW_OK)
        rc = keep(t, &annotations, &c->annotations);
    c->hash = rule_labels_hash(&c->labels);
    c->value = s->v[0];
    return rc;
}

static bool is_candidate(const void *self, uint32_t at, const void *key)
{
    const struct candidate *candidates = self;

    return fw_labels_cmp(&candidates[at].labels, key) == 0;
}

typedef fw_rc make_fn(struct turn *t, const struct fw_result_series *s,
                      struct candidate *c);

/*
 * What the rule makes of each series of the result; no two may have the same
 * labels. `of` names the labels that the rule adds, for the sentence.
 */
static fw_rc make_candidates(struct turn *t, const struct fw_result *result,
                             make_fn *make, const char *of)
{
    struct fw_index index = {0};
    fw_rc rc = FW_OK;

    t->candidates =
        fw_arena_calloc(t->arena, result->count + 1, sizeof(*t->candidates));
    if (t->candidates == NULL)
        return fw_arena_err(t->arena, t->err);
    for (size_t i = 0; rc == FW_OK && i < result->count; i++) {
        struct candidate *c = &t->candidates[t->count];

        if (result->series[i].n == 0)
            continue;
        rc = make(t, &result->series[i], c);
        if (rc == FW_OK &&
            fw_index_find(&index, c->hash, is_candidate, t->candidates,
                          &c->labels) != FW_INDEX_NONE)
            rc = fw_err_set(t->err, FW_EINVAL,
                            "vector contains metrics with the same labelset "
                            "after applying %s labels",
                            of);
        if (rc == FW_OK)
            rc = fw_index_add(&index, c->hash, (uint32_t)t->count++);
    }
    fw_index_release(&index);
    return rc;
}

/* ---- alerts: applied ---- */

static fw_rc take_candidate(struct turn *t, const struct candidate *c)
{
    struct rule_run *r = t->r;
    struct rule_alert *a = rule_run_find_alert(r, &c->labels, c->hash);
    struct fw_labels annotations = {0};
    fw_rc rc = FW_OK;

    if (a != NULL && a->state != RULE_INACTIVE) {
        rc = rule_labels_copy(&c->annotations, &annotations);
        if (rc != FW_OK)
            return fw_err_set(t->err, rc, "out of memory");
        free((void *)(uintptr_t)a->annotations.v);
        a->annotations = annotations;
    } else if (a != NULL) { /* it was resolved, and begins anew */
        struct rule_alert fresh = {.labels = a->labels, .hash = a->hash};

        rc = rule_labels_copy(&c->annotations, &fresh.annotations);
        if (rc != FW_OK)
            return fw_err_set(t->err, rc, "out of memory");
        free((void *)(uintptr_t)a->annotations.v);
        *a = fresh;
        a->state = RULE_PENDING;
        a->active_at = t->ts;
        a->changed = true;
    } else {
        rc = rule_run_add_alert(r, &c->labels, &c->annotations, &a, t->err);
        if (rc != FW_OK)
            return rc;
        a->state = RULE_PENDING;
        a->active_at = t->ts;
    }
    a->value = c->value;
    a->seen = r->turn;
    a->held_until = 0;
    a->keep_firing_since = 0;
    return FW_OK;
}

/* True if an alert that is not in the result still counts. */
static bool keeps_firing(struct turn *t, struct rule_alert *a)
{
    if (a->state != RULE_FIRING)
        return false;
    if (a->held_until > t->ts)
        return true;
    if (t->r->rule->keep_firing_for == 0)
        return false;
    if (a->keep_firing_since == 0)
        a->keep_firing_since = t->ts;
    return t->ts - a->keep_firing_since < t->r->rule->keep_firing_for;
}

/* False: it is over, or was. NULL in its place: it is forgotten. */
static bool age_alert(struct turn *t, size_t i)
{
    struct rule_alert *a = t->r->alerts[i];

    if (a->seen != t->r->turn) {
        bool keep = keeps_firing(t, a);
        bool gone = a->state == RULE_PENDING ||
                    (a->resolved_at != 0 &&
                     t->ts - a->resolved_at > RESOLVED_RETENTION);

        if (a->state != RULE_INACTIVE && !keep) {
            a->changed = a->state == RULE_FIRING;
            a->state = RULE_INACTIVE;
            a->resolved_at = t->ts;
        }
        if (gone) {
            rule_alert_free(a);
            t->r->alerts[i] = NULL;
        }
        if (gone || !keep)
            return false;
    }
    if (a->state == RULE_PENDING &&
        t->ts - a->active_at >= t->r->rule->for_ms) {
        a->state = RULE_FIRING;
        a->fired_at = t->ts;
        a->changed = true;
    }
    return true;
}

/*
 * ALERTS{alertstate} and ALERTS_FOR_STATE. They stand on the labels of the
 * rule as written: where a template gave nothing, its text shows through, as
 * in Prometheus.
 */
static fw_rc write_alert(struct turn *t, const struct rule_alert *a)
{
    const struct rule *rule = t->r->rule;
    fw_ms at = t->ts - t->g->query_offset;
    struct label_set set = {.n = 0};
    struct fw_labels labels;
    fw_rc rc = FW_OK;

    for (size_t i = 0; rc == FW_OK && i < rule->label_count; i++)
        rc = label_set_put(&set, rule->labels[i].name, rule->labels[i].value);
    for (size_t i = 0; rc == FW_OK && i < a->labels.n; i++)
        rc = label_set_put(&set, a->labels.v[i].name, a->labels.v[i].value);
    if (rc == FW_OK)
        rc = label_set_put(&set, FW_STR(FW_METRIC_NAME),
                           FW_STR("ALERTS_FOR_STATE"));
    labels = label_set_labels(&set);
    if (rc == FW_OK)
        rc = rule_emit(t->r, t->w, &labels, at,
                       floor((double)a->active_at / 1000), t->err);
    if (rc == FW_OK)
        rc = label_set_put(&set, FW_STR(FW_METRIC_NAME), FW_STR("ALERTS"));
    if (rc == FW_OK)
        rc = label_set_put(&set, FW_STR("alertstate"),
                           fw_str_of(rule_alert_state_name(a->state)));
    labels = label_set_labels(&set);
    if (rc == FW_OK)
        rc = rule_emit(t->r, t->w, &labels, at, 1, t->err);
    return rc == FW_ETOOBIG && t->err->rc == FW_OK
               ? fw_err_set(t->err, rc, "an alert has too many labels")
               : rc;
}

static void drop_all(struct rule_run *r)
{
    for (size_t i = 0; i < r->alert_count; i++) {
        rule_alert_free(r->alerts[i]);
        r->alerts[i] = NULL;
    }
    (void)rule_run_pack_alerts(r); /* an empty index needs no memory */
}

static fw_rc apply_candidates(struct turn *t)
{
    struct rule_run *r = t->r;
    size_t active = 0;
    fw_rc rc = FW_OK;

    r->turn++;
    for (size_t i = 0; rc == FW_OK && i < t->count; i++)
        rc = take_candidate(t, &t->candidates[i]);
    for (size_t i = 0; rc == FW_OK && i < r->alert_count; i++)
        if (age_alert(t, i))
            active++;
    if (rule_run_pack_alerts(r) != FW_OK)
        return fw_err_set(t->err, FW_ENOMEM, "out of memory");
    if (rc == FW_OK && t->g->group->limit > 0 &&
        active > (size_t)t->g->group->limit) {
        drop_all(r);
        return fw_err_set(t->err, FW_ETOOBIG,
                          "exceeded limit of %" PRId64 " with %zu alerts",
                          t->g->group->limit, active);
    }
    return rc;
}

static fw_rc write_alerts(struct turn *t)
{
    struct rule_run *r = t->r;
    fw_rc rc = FW_OK;

    for (size_t i = 0; rc == FW_OK && r->restored && i < r->alert_count; i++)
        if (r->alerts[i]->state != RULE_INACTIVE)
            rc = write_alert(t, r->alerts[i]);
    return rc == FW_OK
               ? rule_emit_stale(r, t->w, t->ts - t->g->query_offset, t->err)
               : rc;
}

static fw_rc run_alert(struct turn *t, const struct fw_result *result)
{
    fw_rc rc = make_candidates(t, result, make_alert, "alert");

    if (rc != FW_OK)
        return rc;
    lock(t->guard);
    rc = apply_candidates(t);
    unlock(t->guard);
    return rc == FW_OK ? write_alerts(t) : rc;
}

/* ---- recordings ---- */

static fw_rc make_recording(struct turn *t, const struct fw_result_series *s,
                            struct candidate *c)
{
    const struct rule *rule = t->r->rule;
    struct label_set set;
    fw_rc rc;

    label_set_from(&set, &s->labels);
    rc = label_set_put(&set, FW_STR(FW_METRIC_NAME), fw_str_of(rule->name));
    for (size_t i = 0; rc == FW_OK && i < rule->label_count; i++)
        rc = label_set_put(&set, rule->labels[i].name, rule->labels[i].value);
    if (rc != FW_OK)
        return fw_err_set(t->err, rc, "a result has too many labels");
    c->value = s->v[0];
    rc = keep(t, &set, &c->labels);
    c->hash = rule_labels_hash(&c->labels);
    return rc;
}

static fw_rc run_recording(struct turn *t, const struct fw_result *result)
{
    fw_ms at = t->ts - t->g->query_offset;
    fw_rc rc = make_candidates(t, result, make_recording, "rule");

    if (rc == FW_OK && t->g->group->limit > 0 &&
        t->count > (size_t)t->g->group->limit)
        rc = fw_err_set(t->err, FW_ETOOBIG,
                        "exceeded limit of %" PRId64 " with %zu series",
                        t->g->group->limit, t->count);
    if (rc != FW_OK)
        return rc;
    t->r->turn++;
    for (size_t i = 0; rc == FW_OK && i < t->count; i++)
        rc = rule_emit(t->r, t->w, &t->candidates[i].labels, at,
                       t->candidates[i].value, t->err);
    return rc == FW_OK ? rule_emit_stale(t->r, t->w, at, t->err) : rc;
}

/* ---- the group ---- */

static bool is_name_char(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
           (c >= '0' && c <= '9') || c == '_' || c == ':';
}

/*
 * May this rule read what the rules before it wrote in this cycle? Told by
 * its text: a name of theirs, ALERTS, or a selector without a name. Saying
 * yes too often costs a commit, saying no wrongly would be a bug.
 */
static bool may_read(const struct group_run *g, size_t at)
{
    const char *expr = g->rules[at].rule->expr;

    for (const char *p = expr; *p != '\0'; p++)
        if (*p == '{' && (p == expr || !is_name_char(p[-1])))
            return true;
    if (strstr(expr, FW_METRIC_NAME) != NULL)
        return true;
    for (size_t i = 0; i < at; i++)
        if (strstr(expr, g->rules[i].rule->alerting ? "ALERTS"
                                                    : g->rules[i].rule->name))
            return true;
    for (size_t i = 0; i < g->rules[at].rule->annotation_count; i++)
        if (memmem(g->rules[at].rule->annotations[i].value.p,
                   g->rules[at].rule->annotations[i].value.n, "query", 5))
            return true;
    return false;
}

static fw_rc settle(const struct rule_world *w, bool *waiting,
                    struct fw_err *err)
{
    bool was = *waiting;

    *waiting = false;
    return was && w->settle != NULL ? w->settle(w->self, err) : FW_OK;
}

static uint64_t now_ns(const struct rule_world *w)
{
    return w->clock != NULL ? fw_clock_mono_ns(w->clock) : 0;
}

static void note_outcome(struct turn *t, fw_rc rc, uint64_t began)
{
    struct rule_run *r = t->r;

    lock(t->guard);
    if (rc != FW_OK && (!r->failed || strcmp(r->error, t->err->text) != 0))
        fw_log(FW_LOG_WARN, "rule '%s' of group '%s' fails: %s", r->rule->name,
               t->g->group->name, t->err->text);
    r->failed = rc != FW_OK;
    r->evaluated = true;
    r->evaluated_at = t->ts;
    r->took_ns = now_ns(t->w) - began;
    (void)snprintf(r->error, sizeof(r->error), "%s",
                   rc != FW_OK ? t->err->text : "");
    t->g->evaluations++;
    t->g->failures += rc != FW_OK;
    unlock(t->guard);
}

static void run_rule(struct group_run *g, size_t i, const struct rule_world *w,
                     fw_ms ts, const struct rule_guard *guard, bool *waiting)
{
    struct fw_result result = {0};
    struct fw_err err = {0};
    struct turn t = {.g = g,
                     .r = &g->rules[i],
                     .w = w,
                     .guard = guard,
                     .arena = fw_arena_new(fw_query_limits().max_bytes),
                     .ts = ts,
                     .err = &err};
    uint64_t began = now_ns(w);
    fw_rc rc = FW_OK;

    if (t.arena == NULL)
        rc = fw_err_set(&err, FW_ENOMEM, "out of memory");
    if (rc == FW_OK && *waiting && may_read(g, i))
        rc = settle(w, waiting, &err);
    if (rc == FW_OK)
        rc = ask(w, fw_str_of(t.r->rule->expr), ts - g->query_offset, t.arena,
                 &result, &err);
    if (rc == FW_OK)
        rc = t.r->rule->alerting ? run_alert(&t, &result)
                                 : run_recording(&t, &result);
    *waiting = true;
    note_outcome(&t, rc, began);
    fw_arena_free(t.arena);
}

void group_run_evaluate(struct group_run *g, const struct rule_world *w,
                        fw_ms ts, const struct rule_guard *guard)
{
    uint64_t began = now_ns(w);
    struct fw_err err = {0};
    bool waiting = false;

    for (size_t i = 0; i < g->count; i++) {
        if (w->cancel != NULL && atomic_load(w->cancel))
            break;
        run_rule(g, i, w, ts, guard, &waiting);
    }
    if (settle(w, &waiting, &err) != FW_OK) {
        fw_log(FW_LOG_ERROR, "results of group '%s' cannot be stored: %s",
               g->group->name, err.text);
        lock(guard);
        for (size_t i = 0; i < g->count; i++) {
            g->rules[i].failed = true;
            (void)snprintf(g->rules[i].error, sizeof(g->rules[i].error), "%s",
                           err.text);
        }
        g->failures++;
        unlock(guard);
    }
    lock(guard);
    g->evaluated_at = ts;
    g->took_ns = now_ns(w) - began;
    unlock(guard);
}

/* ---- sending ---- */

bool rule_alert_is_due(const struct rule_alert *a, fw_ms ts, fw_ms resend_delay)
{
    if (a->state == RULE_PENDING)
        return false;
    if (a->resolved_at > a->last_sent_at)
        return true;
    return a->last_sent_at + resend_delay < ts;
}

void rule_alert_mark_sent(struct rule_alert *a, fw_ms ts, fw_ms resend_delay,
                          fw_ms interval)
{
    a->last_sent_at = ts;
    a->valid_until =
        ts + 4 * (interval > resend_delay ? interval : resend_delay);
}
