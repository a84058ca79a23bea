/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "query/cli/chart_axis.h"

#include <math.h>
#include <stdio.h>

#include "query/functions/date.h"

/* ---- Values -------------------------------------------------------------- */

/* 1, 2 or 5 times a power of ten, at least x. */
static double nice_step(double x)
{
    double power = pow(10, floor(log10(x)));
    double rest = x / power;

    if (rest <= 1)
        return power;
    if (rest <= 2)
        return 2 * power;
    if (rest <= 5)
        return 5 * power;
    return 10 * power;
}

struct unit {
    double size;
    const char *prefix;
};

static const struct unit decimal_units[] = {
    {1e18, "E"}, {1e15, "P"}, {1e12, "T"}, {1e9, "G"},
    {1e6, "M"},  {1e3, "k"},  {1, ""},
};
static const struct unit binary_units[] = {
    {0x1p60, "Ei"}, {0x1p50, "Pi"}, {0x1p40, "Ti"}, {0x1p30, "Gi"},
    {0x1p20, "Mi"}, {0x1p10, "Ki"}, {1, ""},
};
#define UNITS (sizeof(decimal_units) / sizeof(decimal_units[0]))

static struct unit unit_for(double largest, bool binary)
{
    const struct unit *units = binary ? binary_units : decimal_units;

    for (size_t i = 0; i + 1 < UNITS; i++) {
        if (largest >= units[i].size)
            return units[i];
    }
    return units[UNITS - 1];
}

/* Digits behind the point that tell two ticks apart. */
static int decimals_for(double step)
{
    int decimals = (int)-floor(log10(step) + 1e-9);

    return decimals < 0 ? 0 : decimals > 12 ? 12 : decimals;
}

struct value_axis value_axis_make(double min, double max, int ticks,
                                  bool binary)
{
    double largest = fmax(fabs(min), fabs(max));
    struct unit unit = unit_for(largest, binary);
    struct value_axis axis = {.unit = unit.size, .prefix = unit.prefix};
    double scaled_min = min / unit.size;
    double scaled_max = max / unit.size;
    double step;

    if (scaled_max - scaled_min < 1e-12 * fmax(largest / unit.size, 1e-300)) {
        double pad = largest > 0 ? fabs(scaled_max) * 0.1 : 1;

        scaled_min -= pad;
        scaled_max += pad;
    }
    step = nice_step((scaled_max - scaled_min) / (ticks > 1 ? ticks : 1));
    axis.low = floor(scaled_min / step + 1e-9) * step * unit.size;
    axis.high = ceil(scaled_max / step - 1e-9) * step * unit.size;
    axis.step = step * unit.size;
    axis.decimals = decimals_for(step);
    return axis;
}

void value_axis_label(const struct value_axis *axis, double v,
                      char out[AXIS_LABEL_BYTES])
{
    double shown = v / axis->unit;

    if (fabs(shown) < axis->step / axis->unit * 1e-6)
        shown = 0; /* not "-0.0" */
    if (fabs(shown) >= 1e7 || axis->decimals > 9)
        (void)snprintf(out, AXIS_LABEL_BYTES, "%.4g%s", shown, axis->prefix);
    else
        (void)snprintf(out, AXIS_LABEL_BYTES, "%.*f%s", axis->decimals, shown,
                       shown == 0 ? "" : axis->prefix);
}

/* ---- Times --------------------------------------------------------------- */

static const fw_ms time_steps[] = {
    10,
    100,
    FW_SECOND,
    2 * FW_SECOND,
    5 * FW_SECOND,
    10 * FW_SECOND,
    15 * FW_SECOND,
    30 * FW_SECOND,
    FW_MINUTE,
    2 * FW_MINUTE,
    5 * FW_MINUTE,
    10 * FW_MINUTE,
    15 * FW_MINUTE,
    30 * FW_MINUTE,
    FW_HOUR,
    2 * FW_HOUR,
    3 * FW_HOUR,
    6 * FW_HOUR,
    12 * FW_HOUR,
    FW_DAY,
    2 * FW_DAY,
    7 * FW_DAY,
    14 * FW_DAY,
    28 * FW_DAY,
    91 * FW_DAY,
    182 * FW_DAY,
    365 * FW_DAY,
};
#define TIME_STEPS (sizeof(time_steps) / sizeof(time_steps[0]))

/* Columns of a label, with a gap to the next. */
static int label_columns(fw_ms step)
{
    if (step < FW_SECOND)
        return 15; /* 05:12:30.250 */
    if (step < FW_MINUTE)
        return 11;
    if (step < FW_DAY)
        return 9;
    return step < 28 * FW_DAY ? 9 : 13;
}

struct time_axis time_axis_make(fw_ms from, fw_ms to, int columns)
{
    fw_ms range = to > from ? to - from : 1;
    fw_ms step = 0;
    fw_ms first;

    for (size_t i = 0; i < TIME_STEPS; i++) {
        step = time_steps[i];
        if (range / step <= columns / label_columns(step))
            break;
    }
    while (range / step > columns / label_columns(step))
        step *= 2;
    first = from - from % step;
    if (first < from)
        first += step;
    return (struct time_axis){first, step, from, to};
}

void time_axis_label(const struct time_axis *axis, fw_ms t,
                     char out[AXIS_LABEL_BYTES])
{
    int64_t days = t / FW_DAY - (t % FW_DAY < 0);
    int ms = (int)(t - days * FW_DAY);
    int seconds = ms / 1000;
    struct date d = date_of_days(days);
    static const char months[12][4] = {"Jan", "Feb", "Mar", "Apr",
                                       "May", "Jun", "Jul", "Aug",
                                       "Sep", "Oct", "Nov", "Dec"};

    if (axis->step >= 28 * FW_DAY)
        (void)snprintf(out, AXIS_LABEL_BYTES, "%d %s %lld", d.day,
                       months[d.month - 1], (long long)d.year);
    else if (axis->step >= FW_DAY || ms == 0)
        (void)snprintf(out, AXIS_LABEL_BYTES, "%d %s", d.day,
                       months[d.month - 1]);
    else if (axis->step >= FW_MINUTE)
        (void)snprintf(out, AXIS_LABEL_BYTES, "%02d:%02d", seconds / 3600,
                       seconds / 60 % 60);
    else if (axis->step >= FW_SECOND)
        (void)snprintf(out, AXIS_LABEL_BYTES, "%02d:%02d:%02d", seconds / 3600,
                       seconds / 60 % 60, seconds % 60);
    else
        (void)snprintf(out, AXIS_LABEL_BYTES, "%02d:%02d:%02d.%03d",
                       seconds / 3600, seconds / 60 % 60, seconds % 60,
                       ms % 1000);
}
