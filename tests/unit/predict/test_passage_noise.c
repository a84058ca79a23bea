/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Independent values have a known chance to pass any limit: what is said of
 * them is compared with it, and what is not independent is let alone.
 */
#include "predict/breach/passage_noise.h"

#include "tests/support/fixture.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "predict/predict.h"
#include "tests/support/synth.h"

#define N 336 /* a fortnight by the hour */
#define ROUNDS 40

enum kind { NORMAL, UNIFORM, EXPONENTIAL, KINDS };
static const char *const names[KINDS] = {"normal", "uniform", "exponential"};

static void draw(struct synth_rng *rng, enum kind kind, double *v)
{
    for (size_t i = 0; i < N; i++) {
        double u = synth_uniform(rng);

        v[i] = kind == NORMAL    ? synth_normal(rng)
               : kind == UNIFORM ? u
                                 : -log(1.0 - u);
    }
}

/* P(one value > limit) = p, for these. */
static double limit_for(enum kind kind, double p)
{
    static const double normal[][2] = {
        {0.1587, 1.0}, {0.0228, 2.0}, {0.00135, 3.0}, {0.0000317, 4.0}};

    if (kind == UNIFORM)
        return 1.0 - p;
    if (kind == EXPONENTIAL)
        return -log(p);
    for (size_t i = 0; i < 4; i++)
        if (fabs(normal[i][0] - p) < 1e-9)
            return normal[i][1];
    fail_msg("no limit for %g", p);
    return 0.0;
}

static double told(const double *v, double limit, fw_ms horizon)
{
    struct fw_breach breach = {.side = FW_ABOVE, .limit = limit};
    struct fw_forecast_options o = {
        .horizon = horizon, .breach = &breach, .point_only = true};
    struct fw_arena *arena = fw_arena_new((size_t)64 << 20);
    struct fw_forecast *f;
    struct fw_err err = {0};
    fw_ms t[N];
    double p;

    assert_non_null(arena);
    for (size_t i = 0; i < N; i++)
        t[i] = 1700006400000 + (fw_ms)i * FW_HOUR;
    o.now = t[N - 1];
    if (fw_forecast_run(t, v, N, &o, arena, &f, &err) != FW_OK)
        fail_msg("%s", err.text);
    p = f->passage.probability;
    fw_arena_free(arena);
    return p;
}

/* One value in six is above a deviation: within a day it happens 98 times of
 * 100, and so it must be told. */
static void independent_noise_is_told_as_it_is(void **state)
{
    static const double shares[] = {0.1587, 0.0228, 0.00135, 0.0000317};
    struct synth_rng rng = synth_seed(fixture_seed());
    double v[N];

    (void)state;
    for (int kind = 0; kind < KINDS; kind++)
        for (size_t j = 0; j < 4; j++) {
            double truth = 1.0 - pow(1.0 - shares[j], 24.0), off = 0.0;
            double mean = 0.0;

            for (int i = 0; i < ROUNDS; i++) {
                double p;

                do /* the newest value is still below it */
                    draw(&rng, (enum kind)kind, v);
                while (v[N - 1] > limit_for((enum kind)kind, shares[j]));
                p = told(v, limit_for((enum kind)kind, shares[j]), FW_DAY);
                off += fabs(p - truth) / ROUNDS;
                mean += p / ROUNDS;
            }
            print_message("%-12s true %.4f told %.4f on average, off by %.4f\n",
                          names[kind], truth, mean, off);
            assert_true(off < 0.15);
            if (j == 0)
                assert_true(mean > 0.93);
            /* Where the values just end, nobody knows how exactly. */
            if (j == 3)
                assert_true(mean < (kind == UNIFORM ? 0.2 : 0.05));
        }
}

static void dependence_is_seen(void **state)
{
    struct synth_rng rng = synth_seed(fixture_seed());
    double v[N], weight[4] = {0};
    struct noise_answer a;

    (void)state;
    for (int i = 0; i < ROUNDS; i++) {
        draw(&rng, NORMAL, v);
        noise_ask(v, N, 24, 24, 2.0, &a);
        weight[0] += a.weight / ROUNDS;
        for (size_t j = 1; j < N; j++) /* an autoregression of 0.5 */
            v[j] += 0.5 * v[j - 1];
        noise_ask(v, N, 24, 24, 2.0, &a);
        weight[1] += a.weight / ROUNDS;
        draw(&rng, NORMAL, v);
        for (size_t j = 0; j < N; j++) /* unrest that lasts */
            v[j] *= j / 24 % 2 == 0 ? 0.3 : 1.5;
        noise_ask(v, N, 24, 0, 2.0, &a);
        weight[2] += a.weight / ROUNDS;
        draw(&rng, NORMAL, v);
        synth_season(v, N, 24.0, 1.5);
        noise_ask(v, N, 24, 24, 2.0, &a);
        weight[3] += a.weight / ROUNDS;
    }
    print_message("weight: independent %.2f, autoregression %.2f, unrest %.2f, "
                  "season %.2f\n",
                  weight[0], weight[1], weight[2], weight[3]);
    assert_true(weight[0] > 0.8);
    for (int i = 1; i < 4; i++)
        assert_true(weight[i] < 0.05);
}

static void more_limit_is_less_chance(void **state)
{
    struct synth_rng rng = synth_seed(fixture_seed());
    struct noise_answer a;
    double v[N], before = 1.0;

    (void)state;
    draw(&rng, EXPONENTIAL, v);
    for (double limit = -1.0; limit < 40.0; limit += 0.01) {
        noise_ask(v, N, 24, 24, limit, &a);
        assert_true(a.probability >= 0.0 && a.probability <= before);
        before = a.probability;
        if (a.beyond > 0.0)
            assert_true(noise_when(&a, 0.1) <= noise_when(&a, 0.9));
    }
    memset(v, 0, sizeof(v));
    noise_ask(v, N, 24, 24, 1.0, &a); /* a constant is no noise */
    assert_true(a.weight == 0.0);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(independent_noise_is_told_as_it_is),
        cmocka_unit_test(dependence_is_seen),
        cmocka_unit_test(more_limit_is_less_chance),
    };

    return fixture_main(argc, argv, tests);
}
