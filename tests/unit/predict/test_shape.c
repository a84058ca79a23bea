/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The verdict about the shape, over generated series of each kind: which kind
 * is called what, as a table. Nine in ten must be right, of each kind.
 */
#include "tests/support/fixture.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "predict/predict.h"
#include "tests/support/synth.h"

#define MOST 2048
#define EACH 30
#define RIGHT_LEAST 27
#define START ((fw_ms)1700006400000)
#define VERDICTS (FW_NOISY + 1)

struct story {
    struct synth_rng rng;
    fw_ms t[MOST], step, now, horizon;
    double v[MOST];
    size_t n;
};

static double between(struct story *s, double lo, double hi)
{
    return lo + (hi - lo) * synth_uniform(&s->rng);
}

static size_t about(struct story *s, size_t lo, size_t hi)
{
    return lo + (size_t)(synth_u64(&s->rng) % (hi - lo + 1));
}

static double either(struct story *s)
{
    return synth_u64(&s->rng) & 1 ? 1.0 : -1.0;
}

static void begin(struct story *s, size_t n, fw_ms step)
{
    memset(s->v, 0, sizeof(s->v));
    s->n = n;
    s->step = step;
    for (size_t i = 0; i < n; i++)
        s->t[i] = START + (fw_ms)i * step;
    s->now = s->t[n - 1];
    s->horizon = 24 * step;
}

/* Of any length, by the minute or the five minutes. */
static void begin_any(struct story *s)
{
    begin(s, about(s, 300, 900),
          synth_u64(&s->rng) & 1 ? FW_MINUTE : 5 * FW_MINUTE);
}

static void add(struct story *s, double by)
{
    for (size_t i = 0; i < s->n; i++)
        s->v[i] += by;
}

static void noise(struct story *s, double sigma)
{
    synth_noise(&s->rng, s->v, s->n, sigma);
}

static void flat(struct story *s)
{
    begin_any(s);
    add(s, between(s, 40.0, 80.0));
    noise(s, between(s, 0.0, 1.5));
}

static void noisy(struct story *s)
{
    begin_any(s);
    add(s, 10.0);
    noise(s, between(s, 1.0, 4.0));
}

static void trend(struct story *s)
{
    double climb = between(s, 20.0, 100.0);

    begin_any(s);
    synth_ramp(s->v, s->n, 100.0, either(s) * climb / (double)s->n);
    noise(s, climb * between(s, 0.0, 0.12));
}

static void seasonal(struct story *s)
{
    double height = between(s, 5.0, 20.0);

    begin(s, about(s, 288 * 4, 288 * 6), 5 * FW_MINUTE);
    add(s, 50.0);
    synth_season(s->v, s->n, 288.0, height);
    synth_season(s->v, s->n, 144.0, height * between(s, 0.0, 0.5));
    noise(s, height * between(s, 0.05, 0.5));
}

static void trend_seasonal(struct story *s)
{
    double height = between(s, 5.0, 10.0);

    begin(s, about(s, 24 * 14, 24 * 28), FW_HOUR);
    synth_ramp(s->v, s->n, 100.0,
               either(s) * height * between(s, 5.0, 9.0) / (double)s->n);
    synth_season(s->v, s->n, 24.0, height);
    noise(s, height * between(s, 0.05, 0.2));
}

static void step(struct story *s)
{
    double by = between(s, 10.0, 40.0);

    begin_any(s);
    add(s, 100.0);
    synth_step(s->v, s->n, about(s, s->n / 4, s->n * 3 / 4), either(s) * by);
    noise(s, by * between(s, 0.0, 0.1));
}

/* A log that rotates: now and then a little sooner or later. */
static void sawtooth(struct story *s)
{
    double level, rate = between(s, 0.5, 2.0), top;
    size_t period = 30;

    begin_any(s);
    period = about(s, 30, s->n / 5);
    top = rate * (double)period;
    level = between(s, 0.0, top);
    for (size_t i = 0; i < s->n; i++) {
        level += rate * between(s, 0.8, 1.2);
        if (level > top * between(s, 0.95, 1.05))
            level = 0.0;
        s->v[i] = 10.0 + level;
    }
    noise(s, rate * between(s, 0.0, 1.0));
}

/* A leak whose service was started anew once or twice. */
static void reset(struct story *s)
{
    size_t first, second;
    double rate, level = 0.0;

    begin_any(s);
    rate = between(s, 50.0, 100.0) / (double)s->n;
    first = about(s, s->n / 3, s->n / 2);
    second =
        synth_u64(&s->rng) & 1 ? about(s, s->n * 2 / 3, s->n * 4 / 5) : s->n;
    for (size_t i = 0; i < s->n; i++) {
        level = i == first || i == second ? 0.0 : level + rate;
        s->v[i] = 20.0 + level;
    }
    noise(s, between(s, 0.0, 1.2));
}

/* A cache that fills: fast first, then less and less. */
static void saturating(struct story *s)
{
    double to = either(s) * between(s, 30.0, 80.0), tau;

    begin_any(s);
    tau = (double)s->n * between(s, 0.15, 0.3);
    for (size_t i = 0; i < s->n; i++)
        s->v[i] = 100.0 + to * (1.0 - exp(-(double)i / tau));
    noise(s, fabs(to) * between(s, 0.0, 0.04));
}

/* Quiet mostly, and at times much higher for a moment. */
static void bursty(struct story *s)
{
    double often = between(s, 0.005, 0.03), usual = between(s, 0.2, 1.0);
    size_t left = 0;
    double high = 0.0;

    begin_any(s);
    add(s, 10.0);
    noise(s, usual);
    for (size_t i = 0; i < s->n; i++) {
        if (left == 0 && (synth_uniform(&s->rng) < often || i == s->n / 3)) {
            left = about(s, 1, 5);
            high = usual * between(s, 20.0, 100.0);
        }
        if (left > 0) {
            s->v[i] += high;
            left--;
        }
    }
}

static void short_one(struct story *s)
{
    begin(s, about(s, 1, 7), FW_MINUTE);
    noise(s, 1.0);
}

static void stale(struct story *s)
{
    begin_any(s);
    noise(s, 1.0);
    s->now += s->horizon * 2 / 3;
}

static void gappy(struct story *s)
{
    size_t kept = 0, n = 2000;

    begin(s, n, FW_MINUTE);
    noise(s, 1.0);
    /* Two short spells of samples with weeks of nothing between them. */
    for (size_t i = 0; i < n; i++)
        if (i < 40 || i >= n - 40) {
            s->t[kept] = s->t[i];
            s->v[kept++] = s->v[i];
        }
    s->n = kept;
}

struct kind {
    const char *name;
    void (*draw)(struct story *);
    enum fw_verdict verdict;
    enum fw_reason reason;
};

static const struct kind kinds[] = {
    {"flat", flat, FW_FLAT, FW_REASON_NONE},
    {"trend", trend, FW_TREND, FW_REASON_NONE},
    {"seasonal", seasonal, FW_SEASONAL, FW_REASON_NONE},
    {"trend, seasons", trend_seasonal, FW_TREND_SEASONAL, FW_REASON_NONE},
    {"step", step, FW_STEP, FW_REASON_NONE},
    {"sawtooth", sawtooth, FW_SAWTOOTH, FW_REASON_NONE},
    {"reset", reset, FW_RESET, FW_REASON_NONE},
    {"saturating", saturating, FW_SATURATING, FW_REASON_NONE},
    {"bursty", bursty, FW_BURSTY, FW_REASON_NONE},
    {"noisy", noisy, FW_NOISY, FW_REASON_NONE},
    {"too short", short_one, FW_CANNOT_TELL, FW_TOO_SHORT},
    {"stale", stale, FW_CANNOT_TELL, FW_STALE},
    {"gaps", gappy, FW_CANNOT_TELL, FW_GAPS},
};

static const struct fw_forecast *run(struct story *s, struct fw_arena *arena)
{
    struct fw_forecast_options o = {
        .now = s->now, .horizon = s->horizon, .point_only = true};
    struct fw_forecast *f = NULL;
    struct fw_err err = {0};

    if (fw_forecast_run(s->t, s->v, s->n, &o, arena, &f, &err) != FW_OK)
        fail_msg("%s", err.text);
    return f;
}

static void nine_in_ten_shapes_are_called_what_they_are(void **state)
{
    struct story *s = calloc(1, sizeof(*s));
    bool fine = true;

    (void)state;
    assert_non_null(s);
    s->rng = synth_seed(fixture_seed());
    print_message("%-16s", "is \\ called");
    for (int j = 0; j < VERDICTS; j++)
        print_message(" %.8s", fw_verdict_name((enum fw_verdict)j));
    print_message("\n");
    for (size_t k = 0; k < sizeof(kinds) / sizeof(*kinds); k++) {
        int called[VERDICTS] = {0}, right = 0;

        for (int i = 0; i < EACH; i++) {
            struct fw_arena *arena = fw_arena_new((size_t)64 << 20);
            const struct fw_forecast *f;

            assert_non_null(arena);
            kinds[k].draw(s);
            f = run(s, arena);
            called[f->verdict]++;
            right +=
                f->verdict == kinds[k].verdict && f->reason == kinds[k].reason;
            assert_true(strlen(f->why) > 10); /* evidence, in words */
            if (i == 0)
                print_message("    %s: %s\n", fw_verdict_name(f->verdict),
                              f->why);
            fw_arena_free(arena);
        }
        print_message("%-16s", kinds[k].name);
        for (int j = 0; j < VERDICTS; j++)
            print_message(" %*d",
                          (int)strnlen(fw_verdict_name((enum fw_verdict)j), 8),
                          called[j]);
        print_message("  %d of %d right\n", right, EACH);
        fine = fine && right >= RIGHT_LEAST;
    }
    free(s);
    assert_true(fine);
}

static void tiny_noise_has_no_trend(void **state)
{
    struct story *s = calloc(1, sizeof(*s));

    (void)state;
    assert_non_null(s);
    s->rng = synth_seed(fixture_seed());
    for (int i = 0; i < EACH; i++) {
        struct fw_arena *arena = fw_arena_new((size_t)64 << 20);

        assert_non_null(arena);
        noisy(s);
        for (size_t j = 0; j < s->n; j++)
            s->v[j] *= 1e-300;
        assert_int_equal(run(s, arena)->verdict, FW_NOISY);
        fw_arena_free(arena);
    }
    free(s);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nine_in_ten_shapes_are_called_what_they_are),
        cmocka_unit_test(tiny_noise_has_no_trend),
    };

    return fixture_main(argc, argv, tests);
}
