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

static void put_alert(struct fw_json *j, const struct dispatch_alert *a)
{
    char fingerprint[20];

    (void)snprintf(fingerprint, sizeof(fingerprint), "%016llx",
                   (unsigned long long)silence_fingerprint(a->labels));
    fw_json_object(j);
    fw_json_field_text(j, "status", a->ends_at != 0 ? "resolved" : "firing");
    fw_json_key(j, "labels");
    fw_labels_json(j, a->labels);
    fw_json_key(j, "annotations");
    fw_labels_json(j, a->annotations);
    fw_json_field_time(j, "startsAt", a->starts_at);
    fw_json_field_time(j, "endsAt", a->ends_at);
    fw_json_field_text(j, "generatorURL", "");
    fw_json_field_text(j, "fingerprint", fingerprint);
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
    fw_json_field_text(&j, "receiver", "webhook");
    fw_json_field_text(&j, "status", any_firing(n) ? "firing" : "resolved");
    fw_json_key(&j, "alerts");
    fw_json_array(&j);
    for (size_t i = 0; i < n->count; i++)
        put_alert(&j, &n->alerts[i]);
    fw_json_array_end(&j);
    fw_json_key(&j, "groupLabels");
    fw_labels_json(&j, n->labels);
    if (n->count > 0) {
        put_common(&j, "commonLabels", n, false);
        put_common(&j, "commonAnnotations", n, true);
    }
    fw_json_field_text(&j, "externalURL", n->external_url);
    fw_json_field_text(&j, "version", "4");
    fw_json_field_text(&j, "groupKey", rc == FW_OK ? key.data : "");
    fw_json_field_int(&j, "truncatedAlerts", 0);
    if (first_forecast(n) != NULL) {
        fw_json_key(&j, "forecast");
        news_forecast(first_forecast(n), &j);
    }
    fw_json_object_end(&j);
    fw_buf_release(&key);
    return rc == FW_OK ? fw_json_rc(&j) : rc;
}
