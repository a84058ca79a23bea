/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * measure.h - what every bench asks of the machine, in one way: clocks in
 * seconds, memory in bytes, the middle of some figures.
 */
#ifndef BENCH_MEASURE_H
#define BENCH_MEASURE_H

#include <stddef.h>

#include "storage/base/err.h"
#include "storage/storage.h"

/* Seconds since some moment. */
double measure_wall(void);

/* Seconds of CPU: of all threads of this process, and of this thread. */
double measure_cpu(void);
double measure_thread_cpu(void);

/* Memory of this process that no file stands behind, in bytes. */
double measure_anonymous(void);

/* Bytes that this process had the disk write. */
double measure_written(void);

/* Sorts the n > 0 values of v; the value at share (0 to 1) of them, so that
 * 0.5 is the median and 0.99 the 99th percentile. */
double measure_share(double *v, size_t n, double share);

/* Ends the program with the words of err unless rc is FW_OK. */
void measure_must(fw_rc rc, const struct fw_err *err);

/* Ends the program if the store of this folder has series: samples of an
 * earlier run would make ours duplicates. */
void measure_must_be_new(struct fw_store *store, const char *dir);

#endif
