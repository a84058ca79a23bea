/* SPDX-License-Identifier: GPL-3.0-or-later */
/* report_csv.c - the report as a table for other programs: a row a series. */
#include <math.h>

#include "predict/forecast_print.h"
#include "predict/report/report.h"

static const char head[] =
    "watch,series,urgency,state,value,limit,for_s,horizon_s,fires_at,"
    "probability,p10_s,p50_s,p90_s,by_trend_s,verdict,reason,model,"
    "error_vs_naive,right,false_alarms,missed,known,hint\n";

static void text(struct report_page *page, struct fw_str s)
{
    if (page->rc == FW_OK)
        page->rc = print_csv_text(page->out, s);
    report_put(page, ",");
}

static void number(struct report_page *page, double v)
{
    if (isfinite(v))
        report_printf(page, "%.10g", v);
    report_put(page, ",");
}

static void span(struct report_page *page, fw_ms t)
{
    if (t >= 0 && page->rc == FW_OK)
        page->rc = print_csv_seconds(page->out, t);
    report_put(page, ",");
}

static void series(struct report_page *page, const struct fw_labels *labels)
{
    struct fw_buf name = FW_BUF_INIT((size_t)1 << 20);

    if (page->rc == FW_OK && labels->n > 0)
        page->rc = fw_labels_print(&name, labels);
    text(page, (struct fw_str){name.data != NULL ? name.data : "", name.len});
    fw_buf_release(&name);
}

static void row(struct report_page *page, const struct fw_report_row *r)
{
    const struct fw_forecast *f = r->series.forecast;
    bool told = f != NULL && f->has_passage;
    char limit[FW_DOUBLE_TEXT_BYTES + 8];

    fw_breach_print(&r->breach, limit);
    text(page, r->watch);
    series(page, &r->series.labels);
    text(page, fw_str_of(report_urgency_name(report_urgency_of(r))));
    text(page, r->state);
    number(page, r->series.current);
    text(page, fw_str_of(limit));
    span(page, r->breach.for_ms);
    span(page, r->horizon);
    number(page, r->probability);
    number(page, told ? f->passage.probability : NAN);
    span(page, told ? f->passage.p10 : -1);
    span(page, told ? f->passage.p50 : -1);
    span(page, told ? f->passage.p90 : -1);
    span(page, r->by_trend);
    text(page, fw_str_of(f != NULL ? fw_verdict_name(f->verdict) : ""));
    text(page, fw_str_of(f != NULL && f->reason != FW_REASON_NONE
                             ? fw_reason_name(f->reason)
                             : ""));
    text(page, fw_str_of(f != NULL && f->model != NULL ? f->model : ""));
    number(page, f != NULL && f->score_count > 0 ? f->scores[0].mase : NAN);
    report_printf(page, "%llu,%llu,%llu,", (unsigned long long)r->record.right,
                  (unsigned long long)r->record.false_alarms,
                  (unsigned long long)r->record.missed);
    text(page, fw_str_of(f != NULL && f->known != NULL ? f->known : ""));
    if (page->rc == FW_OK)
        page->rc = print_csv_text(
            page->out, fw_str_of(f != NULL ? fw_forecast_hint(f) : ""));
    report_put(page, "\n");
}

fw_rc report_csv(const struct fw_report_row **rows, size_t n,
                 struct fw_buf *out)
{
    struct report_page page = {.out = out};

    report_put(&page, head);
    for (size_t i = 0; i < n; i++)
        row(&page, rows[i]);
    return page.rc;
}
