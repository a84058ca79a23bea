/* SPDX-License-Identifier: GPL-3.0-or-later */
/* ctest: cost=36 */
/*
 * A month of watching in seconds, with predict's own forecasts. All of it is
 * one thread, and the thread sanitizer makes it six times as long: there it is
 * two of the months, or all with FOREWARN_LONG=1.
 */
#include "tests/unit/server/watch_world.h"

#include <stdlib.h>

#define MONTH (30 * FW_DAY)

/* Noise that is a function of time: the same at each reading. */
static double noise(fw_ms since, double sigma)
{
    struct synth_rng rng = synth_seed(
        fixture_seed() + (uint64_t)(since / FW_MINUTE) * 2654435761u);

    return sigma * synth_normal(&rng);
}

static double hours(fw_ms since)
{
    return (double)since / (double)FW_HOUR;
}

/* A log that grows to 80 and is rotated, every 18 hours. */
static double sawtooth(fw_ms since, void *self)
{
    (void)self;
    return 20 + 60 * fmod(hours(since), 18) / 18 + noise(since, 0.5);
}

/* A job that takes 45 minutes each night, up to 85. */
static double nightly(fw_ms since, void *self)
{
    double in_day = fmod(hours(since), 24);

    (void)self;
    return (in_day > 2 && in_day < 2.75 ? 80 : 30) + noise(since, 1.5);
}

static double flat_noise(fw_ms since, void *self)
{
    (void)self;
    return 60 + noise(since, 4);
}

/* Somebody copies a large folder one day. */
static double one_jump(fw_ms since, void *self)
{
    (void)self;
    return (since > 16 * FW_DAY + 7 * FW_HOUR ? 75 : 40) + noise(since, 0.8);
}

/* From day 24 on, 1.5 an hour up from 40: past 90 after 33 hours. */
static double leak(fw_ms since, void *self)
{
    double t = hours(since - 24 * FW_DAY);

    (void)self;
    return 40 + (t > 0 ? 1.5 * t : 0) + noise(since, 1.0);
}

/* A disk that fills over the month with a working day's rhythm. */
static double filling_disk(fw_ms since, void *self)
{
    double t = hours(since);

    (void)self;
    return 20 + 2.7 * t / 24 - 0.4 * cos(2 * M_PI * t / 24) +
           noise(since, 0.15);
}

static void live_a_month(double (*value)(fw_ms since, void *self))
{
    w.real = true;
    w.value = value;
    w.born = START - 4 * FW_DAY; /* what it saw before it was watched */
    w.sample = 30 * FW_MINUTE;
    close_world();
    w.watch.interval = 2 * FW_HOUR;
    w.watch.horizon = 12 * FW_HOUR;
    w.watch.history = 4 * FW_DAY;
    open_world();
    pass(MONTH);
}

static void no_page_in_a_month(double (*value)(fw_ms since, void *self))
{
    struct fw_record r;

    live_a_month(value);
    r = record_now(NULL);
    print_message("brier %.4f over %d predictions\n", r.brier,
                  (int)r.predictions);
    assert_int_equal(w.breached, 0);
    assert_int_equal(w.firing, 0);
    assert_true(r.predictions > 300);
}

static void one_page_in_time(double (*value)(fw_ms since, void *self))
{
    struct fw_record r;

    live_a_month(value);
    r = record_now(NULL);
    print_message("lead %d min, %d right, %d false, %d missed, brier %.4f\n",
                  (int)(r.median_lead / FW_MINUTE), (int)r.right,
                  (int)r.false_alarms, (int)r.missed, r.brier);
    assert_int_equal(r.missed, 0);
    assert_true(r.right >= 1);
    assert_true(r.false_alarms <= 1);
    assert_true(w.right == (int)r.right);
    assert_true(r.median_lead >= 2 * FW_HOUR);
}

static void a_sawtooth_does_not_page(void **state)
{
    (void)state;
    no_page_in_a_month(sawtooth);
}

static void a_nightly_peak_does_not_page(void **state)
{
    (void)state;
    no_page_in_a_month(nightly);
}

static void flat_with_noise_does_not_page(void **state)
{
    (void)state;
    no_page_in_a_month(flat_noise);
}

static void one_jump_does_not_page(void **state)
{
    (void)state;
    no_page_in_a_month(one_jump);
}

static void a_leak_pages_in_time(void **state)
{
    (void)state;
    one_page_in_time(leak);
}

static void a_filling_disk_pages_in_time(void **state)
{
    (void)state;
    one_page_in_time(filling_disk);
}

/* ---- clocks, silence, growth ---- */

/* Working hours by a clock on the wall, which is set `shift` on day 15. */
static double working_hours(fw_ms since, fw_ms shift)
{
    fw_ms wall = since > 15 * FW_DAY ? since + shift : since;
    double in_day = fmod(hours(wall) + 4 * 24, 24);

    return (in_day >= 9 && in_day < 17 ? 78 : 30) + noise(since, 1.5);
}

static double clocks_go_forward(fw_ms since, void *self)
{
    (void)self;
    return working_hours(since, FW_HOUR);
}

static double clocks_go_back(fw_ms since, void *self)
{
    (void)self;
    return working_hours(since, -FW_HOUR);
}

/* It climbs towards the limit, and its source falls silent on the way. */
static double silent_on_its_way(fw_ms since, void *self)
{
    double t = hours(since - 16 * FW_DAY);

    (void)self;
    return t > 10 ? (double)NAN : 40 + (t > 0 ? 1.5 * t : 0) + noise(since, 1);
}

/* From day 20 on, half a percent an hour: past 90 after 100 hours. */
static double ramp(fw_ms since, void *self)
{
    double t = hours(since - 20 * FW_DAY);

    (void)self;
    return 40 + (t > 0 ? 0.5 * t : 0) + noise(since, 0.2);
}

/* Days and nights, and each day a little more than the one before. */
static double growing_season(fw_ms since, void *self)
{
    double t = hours(since);

    (void)self;
    return 36 + 1.7 * t / 24 - 10 * cos(2 * M_PI * t / 24) + noise(since, 0.4);
}

static void clocks_set_forward_do_not_page(void **state)
{
    (void)state;
    no_page_in_a_month(clocks_go_forward);
}

static void clocks_set_back_do_not_page(void **state)
{
    (void)state;
    no_page_in_a_month(clocks_go_back);
}

static void a_silent_source_does_not_page(void **state)
{
    (void)state;
    live_a_month(silent_on_its_way);
    assert_int_equal(w.firing + w.breached, 0);
}

static void a_ramp_pages_in_time(void **state)
{
    (void)state;
    one_page_in_time(ramp);
}

static void growth_beneath_a_season_pages_in_time(void **state)
{
    (void)state;
    one_page_in_time(growing_season);
}

/* Only with the thread sanitizer: one month without a page and one with. */
static bool is_short(void)
{
#ifdef __SANITIZE_THREAD__
    const char *text = getenv("FOREWARN_LONG");

    return text == NULL || strcmp(text, "1") != 0;
#else
    return false;
#endif
}

int main(int argc, char **argv)
{
    const struct CMUnitTest brief[] = {
        WORLD_TEST(a_sawtooth_does_not_page),
        WORLD_TEST(a_leak_pages_in_time),
    };
    const struct CMUnitTest tests[] = {
        WORLD_TEST(a_sawtooth_does_not_page),
        WORLD_TEST(a_nightly_peak_does_not_page),
        WORLD_TEST(flat_with_noise_does_not_page),
        WORLD_TEST(one_jump_does_not_page),
        WORLD_TEST(clocks_set_forward_do_not_page),
        WORLD_TEST(clocks_set_back_do_not_page),
        WORLD_TEST(a_silent_source_does_not_page),
        WORLD_TEST(a_leak_pages_in_time),
        WORLD_TEST(a_filling_disk_pages_in_time),
        WORLD_TEST(a_ramp_pages_in_time),
        WORLD_TEST(growth_beneath_a_season_pages_in_time),
    };

    if (is_short())
        return fixture_main(argc, argv, brief);
    return fixture_main(argc, argv, tests);
}
