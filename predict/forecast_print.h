/* SPDX-License-Identifier: GPL-3.0-or-later */
/* forecast_print.h - answers of `forecast` and `breach` for people and tools.
 */
#ifndef FW_PREDICT_FORECAST_PRINT_H
#define FW_PREDICT_FORECAST_PRINT_H

#include "predict/cli/forecast_job.h"

enum forecast_format {
    FORECAST_TABLE,
    FORECAST_CHART,
    FORECAST_CSV,
    FORECAST_JSON
};

struct forecast_look {
    enum forecast_format format;
    const struct fw_breach *breach; /* NULL: none asked about */
    fw_ms horizon;
    bool color;
    int columns, rows;
    bool ascii;        /* charts without braille */
    bool summary_only; /* breach: the chance without the points */
};

FW_CHECK fw_rc forecast_print(const struct forecast_row *rows, size_t count,
                              const struct forecast_look *look,
                              struct fw_buf *out);

/*
 * The chance and the time of a breach in words, as in "87 % within 6h, likely
 * in 2h 10m (between 1h 40m and 4h)". "" if no limit was asked about.
 */
void passage_words(const struct fw_forecast *f, const struct fw_breach *breach,
                   fw_ms horizon, char *out, size_t bytes);

/* A field of CSV, in quotes where it has to be; seconds with milliseconds
 * only where there are any. */
FW_CHECK fw_rc print_csv_text(struct fw_buf *out, struct fw_str s);
FW_CHECK fw_rc print_csv_seconds(struct fw_buf *out, fw_ms t);

/* One forecast as a JSON object; the report uses it too. */
struct fw_json;
void forecast_json(struct fw_json *json, const struct fw_forecast *f,
                   bool with_history);

#endif
