/* SPDX-License-Identifier: GPL-3.0-or-later */
/* fn_time.c - time() and the parts of a date, all in UTC. */
#include <math.h>

#include "query/eval/eval.h"
#include "query/functions/date.h"
#include "query/functions/functions.h"

/* Days from civil and back: Howard Hinnant, "chrono-Compatible Low-Level Date
 * Algorithms", 2013, for any year of the proleptic Gregorian calendar. */
struct date date_of_days(int64_t days)
{
    int64_t z = days + 719468;
    int64_t era = (z >= 0 ? z : z - 146096) / 146097;
    int64_t doe = z - era * 146097;
    int64_t yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
    int64_t doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
    int64_t mp = (5 * doy + 2) / 153;
    struct date d;

    d.day = (int)(doy - (153 * mp + 2) / 5 + 1);
    d.month = (int)(mp < 10 ? mp + 3 : mp - 9);
    d.year = yoe + era * 400 + (d.month <= 2);
    return d;
}

int64_t days_of_date(struct date d)
{
    int64_t y = d.year - (d.month <= 2);
    int64_t era = (y >= 0 ? y : y - 399) / 400;
    int64_t yoe = y - era * 400;
    int64_t doy =
        (153 * (d.month + (d.month > 2 ? -3 : 9)) + 2) / 5 + d.day - 1;
    int64_t doe = yoe * 365 + yoe / 4 - yoe / 100 + doy;

    return era * 146097 + doe - 719468;
}

/* ---- Parts of a time in seconds ------------------------------------------ */

/*
 * A time in whole seconds, cut towards zero, as a day and the seconds of it.
 * What no int64 holds, NaN too, becomes 2^63 seconds after the epoch: that is
 * what Prometheus makes of it.
 */
#define LAST_DAY 106751991167300
#define LAST_SECOND 55808

static int64_t day_number(double v)
{
    int64_t t;

    if (!(v >= -9223372036854775808.0 && v < 9223372036854775808.0))
        return LAST_DAY;
    t = (int64_t)v;
    return t / 86400 - (t % 86400 < 0);
}

static int64_t second_of_day(double v)
{
    if (!(v >= -9223372036854775808.0 && v < 9223372036854775808.0))
        return LAST_SECOND;
    return (int64_t)v - day_number(v) * 86400;
}

double date_minute(double seconds)
{
    int64_t minutes = second_of_day(seconds) / 60;

    return (double)(minutes % 60);
}

double date_hour(double seconds)
{
    int64_t hours = second_of_day(seconds) / 3600;

    return (double)hours;
}

double date_day_of_week(double seconds)
{
    int64_t day = (day_number(seconds) + 4) % 7; /* the epoch was a Thursday */

    return (double)(day < 0 ? day + 7 : day);
}

double date_day_of_month(double seconds)
{
    return date_of_days(day_number(seconds)).day;
}

double date_day_of_year(double seconds)
{
    int64_t day = day_number(seconds);
    struct date first = {date_of_days(day).year, 1, 1};

    return (double)(day - days_of_date(first) + 1);
}

double date_month(double seconds)
{
    return date_of_days(day_number(seconds)).month;
}

double date_year(double seconds)
{
    return (double)date_of_days(day_number(seconds)).year;
}

double date_days_in_month(double seconds)
{
    struct date d = date_of_days(day_number(seconds));
    struct date first = {d.year, d.month, 1};
    struct date next = {d.year + (d.month == 12), d.month % 12 + 1, 1};

    return (double)(days_of_date(next) - days_of_date(first));
}

/* ---- In the table of functions ------------------------------------------- */

fw_rc scalar_time(struct eval *ev, const struct node *call,
                  const struct grid *grid, double *out)
{
    (void)ev;
    (void)call;
    for (size_t i = 0; i < grid->count; i++)
        out[i] = (double)grid_time(grid, i) / 1000;
    return FW_OK;
}

/* Without an argument: of the instant of each step. */
static fw_rc date_of_steps(struct eval *ev, const struct node *call,
                           const struct grid *grid, struct sink *sink)
{
    struct row row = {{NULL, 0}, NULL};
    fw_rc rc = eval_array(ev, grid->count, &row.v);

    if (rc != FW_OK)
        return rc;
    for (size_t i = 0; i < grid->count; i++) {
        fw_ms seconds = grid_time(grid, i) / 1000;

        row.v[i] = call->function->map((double)seconds);
    }
    return sink->take(sink, &row);
}

fw_rc call_date(struct eval *ev, const struct node *call,
                const struct grid *grid, struct sink *sink)
{
    if (call->arg_count == 0)
        return date_of_steps(ev, call, grid, sink);
    return call_map(ev, call, grid, sink);
}
