/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "tests/support/fixture.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "predict/predict.h"
#include "tests/support/synth.h"

#define MOST 4096
#define START ((fw_ms)1700000000000)

/* A series under construction and a forecast of it. */
struct story {
    fw_ms t[MOST];
    double v[MOST];
    size_t n;
    fw_ms step;
    struct fw_forecast_options options;
    struct fw_breach breach;
    struct fw_arena *arena;
};

static int set_up(void **state)
{
    struct story *s = calloc(1, sizeof(*s));

    assert_non_null(s);
    s->arena = fw_arena_new((size_t)64 << 20);
    assert_non_null(s->arena);
    *state = s;
    return 0;
}

static int tear_down(void **state)
{
    struct story *s = *state;

    fw_arena_free(s->arena);
    free(s);
    return 0;
}

static void begin(struct story *s, size_t n, fw_ms step, fw_ms horizon)
{
    memset(s->v, 0, sizeof(s->v));
    s->n = n;
    s->step = step;
    for (size_t i = 0; i < n; i++)
        s->t[i] = START + (fw_ms)i * step;
    s->options =
        (struct fw_forecast_options){.now = s->t[n - 1], .horizon = horizon};
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

static void show(const char *what, const struct fw_forecast *f)
{
    print_message("%-28s %-12s model %-24s mase %.3f  p %.3f  p50 %lld s\n",
                  what, fw_verdict_name(f->verdict), f->model,
                  f->scores[0].mase, f->passage.probability,
                  (long long)f->passage.p50 / 1000);
}

static void a_clean_ramp_is_extrapolated(void **state)
{
    struct story *s = *state;
    const struct fw_forecast *f;

    begin(s, 300, FW_MINUTE, FW_HOUR);
    synth_ramp(s->v, s->n, 10.0, 0.1);
    f = above(s, s->v[299] + 4.0); /* 40 minutes away */
    show("clean ramp", f);
    assert_int_equal(f->verdict, FW_TREND);
    assert_true(fabs(f->point[59] - (s->v[299] + 6.0)) < 0.05);
    assert_true(f->passage.probability > 0.95);
    assert_true(llabs(f->passage.p50 - 40 * FW_MINUTE) <= 2 * FW_MINUTE);
    f = above(s, s->v[299] + 9.0);
    show("clean ramp, far limit", f);
    assert_true(f->passage.probability < 0.05);
}

static void a_young_disk_fills(void **state)
{
    struct story *s = *state;
    struct synth_rng rng = synth_seed(fixture_seed());
    const struct fw_forecast *f;

    for (size_t n = 15; n <= 120; n += 15) {
        double sum = 0.0;

        begin(s, n, FW_SECOND, 90 * FW_SECOND);
        for (size_t i = 0; i < n; i++) {
            s->v[i] = sum;
            sum += 1.0 + 0.5 * synth_normal(&rng);
        }
        f = above(s, s->v[n - 1] + 60.0);
        show("filling disk", f);
        if (n >= 30) {
            assert_true(f->passage.probability > 0.8);
            assert_true(llabs(f->passage.p50 - 60 * FW_SECOND) <=
                        15 * FW_SECOND);
        }
        f = above(s, s->v[n - 1] + 180.0);
        show("filling disk, far", f);
        if (n >= 30)
            assert_true(f->passage.probability < 0.1);
    }
}

static void a_leak_is_seen(void **state)
{
    struct story *s = *state;
    struct synth_rng rng = synth_seed(fixture_seed());

    begin(s, 600, FW_MINUTE, 6 * FW_HOUR);
    synth_ramp(s->v, s->n, 100.0, 0.05);
    synth_noise(&rng, s->v, s->n, 1.0);
    show("leak", above(s, 145.0));
    assert_true(above(s, 145.0)->passage.probability > 0.8);
}

static void what_will_not_cross_raises_no_alarm(void **state)
{
    struct story *s = *state;
    struct synth_rng rng = synth_seed(fixture_seed());
    const struct fw_forecast *f;

    begin(s, 1000, 5 * FW_MINUTE, 6 * FW_HOUR);
    synth_sawtooth(s->v, s->n, 48, 20.0, 80.0);
    synth_noise(&rng, s->v, s->n, 0.5);
    f = above(s, 90.0);
    show("sawtooth", f);
    assert_int_equal(f->verdict, FW_SAWTOOTH);
    assert_true(f->passage.probability < 0.1);

    begin(s, 2016, 5 * FW_MINUTE, 6 * FW_HOUR);
    synth_season(s->v, s->n, 288.0, 30.0);
    synth_noise(&rng, s->v, s->n, 2.0);
    f = above(s, 45.0);
    show("nightly peak", f);
    assert_int_equal(f->verdict, FW_SEASONAL);
    assert_true(f->passage.probability < 0.1);

    begin(s, 500, 5 * FW_MINUTE, 6 * FW_HOUR);
    synth_step(s->v, s->n, 460, 40.0);
    synth_noise(&rng, s->v, s->n, 1.0);
    f = above(s, 60.0);
    show("one-off jump", f);
    assert_true(f->passage.probability < 0.5);

    begin(s, 500, 5 * FW_MINUTE, 6 * FW_HOUR);
    synth_noise(&rng, s->v, s->n, 1.0);
    f = above(s, 8.0);
    show("flat noise", f);
    assert_true(f->passage.probability < 0.05);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_clean_ramp_is_extrapolated, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(a_young_disk_fills, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_leak_is_seen, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_will_not_cross_raises_no_alarm,
                                        set_up, tear_down),
    };
    return fixture_main(argc, argv, tests);
}
