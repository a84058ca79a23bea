/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "tests/support/fixture.h"

#include <stdlib.h>
#include <string.h>

#include "server/schedule/cron.h"

static struct fw_err err;

static fw_ms at(const char *text)
{
    fw_ms t;

    assert_int_equal(fw_parse_time(fw_str_of(text), 0, &t, &err), FW_OK);
    return t;
}

static struct fw_zone *zone_named(const char *name)
{
    struct fw_zone *zone = NULL;
    fw_rc rc = fw_zone_open(name, &zone, &err);

    if (rc == FW_ENOTFOUND)
        skip(); /* no tzdata here */
    assert_int_equal(rc, FW_OK);
    return zone;
}

/* The times after `from` in order, as many as are expected. */
static void expect(const char *text, const char *zone_name, const char *from,
                   const char *const *want)
{
    struct fw_zone *zone = zone_named(zone_name);
    fw_ms t = at(from);
    struct cron cron;

    if (cron_parse(fw_str_of(text), &cron, &err) != FW_OK)
        fail_msg("%s", err.text);
    for (; *want != NULL; want++) {
        char got[FW_TIME_TEXT_BYTES];

        t = cron_next(&cron, zone, t);
        (void)fw_format_time(got, t);
        if (strcmp(got, *want) != 0)
            fail_msg("'%s' in %s: %s, not %s", text, zone_name, got, *want);
    }
    fw_zone_close(zone);
}

#define EXPECT(text, zone, from, ...)                                          \
    expect(text, zone, from, (const char *const[]){__VA_ARGS__, NULL})

static void plain_schedules_come_when_they_say(void **state)
{
    (void)state;
    EXPECT("*/20 * * * *", "UTC", "2026-11-23T10:05:30Z",
           "2026-11-23T10:20:00Z", "2026-11-23T10:40:00Z",
           "2026-11-23T11:00:00Z");
    EXPECT("0 8 * * MON", "UTC", "2026-11-23T08:00:00Z", "2026-11-30T08:00:00Z",
           "2026-12-07T08:00:00Z");
    EXPECT("30 6,18 1-2 jan,7 *", "UTC", "2026-11-23T00:00:00Z",
           "2027-01-01T06:30:00Z", "2027-01-01T18:30:00Z",
           "2027-01-02T06:30:00Z", "2027-01-02T18:30:00Z",
           "2027-07-01T06:30:00Z");
    EXPECT("@monthly", "UTC", "2026-12-31T23:59:59.999Z",
           "2027-01-01T00:00:00Z");
    EXPECT("5/25 0 * * *", "UTC", "2026-11-23T00:05:00Z",
           "2026-11-23T00:30:00Z", "2026-11-23T00:55:00Z",
           "2026-11-24T00:05:00Z");
    EXPECT("0 0 29 2 *", "UTC", "2026-11-23T00:00:00Z", "2028-02-29T00:00:00Z");
}

static void either_day_will_do_where_both_are_named(void **state)
{
    (void)state;
    EXPECT("0 0 13 * 5", "UTC", "2026-11-23T00:00:00Z", "2026-11-27T00:00:00Z",
           "2026-12-04T00:00:00Z", "2026-12-11T00:00:00Z",
           "2026-12-13T00:00:00Z");
    EXPECT("0 0 * * 7", "UTC", "2026-11-23T00:00:00Z", "2026-11-29T00:00:00Z");
}

static void clocks_put_forward_skip_nothing(void **state)
{
    (void)state;
    EXPECT("30 2 * * *", "Europe/Berlin", "2026-03-28T00:00:00Z",
           "2026-03-28T01:30:00Z", "2026-03-29T01:00:00Z",
           "2026-03-30T00:30:00Z");
    EXPECT("*/30 * * * *", "Europe/Berlin", "2026-03-29T00:29:00Z",
           "2026-03-29T00:30:00Z", "2026-03-29T01:00:00Z",
           "2026-03-29T01:30:00Z");
}

static void clocks_put_back_do_nothing_twice(void **state)
{
    (void)state;
    EXPECT("30 2 * * *", "Europe/Berlin", "2026-10-24T12:00:00Z",
           "2026-10-25T00:30:00Z", "2026-10-26T01:30:00Z");
    EXPECT("0 8 * * *", "Europe/Berlin", "2026-10-24T00:00:00Z",
           "2026-10-24T06:00:00Z", "2026-10-25T07:00:00Z");
}

static void what_never_comes_is_never(void **state)
{
    struct fw_zone *utc = zone_named("UTC");
    struct cron cron;

    (void)state;
    assert_int_equal(cron_parse(FW_STR("0 0 30 2 *"), &cron, &err), FW_OK);
    assert_true(cron_next(&cron, utc, at("2026-11-23T00:00:00Z")) == INT64_MAX);
    fw_zone_close(utc);
}

static void mistakes_name_the_field(void **state)
{
    static const struct {
        const char *text, *word;
    } bad[] = {
        {"", "five fields"},
        {"* * * *", "five fields"},
        {"* * * * * *", "five fields"},
        {"60 * * * *", "no minute"},
        {"* 24 * * *", "no hour"},
        {"* * 0 * *", "no day of the month"},
        {"* * * 13 *", "no month"},
        {"* * * foo *", "'foo' is no month"},
        {"* * * * 8", "no day of the week"},
        {"5-1 * * * *", "no minute"},
        {"*/0 * * * *", "no minute"},
        {"1,,2 * * * *", "no minute"},
        {"1- * * * *", "no minute"},
        {"99999999999 * * * *", "no minute"},
        {"@never", "five fields"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct cron cron;

        assert_int_equal(cron_parse(fw_str_of(bad[i].text), &cron, &err),
                         FW_EINVAL);
        if (strstr(err.text, bad[i].word) == NULL)
            fail_msg("'%s': %s", bad[i].text, err.text);
    }
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(plain_schedules_come_when_they_say),
        cmocka_unit_test(either_day_will_do_where_both_are_named),
        cmocka_unit_test(clocks_put_forward_skip_nothing),
        cmocka_unit_test(clocks_put_back_do_nothing_twice),
        cmocka_unit_test(what_never_comes_is_never),
        cmocka_unit_test(mistakes_name_the_field),
    };

    return fixture_main(argc, argv, tests);
}
