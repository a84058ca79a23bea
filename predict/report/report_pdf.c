/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * report_pdf.c - the report on pages of A4, by cairo; the room's only door to
 * it. Built without cairo it says so.
 */
#include "predict/forecast_print.h"
#include "predict/report/report_plot.h"

#ifndef FW_WITH_CAIRO

fw_rc report_pdf(struct report_page *page, const struct fw_report_row **rows,
                 size_t n)
{
    (void)page;
    (void)rows;
    (void)n;
    return FW_NONE;
}

#else

#include <cairo-pdf.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#define WIDTH 595.0 /* A4 in points */
#define HEIGHT 842.0
#define MARGIN 42.0
#define INNER (WIDTH - 2.0 * MARGIN)
#define CHART 150.0    /* height of a picture */
#define AXIS 40.0      /* left of it, for its numbers */
#define PARTS_MOST 500 /* sections; the table has all rows */
#define TEXT_MOST 900  /* bytes of one paragraph */
#define LINE_MOST 200  /* and of one line of it */

struct color {
    double r, g, b;
};

/* As on the printed page of HTML. */
static const struct color ink = {0.11, 0.14, 0.19}, soft = {0.36, 0.40, 0.46},
                          grid = {0.87, 0.86, 0.84}, seen = {0.16, 0.30, 0.49},
                          ahead = {0.76, 0.35, 0.05}, red = {0.70, 0.15, 0.12};
static const struct color urgency_color[] = {{0.70, 0.15, 0.12},
                                             {0.70, 0.15, 0.12},
                                             {0.44, 0.26, 0.66},
                                             {0.56, 0.38, 0.00},
                                             {0.18, 0.44, 0.27}};

struct pdf {
    struct report_page *page;
    cairo_surface_t *surface;
    cairo_t *cr;
    double y; /* of the next line */
    int number;
};

static void paint(struct pdf *p, struct color c)
{
    cairo_set_source_rgb(p->cr, c.r, c.g, c.b);
}

static void font(struct pdf *p, double size, bool bold)
{
    cairo_select_font_face(p->cr, "sans-serif", CAIRO_FONT_SLANT_NORMAL,
                           bold ? CAIRO_FONT_WEIGHT_BOLD
                                : CAIRO_FONT_WEIGHT_NORMAL);
    cairo_set_font_size(p->cr, size);
}

/* Text of others as valid UTF-8 without controls. */
static const char *clean(struct fw_str text, char out[TEXT_MOST])
{
    struct fw_buf shown = FW_BUF_INIT((size_t)1 << 20);
    char flat[TEXT_MOST];
    size_t n = 0;

    if (text.n > sizeof(flat))
        text.n = sizeof(flat);
    if (text.n > 0)
        memcpy(flat, text.p, text.n);
    for (size_t i = 0; i < text.n; i++)
        flat[i] = flat[i] == '\n' ? ' ' : flat[i];
    text.p = flat;
    if (fw_add_visible(&shown, text) == FW_OK && shown.len > 0) {
        n = shown.len < TEXT_MOST - 1 ? shown.len : TEXT_MOST - 1;
        while (n > 0 && n < shown.len && (shown.data[n] & 0xc0) == 0x80)
            n--; /* not within a character */
        memcpy(out, shown.data, n);
    }
    out[n] = '\0';
    fw_buf_release(&shown);
    return out;
}

static double width_of(struct pdf *p, const char *text)
{
    cairo_text_extents_t e;

    cairo_text_extents(p->cr, text, &e);
    return e.x_advance;
}

static void put(struct pdf *p, double x, double y, const char *text)
{
    cairo_move_to(p->cr, x, y);
    cairo_show_text(p->cr, text);
}

static void put_right(struct pdf *p, double x, double y, const char *text)
{
    put(p, x - width_of(p, text), y, text);
}

/* As much of a text as fits, with an ellipsis for the rest. */
static void put_fit(struct pdf *p, double x, double y, double width,
                    const char *text)
{
    char cut[TEXT_MOST + 4];
    size_t n = strlen(text);

    if (width_of(p, text) <= width) {
        put(p, x, y, text);
        return;
    }
    for (; n > 0; n--) {
        if ((text[n] & 0xc0) == 0x80)
            continue;
        (void)snprintf(cut, sizeof(cut), "%.*s\xe2\x80\xa6", (int)n, text);
        if (width_of(p, cut) <= width)
            break;
    }
    put(p, x, y, cut);
}

static void footer(struct pdf *p)
{
    char text[64];

    font(p, 8, false);
    paint(p, soft);
    (void)snprintf(text, sizeof(text), "%d", p->number);
    put_right(p, WIDTH - MARGIN, HEIGHT - MARGIN / 2.0, text);
    put(p, MARGIN, HEIGHT - MARGIN / 2.0, "Forewarn, forecast report");
}

static void next_page(struct pdf *p)
{
    footer(p);
    cairo_show_page(p->cr);
    p->number++;
    p->y = MARGIN + 12.0;
}

static void need(struct pdf *p, double height)
{
    if (p->y + height > HEIGHT - MARGIN)
        next_page(p);
}

/* A paragraph with its name before it, broken between words. */
static void paragraph(struct pdf *p, const char *name, struct fw_str text)
{
    char all[TEXT_MOST], line[LINE_MOST] = "", longer[LINE_MOST + TEXT_MOST];
    const char *word = clean(text, all);

    if (text.n == 0)
        return;
    need(p, 26.0);
    font(p, 8.5, true);
    paint(p, soft);
    put(p, MARGIN, p->y, name);
    font(p, 9, false);
    paint(p, ink);
    while (*word != '\0') {
        size_t n = strcspn(word, " ");

        (void)snprintf(longer, sizeof(longer), "%s%s%.*s", line,
                       *line != '\0' ? " " : "", (int)n, word);
        if (*line != '\0' && (strlen(longer) >= LINE_MOST ||
                              width_of(p, longer) > INNER - 86.0)) {
            put(p, MARGIN + 86.0, p->y, line);
            p->y += 12.0;
            need(p, 12.0);
            font(p, 9, false);
            paint(p, ink);
            (void)snprintf(line, sizeof(line), "%.*s", (int)n, word);
        } else {
            (void)snprintf(line, sizeof(line), "%.*s", LINE_MOST - 1, longer);
        }
        word += n;
        word += *word == ' ';
    }
    put_fit(p, MARGIN + 86.0, p->y, INNER - 86.0, line);
    p->y += 14.0;
}

/* ---- The picture --------------------------------------------------------- */

static double at_x(const struct report_scale *s, fw_ms t)
{
    double share = fmin(fmax(report_share_t(s, t), 0.0), 1.0);

    return MARGIN + AXIS + (INNER - AXIS) * share;
}

static double at_y(const struct pdf *p, const struct report_scale *s, double v)
{
    return p->y + CHART - CHART * report_share_v(s, v);
}

static void line(struct pdf *p, double x0, double y0, double x1, double y1)
{
    cairo_move_to(p->cr, x0, y0);
    cairo_line_to(p->cr, x1, y1);
    cairo_stroke(p->cr);
}

static void axes(struct pdf *p, const struct report_scale *s)
{
    double step = report_value_step(s), v = ceil(s->v0 / step) * step;
    fw_ms every = report_time_step(s);
    fw_ms t = s->t0 - ((s->t0 % every) + every) % every + every;

    font(p, 7.5, false);
    cairo_set_line_width(p->cr, 0.5);
    for (int i = 0; i < 12 && v <= s->v1; i++, v += step) {
        char text[WORDS_BYTES];

        if (fabs(v) < step * 1e-9)
            v = 0.0;
        paint(p, grid);
        line(p, MARGIN + AXIS, at_y(p, s, v), WIDTH - MARGIN, at_y(p, s, v));
        paint(p, soft);
        put_right(p, MARGIN + AXIS - 4.0, at_y(p, s, v) + 2.5,
                  words_number(v, text));
    }
    for (int i = 0; i < 40 && t <= s->t1; i++, t += every) {
        char text[16];
        double x = at_x(s, t);

        paint(p, grid);
        line(p, x, p->y, x, p->y + CHART);
        report_time_text(t, every, text);
        paint(p, soft);
        put(p, x - width_of(p, text) / 2.0, p->y + CHART + 10.0, text);
    }
}

static void past(struct pdf *p, const struct report_scale *s,
                 const struct fw_forecast *f, size_t from)
{
    size_t per = (f->history_n - from + REPORT_COLUMNS - 1) / REPORT_COLUMNS;
    bool pen = false;

    paint(p, seen);
    cairo_set_line_width(p->cr, 0.9);
    for (size_t i = from; i < f->history_n; i += per) {
        double lo = INFINITY, hi = -INFINITY;

        for (size_t j = i; j < i + per && j < f->history_n; j++)
            if (!isnan(f->history_v[j])) {
                lo = fmin(lo, f->history_v[j]);
                hi = fmax(hi, f->history_v[j]);
            }
        if (!(lo <= hi)) {
            pen = false;
            continue;
        }
        if (pen)
            cairo_line_to(p->cr, at_x(s, f->history_t[i]), at_y(p, s, lo));
        else
            cairo_move_to(p->cr, at_x(s, f->history_t[i]), at_y(p, s, lo));
        if (hi > lo)
            cairo_line_to(p->cr, at_x(s, f->history_t[i]), at_y(p, s, hi));
        pen = true;
    }
    cairo_stroke(p->cr);
}

static void future(struct pdf *p, const struct report_scale *s,
                   const struct fw_forecast *f)
{
    cairo_set_source_rgba(p->cr, ahead.r, ahead.g, ahead.b, 0.25);
    cairo_new_path(p->cr); /* text leaves a point behind */
    for (size_t i = 0; i < f->n; i++)
        cairo_line_to(p->cr, at_x(s, f->t[i]), at_y(p, s, f->upper[i]));
    for (size_t i = f->n; i-- > 0;)
        cairo_line_to(p->cr, at_x(s, f->t[i]), at_y(p, s, f->lower[i]));
    cairo_close_path(p->cr);
    cairo_fill(p->cr);
    paint(p, ahead);
    cairo_set_line_width(p->cr, 1.3);
    for (size_t i = 0; i < f->n; i++)
        cairo_line_to(p->cr, at_x(s, f->t[i]), at_y(p, s, f->point[i]));
    cairo_stroke(p->cr);
}

static void limit_and_when(struct pdf *p, const struct report_scale *s,
                           const struct fw_report_row *row)
{
    const struct fw_forecast *f = row->series.forecast;
    const double dashes[] = {5.0, 3.0};
    char number[WORDS_BYTES], text[WORDS_BYTES + 48];
    double y = at_y(p, s, row->breach.limit), x;
    bool off = row->breach.limit > s->v1 || row->breach.limit < s->v0;

    paint(p, red);
    cairo_set_line_width(p->cr, 1.0);
    if (!off) {
        cairo_set_dash(p->cr, dashes, 2, 0.0);
        line(p, MARGIN + AXIS, y, WIDTH - MARGIN, y);
        cairo_set_dash(p->cr, NULL, 0, 0.0);
    }
    font(p, 7.5, true);
    (void)snprintf(text, sizeof(text), "limit %s%s",
                   words_number(row->breach.limit, number),
                   off ? ", beyond this chart" : "");
    put(p, MARGIN + AXIS + 4.0, y + (y > p->y + 14.0 ? -3.0 : 9.0), text);
    if (!f->has_passage || f->passage.p10 < 0 || f->passage.breached_now)
        return;
    x = at_x(s, p->page->now + f->passage.p10);
    y = f->passage.p90 >= 0 ? at_x(s, p->page->now + f->passage.p90)
                            : WIDTH - MARGIN;
    cairo_rectangle(p->cr, x, p->y + CHART - 1.5, fmax(y - x, 2.0), 3.0);
    cairo_fill(p->cr);
    if (f->passage.p50 >= 0) {
        x = at_x(s, p->page->now + f->passage.p50);
        line(p, x, p->y, x, p->y + CHART);
    }
}

static void picture(struct pdf *p, const struct fw_report_row *row)
{
    const struct fw_forecast *f = row->series.forecast;
    size_t from = report_shown_from(f);
    struct report_scale s;

    if (f->history_n == 0)
        return;
    s = report_scale_of(row, from);
    axes(p, &s);
    if (f->n > 0)
        future(p, &s, f);
    past(p, &s, f, from);
    limit_and_when(p, &s, row);
    p->y += CHART + 26.0;
}

/* ---- Pages --------------------------------------------------------------- */

/* The watch and the labels that tell its series from one another. */
static const char *name_of(const struct fw_report_row *row, char out[TEXT_MOST])
{
    struct fw_labels labels = report_labels(row);
    struct fw_buf name = FW_BUF_INIT((size_t)1 << 20);

    out[0] = '\0';
    if (fw_buf_add(&name, row->watch.p, row->watch.n) == FW_OK &&
        (labels.n == 0 || (fw_buf_adds(&name, " ") == FW_OK &&
                           fw_labels_print(&name, &labels) == FW_OK)) &&
        name.len > 0)
        (void)clean((struct fw_str){name.data, name.len}, out);
    fw_buf_release(&name);
    return out;
}

static void summary_row(struct pdf *p, const struct fw_report_row *row)
{
    const struct fw_forecast *f = row->series.forecast;
    enum report_urgency u = report_urgency_of(row);
    char text[TEXT_MOST], when[96], limit[FW_DOUBLE_TEXT_BYTES + 8];

    need(p, 16.0);
    font(p, 8.5, false);
    paint(p, ink);
    put_fit(p, MARGIN, p->y, 176.0, name_of(row, text));
    put_right(p, MARGIN + 226.0, p->y, words_number(row->series.current, text));
    fw_breach_print(&row->breach, limit);
    put_fit(p, MARGIN + 233.0, p->y, 58.0, limit);
    put_right(p, MARGIN + 331.0, p->y,
              f != NULL && f->has_passage
                  ? words_percent(f->passage.probability, text)
                  : "-");
    report_when(row, when);
    put_fit(p, MARGIN + 340.0, p->y, 94.0, when);
    font(p, 8, true);
    paint(p, urgency_color[u]);
    put_fit(p, MARGIN + 437.0, p->y, INNER - 437.0, report_urgency_name(u));
    paint(p, grid);
    cairo_set_line_width(p->cr, 0.5);
    line(p, MARGIN, p->y + 4.0, WIDTH - MARGIN, p->y + 4.0);
    p->y += 15.0;
}

static void summary(struct pdf *p, const struct fw_report_row **rows, size_t n)
{
    char now[FW_TIME_TEXT_BYTES], text[128];

    p->y = MARGIN + 20.0;
    font(p, 22, true);
    paint(p, ink);
    put(p, MARGIN, p->y, "Forecast report");
    (void)fw_format_time(now, p->page->now);
    (void)snprintf(text, sizeof(text),
                   "%.10s %.5s UTC, %zu row%s, most urgent first", now,
                   strlen(now) > 16 ? now + 11 : "", n, n == 1 ? "" : "s");
    font(p, 9.5, false);
    paint(p, soft);
    put(p, MARGIN, p->y + 18.0, text);
    p->y += 44.0;
    font(p, 8, true);
    put(p, MARGIN, p->y, "Watch");
    put_right(p, MARGIN + 226.0, p->y, "Now");
    put(p, MARGIN + 233.0, p->y, "Limit");
    put_right(p, MARGIN + 331.0, p->y, "Chance");
    put(p, MARGIN + 340.0, p->y, "When");
    put(p, MARGIN + 437.0, p->y, "Urgency");
    p->y += 16.0;
    for (size_t i = 0; i < n; i++)
        summary_row(p, rows[i]);
}

static void part(struct pdf *p, const struct fw_report_row *row)
{
    const struct fw_forecast *f = row->series.forecast;
    char text[TEXT_MOST], chance[512];

    p->y += 14.0;
    need(p, CHART + 90.0);
    font(p, 12, true);
    paint(p, ink);
    put_fit(p, MARGIN, p->y, INNER - 100.0, name_of(row, text));
    font(p, 9, true);
    paint(p, urgency_color[report_urgency_of(row)]);
    put_right(p, WIDTH - MARGIN, p->y,
              report_urgency_name(report_urgency_of(row)));
    font(p, 8.5, false);
    paint(p, soft);
    put_fit(p, MARGIN, p->y + 13.0, INNER, clean(row->expr, text));
    p->y += 26.0;
    if (f == NULL)
        return;
    picture(p, row);
    passage_words(f, &row->breach, row->horizon, chance, sizeof(chance));
    paragraph(p, "Breach", fw_str_of(chance));
    (void)snprintf(chance, sizeof(chance), "%s: %s",
                   fw_verdict_name(f->verdict), f->why);
    paragraph(p, "Shape", fw_str_of(chance));
    if (f->known != NULL)
        paragraph(p, "Known", fw_str_of(f->known));
    paragraph(p, "Hint", fw_str_of(fw_forecast_hint(f)));
    paragraph(p, "Granted", fw_str_of(f->assumes));
    paragraph(p, "Why it matters", row->reason);
    paragraph(p, "Owner", row->owner);
    for (size_t i = 0; i < row->note_count; i++) {
        need(p, 40.0);
        font(p, 9, true);
        paint(p, ink);
        put(p, MARGIN + 86.0, p->y, row->notes[i].question);
        p->y += 12.0;
        paragraph(p, "", row->notes[i].answer);
    }
}

static cairo_status_t take(void *self, const unsigned char *bytes,
                           unsigned int n)
{
    struct report_page *page = self;

    if (page->rc == FW_OK)
        page->rc = fw_buf_add(page->out, bytes, n);
    return page->rc == FW_OK ? CAIRO_STATUS_SUCCESS : CAIRO_STATUS_WRITE_ERROR;
}

fw_rc report_pdf(struct report_page *page, const struct fw_report_row **rows,
                 size_t n)
{
    struct pdf p = {.page = page, .number = 1};
    char text[TEXT_MOST];

    p.surface = cairo_pdf_surface_create_for_stream(take, page, WIDTH, HEIGHT);
    cairo_pdf_surface_set_metadata(p.surface, CAIRO_PDF_METADATA_TITLE,
                                   "Forecast report");
    p.cr = cairo_create(p.surface);
    summary(&p, rows, n);
    for (size_t i = 0; i < n && i < PARTS_MOST; i++)
        part(&p, rows[i]);
    p.y += 10.0;
    need(&p, 20.0);
    font(&p, 8, false);
    paint(&p, soft);
    put_fit(&p, MARGIN, p.y, INNER, clean(page->footer, text));
    footer(&p);
    cairo_show_page(p.cr);
    cairo_surface_finish(p.surface);
    if (page->rc == FW_OK &&
        (cairo_status(p.cr) != CAIRO_STATUS_SUCCESS ||
         cairo_surface_status(p.surface) != CAIRO_STATUS_SUCCESS))
        page->rc = FW_ENOMEM;
    cairo_destroy(p.cr);
    cairo_surface_destroy(p.surface);
    return page->rc;
}

#endif
