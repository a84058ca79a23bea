/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * memory_source.h - a fw_source over arrays in memory, for tests of the
 * evaluator. It answers as the store would: series in label order, samples in
 * runs. Runs are short on purpose, so that nobody can count on long ones.
 */
#ifndef TESTS_UNIT_QUERY_MEMORY_SOURCE_H
#define TESTS_UNIT_QUERY_MEMORY_SOURCE_H

#include "query/query.h"

struct memory_series {
    struct fw_labels labels;
    fw_ms *t;
    double *v;
    size_t n, cap;
};

struct memory_source {
    struct fw_arena *arena; /* labels */
    struct memory_series *series;
    size_t count, cap;
    int fail_in;             /* > 0: the n-th read fails with FW_ECORRUPT */
    _Atomic uint64_t opened; /* times that a series was read */
    _Atomic uint64_t handed; /* samples handed out */
};

void memory_source_init(struct memory_source *m);
void memory_source_release(struct memory_source *m);
struct fw_source memory_source_as_source(struct memory_source *m);

/* The series `name{label="value"}`, made if new; labels as a selector. */
struct memory_series *memory_source_series(struct memory_source *m,
                                           const char *text);
/* Appends a sample; times must rise. */
void memory_series_add(struct memory_series *s, fw_ms t, double v);

#endif
