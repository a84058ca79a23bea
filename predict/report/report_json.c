/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "predict/forecast_print.h"
#include "predict/report/report.h"
#include "storage/base/json.h"

static void labels(struct fw_json *json, const struct fw_labels *l)
{
    fw_json_object(json);
    for (size_t i = 0; i < l->n; i++) {
        fw_json_key_str(json, l->v[i].name);
        fw_json_str(json, l->v[i].value);
    }
    fw_json_object_end(json);
}

static void record(struct fw_json *json, const struct fw_record *r)
{
    fw_json_object(json);
    fw_json_key(json, "predictions");
    fw_json_int(json, (int64_t)r->predictions);
    fw_json_key(json, "right");
    fw_json_int(json, (int64_t)r->right);
    fw_json_key(json, "false_alarms");
    fw_json_int(json, (int64_t)r->false_alarms);
    fw_json_key(json, "missed");
    fw_json_int(json, (int64_t)r->missed);
    fw_json_key(json, "brier");
    fw_json_double(json, r->brier);
    fw_json_key(json, "median_lead_s");
    if (r->median_lead < 0)
        fw_json_null(json);
    else
        fw_json_double(json, (double)r->median_lead / 1000.0);
    fw_json_object_end(json);
}

static void text(struct fw_json *json, const char *key, struct fw_str value)
{
    fw_json_key(json, key);
    fw_json_str(json, value);
}

static void row(struct fw_json *json, const struct fw_report_row *r)
{
    char limit[FW_DOUBLE_TEXT_BYTES + 8];

    fw_breach_print(&r->breach, limit);
    fw_json_object(json);
    text(json, "watch", r->watch);
    text(json, "expr", r->expr);
    text(json, "owner", r->owner);
    text(json, "reason", r->reason);
    text(json, "state", r->state);
    fw_json_key(json, "urgency");
    fw_json_text(json, report_urgency_name(report_urgency_of(r)));
    fw_json_key(json, "breach");
    fw_json_text(json, limit);
    fw_json_key(json, "for_s");
    fw_json_double(json, (double)r->breach.for_ms / 1000.0);
    fw_json_key(json, "horizon_s");
    fw_json_double(json, (double)r->horizon / 1000.0);
    fw_json_key(json, "fires_at");
    fw_json_double(json, r->probability);
    fw_json_key(json, "labels");
    labels(json, &r->series.labels);
    fw_json_key(json, "current");
    fw_json_double(json, r->series.current);
    fw_json_key(json, "current_at");
    fw_json_seconds(json, r->series.current_at);
    fw_json_key(json, "by_trend_s");
    if (r->by_trend < 0)
        fw_json_null(json);
    else
        fw_json_double(json, (double)r->by_trend / 1000.0);
    fw_json_key(json, "record");
    record(json, &r->record);
    fw_json_key(json, "notes");
    fw_json_array(json);
    for (size_t i = 0; i < r->note_count; i++) {
        fw_json_object(json);
        text(json, "question", fw_str_of(r->notes[i].question));
        text(json, "answer", r->notes[i].answer);
        fw_json_object_end(json);
    }
    fw_json_array_end(json);
    fw_json_key(json, "answer");
    if (r->series.forecast == NULL)
        fw_json_null(json);
    else
        forecast_json(json, r->series.forecast, true);
    fw_json_object_end(json);
}

fw_rc report_json(const struct fw_report_row **rows, size_t n, fw_ms now,
                  struct fw_str footer, struct fw_buf *out)
{
    struct fw_json json;

    fw_json_init(&json, out);
    fw_json_object(&json);
    fw_json_key(&json, "generated_at");
    fw_json_seconds(&json, now);
    fw_json_key(&json, "rows");
    fw_json_array(&json);
    for (size_t i = 0; i < n; i++)
        row(&json, rows[i]);
    fw_json_array_end(&json);
    text(&json, "footer", footer);
    fw_json_object_end(&json);
    if (fw_json_rc(&json) != FW_OK)
        return fw_json_rc(&json);
    return fw_buf_addc(out, '\n');
}
