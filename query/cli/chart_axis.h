/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * chart_axis.h - where the ticks of an axis stand and what is written there:
 * steps people would choose, one unit for all labels of an axis.
 */
#ifndef FW_QUERY_CHART_AXIS_H
#define FW_QUERY_CHART_AXIS_H

#include <stdbool.h>
#include <stddef.h>

#include "storage/base/clock.h"

#define AXIS_LABEL_BYTES 32

/* Values from low to high, ticks at low + i * step. */
struct value_axis {
    double low, high, step;
    double unit;        /* labels show value / unit */
    const char *prefix; /* "", "k", "Mi", ... */
    int decimals;
};

/* An axis for values from min to max with about `ticks` ticks. */
struct value_axis value_axis_make(double min, double max, int ticks,
                                  bool binary);
void value_axis_label(const struct value_axis *axis, double v,
                      char out[AXIS_LABEL_BYTES]);

/* Instants at multiples of a step, in UTC. */
struct time_axis {
    fw_ms first, step; /* of the ticks */
    fw_ms from, to;    /* of the axis */
};

/* An axis whose labels have `columns` columns in all. */
struct time_axis time_axis_make(fw_ms from, fw_ms to, int columns);
void time_axis_label(const struct time_axis *axis, fw_ms t,
                     char out[AXIS_LABEL_BYTES]);

#endif
