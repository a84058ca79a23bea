/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "tests/support/fixture.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "predict/breach/limit.h"
#include "predict/predict.h"
#include "tests/support/synth.h"

#define MOST 6000
#define START ((fw_ms)1700006400000)

/* A series, watched. */
struct scene {
    fw_ms t[MOST];
    double v[MOST];
    size_t n;
    struct fw_forecaster_options options;
    struct fw_forecaster *f;
};

static int set_up(void **state)
{
    *state = calloc(1, sizeof(struct scene));
    assert_non_null(*state);
    return 0;
}

static int tear_down(void **state)
{
    struct scene *s = *state;

    fw_forecaster_free(s->f);
    free(s);
    return 0;
}

static void begin(struct scene *s, size_t n, fw_ms step, fw_ms horizon,
                  enum fw_side side)
{
    struct fw_err err = {0};

    fw_forecaster_free(s->f);
    memset(s->v, 0, sizeof(s->v));
    s->n = n;
    for (size_t i = 0; i < n; i++)
        s->t[i] = START + (fw_ms)i * step;
    s->options = (struct fw_forecaster_options){
        .horizon = horizon, .history = 60 * FW_DAY, .breach = {.side = side}};
    assert_int_equal(fw_forecaster_new(&s->options, &s->f, &err), FW_OK);
}

/* Something daily, something that wanders, some noise. */
static void fill(struct scene *s, uint64_t seed, double day)
{
    struct synth_rng rng = synth_seed(seed);

    synth_season(s->v, s->n, day, 10.0 * synth_uniform(&rng));
    synth_walk(&rng, s->v, s->n, 0.4 * synth_uniform(&rng));
    synth_noise(&rng, s->v, s->n, 1.0);
}

static void fit(struct scene *s, size_t n)
{
    struct fw_err err = {0};

    if (fw_forecaster_fit(s->f, s->t, s->v, n, s->t[n - 1], &err) != FW_OK)
        fail_msg("no fit: %s", err.text);
}

static double asked(struct scene *s, size_t n, double limit,
                    struct fw_passage *out)
{
    struct fw_err err = {0};

    if (fw_forecaster_ask(s->f, s->t[n - 1], limit, out, NULL, &err) != FW_OK)
        fail_msg("no answer: %s", err.text);
    return out->probability;
}

static double fresh(struct scene *s, size_t n, double limit)
{
    struct fw_arena *arena = fw_arena_new((size_t)64 << 20);
    struct fw_breach b = s->options.breach;
    struct fw_forecast_options o = {
        .now = s->t[n - 1], .horizon = s->options.horizon, .breach = &b};
    struct fw_forecast *f;
    struct fw_err err = {0};
    double p;

    b.limit = limit;
    assert_non_null(arena);
    if (fw_forecast_run(s->t, s->v, n, &o, arena, &f, &err) != FW_OK)
        fail_msg("no forecast: %s", err.text);
    p = f->passage.probability;
    fw_arena_free(arena);
    return p;
}

static void what_is_kept_answers_like_a_fresh_fit(void **state)
{
    struct scene *s = *state;
    double sum = 0.0, most = 0.0;
    size_t n = 0;

    for (uint64_t seed = 1; seed <= 8; seed++) {
        bool hourly = seed % 2 == 0;
        size_t from = hourly ? 336 : 2016, to = hourly ? 400 : 2080;

        begin(s, to, hourly ? FW_HOUR : 5 * FW_MINUTE,
              hourly ? 24 * FW_HOUR : 6 * FW_HOUR,
              seed % 4 < 2 ? FW_ABOVE : FW_BELOW);
        fill(s, seed, hourly ? 24.0 : 288.0);
        fit(s, from);
        for (size_t i = from; i < to; i++) {
            struct fw_passage p;
            double sign = seed % 4 < 2 ? 1.0 : -1.0;
            double limit = s->v[i] + sign * (1.0 + (double)(i % 7));
            double gap;

            fw_forecaster_add(s->f, s->t[i], s->v[i]);
            if (i % 8 != 0)
                continue;
            gap = fabs(asked(s, i + 1, limit, &p) - fresh(s, i + 1, limit));
            sum += gap;
            most = fmax(most, gap);
            n++;
        }
    }
    print_message("kept against fresh: mean %.4f, most %.4f of %zu\n",
                  sum / (double)n, most, n);
    assert_true(sum / (double)n < 0.02);
    assert_true(most < 0.15);
}

static void a_fortnight_by_the_hour_fits_into_16_kib(void **state)
{
    struct scene *s = *state;

    begin(s, 400, FW_HOUR, 24 * FW_HOUR, FW_ABOVE);
    s->options.history = 14 * FW_DAY;
    fill(s, 3, 24.0);
    fit(s, 336);
    for (size_t i = 336; i < 400; i++) {
        struct fw_passage p;

        fw_forecaster_add(s->f, s->t[i], s->v[i]);
        (void)asked(s, i + 1, 50.0, &p);
    }
    print_message("%zu bytes\n", fw_forecaster_bytes(s->f));
    assert_true(fw_forecaster_bytes(s->f) <= 16384);
}

static void it_says_when_it_wants_to_be_fitted(void **state)
{
    struct scene *s = *state;

    begin(s, 800, FW_HOUR, 6 * FW_HOUR, FW_ABOVE);
    fill(s, 5, 24.0);
    assert_true(fw_forecaster_due(s->f, START));
    fit(s, 336);
    assert_false(fw_forecaster_due(s->f, s->t[340]));
    assert_true(fw_forecaster_due(s->f, s->t[336 + 70]));
    assert_true(fw_forecaster_newest(s->f) == s->t[335]);
}

static void misses_call_for_a_fit(void **state)
{
    struct scene *s = *state;
    struct fw_passage p;
    bool due = false;

    begin(s, 800, FW_HOUR, 24 * FW_HOUR, FW_ABOVE);
    fill(s, 7, 24.0);
    fit(s, 336);
    for (size_t i = 336; i < 400; i++) {
        /* Suddenly it is another series. */
        fw_forecaster_add(s->f, s->t[i], 300.0 * (double)(i % 30) + s->v[i]);
        (void)asked(s, i + 1, 1e5, &p);
        due = due || (fw_forecaster_due(s->f, s->t[i]) &&
                      s->t[i] < s->t[335] + 90 * FW_HOUR);
    }
    assert_true(due);
}

static void a_limit_passed_is_certain(void **state)
{
    struct scene *s = *state;
    struct fw_passage p;

    begin(s, 400, FW_HOUR, 24 * FW_HOUR, FW_ABOVE);
    fill(s, 9, 24.0);
    fit(s, 336);
    fw_forecaster_add(s->f, s->t[336], 1000.0);
    assert_true(asked(s, 337, 900.0, &p) == 1.0);
    assert_true(p.breached_now);
    assert_int_equal(p.p50, 0);
}

static void what_is_too_old_or_too_little_cannot_tell(void **state)
{
    struct scene *s = *state;
    struct fw_passage p;
    struct fw_err err = {0};

    begin(s, 400, FW_HOUR, 24 * FW_HOUR, FW_ABOVE);
    fill(s, 11, 24.0);
    assert_int_equal(fw_forecaster_ask(s->f, s->t[0], 1.0, &p, NULL, &err),
                     FW_NONE);
    assert_int_equal(fw_forecaster_fit(s->f, s->t, s->v, 3, s->t[2], &err),
                     FW_NONE);
    fit(s, 336);
    assert_int_equal(
        fw_forecaster_ask(s->f, s->t[335] + 20 * FW_HOUR, 1.0, &p, NULL, &err),
        FW_NONE);
}

static void gaps_and_old_samples_do_no_harm(void **state)
{
    struct scene *s = *state;
    struct fw_passage p;

    begin(s, 2000, FW_HOUR, 24 * FW_HOUR, FW_ABOVE);
    fill(s, 13, 24.0);
    fit(s, 336);
    for (size_t i = 336; i < 2000; i++) {
        if (i % 40 < 9)
            continue;
        fw_forecaster_add(s->f, s->t[i], i % 97 == 0 ? NAN : s->v[i]);
        fw_forecaster_add(s->f, s->t[i - 100], 1e9);
        if (i % 50 == 20) {
            double q = asked(s, i + 1, s->v[i] + 3.0, &p);

            assert_true(q >= 0.0 && q <= 1.0);
        }
    }
    /* After a silence longer than all it holds, it has to begin again. */
    fw_forecaster_add(s->f, s->t[1999] + 10000 * FW_HOUR, 1.0);
    assert_true(fw_forecaster_due(s->f, s->t[1999] + 10000 * FW_HOUR));
}

static void the_smallest_of_d_neighbours(void **state)
{
    struct synth_rng rng = synth_seed(17);
    double y[200], raw[200], work[200], was[200];

    (void)state;
    for (size_t d = 1; d < 40; d++) {
        size_t n = 1 + (size_t)(199.0 * synth_uniform(&rng));

        for (size_t i = 0; i < n; i++) {
            was[i] = y[i] = synth_normal(&rng);
            raw[i] = i % 5 == 0 ? NAN : y[i];
        }
        limit_hold(y, raw, n, d, work);
        for (size_t i = 0; i < n; i++) {
            double least = was[i];

            for (size_t j = 1; j < d && j <= i; j++)
                least = fmin(least, was[i - j]);
            assert_true(y[i] == least);
            assert_true(isnan(raw[i]) || raw[i] == least);
        }
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(what_is_kept_answers_like_a_fresh_fit),
        TEST(a_fortnight_by_the_hour_fits_into_16_kib),
        TEST(it_says_when_it_wants_to_be_fitted),
        TEST(misses_call_for_a_fit),
        TEST(a_limit_passed_is_certain),
        TEST(what_is_too_old_or_too_little_cannot_tell),
        TEST(gaps_and_old_samples_do_no_harm),
        TEST(the_smallest_of_d_neighbours),
    };

    return cmocka_run_group_tests_name("watched", tests, NULL, NULL);
}
