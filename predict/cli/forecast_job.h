/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * forecast_job.h - what `forecast` and `breach` share: reading their options,
 * fetching the series from a file or by an expression, forecasting each.
 */
#ifndef FW_PREDICT_FORECAST_JOB_H
#define FW_PREDICT_FORECAST_JOB_H

#include "predict/csv_input.h"
#include "predict/predict.h"

struct forecast_row {
    struct fw_str name;
    struct fw_forecast *forecast;
    double current; /* NaN if there is none */
    fw_ms current_at;
    double limit; /* NaN if none is asked about */
};

struct forecast_job {
    struct fw_forecast_options options;
    struct fw_breach breach;
    struct fw_known known; /* its zone is owned */
    bool has_breach, has_at;
    fw_ms history;
    size_t steps;      /* the horizon in steps of a file's own; 0: a span */
    const char *input; /* NULL: the expression */
    struct fw_str expr;
    bool skip_bad;
    struct fw_arena *arena; /* series and answers */
    struct fw_buf file;
};

/* Fills the job from the options both commands have; `limit` is the text of a
 * limit or NULL. FW_EINVAL with a sentence. */
FW_CHECK fw_rc job_init(struct forecast_job *job, struct fw_cli *cli,
                        const struct fw_args *args, const char *limit,
                        struct fw_err *err);
void job_release(struct forecast_job *job);

/*
 * Reads --input into series; complaints about rows go to cli->err. FW_EINVAL
 * if rows are bad and --skip-bad is off, or nothing is usable.
 */
FW_CHECK fw_rc job_read_input(struct forecast_job *job, struct fw_cli *cli,
                              struct csv_series **series, size_t *count,
                              struct fw_err *err);

/* The bytes of a file, unpacked if it is gzipped, in `out`. */
FW_CHECK fw_rc job_read_file(const char *path, struct fw_buf *out,
                             struct fw_err *err);

/* Says on cli->err which rows of a file were bad, and why. */
void job_complain(struct fw_cli *cli, const char *path,
                  const struct csv_report *report);

/* Every series of the job with its forecast. */
FW_CHECK fw_rc job_run(struct forecast_job *job, struct fw_cli *cli,
                       struct forecast_row **rows, size_t *count,
                       struct fw_err *err);

#endif
