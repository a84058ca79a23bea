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

uint64_t alert_fingerprint(const struct config_watch *watch,
                           const struct fw_labels *labels, enum told told)
{
    const uint64_t prime = UINT64_C(1099511628211);
    uint64_t hash = UINT64_C(14695981039346656037);
    struct merged m;

    merge(&m, watch, labels, told);
    for (size_t i = 0; i < m.n; i++) {
        const struct fw_str parts[] = {m.v[i].name, m.v[i].value};

        for (size_t k = 0; k < 2; k++) {
            for (size_t b = 0; b < parts[k].n; b++)
                hash = (hash ^ (unsigned char)parts[k].p[b]) * prime;
            hash = (hash ^ 0xFF) * prime;
        }
    }
    return hash;
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

/* ---- the body of a webhook
 * -------------------------------------------------------- */

static void put_labels(struct fw_json *j, const struct merged *m)
{
    fw_json_object(j);
    for (size_t i = 0; i < m->n; i++) {
        fw_json_key_str(j, m->v[i].name);
        fw_json_str(j, m->v[i].value);
    }
    fw_json_object_end(j);
}

static void put_text(struct fw_json *j, const char *key, const char *text)
{
    fw_json_key(j, key);
    fw_json_text(j, text);
}

static void put_time(struct fw_json *j, const char *key, fw_ms t)
{
    char text[FW_TIME_TEXT_BYTES];

    (void)fw_format_time(text, t);
    put_text(j, key, text);
}

static void put_annotations(struct fw_json *j, const struct alert_note *n,
                            const char *sentence, const char *record)
{
    fw_json_object(j);
    put_text(j, "summary", sentence);
    put_text(j, "state", change_word(n->change));
    put_text(j, "reason", n->watch->reason);
    put_text(j, "owner", n->watch->owner);
    put_text(j, "record", record);
    if (n->watch->runbook != NULL)
        put_text(j, "runbook_url", n->watch->runbook);
    fw_json_object_end(j);
}

/* Seconds, or null for "not within the horizon". */
static void put_span(struct fw_json *j, const char *key, fw_ms span)
{
    fw_json_key(j, key);
    if (span < 0)
        fw_json_null(j);
    else
        fw_json_seconds(j, span);
}

static void put_record(struct fw_json *j, const struct fw_record *r)
{
    fw_json_object(j);
    fw_json_key(j, "predictions");
    fw_json_int(j, (int64_t)r->predictions);
    fw_json_key(j, "right");
    fw_json_int(j, (int64_t)r->right);
    fw_json_key(j, "false_alarms");
    fw_json_int(j, (int64_t)r->false_alarms);
    fw_json_key(j, "missed");
    fw_json_int(j, (int64_t)r->missed);
    fw_json_key(j, "brier");
    fw_json_double(j, r->brier);
    put_span(j, "median_lead_seconds", r->median_lead);
    fw_json_object_end(j);
}

static void put_forecast(struct fw_json *j, const struct alert_note *n)
{
    const struct outlook *o = &n->state->outlook;

    fw_json_object(j);
    put_text(j, "state", change_word(n->change));
    put_text(j, "watch", n->watch->name);
    put_text(j, "expr", n->watch->expr);
    put_text(j, "limit", n->watch->breach_text);
    put_span(j, "horizon_seconds", n->watch->horizon);
    fw_json_key(j, "value");
    fw_json_double(j, n->state->observed.value);
    fw_json_key(j, "probability");
    fw_json_double(j, o->told ? o->probability : NAN);
    put_span(j, "p10_seconds", o->told ? o->p10 : -1);
    put_span(j, "p50_seconds", o->told ? o->p50 : -1);
    put_span(j, "p90_seconds", o->told ? o->p90 : -1);
    put_text(j, "model", o->model);
    put_text(j, "owner", n->watch->owner);
    put_text(j, "reason", n->watch->reason);
    if (n->state->alert.foretold && n->change == ALERT_TO_BREACHED)
        put_span(j, "lead_seconds",
                 n->state->observed.breached_at - n->fired_at);
    if (n->change == ALERT_TO_RESOLVED)
        put_text(j, "resolved_because", alert_end_text(n->end));
    fw_json_key(j, "record");
    put_record(j, &n->record);
    if (n->card != NULL) {
        fw_json_key(j, "card");
        card_json(n->card, j);
    }
    fw_json_object_end(j);
}

static void put_alert(struct fw_json *j, const struct alert_note *n,
                      const struct merged *m, const char *sentence,
                      const char *record)
{
    char fingerprint[20];
    bool over = n->change == ALERT_TO_RESOLVED;

    fw_json_object(j);
    put_text(j, "status", over ? "resolved" : "firing");
    fw_json_key(j, "labels");
    put_labels(j, m);
    fw_json_key(j, "annotations");
    put_annotations(j, n, sentence, record);
    put_time(j, "startsAt", n->fired_at);
    if (over)
        put_time(j, "endsAt", n->now);
    else
        put_text(j, "endsAt", "0001-01-01T00:00:00Z");
    put_text(j, "generatorURL", "");
    (void)snprintf(fingerprint, sizeof(fingerprint), "%016llx",
                   (unsigned long long)alert_fingerprint(n->watch, n->labels,
                                                         n->state->told));
    put_text(j, "fingerprint", fingerprint);
    fw_json_object_end(j);
}

static void put_body(struct fw_json *j, const struct alert_note *n,
                     const char *sentence, const char *record)
{
    char group[512];
    struct merged m;

    merge(&m, n->watch, n->labels, n->state->told);
    (void)snprintf(group, sizeof(group), "{}:{alertname=\"%s\"}",
                   n->watch->name);
    fw_json_object(j);
    put_text(j, "receiver", "webhook");
    put_text(j, "status",
             n->change == ALERT_TO_RESOLVED ? "resolved" : "firing");
    fw_json_key(j, "alerts");
    fw_json_array(j);
    put_alert(j, n, &m, sentence, record);
    fw_json_array_end(j);
    fw_json_key(j, "groupLabels");
    fw_json_object(j);
    put_text(j, "alertname", n->watch->name);
    fw_json_object_end(j);
    fw_json_key(j, "commonLabels");
    put_labels(j, &m);
    fw_json_key(j, "commonAnnotations");
    put_annotations(j, n, sentence, record);
    put_text(j, "externalURL", "");
    put_text(j, "version", "4");
    put_text(j, "groupKey", group);
    fw_json_key(j, "truncatedAlerts");
    fw_json_int(j, 0);
    fw_json_key(j, "forecast");
    put_forecast(j, n);
    fw_json_object_end(j);
}

/* The two texts of a note; the caller releases them whatever comes back. */
struct texts {
    struct fw_buf sentence, record;
};

static fw_rc texts_make(struct texts *texts, const struct alert_note *note)
{
    fw_rc rc;

    fw_buf_init(&texts->sentence, 65536);
    fw_buf_init(&texts->record, 1024);
    rc = alert_note_sentence(note, &texts->sentence);
    return rc == FW_OK ? alert_record_words(&note->record, &texts->record) : rc;
}

static void texts_release(struct texts *texts)
{
    fw_buf_release(&texts->sentence);
    fw_buf_release(&texts->record);
}

fw_rc alert_note_payload(const struct alert_note *note, struct fw_buf *out)
{
    struct texts texts;
    struct fw_json json;
    fw_rc rc = texts_make(&texts, note);

    if (rc == FW_OK) {
        fw_json_init(&json, out);
        put_body(&json, note, texts.sentence.data, texts.record.data);
        rc = fw_json_rc(&json);
    }
    texts_release(&texts);
    return rc;
}

fw_rc alert_note_members(const struct alert_note *note, struct fw_json *json)
{
    struct texts texts;
    struct merged m;
    fw_rc rc = texts_make(&texts, note);

    if (rc == FW_OK) {
        merge(&m, note->watch, note->labels, note->state->told);
        fw_json_key(json, "labels");
        put_labels(json, &m);
        fw_json_key(json, "annotations");
        put_annotations(json, note, texts.sentence.data, texts.record.data);
    }
    texts_release(&texts);
    return rc;
}
