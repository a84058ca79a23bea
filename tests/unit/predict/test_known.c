/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "tests/support/fixture.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "predict/predict.h"
#include "tests/support/synth.h"

#define MOST 8192
#define START ((fw_ms)1700000000000 / FW_DAY * FW_DAY)

struct story {
    fw_ms t[MOST];
    double v[MOST];
    size_t n;
    struct fw_forecast_options options;
    struct fw_breach breach;
    struct fw_event events[4];
    struct fw_zone *zone;
    struct fw_arena *arena;
};

static int set_up(void **state)
{
    struct story *s = calloc(1, sizeof(*s));

    assert_non_null(s);
    s->arena = fw_arena_new((size_t)256 << 20);
    assert_non_null(s->arena);
    *state = s;
    return 0;
}

static int tear_down(void **state)
{
    struct story *s = *state;

    fw_zone_close(s->zone);
    fw_arena_free(s->arena);
    free(s);
    return 0;
}

/* Hourly values about `level` with a little noise. */
static void begin(struct story *s, size_t n, double level, fw_ms horizon)
{
    struct synth_rng rng = synth_seed(fixture_seed());

    s->n = n;
    for (size_t i = 0; i < n; i++) {
        s->t[i] = START + (fw_ms)i * FW_HOUR;
        s->v[i] = level + synth_normal(&rng);
    }
    s->options = (struct fw_forecast_options){
        .now = s->t[n - 1], .horizon = horizon, .events = s->events};
}

static void event(struct story *s, fw_ms at, fw_ms lasts, double delta)
{
    struct fw_event *e = &s->events[s->options.event_count++];

    *e = (struct fw_event){.at = at,
                           .until = lasts > 0 ? at + lasts : 0,
                           .delta = delta,
                           .amount = "+40",
                           .why = "a test"};
}

static const struct fw_forecast *run(struct story *s)
{
    struct fw_forecast *f = NULL;
    struct fw_err err = {0};

    if (fw_forecast_run(s->t, s->v, s->n, &s->options, s->arena, &f, &err) !=
        FW_OK)
        fail_msg("%s", err.text);
    return f;
}

static const struct fw_forecast *above(struct story *s, double limit)
{
    s->breach = (struct fw_breach){.side = FW_ABOVE, .limit = limit};
    s->options.breach = &s->breach;
    return run(s);
}

static void a_planned_step_is_in_the_forecast_from_its_moment_on(void **state)
{
    struct story *s = *state;
    const struct fw_forecast *f;

    begin(s, 336, 100.0, 2 * FW_DAY);
    event(s, s->options.now + FW_DAY, 0, 40.0);
    f = run(s);
    for (size_t i = 0; i < f->n; i++)
        assert_true(fabs(f->point[i] -
                         (f->t[i] < s->events[0].at ? 100.0 : 140.0)) < 3.0);
    assert_non_null(strstr(f->known, "Known change: +40 on "));
    assert_non_null(strstr(f->known, "because a test"));
}

static void a_step_over_the_limit_breaches_when_it_comes(void **state)
{
    struct story *s = *state;
    const struct fw_forecast *f;

    begin(s, 336, 100.0, 2 * FW_DAY);
    assert_true(above(s, 130.0)->passage.probability < 0.1);
    event(s, s->options.now + FW_DAY, 0, 40.0);
    f = above(s, 130.0);
    assert_true(f->passage.probability > 0.95);
    assert_true(llabs(f->passage.p50 - FW_DAY) <= 2 * FW_HOUR);
    assert_true(above(s, 160.0)->passage.probability < 0.1);
    s->events[0].delta = -40.0;
    assert_true(above(s, 130.0)->passage.probability < 0.1);
    assert_true(above(s, 101.0)->passage.probability > 0.6);
}

static void a_step_away_from_the_limit_averts_a_leak(void **state)
{
    struct story *s = *state;
    double without, with;

    begin(s, 336, 100.0, 4 * FW_DAY);
    for (size_t i = 0; i < s->n; i++)
        s->v[i] += 0.5 * (double)i; /* 268 now, 316 in four days */
    without = above(s, 295.0)->passage.probability;
    event(s, s->options.now + FW_DAY, 0, -100.0);
    with = above(s, 295.0)->passage.probability;
    assert_true(without > 0.9);
    assert_true(with < 0.1);
}

static void what_lasts_a_while_ends_again(void **state)
{
    struct story *s = *state;
    const struct fw_forecast *f;

    begin(s, 336, 100.0, 2 * FW_DAY);
    event(s, s->options.now + FW_DAY, 6 * FW_HOUR, 40.0);
    f = above(s, 130.0);
    assert_true(f->passage.probability > 0.95);
    assert_true(fabs(f->point[f->n - 1] - 100.0) < 3.0);
    assert_true(fabs(f->point[26] - 140.0) < 3.0);
}

static void a_step_that_came_is_no_trend(void **state)
{
    struct story *s = *state;
    const struct fw_forecast *f;

    begin(s, 336, 100.0, 2 * FW_DAY);
    for (size_t i = 300; i < s->n; i++)
        s->v[i] += 40.0;
    event(s, s->t[300], 0, 40.0);
    f = run(s);
    assert_true(fabs(f->point[f->n - 1] - 140.0) < 3.0);
    assert_true(fabs(f->history_v[10] - 100.0) < 8.0); /* shown as it was */
    assert_non_null(strstr(f->known, "Taken into account"));
}

static void a_plan_that_did_not_happen_changes_nothing(void **state)
{
    struct story *s = *state;
    const struct fw_forecast *f;

    begin(s, 336, 100.0, 2 * FW_DAY);
    event(s, s->t[300], 0, 40.0);
    f = run(s);
    assert_true(fabs(f->point[f->n - 1] - 100.0) < 3.0);
    assert_non_null(strstr(f->known, "not seen in the samples"));
}

static void excluded_times_are_not_learnt_from(void **state)
{
    struct story *s = *state;
    double with, without;

    /* Each night a backup of two hours fills it; tonight there is none. */
    begin(s, 480, 100.0, FW_DAY);
    for (size_t i = 0; i < s->n; i++)
        if (i % 24 < 2)
            s->v[i] += 50.0;
    with = above(s, 130.0)->passage.probability;
    s->events[s->options.event_count++] =
        (struct fw_event){.exclude = true,
                          .at = START,
                          .until = START + 2 * FW_HOUR,
                          .every = FW_DAY,
                          .amount = "",
                          .why = ""};
    without = above(s, 130.0)->passage.probability;
    assert_true(with > 0.8);
    assert_true(without < 0.15);
    assert_non_null(strstr(run(s)->known, "Not learnt from: 40 samples"));
}

static void events_are_read_as_people_write_them(void **state)
{
    struct story *s = *state;
    struct fw_event e, *all;
    struct fw_err err = {0};
    double v;
    size_t n;

    assert_int_equal(fw_amount_parse(FW_STR("-200GB"), &v, &err), FW_OK);
    assert_true(v == -200e9);
    assert_int_equal(fw_amount_parse(FW_STR("1.5GiB"), &v, &err), FW_OK);
    assert_true(v == 1.5 * 1073741824.0);
    assert_int_equal(fw_amount_parse(FW_STR("+3k"), &v, &err), FW_OK);
    assert_true(v == 3000.0);
    assert_int_equal(fw_amount_parse(FW_STR("3 apples"), &v, &err), FW_EINVAL);
    assert_int_equal(fw_amount_parse(FW_STR("GB"), &v, &err), FW_EINVAL);
    assert_int_equal(
        fw_event_parse(FW_STR("at=2026-11-27T10:00Z,delta=+200GB,every=7d,"
                              "for=2h,why=one, two"),
                       0, s->arena, &e, &err),
        FW_OK);
    assert_true(e.delta == 200e9 && e.every == 7 * FW_DAY &&
                e.until - e.at == 2 * FW_HOUR);
    assert_string_equal(e.why, "one, two");
    assert_int_equal(
        fw_event_parse(FW_STR("delta=+200GB"), 0, s->arena, &e, &err),
        FW_EINVAL);
    assert_int_equal(fw_exclude_parse(FW_STR("now-2h/now-1h,every=1d"), START,
                                      s->arena, &e, &err),
                     FW_OK);
    assert_true(e.exclude && e.until - e.at == FW_HOUR);
    assert_int_equal(
        fw_exclude_parse(FW_STR("now/now-1h"), START, s->arena, &e, &err),
        FW_EINVAL);
    assert_int_equal(
        fw_events_read(FW_STR("at,delta,why\n2026-11-27T10:00Z,-5,\"a, b\"\n"),
                       0, s->arena, &all, &n, &err),
        FW_OK);
    assert_int_equal(n, 1);
    assert_string_equal(all[0].why, "a, b");
    assert_int_equal(
        fw_events_read(FW_STR("[{\"at\": \"2026-11-27T10:00Z\", \"delta\": 5, "
                              "\"why\": \"f\\u00fcr\"}, {\"at\": 0, "
                              "\"until\": 60, \"every\": \"1d\"}]"),
                       0, s->arena, &all, &n, &err),
        FW_OK);
    assert_int_equal(n, 2);
    assert_string_equal(all[0].why, "f\xc3\xbcr");
    assert_true(all[1].exclude && all[1].every == FW_DAY);
    assert_int_equal(
        fw_events_read(FW_STR("[{\"at\": 1,"), 0, s->arena, &all, &n, &err),
        FW_EINVAL);
    assert_int_equal(
        fw_events_read(FW_STR("at,delta\n1,x\n"), 0, s->arena, &all, &n, &err),
        FW_EINVAL);
    assert_non_null(strstr(err.text, "line 2"));
}

/* ---- Clocks -------------------------------------------------------------- */

/* Work from nine to five by the clocks of a zone; the mean error of a forecast
 * of a week that begins after the clocks changed. */
static double error_after_change(struct story *s, fw_ms change, bool zoned)
{
    struct synth_rng rng = synth_seed(7);
    const struct fw_forecast *f;
    double sum = 0.0;

    s->n = 0;
    for (fw_ms t = change - 28 * FW_DAY; t <= change + FW_DAY; t += FW_HOUR) {
        fw_ms hour = (t + fw_zone_offset(s->zone, t)) / FW_HOUR % 24;

        s->t[s->n] = t;
        s->v[s->n++] =
            (hour >= 9 && hour < 17 ? 80.0 : 20.0) + synth_normal(&rng);
    }
    s->options = (struct fw_forecast_options){.now = s->t[s->n - 1],
                                              .horizon = 5 * FW_DAY,
                                              .zone = zoned ? s->zone : NULL};
    f = run(s);
    for (size_t i = 0; i < f->n; i++) {
        fw_ms hour =
            (f->t[i] + fw_zone_offset(s->zone, f->t[i])) / FW_HOUR % 24;

        if (i > 0)
            assert_true(f->t[i] - f->t[i - 1] == f->step);
        sum += fabs(f->point[i] - (hour >= 9 && hour < 17 ? 80.0 : 20.0));
    }
    assert_true(f->t[f->n - 1] == s->options.now + s->options.horizon);
    return sum / (double)f->n;
}

static void seasons_follow_the_clocks(void **state)
{
    static const struct {
        const char *zone, *change;
    } cases[] = {{"Europe/Berlin", "2026-03-29T01:00:00Z"},
                 {"Europe/Berlin", "2026-10-25T01:00:00Z"},
                 {"America/New_York", "2026-03-08T07:00:00Z"},
                 {"America/New_York", "2026-11-01T06:00:00Z"}};
    struct story *s = *state;

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        fw_ms change;
        double utc, local;

        fw_zone_close(s->zone);
        s->zone = NULL;
        if (fw_zone_open(cases[i].zone, &s->zone, NULL) != FW_OK)
            skip(); /* no zone files here */
        assert_int_equal(
            fw_parse_time(fw_str_of(cases[i].change), 0, &change, NULL), FW_OK);
        utc = error_after_change(s, change, false);
        local = error_after_change(s, change, true);
        print_message("%s, %s: mean error %.2f by UTC, %.2f by the clocks\n",
                      cases[i].zone, cases[i].change, utc, local);
        assert_true(local < 0.6 * utc);
        assert_true(local < 2.5);
    }
}

static void without_a_season_clocks_make_no_difference(void **state)
{
    struct story *s = *state;
    const struct fw_forecast *f, *g;
    fw_ms change;

    if (fw_zone_open("Europe/Berlin", &s->zone, NULL) != FW_OK)
        skip();
    begin(s, 336, 100.0, 2 * FW_DAY);
    assert_int_equal(
        fw_parse_time(FW_STR("2026-03-29T01:00:00Z"), 0, &change, NULL), FW_OK);
    for (size_t i = 0; i < s->n; i++) {
        s->t[i] = change - (fw_ms)(300 - i) * FW_HOUR;
        s->v[i] += 2.0 * (double)i;
    }
    s->options.now = s->t[s->n - 1];
    f = run(s);
    s->options.zone = s->zone;
    g = run(s);
    assert_int_equal(f->n, g->n);
    for (size_t i = 0; i < f->n; i++) {
        assert_true(f->t[i] == g->t[i]);
        assert_true(f->point[i] == g->point[i]);
    }
}

/* ---- Counters ------------------------------------------------------------ */

static void a_counter_is_called_one(void **state)
{
    struct story *s = *state;
    struct synth_rng rng = synth_seed(fixture_seed());
    double sum = 0.0;

    begin(s, 336, 100.0, 2 * FW_DAY);
    assert_false(run(s)->counter);
    assert_string_equal(fw_forecast_hint(run(s)), "");
    for (size_t i = 0; i < s->n; i++) {
        s->v[i] = sum;
        sum = i == 200 ? 3.0 : sum + floor(50.0 * synth_uniform(&rng));
    }
    assert_true(run(s)->counter);
    assert_non_null(strstr(fw_forecast_hint(run(s)),
                           "this looks like a counter; use rate()"));
    s->v[100] -= 0.5;
    assert_false(run(s)->counter);
    for (size_t i = 0; i < s->n; i++)
        s->v[i] = 7.0;
    assert_false(run(s)->counter);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        TEST(a_planned_step_is_in_the_forecast_from_its_moment_on),
        TEST(a_step_over_the_limit_breaches_when_it_comes),
        TEST(a_step_away_from_the_limit_averts_a_leak),
        TEST(what_lasts_a_while_ends_again),
        TEST(a_step_that_came_is_no_trend),
        TEST(a_plan_that_did_not_happen_changes_nothing),
        TEST(excluded_times_are_not_learnt_from),
        TEST(events_are_read_as_people_write_them),
        TEST(seasons_follow_the_clocks),
        TEST(without_a_season_clocks_make_no_difference),
        TEST(a_counter_is_called_one),
    };

    return fixture_main(argc, argv, tests);
}
