/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Models against values computed elsewhere (tests/model/make_reference.py). */
#include "tests/support/fixture.h"

#include <math.h>
#include <string.h>

#include "predict/models/lagfit.h"
#include "predict/models/model.h"
#include "predict/models/sawtooth.h"
#include "predict/models/smoothing.h"
#include "predict/models/straight.h"
#include "predict/numeric.h"
#include "predict/season.h"
#include "predict/segments.h"
#include "tests/model/reference.h"
#include "tests/model/reference_r.h"
#include "tests/support/synth.h"

#define N 60
#define BESIDE 5 /* of those that run side by side, any */

static void near_to(double got, double want, double within)
{
    if (!(fabs(got - want) <= within))
        fail_msg("%.12g is not %.12g within %g", got, want, within);
}

static void damped_holt_is_that_of_statsmodels(void **state)
{
    struct smoothing m = {.period = 0};
    double out[12];

    (void)state;
    smoothing_set(&m, BESIDE, 0.35, 0.2, 0.0, 0.9);
    m.level[BESIDE] = reference_y[0];
    for (size_t i = 0; i < N; i++)
        smoothing_step(&m, reference_y[i]);
    smoothing_forecast(&m, BESIDE, 12, out);
    for (size_t k = 0; k < 12; k++)
        near_to(out[k], reference_holt[k], 1e-6);
}

static void holt_winters_is_that_of_statsmodels(void **state)
{
    double s[12][SMOOTHING_BESIDE] = {{0}}, out[24];
    struct smoothing m = {.period = 12, .seasonal = s};

    (void)state;
    smoothing_set(&m, BESIDE, 0.35, 0.2, 0.3, 0.9);
    for (size_t i = 0; i < 24; i++)
        m.level[BESIDE] += reference_y[i] / 24.0;
    for (size_t i = 0; i < 12; i++)
        s[i][BESIDE] =
            0.5 * (reference_y[i] + reference_y[i + 12]) - m.level[BESIDE];
    for (size_t i = 0; i < N; i++)
        smoothing_step(&m, reference_y[i]);
    smoothing_forecast(&m, BESIDE, 24, out);
    /* At whole seasons ahead statsmodels 0.13 leaves the newest value out of
     * its seasonal term; FPP3, sec. 8.3, does not, and neither do we. */
    for (size_t k = 0; k < 24; k++)
        if (k % 12 != 11)
            near_to(out[k], reference_holt_winters[k], 1e-6);
}

static void autocorrelation_is_that_of_statsmodels(void **state)
{
    double acf[21];

    (void)state;
    assert_int_equal(numeric_autocorrelation(reference_y, N, acf, 21), FW_OK);
    for (size_t k = 0; k <= 20; k++)
        near_to(acf[k], reference_acf[k], 1e-9);
}

static void autoregression_is_least_squares(void **state)
{
    struct lagfit fit;
    struct lagfit_line line;

    (void)state;
    lagfit_init(&fit, 0, 0, N, 1.0);
    assert_int_equal(fit.p, 4);
    for (size_t t = 4; t < N; t++)
        lagfit_add(&fit, reference_y, t);
    assert_true(lagfit_solve(&fit, &line));
    /* The ridge moves the weights a little; what they foretell, hardly. */
    for (size_t i = 0; i < 4; i++)
        near_to(line.coef[i], reference_ar4[i], 2e-3);
    near_to(line.level, reference_ar4[4], 0.05);
}

static void a_robust_line_ignores_outliers(void **state)
{
    double x[40], y[40];
    struct numeric_line line;

    (void)state;
    for (size_t i = 0; i < 40; i++) {
        x[i] = (double)i;
        y[i] = 3.0 + 0.5 * x[i] + (i % 2 == 0 ? 0.1 : -0.1);
    }
    y[7] = 900.0;
    y[31] = -500.0;
    assert_int_equal(numeric_robust_line(x, y, 40, &line), FW_OK);
    near_to(line.slope, 0.5, 0.005);
    near_to(line.level, 3.0, 0.1);
}

static void a_season_is_found_and_noise_has_none(void **state)
{
    struct synth_rng rng = synth_seed(fixture_seed());
    static double y[2016], noise[2016];
    struct season s;

    (void)state;
    memset(y, 0, sizeof(y));
    memset(noise, 0, sizeof(noise));
    synth_season(y, 2016, 288.0, 5.0);
    synth_noise(&rng, y, 2016, 1.0);
    assert_int_equal(season_find(y, 2016, 5 * FW_MINUTE, 0.0, &s), FW_OK);
    assert_int_equal(s.length, 288);
    memset(y, 0, sizeof(y));
    synth_season(y, 2016, 50.0, 5.0);
    assert_int_equal(season_find(y, 2016, 7 * FW_SECOND, 0.0, &s), FW_OK);
    assert_int_equal(s.length, 50);
    synth_noise(&rng, noise, 2016, 1.0);
    assert_int_equal(season_find(noise, 2016, 5 * FW_MINUTE, 0.0, &s), FW_OK);
    assert_int_equal(s.length, 0);
}

static void the_last_change_is_found_without_looking_ahead(void **state)
{
    struct synth_rng rng = synth_seed(fixture_seed());
    static double y[192];
    struct segments s;

    (void)state;
    memset(y, 0, sizeof(y));
    for (size_t i = 120; i < 192; i++)
        y[i] = (double)(i - 120) * 0.5;
    synth_noise(&rng, y, 192, 0.3);
    segments_find(y, 192, &s);
    assert_in_range(segments_start(&s, 192), 112, 128);
    assert_int_equal(segments_start(&s, 118), 0);
}

static void a_sawtooth_falls_where_it_fell(void **state)
{
    static double y[600];
    struct sawtooth s;
    double drop, out[60];

    (void)state;
    memset(y, 0, sizeof(y));
    synth_sawtooth(y, 600, 50, 10.0, 60.0);
    drop = sawtooth_drop(y, 600);
    sawtooth_start(&s);
    for (size_t t = 0; t < 580; t++)
        sawtooth_add(&s, y, t, drop);
    assert_true(sawtooth_holds(&s, 580));
    sawtooth_path(&s, y, 580, 60, out);
    for (size_t k = 0; k < 60; k++)
        assert_true(out[k] < 61.5);
    assert_true(out[10] > y[579]);
    assert_true(out[40] < 40.0);
}

/* The forecast of one model, and how far it is from R's at most. */
static void like_r(const struct model *model, size_t season, const double *want,
                   double within)
{
    struct fw_arena *arena = fw_arena_new((size_t)32 << 20);
    struct segments segments = {.block = N, .blocks = 1};
    size_t origin = N;
    struct model_input in = {
        reference_y,      reference_y, N,   24,  &origin, 1,
        {season, 0, 0.9}, &segments,   0.0, 1.0, arena};
    double out[24], most = 0.0;

    assert_non_null(arena);
    assert_int_equal(model->forecast(&in, out), FW_OK);
    fw_arena_free(arena);
    for (size_t k = 0; k < 24; k++)
        most = fmax(most, fabs(out[k] - want[k]));
    print_message("%-24s %.3g off at most\n", model->name, most);
    if (!(most <= within))
        fail_msg("%s: %g is more than %g", model->name, most, within);
}

/*
 * What has nothing to search for is the same to the last digits; what has, ours
 * by a few values and R's by a search, ends up near. The series spans 17.
 *
 * Holt-Winters differs since R searches for its first states too and finds a
 * season that does not change (gamma 0.0001), where ours begins with a level
 * and no trend and takes gamma from two values. A start with the trend of the
 * first two seasons was tried: it is worse on M4 Hourly (OWA 0.4113 instead of
 * 0.4101).
 */
static void forecasts_are_those_of_r(void **state)
{
    (void)state;
    like_r(&model_naive, 0, reference_r_naive, 1e-9);
    like_r(&model_drift, 0, reference_r_drift, 1e-9);
    like_r(&model_median, 0, reference_r_median, 1e-9);
    like_r(&model_seasonal_naive, 12, reference_r_snaive, 1e-9);
    like_r(&model_seasonal_mean, 12, reference_r_smean, 1e-9);
    like_r(&model_theta, 0, reference_r_theta, 0.02);
    like_r(&model_holt, 0, reference_r_holt, 0.05);
    like_r(&model_holt_winters, 12, reference_r_hw, 1.5);
    like_r(&model_autoreg, 12, reference_r_autoreg, 0.02);
}

static void a_robust_line_is_that_of_r(void **state)
{
    double x[N], y[N];
    struct numeric_line line;

    (void)state;
    for (size_t i = 0; i < N; i++) {
        x[i] = (double)i;
        y[i] = 5.0 + 0.5 * x[i] + ((double)(i * 31 % 7) - 3.0) * 0.1 +
               (i % 10 == 4 ? 40.0 : 0.0);
    }
    assert_int_equal(numeric_robust_line(x, y, N, &line), FW_OK);
    near_to(line.level, reference_r_line[0], 0.01);
    near_to(line.slope, reference_r_line[1], 0.0005);
}

/* Each model of the pool, asked from an origin inside the series, answers the
 * same whatever follows. */
static void no_model_looks_ahead(void **state)
{
    struct synth_rng rng = synth_seed(fixture_seed());
    static double y[700], changed[700], a[2 * 24], b[2 * 24];
    struct segments seg, seg_changed;
    size_t origins[2] = {500, 700};

    (void)state;
    memset(y, 0, sizeof(y));
    synth_season(y, 700, 24.0, 0.3);
    synth_ramp(y, 700, 1.0, 0.001);
    synth_noise(&rng, y, 700, 0.05);
    memcpy(changed, y, sizeof(y));
    for (size_t i = 500; i < 700; i++)
        changed[i] = 5.0 + (double)(i % 7);
    segments_find(y, 700, &seg);
    segments_find(changed, 700, &seg_changed);
    for (size_t j = 0; model_pool[j] != NULL; j++) {
        struct fw_arena *arena = fw_arena_new((size_t)32 << 20);
        struct model_input in = {
            y, y, 700, 24, origins, 2, {24, 168, 0.9}, &seg, 0.0, 1.0, arena};
        fw_rc one, two;

        assert_non_null(arena);
        one = model_pool[j]->forecast(&in, a);
        in.y = in.raw = changed;
        in.segments = &seg_changed;
        two = model_pool[j]->forecast(&in, b);
        fw_arena_free(arena);
        if (one != FW_OK || two != FW_OK || isnan(a[0]) || isnan(b[0]))
            continue; /* it does not suit one of them */
        for (size_t k = 0; k < 24; k++)
            if (!(fabs(a[k] - b[k]) < 1e-6))
                fail_msg("%s looks ahead: %g, %g", model_pool[j]->name, a[k],
                         b[k]);
    }
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(damped_holt_is_that_of_statsmodels),
        cmocka_unit_test(holt_winters_is_that_of_statsmodels),
        cmocka_unit_test(autocorrelation_is_that_of_statsmodels),
        cmocka_unit_test(autoregression_is_least_squares),
        cmocka_unit_test(forecasts_are_those_of_r),
        cmocka_unit_test(a_robust_line_is_that_of_r),
        cmocka_unit_test(a_robust_line_ignores_outliers),
        cmocka_unit_test(a_season_is_found_and_noise_has_none),
        cmocka_unit_test(the_last_change_is_found_without_looking_ahead),
        cmocka_unit_test(a_sawtooth_falls_where_it_fell),
        cmocka_unit_test(no_model_looks_ahead),
    };
    numeric_start();
    return fixture_main(argc, argv, tests);
}
