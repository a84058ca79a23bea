/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "storage/base/zone.h"

#include <glib.h>
#include <stdlib.h>
#include <string.h>

struct fw_zone {
    GTimeZone *zone;
};

fw_rc fw_zone_open(const char *name, struct fw_zone **out, struct fw_err *err)
{
    struct fw_zone *zone = calloc(1, sizeof(*zone));

    if (zone == NULL)
        return fw_err_set(err, FW_ENOMEM, "out of memory");
    if (strcmp(name, "local") == 0)
        zone->zone = g_time_zone_new_local();
    else if (strcmp(name, "UTC") == 0)
        zone->zone = g_time_zone_new_utc();
    else
        zone->zone = g_time_zone_new_identifier(name);
    if (zone->zone == NULL) {
        free(zone);
        return fw_err_set(err, FW_ENOTFOUND,
                          "no time zone '%s' on this system; write UTC, local "
                          "or a name such as Europe/Berlin (Debian: tzdata)",
                          name);
    }
    *out = zone;
    return FW_OK;
}

void fw_zone_close(struct fw_zone *zone)
{
    if (zone == NULL)
        return;
    g_time_zone_unref(zone->zone);
    free(zone);
}

static fw_ms floor_seconds(fw_ms t)
{
    return t >= 0 ? t / 1000 : -((999 - t) / 1000);
}

fw_ms fw_zone_offset(const struct fw_zone *zone, fw_ms t)
{
    gint interval = g_time_zone_find_interval(zone->zone, G_TIME_TYPE_UNIVERSAL,
                                              floor_seconds(t));

    return interval < 0
               ? 0
               : (fw_ms)g_time_zone_get_offset(zone->zone, interval) * 1000;
}

/* The first instant in (low, high] whose offset is not that of `low`. */
static fw_ms transition(const struct fw_zone *zone, fw_ms low, fw_ms high)
{
    fw_ms before = fw_zone_offset(zone, low);

    while (high - low > 1000) {
        fw_ms middle = low + (high - low) / 2;

        if (fw_zone_offset(zone, middle) == before)
            low = middle;
        else
            high = middle;
    }
    return floor_seconds(high) * 1000;
}

fw_ms fw_zone_instant(const struct fw_zone *zone, fw_ms local)
{
    fw_ms before = fw_zone_offset(zone, local - FW_DAY);
    fw_ms after = fw_zone_offset(zone, local + FW_DAY);
    fw_ms early = local - (before > after ? before : after);
    fw_ms late = local - (before > after ? after : before);

    if (early + fw_zone_offset(zone, early) == local)
        return early;
    if (late + fw_zone_offset(zone, late) == local)
        return late;
    return transition(zone, early - FW_DAY, late + FW_DAY);
}
