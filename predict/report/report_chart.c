/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * report_chart.c - one row of the report as a picture: inline SVG, colours by
 * class so that the page's light and dark sheets and a printer each have their
 * own, words in it for those who do not see it.
 */
#include "predict/report/report_plot.h"

#include <math.h>
#include <stdio.h>

#define WIDTH 960.0
#define HEIGHT 320.0
#define LEFT 76.0
#define RIGHT 18.0
#define TOP 22.0
#define BOTTOM 40.0

static double at_x(const struct report_scale *s, fw_ms t)
{
    return LEFT + (WIDTH - LEFT - RIGHT) * report_share_t(s, t);
}

static double at_y(const struct report_scale *s, double v)
{
    return HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * report_share_v(s, v);
}

/* ---- Axes ---------------------------------------------------------------- */

static void value_axis(struct report_page *page, const struct report_scale *s)
{
    double step = report_value_step(s);
    double v = ceil(s->v0 / step) * step;

    for (int i = 0; i < 12 && v <= s->v1; i++, v += step) {
        char text[WORDS_BYTES];
        double y = at_y(s, v);

        if (fabs(v) < step * 1e-9)
            v = 0.0;
        report_printf(page,
                      "<line class=\"grid\" x1=\"%.0f\" x2=\"%.0f\" "
                      "y1=\"%.1f\" y2=\"%.1f\"/>"
                      "<text class=\"tick\" x=\"%.0f\" y=\"%.1f\" "
                      "text-anchor=\"end\">%s</text>\n",
                      LEFT, WIDTH - RIGHT, y, y, LEFT - 9, y + 4,
                      words_number(v, text));
    }
}

static void time_axis(struct report_page *page, const struct report_scale *s)
{
    fw_ms step = report_time_step(s);
    fw_ms t = s->t0 - ((s->t0 % step) + step) % step + step;

    for (; t <= s->t1; t += step) {
        char text[16];
        double x = at_x(s, t);

        report_time_text(t, step, text);
        report_printf(page,
                      "<line class=\"grid\" x1=\"%.1f\" x2=\"%.1f\" "
                      "y1=\"%.0f\" y2=\"%.0f\"/>"
                      "<text class=\"tick\" x=\"%.1f\" y=\"%.0f\" "
                      "text-anchor=\"middle\">%s</text>\n",
                      x, x, TOP, HEIGHT - BOTTOM, x, HEIGHT - BOTTOM + 18,
                      text);
    }
}

/* ---- Lines --------------------------------------------------------------- */

/* The past, at most REPORT_COLUMNS columns of it, each by its lowest and its
 * highest value; broken where samples are missing. */
static void history(struct report_page *page, const struct report_scale *s,
                    const struct fw_forecast *f, size_t from)
{
    size_t n = f->history_n - from;
    size_t per = (n + REPORT_COLUMNS - 1) / REPORT_COLUMNS;
    bool pen = false;

    report_put(page, "<path class=\"seen\" d=\"");
    for (size_t i = from; i < f->history_n; i += per) {
        size_t to = i + per < f->history_n ? i + per : f->history_n;
        size_t lo = to, hi = to;

        for (size_t j = i; j < to; j++) {
            double v = f->history_v[j];

            if (isnan(v))
                continue;
            if (lo == to || v < f->history_v[lo])
                lo = j;
            if (hi == to || v > f->history_v[hi])
                hi = j;
        }
        if (lo == to) {
            pen = false;
            continue;
        }
        for (int k = 0; k < (lo == hi ? 1 : 2); k++) {
            size_t j = (k == 0) == (lo < hi) ? lo : hi;

            if (lo == hi)
                j = lo;
            report_printf(page, "%c%.1f %.1f", pen ? 'L' : 'M',
                          at_x(s, f->history_t[j]), at_y(s, f->history_v[j]));
            pen = true;
        }
    }
    report_put(page, "\"/>\n");
}

static void band(struct report_page *page, const struct report_scale *s,
                 const struct fw_forecast *f)
{
    report_put(page, "<path class=\"band\" d=\"");
    for (size_t i = 0; i < f->n; i++)
        report_printf(page, "%c%.1f %.1f", i == 0 ? 'M' : 'L', at_x(s, f->t[i]),
                      at_y(s, f->upper[i]));
    for (size_t i = f->n; i-- > 0;)
        report_printf(page, "L%.1f %.1f", at_x(s, f->t[i]),
                      at_y(s, f->lower[i]));
    report_put(page, "Z\"/>\n<path class=\"ahead\" d=\"");
    for (size_t i = 0; i < f->n; i++)
        report_printf(page, "%c%.1f %.1f", i == 0 ? 'M' : 'L', at_x(s, f->t[i]),
                      at_y(s, f->point[i]));
    report_put(page, "\"/>\n");
}

static void limit_line(struct report_page *page, const struct report_scale *s,
                       double limit)
{
    char text[WORDS_BYTES];
    bool above = limit > s->v1, below = limit < s->v0;
    double y = at_y(s, limit);

    if (above || below)
        report_printf(page,
                      "<text class=\"limit-text\" x=\"%.0f\" y=\"%.0f\">%s "
                      "limit %s, beyond this chart</text>\n",
                      LEFT + 8, above ? TOP + 12 : HEIGHT - BOTTOM - 8,
                      above ? "\xe2\x86\x91" : "\xe2\x86\x93",
                      words_number(limit, text));
    else
        report_printf(page,
                      "<line class=\"limit\" x1=\"%.0f\" x2=\"%.0f\" "
                      "y1=\"%.1f\" y2=\"%.1f\"/><text class=\"limit-text\" "
                      "x=\"%.0f\" y=\"%.1f\">limit %s</text>\n",
                      LEFT, WIDTH - RIGHT, y, y, LEFT + 8, y - 6,
                      words_number(limit, text));
}

/* When: p10 to p90 as a bar under the plot, the median as a line through it. */
static void when(struct report_page *page, const struct report_scale *s,
                 const struct fw_forecast *f, fw_ms now)
{
    const struct fw_passage *p = &f->passage;
    double from, to;
    char span[WORDS_BYTES];

    if (!f->has_passage || p->p10 < 0 || p->breached_now)
        return;
    from = at_x(s, now + p->p10);
    to = p->p90 >= 0 ? at_x(s, now + p->p90) : WIDTH - RIGHT;
    from = fmin(fmax(from, LEFT), WIDTH - RIGHT);
    to = fmin(fmax(to, from + 2.0), WIDTH - RIGHT);
    report_printf(page,
                  "<rect class=\"when\" x=\"%.1f\" y=\"%.0f\" width=\"%.1f\" "
                  "height=\"5\" rx=\"2.5\"/>\n",
                  from, HEIGHT - BOTTOM - 2.5, to - from);
    if (p->p50 < 0)
        return;
    from = at_x(s, now + p->p50);
    (void)words_span(p->p50, span);
    report_printf(page,
                  "<line class=\"median\" x1=\"%.1f\" x2=\"%.1f\" y1=\"%.0f\" "
                  "y2=\"%.0f\"/><text class=\"when-text\" x=\"%.1f\" "
                  "y=\"%.0f\" text-anchor=\"%s\">in %s</text>\n",
                  from, from, TOP, HEIGHT - BOTTOM + 4,
                  from > WIDTH - 130 ? from - 6 : from + 6, TOP + 11,
                  from > WIDTH - 130 ? "end" : "start", span);
}

void report_chart(struct report_page *page, const struct fw_report_row *row,
                  size_t id)
{
    const struct fw_forecast *f = row->series.forecast;
    size_t from = report_shown_from(f);
    struct report_scale s;
    char limit[FW_DOUBLE_TEXT_BYTES + 8], current[WORDS_BYTES];
    char breach[96], last[WORDS_BYTES];
    double x;

    if (f->history_n == 0)
        return;
    s = report_scale_of(row, from);
    fw_breach_print(&row->breach, limit);
    report_when(row, breach);
    report_printf(page,
                  "<svg viewBox=\"0 0 %.0f %.0f\" role=\"img\" "
                  "aria-labelledby=\"c%zu-title c%zu-desc\">\n"
                  "<title id=\"c%zu-title\">History and forecast of ",
                  WIDTH, HEIGHT, id, id, id);
    report_escaped(page, row->watch);
    report_printf(page,
                  "</title>\n<desc id=\"c%zu-desc\">Now %s; the forecast ends "
                  "at %s; limit ",
                  id, words_number(row->series.current, current),
                  f->n > 0 ? words_number(f->point[f->n - 1], last) : "-");
    report_escaped(page, fw_str_of(limit));
    report_printf(page, "; breach %s.</desc>\n", breach);
    value_axis(page, &s);
    time_axis(page, &s);
    x = at_x(&s, page->now);
    if (x >= LEFT && x <= WIDTH - RIGHT)
        report_printf(page,
                      "<line class=\"now\" x1=\"%.1f\" x2=\"%.1f\" "
                      "y1=\"%.0f\" y2=\"%.0f\"/><text class=\"tick\" "
                      "x=\"%.1f\" y=\"%.0f\" text-anchor=\"middle\">now"
                      "</text>\n",
                      x, x, TOP, HEIGHT - BOTTOM, x, TOP - 7);
    if (f->n > 0)
        band(page, &s, f);
    history(page, &s, f, from);
    limit_line(page, &s, row->breach.limit);
    when(page, &s, f, page->now);
    report_put(page, "</svg>\n");
}
