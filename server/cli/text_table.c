/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "server/cli/text_table.h"

#include <stdio.h>
#include <string.h>

#define MAX_CELL_BYTES 65536

void text_table_init(struct text_table *table, struct fw_arena *arena,
                     const char *align, const char *const *heads)
{
    *table = (struct text_table){
        .arena = arena, .columns = strlen(align), .align = align};
    FW_ASSERT(table->columns > 0 && table->columns <= TEXT_TABLE_COLUMNS);
    for (size_t i = 0; i < table->columns; i++)
        text_table_add(table, fw_str_of(heads[i]));
}

static fw_rc make_room(struct text_table *t)
{
    size_t cap = t->cap == 0 ? 256 : t->cap * 2;
    struct fw_str *cells;

    if (t->count < t->cap)
        return FW_OK;
    cells = fw_arena_calloc(t->arena, cap, sizeof(*cells));
    if (cells == NULL)
        return FW_ENOMEM;
    if (t->count > 0)
        memcpy(cells, t->cells, t->count * sizeof(*cells));
    t->cells = cells;
    t->cap = cap;
    return FW_OK;
}

/* Cuts the text of a cell at a whole character. */
static fw_rc cut(const struct text_table *t, struct fw_buf *shown)
{
    size_t at = 0, columns = 0;

    if (t->widest == 0 || t->count % t->columns == t->columns - 1 ||
        fw_utf8_columns(shown->data, shown->len) <= t->widest)
        return FW_OK;
    for (; columns + 1 < t->widest; columns++) {
        uint32_t cp;

        at += fw_utf8_next(shown->data + at, shown->len - at, &cp);
    }
    shown->len = at;
    return fw_buf_adds(shown, "\xe2\x80\xa6");
}

void text_table_add(struct text_table *t, struct fw_str text)
{
    struct fw_buf shown = FW_BUF_INIT(MAX_CELL_BYTES * 8);
    const char *copy;

    if (t->rc == FW_OK)
        t->rc = make_room(t);
    if (t->rc == FW_OK)
        t->rc = fw_add_visible(&shown, text);
    if (t->rc == FW_OK && shown.len > 0)
        t->rc = cut(t, &shown);
    if (t->rc == FW_OK) {
        copy = fw_arena_strndup(t->arena, shown.len > 0 ? shown.data : "",
                                shown.len);
        if (copy == NULL)
            t->rc = FW_ENOMEM;
        else
            t->cells[t->count++] = (struct fw_str){copy, shown.len};
    }
    fw_buf_release(&shown);
}

void text_table_printf(struct text_table *t, const char *fmt, ...)
{
    char text[256];
    va_list ap;

    va_start(ap, fmt);
    (void)vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    text_table_add(t, fw_str_of(text));
}

static size_t columns_of(struct fw_str cell)
{
    return fw_utf8_columns(cell.p, cell.n);
}

static fw_rc add_spaces(struct fw_buf *out, size_t n)
{
    return fw_buf_printf(out, "%*s", (int)n, "");
}

static fw_rc print_row(const struct text_table *t, const struct fw_str *row,
                       const size_t *widths, struct fw_buf *out)
{
    size_t owed = 0; /* spaces not printed yet: a line ends without any */
    fw_rc rc = FW_OK;

    for (size_t i = 0; rc == FW_OK && i < t->columns; i++) {
        size_t pad = widths[i] - columns_of(row[i]);
        bool right = t->align[i] == 'r';

        if (row[i].n > 0) {
            rc = add_spaces(out, owed + (right ? pad : 0));
            if (rc == FW_OK)
                rc = fw_buf_add(out, row[i].p, row[i].n);
            owed = right ? 0 : pad;
        } else {
            owed += pad;
        }
        owed += 2;
    }
    return rc == FW_OK ? fw_buf_addc(out, '\n') : rc;
}

fw_rc text_table_print(const struct text_table *t, struct fw_buf *out)
{
    size_t widths[TEXT_TABLE_COLUMNS] = {0};
    fw_rc rc = t->rc;

    FW_ASSERT(t->rc != FW_OK || t->count % t->columns == 0);
    for (size_t i = 0; rc == FW_OK && i < t->count; i++)
        if (widths[i % t->columns] < columns_of(t->cells[i]))
            widths[i % t->columns] = columns_of(t->cells[i]);
    for (size_t i = 0; rc == FW_OK && i < t->count; i += t->columns)
        rc = print_row(t, t->cells + i, widths, out);
    return rc;
}
