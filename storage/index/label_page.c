/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "storage/index/label_page.h"

#include <stdlib.h>
#include <string.h>

#define WORDS_MAX ((size_t)LABEL_PAGE_ROWS * FW_MAX_LABELS * 2)
#define COLUMNS_MAX ((size_t)LABEL_PAGE_ROWS * FW_MAX_LABELS)
#define SLACK 4
#define SLOTS 1024 /* of the table that finds equal values of a column */

void label_page_free(struct label_page *page)
{
    free(page);
}

static unsigned width_of(uint32_t distinct)
{
    return distinct <= 1 ? 0 : 32 - (unsigned)__builtin_clz(distinct - 1);
}

static size_t column_bytes(uint32_t members, unsigned width)
{
    return ((size_t)members * width + 7) / 8;
}

/* Sizes are set; the arrays get their places in one piece of memory. */
static struct label_page *page_new(const struct label_page *sizes,
                                   bool row_tables)
{
    size_t words = sizes->word_count * sizeof(uint32_t);
    size_t shapes = sizes->shape_count * sizeof(struct label_shape);
    size_t columns = sizes->column_count * sizeof(struct label_column);
    size_t rows = row_tables ? sizes->count * sizeof(uint16_t) : 0;
    char *p = malloc(sizeof(struct label_page) + words + shapes + columns +
                     2 * rows + sizes->data_bytes + SLACK);
    struct label_page *page = (struct label_page *)(void *)p;

    if (p == NULL)
        return NULL;
    *page = *sizes;
    p += sizeof(*page);
    page->words = (uint32_t *)(void *)p;
    p += words;
    page->shapes = (struct label_shape *)(void *)p;
    p += shapes;
    page->columns = (struct label_column *)(void *)p;
    p += columns;
    page->shape_of = row_tables ? (uint16_t *)(void *)p : NULL;
    p += rows;
    page->rank_of = row_tables ? (uint16_t *)(void *)p : NULL;
    p += rows;
    page->data = (uint8_t *)p;
    memset(page->data, 0, sizes->data_bytes + SLACK);
    return page;
}

size_t label_page_bytes(const struct label_page *page)
{
    return sizeof(*page) + page->word_count * sizeof(uint32_t) +
           page->shape_count * sizeof(struct label_shape) +
           page->column_count * sizeof(struct label_column) +
           (page->shape_of != NULL ? 4u * page->count : 0) + page->data_bytes +
           SLACK;
}

/* ---- Packing --------------------------------------------------------------
 */

struct packer {
    const struct label_rows *rows;
    uint16_t shape_of[LABEL_PAGE_ROWS];
    uint16_t rank_of[LABEL_PAGE_ROWS];
    uint16_t first_row[LABEL_PAGE_ROWS]; /* by shape: one of its rows */
    uint16_t members[LABEL_PAGE_ROWS];   /* by shape */
    uint16_t start[LABEL_PAGE_ROWS + 1]; /* by shape: its rows in `order` */
    uint16_t order[LABEL_PAGE_ROWS];
    uint16_t ranks[LABEL_PAGE_ROWS]; /* of the column at hand */
    uint16_t slots[SLOTS];           /* rank + 1 */
    uint32_t shape_count, known;
    uint32_t *words;
    size_t word_count, word_cap, name_count;
    struct label_column *columns;
    size_t column_count, column_cap;
    struct fw_buf data;
};

static bool same_shape(const struct label_rows *rows, uint32_t a, uint32_t b)
{
    if (rows->labels[a] != rows->labels[b])
        return false;
    for (uint32_t i = 0; i < rows->labels[a]; i++)
        if (rows->pairs[a][2 * i] != rows->pairs[b][2 * i])
            return false;
    return true;
}

static uint16_t shape_for(struct packer *p, uint32_t row, uint16_t last)
{
    if (p->shape_count > 0 && same_shape(p->rows, row, p->first_row[last]))
        return last;
    for (uint32_t s = 0; s < p->shape_count; s++)
        if (same_shape(p->rows, row, p->first_row[s]))
            return (uint16_t)s;
    p->first_row[p->shape_count] = (uint16_t)row;
    return (uint16_t)p->shape_count++;
}

/* Sorts the rows by shape; the order of ids stays within one. */
static void find_shapes(struct packer *p)
{
    uint16_t last = 0, at = 0;

    for (uint32_t row = 0; row < p->rows->count; row++) {
        if (p->rows->pairs[row] == NULL) {
            p->shape_of[row] = LABEL_PAGE_NO_SHAPE;
            p->rank_of[row] = 0;
            continue;
        }
        last = shape_for(p, row, last);
        p->shape_of[row] = last;
        p->rank_of[row] = p->members[last]++;
        p->known++;
    }
    for (uint32_t s = 0; s < p->shape_count; s++) {
        p->start[s] = at;
        at = (uint16_t)(at + p->members[s]);
    }
    for (uint32_t row = 0; row < p->rows->count; row++)
        if (p->shape_of[row] != LABEL_PAGE_NO_SHAPE)
            p->order[p->start[p->shape_of[row]] + p->rank_of[row]] =
                (uint16_t)row;
}

static fw_rc add_word(struct packer *p, uint32_t word)
{
    fw_rc rc = fw_grow(&p->words, &p->word_cap, p->word_count + 1,
                       sizeof(*p->words), WORDS_MAX);

    if (rc == FW_OK)
        p->words[p->word_count++] = word;
    return rc;
}

/* Shapes share most names; looking back a little finds nearly all of them. */
static fw_rc add_name(struct packer *p, uint32_t name, uint32_t *out)
{
    size_t from = p->word_count > 64 ? p->word_count - 64 : 0;

    for (size_t i = p->word_count; i > from; i--)
        if (p->words[i - 1] == name) {
            *out = (uint32_t)(i - 1);
            return FW_OK;
        }
    *out = (uint32_t)p->word_count;
    return add_word(p, name);
}

static fw_rc add_columns(struct packer *p)
{
    size_t n = 0;
    fw_rc rc = FW_OK;

    for (uint32_t s = 0; s < p->shape_count; s++)
        n += p->rows->labels[p->first_row[s]];
    rc = fw_grow(&p->columns, &p->column_cap, n + 1, sizeof(*p->columns),
                 COLUMNS_MAX + 1);
    for (uint32_t s = 0; s < p->shape_count && rc == FW_OK; s++) {
        uint32_t row = p->first_row[s];

        for (uint32_t i = 0; i < p->rows->labels[row] && rc == FW_OK; i++) {
            struct label_column *c = &p->columns[p->column_count++];

            *c = (struct label_column){0};
            rc = add_name(p, p->rows->pairs[row][2 * i], &c->name);
        }
    }
    p->name_count = p->word_count;
    return rc;
}

/* Finds the rank of a value in the column at hand, new ones at the end. */
static fw_rc rank_value(struct packer *p, struct label_column *c,
                        uint32_t value, uint16_t *rank)
{
    uint32_t slot = (value * 2654435761u) >> 22;

    while (p->slots[slot] != 0) {
        *rank = (uint16_t)(p->slots[slot] - 1);
        if (p->words[c->base + *rank] == value)
            return FW_OK;
        slot = (slot + 1) % SLOTS;
    }
    *rank = c->distinct++;
    p->slots[slot] = c->distinct;
    return add_word(p, value);
}

static void pack_ranks(const uint16_t *ranks, size_t n, unsigned width,
                       uint8_t *to)
{
    for (size_t i = 0; i < n; i++) {
        size_t bit = i * width;
        uint32_t word = fw_get_le32(to + bit / 8);

        fw_put_le32(to + bit / 8, word | (uint32_t)ranks[i] << (bit % 8));
    }
}

static fw_rc fill_column(struct packer *p, struct label_column *c,
                         uint32_t shape, uint32_t label)
{
    const uint16_t *order = p->order + p->start[shape];
    uint32_t members = p->members[shape];
    uint32_t last = 0;
    size_t bytes;
    fw_rc rc = FW_OK;

    c->base = (uint32_t)p->word_count;
    c->at = (uint32_t)p->data.len;
    memset(p->slots, 0, sizeof(p->slots));
    for (uint32_t m = 0; m < members && rc == FW_OK; m++) {
        uint32_t value = p->rows->pairs[order[m]][2 * label + 1];

        if (m > 0 && value == last)
            p->ranks[m] = p->ranks[m - 1];
        else
            rc = rank_value(p, c, value, &p->ranks[m]);
        last = value;
    }
    c->width = (uint16_t)width_of(c->distinct);
    bytes = column_bytes(members, c->width);
    if (rc == FW_OK)
        rc = fw_buf_reserve(&p->data, bytes + SLACK);
    if (rc != FW_OK || bytes == 0)
        return rc;
    memset(p->data.data + p->data.len, 0, bytes + SLACK);
    pack_ranks(p->ranks, members, c->width,
               (uint8_t *)p->data.data + p->data.len);
    p->data.len += bytes;
    return FW_OK;
}

static fw_rc fill_columns(struct packer *p)
{
    size_t at = 0;
    fw_rc rc = FW_OK;

    for (uint32_t s = 0; s < p->shape_count; s++)
        for (uint32_t i = 0;
             i < p->rows->labels[p->first_row[s]] && rc == FW_OK; i++)
            rc = fill_column(p, &p->columns[at++], s, i);
    return rc;
}

static fw_rc assemble(struct packer *p, struct label_page **out)
{
    struct label_page sizes = {.count = p->rows->count,
                               .known = p->known,
                               .word_count = (uint32_t)p->word_count,
                               .name_count = (uint32_t)p->name_count,
                               .shape_count = p->shape_count,
                               .column_count = (uint32_t)p->column_count,
                               .data_bytes = (uint32_t)p->data.len};
    bool tables = p->shape_count != 1 || p->known < p->rows->count;
    struct label_page *page = page_new(&sizes, tables);
    uint32_t column = 0;

    if (page == NULL)
        return FW_ENOMEM;
    for (uint32_t s = 0; s < p->shape_count; s++) {
        page->shapes[s] = (struct label_shape){
            column, p->rows->labels[p->first_row[s]], p->members[s]};
        column += page->shapes[s].labels;
    }
    if (p->word_count > 0)
        memcpy(page->words, p->words, p->word_count * sizeof(*p->words));
    if (p->column_count > 0)
        memcpy(page->columns, p->columns,
               p->column_count * sizeof(*p->columns));
    if (p->data.len > 0)
        memcpy(page->data, p->data.data, p->data.len);
    if (tables) {
        memcpy(page->shape_of, p->shape_of, page->count * sizeof(uint16_t));
        memcpy(page->rank_of, p->rank_of, page->count * sizeof(uint16_t));
    }
    *out = page;
    return FW_OK;
}

fw_rc label_page_pack(const struct label_rows *rows, struct label_page **out)
{
    struct packer *p = calloc(1, sizeof(*p));
    fw_rc rc;

    if (p == NULL)
        return FW_ENOMEM;
    p->rows = rows;
    fw_buf_init(&p->data, COLUMNS_MAX * 2 + SLACK);
    find_shapes(p);
    rc = add_columns(p);
    if (rc == FW_OK)
        rc = fill_columns(p);
    if (rc == FW_OK)
        rc = assemble(p, out);
    fw_buf_release(&p->data);
    free(p->words);
    free(p->columns);
    free(p);
    return rc;
}

/* ---- To bytes --------------------------------------------------------------
 */

static fw_rc put_number(struct fw_buf *out, uint64_t v)
{
    char bytes[FW_VARINT_MAX_BYTES];

    return fw_buf_add(out, bytes, fw_varint_put(bytes, v));
}

static fw_rc put_words(const struct label_page *page,
                       const struct fw_str *texts, struct fw_buf *out)
{
    fw_rc rc = put_number(out, page->word_count);

    if (rc == FW_OK)
        rc = put_number(out, page->name_count);
    for (uint32_t i = 0; i < page->word_count && rc == FW_OK; i++)
        rc = put_number(out, texts[i].n);
    for (uint32_t i = 0; i < page->word_count && rc == FW_OK; i++)
        rc = fw_buf_add(out, texts[i].p, texts[i].n);
    return rc;
}

static fw_rc put_shapes(const struct label_page *page, struct fw_buf *out)
{
    const struct label_column *c = page->columns;
    fw_rc rc = put_number(out, page->shape_count);

    for (uint32_t s = 0; s < page->shape_count && rc == FW_OK; s++) {
        rc = put_number(out, page->shapes[s].labels);
        for (uint32_t i = 0; i < page->shapes[s].labels && rc == FW_OK; i++) {
            rc = put_number(out, c->name);
            if (rc == FW_OK)
                rc = put_number(out, c->distinct);
            c++;
        }
    }
    return rc;
}

fw_rc label_page_put(const struct label_page *page, const struct fw_str *texts,
                     struct fw_buf *out)
{
    fw_rc rc = put_words(page, texts, out);

    if (rc == FW_OK)
        rc = put_shapes(page, out);
    if (rc == FW_OK)
        rc = put_number(out, page->shape_of != NULL);
    for (uint32_t i = 0;
         page->shape_of != NULL && i < page->count && rc == FW_OK; i++)
        rc = put_number(out, page->shape_of[i] == LABEL_PAGE_NO_SHAPE
                                 ? 0
                                 : page->shape_of[i] + 1u);
    if (rc == FW_OK && page->data_bytes > 0)
        rc = fw_buf_add(out, page->data, page->data_bytes);
    return rc;
}

/* ---- From bytes
 * --------------------------------------------------------------
 */

struct parser {
    const char *p;
    size_t n, at;
    uint32_t count;
    struct fw_str *texts;
    uint32_t word_count, name_count, shape_count;
    uint16_t shape_of[LABEL_PAGE_ROWS];
    uint16_t rank_of[LABEL_PAGE_ROWS];
    uint16_t members[LABEL_PAGE_ROWS];
    uint16_t labels[LABEL_PAGE_ROWS];
    uint32_t known;
    bool tables;
    struct label_column *columns;
    size_t column_count, column_cap;
    uint32_t data_bytes;
};

/* A number up to `max`. */
static fw_rc get_number(struct parser *r, uint64_t max, uint32_t *out)
{
    uint64_t v = 0;
    size_t took = fw_varint_get(r->p + r->at, r->n - r->at, &v);

    if (took == 0 || v > max)
        return FW_ECORRUPT;
    r->at += took;
    *out = (uint32_t)v;
    return FW_OK;
}

static fw_rc get_words(struct parser *r)
{
    size_t sum = 0;
    fw_rc rc = get_number(r, WORDS_MAX, &r->word_count);

    if (rc == FW_OK)
        rc = get_number(r, r->word_count, &r->name_count);
    if (rc != FW_OK || r->word_count > r->n - r->at)
        return FW_ECORRUPT;
    r->texts = calloc(r->word_count + 1, sizeof(*r->texts));
    if (r->texts == NULL)
        return FW_ENOMEM;
    for (uint32_t i = 0; i < r->word_count && rc == FW_OK; i++) {
        uint32_t length = 0;

        rc = get_number(r,
                        i < r->name_count ? FW_MAX_LABEL_NAME_BYTES
                                          : FW_MAX_LABEL_VALUE_BYTES,
                        &length);
        r->texts[i].n = length;
        sum += length;
        if (length == 0)
            rc = FW_ECORRUPT;
    }
    if (rc != FW_OK || sum > r->n - r->at)
        return FW_ECORRUPT;
    for (uint32_t i = 0; i < r->word_count; i++) {
        r->texts[i].p = r->p + r->at;
        r->at += r->texts[i].n;
    }
    return FW_OK;
}

static fw_rc get_shape(struct parser *r, uint32_t s)
{
    uint32_t labels = 0;
    fw_rc rc = get_number(r, FW_MAX_LABELS, &labels);

    if (rc != FW_OK)
        return rc;
    r->labels[s] = (uint16_t)labels;
    if (fw_grow(&r->columns, &r->column_cap, r->column_count + labels + 1,
                sizeof(*r->columns), COLUMNS_MAX + 1) != FW_OK)
        return FW_ENOMEM;
    for (uint32_t i = 0; i < labels && rc == FW_OK; i++) {
        struct label_column *c = &r->columns[r->column_count];
        uint32_t distinct = 0;

        *c = (struct label_column){0};
        rc = get_number(r, UINT32_MAX, &c->name);
        if (rc == FW_OK)
            rc = get_number(r, r->count, &distinct);
        if (rc != FW_OK || c->name >= r->name_count || distinct == 0 ||
            (i > 0 && fw_str_cmp(r->texts[c[-1].name], r->texts[c->name]) >= 0))
            return FW_ECORRUPT;
        c->distinct = (uint16_t)distinct;
        c->width = (uint16_t)width_of(distinct);
        r->column_count++;
    }
    return rc;
}

static fw_rc get_rows(struct parser *r)
{
    uint32_t tables = 0;
    fw_rc rc = get_number(r, 1, &tables);

    r->tables = tables == 1;
    if (rc != FW_OK || (!r->tables && r->shape_count != 1))
        return FW_ECORRUPT;
    for (uint32_t row = 0; row < r->count && rc == FW_OK; row++) {
        uint32_t shape = 1;

        if (r->tables)
            rc = get_number(r, r->shape_count, &shape);
        r->shape_of[row] = LABEL_PAGE_NO_SHAPE;
        r->rank_of[row] = 0;
        if (rc != FW_OK || shape == 0)
            continue;
        r->shape_of[row] = (uint16_t)(shape - 1);
        r->rank_of[row] = r->members[shape - 1]++;
        r->known++;
    }
    return rc;
}

/* Where the columns' words and bits are follows from what was said. */
static fw_rc lay_out(struct parser *r)
{
    uint32_t word = r->name_count;
    size_t column = 0, bytes = 0;

    for (uint32_t s = 0; s < r->shape_count; s++) {
        if (r->members[s] == 0)
            return FW_ECORRUPT;
        for (uint32_t i = 0; i < r->labels[s]; i++) {
            struct label_column *c = &r->columns[column++];

            if (c->distinct > r->members[s] ||
                c->distinct > r->word_count - word)
                return FW_ECORRUPT;
            c->base = word;
            c->at = (uint32_t)bytes;
            word += c->distinct;
            bytes += column_bytes(r->members[s], c->width);
        }
    }
    if (word != r->word_count || bytes != r->n - r->at)
        return FW_ECORRUPT;
    r->data_bytes = (uint32_t)bytes;
    return FW_OK;
}

static struct label_page *parsed_page(const struct parser *r)
{
    struct label_page sizes = {.count = r->count,
                               .known = r->known,
                               .word_count = r->word_count,
                               .name_count = r->name_count,
                               .shape_count = r->shape_count,
                               .column_count = (uint32_t)r->column_count,
                               .data_bytes = r->data_bytes};
    struct label_page *page = page_new(&sizes, r->tables);
    uint32_t column = 0;

    if (page == NULL)
        return NULL;
    for (uint32_t s = 0; s < r->shape_count; s++) {
        page->shapes[s] =
            (struct label_shape){column, r->labels[s], r->members[s]};
        column += r->labels[s];
    }
    for (uint32_t i = 0; i < r->word_count; i++)
        page->words[i] = i;
    if (r->column_count > 0)
        memcpy(page->columns, r->columns,
               r->column_count * sizeof(*r->columns));
    if (r->data_bytes > 0)
        memcpy(page->data, r->p + r->at, r->data_bytes);
    if (r->tables) {
        memcpy(page->shape_of, r->shape_of, r->count * sizeof(uint16_t));
        memcpy(page->rank_of, r->rank_of, r->count * sizeof(uint16_t));
    }
    return page;
}

/* Every rank is one of its column's, and no series is too long. */
static fw_rc check_shape(const struct label_page *page,
                         const struct label_shape *s,
                         const struct fw_str *texts)
{
    size_t length[LABEL_PAGE_ROWS] = {0};

    for (uint32_t i = 0; i < s->labels; i++) {
        const struct label_column *c = &page->columns[s->first_column + i];

        for (uint32_t m = 0; m < s->members; m++) {
            uint32_t rank = label_column_rank(page, c, m);

            if (rank >= c->distinct)
                return FW_ECORRUPT;
            length[m] += texts[c->name].n + texts[c->base + rank].n;
        }
    }
    for (uint32_t m = 0; m < s->members; m++)
        if (length[m] > FW_MAX_SERIES_BYTES)
            return FW_ECORRUPT;
    return FW_OK;
}

fw_rc label_page_get(const void *bytes, size_t n, uint32_t count,
                     struct label_page **page, struct fw_str **texts)
{
    struct parser r = {.p = bytes, .n = n, .count = count};
    struct label_page *made = NULL;
    fw_rc rc = count > LABEL_PAGE_ROWS ? FW_ECORRUPT : get_words(&r);

    if (rc == FW_OK)
        rc = get_number(&r, count, &r.shape_count);
    for (uint32_t s = 0; rc == FW_OK && s < r.shape_count; s++)
        rc = get_shape(&r, s);
    if (rc == FW_OK)
        rc = get_rows(&r);
    if (rc == FW_OK)
        rc = lay_out(&r);
    if (rc == FW_OK && (made = parsed_page(&r)) == NULL)
        rc = FW_ENOMEM;
    for (uint32_t s = 0; rc == FW_OK && s < r.shape_count; s++)
        rc = check_shape(made, &made->shapes[s], r.texts);
    free(r.columns);
    if (rc != FW_OK) {
        label_page_free(made);
        free(r.texts);
        return rc;
    }
    *page = made;
    *texts = r.texts;
    return FW_OK;
}
