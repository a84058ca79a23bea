/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "predict/forecast_print.h"
#include "predict/report/report.h"
#include "storage/base/json.h"

void fw_record_json(struct fw_json *json, const struct fw_record *r,
                    const char *lead_key)
{
    fw_json_object(json);
    fw_json_field_count(json, "predictions", r->predictions);
    fw_json_field_count(json, "right", r->right);
    fw_json_field_count(json, "false_alarms", r->false_alarms);
    fw_json_field_count(json, "missed", r->missed);
    fw_json_field_double(json, "brier", r->brier);
    fw_json_field_span(json, lead_key, r->median_lead);
    fw_json_object_end(json);
}

static void row(struct fw_json *json, const struct fw_report_row *r)
{
    char limit[FW_DOUBLE_TEXT_BYTES + 8];

    fw_breach_print(&r->breach, limit);
    fw_json_object(json);
    fw_json_field_str(json, "watch", r->watch);
    fw_json_field_str(json, "expr", r->expr);
    fw_json_field_str(json, "owner", r->owner);
    fw_json_field_str(json, "reason", r->reason);
    fw_json_field_str(json, "state", r->state);
    fw_json_field_text(json, "urgency",
                       report_urgency_name(report_urgency_of(r)));
    fw_json_field_text(json, "breach", limit);
    fw_json_field_seconds(json, "for_s", r->breach.for_ms);
    fw_json_field_seconds(json, "horizon_s", r->horizon);
    fw_json_field_double(json, "fires_at", r->probability);
    fw_json_key(json, "labels");
    fw_labels_json(json, &r->series.labels);
    fw_json_field_double(json, "current", r->series.current);
    fw_json_field_seconds(json, "current_at", r->series.current_at);
    fw_json_field_span(json, "by_trend_s", r->by_trend);
    fw_json_key(json, "record");
    fw_record_json(json, &r->record, "median_lead_s");
    fw_json_key(json, "notes");
    fw_json_array(json);
    for (size_t i = 0; i < r->note_count; i++) {
        fw_json_object(json);
        fw_json_field_str(json, "question", fw_str_of(r->notes[i].question));
        fw_json_field_str(json, "answer", r->notes[i].answer);
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
    fw_json_field_seconds(&json, "generated_at", now);
    fw_json_key(&json, "rows");
    fw_json_array(&json);
    for (size_t i = 0; i < n; i++)
        row(&json, rows[i]);
    fw_json_array_end(&json);
    fw_json_field_str(&json, "footer", footer);
    fw_json_object_end(&json);
    if (fw_json_rc(&json) != FW_OK)
        return fw_json_rc(&json);
    return fw_buf_addc(out, '\n');
}
