/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * cron.h - "0 8 * * MON": when?
 *
 * Five fields, minute hour day-of-month month day-of-week, as crontab(5) has
 * them: lists, ranges, steps, names of months and days, 7 for Sunday; where
 * both day fields are restricted either will do. And @hourly, @daily, @weekly,
 * @monthly, @yearly.
 *
 * Daylight saving: what falls into the hour that is skipped runs when the
 * clocks are put forward; what comes twice when they are put back runs once.
 */
#ifndef SERVER_SCHEDULE_CRON_H
#define SERVER_SCHEDULE_CRON_H

#include <stdbool.h>
#include <stdint.h>

#include "storage/base/str.h"
#include "storage/base/zone.h"

struct cron {
    uint64_t minutes;                       /* bit i: minute i */
    uint32_t hours, days, months, weekdays; /* weekdays: bit 0 Sunday */
    bool any_day, any_weekday;              /* the field was a star */
};

/* FW_EINVAL names the field and what is wrong with it. */
FW_CHECK fw_rc cron_parse(struct fw_str text, struct cron *out,
                          struct fw_err *err);

/*
 * The first time after `after` that it names, in ms; INT64_MAX where there is
 * none within eight years ("0 0 30 2 *").
 */
fw_ms cron_next(const struct cron *cron, const struct fw_zone *zone,
                fw_ms after);

#endif
