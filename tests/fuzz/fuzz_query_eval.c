/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * fuzz_query_eval.c - any bytes as a query over a few made-up series, at an
 * instant and over a range; the answers go through every printer.
 */
#include <stdint.h>
#include <stdlib.h>

#include "query/query.h"
#include "storage/base/bytes.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define SERIES 6
#define SAMPLES 40

static struct fw_label labels[SERIES][3];
static fw_ms times[SERIES][SAMPLES];
static double values[SERIES][SAMPLES];
static const char *const les[] = {"1", "2", "+Inf"};
static const char digits[] = "012345";

static void make_series(void)
{
    for (size_t s = 0; s < SERIES; s++) {
        labels[s][0] = (struct fw_label){
            FW_STR("__name__"), s < 3 ? FW_STR("m") : FW_STR("b_bucket")};
        labels[s][1] = (struct fw_label){FW_STR("a"), {&digits[s], 1}};
        labels[s][2] = (struct fw_label){FW_STR("le"), fw_str_of(les[s % 3])};
        for (size_t i = 0; i < SAMPLES; i++) {
            times[s][i] = (fw_ms)(i * 15000 + s * 1000);
            values[s][i] = (double)((i * 7 + s) % 11);
        }
        values[s][10] = fw_double_of_bits(FW_STALE_BITS);
        values[s][11] = 0.0 / values[s][0];
    }
}

/* Matchers are the business of the store's own tests: all series match. */
static fw_rc fuzz_select(void *self, const struct fw_matcher *m, size_t n,
                         fw_ms from, fw_ms to, size_t max_series,
                         struct fw_arena *arena, struct fw_series **series,
                         size_t *count, struct fw_err *err)
{
    (void)self, (void)m, (void)n, (void)from, (void)to, (void)max_series;
    *series = fw_arena_alloc(arena, SERIES * sizeof(**series));
    if (*series == NULL)
        return fw_arena_err(arena, err);
    for (uint32_t s = 0; s < SERIES; s++)
        (*series)[s] = (struct fw_series){s, {labels[s], 3}};
    *count = SERIES;
    return FW_OK;
}

struct fuzz_cursor {
    uint32_t series;
    size_t at, end;
};

static fw_rc fuzz_open(void *self, uint32_t series, fw_ms from, fw_ms to,
                       void **cursor, struct fw_err *err)
{
    struct fuzz_cursor *c = malloc(sizeof(*c));

    (void)self, (void)err;
    FW_ASSERT(c != NULL);
    *c = (struct fuzz_cursor){series, 0, SAMPLES};
    while (c->at < SAMPLES && times[series][c->at] < from)
        c->at++;
    while (c->end > c->at && times[series][c->end - 1] > to)
        c->end--;
    *cursor = c;
    return FW_OK;
}

static fw_rc fuzz_next(void *self, void *cursor, struct fw_run *run,
                       struct fw_err *err)
{
    struct fuzz_cursor *c = cursor;
    size_t n = c->end - c->at < 7 ? c->end - c->at : 7;

    (void)self, (void)err;
    if (n == 0)
        return FW_END;
    *run = (struct fw_run){
        .t = &times[c->series][c->at], .v = &values[c->series][c->at], .n = n};
    c->at += n;
    return FW_OK;
}

static void fuzz_close(void *self, void *cursor)
{
    (void)self;
    free(cursor);
}

static void run(struct fw_query *query, fw_ms start, fw_ms end, fw_ms step,
                struct fw_arena *arena)
{
    struct fw_source source = {.select = fuzz_select,
                               .open = fuzz_open,
                               .next = fuzz_next,
                               .close = fuzz_close};
    struct fw_query_options options = {
        .start = start, .end = end, .step = step, .max_samples = 1000000};
    struct fw_buf out = FW_BUF_INIT((size_t)4 << 20);
    struct fw_result result = {0};
    struct fw_err err = {0};

    if (fw_query_run(query, &source, &options, arena, &result, &err) != FW_OK) {
        FW_ASSERT(err.text[0] != '\0');
        return;
    }
    for (size_t i = 0; i < result.count; i++)
        FW_ASSERT(result.series[i].n > 0);
    /* A result too large for the buffer is an answer as well. */
    (void)!fw_print_json(&result, &out);
    (void)!fw_print_csv(&result, &out);
    (void)!fw_print_table(&result, true, 60, &out);
    fw_buf_release(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fw_arena *arena = fw_arena_new((size_t)16 << 20);
    struct fw_query *query = NULL;
    struct fw_err err = {0};

    if (labels[0][0].name.n == 0) {
        make_series();
        (void)!fw_query_enable("promql-experimental-functions", &err);
    }
    if (fw_query_parse((struct fw_str){(const char *)data, size}, arena, &query,
                       &err) == FW_OK) {
        run(query, 300000, 300000, 0, arena);
        run(query, 100000, 700000, 37000, arena);
    }
    fw_arena_free(arena);
    return 0;
}
