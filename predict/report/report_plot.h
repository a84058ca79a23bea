/* SPDX-License-Identifier: GPL-3.0-or-later */
/* report_plot.h - what the pictures of the report share, whatever draws them:
 * which part of the past is shown, its scale, and round marks on it. */
#ifndef FW_PREDICT_REPORT_PLOT_H
#define FW_PREDICT_REPORT_PLOT_H

#include "predict/report/report.h"

#define REPORT_COLUMNS 450 /* finer than a screen shows */

struct report_scale {
    fw_ms t0, t1;
    double v0, v1;
};

/* Index of the first cell of the past that is shown. */
size_t report_shown_from(const struct fw_forecast *f);
struct report_scale report_scale_of(const struct fw_report_row *row,
                                    size_t from);
/* Shares of the way along the axes; values beyond them stand at their ends. */
double report_share_t(const struct report_scale *s, fw_ms t);
double report_share_v(const struct report_scale *s, double v);

double report_value_step(const struct report_scale *s);
fw_ms report_time_step(const struct report_scale *s);
/* "05:30", "05:30:15" for fine steps, "Nov 23" at midnight and for days. */
void report_time_text(fw_ms t, fw_ms step, char out[16]);

#endif
