/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * chart.c - lines over time on a terminal.
 *
 *     title
 *      80Mi ┤      ⢀⡠⠔⠊⠁        values at the left, one unit for all
 *      60Mi ┤ ⣀⠤⠒⠉
 *           └───┬───────┬──
 *             12:00   12:30      instants in UTC
 *      ━ name  last 81.3M        a line per series
 *
 * A limit is a dashed line; one so far off that it would flatten the lines is
 * an arrow at the margin, with its value.
 */
#include <float.h>
#include <math.h>
#include <stdlib.h>

#include "query/cli/chart_axis.h"
#include "query/cli/chart_canvas.h"
#include "query/query.h"

#define CHART_COLUMNS 80
#define CHART_ROWS 20
#define LEAST_COLUMNS 24
#define LEAST_PLOT_ROWS 3
#define ROWS_PER_TICK 4
#define CHART_BYTES ((size_t)64 << 20)
#define LIMIT_ROOM 1.5 /* times the range of the lines, for a limit */

static const int line_inks[] = {36, 33, 35, 32, 34, 95, 96, 93};
#define INKS (sizeof(line_inks) / sizeof(line_inks[0]))
static const char line_signs[] = "*+ox#@%&";

struct layout {
    const struct fw_chart *chart;
    double near_min, near_max; /* limits beyond are not drawn to scale */
    struct canvas canvas;
    struct value_axis values;
    struct time_axis times;
    int label_width; /* of the value labels */
    int ticks;       /* of the value axis, both ends included */
};

/* ---- What is there to draw ----------------------------------------------- */

struct extent {
    double min, max; /* of lines and bands */
    fw_ms from, to;
    bool any;
};

static void widen(struct extent *e, double v)
{
    if (!isfinite(v))
        return;
    e->min = fmin(e->min, v);
    e->max = fmax(e->max, v);
    e->any = true;
}

static void widen_time(struct extent *e, fw_ms t, bool first)
{
    e->from = first || t < e->from ? t : e->from;
    e->to = first || t > e->to ? t : e->to;
}

static struct extent measure(const struct fw_chart *chart)
{
    struct extent e = {INFINITY, -INFINITY, 0, 0, false};
    bool first = true;

    for (size_t l = 0; l < chart->line_count; l++) {
        const struct fw_chart_line *line = &chart->lines[l];

        for (size_t i = 0; i < line->n; i++) {
            widen(&e, line->v[i]);
            if (line->lower != NULL && line->upper != NULL) {
                widen(&e, line->lower[i]);
                widen(&e, line->upper[i]);
            }
            widen_time(&e, line->t[i], first);
            first = false;
        }
    }
    for (size_t i = 0; i < chart->mark_count; i++) {
        widen_time(&e, chart->marks[i], first);
        first = false;
    }
    return e;
}

static bool is_near(const struct layout *l, double limit)
{
    return limit >= l->near_min && limit <= l->near_max;
}

/* The limits that leave the lines room come on the chart. */
static void fit_limits(struct layout *l, struct extent *e)
{
    const struct fw_chart *chart = l->chart;
    double room = LIMIT_ROOM * (e->max - e->min);

    l->near_min = e->any && room > 0 ? e->min - room : -DBL_MAX;
    l->near_max = e->any && room > 0 ? e->max + room : DBL_MAX;
    for (size_t i = 0; i < chart->limit_count; i++)
        if (is_near(l, chart->limits[i]))
            widen(e, chart->limits[i]);
    if (!e->any)
        e->min = e->max = 0;
}

static int count_far(const struct layout *l)
{
    int n = 0;

    for (size_t i = 0; i < l->chart->limit_count; i++)
        n += isfinite(l->chart->limits[i]) && !is_near(l, l->chart->limits[i]);
    return n;
}

static bool contains(struct fw_str text, const char *word)
{
    return memmem(text.p, text.n, word, strlen(word)) != NULL;
}

/* Bytes are counted in Ki, Mi, Gi. */
static bool counts_bytes(const struct fw_chart *chart)
{
    for (size_t i = 0; i < chart->line_count; i++) {
        if (chart->lines[i].title.n > 0 &&
            contains(chart->lines[i].title, "bytes"))
            return true;
    }
    return chart->title != NULL && contains(fw_str_of(chart->title), "bytes");
}

/* ---- Places -------------------------------------------------------------- */

static int x_of(const struct layout *l, fw_ms t)
{
    double range = (double)(l->times.to - l->times.from);

    if (range <= 0)
        return l->canvas.width / 2;
    return (int)lround((double)(t - l->times.from) / range *
                       (l->canvas.width - 1));
}

static int y_of(const struct layout *l, double v)
{
    double at = (v - l->values.low) / (l->values.high - l->values.low);

    at = fmin(fmax(at, -1), 2); /* far outside is outside enough */
    return (int)lround(at * (l->canvas.height - 1));
}

/* ---- Drawing ------------------------------------------------------------- */

static int by_size(const void *a, const void *b)
{
    fw_ms x = *(const fw_ms *)a;
    fw_ms y = *(const fw_ms *)b;

    return (x > y) - (x < y);
}

/* The usual distance of two points; further apart there is a gap. */
static fw_ms usual_distance(const struct fw_chart_line *line)
{
    fw_ms sample[256];
    size_t n = 0;
    size_t every = line->n / 256 + 1;

    for (size_t i = 1; i < line->n && n < 256; i += every)
        sample[n++] = line->t[i] - line->t[i - 1];
    if (n == 0)
        return INT64_MAX / 8;
    qsort(sample, n, sizeof(*sample), by_size);
    return sample[n / 2];
}

static void draw_band(struct layout *l, const struct fw_chart_line *line)
{
    for (size_t i = 1; i < line->n; i++) {
        int x0 = x_of(l, line->t[i - 1]);
        int x1 = x_of(l, line->t[i]);

        if (!isfinite(line->lower[i - 1]) || !isfinite(line->upper[i - 1]) ||
            !isfinite(line->lower[i]) || !isfinite(line->upper[i]))
            continue;
        for (int x = x0; x <= x1; x++) {
            double at = x1 > x0 ? (double)(x - x0) / (x1 - x0) : 0;
            double low =
                line->lower[i - 1] + at * (line->lower[i] - line->lower[i - 1]);
            double high =
                line->upper[i - 1] + at * (line->upper[i] - line->upper[i - 1]);

            canvas_shade(&l->canvas, x, y_of(l, low), y_of(l, high), INK_FAINT,
                         '.');
        }
    }
}

static void draw_line(struct layout *l, const struct fw_chart_line *line,
                      int ink, char sign)
{
    fw_ms gap = usual_distance(line) * 5 / 2;

    for (size_t i = 0; i < line->n; i++) {
        int x = x_of(l, line->t[i]);
        int y = y_of(l, line->v[i]);
        bool joined = i > 0 && isfinite(line->v[i - 1]) &&
                      line->t[i] - line->t[i - 1] <= gap;

        if (!isfinite(line->v[i]))
            continue;
        if (joined)
            canvas_line(&l->canvas, x_of(l, line->t[i - 1]),
                        y_of(l, line->v[i - 1]), x, y, ink, sign);
        else
            canvas_dot(&l->canvas, x, y, ink, sign);
    }
}

static int ink_of(size_t line)
{
    return line_inks[line % INKS];
}

static char sign_of(size_t line)
{
    return line_signs[line % (sizeof(line_signs) - 1)];
}

/* Index of the last point that can be drawn, or n. */
static size_t last_point(const struct fw_chart_line *line)
{
    for (size_t i = line->n; i > 0; i--) {
        if (isfinite(line->v[i - 1]))
            return i - 1;
    }
    return line->n;
}

/* Where colours do not tell lines apart, a letter at the end does. */
static void draw_letters(struct layout *l)
{
    const struct fw_chart *chart = l->chart;

    if (chart->color || chart->ascii || chart->line_count < 2)
        return;
    for (size_t i = 0; i < chart->line_count; i++) {
        const struct fw_chart_line *line = &chart->lines[i];
        size_t at = last_point(line);

        if (at < line->n)
            canvas_sign(&l->canvas, x_of(l, line->t[at]) / 2,
                        l->canvas.rows - 1 - y_of(l, line->v[at]) / 4,
                        INK_PLAIN, (char)('A' + i % 26));
    }
}

static void draw(struct layout *l)
{
    const struct fw_chart *chart = l->chart;

    for (size_t i = 0; i < chart->line_count; i++) {
        if (chart->lines[i].lower != NULL && chart->lines[i].upper != NULL)
            draw_band(l, &chart->lines[i]);
    }
    for (size_t i = 0; i < chart->limit_count; i++) {
        if (is_near(l, chart->limits[i]))
            canvas_dash_across(&l->canvas, y_of(l, chart->limits[i]),
                               INK_LIMIT);
    }
    for (size_t i = 0; i < chart->mark_count; i++)
        canvas_dash_down(&l->canvas, x_of(l, chart->marks[i]), INK_MARK);
    for (size_t i = chart->line_count; i > 0; i--)
        draw_line(l, &chart->lines[i - 1], ink_of(i - 1), sign_of(i - 1));
    draw_letters(l);
}

/* ---- Writing ------------------------------------------------------------- */

/* The tick whose place is in this row of cells, or -1. */
static int tick_in_row(const struct layout *l, int row)
{
    int rows_of_dots = l->canvas.ascii ? 1 : 4;

    for (int i = 0; i < l->ticks; i++) {
        double v = l->values.low + i * l->values.step;
        int at = l->canvas.rows - 1 - y_of(l, v) / rows_of_dots;

        if (at == row)
            return i;
    }
    return -1;
}

static fw_rc put_plot(const struct layout *l, struct fw_buf *out)
{
    bool ascii = l->chart->ascii;
    fw_rc rc = FW_OK;

    for (int row = 0; row < l->canvas.rows && rc == FW_OK; row++) {
        char label[AXIS_LABEL_BYTES] = "";
        int tick = tick_in_row(l, row);

        if (tick >= 0)
            value_axis_label(&l->values, l->values.low + tick * l->values.step,
                             label);
        rc = fw_buf_printf(out, "%*s %s", l->label_width, label,
                           ascii       ? "|"
                           : tick >= 0 ? "\u2524"
                                       : "\u2502");
        if (rc == FW_OK)
            rc = canvas_print_row(&l->canvas, row, out);
        if (rc == FW_OK)
            rc = fw_buf_addc(out, '\n');
    }
    return rc;
}

/* One value by itself, in its own unit. */
static void value_label(const struct layout *l, double v,
                        char out[AXIS_LABEL_BYTES])
{
    struct value_axis near = value_axis_make(v, v, 1, counts_bytes(l->chart));

    near.decimals = fabs(v / near.unit) < 10 ? 3 : 1;
    if (v == floor(v) && near.unit == 1)
        near.decimals = 0;
    value_axis_label(&near, v, out);
}

/* Those above (or below) the chart, as arrows that point to them. */
static fw_rc put_far_limits(const struct layout *l, bool above,
                            struct fw_buf *out)
{
    const struct fw_chart *chart = l->chart;
    const char *arrow = chart->ascii ? above ? "^" : "v"
                        : above      ? "\u2191"
                                     : "\u2193";
    fw_rc rc = FW_OK;

    for (size_t i = 0; i < chart->limit_count && rc == FW_OK; i++) {
        char label[AXIS_LABEL_BYTES];
        double v = chart->limits[i];

        if (!isfinite(v) || is_near(l, v) || (v > l->near_max) != above)
            continue;
        value_label(l, v, label);
        rc = fw_buf_printf(out, "%*s %s%s limit %s%s\n", l->label_width, "",
                           chart->color ? "\033[31m" : "", arrow, label,
                           chart->color ? "\033[0m" : "");
    }
    return rc;
}

static int column_of(const struct layout *l, fw_ms t)
{
    int x = x_of(l, t);

    return l->canvas.ascii ? x : x / 2;
}

static bool is_tick_column(const struct layout *l, int column)
{
    for (fw_ms t = l->times.first; t <= l->times.to; t += l->times.step) {
        if (column_of(l, t) == column)
            return true;
    }
    return false;
}

static fw_rc put_time_line(const struct layout *l, struct fw_buf *out)
{
    bool ascii = l->chart->ascii;
    fw_rc rc = fw_buf_printf(out, "%*s %s", l->label_width, "",
                             ascii ? "+" : "\u2514");

    for (int c = 0; c < l->canvas.columns && rc == FW_OK; c++) {
        if (is_tick_column(l, c))
            rc = fw_buf_adds(out, ascii ? "+" : "\u252c");
        else
            rc = fw_buf_adds(out, ascii ? "-" : "\u2500");
    }
    return rc == FW_OK ? fw_buf_addc(out, '\n') : rc;
}

/* Labels centred under their ticks, as many as do not touch. */
static fw_rc put_time_labels(const struct layout *l, struct fw_buf *out)
{
    int left = l->label_width + 2;
    int end = left + l->canvas.columns;
    int at = l->label_width >= 3 ? l->label_width : 0;
    fw_rc rc = at > 0 ? fw_buf_printf(out, "%*s", at, "UTC") : FW_OK;

    for (fw_ms t = l->times.first; t <= l->times.to && rc == FW_OK;
         t += l->times.step) {
        char label[AXIS_LABEL_BYTES];
        int n, start;

        time_axis_label(&l->times, t, label);
        n = (int)strlen(label);
        start = left + column_of(l, t) - n / 2;
        if (start + n > end)
            start = end - n;
        if (start <= at)
            continue;
        rc = fw_buf_printf(out, "%*s%s", start - at, "", label);
        at = start + n;
    }
    return rc == FW_OK ? fw_buf_addc(out, '\n') : rc;
}

static fw_rc put_key(const struct layout *l, size_t line, struct fw_buf *out)
{
    const struct fw_chart *chart = l->chart;

    if (chart->ascii)
        return fw_buf_printf(out, "%*s %c ", l->label_width, "", sign_of(line));
    if (chart->color)
        return fw_buf_printf(out, "%*s \033[%dm\u2501\033[0m ", l->label_width,
                             "", ink_of(line));
    if (chart->line_count > 1)
        return fw_buf_printf(out, "%*s %c ", l->label_width, "",
                             (char)('A' + line % 26));
    return fw_buf_printf(out, "%*s \u2501 ", l->label_width, "");
}

/* At most `columns` of a text, cut with an ellipsis. */
static fw_rc put_cut(struct fw_buf *out, struct fw_str text, size_t columns,
                     bool ascii)
{
    struct fw_buf shown = FW_BUF_INIT((size_t)1 << 20);
    fw_rc rc = fw_add_visible(&shown, text);
    size_t at = 0;
    uint32_t cp;

    if (rc == FW_OK && fw_utf8_columns(shown.data, shown.len) <= columns) {
        rc = fw_buf_add(out, shown.data, shown.len);
    } else if (rc == FW_OK) {
        for (size_t n = ascii ? 3 : 1; n < columns && at < shown.len; n++)
            at += fw_utf8_next(shown.data + at, shown.len - at, &cp);
        rc = fw_buf_add(out, shown.data, at);
        if (rc == FW_OK)
            rc = fw_buf_adds(out, ascii ? "..." : "\u2026");
    }
    fw_buf_release(&shown);
    return rc;
}

static fw_rc put_legend(const struct layout *l, int columns, size_t lines,
                        struct fw_buf *out)
{
    int room = columns - l->label_width - 3 - 18;
    fw_rc rc = FW_OK;

    for (size_t i = 0; i < lines && rc == FW_OK; i++) {
        const struct fw_chart_line *line = &l->chart->lines[i];
        size_t at = last_point(line);
        char last[AXIS_LABEL_BYTES];

        rc = put_key(l, i, out);
        if (rc == FW_OK)
            rc = put_cut(out, line->title, room > 8 ? (size_t)room : 8,
                         l->chart->ascii);
        if (rc == FW_OK && at < line->n) {
            value_label(l, line->v[at], last);
            rc = fw_buf_printf(out, "  last %s", last);
        }
        if (rc == FW_OK)
            rc = fw_buf_addc(out, '\n');
    }
    if (rc == FW_OK && lines < l->chart->line_count)
        rc = fw_buf_printf(out, "%*s and %zu more\n", l->label_width, "",
                           l->chart->line_count - lines);
    return rc;
}

/* ---- Layout -------------------------------------------------------------- */

/* The width of the widest value label. */
static int label_width(const struct value_axis *axis, int ticks)
{
    size_t widest = 1;

    for (int i = 0; i < ticks; i++) {
        char label[AXIS_LABEL_BYTES];

        value_axis_label(axis, axis->low + i * axis->step, label);
        widest = strlen(label) > widest ? strlen(label) : widest;
    }
    return (int)widest;
}

static bool lay_out(struct layout *l, struct fw_arena *arena, int columns,
                    int plot_rows)
{
    const struct fw_chart *chart = l->chart;
    struct extent e = measure(chart);
    int width;

    fit_limits(l, &e);
    plot_rows -= count_far(l);
    if (plot_rows < LEAST_PLOT_ROWS)
        plot_rows = LEAST_PLOT_ROWS;
    l->values = value_axis_make(e.min, e.max, plot_rows / ROWS_PER_TICK,
                                counts_bytes(chart));
    l->ticks =
        (int)lround((l->values.high - l->values.low) / l->values.step) + 1;
    l->label_width = label_width(&l->values, l->ticks);
    width = columns - l->label_width - 2;
    if (!canvas_init(&l->canvas, arena, width > 8 ? width : 8, plot_rows,
                     chart->ascii, chart->color))
        return false;
    l->times = time_axis_make(e.from, e.to, l->canvas.columns);
    return true;
}

fw_rc fw_print_chart(const struct fw_chart *chart, struct fw_buf *out)
{
    struct fw_arena *arena = fw_arena_new(CHART_BYTES);
    struct layout l = {.chart = chart};
    int columns = chart->columns > 0 ? chart->columns : CHART_COLUMNS;
    int rows = chart->rows > 0 ? chart->rows : CHART_ROWS;
    int fixed = 2 + (chart->title != NULL); /* the axis, its labels */
    size_t legend = chart->line_count;
    fw_rc rc = FW_OK;

    if (columns < LEAST_COLUMNS)
        columns = LEAST_COLUMNS;
    /* The legend may have a third of the height. */
    if (legend > (size_t)rows / 3)
        legend = (size_t)rows / 3;
    rows -= fixed + (int)legend + (legend < chart->line_count);
    if (rows < LEAST_PLOT_ROWS)
        rows = LEAST_PLOT_ROWS;
    if (arena == NULL || !lay_out(&l, arena, columns, rows)) {
        fw_arena_free(arena);
        return FW_ENOMEM;
    }
    draw(&l);
    if (chart->title != NULL) {
        rc = put_cut(out, fw_str_of(chart->title), (size_t)columns,
                     chart->ascii);
        if (rc == FW_OK)
            rc = fw_buf_addc(out, '\n');
    }
    if (rc == FW_OK)
        rc = put_far_limits(&l, true, out);
    if (rc == FW_OK)
        rc = put_plot(&l, out);
    if (rc == FW_OK)
        rc = put_far_limits(&l, false, out);
    if (rc == FW_OK)
        rc = put_time_line(&l, out);
    if (rc == FW_OK)
        rc = put_time_labels(&l, out);
    if (rc == FW_OK)
        rc = put_legend(&l, columns, legend, out);
    fw_arena_free(arena);
    return rc;
}
