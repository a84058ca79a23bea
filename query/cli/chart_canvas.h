/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * chart_canvas.h - a rectangle of terminal cells that can be drawn on.
 *
 * A cell is two dots wide and four high, and is written as one braille
 * character (U+2800 and a bit per dot). In ASCII a cell is one dot, and holds
 * the sign it was drawn with. Each cell has one colour: that of what was drawn
 * on it last.
 */
#ifndef FW_QUERY_CHART_CANVAS_H
#define FW_QUERY_CHART_CANVAS_H

#include "storage/base/arena.h"
#include "storage/base/buf.h"

#include <stdbool.h>
#include <stdint.h>

/* SGR codes; 0 is the terminal's own colour. */
enum ink { INK_PLAIN = 0, INK_FAINT = 90, INK_LIMIT = 31, INK_MARK = 94 };

struct cell {
    uint8_t dots;
    uint8_t ink;
    char sign; /* instead of dots, unless 0 */
};

struct canvas {
    int columns, rows; /* in cells */
    int width, height; /* in dots */
    bool ascii, color;
    struct cell *cells;
};

/* False when the arena is full. Sizes are at least 1. */
bool canvas_init(struct canvas *canvas, struct fw_arena *arena, int columns,
                 int rows, bool ascii, bool color);

/* The dot (0, 0) is at the bottom left; dots outside are ignored. */
void canvas_dot(struct canvas *canvas, int x, int y, int ink, char sign);
void canvas_line(struct canvas *canvas, int x0, int y0, int x1, int y1, int ink,
                 char sign);
/* Every other dot from y0 to y1 in a column: what is between two lines. */
void canvas_shade(struct canvas *canvas, int x, int y0, int y1, int ink,
                  char sign);
/* Dashes across and down. */
void canvas_dash_across(struct canvas *canvas, int y, int ink);
void canvas_dash_down(struct canvas *canvas, int x, int ink);
/* A letter in place of the cell's dots. */
void canvas_sign(struct canvas *canvas, int column, int row, int ink,
                 char sign);

/* Adds one row of cells, from the top, without trailing blanks. */
FW_CHECK fw_rc canvas_print_row(const struct canvas *canvas, int row,
                                struct fw_buf *out);

#endif
