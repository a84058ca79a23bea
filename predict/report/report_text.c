/* SPDX-License-Identifier: GPL-3.0-or-later */
/* report_text.c - the report for a terminal: a table, then a part per row. */
#include "predict/forecast_print.h"
#include "predict/report/report.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static const char *const paint[] = {"\033[1;31m", "\033[31m", "\033[35m",
                                    "\033[33m", "\033[32m"};

#define NAME_COLUMNS 32

static void visible(struct report_page *page, struct fw_str text)
{
    if (page->rc == FW_OK)
        page->rc = fw_add_visible(page->out, text);
}

/* Label values are whatever a sender liked: directions of text included. */
static void series_name(struct report_page *page,
                        const struct fw_labels *labels)
{
    struct fw_buf text = FW_BUF_INIT(page->out->max);

    if (page->rc == FW_OK)
        page->rc = fw_labels_print(&text, labels);
    visible(page, (struct fw_str){text.data, text.len});
    fw_buf_release(&text);
}

static void colored(struct report_page *page, enum report_urgency u,
                    const char *text)
{
    if (page->color)
        report_put(page, paint[u]);
    report_put(page, text);
    if (page->color)
        report_put(page, "\033[0m");
}

/* Breaks a sentence between words to the width of the page. */
static void wrapped(struct report_page *page, const char *head,
                    const char *text)
{
    size_t indent = strlen(head), at = indent;

    report_put(page, head);
    while (*text != '\0' && page->rc == FW_OK) {
        size_t word = strcspn(text, " ");

        if (at > indent && at + 1 + word > (size_t)page->columns) {
            report_printf(page, "\n%*s", (int)indent, "");
            at = indent;
        } else if (at > indent) {
            report_put(page, " ");
            at++;
        }
        if (page->rc == FW_OK)
            page->rc = fw_buf_add(page->out, text, word);
        at += word;
        text += word;
        text += *text == ' ';
    }
    report_put(page, "\n");
}

/* The watch and its series, in NAME_COLUMNS: what does not fit is in the part
 * below. */
static void which(struct report_page *page, const struct fw_report_row *row)
{
    struct fw_labels labels = report_labels(row);
    struct fw_buf text = FW_BUF_INIT(page->out->max), shown = text;
    size_t at = 0, columns = 0;

    if (page->rc == FW_OK)
        page->rc = fw_buf_add(&text, row->watch.p, row->watch.n);
    if (page->rc == FW_OK && labels.n > 0)
        page->rc = fw_labels_print(&text, &labels);
    if (page->rc == FW_OK)
        page->rc = fw_add_visible(&shown, (struct fw_str){text.data, text.len});
    while (at < shown.len && columns < NAME_COLUMNS) {
        uint32_t cp;

        at += fw_utf8_next(shown.data + at, shown.len - at, &cp);
        columns++;
    }
    if (page->rc == FW_OK)
        page->rc = fw_buf_add(page->out, shown.data, at);
    report_printf(page, "%*s", (int)(NAME_COLUMNS - columns), "");
    fw_buf_release(&text);
    fw_buf_release(&shown);
}

static void summary_row(struct report_page *page,
                        const struct fw_report_row *row)
{
    const struct fw_forecast *f = row->series.forecast;
    char current[WORDS_BYTES], limit[FW_DOUBLE_TEXT_BYTES + 8], when[96],
        chance[WORDS_BYTES] = "-";
    enum report_urgency u = report_urgency_of(row);

    (void)words_number(row->series.current, current);
    fw_breach_print(&row->breach, limit);
    report_when(row, when);
    if (f != NULL && f->has_passage)
        (void)words_percent(f->passage.probability, chance);
    which(page, row);
    report_printf(page, " %9s %-10s %10s  %-19s ", current, limit, chance,
                  when);
    colored(page, u, report_urgency_name(u));
    report_put(page, "\n");
}

static void record(struct report_page *page, const struct fw_record *r)
{
    char lead[WORDS_BYTES], line[256];

    if (r->predictions == 0) {
        wrapped(page, "  record   ", "no prediction of this watch is due yet");
        return;
    }
    (void)snprintf(line, sizeof(line),
                   "%llu predictions scored: %llu breaches forewarned, %llu "
                   "false alarms, %llu missed; Brier score %.3f",
                   (unsigned long long)r->predictions,
                   (unsigned long long)r->right,
                   (unsigned long long)r->false_alarms,
                   (unsigned long long)r->missed, r->brier);
    if (r->median_lead >= 0) {
        size_t at = strlen(line);

        (void)words_span(r->median_lead, lead);
        (void)snprintf(line + at, sizeof(line) - at, "; median lead %s", lead);
    }
    wrapped(page, "  record   ", line);
}

static void chart(struct report_page *page, const struct fw_report_row *row)
{
    const struct fw_forecast *f = row->series.forecast;
    size_t shown = 2 * f->n > 48 ? 2 * f->n : 48;
    size_t skip = f->history_n > shown ? f->history_n - shown : 0;
    const struct fw_chart_line lines[2] = {{.title = FW_STR("seen"),
                                            .t = f->history_t + skip,
                                            .v = f->history_v + skip,
                                            .n = f->history_n - skip},
                                           {.title = FW_STR("forecast"),
                                            .t = f->t,
                                            .v = f->point,
                                            .lower = f->lower,
                                            .upper = f->upper,
                                            .n = f->n}};
    fw_ms mark = f->n > 0 ? f->t[0] - f->step + f->passage.p50 : 0;
    const struct fw_chart c = {.lines = lines,
                               .line_count = 2,
                               .limits = &row->breach.limit,
                               .limit_count = 1,
                               .marks = &mark,
                               .mark_count =
                                   f->has_passage && f->passage.p50 >= 0,
                               .columns = page->columns,
                               .rows = 14,
                               .color = page->color};

    if (page->rc == FW_OK && f->n > 0)
        page->rc = fw_print_chart(&c, page->out);
}

static void answer(struct report_page *page, const struct fw_report_note *note)
{
    struct fw_buf line = FW_BUF_INIT(65536);

    report_put(page, "  ");
    report_put(page, note->question);
    report_put(page, "\n");
    /* What is said may quote labels: made harmless, one paragraph. */
    if (page->rc == FW_OK)
        page->rc = fw_buf_add(&line, note->answer.p, note->answer.n);
    for (size_t i = 0; i < line.len; i++)
        if (line.data[i] == '\n')
            line.data[i] = ' ';
    if (page->rc == FW_OK && line.len > 0)
        wrapped(page, "           ", line.data);
    fw_buf_release(&line);
}

static void trend(struct report_page *page, const struct fw_report_row *row)
{
    char span[WORDS_BYTES], line[256];

    if (row->by_trend < 0)
        return;
    (void)snprintf(line, sizeof(line),
                   "a straight line at its rate meets the limit in %s, if "
                   "nothing changes before; beyond the horizon no chance is "
                   "claimed",
                   words_span(row->by_trend, span));
    wrapped(page, "  trend    ", line);
}

static void part(struct report_page *page, const struct fw_report_row *row)
{
    const struct fw_forecast *f = row->series.forecast;
    char line[512];

    report_put(page, "\n");
    visible(page, row->watch);
    report_put(page, ": ");
    visible(page, row->expr);
    report_put(page, "\n");
    if (page->rc == FW_OK && row->series.labels.n > 0) {
        report_put(page, "  series   ");
        series_name(page, &row->series.labels);
        report_put(page, "\n");
    }
    if (row->owner.n > 0) {
        report_put(page, "  owner    ");
        visible(page, row->owner);
        report_put(page, "\n");
    }
    if (row->reason.n > 0) {
        report_put(page, "  why      ");
        visible(page, row->reason);
        report_put(page, "\n");
    }
    if (f != NULL) {
        (void)snprintf(line, sizeof(line), "%s: %s",
                       fw_verdict_name(f->verdict), f->why);
        wrapped(page, "  shape    ", line);
        if (f->verdict != FW_CANNOT_TELL) {
            passage_words(f, &row->breach, row->horizon, line, sizeof(line));
            wrapped(page, "  breach   ", line);
            trend(page, row);
            (void)snprintf(line, sizeof(line),
                           "%s; error %.2f times that of the naive forecast",
                           f->model, f->scores[0].mase);
            wrapped(page, "  model    ", line);
            wrapped(page, "  assumes  ", f->assumes);
        }
        if (f->known != NULL && *f->known != '\0')
            wrapped(page, "  known    ", f->known);
        if (f->counter)
            wrapped(page, "  hint     ", fw_forecast_hint(f));
    }
    record(page, &row->record);
    for (size_t i = 0; i < row->note_count; i++)
        answer(page, &row->notes[i]);
    if (f != NULL && report_urgency_of(row) <= REPORT_POSSIBLE)
        chart(page, row);
}

void report_text(struct report_page *page, const struct fw_report_row **rows,
                 size_t n)
{
    char now[FW_TIME_TEXT_BYTES];

    (void)fw_format_second(now, page->now);
    report_printf(page,
                  "Forecast report of %s, %zu row%s, most urgent first\n\n",
                  now, n, n == 1 ? "" : "s");
    if (n == 0) {
        report_put(page, "No watch has a series to look at.\n");
        return;
    }
    report_printf(page, "%-*s %9s %-10s %10s  %s\n", NAME_COLUMNS, "watch",
                  "current", "limit", "chance", "breach");
    for (size_t i = 0; i < n; i++)
        summary_row(page, rows[i]);
    for (size_t i = 0; i < n; i++)
        part(page, rows[i]);
    if (page->footer.n > 0) {
        report_put(page, "\n");
        visible(page, page->footer);
        report_put(page, "\n");
    }
}
