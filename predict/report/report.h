/* SPDX-License-Identifier: GPL-3.0-or-later */
/* report.h - what the printers of the forecast report share. */
#ifndef FW_PREDICT_REPORT_H
#define FW_PREDICT_REPORT_H

#include "predict/predict.h"
#include "predict/words.h"

/* How much a row wants to be looked at; the report is in this order. */
enum report_urgency {
    REPORT_BREACHED, /* beyond its limit now */
    REPORT_LIKELY,   /* at or above the probability the watch fires at */
    REPORT_UNKNOWN,  /* cannot tell */
    REPORT_POSSIBLE, /* at least half of that probability */
    REPORT_CALM
};

enum report_urgency report_urgency_of(const struct fw_report_row *row);
const char *report_urgency_name(enum report_urgency urgency);

/* The labels of the series without the name of its metric. */
struct fw_labels report_labels(const struct fw_report_row *row);

/* A page in the making: after the first failure the rest is ignored. */
struct report_page {
    struct fw_buf *out;
    fw_rc rc;
    int columns; /* text only */
    bool color;
    fw_ms now;
    struct fw_str footer;
};

void report_put(struct report_page *page, const char *text);
void report_printf(struct report_page *page, const char *fmt, ...)
    FW_PRINTF(2, 3);
/* Text of others, made harmless inside HTML: <, >, &, quotes, controls. */
void report_escaped(struct report_page *page, struct fw_str text);

/* "in 2h 10m", "now", "-". */
void report_when(const struct fw_report_row *row, char out[96]);

void report_text(struct report_page *page, const struct fw_report_row **rows,
                 size_t n);
void report_html(struct report_page *page, const struct fw_report_row **rows,
                 size_t n);
fw_rc report_json(const struct fw_report_row **rows, size_t n, fw_ms now,
                  struct fw_str footer, struct fw_buf *out);

/* A row a series, the columns named in the first. */
fw_rc report_csv(const struct fw_report_row **rows, size_t n,
                 struct fw_buf *out);
/* Pages of A4; FW_NONE where it was built without cairo. */
fw_rc report_pdf(struct report_page *page, const struct fw_report_row **rows,
                 size_t n);

/* The picture of one row as inline SVG; `id` makes its anchors unique. */
void report_chart(struct report_page *page, const struct fw_report_row *row,
                  size_t id);

#endif
