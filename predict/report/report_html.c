/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * report_html.c - the report as one self-contained page: no script, no font,
 * no picture from elsewhere. Light and dark by the reader's wish, black on
 * white with a section a page part on paper, and every text escaped.
 */
#include "predict/report/report.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* Colours: ink and paper first, then what was seen, what is ahead, the limit,
 * and one per urgency. Contrast of text is at least 4.5 to 1 in both themes. */
static const char style_screen[] =
    "<style>\n"
    ":root{color-scheme:light dark;--paper:#faf9f6;--card:#ffffff;"
    "--ink:#1c2330;--soft:#5b6575;--line:#e2e0da;--grid:#ecebe6;"
    "--seen:#2a4d7c;--ahead:#c2590c;--band:#f2b37a55;--limit:#b3261e;"
    "--u0:#b3261e;--u1:#b3261e;--u2:#6f42a8;--u3:#8f6200;--u4:#2e7045}\n"
    "@media (prefers-color-scheme:dark){:root{--paper:#14171d;--card:#1b1f27;"
    "--ink:#e6e8ec;--soft:#9aa4b4;--line:#2c323d;--grid:#262b35;"
    "--seen:#8fb4ea;--ahead:#f0944a;--band:#f0944a33;--limit:#ff7b72;"
    "--u0:#ff7b72;--u1:#ff7b72;--u2:#c49cf4;--u3:#e3b341;--u4:#6cc088}}\n"
    "*{box-sizing:border-box}\n"
    "body{margin:0;background:var(--paper);color:var(--ink);"
    "font:15px/1.5 system-ui,-apple-system,'Segoe UI',Roboto,'Noto Sans',"
    "sans-serif;font-variant-numeric:tabular-nums}\n"
    "main{max-width:1060px;margin:0 auto;padding:40px 24px 64px}\n"
    "header{display:flex;flex-wrap:wrap;align-items:baseline;gap:4px 20px;"
    "border-bottom:2px solid var(--ink);padding-bottom:14px}\n"
    "h1{font-size:30px;line-height:1.15;letter-spacing:-.02em;margin:0}\n"
    "header p{margin:0;color:var(--soft)}\n"
    ".lead{font-size:19px;margin:20px 0 24px;max-width:46em}\n"
    "h2{font-size:20px;letter-spacing:-.01em;margin:0}\n"
    "code{font:13px/1.5 ui-monospace,'SF Mono',Menlo,Consolas,monospace;"
    "overflow-wrap:anywhere}\n"
    "table{width:100%;border-collapse:collapse}\n"
    "th{text-align:left;font-size:12px;font-weight:600;color:var(--soft);"
    "letter-spacing:.02em}\n"
    "th,td{padding:9px 10px;border-bottom:1px solid var(--line);"
    "vertical-align:top}\n"
    "td.n,th.n{text-align:right;white-space:nowrap}\n"
    "td.when{min-width:8.5em}tbody th{font-size:inherit;font-weight:400;"
    "color:inherit;letter-spacing:0}\n"
    "caption{position:absolute;width:1px;height:1px;overflow:hidden;"
    "clip-path:inset(50%)}\n"
    ".scroll{overflow-x:auto}\n"
    ".summary a{color:inherit;font-weight:600;text-decoration-color:"
    "var(--line);text-underline-offset:3px}\n"
    ".series{display:block;color:var(--soft)}\n"
    ".meter{display:inline-block;width:64px;height:7px;border-radius:4px;"
    "background:var(--grid);margin-right:9px;vertical-align:1px;"
    "overflow:hidden}\n"
    ".meter i{display:block;height:100%;border-radius:4px}\n"
    ".chip{display:inline-block;font-size:12.5px;font-weight:600;padding:1px "
    "9px;border-radius:999px;border:1.5px solid currentColor;"
    "white-space:nowrap}\n"
    ".u0{color:var(--u0)}.u1{color:var(--u1)}.u2{color:var(--u2)}"
    ".u3{color:var(--u3)}.u4{color:var(--u4)}\n"
    ".u0 i,.u1 i{background:var(--u1)}.u3 i{background:var(--u3)}"
    ".u2 i{background:var(--u2)}.u4 i{background:var(--u4)}\n"
    ".chip.u0{background:var(--u0);border-color:var(--u0);"
    "color:var(--card)}\n"
    "section{background:var(--card);border:1px solid var(--line);"
    "border-radius:12px;padding:22px 24px 18px;margin-top:28px}\n"
    ".head{display:flex;flex-wrap:wrap;gap:6px 14px;align-items:center}\n"
    ".head .owner{margin-left:auto;color:var(--soft)}\n"
    ".expr{margin:4px 0 0;color:var(--soft)}\n"
    ".facts{display:flex;flex-wrap:wrap;gap:14px 44px;margin:18px 0 10px}\n"
    ".facts div{min-width:96px}\n"
    ".facts dt,dl.notes dt{font-size:12px;font-weight:600;"
    "color:var(--soft)}\n"
    ".facts dd{margin:0;font-size:23px;line-height:1.25;"
    "letter-spacing:-.01em;font-weight:600}\n"
    ".facts dd small{display:block;font-size:13px;font-weight:400;"
    "letter-spacing:0;color:var(--soft)}\n";

static const char style_chart[] =
    "svg{display:block;width:100%;height:auto;margin:6px 0 14px}\n"
    "svg text{font:12px system-ui,-apple-system,'Segoe UI',Roboto,sans-serif;"
    "font-variant-numeric:tabular-nums}\n"
    ".grid{stroke:var(--grid);stroke-width:1}.tick{fill:var(--soft)}\n"
    ".now{stroke:var(--soft);stroke-width:1;stroke-dasharray:2 3}\n"
    ".seen{fill:none;stroke:var(--seen);stroke-width:1.6;"
    "stroke-linejoin:round}\n"
    ".ahead{fill:none;stroke:var(--ahead);stroke-width:2.2;"
    "stroke-linejoin:round}\n"
    ".band{fill:var(--band);stroke:none}\n"
    ".limit{stroke:var(--limit);stroke-width:1.6;stroke-dasharray:7 4}\n"
    ".limit-text,.when-text{fill:var(--limit);font-weight:600}\n"
    ".when{fill:var(--limit)}\n"
    ".median{stroke:var(--limit);stroke-width:1.4}\n"
    "dl.notes{display:grid;grid-template-columns:7.5em 1fr;gap:7px 14px;"
    "margin:0}\n"
    "dl.notes dt{padding-top:2px}dl.notes dd{margin:0;max-width:50em}\n"
    "details{margin-top:12px}summary{cursor:pointer;color:var(--soft)}\n"
    "details table{margin-top:6px;width:auto}\n"
    "details th,details td{padding:4px 14px 4px 0}\n"
    "footer{margin-top:36px;color:var(--soft);font-size:13px}\n"
    ".key{display:flex;flex-wrap:wrap;gap:4px 22px;color:var(--soft);"
    "font-size:13px;margin:14px 0 0;padding:0;list-style:none}\n"
    ".key span{display:inline-block;width:22px;height:0;margin-right:7px;"
    "vertical-align:4px;border-top:2.5px solid}\n"
    "@media (max-width:640px){main{padding:24px 14px}dl.notes{display:block}"
    "dl.notes dd{margin-bottom:9px}section{padding:16px 14px}}\n"
    "@media "
    "print{@page{margin:14mm}:root{color-scheme:light;--paper:#fff;--card:#fff;"
    "--ink:#000;--soft:#444;--line:#bbb;--grid:#ddd;--seen:#2a4d7c;"
    "--ahead:#c2590c;--band:#f2b37a66;--limit:#b3261e;--u0:#b3261e;"
    "--u1:#b3261e;--u2:#6f42a8;--u3:#8f6200;--u4:#2e7045}"
    "body{font-size:11px}main{max-width:none;padding:0}h1{font-size:22px}"
    ".lead{font-size:14px;margin:12px 0}.scroll{overflow:visible}"
    "th,td{padding:4px 6px}th{font-size:10px}code,.chip{font-size:10px}"
    ".meter,details{display:none}.facts{gap:6px 28px;margin:8px 0 4px}"
    ".facts dd{font-size:16px}.facts dd small,.facts dt,dl.notes dt"
    "{font-size:10px}tr,svg{break-inside:avoid}h2{font-size:15px}"
    ".head,.facts{break-after:avoid}section{padding:10px 12px;"
    "margin-top:14px;break-inside:avoid;border-radius:0}*{-webkit-print-color-"
    "adjust:exact;"
    "print-color-adjust:exact}}\n"
    "</style>\n";

static void labels(struct report_page *page, const struct fw_labels *l)
{
    struct fw_buf text = FW_BUF_INIT((size_t)1 << 20);

    if (l->n == 0)
        return;
    if (page->rc == FW_OK)
        page->rc = fw_labels_print(&text, l);
    if (page->rc == FW_OK && text.len > 0)
        report_escaped(page, (struct fw_str){text.data, text.len});
    fw_buf_release(&text);
}

static void chip(struct report_page *page, enum report_urgency u)
{
    report_printf(page, "<span class=\"chip u%d\">%s</span>", (int)u,
                  report_urgency_name(u));
}

static void limit_text(struct report_page *page, const struct fw_breach *breach)
{
    char number[WORDS_BYTES], span[WORDS_BYTES];

    report_printf(page, "%s%s %s", breach->side == FW_ABOVE ? "&gt;" : "&lt;",
                  breach->or_equal ? "=" : "",
                  words_number(breach->limit, number));
    if (breach->for_ms > 0) {
        (void)words_span(breach->for_ms, span);
        report_printf(page, " for %s", span);
    }
}

static void record_short(struct report_page *page, const struct fw_record *r)
{
    if (r->predictions == 0)
        report_put(page, "new");
    else
        report_printf(page, "%llu right, %llu false, %llu missed",
                      (unsigned long long)r->right,
                      (unsigned long long)r->false_alarms,
                      (unsigned long long)r->missed);
}

static void meter(struct report_page *page, const struct fw_report_row *row)
{
    const struct fw_forecast *f = row->series.forecast;
    char chance[WORDS_BYTES];

    if (f == NULL || !f->has_passage) {
        report_put(page, "-");
        return;
    }
    report_printf(page,
                  "<span class=\"meter u%d\" aria-hidden=\"true\"><i "
                  "style=\"width:%.0f%%\"></i></span>%s",
                  (int)report_urgency_of(row), 100.0 * f->passage.probability,
                  words_percent(f->passage.probability, chance));
}

static void summary_row(struct report_page *page,
                        const struct fw_report_row *row, size_t i)
{
    const struct fw_forecast *f = row->series.forecast;
    char number[WORDS_BYTES], when[96];

    report_when(row, when);
    report_printf(page, "<tr><th scope=\"row\"><a href=\"#r%zu\">", i);
    report_escaped(page, row->watch);
    report_put(page, "</a>");
    if (row->series.labels.n > 0) {
        report_put(page, "<code class=\"series\">");
        labels(page, &row->series.labels);
        report_put(page, "</code>");
    }
    report_put(page, "</th><td>");
    chip(page, report_urgency_of(row));
    report_printf(page, "</td><td class=\"n\">%s</td><td class=\"n\">",
                  words_number(row->series.current, number));
    limit_text(page, &row->breach);
    report_put(page, "</td><td class=\"n\">");
    meter(page, row);
    report_printf(page, "</td><td class=\"when\">%s</td><td>%s</td><td>", when,
                  f != NULL ? fw_verdict_name(f->verdict) : "no data");
    record_short(page, &row->record);
    report_put(page, "</td></tr>\n");
}

static void summary(struct report_page *page, const struct fw_report_row **rows,
                    size_t n)
{
    report_put(page,
               "<div class=\"scroll\" role=\"region\" tabindex=\"0\" "
               "aria-label=\"Summary\"><table class=\"summary\">\n<caption"
               ">All watches, most urgent first</caption>\n<thead><tr>"
               "<th scope=\"col\">Watch</th><th scope=\"col\">Urgency</th>"
               "<th scope=\"col\" class=\"n\">Now</th><th scope=\"col\" "
               "class=\"n\">Limit</th><th scope=\"col\" class=\"n\">Chance of "
               "a breach</th><th scope=\"col\">When</th><th scope=\"col\">"
               "Shape</th><th scope=\"col\">Record</th></tr></thead>\n"
               "<tbody>\n");
    for (size_t i = 0; i < n; i++)
        summary_row(page, rows[i], i);
    report_put(page, "</tbody></table></div>\n");
}

static void facts(struct report_page *page, const struct fw_report_row *row)
{
    const struct fw_forecast *f = row->series.forecast;
    char number[WORDS_BYTES], span[WORDS_BYTES], chance[WORDS_BYTES], when[96],
        p10[WORDS_BYTES];

    report_printf(page,
                  "<dl class=\"facts\"><div><dt>Now</dt><dd>%s</dd></div>"
                  "<div><dt>Limit</dt><dd>",
                  words_number(row->series.current, number));
    limit_text(page, &row->breach);
    report_put(page, "</dd></div>");
    if (f->has_passage) {
        (void)words_span(row->horizon, span);
        report_printf(page,
                      "<div><dt>Chance of a breach</dt><dd>%s<small>within %s; "
                      "fires at %.0f %%</small></dd></div>",
                      words_percent(f->passage.probability, chance), span,
                      100.0 * row->probability);
        report_when(row, when);
        report_printf(page, "<div><dt>When</dt><dd>%s", when);
        if (!f->passage.breached_now && f->passage.p50 >= 0) {
            (void)words_span(f->passage.p10, p10);
            (void)words_span(f->passage.p90, span);
            if (f->passage.p90 >= 0)
                report_printf(page, "<small>80 %% between %s and %s</small>",
                              p10, span);
            else
                report_printf(page, "<small>not before %s</small>", p10);
        } else if (row->by_trend >= 0) {
            report_put(page, "<small>a straight line at its rate; beyond the "
                             "horizon no chance is claimed</small>");
        }
        report_put(page, "</dd></div>");
    }
    report_put(page, "</dl>\n");
}

static void note(struct report_page *page, const char *title)
{
    report_printf(page, "<dt>%s</dt><dd>", title);
}

static void record_long(struct report_page *page, const struct fw_record *r)
{
    char span[WORDS_BYTES];

    note(page, "Record");
    if (r->predictions == 0) {
        report_put(page, "No prediction of this watch is due yet.</dd>\n");
        return;
    }
    report_printf(
        page,
        "Of %llu predictions scored, %llu breaches were forewarned, "
        "%llu alarms were false, %llu breaches were missed",
        (unsigned long long)r->predictions, (unsigned long long)r->right,
        (unsigned long long)r->false_alarms, (unsigned long long)r->missed);
    if (r->median_lead >= 0) {
        (void)words_span(r->median_lead, span);
        report_printf(page, "; half of the warnings came %s ahead or more",
                      span);
    }
    if (isfinite(r->brier))
        report_printf(page, ". Brier score %.3f (0 is perfect)", r->brier);
    report_put(page, ".</dd>\n");
}

static void scores(struct report_page *page, const struct fw_forecast *f)
{
    if (f->score_count == 0)
        return;
    report_printf(
        page,
        "<details><summary>%zu models tried on this series"
        "</summary><div class=\"scroll\"><table aria-label=\"Models\">"
        "<thead><tr>"
        "<th scope=\"col\">Model</th><th scope=\"col\" class=\"n\">"
        "Mean error</th><th scope=\"col\" class=\"n\">Against the "
        "naive forecast</th></tr></thead><tbody>\n",
        f->score_count);
    for (size_t i = 0; i < f->score_count; i++) {
        char mae[WORDS_BYTES];

        report_put(page, "<tr><th scope=\"row\">");
        report_escaped(page, fw_str_of(f->scores[i].model));
        report_printf(page,
                      "</th><td class=\"n\">%s</td><td class=\"n\">%.2f</td>"
                      "</tr>\n",
                      words_number(f->scores[i].mae, mae), f->scores[i].mase);
    }
    report_put(page, "</tbody></table></div></details>\n");
}

static void notes(struct report_page *page, const struct fw_report_row *row)
{
    const struct fw_forecast *f = row->series.forecast;

    report_put(page, "<dl class=\"notes\">");
    if (row->reason.n > 0) {
        note(page, "Why it matters");
        report_escaped(page, row->reason);
        report_put(page, "</dd>\n");
    }
    if (f != NULL) {
        note(page, "Shape");
        report_printf(page,
                      "<strong>%s</strong>: ", fw_verdict_name(f->verdict));
        report_escaped(page, fw_str_of(f->why));
        report_put(page, ".</dd>\n");
    }
    if (f != NULL && f->model != NULL) {
        note(page, "Model");
        report_escaped(page, fw_str_of(f->model));
        report_printf(page, ", error %.2f times that of the naive forecast%s",
                      f->scores[0].mase,
                      f->beats_naive ? "" : " (nothing beats it here)");
        report_put(page, ".</dd>\n");
        note(page, "Taken for granted");
        report_escaped(page, fw_str_of(f->assumes));
        report_put(page, "</dd>\n");
    }
    if (f != NULL && f->known != NULL && *f->known != '\0') {
        note(page, "Known beforehand");
        report_escaped(page, fw_str_of(f->known));
        report_put(page, "</dd>\n");
    }
    if (f != NULL && f->counter) {
        note(page, "Hint");
        report_escaped(page, fw_str_of(fw_forecast_hint(f)));
        report_put(page, ".</dd>\n");
    }
    record_long(page, &row->record);
    for (size_t i = 0; i < row->note_count; i++) {
        note(page, row->notes[i].question);
        report_escaped(page, row->notes[i].answer);
        report_put(page, "</dd>\n");
    }
    report_put(page, "</dl>\n");
}

static void part(struct report_page *page, const struct fw_report_row *row,
                 size_t i)
{
    const struct fw_forecast *f = row->series.forecast;

    report_printf(page,
                  "<section id=\"r%zu\" aria-labelledby=\"r%zu-h\">\n"
                  "<div class=\"head\"><h2 id=\"r%zu-h\">",
                  i, i, i);
    report_escaped(page, row->watch);
    report_put(page, "</h2>");
    chip(page, report_urgency_of(row));
    if (row->state.n > 0) {
        report_put(page, "<span class=\"expr\">state: ");
        report_escaped(page, row->state);
        report_put(page, "</span>");
    }
    if (row->owner.n > 0) {
        report_put(page, "<span class=\"owner\">owner: ");
        report_escaped(page, row->owner);
        report_put(page, "</span>");
    }
    report_put(page, "</div>\n<p class=\"expr\"><code>");
    report_escaped(page, row->expr);
    report_put(page, "</code>");
    if (row->series.labels.n > 0) {
        report_put(page, " <code>");
        labels(page, &row->series.labels);
        report_put(page, "</code>");
    }
    report_put(page, "</p>\n");
    if (f != NULL) {
        facts(page, row);
        if (f->history_n > 0)
            report_chart(page, row, i);
    }
    notes(page, row);
    if (f != NULL)
        scores(page, f);
    report_put(page, "</section>\n");
}

/* The report in one sentence. */
static void lead(struct report_page *page, const struct fw_report_row **rows,
                 size_t n)
{
    size_t count[REPORT_CALM + 1] = {0}, alarming;
    char when[96];

    for (size_t i = 0; i < n; i++)
        count[report_urgency_of(rows[i])]++;
    alarming = count[REPORT_BREACHED] + count[REPORT_LIKELY];
    report_put(page, "<p class=\"lead\">");
    if (n == 0) {
        report_put(page, "No watch has a series to look at.</p>\n");
        return;
    }
    if (alarming == 0) {
        report_printf(page, "No breach is likely among %zu series.", n);
    } else {
        report_when(rows[0], when);
        report_printf(page,
                      "%zu of %zu series need%s attention; first <strong>",
                      alarming, n, alarming == 1 ? "s" : "");
        report_escaped(page, rows[0]->watch);
        report_printf(page, "</strong>, %s.",
                      rows[0]->series.forecast->passage.breached_now
                          ? "beyond its limit now"
                          : when);
    }
    if (count[REPORT_UNKNOWN] > 0)
        report_printf(page, " %zu cannot be told.", count[REPORT_UNKNOWN]);
    report_put(page, "</p>\n");
}

void report_html(struct report_page *page, const struct fw_report_row **rows,
                 size_t n)
{
    char now[FW_TIME_TEXT_BYTES];

    (void)fw_format_second(now, page->now);
    report_put(page,
               "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta "
               "charset=\"utf-8\">\n<meta name=\"viewport\" "
               "content=\"width=device-width,initial-scale=1\">\n"
               "<meta http-equiv=\"Content-Security-Policy\" "
               "content=\"default-src 'none'; style-src 'unsafe-inline'\">\n");
    report_printf(page, "<title>Forecast report, %s</title>\n", now);
    report_put(page, style_screen);
    report_put(page, style_chart);
    report_put(page, "</head>\n<body>\n<main>\n<header><h1>Forecast report"
                     "</h1>");
    report_printf(page,
                  "<p><time datetime=\"%s\">%.10s %.5s UTC</time></p>"
                  "</header>\n",
                  now, now, strlen(now) > 16 ? now + 11 : "");
    lead(page, rows, n);
    if (n > 0)
        summary(page, rows, n);
    report_put(page,
               "<ul class=\"key\"><li><span style=\"color:var(--seen)\">"
               "</span>seen</li><li><span style=\"color:var(--ahead)\"></span>"
               "forecast, with the band it should stay in</li><li><span "
               "style=\"color:var(--limit);border-top-style:dashed\"></span>"
               "limit</li><li><span style=\"color:var(--limit);"
               "border-top-width:5px\"></span>when the breach comes, 80 % of "
               "all futures that breach</li></ul>\n");
    for (size_t i = 0; i < n; i++)
        part(page, rows[i], i);
    report_printf(page,
                  "<footer>Made by Forewarn %s. Each chance is a "
                  "prediction that is written down and scored when due. ",
                  FW_VERSION);
    report_escaped(page, page->footer);
    report_put(page, "</footer>\n");
    report_put(page, "</main>\n</body>\n</html>\n");
}
