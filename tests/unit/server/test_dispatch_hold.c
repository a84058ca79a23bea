/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What holds alerts down: the hours, and other alerts. */
#include "tests/support/fixture.h"

#include <string.h>

#include "server/dispatch/dispatch_hold.h"

static struct fw_err err;
static struct fw_arena *arena;

static int begin(void **state)
{
    (void)state;
    arena = fw_arena_new(1 << 20);
    err = (struct fw_err){0};
    return arena == NULL;
}

static int end(void **state)
{
    (void)state;
    fw_arena_free(arena);
    return 0;
}

static fw_ms at(const char *text)
{
    fw_ms t = 0;

    assert_int_equal(fw_parse_time(fw_str_of(text), 0, &t, &err), FW_OK);
    return t;
}

/* ---- hours ---- */

static void expect(const struct config_window *w, const char *time, bool inside)
{
    assert_int_equal(hold_check_window(w, &err), FW_OK);
    if (hold_in_window(w, at(time)) != inside)
        fail_msg("%s should be %s", time, inside ? "inside" : "outside");
}

static void
a_window_begins_with_its_first_minute_and_ends_before_its_last(void **state)
{
    const char *days[] = {"mon", "tue"};
    struct config_window w = {days, 2, "08:00", "18:00", 1};

    (void)state;
    expect(&w, "2026-11-23T07:59:59Z", false); /* a Monday */
    expect(&w, "2026-11-23T08:00:00Z", true);
    expect(&w, "2026-11-23T17:59:59.999Z", true);
    expect(&w, "2026-11-23T18:00:00Z", false);
    expect(&w, "2026-11-24T12:00:00Z", true);
    expect(&w, "2026-11-25T12:00:00Z", false);
    expect(&w, "2026-11-22T12:00:00Z", false);
    expect(&w, "2024-02-29T12:00:00Z", false); /* a Thursday */
}

static void over_midnight_the_day_is_that_of_its_begin(void **state)
{
    const char *days[] = {"fri"};
    struct config_window w = {days, 1, "22:00", "06:00", 1};

    (void)state;
    expect(&w, "2026-11-27T21:59:00Z", false); /* a Friday */
    expect(&w, "2026-11-27T22:00:00Z", true);
    expect(&w, "2026-11-28T05:59:00Z", true);
    expect(&w, "2026-11-28T06:00:00Z", false);
    expect(&w, "2026-11-27T05:00:00Z", false); /* Thursday's night */
    expect(&w, "2026-11-28T23:00:00Z", false);
}

static void without_days_it_is_every_day_and_24_00_is_midnight(void **state)
{
    struct config_window w = {NULL, 0, "00:00", "24:00", 1};

    (void)state;
    expect(&w, "2026-11-22T00:00:00Z", true);
    expect(&w, "2026-11-22T23:59:59Z", true);
}

static void a_window_that_makes_no_sense_is_named(void **state)
{
    const char *days[] = {"monday"};
    struct config_window bad_day = {days, 1, "08:00", "18:00", 7};
    static const char *const times[] = {"8:00",  "08.00", "24:01", "12:60",
                                        "08:0a", "",      "08:000"};
    struct config config = {.windows = &bad_day, .window_count = 1};
    struct hold *hold = NULL;

    (void)state;
    assert_int_equal(hold_new(&config, arena, &hold, &err), FW_EINVAL);
    assert_non_null(strstr(err.text, "time_windows, line 7"));
    assert_non_null(strstr(err.text, "monday"));
    for (size_t i = 0; i < sizeof(times) / sizeof(times[0]); i++) {
        struct config_window w = {NULL, 0, times[i], "18:00", 1};

        assert_int_equal(hold_check_window(&w, &err), FW_EINVAL);
    }
}

static void one_window_of_several_will_do_and_none_is_always(void **state)
{
    struct config_window windows[] = {{NULL, 0, "08:00", "10:00", 1},
                                      {NULL, 0, "20:00", "22:00", 2}};
    struct config config = {.windows = windows, .window_count = 2};
    struct hold *hold = NULL;

    (void)state;
    assert_int_equal(hold_new(&config, arena, &hold, &err), FW_OK);
    assert_true(hold_hours_allow(hold, at("2026-11-23T09:00:00Z")));
    assert_true(hold_hours_allow(hold, at("2026-11-23T21:00:00Z")));
    assert_false(hold_hours_allow(hold, at("2026-11-23T12:00:00Z")));
    config.window_count = 0;
    assert_true(hold_hours_allow(hold, at("2026-11-23T12:00:00Z")));
}

/* ---- inhibition ---- */

#define ALERT(name_, host_)                                                    \
    {                                                                          \
        .labels = {                                                            \
            (struct fw_label[]){{FW_STR("alertname"), FW_STR(name_)},          \
                                {FW_STR("host"), FW_STR(host_)}},              \
            2                                                                  \
        }                                                                      \
    }

static void an_alert_holds_down_those_of_the_same_host(void **state)
{
    const char *source[] = {"alertname=Down"};
    const char *target[] = {"alertname=~\"Slow|Down\""};
    const char *equal[] = {"host"};
    struct config_inhibit rule = {source, target, equal, 1, 1, 1, 3};
    struct config config = {.inhibits = &rule, .inhibit_count = 1};
    struct listed_alert alerts[] = {ALERT("Down", "a"), ALERT("Slow", "a"),
                                    ALERT("Slow", "b"), ALERT("Full", "a"),
                                    ALERT("Down", "c")};
    struct alert_list list = {.alerts = alerts, .count = 5};
    struct hold *hold = NULL;

    (void)state;
    assert_int_equal(hold_new(&config, arena, &hold, &err), FW_OK);
    assert_true(hold_inhibits(hold, &list, &alerts[1]));
    assert_false(hold_inhibits(hold, &list, &alerts[2])); /* another host */
    assert_false(hold_inhibits(hold, &list, &alerts[3])); /* no target */
    assert_false(hold_inhibits(hold, &list, &alerts[0])); /* the source */
    assert_false(hold_inhibits(hold, &list, &alerts[4]));
}

static void an_inhibition_that_makes_no_sense_has_its_line(void **state)
{
    const char *source[] = {"alertname=~\"(\""};
    struct config_inhibit rule = {source, NULL, NULL, 1, 0, 0, 12};
    struct config config = {.inhibits = &rule, .inhibit_count = 1};
    struct hold *hold = NULL;

    (void)state;
    assert_true(hold_new(&config, arena, &hold, &err) != FW_OK);
    assert_non_null(strstr(err.text, "inhibit_rules, line 12"));
}

#define HOLD_TEST(test) cmocka_unit_test_setup_teardown(test, begin, end)

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        HOLD_TEST(
            a_window_begins_with_its_first_minute_and_ends_before_its_last),
        HOLD_TEST(over_midnight_the_day_is_that_of_its_begin),
        HOLD_TEST(without_days_it_is_every_day_and_24_00_is_midnight),
        HOLD_TEST(a_window_that_makes_no_sense_is_named),
        HOLD_TEST(one_window_of_several_will_do_and_none_is_always),
        HOLD_TEST(an_alert_holds_down_those_of_the_same_host),
        HOLD_TEST(an_inhibition_that_makes_no_sense_has_its_line),
    };

    return fixture_main(argc, argv, tests);
}
