/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * bench_breach_features.c - what the regression of predict/breach/passage.c
 * sees for a file of questions, for bench/fit_breach.py to fit its constants
 * from.
 *
 *     bench_breach_features series.csv tasks.csv > features.csv
 */
#include <stdio.h>

#include "predict/breach/breach_tasks.h"
#include "storage/base/file.h"

#define MOST ((size_t)4 << 30)

struct print {
    const struct csv_task *tasks;
};

static void take(void *self, size_t task,
                 const double features[PASSAGE_FEATURES])
{
    const struct print *p = self;

    (void)printf("%.*s", FW_STR_ARG(p->tasks[task].task));
    for (size_t i = 0; i < PASSAGE_FEATURES; i++)
        (void)printf(",%.6g", features[i]);
    (void)putchar('\n');
}

int main(int argc, char **argv)
{
    struct fw_buf series_file = FW_BUF_INIT(MOST);
    struct fw_buf tasks_file = FW_BUF_INIT(MOST);
    struct fw_arena *arena = fw_arena_new(MOST);
    struct csv_series *series;
    struct csv_task *tasks;
    struct csv_report report;
    struct print p;
    struct fw_err err = {0};
    size_t series_count, count;
    fw_rc rc = FW_EINVAL;

    if (argc != 3 || arena == NULL) {
        (void)fprintf(stderr, "usage: bench_breach_features SERIES TASKS\n");
        goto out;
    }
    rc = fw_file_read(argv[1], &series_file, &err);
    if (rc == FW_OK)
        rc = fw_file_read(argv[2], &tasks_file, &err);
    if (rc == FW_OK)
        rc = csv_read_series((struct fw_str){series_file.data, series_file.len},
                             arena, &series, &series_count, &report, &err);
    if (rc == FW_OK)
        rc = csv_read_tasks((struct fw_str){tasks_file.data, tasks_file.len},
                            arena, &tasks, &count, &report, &err);
    if (rc != FW_OK)
        goto out;
    (void)printf("task");
    for (size_t i = 0; i < PASSAGE_FEATURES; i++)
        (void)printf(",%s", passage_feature_names[i]);
    (void)putchar('\n');
    p.tasks = tasks;
    rc = breach_tasks_features(series, series_count, tasks, count, take, &p,
                               &err);
out:
    if (err.text[0] != '\0')
        (void)fprintf(stderr, "bench_breach_features: %s\n", err.text);
    fw_buf_release(&series_file);
    fw_buf_release(&tasks_file);
    fw_arena_free(arena);
    return rc == FW_OK ? 0 : 1;
}
