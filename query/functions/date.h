/* SPDX-License-Identifier: GPL-3.0-or-later */
/* date.h - days and dates, and the parts of a time in seconds (UTC). */
#ifndef FW_QUERY_DATE_H
#define FW_QUERY_DATE_H

#include <stdint.h>

struct date {
    int64_t year;
    int month, day; /* from 1 */
};

struct date date_of_days(int64_t days); /* since 1970-01-01 */
int64_t days_of_date(struct date date);

double date_minute(double seconds);
double date_hour(double seconds);
double date_day_of_week(double seconds); /* Sunday: 0 */
double date_day_of_month(double seconds);
double date_day_of_year(double seconds);
double date_month(double seconds);
double date_year(double seconds);
double date_days_in_month(double seconds);

#endif
