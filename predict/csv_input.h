/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * csv_input.h - series and questions from CSV files (RFC 4180).
 *
 * The first row names the columns; without a header the columns are
 * timestamp,value or series,timestamp,value by their number. Timestamps are
 * Unix seconds or RFC 3339. Rows of one series need not stand together or in
 * order; of rows with the same time the last one counts.
 */
#ifndef FW_PREDICT_CSV_INPUT_H
#define FW_PREDICT_CSV_INPUT_H

#include "storage/base/arena.h"
#include "storage/base/clock.h"
#include "storage/base/str.h"

struct csv_series {
    struct fw_str name; /* empty in a file without a column for it */
    fw_ms *t;           /* rising */
    double *v;          /* NaN and infinities as they stand */
    size_t n;
};

#define CSV_COMPLAINTS 10 /* bad rows told by number; the rest is counted */

struct csv_report {
    size_t rows, bad, duplicates;
    bool unordered; /* some rows were not in the order of time */
    struct {
        size_t row; /* line of the file, 1-based */
        char what[128];
    } complaint[CSV_COMPLAINTS];
};

/*
 * Parses a whole file into series in the order of their first row. Bad rows
 * are left out and reported. FW_EINVAL if a header names no usable columns or
 * no row is usable; FW_ETOOBIG for a named limit.
 */
FW_CHECK fw_rc csv_read_series(struct fw_str text, struct fw_arena *arena,
                               struct csv_series **out, size_t *count,
                               struct csv_report *report, struct fw_err *err);

/*
 * Walks a file whose first row names its columns, handing over one field after
 * the other (empty ones are not) and the end of each row with an empty name.
 */
typedef fw_rc (*csv_take)(void *self, size_t line, struct fw_str name,
                          struct fw_str value);
FW_CHECK fw_rc csv_walk(struct fw_str text, struct fw_arena *arena,
                        csv_take take, void *self);

/* One question of `breach --tasks`. */
struct csv_task {
    struct fw_str task, series;
    fw_ms as_of, horizon;
    double threshold;
    bool below;
};

FW_CHECK fw_rc csv_read_tasks(struct fw_str text, struct fw_arena *arena,
                              struct csv_task **out, size_t *count,
                              struct csv_report *report, struct fw_err *err);

#endif
