/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "tests/support/fixture.h"

#include <string.h>

#include "storage/base/str.h"
#include "storage/base/zone.h"

static struct fw_err err;

static fw_ms at(const char *text)
{
    fw_ms t;

    assert_int_equal(fw_parse_time(fw_str_of(text), 0, &t, &err), FW_OK);
    return t;
}

static struct fw_zone *berlin(void)
{
    struct fw_zone *zone = NULL;
    fw_rc rc = fw_zone_open("Europe/Berlin", &zone, &err);

    if (rc == FW_ENOTFOUND)
        skip(); /* no tzdata here */
    assert_int_equal(rc, FW_OK);
    return zone;
}

static void offsets_know_daylight_saving(void **state)
{
    struct fw_zone *zone = berlin(), *utc = NULL;

    (void)state;
    assert_int_equal(fw_zone_offset(zone, at("2026-01-15T12:00:00Z")), FW_HOUR);
    assert_int_equal(fw_zone_offset(zone, at("2026-07-15T12:00:00Z")),
                     2 * FW_HOUR);
    /* Clocks go forward at 01:00 UTC on the last Sunday of March. */
    assert_int_equal(fw_zone_offset(zone, at("2026-03-29T00:59:59.999Z")),
                     FW_HOUR);
    assert_int_equal(fw_zone_offset(zone, at("2026-03-29T01:00:00Z")),
                     2 * FW_HOUR);
    fw_zone_close(zone);
    assert_int_equal(fw_zone_open("UTC", &utc, &err), FW_OK);
    assert_int_equal(fw_zone_offset(utc, at("2026-07-15T12:00:00Z")), 0);
    fw_zone_close(utc);
}

static void local_times_become_instants(void **state)
{
    struct fw_zone *zone = berlin();

    (void)state;
    assert_int_equal(fw_zone_instant(zone, at("2026-01-15T12:00:00Z")),
                     at("2026-01-15T11:00:00Z"));
    /* 02:30 does not exist that night, and exists twice in October. */
    assert_int_equal(fw_zone_instant(zone, at("2026-03-29T02:30:00Z")),
                     at("2026-03-29T01:00:00Z"));
    assert_int_equal(fw_zone_instant(zone, at("2026-03-29T03:00:00Z")),
                     at("2026-03-29T01:00:00Z"));
    assert_int_equal(fw_zone_instant(zone, at("2026-10-25T02:30:00Z")),
                     at("2026-10-25T00:30:00Z"));
    assert_int_equal(fw_zone_instant(zone, at("2026-10-25T03:00:00Z")),
                     at("2026-10-25T02:00:00Z"));
    fw_zone_close(zone);
}

static void an_unknown_zone_is_refused_by_name(void **state)
{
    struct fw_zone *zone = NULL;

    (void)state;
    assert_int_equal(fw_zone_open("Europe/Atlantis", &zone, &err),
                     FW_ENOTFOUND);
    assert_non_null(strstr(err.text, "Europe/Atlantis"));
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(offsets_know_daylight_saving),
        cmocka_unit_test(local_times_become_instants),
        cmocka_unit_test(an_unknown_zone_is_refused_by_name),
    };

    return fixture_main(argc, argv, tests);
}
