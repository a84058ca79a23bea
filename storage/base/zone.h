/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * zone.h - time zones by their IANA names, daylight saving included; GLib
 * reads the system's zone files (Debian: tzdata).
 */
#ifndef FW_STORAGE_BASE_ZONE_H
#define FW_STORAGE_BASE_ZONE_H

#include "storage/base/clock.h"
#include "storage/base/err.h"

struct fw_zone;

/*
 * "UTC", "Europe/Berlin", or "local" for that of this machine. FW_ENOTFOUND
 * where the system has no such zone. Any thread may use it.
 */
FW_CHECK fw_rc fw_zone_open(const char *name, struct fw_zone **out,
                            struct fw_err *err);
void fw_zone_close(struct fw_zone *zone);

/* Local time minus UTC at an instant, in ms. */
fw_ms fw_zone_offset(const struct fw_zone *zone, fw_ms t);

/*
 * The instant at which clocks in the zone show `local` (ms since 1970 as if it
 * were UTC). The earlier of two when clocks go back; when they are put forward
 * past it, the instant at which that happens.
 */
fw_ms fw_zone_instant(const struct fw_zone *zone, fw_ms local);

#endif
