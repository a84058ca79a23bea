/* SPDX-License-Identifier: GPL-3.0-or-later */
/* ctest: cost=7 */
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
    assert_true(f->passage.probability < 0.1);
}

/* ---- Properties ---------------------------------------------------------- */

/* One of eight shapes, by number. */
static void shape(struct story *s, size_t kind, size_t n)
{
    struct synth_rng rng = synth_seed(fixture_seed() + kind);

    begin(s, n, 5 * FW_MINUTE, 2 * FW_HOUR);
    switch (kind) {
    case 0:
        synth_ramp(s->v, n, 5.0, 0.01);
        break;
    case 1:
        synth_season(s->v, n, 288.0, 4.0);
        break;
    case 2:
        synth_sawtooth(s->v, n, 40, 1.0, 9.0);
        break;
    case 3:
        synth_step(s->v, n, n / 2, 30.0);
        break;
    case 4:
        synth_walk(&rng, s->v, n, 1.0);
        break;
    case 5:
        for (size_t i = 0; i < n; i++)
            s->v[i] = exp(3.0 * synth_normal(&rng));
        break;
    case 6: /* counts, mostly zero */
        for (size_t i = 0; i < n; i++)
            s->v[i] = floor(synth_uniform(&rng) * 1.2);
        break;
    default: /* constant */
        synth_ramp(s->v, n, 3.0, 0.0);
    }
    if (kind < 4)
        synth_noise(&rng, s->v, n, 0.2);
}

static void check_sane(const struct fw_forecast *f)
{
    assert_true(f->n > 0);
    for (size_t k = 0; k < f->n; k++) {
        assert_true(isfinite(f->point[k]));
        assert_true(f->lower[k] <= f->point[k]);
        assert_true(f->point[k] <= f->upper[k]);
    }
    if (f->has_passage) {
        const struct fw_passage *p = &f->passage;

        assert_true(p->probability >= 0.0 && p->probability <= 1.0);
        assert_int_equal(p->p10 >= 0, p->probability >= 0.1);
        assert_int_equal(p->p50 >= 0, p->probability >= 0.5);
        assert_int_equal(p->p90 >= 0, p->probability >= 0.9);
        assert_true(p->p50 < 0 || p->p10 <= p->p50);
        assert_true(p->p90 < 0 || p->p50 <= p->p90);
    }
}

static void nothing_finite_makes_nonsense(void **state)
{
    struct story *s = *state;
    static const size_t lengths[] = {8, 13, 40, 150, 700, 2000};

    for (size_t kind = 0; kind < 8; kind++)
        for (size_t j = 0; j < sizeof(lengths) / sizeof(*lengths); j++) {
            shape(s, kind, lengths[j]);
            for (double limit = -5.0; limit < 40.0; limit += 9.0) {
                check_sane(above(s, limit));
                s->breach.side = FW_BELOW;
                check_sane(run(s));
            }
            fw_arena_clear(s->arena);
        }
}

static void a_higher_limit_is_never_likelier(void **state)
{
    struct story *s = *state;
    static const size_t lengths[] = {30, 800};

    for (size_t kind = 0; kind < 8; kind++)
        for (size_t j = 0; j < 2; j++) {
            double before = 1.0;

            shape(s, kind, lengths[j]);
            for (double limit = -10.0; limit < 60.0; limit += 0.9) {
                double p = above(s, limit)->passage.probability;

                assert_true(p <= before + 1e-9);
                before = p;
                fw_arena_clear(s->arena);
            }
        }
}

static void the_same_question_has_the_same_answer(void **state)
{
    struct story *s = *state;

    for (size_t kind = 0; kind < 8; kind++) {
        const struct fw_forecast *a, *b;

        shape(s, kind, 25);
        a = above(s, 12.0);
        b = above(s, 12.0);
        assert_true(a->passage.probability == b->passage.probability);
        assert_memory_equal(a->point, b->point, a->n * sizeof(double));
        assert_memory_equal(a->upper, b->upper, a->n * sizeof(double));
    }
}

/* In other units the answer is the same one: those with negative values, so
 * that logarithms are out of the question in either. */
static void units_do_not_matter(void **state)
{
    static const size_t kinds[] = {1, 4};
    struct story *s = *state;

    for (size_t j = 0; j < 2; j++) {
        double point[64], p, limit;
        const struct fw_forecast *f;

        shape(s, kinds[j], 700);
        limit = s->v[699] + 3.0;
        f = above(s, limit);
        p = f->passage.probability;
        memcpy(point, f->point, f->n * sizeof(double));
        for (size_t i = 0; i < s->n; i++)
            s->v[i] = 4096.0 * s->v[i] - 70000.0;
        f = above(s, 4096.0 * limit - 70000.0);
        assert_true(fabs(f->passage.probability - p) < 1e-3);
        for (size_t k = 0; k < f->n; k++)
            assert_true(fabs((f->point[k] + 70000.0) / 4096.0 - point[k]) <
                        1e-3);
    }
}

static void below_is_above_of_the_negated(void **state)
{
    struct story *s = *state;

    for (size_t kind = 0; kind < 8; kind++) {
        double p;

        shape(s, kind, 600);
        p = above(s, 9.0)->passage.probability;
        for (size_t i = 0; i < s->n; i++)
            s->v[i] = -s->v[i];
        s->breach = (struct fw_breach){.side = FW_BELOW, .limit = -9.0};
        assert_true(fabs(run(s)->passage.probability - p) < 1e-9);
    }
}

/* ---- Awkward input ------------------------------------------------------- */

static void too_little_cannot_tell(void **state)
{
    struct story *s = *state;
    const struct fw_forecast *f;

    begin(s, 2, FW_MINUTE, FW_HOUR);
    f = above(s, 1.0);
    assert_int_equal(f->verdict, FW_CANNOT_TELL);
    assert_int_equal(f->reason, FW_TOO_SHORT);
    assert_string_not_equal(f->why, "");
    begin(s, 100, FW_SECOND, 6 * FW_HOUR);
    synth_ramp(s->v, s->n, 0.0, 1.0);
    f = above(s, 1000.0);
    assert_int_equal(f->reason, FW_TOO_SHORT);
    assert_non_null(strstr(f->why, "is the least"));
    begin(s, 50, FW_MINUTE, FW_HOUR);
    for (size_t i = 0; i < s->n; i++)
        s->v[i] = i % 2 == 0 ? NAN : INFINITY;
    assert_int_equal(above(s, 1.0)->reason, FW_NOT_FINITE);
    begin(s, 50, FW_MINUTE, FW_HOUR);
    s->options.now += 2 * FW_HOUR;
    assert_int_equal(above(s, 1.0)->reason, FW_STALE);
    s->n = 0;
    assert_int_equal(above(s, 1.0)->reason, FW_TOO_SHORT);
}

static void holes_are_bridged(void **state)
{
    struct story *s = *state;
    const struct fw_forecast *f;

    begin(s, 400, FW_MINUTE, FW_HOUR);
    synth_ramp(s->v, s->n, 0.0, 1.0);
    for (size_t i = 0; i < s->n; i++)
        if (i % 3 == 0 || (i > 200 && i < 230))
            s->v[i] = i % 2 == 0 ? NAN : -INFINITY;
    s->v[399] = 399.0;
    f = above(s, 430.0);
    assert_true(f->passage.probability > 0.9);
    assert_true(isnan(f->history_v[210]));
}

static void huge_and_tiny_values_are_like_any_others(void **state)
{
    static const double units[] = {1e300, 1e-300, 1.7e308 / 600.0};
    struct story *s = *state;

    for (size_t j = 0; j < 3; j++) {
        begin(s, 300, FW_MINUTE, FW_HOUR);
        synth_ramp(s->v, s->n, 1.0, 0.01);
        for (size_t i = 0; i < s->n; i++)
            s->v[i] *= units[j];
        check_sane(above(s, 4.3 * units[j]));
        assert_true(above(s, 4.3 * units[j])->passage.probability > 0.9);
    }
    begin(s, 300, FW_MINUTE, FW_HOUR);
    for (size_t i = 0; i < s->n; i++)
        s->v[i] = i % 2 == 0 ? 1.7e308 : -1.7e308;
    check_sane(above(s, 0.0));
}

static void a_limit_passed_already_is_certain(void **state)
{
    struct story *s = *state;
    const struct fw_forecast *f;

    begin(s, 100, FW_MINUTE, FW_HOUR);
    synth_ramp(s->v, s->n, 0.0, 1.0);
    f = above(s, 50.0);
    assert_true(f->passage.breached_now);
    assert_true(f->passage.probability == 1.0);
    assert_int_equal(f->passage.p50, 0);
    /* It has not been beyond for a whole day. */
    s->breach.for_ms = 20 * FW_MINUTE;
    s->breach.limit = 95.0;
    f = run(s);
    assert_true(f->passage.breached_now);
    assert_true(f->passage.probability > 0.9);
    assert_true(f->passage.p50 > 0);
}

static void for_keeps_short_peaks_quiet(void **state)
{
    struct story *s = *state;
    struct synth_rng rng = synth_seed(fixture_seed());

    begin(s, 1000, FW_MINUTE, 2 * FW_HOUR);
    synth_noise(&rng, s->v, s->n, 1.0);
    for (size_t i = 30; i < s->n; i += 37)
        s->v[i] += 20.0; /* one minute long each */
    assert_true(above(s, 15.0)->passage.probability > 0.9);
    s->breach.for_ms = 5 * FW_MINUTE;
    assert_true(run(s)->passage.probability < 0.1);
}

static void an_interval_may_change_on_the_way(void **state)
{
    struct story *s = *state;
    fw_ms t = START;

    begin(s, 400, FW_MINUTE, FW_HOUR);
    for (size_t i = 0; i < s->n; i++) {
        s->t[i] = t;
        s->v[i] = (double)(t - START) / (double)FW_MINUTE;
        t += i < 200 ? 10 * FW_SECOND : FW_MINUTE;
    }
    s->options.now = s->t[s->n - 1];
    assert_true(above(s, s->v[399] + 30.0)->passage.probability > 0.9);
    for (size_t i = 0, back = 0; i < s->n; i++, back++) {
        s->t[i] = START + (fw_ms)(i < 200 ? i * 60 : 12000 + (i - 200) * 10) *
                              FW_SECOND;
        s->v[i] = (double)(s->t[i] - START) / (double)FW_MINUTE;
    }
    s->options.now = s->t[s->n - 1];
    assert_true(above(s, s->v[399] + 30.0)->passage.probability > 0.9);
}

static void points_alone_are_nearly_as_good(void **state)
{
    struct story *s = *state;
    struct synth_rng rng = synth_seed(fixture_seed());
    const struct fw_forecast *f;

    begin(s, 700, FW_HOUR, 24 * FW_HOUR);
    synth_season(s->v, s->n, 24.0, 10.0);
    synth_noise(&rng, s->v, s->n, 1.0);
    s->options.point_only = true;
    f = run(s);
    assert_int_equal(f->n, 24);
    assert_true(f->beats_naive);
    assert_true(isnan(f->scores[0].coverage));
    for (size_t k = 0; k < f->n; k++) {
        double x = 6.283185307179586 * (double)(700 + k) / 24.0;

        assert_true(fabs(f->point[k] - 10.0 * sin(x)) < 3.0);
        assert_true(isnan(f->lower[k]) && isnan(f->upper[k]));
    }
}

static void bounds_hold(void **state)
{
    struct story *s = *state;
    const struct fw_forecast *f;

    begin(s, 200, FW_MINUTE, FW_HOUR);
    synth_ramp(s->v, s->n, 0.5, 0.002);
    s->options.has_lower = s->options.has_upper = true;
    s->options.upper = 1.0;
    f = above(s, 1.0);
    for (size_t k = 0; k < f->n; k++)
        assert_true(f->upper[k] <= 1.0 && f->lower[k] >= 0.0);
    assert_true(f->passage.probability == 0.0);
}

static void wrong_questions_are_refused(void **state)
{
    struct story *s = *state;
    struct fw_forecast *f = NULL;
    struct fw_err err = {0};

    begin(s, 100, FW_MINUTE, 0);
    assert_int_equal(
        fw_forecast_run(s->t, s->v, s->n, &s->options, s->arena, &f, &err),
        FW_EINVAL);
    s->options.horizon = FW_HOUR;
    s->options.level = 1.5;
    assert_int_equal(
        fw_forecast_run(s->t, s->v, s->n, &s->options, s->arena, &f, &err),
        FW_EINVAL);
    s->options.level = 0.0;
    s->t[40] = s->t[39];
    assert_int_equal(
        fw_forecast_run(s->t, s->v, s->n, &s->options, s->arena, &f, &err),
        FW_EINVAL);
    assert_non_null(strstr(err.text, "sample 41"));
    assert_null(f);
}

static void a_million_samples_are_enough(void **state)
{
    struct story *s = *state;
    size_t n = 1000000;
    fw_ms *t = malloc(n * sizeof(*t));
    double *v = malloc(n * sizeof(*v));
    struct fw_forecast *f = NULL;

    assert_non_null(t);
    assert_non_null(v);
    for (size_t i = 0; i < n; i++) {
        t[i] = START + (fw_ms)i * FW_SECOND;
        v[i] = (double)(i % 3600);
    }
    s->options =
        (struct fw_forecast_options){.now = t[n - 1], .horizon = 6 * FW_HOUR};
    assert_int_equal(fw_forecast_run(t, v, n, &s->options, s->arena, &f, NULL),
                     FW_OK);
    check_sane(f);
    free(t);
    free(v);
}

static void limits_are_read_and_printed(void **state)
{
    struct fw_breach b;
    struct fw_err err = {0};
    char out[FW_DOUBLE_TEXT_BYTES + 8];

    (void)state;
    assert_int_equal(fw_breach_parse(FW_STR(" <= 1.5e9 "), &b, &err), FW_OK);
    assert_int_equal(b.side, FW_BELOW);
    assert_true(b.or_equal);
    assert_true(b.limit == 1.5e9);
    fw_breach_print(&b, out);
    assert_string_equal(out, "<= 1500000000");
    assert_int_equal(fw_breach_parse(FW_STR("90"), &b, &err), FW_EINVAL);
    assert_int_equal(fw_breach_parse(FW_STR("> ninety"), &b, &err), FW_EINVAL);
    assert_int_equal(fw_breach_parse(FW_STR("> Inf"), &b, &err), FW_EINVAL);
    assert_int_equal(fw_breach_parse(FW_STR(""), &b, &err), FW_EINVAL);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        TEST(a_clean_ramp_is_extrapolated),
        TEST(a_young_disk_fills),
        TEST(a_leak_is_seen),
        TEST(what_will_not_cross_raises_no_alarm),
        TEST(nothing_finite_makes_nonsense),
        TEST(a_higher_limit_is_never_likelier),
        TEST(the_same_question_has_the_same_answer),
        TEST(units_do_not_matter),
        TEST(below_is_above_of_the_negated),
        TEST(too_little_cannot_tell),
        TEST(holes_are_bridged),
        TEST(huge_and_tiny_values_are_like_any_others),
        TEST(a_limit_passed_already_is_certain),
        TEST(for_keeps_short_peaks_quiet),
        TEST(an_interval_may_change_on_the_way),
        TEST(points_alone_are_nearly_as_good),
        TEST(bounds_hold),
        TEST(wrong_questions_are_refused),
        TEST(a_million_samples_are_enough),
        TEST(limits_are_read_and_printed),
    };
    return fixture_main(argc, argv, tests);
}
