/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * fuzz_csv.c - CSV files of series and of questions. What is read keeps its
 * promises: times rise, and a forecast of it is an answer.
 */
#include <math.h>
#include <stddef.h>
#include <stdint.h>

#include "predict/csv_input.h"
#include "predict/predict.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define SERIES_TRIED 3

static void forecast(const struct csv_series *s, struct fw_arena *arena)
{
    struct fw_breach breach = {.limit = 1.0};
    struct fw_forecast_options o = {
        .now = s->t[s->n - 1], .horizon = FW_HOUR, .breach = &breach};
    struct fw_forecast *f;

    if (fw_forecast_run(s->t, s->v, s->n, &o, arena, &f, NULL) != FW_OK)
        return;
    for (size_t k = 0; k < f->n; k++)
        FW_ASSERT(isfinite(f->point[k]) && f->lower[k] <= f->upper[k]);
    FW_ASSERT(!f->has_passage ||
              (f->passage.probability >= 0.0 && f->passage.probability <= 1.0));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fw_arena *arena = fw_arena_new((size_t)64 << 20);
    struct fw_str text = {(const char *)data, size};
    struct csv_series *series;
    struct csv_task *tasks;
    struct csv_report report;
    size_t n;

    if (arena == NULL)
        return 0;
    if (csv_read_series(text, arena, &series, &n, &report, NULL) == FW_OK)
        for (size_t i = 0; i < n; i++) {
            for (size_t j = 1; j < series[i].n; j++)
                FW_ASSERT(series[i].t[j] > series[i].t[j - 1]);
            if (i < SERIES_TRIED)
                forecast(&series[i], arena);
        }
    fw_arena_clear(arena);
    (void)!csv_read_tasks(text, arena, &tasks, &n, &report, NULL);
    fw_arena_free(arena);
    return 0;
}
