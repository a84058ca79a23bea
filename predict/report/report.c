/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "predict/report/report.h"
#include "predict/robust.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

/* ---- Order --------------------------------------------------------------- */

enum report_urgency report_urgency_of(const struct fw_report_row *row)
{
    const struct fw_forecast *f = row->series.forecast;

    if (f == NULL || f->verdict == FW_CANNOT_TELL || !f->has_passage)
        return REPORT_UNKNOWN;
    if (f->passage.breached_now)
        return REPORT_BREACHED;
    if (f->passage.probability >= row->probability)
        return REPORT_LIKELY;
    if (f->passage.probability >= 0.5 * row->probability)
        return REPORT_POSSIBLE;
    return REPORT_CALM;
}

const char *report_urgency_name(enum report_urgency urgency)
{
    static const char *const names[] = {"beyond the limit", "breach likely",
                                        "cannot tell", "possible", "calm"};

    return names[urgency];
}

struct fw_labels report_labels(const struct fw_report_row *row)
{
    struct fw_labels l = row->series.labels;

    if (l.n > 0 && fw_str_eq(l.v[0].name, FW_STR("__name__")))
        return (struct fw_labels){l.v + 1, l.n - 1};
    return l; /* also where a label in capital letters stands before it */
}

/* What is foreseen, then what a line alone leads to, then what is only not
 * ruled out. */
static fw_ms soonest(const struct fw_report_row *row)
{
    const struct fw_forecast *f = row->series.forecast;

    if (f == NULL || !f->has_passage)
        return INT64_MAX;
    if (f->passage.p50 >= 0)
        return f->passage.p50;
    if (row->by_trend >= 0)
        return row->by_trend;
    return f->passage.p10 >= 0 ? INT64_MAX / 2 + f->passage.p10 : INT64_MAX;
}

/* Beyond the horizon nothing is known but the rate of a steady climb: told as
 * that, and only where the shape is one. */
static fw_ms by_trend(const struct fw_report_row *row)
{
    const struct fw_forecast *f = row->series.forecast;
    fw_ms at = -1;

    if (f == NULL || !f->has_passage || f->passage.p50 >= 0 ||
        (f->verdict != FW_TREND && f->verdict != FW_TREND_SEASONAL) ||
        f->history_n == 0)
        return -1;
    if (robust_until(f->history_t, f->history_v, f->history_n,
                     f->history_t[f->history_n - 1], row->breach.limit,
                     &at) != FW_OK)
        return -1;
    return at > row->horizon ? at : -1;
}

static int by_urgency(const void *a, const void *b)
{
    const struct fw_report_row *x = *(const struct fw_report_row *const *)a;
    const struct fw_report_row *y = *(const struct fw_report_row *const *)b;
    int ux = (int)report_urgency_of(x), uy = (int)report_urgency_of(y);
    double px, py;

    if (ux != uy)
        return ux - uy;
    if (soonest(x) != soonest(y))
        return soonest(x) < soonest(y) ? -1 : 1;
    px = x->series.forecast != NULL ? x->series.forecast->passage.probability
                                    : 0.0;
    py = y->series.forecast != NULL ? y->series.forecast->passage.probability
                                    : 0.0;
    if (px != py)
        return px > py ? -1 : 1;
    ux = fw_str_cmp(x->watch, y->watch);
    return ux != 0 ? ux : fw_labels_cmp(&x->series.labels, &y->series.labels);
}

/* ---- Words --------------------------------------------------------------- */

void report_put(struct report_page *page, const char *text)
{
    if (page->rc == FW_OK)
        page->rc = fw_buf_adds(page->out, text);
}

void report_printf(struct report_page *page, const char *fmt, ...)
{
    char text[2048];
    va_list args;

    va_start(args, fmt);
    (void)vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    report_put(page, text);
}

void report_escaped(struct report_page *page, struct fw_str text)
{
    size_t at = 0;

    while (page->rc == FW_OK && at < text.n) {
        uint32_t cp;
        size_t len = fw_utf8_next(text.p + at, text.n - at, &cp);

        if (cp == '&')
            report_put(page, "&amp;");
        else if (cp == '<')
            report_put(page, "&lt;");
        else if (cp == '>')
            report_put(page, "&gt;");
        else if (cp == '"')
            report_put(page, "&quot;");
        else if (cp == '\'')
            report_put(page, "&#39;");
        else if (cp == '\n' || cp == '\t')
            report_put(page, " ");
        /* Controls, and those that turn the direction of text around. */
        else if (cp < 0x20 || (cp >= 0x7f && cp < 0xa0) || cp == 0xfffd ||
                 (cp >= 0x202a && cp <= 0x202e) ||
                 (cp >= 0x2066 && cp <= 0x2069))
            report_put(page, "\xef\xbf\xbd");
        else
            page->rc = fw_buf_add(page->out, text.p + at, len);
        at += len;
    }
}

void report_when(const struct fw_report_row *row, char out[96])
{
    const struct fw_forecast *f = row->series.forecast;
    char span[WORDS_BYTES];

    if (f == NULL || !f->has_passage) {
        (void)snprintf(out, 96, "-");
    } else if (f->passage.breached_now) {
        (void)snprintf(out, 96, "now");
    } else if (f->passage.p50 >= 0) {
        (void)words_span(f->passage.p50, span);
        if (f->passage.p50 < FW_SECOND)
            (void)snprintf(out, 96, "any moment");
        else
            (void)snprintf(out, 96, "in %s", span);
    } else if (row->by_trend >= 0) {
        (void)words_span(row->by_trend, span);
        (void)snprintf(out, 96, "by trend in %s", span);
    } else if (f->passage.p10 >= 0) {
        (void)words_span(f->passage.p10, span);
        (void)snprintf(out, 96, "not before %s", span);
    } else {
        (void)words_span(row->horizon, span);
        (void)snprintf(out, 96, "not within %s", span);
    }
}

/* ---- The door ------------------------------------------------------------ */

fw_rc fw_report_print(const struct fw_report_row *rows, size_t n, fw_ms now,
                      enum fw_report_format format, bool color, int columns,
                      struct fw_str footer, struct fw_buf *out,
                      struct fw_err *err)
{
    const struct fw_report_row **order = calloc(n + 1, sizeof(const void *));
    struct fw_report_row *own = calloc(n + 1, sizeof(*own));
    struct report_page page = {out,   FW_OK, columns > 40 ? columns : 80,
                               color, now,   footer};

    if (order == NULL || own == NULL) {
        free(order);
        free(own);
        return fw_err_set(err, FW_ENOMEM, "out of memory for the report");
    }
    for (size_t i = 0; i < n; i++) {
        own[i] = rows[i];
        own[i].by_trend = by_trend(&rows[i]);
        order[i] = &own[i];
    }
    qsort(order, n, sizeof(const void *), by_urgency); /* of pointers */
    if (format == FW_REPORT_JSON)
        page.rc = report_json(order, n, now, footer, out);
    else if (format == FW_REPORT_HTML)
        report_html(&page, order, n);
    else if (format == FW_REPORT_CSV)
        page.rc = report_csv(order, n, out);
    else if (format == FW_REPORT_PDF)
        page.rc = report_pdf(&page, order, n);
    else
        report_text(&page, order, n);
    free(order);
    free(own);
    if (page.rc == FW_NONE)
        return fw_err_set(err, FW_EINVAL,
                          "this forewarn was built without cairo and makes no "
                          "PDF; print the page of --format html");
    if (page.rc != FW_OK)
        return fw_err_set(err, page.rc, "the report does not fit in memory");
    return FW_OK;
}
