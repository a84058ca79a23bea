/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "server/dispatch/dispatch_json.h"

#include <stdio.h>

#include "server/notify/silence.h"
#include "server/rules/rule_emit.h"
#include "storage/base/json.h"

void dispatch_put_labels(struct record_writer *w,
                         const struct fw_labels *labels)
{
    record_put_u32(w, (uint32_t)labels->n);
    for (size_t i = 0; i < labels->n; i++) {
        record_put_str(w, labels->v[i].name);
        record_put_str(w, labels->v[i].value);
    }
}

bool dispatch_get_labels(struct record_reader *r, struct fw_label *v,
                         struct fw_labels *out)
{
    uint32_t n = record_get_u32(r);

    if (r->bad || n > RULE_MAX_LABELS)
        return false;
    for (uint32_t i = 0; i < n; i++) {
        v[i].name = record_get_str(r);
        v[i].value = record_get_str(r);
    }
    *out = (struct fw_labels){v, n};
    return !r->bad;
}

static void put_text(struct fw_json *j, const char *key, const char *text)
{
    fw_json_key(j, key);
    fw_json_text(j, text);
}

static void put_labels(struct fw_json *j, const char *key,
                       const struct fw_labels *labels)
{
    fw_json_key(j, key);
    fw_json_object(j);
    for (size_t i = 0; i < labels->n; i++) {
        fw_json_key_str(j, labels->v[i].name);
        fw_json_str(j, labels->v[i].value);
    }
    fw_json_object_end(j);
}

static void put_time(struct fw_json *j, const char *key, fw_ms t)
{
    char text[FW_TIME_TEXT_BYTES];

    (void)fw_format_time(text, t);
    put_text(j, key, t != 0 ? text : "0001-01-01T00:00:00Z");
}

static void put_alert(struct fw_json *j, const struct dispatch_alert *a)
{
    char fingerprint[20];

    (void)snprintf(fingerprint, sizeof(fingerprint), "%016llx",
                   (unsigned long long)silence_fingerprint(a->labels));
    fw_json_object(j);
    put_text(j, "status", a->ends_at != 0 ? "resolved" : "firing");
    put_labels(j, "labels", a->labels);
    put_labels(j, "annotations", a->annotations);
    put_time(j, "startsAt", a->starts_at);
    put_time(j, "endsAt", a->ends_at);
    put_text(j, "generatorURL", "");
    put_text(j, "fingerprint", fingerprint);
    if (a->news != NULL) {
        fw_json_key(j, "forecast");
        news_forecast(a->news, j);
    }
    fw_json_object_end(j);
}

/* What all have alike. */
static void put_common(struct fw_json *j, const char *key,
                       const struct dispatch_notice *n, bool annotations)
{
    const struct fw_labels *first =
        annotations ? n->alerts[0].annotations : n->alerts[0].labels;

    fw_json_key(j, key);
    fw_json_object(j);
    for (size_t i = 0; i < first->n; i++) {
        bool common = true;

        for (size_t k = 1; common && k < n->count; k++)
            common =
                fw_str_eq(fw_labels_get(annotations ? n->alerts[k].annotations
                                                    : n->alerts[k].labels,
                                        first->v[i].name),
                          first->v[i].value);
        if (!common)
            continue;
        fw_json_key_str(j, first->v[i].name);
        fw_json_str(j, first->v[i].value);
    }
    fw_json_object_end(j);
}

/* What still fires first. */
static const struct news *first_forecast(const struct dispatch_notice *n)
{
    const struct news *first = NULL;

    for (size_t i = 0; i < n->count; i++)
        if (n->alerts[i].news != NULL &&
            (first == NULL ||
             (first->ends_at != 0 && n->alerts[i].ends_at == 0)))
            first = n->alerts[i].news;
    return first;
}

static bool any_firing(const struct dispatch_notice *n)
{
    for (size_t i = 0; i < n->count; i++)
        if (n->alerts[i].ends_at == 0)
            return true;
    return false;
}

fw_rc dispatch_json(const struct dispatch_notice *n, struct fw_buf *out)
{
    struct fw_buf key = FW_BUF_INIT(65536);
    struct fw_json j;
    fw_rc rc = fw_buf_adds(&key, "{}:");

    if (rc == FW_OK)
        rc = n->labels->n > 0 ? fw_labels_print(&key, n->labels)
                              : fw_buf_adds(&key, "{}");
    fw_json_init(&j, out);
    fw_json_object(&j);
    put_text(&j, "receiver", "webhook");
    put_text(&j, "status", any_firing(n) ? "firing" : "resolved");
    fw_json_key(&j, "alerts");
    fw_json_array(&j);
    for (size_t i = 0; i < n->count; i++)
        put_alert(&j, &n->alerts[i]);
    fw_json_array_end(&j);
    put_labels(&j, "groupLabels", n->labels);
    if (n->count > 0) {
        put_common(&j, "commonLabels", n, false);
        put_common(&j, "commonAnnotations", n, true);
    }
    put_text(&j, "externalURL", n->external_url);
    put_text(&j, "version", "4");
    put_text(&j, "groupKey", rc == FW_OK ? key.data : "");
    fw_json_key(&j, "truncatedAlerts");
    fw_json_int(&j, 0);
    if (first_forecast(n) != NULL) {
        fw_json_key(&j, "forecast");
        news_forecast(first_forecast(n), &j);
    }
    fw_json_object_end(&j);
    fw_buf_release(&key);
    return rc == FW_OK ? fw_json_rc(&j) : rc;
}
