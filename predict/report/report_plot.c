/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "predict/report/report_plot.h"

#include <math.h>
#include <stdio.h>

#define HISTORY_SHOWN 3  /* of it, in forecasts */
#define HISTORY_LEAST 60 /* points */
#define BAND_ROOM 0.75   /* of the other values' range, for the band */
#define LIMIT_ROOM 1.5   /* and for the limit */

size_t report_shown_from(const struct fw_forecast *f)
{
    size_t shown = HISTORY_SHOWN * f->n;

    if (shown < HISTORY_LEAST)
        shown = HISTORY_LEAST;
    return f->history_n > shown ? f->history_n - shown : 0;
}

static void widen(double v, double *lo, double *hi)
{
    if (!isfinite(v))
        return;
    *lo = fmin(*lo, v);
    *hi = fmax(*hi, v);
}

/* The range of values: what was seen and the forecast in full, the band and
 * the limit as far as they leave the rest room. */
struct report_scale report_scale_of(const struct fw_report_row *row,
                                    size_t from)
{
    const struct fw_forecast *f = row->series.forecast;
    double lo = INFINITY, hi = -INFINITY, range, band_lo, band_hi;
    double limit = row->breach.limit;
    struct report_scale s;

    for (size_t i = from; i < f->history_n; i++)
        widen(f->history_v[i], &lo, &hi);
    for (size_t i = 0; i < f->n; i++)
        widen(f->point[i], &lo, &hi);
    range = hi > lo ? hi - lo : fmax(fabs(hi), 1.0) * 0.1;
    band_lo = lo - BAND_ROOM * range;
    band_hi = hi + BAND_ROOM * range;
    if (limit > lo - LIMIT_ROOM * range && limit < hi + LIMIT_ROOM * range)
        widen(limit, &lo, &hi);
    for (size_t i = 0; i < f->n; i++) {
        widen(fmax(f->lower[i], band_lo), &lo, &hi);
        widen(fmin(f->upper[i], band_hi), &lo, &hi);
    }
    range = hi > lo ? hi - lo : fmax(fabs(hi), 1.0) * 0.1;
    s.v0 = lo - 0.06 * range;
    s.v1 = hi + 0.06 * range;
    s.t0 = f->history_n > from ? f->history_t[from] : f->t[0] - f->step;
    s.t1 = f->n > 0 ? f->t[f->n - 1] : f->history_t[f->history_n - 1];
    if (s.t1 <= s.t0)
        s.t1 = s.t0 + 1;
    return s;
}

double report_share_t(const struct report_scale *s, fw_ms t)
{
    return (double)(t - s->t0) / (double)(s->t1 - s->t0);
}

double report_share_v(const struct report_scale *s, double v)
{
    return fmin(fmax((v - s->v0) / (s->v1 - s->v0), 0.0), 1.0);
}

double report_value_step(const struct report_scale *s)
{
    double raw = (s->v1 - s->v0) / 5.0, unit = pow(10.0, floor(log10(raw)));
    double m = raw / unit;

    return unit * (m <= 1.0 ? 1.0 : m <= 2.0 ? 2.0 : m <= 5.0 ? 5.0 : 10.0);
}

fw_ms report_time_step(const struct report_scale *s)
{
    const fw_ms range = s->t1 - s->t0;
    static const fw_ms steps[] = {
        FW_SECOND,       5 * FW_SECOND, 15 * FW_SECOND, 30 * FW_SECOND,
        FW_MINUTE,       5 * FW_MINUTE, 15 * FW_MINUTE, 30 * FW_MINUTE,
        FW_HOUR,         2 * FW_HOUR,   3 * FW_HOUR,    6 * FW_HOUR,
        12 * FW_HOUR,    FW_DAY,        2 * FW_DAY,     7 * FW_DAY,
        14 * FW_DAY,     28 * FW_DAY,   91 * FW_DAY,    364 * FW_DAY,
        5 * 364 * FW_DAY};

    for (size_t i = 0; i < sizeof(steps) / sizeof(*steps); i++)
        if (range / steps[i] <= 8)
            return steps[i];
    return range / 4 + 1;
}

void report_time_text(fw_ms t, fw_ms step, char out[16])
{
    static const char *const months[] = {"Jan", "Feb", "Mar", "Apr",
                                         "May", "Jun", "Jul", "Aug",
                                         "Sep", "Oct", "Nov", "Dec"};
    char iso[FW_TIME_TEXT_BYTES];
    int month, day;

    (void)fw_format_time(iso, t);
    if (iso[0] == '-' || iso[4] != '-') { /* not a year of four digits */
        (void)snprintf(out, 16, "%.10s", iso);
        return;
    }
    month = (iso[5] - '0') * 10 + (iso[6] - '0');
    day = (iso[8] - '0') * 10 + (iso[9] - '0');
    if (step >= 28 * FW_DAY)
        (void)snprintf(out, 16, "%s %.4s", months[(month + 11) % 12], iso);
    else if (step >= FW_DAY || t % FW_DAY == 0)
        (void)snprintf(out, 16, "%s %d", months[(month + 11) % 12], day);
    else if (step >= FW_MINUTE)
        (void)snprintf(out, 16, "%.5s", iso + 11);
    else
        (void)snprintf(out, 16, "%.8s", iso + 11);
}
