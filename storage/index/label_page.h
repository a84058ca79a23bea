/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * label_page.h - the labels of up to 512 series as columns.
 *
 * Neighbours are nearly alike: the samples of one scrape, the containers of
 * one service. Series with the same names are of one *shape*; a shape has a
 * column for each of its names, in label order, and a column holds for each
 * member the rank of its value among the words of that column, in as few bits
 * as that takes: none where all have the same. So a series of ten labels costs
 * some five bytes and is still found by its number at once.
 *
 * A page speaks of words by number: in memory `words` holds the symbols they
 * are; on disk (docs/formats/registry.md) the page brings its words along.
 */
#ifndef STORAGE_LABEL_PAGE_H
#define STORAGE_LABEL_PAGE_H

#include "storage/base/buf.h"
#include "storage/base/bytes.h"
#include "storage/base/limits.h"
#include "storage/base/str.h"

#define LABEL_PAGE_ROWS 512
#define LABEL_PAGE_NO_SHAPE UINT16_MAX /* a row without a series: a hole */

struct label_column {
    uint32_t name;     /* word */
    uint32_t base;     /* word of the value of rank 0; the others follow */
    uint32_t at;       /* of its bits in `data`, bytes */
    uint16_t distinct; /* values */
    uint16_t width;    /* bits of a rank */
};

struct label_shape {
    uint32_t first_column;
    uint16_t labels;  /* columns */
    uint16_t members; /* rows */
};

struct label_page {
    uint32_t count; /* rows, holes too */
    uint32_t known; /* rows that are series */
    uint32_t word_count, name_count, shape_count, column_count, data_bytes;
    uint32_t *words; /* all of them in the same piece of memory as the page */
    struct label_shape *shapes;
    struct label_column *columns;
    uint16_t *shape_of; /* by row; NULL: all rows are of shape 0 */
    uint16_t *rank_of;  /* by row: which member of its shape; NULL likewise */
    uint8_t *data;      /* with four bytes of slack */
};

/* One series of a page. */
struct label_row {
    const struct label_page *page;
    const struct label_shape *shape;
    uint32_t member;
};

/* False for a hole. */
static inline bool label_page_row(const struct label_page *p, uint32_t row,
                                  struct label_row *out)
{
    uint16_t shape = 0;

    if (row >= p->count || p->shape_count == 0)
        return false;
    if (p->shape_of != NULL)
        shape = p->shape_of[row];
    if (shape == LABEL_PAGE_NO_SHAPE)
        return false;
    out->page = p;
    out->shape = &p->shapes[shape];
    out->member = p->rank_of != NULL ? p->rank_of[row] : row;
    return true;
}

static inline uint32_t label_column_rank(const struct label_page *p,
                                         const struct label_column *c,
                                         uint32_t member)
{
    size_t bit = (size_t)member * c->width;

    if (c->width == 0)
        return 0;
    return fw_get_le32(p->data + c->at + bit / 8) >> (bit % 8) &
           ((1u << c->width) - 1);
}

static inline const struct label_column *
label_row_column(const struct label_row *row, uint32_t label)
{
    return &row->page->columns[row->shape->first_column + label];
}

/* The words of name and value of the label that stands at `label`. */
static inline uint32_t label_row_name(const struct label_row *row,
                                      uint32_t label)
{
    return row->page->words[label_row_column(row, label)->name];
}

static inline uint32_t label_row_value(const struct label_row *row,
                                       uint32_t label)
{
    const struct label_column *c = label_row_column(row, label);

    return row->page
        ->words[c->base + label_column_rank(row->page, c, row->member)];
}

/* The series a page is made of: symbols name, value, name, value, ... */
struct label_rows {
    const uint32_t *pairs[LABEL_PAGE_ROWS]; /* NULL: a hole */
    uint8_t labels[LABEL_PAGE_ROWS];
    uint32_t count;
};

/* Free with label_page_free(). FW_ENOMEM. */
FW_CHECK fw_rc label_page_pack(const struct label_rows *rows,
                               struct label_page **out);
void label_page_free(struct label_page *page);
size_t label_page_bytes(const struct label_page *page);

/* Adds the page as it stands on disk; texts[i] is what words[i] means. */
FW_CHECK fw_rc label_page_put(const struct label_page *page,
                              const struct fw_str *texts, struct fw_buf *out);

/*
 * Reads one of `count` rows from hostile bytes. The words of *page are their
 * own numbers; *texts (freed by the caller) says what they mean and points
 * into the bytes. All labels are canonical. FW_ECORRUPT, FW_ENOMEM.
 */
FW_CHECK fw_rc label_page_get(const void *bytes, size_t n, uint32_t count,
                              struct label_page **page, struct fw_str **texts);

#endif
