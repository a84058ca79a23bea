/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "storage/index/label_page.h"
#include "tests/support/fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/support/synth.h"

#define WORDS 4000

static struct synth_rng rng;
static char g_texts[WORDS][12];
static uint32_t g_pairs[LABEL_PAGE_ROWS][2 * FW_MAX_LABELS];

/* Names are words below 100, values those above; texts sort as numbers do. */
static void make_texts(void)
{
    for (unsigned i = 0; i < WORDS; i++)
        (void)snprintf(g_texts[i], sizeof(g_texts[i]), "w%06u", i);
}

static uint32_t below(uint32_t n)
{
    return (uint32_t)(synth_u64(&rng) % n);
}

/* Rows of `shapes` shapes, values of `values`, every `hole`th one missing. */
static void make_rows(struct label_rows *rows, uint32_t count, uint32_t shapes,
                      uint32_t values, uint32_t hole)
{
    *rows = (struct label_rows){.count = count};
    for (uint32_t i = 0; i < count; i++) {
        uint32_t shape = below(shapes);
        uint32_t labels = shape % 11;

        if (hole > 0 && i % hole == 0)
            continue;
        for (uint32_t j = 0; j < labels; j++) {
            g_pairs[i][2 * j] = shape % 7 + j * 8;
            g_pairs[i][2 * j + 1] = 100 + below(values);
        }
        rows->pairs[i] = g_pairs[i];
        rows->labels[i] = (uint8_t)labels;
    }
}

static void assert_same(const struct label_rows *rows,
                        const struct label_page *page,
                        const struct fw_str *texts)
{
    assert_int_equal(page->count, rows->count);
    for (uint32_t i = 0; i < rows->count; i++) {
        struct label_row row;

        assert_int_equal(label_page_row(page, i, &row), rows->pairs[i] != NULL);
        if (rows->pairs[i] == NULL)
            continue;
        assert_int_equal(row.shape->labels, rows->labels[i]);
        for (uint32_t j = 0; j < rows->labels[i]; j++) {
            uint32_t name = label_row_name(&row, j);
            uint32_t value = label_row_value(&row, j);

            if (texts == NULL) {
                assert_int_equal(name, rows->pairs[i][2 * j]);
                assert_int_equal(value, rows->pairs[i][2 * j + 1]);
            } else {
                assert_true(fw_str_eq(
                    texts[name], fw_str_of(g_texts[rows->pairs[i][2 * j]])));
                assert_true(
                    fw_str_eq(texts[value],
                              fw_str_of(g_texts[rows->pairs[i][2 * j + 1]])));
            }
        }
    }
}

static void put(const struct label_page *page, struct fw_buf *out)
{
    struct fw_str *texts = malloc((page->word_count + 1) * sizeof(*texts));

    for (uint32_t i = 0; i < page->word_count; i++)
        texts[i] = fw_str_of(g_texts[page->words[i]]);
    assert_int_equal(label_page_put(page, texts, out), FW_OK);
    free(texts);
}

static void there_and_back(struct label_rows *rows)
{
    struct fw_buf bytes = FW_BUF_INIT(1 << 24);
    struct label_page *page = NULL, *back = NULL;
    struct fw_str *texts = NULL;

    assert_int_equal(label_page_pack(rows, &page), FW_OK);
    assert_same(rows, page, NULL);
    put(page, &bytes);
    assert_int_equal(
        label_page_get(bytes.data, bytes.len, rows->count, &back, &texts),
        FW_OK);
    assert_same(rows, back, texts);
    free(texts);
    label_page_free(page);
    label_page_free(back);
    fw_buf_release(&bytes);
}

static void every_row_comes_back(void **state)
{
    static const uint32_t values[] = {1, 2, 3, 17, 256, 3900};
    struct label_rows *rows = malloc(sizeof(*rows));

    (void)state;
    for (unsigned round = 0; round < 400; round++) {
        make_rows(rows, below(LABEL_PAGE_ROWS + 1), 1 + below(40),
                  values[round % 6], round % 3 * 5);
        there_and_back(rows);
    }
    free(rows);
}

static void odd_pages_come_back(void **state)
{
    struct label_rows *rows = calloc(1, sizeof(*rows));

    (void)state;
    there_and_back(rows); /* no rows */
    rows->count = 1;
    there_and_back(rows); /* a hole */
    rows->pairs[0] = g_pairs[0];
    there_and_back(rows); /* a series without labels */
    rows->count = LABEL_PAGE_ROWS;
    for (uint32_t i = 0; i < LABEL_PAGE_ROWS; i++) {
        rows->pairs[i] = g_pairs[i]; /* each of a shape of its own */
        rows->labels[i] = FW_MAX_LABELS;
        for (uint32_t j = 0; j < FW_MAX_LABELS; j++) {
            g_pairs[i][2 * j] = j + i % 30 + (j == 63 ? i : 0);
            g_pairs[i][2 * j + 1] = 100 + (i * 64 + j) % 3900;
        }
    }
    there_and_back(rows);
    free(rows);
}

static void alike_series_cost_little(void **state)
{
    struct label_rows *rows = calloc(1, sizeof(*rows));
    struct label_page *page = NULL;

    (void)state;
    rows->count = LABEL_PAGE_ROWS;
    for (uint32_t i = 0; i < LABEL_PAGE_ROWS; i++) {
        rows->pairs[i] = g_pairs[i];
        rows->labels[i] = 10;
        for (uint32_t j = 0; j < 10; j++) {
            g_pairs[i][2 * j] = j;
            g_pairs[i][2 * j + 1] = 100 + (j == 0   ? i % 10
                                           : j == 1 ? i / 10
                                                    : j);
        }
    }
    assert_int_equal(label_page_pack(rows, &page), FW_OK);
    assert_true(label_page_bytes(page) < LABEL_PAGE_ROWS * 4);
    label_page_free(page);
    free(rows);
}

static void damaged_bytes_never_give_wrong_rows(void **state)
{
    struct label_rows *rows = malloc(sizeof(*rows));
    struct fw_buf bytes = FW_BUF_INIT(1 << 24);
    struct label_page *page = NULL;

    (void)state;
    make_rows(rows, 100, 5, 20, 7);
    assert_int_equal(label_page_pack(rows, &page), FW_OK);
    put(page, &bytes);
    label_page_free(page);
    for (size_t i = 0; i < bytes.len * 8; i++) {
        struct fw_str *texts = NULL;
        fw_rc rc;

        bytes.data[i / 8] = (char)(bytes.data[i / 8] ^ 1 << i % 8);
        rc = label_page_get(bytes.data, bytes.len, 100, &page, &texts);
        if (rc == FW_OK) { /* another page, but one within its bounds */
            struct label_row row;

            for (uint32_t r = 0; r < 100; r++)
                if (label_page_row(page, r, &row))
                    for (uint32_t j = 0; j < row.shape->labels; j++)
                        assert_true(label_row_value(&row, j) <
                                    page->word_count);
            label_page_free(page);
            free(texts);
        }
        bytes.data[i / 8] = (char)(bytes.data[i / 8] ^ 1 << i % 8);
    }
    for (size_t n = 0; n < bytes.len; n++) {
        struct fw_str *texts = NULL;

        assert_int_equal(label_page_get(bytes.data, n, 100, &page, &texts),
                         FW_ECORRUPT);
    }
    fw_buf_release(&bytes);
    free(rows);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_row_comes_back),
        cmocka_unit_test(odd_pages_come_back),
        cmocka_unit_test(alike_series_cost_little),
        cmocka_unit_test(damaged_bytes_never_give_wrong_rows),
    };

    rng = synth_seed(fixture_seed());
    make_texts();
    return fixture_main(argc, argv, tests);
}
