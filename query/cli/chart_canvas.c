/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "query/cli/chart_canvas.h"

#include <stdlib.h>

bool canvas_init(struct canvas *canvas, struct fw_arena *arena, int columns,
                 int rows, bool ascii, bool color)
{
    *canvas = (struct canvas){.columns = columns,
                              .rows = rows,
                              .width = ascii ? columns : 2 * columns,
                              .height = ascii ? rows : 4 * rows,
                              .ascii = ascii,
                              .color = color};
    canvas->cells = fw_arena_calloc(arena, (size_t)columns * (size_t)rows,
                                    sizeof(*canvas->cells));
    return canvas->cells != NULL;
}

static struct cell *cell_at(struct canvas *c, int column, int row)
{
    return &c->cells[row * c->columns + column];
}

/* Bits of U+2800 by the place in the cell: [row from the top][column]. */
static const uint8_t braille[4][2] = {
    {0x01, 0x08}, {0x02, 0x10}, {0x04, 0x20}, {0x40, 0x80}};

void canvas_dot(struct canvas *canvas, int x, int y, int ink, char sign)
{
    int from_top = canvas->height - 1 - y;
    struct cell *cell;

    if (x < 0 || y < 0 || x >= canvas->width || y >= canvas->height)
        return;
    if (canvas->ascii) {
        cell = cell_at(canvas, x, from_top);
        cell->sign = sign;
    } else {
        cell = cell_at(canvas, x / 2, from_top / 4);
        cell->dots |= braille[from_top % 4][x % 2];
    }
    cell->ink = (uint8_t)ink;
}

/* Bresenham's line. */
void canvas_line(struct canvas *canvas, int x0, int y0, int x1, int y1, int ink,
                 char sign)
{
    int dx = abs(x1 - x0), sx = x0 < x1 ? 1 : -1;
    int dy = -abs(y1 - y0), sy = y0 < y1 ? 1 : -1;
    int off = dx + dy;

    for (;;) {
        int twice = 2 * off;

        canvas_dot(canvas, x0, y0, ink, sign);
        if (x0 == x1 && y0 == y1)
            return;
        if (twice >= dy) {
            off += dy;
            x0 += sx;
        }
        if (twice <= dx) {
            off += dx;
            y0 += sy;
        }
    }
}

void canvas_shade(struct canvas *canvas, int x, int y0, int y1, int ink,
                  char sign)
{
    if (y0 > y1) {
        int y = y0;

        y0 = y1;
        y1 = y;
    }
    if (y0 < 0)
        y0 = 0;
    for (int y = y0; y <= y1 && y < canvas->height; y++) {
        if (canvas->ascii || (x + 2 * (y % 2)) % 4 == 0)
            canvas_dot(canvas, x, y, ink, sign);
    }
}

void canvas_dash_across(struct canvas *canvas, int y, int ink)
{
    for (int x = 0; x < canvas->width; x++) {
        if (canvas->ascii ? x % 2 == 0 : x % 4 < 2)
            canvas_dot(canvas, x, y, ink, '-');
    }
}

void canvas_dash_down(struct canvas *canvas, int x, int ink)
{
    for (int y = 0; y < canvas->height; y++) {
        if (canvas->ascii || y % 4 < 2)
            canvas_dot(canvas, x, y, ink, '|');
    }
}

void canvas_sign(struct canvas *canvas, int column, int row, int ink, char sign)
{
    struct cell *cell;

    if (column < 0 || row < 0 || column >= canvas->columns ||
        row >= canvas->rows)
        return;
    cell = cell_at(canvas, column, row);
    cell->sign = sign;
    cell->ink = (uint8_t)ink;
}

static bool is_blank(const struct cell *cell)
{
    return cell->dots == 0 && cell->sign == 0;
}

static fw_rc put_cell(const struct cell *cell, struct fw_buf *out)
{
    /* U+2800 + dots in UTF-8: E2 A0..A3 80..BF. */
    char braille_text[3] = {(char)0xE2, (char)(0xA0 | (cell->dots >> 6)),
                            (char)(0x80 | (cell->dots & 0x3F))};

    if (is_blank(cell))
        return fw_buf_addc(out, ' ');
    if (cell->sign != 0)
        return fw_buf_addc(out, cell->sign);
    return fw_buf_add(out, braille_text, sizeof(braille_text));
}

fw_rc canvas_print_row(const struct canvas *canvas, int row, struct fw_buf *out)
{
    const struct cell *cells = &canvas->cells[row * canvas->columns];
    int ink = INK_PLAIN;
    int last = canvas->columns;
    fw_rc rc = FW_OK;

    while (last > 0 && is_blank(&cells[last - 1]))
        last--;
    for (int i = 0; i < last && rc == FW_OK; i++) {
        if (canvas->color && !is_blank(&cells[i]) && cells[i].ink != ink) {
            ink = cells[i].ink;
            rc = fw_buf_printf(out, "\033[%dm", ink);
        }
        if (rc == FW_OK)
            rc = put_cell(&cells[i], out);
    }
    if (rc == FW_OK && ink != INK_PLAIN)
        rc = fw_buf_adds(out, "\033[0m");
    return rc;
}
