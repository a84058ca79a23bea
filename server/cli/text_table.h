/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * text_table.h - rows of cells, printed in columns that line up.
 */
#ifndef SERVER_TEXT_TABLE_H
#define SERVER_TEXT_TABLE_H

#include "storage/base/arena.h"
#include "storage/base/str.h"

#define TEXT_TABLE_COLUMNS 12

struct text_table {
    struct fw_arena *arena; /* not owned; holds the cells */
    size_t columns;
    const char *align; /* a letter per column: 'l' or 'r' */
    struct fw_str *cells;
    size_t count, cap; /* of cells */
    size_t widest;     /* columns a cell may take, but for the row's last; 0:
                          any. What is cut ends in an ellipsis. */
    fw_rc rc;          /* the first failure; the rest is ignored */
};

/* `heads` has as many texts as `align` letters. */
void text_table_init(struct text_table *table, struct fw_arena *arena,
                     const char *align, const char *const *heads);

/* The next cell of the row; rows follow one another. Made fit to be shown. */
void text_table_add(struct text_table *table, struct fw_str text);
void text_table_printf(struct text_table *table, const char *fmt, ...)
    FW_PRINTF(2, 3);

/* Two spaces between columns; none at the ends of lines. */
FW_CHECK fw_rc text_table_print(const struct text_table *table,
                                struct fw_buf *out);

#endif
