/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What any set of answers about one series must keep to, over random series:
 * a higher limit is never likelier, the times to the breach are those of the
 * same distribution as its probability, a longer horizon is never less likely.
 */
#include "tests/support/fixture.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "predict/predict.h"
#include "tests/support/synth.h"

#define N 1500
#define SERIES 24
#define START ((fw_ms)1700006400000)

struct random_series {
    fw_ms t[N];
    double v[N];
    struct synth_rng rng;
};

static int set_up(void **state)
{
    struct random_series *s = calloc(1, sizeof(*s));

    assert_non_null(s);
    s->rng = synth_seed(fixture_seed());
    for (size_t i = 0; i < N; i++)
        s->t[i] = START + (fw_ms)i * 5 * FW_MINUTE;
    *state = s;
    return 0;
}

static int tear_down(void **state)
{
    free(*state);
    return 0;
}

/* Any of: a season, a walk, a ramp, a sawtooth, a step; always noise. */
static void draw(struct random_series *s)
{
    struct synth_rng *r = &s->rng;
    uint64_t kinds = synth_u64(r);

    memset(s->v, 0, sizeof(s->v));
    if (kinds & 1)
        synth_season(s->v, N, 288.0, 20.0 * synth_uniform(r));
    if (kinds & 2)
        synth_walk(r, s->v, N, synth_uniform(r));
    if (kinds & 4)
        synth_ramp(s->v, N, 0.0, 0.05 * synth_normal(r));
    if (kinds & 8)
        synth_sawtooth(s->v, N, 30 + (size_t)(kinds >> 8) % 100, 0.0, 20.0);
    if (kinds & 16)
        synth_step(s->v, N, (size_t)(kinds >> 16) % N, 10.0);
    synth_noise(r, s->v, N, 0.2 + synth_uniform(r));
}

/* Of a watch's state; the same passage answers for fw_forecast_run(). */
static struct fw_forecaster *watch(struct random_series *s, fw_ms horizon,
                                   enum fw_side side)
{
    struct fw_forecaster_options o = {.horizon = horizon,
                                      .breach = {.side = side}};
    struct fw_forecaster *f;
    struct fw_err err = {0};

    assert_int_equal(fw_forecaster_new(&o, &f, &err), FW_OK);
    if (fw_forecaster_fit(f, s->t, s->v, N, s->t[N - 1], &err) != FW_OK)
        fail_msg("%s", err.text);
    return f;
}

static struct fw_passage ask(struct random_series *s, struct fw_forecaster *f,
                             double limit)
{
    struct fw_passage p;
    struct fw_err err = {0};

    if (fw_forecaster_ask(f, s->t[N - 1], limit, &p, NULL, &err) != FW_OK)
        fail_msg("%s", err.text);
    return p;
}

static void a_farther_limit_is_never_likelier(void **state)
{
    struct random_series *s = *state;

    for (int i = 0; i < SERIES; i++) {
        enum fw_side side = i % 2 == 0 ? FW_ABOVE : FW_BELOW;
        double sign = side == FW_ABOVE ? 1.0 : -1.0, before = 1.0;
        struct fw_forecaster *f;

        draw(s);
        f = watch(s, 6 * FW_HOUR, side);
        for (double far = -2.0; far < 60.0; far += 0.25 + 0.05 * far * far) {
            double p = ask(s, f, s->v[N - 1] + sign * far).probability;

            assert_true(p >= 0.0 && p <= 1.0);
            assert_true(p <= before);
            before = p;
        }
        assert_true(ask(s, f, s->v[N - 1] - sign).probability == 1.0);
        fw_forecaster_free(f);
    }
}

/* A share of all futures has breached by its time: so there is a time for it
 * exactly if so many breach at all. */
static void times_and_probability_agree(void **state)
{
    struct random_series *s = *state;
    const fw_ms horizon = 6 * FW_HOUR;

    for (int i = 0; i < SERIES; i++) {
        struct fw_forecaster *f;

        draw(s);
        f = watch(s, horizon, FW_ABOVE);
        for (double far = -1.0; far < 40.0; far += 1.0 + 0.2 * fabs(far)) {
            struct fw_passage p = ask(s, f, s->v[N - 1] + far);
            const fw_ms at[3] = {p.p10, p.p50, p.p90};
            const double share[3] = {0.1, 0.5, 0.9};

            for (int j = 0; j < 3; j++) {
                assert_int_equal(at[j] >= 0, p.probability >= share[j]);
                assert_true(at[j] <= horizon);
                if (j > 0 && at[j] >= 0)
                    assert_true(at[j] >= at[j - 1]);
            }
        }
        fw_forecaster_free(f);
    }
}

/* Asked as a user asks, one by one: any horizons, on a rung of the ladder or
 * between, with and without a time for which the limit must stay passed. */
static void a_longer_horizon_is_never_less_likely(void **state)
{
    struct random_series *s = *state;

    for (int i = 0; i < SERIES; i++) {
        struct fw_breach breach = {.side = i % 2 == 0 ? FW_ABOVE : FW_BELOW,
                                   .for_ms = i % 3 == 2 ? 10 * FW_MINUTE : 0};
        size_t n = 60 + (size_t)(synth_uniform(&s->rng) * (N - 60));
        double far = 15.0 * synth_uniform(&s->rng), before = 0.0;
        fw_ms horizon = 0;

        draw(s);
        breach.limit = s->v[n - 1] + (breach.side == FW_ABOVE ? far : -far);
        for (int j = 0; j < 6; j++) {
            struct fw_arena *arena = fw_arena_new((size_t)64 << 20);
            struct fw_forecast_options o = {
                .now = s->t[n - 1], .point_only = true, .breach = &breach};
            struct fw_forecast *f;
            struct fw_err err = {0};

            assert_non_null(arena);
            horizon +=
                5 * FW_MINUTE + (fw_ms)(synth_uniform(&s->rng) *
                                        (double)(horizon + 40 * FW_MINUTE));
            if (synth_u64(&s->rng) & 1)
                horizon = (horizon + FW_HOUR - 1) / FW_HOUR * FW_HOUR;
            o.horizon = horizon;
            if (fw_forecast_run(s->t, s->v, n, &o, arena, &f, &err) != FW_OK)
                fail_msg("%s", err.text);
            if (f->has_passage) {
                if (f->passage.probability < before)
                    fail_msg("%.9f within %lld s, less than %.9f before",
                             f->passage.probability, (long long)horizon / 1000,
                             before);
                before = f->passage.probability;
                assert_int_equal(f->passage.p50 >= 0, before >= 0.5);
            }
            fw_arena_free(arena);
        }
    }
}

/* By whatever it moved, a hundred times that has not been seen to happen. */
static void what_lies_far_beyond_all_that_was_seen_is_not_feared(void **state)
{
    struct random_series *s = *state;

    for (size_t i = 0; i < SERIES; i++) {
        double low, high;
        struct fw_forecaster *f;

        draw(s);
        low = high = s->v[0];
        for (size_t k = 1; k < N; k++) {
            low = fmin(low, s->v[k]);
            high = fmax(high, s->v[k]);
        }
        f = watch(s, 12 * FW_HOUR, FW_ABOVE);
        assert_true(ask(s, f, high + 100.0 * (high - low)).probability < 0.005);
        fw_forecaster_free(f);
    }
}

/*
 * A watch asks about one horizon and is judged by outcomes of that length
 * alone: what different watches say fits but for what those leave open.
 */
static void watches_of_longer_horizons_are_hardly_ever_less_likely(void **state)
{
    struct random_series *s = *state;
    double most = 0.0, sum = 0.0;
    size_t n = 0, less = 0;

    for (int i = 0; i < SERIES; i++) {
        struct fw_forecaster *f[4];

        draw(s);
        for (int j = 0; j < 4; j++)
            f[j] = watch(s, (fw_ms)(1 << j) * FW_HOUR, FW_ABOVE);
        for (double far = 0.5; far < 30.0; far *= 1.6) {
            double before = 0.0;

            for (int j = 0; j < 4; j++) {
                double p = ask(s, f[j], s->v[N - 1] + far).probability;

                most = fmax(most, before - p);
                sum += fmax(before - p, 0.0);
                less += before > p + 0.02;
                before = p;
                n++;
            }
        }
        for (int j = 0; j < 4; j++)
            fw_forecaster_free(f[j]);
    }
    print_message("less likely by %.4f on average, %.3f at most; by more than "
                  "0.02: %zu of %zu\n",
                  sum / (double)n, most, less, n);
    assert_true(sum / (double)n < 0.03);
    assert_true((double)less < 0.25 * (double)n);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_farther_limit_is_never_likelier),
        TEST(times_and_probability_agree),
        TEST(what_lies_far_beyond_all_that_was_seen_is_not_feared),
        TEST(a_longer_horizon_is_never_less_likely),
        TEST(watches_of_longer_horizons_are_hardly_ever_less_likely),
    };

    return cmocka_run_group_tests_name("consistency", tests, NULL, NULL);
}
