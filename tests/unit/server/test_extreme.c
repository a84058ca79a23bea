/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "tests/support/fixture.h"

#include <math.h>

#include "server/alert/extreme.h"
#include "tests/support/synth.h"

static struct fw_err err;

static const struct fw_breach above = {.side = FW_ABOVE, .limit = 100};
static const struct fw_breach below = {.side = FW_BELOW, .limit = 0};

/* ---- loss ---- */

static void the_loss_is_that_of_the_three_quantiles(void **state)
{
    const double q[EXTREME_QUANTILES] = {1, 2, 4};

    (void)state;
    assert_true(fabs(extreme_loss(q, 2) - (0.1 * 1 + 0 + 0.1 * 2) / 3) < 1e-12);
    assert_true(fabs(extreme_loss(q, 5) - (0.1 * 4 + 0.5 * 3 + 0.9 * 1) / 3) <
                1e-12);
    assert_true(fabs(extreme_loss(q, 0) - (0.9 * 1 + 0.5 * 2 + 0.1 * 4) / 3) <
                1e-12);
}

/* ---- what it reached ---- */

static double worst(const struct peaks *p, fw_ms made_at)
{
    return peaks_since(p, &above, made_at, NAN);
}

static void the_worst_since_any_prediction_is_known(void **state)
{
    struct peaks p = {0};

    (void)state;
    for (fw_ms t = 1; t <= 100; t++) /* falls, with a peak at 50 */
        peaks_add(&p, &above, t, t == 50 ? 75 : (double)(100 - t), false,
                  (t - 1) / 10 * 10);
    assert_true(worst(&p, 0) == 99);
    assert_true(worst(&p, 10) == 89);
    assert_true(worst(&p, 30) == 75);
    assert_true(worst(&p, 40) == 75);
    assert_true(worst(&p, 50) == 49);
    assert_true(isnan(worst(&p, 100)));
    assert_true(peaks_since(&p, &above, 50, 60) == 60);
    assert_true(p.n <= 11); /* a step a prediction */
}

static void a_limit_below_asks_for_the_lowest(void **state)
{
    struct peaks p = {0};

    (void)state;
    for (fw_ms t = 1; t <= 20; t++)
        peaks_add(&p, &below, t, t == 7 ? 3 : 10, false, 0);
    assert_true(peaks_since(&p, &below, 0, NAN) == 3);
    assert_true(peaks_since(&p, &below, 0, 2) == 2);
}

/* Against the plain definition, over a random walk with `for`. */
static void a_level_counts_that_was_held(void **state)
{
    struct fw_breach breach = {
        .side = FW_ABOVE, .limit = 100, .for_ms = 80 * FW_SECOND};
    struct peaks p = {0};
    double v[400], best = -INFINITY, shorter = -INFINITY;
    struct synth_rng rng;

    (void)state;
    rng = synth_seed(fixture_seed());
    for (int i = 0; i < 400; i++) {
        v[i] = (i > 0 ? v[i - 1] : 0) + synth_normal(&rng);
        peaks_add(&p, &breach, (fw_ms)(i + 1) * FW_SECOND, v[i], false, 0);
    }
    for (int i = 0; i < 400; i++) { /* held for 90 s and for 70 s up to i */
        double least = INFINITY;

        for (int k = i; k >= 0 && k > i - 91; k--) {
            least = fmin(least, v[k]);
            if (k == i - 70)
                shorter = fmax(shorter, least);
            if (k == i - 90)
                best = fmax(best, least);
        }
    }
    assert_true(peaks_since(&p, &breach, 0, NAN) >= best);
    assert_true(peaks_since(&p, &breach, 0, NAN) <= shorter);
}

static void a_break_ends_what_was_held(void **state)
{
    struct fw_breach breach = {
        .side = FW_ABOVE, .limit = 100, .for_ms = 80 * FW_SECOND};
    struct peaks p = {0};

    (void)state;
    for (int i = 1; i <= 60; i++)
        peaks_add(&p, &breach, i * FW_SECOND, 7, false, 0);
    for (int i = 1; i <= 60; i++)
        peaks_add(&p, &breach, (1000 + i) * FW_SECOND, 7, i == 1, 0);
    assert_true(isnan(peaks_since(&p, &breach, 0, NAN)));
    /* Sparse values hold until the next one. */
    peaks_add(&p, &breach, 1100 * FW_SECOND, 9, false, 0);
    assert_true(peaks_since(&p, &breach, 0, NAN) == 7);
}

static void the_oldest_step_makes_room(void **state)
{
    struct peaks p = {0};

    (void)state;
    for (fw_ms t = 1; t <= 1000; t++)
        peaks_add(&p, &above, t, (double)(2000 - t), false, t);
    assert_int_equal(p.n, PEAKS_KEPT);
    assert_true(worst(&p, 998) == 1001);
}

/* ---- what is foreseen ---- */

#define EVERY FW_MINUTE
#define SAMPLES (2 * 24 * 60)

static struct fw_forecaster *fitted(const struct fw_breach *breach,
                                    double slope, double noise, double *last)
{
    static fw_ms t[SAMPLES];
    static double v[SAMPLES];
    struct fw_forecaster_options o = {.horizon = FW_HOUR, .breach = *breach};
    struct fw_forecaster *f = NULL;
    struct synth_rng rng;

    rng = synth_seed(7);
    for (int i = 0; i < SAMPLES; i++) {
        t[i] = (fw_ms)i * EVERY;
        v[i] = 50 + slope * i + noise * synth_normal(&rng);
    }
    *last = v[SAMPLES - 1];
    assert_int_equal(fw_forecaster_new(&o, &f, &err), FW_OK);
    assert_int_equal(fw_forecaster_fit(f, t, v, SAMPLES, t[SAMPLES - 1], &err),
                     FW_OK);
    return f;
}

static void the_quantiles_are_those_the_forecaster_answers(void **state)
{
    double q[EXTREME_QUANTILES], last;
    struct fw_forecaster *f = fitted(&above, 0.01, 1.0, &last);
    fw_ms now = (fw_ms)(SAMPLES - 1) * EVERY;

    (void)state;
    assert_int_equal(extreme_foresee(f, &above, now, last, q, &err), FW_OK);
    assert_true(q[0] <= q[1] && q[1] <= q[2] && q[0] >= last);
    for (int i = 0; i < EXTREME_QUANTILES; i++) {
        struct fw_passage p;
        const double want[] = {0.9, 0.5, 0.1};

        assert_int_equal(fw_forecaster_ask(f, now, q[i], &p, NULL, &err),
                         FW_OK);
        assert_true(fabs(p.probability - want[i]) < 0.08 || q[i] == last);
    }
    fw_forecaster_free(f);
}

static void a_limit_below_turns_them_round(void **state)
{
    double q[EXTREME_QUANTILES], last;
    struct fw_forecaster *f = fitted(&below, -0.01, 1.0, &last);
    fw_ms now = (fw_ms)(SAMPLES - 1) * EVERY;

    (void)state;
    assert_int_equal(extreme_foresee(f, &below, now, last, q, &err), FW_OK);
    assert_true(q[0] <= q[1] && q[1] <= q[2] && q[2] <= last);
    fw_forecaster_free(f);
}

static void what_was_never_fitted_cannot_tell(void **state)
{
    struct fw_forecaster_options o = {.horizon = FW_HOUR, .breach = above};
    double q[EXTREME_QUANTILES] = {1, 2, 3};
    struct fw_forecaster *f = NULL;

    (void)state;
    assert_int_equal(fw_forecaster_new(&o, &f, &err), FW_OK);
    assert_int_equal(extreme_foresee(f, &above, 0, 1, q, &err), FW_NONE);
    assert_true(q[0] == 1);
    fw_forecaster_free(f);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_loss_is_that_of_the_three_quantiles),
        cmocka_unit_test(the_worst_since_any_prediction_is_known),
        cmocka_unit_test(a_limit_below_asks_for_the_lowest),
        cmocka_unit_test(a_level_counts_that_was_held),
        cmocka_unit_test(a_break_ends_what_was_held),
        cmocka_unit_test(the_oldest_step_makes_room),
        cmocka_unit_test(the_quantiles_are_those_the_forecaster_answers),
        cmocka_unit_test(a_limit_below_turns_them_round),
        cmocka_unit_test(what_was_never_fitted_cannot_tell),
    };

    return fixture_main(argc, argv, tests);
}
