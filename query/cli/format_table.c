/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * format_table.c - results for people: one line per series, columns aligned
 * on a terminal; plain lines, one point each, in a pipe.
 */
#include "query/query.h"

#include <stdlib.h>

#define NAME_BYTES ((size_t)1 << 20)

/* ---- In a pipe ----------------------------------------------------------- */

/* `up{job="a"} 1` or, with its time, `up{job="a"} 1 @1700000000`. */
static fw_rc put_plain(struct fw_buf *out, const struct fw_result_series *s,
                       bool times)
{
    struct fw_buf name = FW_BUF_INIT(NAME_BYTES);
    fw_rc rc = fw_labels_print(&name, &s->labels);

    for (size_t i = 0; i < s->n && rc == FW_OK; i++) {
        char number[FW_DOUBLE_TEXT_BYTES];
        char time[FW_TIME_TEXT_BYTES];

        (void)fw_format_double(number, s->v[i]);
        (void)fw_format_time(time, s->t[i]);
        rc = fw_buf_printf(out, "%.*s %s%s%s\n", (int)name.len, name.data,
                           number, times ? " " : "", times ? time : "");
    }
    fw_buf_release(&name);
    return rc;
}

/* ---- On a terminal ------------------------------------------------------- */

/* A name that shows on a terminal, cut at `columns` with an ellipsis. */
static fw_rc put_name(struct fw_buf *out, const struct fw_labels *labels,
                      size_t columns)
{
    struct fw_buf raw = FW_BUF_INIT(NAME_BYTES);
    struct fw_buf name = FW_BUF_INIT(NAME_BYTES);
    fw_rc rc = fw_labels_print(&raw, labels);
    size_t at = 0;
    size_t used = 0;

    if (rc == FW_OK)
        rc = fw_add_visible(&name, (struct fw_str){raw.data, raw.len});
    if (rc != FW_OK)
        goto out;
    if (fw_utf8_columns(name.data, name.len) <= columns) {
        used = fw_utf8_columns(name.data, name.len);
        rc = fw_buf_add(out, name.data, name.len);
    } else {
        uint32_t cp;

        for (; used + 1 < columns && at < name.len; used++)
            at += fw_utf8_next(name.data + at, name.len - at, &cp);
        rc = fw_buf_add(out, name.data, at);
        if (rc == FW_OK)
            rc = fw_buf_adds(out, "\u2026");
        used++;
    }
    for (; used < columns && rc == FW_OK; used++)
        rc = fw_buf_addc(out, ' ');
out:
    fw_buf_release(&raw);
    fw_buf_release(&name);
    return rc;
}

static size_t name_columns(const struct fw_result_series *s)
{
    struct fw_buf raw = FW_BUF_INIT(NAME_BYTES);
    struct fw_buf name = FW_BUF_INIT(NAME_BYTES);
    size_t columns = 0;

    /* What does not fit in memory is shown cut. */
    if (fw_labels_print(&raw, &s->labels) == FW_OK &&
        fw_add_visible(&name, (struct fw_str){raw.data, raw.len}) == FW_OK)
        columns = fw_utf8_columns(name.data, name.len);
    fw_buf_release(&raw);
    fw_buf_release(&name);
    return columns;
}

/* The widest name, as far as `room` allows. */
static size_t widest_name(const struct fw_result *result, size_t least,
                          size_t room)
{
    size_t widest = least;

    for (size_t i = 0; i < result->count && widest < room; i++) {
        size_t n = name_columns(&result->series[i]);

        if (n > widest)
            widest = n;
    }
    if (room < least)
        return least;
    return widest < room ? widest : room;
}

#define NUMBER_COLUMNS 22 /* "-1.2345678901234567e-08" and a gap */

static fw_rc put_vector(struct fw_buf *out, const struct fw_result *result,
                        int columns)
{
    size_t room = columns > NUMBER_COLUMNS + 12
                      ? (size_t)columns - NUMBER_COLUMNS - 2
                      : 12;
    size_t width = widest_name(result, 6, room);
    fw_rc rc = fw_buf_printf(out, "%-*s  %*s\n", (int)width, "SERIES",
                             NUMBER_COLUMNS, "VALUE");

    for (size_t i = 0; i < result->count && rc == FW_OK; i++) {
        char number[FW_DOUBLE_TEXT_BYTES];

        (void)fw_format_double(number, result->series[i].v[0]);
        rc = put_name(out, &result->series[i].labels, width);
        if (rc == FW_OK)
            rc = fw_buf_printf(out, "  %*s\n", NUMBER_COLUMNS, number);
    }
    return rc;
}

/* Least, mean and greatest of the numbers of a series; NaN left out. */
struct summary {
    double min, mean, max;
    size_t n;
};

static struct summary summarise(const struct fw_result_series *s)
{
    struct summary m = {0};

    for (size_t i = 0; i < s->n; i++) {
        double v = s->v[i];

        if (v != v)
            continue;
        m.n++;
        m.mean += (v - m.mean) / (double)m.n;
        m.min = m.n == 1 || v < m.min ? v : m.min;
        m.max = m.n == 1 || v > m.max ? v : m.max;
    }
    return m;
}

#define CELL_COLUMNS 11

static fw_rc put_cell(struct fw_buf *out, double v)
{
    char text[FW_DOUBLE_TEXT_BYTES];

    (void)fw_format_short(text, v, 6);
    return fw_buf_printf(out, "%*s", CELL_COLUMNS, text);
}

static fw_rc put_matrix(struct fw_buf *out, const struct fw_result *result,
                        int columns)
{
    size_t cells = 5 * CELL_COLUMNS + 7;
    size_t room = (size_t)columns > cells + 12 ? (size_t)columns - cells : 12;
    size_t width = widest_name(result, 6, room);
    fw_rc rc = fw_buf_printf(out, "%-*s %6s%*s%*s%*s%*s%*s\n", (int)width,
                             "SERIES", "POINTS", CELL_COLUMNS, "FIRST",
                             CELL_COLUMNS, "LAST", CELL_COLUMNS, "MIN",
                             CELL_COLUMNS, "MEAN", CELL_COLUMNS, "MAX");

    for (size_t i = 0; i < result->count && rc == FW_OK; i++) {
        const struct fw_result_series *s = &result->series[i];
        struct summary m = summarise(s);
        double cell[5] = {s->v[0], s->v[s->n - 1], m.min, m.mean, m.max};

        rc = put_name(out, &s->labels, width);
        if (rc == FW_OK)
            rc = fw_buf_printf(out, " %6zu", s->n);
        for (size_t c = 0; c < 5 && rc == FW_OK; c++)
            rc = put_cell(out, cell[c]);
        if (rc == FW_OK)
            rc = fw_buf_addc(out, '\n');
    }
    return rc;
}

fw_rc fw_print_table(const struct fw_result *result, bool tty, int columns,
                     struct fw_buf *out)
{
    char number[FW_DOUBLE_TEXT_BYTES];
    fw_rc rc = FW_OK;

    if (result->type == FW_STRING)
        return fw_buf_printf(out, "%.*s\n", FW_STR_ARG(result->text));
    if (result->type == FW_SCALAR && result->count > 0) {
        (void)fw_format_double(number, result->series[0].v[0]);
        return fw_buf_printf(out, "%s\n", number);
    }
    if (result->count == 0)
        return FW_OK;
    if (tty && result->type == FW_VECTOR)
        return put_vector(out, result, columns > 0 ? columns : 80);
    if (tty)
        return put_matrix(out, result, columns > 0 ? columns : 80);
    for (size_t i = 0; i < result->count && rc == FW_OK; i++)
        rc = put_plain(out, &result->series[i], result->type == FW_MATRIX);
    return rc;
}
