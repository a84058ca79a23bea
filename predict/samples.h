/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * samples.h - irregular samples onto a regular grid, gaps marked.
 *
 * Cell i holds the samples of (end - (n-i)*step, end - (n-1-i)*step], put into
 * one number by the function that suits the question: the largest where a
 * limit above is asked about, the smallest for one below, the newest
 * otherwise. `end` is the time of the newest sample.
 */
#ifndef FW_PREDICT_SAMPLES_H
#define FW_PREDICT_SAMPLES_H

#include <stdbool.h>

#include "storage/base/arena.h"
#include "storage/base/clock.h"
#include "storage/base/err.h"

enum samples_aggregate { SAMPLES_LAST, SAMPLES_MAX, SAMPLES_MIN };

struct samples_question {
    fw_ms now, horizon;
    fw_ms step;       /* 0: from the data */
    size_t max_cells; /* 0: SAMPLES_CELLS */
    enum samples_aggregate aggregate;
};

/* Cells kept at most: 8 weeks by the five minutes, 11 days by the minute. */
#define SAMPLES_CELLS 16384

struct samples_grid {
    fw_ms step, end;
    fw_ms interval; /* of the samples themselves */
    size_t n;
    double *raw;    /* NaN where a cell is empty */
    double *filled; /* empty cells on the line between their neighbours */
    size_t known;   /* cells that are not empty */
    size_t finite;  /* samples that were numbers */
    size_t lead;    /* whole steps between the last cell and now */
    size_t ahead;   /* steps from the last cell to now + horizon */
};

/*
 * Lays samples (times rising) on a grid in `arena`. Those after `now` and
 * those that are not finite are left out; `n` is 0 if none remains.
 */
FW_CHECK fw_rc samples_resample(const fw_ms *t, const double *v, size_t n,
                                const struct samples_question *question,
                                struct fw_arena *arena,
                                struct samples_grid *out, struct fw_err *err);

/* The usual distance of neighbouring finite samples; 0 for fewer than two. */
fw_ms samples_interval(const fw_ms *t, const double *v, size_t n);

#endif
