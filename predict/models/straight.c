/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * straight.c - a straight line through the newest straight piece of the series.
 *
 * The piece is cut into at most LINE_POINTS blocks and each is represented by
 * its median; the line through them is fitted with Tukey's bisquare weights
 * (numeric.h). So neither an outlier nor what happened before the last change
 * of ways bends it, and the cost does not grow with the piece.
 */
#include "predict/models/straight.h"

#include <math.h>

#include "predict/models/model.h"

#define LINE_POINTS 32
#define LINE_LEAST 5 /* values a line is drawn through at the least */

fw_rc line_fit(const double *y, size_t from, size_t to,
               struct numeric_line *out)
{
    double x[LINE_POINTS], v[LINE_POINTS], work[64];
    size_t n = to - from;
    size_t block = (n + LINE_POINTS - 1) / LINE_POINTS, points;

    if (n < LINE_LEAST)
        return FW_NONE;
    points = n / block;
    for (size_t i = 0; i < points; i++) {
        /* Blocks end at `to`, so that the newest values are all in. */
        size_t at = to - (points - i) * block;
        size_t some = block < 64 ? block : 64;

        for (size_t j = 0; j < some; j++)
            work[j] = y[at + j * block / some];
        v[i] = numeric_median(work, some);
        x[i] = (double)at + 0.5 * (double)(block - 1) - (double)to + 1.0;
    }
    return numeric_robust_line(x, v, points, out);
}

static fw_rc linear(const struct model_input *in, double *out)
{
    for (size_t i = 0; i < in->count; i++) {
        size_t o = in->origins[i];
        double *row = out + i * in->h;
        struct numeric_line line;
        fw_rc rc = line_fit(in->y, segments_start(in->segments, o), o, &line);

        if (rc == FW_ENOMEM)
            return rc;
        if (rc != FW_OK) {
            model_row(row, in->h, NAN);
            continue;
        }
        for (size_t k = 0; k < in->h; k++)
            row[k] = line.level + line.slope * (double)(k + 1);
    }
    return FW_OK;
}

/* The line from the first to the newest value of the piece [FPP3, sec. 5.2]. */
static fw_rc drift(const struct model_input *in, double *out)
{
    for (size_t i = 0; i < in->count; i++) {
        size_t o = in->origins[i], from = segments_start(in->segments, o);
        double *row = out + i * in->h, slope;

        if (o < from + LINE_LEAST) {
            model_row(row, in->h, NAN);
            continue;
        }
        slope = (in->y[o - 1] - in->y[from]) / (double)(o - 1 - from);
        for (size_t k = 0; k < in->h; k++)
            row[k] = in->y[o - 1] + slope * (double)(k + 1);
    }
    return FW_OK;
}

const struct model model_linear = {
    "robust trend", linear,
    "it goes on along the line it has followed since its last change"};
const struct model model_drift = {
    "drift", drift,
    "it goes on from here at the rate it has had since its last change"};
