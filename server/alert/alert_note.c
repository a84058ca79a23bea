/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "server/alert/alert_note.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "storage/base/json.h"
#include "storage/base/limits.h"

/* The labels of an alert: alertname, the series' and the watch's own. */
struct merged {
    struct fw_label v[ALERT_NOTE_LABELS];
    size_t n;
};

static void merge_one(struct merged *m, struct fw_str name, struct fw_str value)
{
    size_t at = 0;

    while (at < m->n && fw_str_cmp(m->v[at].name, name) < 0)
        at++;
    if (at < m->n && fw_str_eq(m->v[at].name, name)) {
        m->v[at].value = value; /* the later one wins */
        return;
    }
    if (m->n == sizeof(m->v) / sizeof(m->v[0]))
        return;
    memmove(&m->v[at + 1], &m->v[at], (m->n - at) * sizeof(m->v[0]));
    m->v[at] = (struct fw_label){name, value};
    m->n++;
}

static void merge(struct merged *m, const struct config_watch *watch,
                  const struct fw_labels *labels, enum told told)
{
    m->n = 0;
    for (size_t i = 0; i < labels->n; i++)
        if (!fw_str_eq(labels->v[i].name, FW_STR(FW_METRIC_NAME)))
            merge_one(m, labels->v[i].name, labels->v[i].value);
    for (size_t i = 0; i < watch->label_count; i++)
        merge_one(m, fw_str_of(watch->labels[i].name),
                  fw_str_of(watch->labels[i].value));
    if (told == TOLD_UNPROVEN)
        merge_one(m, FW_STR("record"), FW_STR("unproven"));
    merge_one(m, FW_STR("alertname"), fw_str_of(watch->name));
}

size_t alert_note_labels(const struct config_watch *watch,
                         const struct fw_labels *labels, enum told told,
                         struct fw_label out[ALERT_NOTE_LABELS])
{
    struct merged m;

    merge(&m, watch, labels, told);
    memcpy(out, m.v, m.n * sizeof(*out));
    return m.n;
}

/* ---- words
 * ---------------------------------------------------------------------- */

static const char *change_word(enum alert_change change)
{
    switch (change) {
    case ALERT_TO_FIRING:
    case ALERT_TO_FORETOLD:
        return "predicted";
    case ALERT_TO_BREACHED:
        return "breached";
    case ALERT_TO_RESOLVED:
        return "resolved";
    default:
        return "quiet";
    }
}

static const char *plural(uint64_t n)
{
    return n == 1 ? "" : "s";
}

fw_rc alert_record_words(const struct fw_record *r, struct fw_buf *out)
{
    char lead[FW_DURATION_TEXT_BYTES];
    fw_rc rc;

    if (r->right + r->false_alarms + r->missed == 0)
        return fw_buf_adds(out, "no record yet");
    rc =
        fw_buf_printf(out, "right %llu time%s, %llu false alarm%s, %llu missed",
                      (unsigned long long)r->right, plural(r->right),
                      (unsigned long long)r->false_alarms,
                      plural(r->false_alarms), (unsigned long long)r->missed);
    if (rc != FW_OK || r->median_lead < 0)
        return rc;
    (void)fw_format_span(lead, r->median_lead);
    return fw_buf_printf(out, ", median lead %s", lead);
}

static fw_rc add_when(const struct outlook *o, struct fw_buf *out)
{
    char p10[FW_DURATION_TEXT_BYTES], p50[FW_DURATION_TEXT_BYTES],
        p90[FW_DURATION_TEXT_BYTES];

    if (o->p50 < 0)
        return FW_OK;
    (void)fw_format_span(p50, o->p50);
    (void)fw_format_span(p10, o->p10 < 0 ? 0 : o->p10);
    (void)fw_format_span(p90, o->p90);
    if (o->p90 < 0)
        return fw_buf_printf(out, ", in about %s (not before %s)", p50, p10);
    return fw_buf_printf(out, ", in about %s (%s to %s)", p50, p10, p90);
}

static fw_rc add_prediction(const struct alert_note *n, struct fw_buf *out)
{
    const struct outlook *o = &n->state->outlook;
    char horizon[FW_DURATION_TEXT_BYTES], value[FW_DOUBLE_TEXT_BYTES];
    fw_rc rc;

    (void)fw_format_span(horizon, n->watch->horizon);
    (void)fw_format_short(value, n->state->observed.value, 4);
    rc = fw_buf_printf(out, "predicted: %s within %s with probability %.2f",
                       n->watch->breach_text, horizon, o->probability);
    if (rc == FW_OK)
        rc = add_when(o, out);
    if (rc == FW_OK)
        rc = fw_buf_printf(out, "; now %s, model %s", value, o->model);
    return rc;
}

static fw_rc add_breached(const struct alert_note *n, struct fw_buf *out)
{
    char value[FW_DOUBLE_TEXT_BYTES], lead[FW_DURATION_TEXT_BYTES];
    fw_rc rc;

    (void)fw_format_short(value, n->state->observed.value, 4);
    rc = fw_buf_printf(out, "breached: now %s, limit %s", value,
                       n->watch->breach_text);
    if (rc != FW_OK)
        return rc;
    if (!n->state->alert.foretold)
        return fw_buf_adds(out, "; it was not foretold");
    (void)fw_format_span(lead, n->state->observed.breached_at - n->fired_at);
    return fw_buf_printf(out, "; foretold %s ahead", lead);
}

static fw_rc add_resolved(const struct alert_note *n, struct fw_buf *out)
{
    const struct outlook *o = &n->state->outlook;
    fw_rc rc = fw_buf_printf(out, "resolved: %s", alert_end_text(n->end));

    if (rc == FW_OK && o->told)
        rc = fw_buf_printf(out, "; probability %.2f", o->probability);
    return rc;
}

fw_rc alert_note_name(const struct config_watch *watch,
                      const struct fw_labels *labels, struct fw_buf *out)
{
    struct fw_label v[FW_MAX_LABELS];
    struct fw_labels rest = {v, 0};
    fw_rc rc = fw_buf_adds(out, watch->name);

    /* The metric's name says nothing that the watch's does not. */
    for (size_t i = 0; i < labels->n && rest.n < FW_MAX_LABELS; i++)
        if (!fw_str_eq(labels->v[i].name, FW_STR(FW_METRIC_NAME)))
            v[rest.n++] = labels->v[i];
    if (rc == FW_OK && rest.n > 0)
        rc = fw_labels_print(out, &rest);
    return rc;
}

fw_rc alert_note_sentence(const struct alert_note *n, struct fw_buf *out)
{
    fw_rc rc = alert_note_name(n->watch, n->labels, out);

    if (rc == FW_OK)
        rc = fw_buf_addc(out, ' ');
    if (rc != FW_OK)
        return rc;
    switch (n->change) {
    case ALERT_TO_BREACHED:
        return add_breached(n, out);
    case ALERT_TO_RESOLVED:
        return add_resolved(n, out);
    default:
        return add_prediction(n, out);
    }
}

/* ---- annotations ---- */

static void say(struct alert_words *w, const char *name, const char *text)
{
    w->v[w->n++] = (struct fw_label){fw_str_of(name), fw_str_of(text)};
}

static const char *span_text(char out[FW_DURATION_TEXT_BYTES], fw_ms span)
{
    if (span < 0)
        return "beyond the horizon";
    (void)fw_format_span(out, span);
    return out;
}

static void say_times(struct alert_words *w, const struct outlook *o)
{
    say(w, "time_to_breach_p10", span_text(w->p10, o->p10));
    say(w, "time_to_breach_p50", span_text(w->p50, o->p50));
    say(w, "time_to_breach_p90", span_text(w->p90, o->p90));
}

static void say_extremes(struct alert_words *w, const struct outlook *o)
{
    static const char *const names[] = {
        "forecast_value_p10", "forecast_value_p50", "forecast_value_p90"};

    for (int i = 0; extreme_is_told(o->extreme) && i < EXTREME_QUANTILES; i++) {
        (void)fw_format_short(w->extreme[i], o->extreme[i], 6);
        say(w, names[i], w->extreme[i]);
    }
}

/* In the order of their names. */
static void say_all(struct alert_words *w, const struct alert_note *n)
{
    const struct outlook *o = &n->state->outlook;

    (void)snprintf(w->probability, sizeof(w->probability), "%.2f",
                   o->probability);
    (void)fw_format_short(w->value, n->state->observed.value, 6);
    if (o->told)
        say_extremes(w, o);
    if (o->told && o->model[0] != '\0')
        say(w, "model", o->model);
    say(w, "owner", n->watch->owner);
    if (o->told)
        say(w, "probability", w->probability);
    say(w, "reason", n->watch->reason);
    say(w, "record", w->record.data);
    if (n->change == ALERT_TO_RESOLVED)
        say(w, "resolved_because", alert_end_text(n->end));
    if (n->watch->runbook != NULL)
        say(w, "runbook_url", n->watch->runbook);
    say(w, "state", change_word(n->change));
    say(w, "summary", w->sentence.data);
    if (o->told)
        say_times(w, o);
    say(w, "value", w->value);
}

fw_rc alert_words_make(struct alert_words *w, const struct alert_note *note)
{
    fw_rc rc;

    w->n = 0;
    fw_buf_init(&w->sentence, 65536);
    fw_buf_init(&w->record, 1024);
    rc = alert_note_sentence(note, &w->sentence);
    if (rc == FW_OK)
        rc = alert_record_words(&note->record, &w->record);
    if (rc == FW_OK)
        say_all(w, note);
    return rc;
}

void alert_words_release(struct alert_words *w)
{
    fw_buf_release(&w->sentence);
    fw_buf_release(&w->record);
    w->n = 0;
}

/* ---- the forecast ---- */

static void put_extremes(struct fw_json *j, const struct outlook *o)
{
    static const char *const keys[] = {"value_p10", "value_p50", "value_p90"};
    bool told = o->told && extreme_is_told(o->extreme);

    for (int i = 0; i < EXTREME_QUANTILES; i++) {
        fw_json_field_double(j, keys[i], told ? o->extreme[i] : NAN);
    }
}

void alert_note_forecast(const struct alert_note *n, struct fw_json *j)
{
    const struct outlook *o = &n->state->outlook;

    fw_json_object(j);
    fw_json_field_text(j, "state", change_word(n->change));
    fw_json_field_text(j, "watch", n->watch->name);
    fw_json_field_text(j, "expr", n->watch->expr);
    fw_json_field_text(j, "limit", n->watch->breach_text);
    fw_json_field_span(j, "horizon_seconds", n->watch->horizon);
    fw_json_field_double(j, "value", n->state->observed.value);
    fw_json_field_double(j, "probability", o->told ? o->probability : NAN);
    fw_json_field_span(j, "p10_seconds", o->told ? o->p10 : -1);
    fw_json_field_span(j, "p50_seconds", o->told ? o->p50 : -1);
    fw_json_field_span(j, "p90_seconds", o->told ? o->p90 : -1);
    put_extremes(j, o);
    fw_json_field_text(j, "model", o->model);
    fw_json_field_text(j, "owner", n->watch->owner);
    fw_json_field_text(j, "reason", n->watch->reason);
    if (n->state->alert.foretold && n->change == ALERT_TO_BREACHED)
        fw_json_field_span(j, "lead_seconds",
                           n->state->observed.breached_at - n->fired_at);
    if (n->change == ALERT_TO_RESOLVED)
        fw_json_field_text(j, "resolved_because", alert_end_text(n->end));
    fw_json_key(j, "record");
    fw_record_json(j, &n->record, "median_lead_seconds");
    fw_json_object_end(j);
}

fw_rc alert_note_members(const struct alert_note *note, struct fw_json *json)
{
    struct alert_words words = {0};
    struct merged m;
    fw_rc rc = alert_words_make(&words, note);

    if (rc == FW_OK) {
        merge(&m, note->watch, note->labels, note->state->told);
        fw_json_key(json, "labels");
        fw_labels_json(json, &(struct fw_labels){m.v, m.n});
        fw_json_key(json, "annotations");
        fw_labels_json(json, &(struct fw_labels){words.v, words.n});
    }
    alert_words_release(&words);
    return rc;
}
