/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The replay over a world whose values and forecasts are functions of time, so
 * that each alert, breach and grade can be worked out by hand.
 */
#include "tests/support/fixture.h"

#include <math.h>
#include <string.h>

#include "server/alert/hindsight.h"

#define HOURS(n) ((n)*FW_HOUR)

/* One series; a value below 0 is a breach. */
struct world {
    double (*value)(fw_ms t);       /* NaN: missing */
    double (*probability)(fw_ms t); /* NaN: cannot tell */
    fw_ms newest_asked;             /* of all readings */
    fw_ms now;                      /* of the look being made */
    size_t series;
};

static struct world w;
static struct fw_err err;

static struct config_watch watch = {.name = "W",
                                    .expr = "x",
                                    .breach_text = "< 0",
                                    .breach = {.side = FW_BELOW, .limit = 0},
                                    .horizon = HOURS(24),
                                    .history = HOURS(48),
                                    .interval = FW_MINUTE,
                                    .probability = 0.8,
                                    .recover = 0.6};

static struct fw_labels labels_of(struct fw_arena *arena, size_t i)
{
    static const char *const names[] = {"a", "b", "c"};
    struct fw_label *v = fw_arena_calloc(arena, 1, sizeof(*v));

    v[0] = (struct fw_label){FW_STR("host"), fw_str_of(names[i])};
    return (struct fw_labels){v, 1};
}

static fw_rc see(void *self, struct fw_str expr, fw_ms from, fw_ms to,
                 fw_ms step, struct fw_arena *arena, struct fw_result *result,
                 struct fw_err *e)
{
    size_t n = (size_t)((to - from) / step) + 1, kept = 0;
    struct fw_result_series *s = fw_arena_calloc(arena, w.series, sizeof(*s));

    (void)self;
    (void)expr;
    (void)e;
    if (to > w.newest_asked)
        w.newest_asked = to;
    for (size_t k = 0; k < w.series; k++) {
        s[k].t = fw_arena_calloc(arena, n, sizeof(*s->t));
        s[k].v = fw_arena_calloc(arena, n, sizeof(*s->v));
        kept = 0;
        for (size_t i = 0; i < n; i++) {
            fw_ms t = from + (fw_ms)i * step;

            if (isnan(w.value(t)))
                continue;
            s[k].t[kept] = t;
            s[k].v[kept++] = w.value(t);
        }
        s[k].n = kept;
        s[k].labels = labels_of(arena, k);
    }
    *result = (struct fw_result){
        .type = FW_MATRIX, .series = s, .count = kept > 0 ? w.series : 0};
    return FW_OK;
}

static fw_rc foresee(void *self, struct fw_str expr, fw_ms history,
                     const struct fw_forecast_options *options,
                     struct fw_arena *arena, struct fw_forecast_series **out,
                     size_t *count, struct fw_err *e)
{
    struct fw_forecast_series *s = fw_arena_calloc(arena, w.series, sizeof(*s));
    double p = w.probability(options->now);

    (void)self;
    (void)expr;
    (void)history;
    (void)e;
    w.now = options->now;
    for (size_t k = 0; k < w.series; k++) {
        struct fw_forecast *f = fw_arena_calloc(arena, 1, sizeof(*f));

        f->verdict = isnan(p) ? FW_CANNOT_TELL : FW_TREND;
        f->has_passage = !isnan(p);
        f->passage = (struct fw_passage){
            .probability = p, .p10 = 1, .p50 = HOURS(10), .p90 = -1};
        s[k].forecast = f;
        s[k].labels = labels_of(arena, k);
    }
    *out = s;
    *count = w.series;
    return FW_OK;
}

static struct hindsight *run(fw_ms from, fw_ms to, fw_ms step)
{
    struct hindsight_options options = {
        .watch = &watch,
        .sight = {.observe = see, .foresee = foresee},
        .from = from,
        .to = to,
        .step = step};
    struct hindsight *replay = NULL;
    fw_rc rc;

    err = (struct fw_err){0};
    assert_int_equal(hindsight_new(&options, &replay, &err), FW_OK);
    do {
        rc = hindsight_look(replay, &err);
        /* No look may see what came after it. */
        assert_true(w.newest_asked <= w.now);
    } while (rc == FW_OK);
    assert_int_equal(rc, FW_END);
    return replay;
}

static struct hindsight_verdict judge(const struct hindsight *replay, double p)
{
    struct hindsight_verdict v;
    size_t count;

    assert_int_equal(hindsight_judge(replay, p, &v, NULL, 0, &count, &err),
                     FW_OK);
    return v;
}

/* ---- stories
 * -------------------------------------------------------------------------- */

#define BREACH_AT HOURS(100)
#define WARNED_AT HOURS(90)

static double falls_at_100(fw_ms t)
{
    return t >= BREACH_AT && t < BREACH_AT + HOURS(2) ? -1 : 1;
}

static double warns_at_90(fw_ms t)
{
    return t >= WARNED_AT && t < HOURS(110) ? 0.9 : 0.05;
}

static void a_breach_foretold_is_right_with_its_lead(void **state)
{
    struct hindsight_verdict v;
    struct hindsight_claim claim;
    struct hindsight_belief belief;
    struct hindsight *replay;
    size_t count;

    (void)state;
    w = (struct world){falls_at_100, warns_at_90, 0, 0, 1};
    replay = run(HOURS(10), HOURS(200), FW_HOUR);
    assert_int_equal(hindsight_judge(replay, 0.8, &v, &claim, 1, &count, &err),
                     FW_OK);
    assert_int_equal(v.right, 1);
    assert_int_equal(v.false_alarms + v.missed + v.voided + v.open, 0);
    assert_int_equal(count, 1);
    /* Likely at 90 h; a second look must agree. */
    assert_int_equal(claim.made_at, HOURS(91));
    assert_int_equal(claim.outcome, OUTCOME_BREACH);
    assert_int_equal(v.median_lead, BREACH_AT - HOURS(91));
    assert_true(fabs(v.per_week - 7 * 24 / 190.0) < 1e-9);
    /* Nobody would have been told at 0.95. */
    v = judge(replay, 0.95);
    assert_int_equal(v.right, 0);
    assert_int_equal(v.missed, 1);
    hindsight_believe(replay, &belief);
    /* Each hour from 10 to 176 (200 - 24), but the 2 h of the breach. */
    assert_int_equal(belief.predictions, 167 - 2);
    /* 24 h ahead of the breach there was one within the horizon. */
    assert_true(fabs(belief.base_rate * 165 - 24) < 1e-6);
    hindsight_free(replay);
}

static double quiet(fw_ms t)
{
    (void)t;
    return 1;
}

static double cries_wolf(fw_ms t)
{
    return t % HOURS(48) < HOURS(4) ? 0.85 : 0.1;
}

static void alarms_without_a_breach_are_false_and_can_be_avoided(void **state)
{
    struct hindsight_verdict v;
    struct hindsight *replay;

    (void)state;
    w = (struct world){quiet, cries_wolf, 0, 0, 1};
    replay = run(HOURS(10), HOURS(10) + 30 * FW_DAY, FW_HOUR);
    v = judge(replay, 0.8);
    assert_int_equal(v.right + v.missed, 0);
    assert_int_equal(v.false_alarms + v.open, 15);
    assert_int_equal(v.median_lead, -1);
    assert_int_equal(judge(replay, 0.9).false_alarms, 0);
    assert_int_equal(hindsight_choose(replay, 1, &v, &err), FW_OK);
    assert_true(v.probability > 0.85 && v.probability < 0.87);
    assert_int_equal(hindsight_choose(replay, 20, &v, &err), FW_OK);
    assert_true(v.probability == 0.5);
    hindsight_free(replay);
}

static double never_tells(fw_ms t)
{
    (void)t;
    return NAN;
}

static void a_breach_without_a_forecast_is_missed(void **state)
{
    struct hindsight_verdict v;
    struct hindsight_belief belief;
    struct hindsight *replay;

    (void)state;
    w = (struct world){falls_at_100, never_tells, 0, 0, 3};
    replay = run(HOURS(10), HOURS(200), FW_HOUR);
    v = judge(replay, 0.8);
    assert_int_equal(v.missed, 3);
    assert_int_equal(v.right + v.false_alarms, 0);
    hindsight_believe(replay, &belief);
    assert_int_equal(belief.predictions, 0);
    assert_true(isnan(belief.brier));
    hindsight_free(replay);
}

static double beyond_at_first(fw_ms t)
{
    return t < HOURS(20) ? -1 : 1;
}

static void what_was_beyond_at_the_first_look_is_not_missed(void **state)
{
    struct hindsight *replay;

    (void)state;
    w = (struct world){beyond_at_first, never_tells, 0, 0, 1};
    replay = run(HOURS(10), HOURS(100), FW_HOUR);
    assert_int_equal(judge(replay, 0.8).missed, 0);
    hindsight_free(replay);
}

static double gone_after_95(fw_ms t)
{
    return t > HOURS(95) ? NAN : 1;
}

static void an_alarm_whose_series_goes_away_is_void(void **state)
{
    struct hindsight_verdict v;
    struct hindsight *replay;

    (void)state;
    w = (struct world){gone_after_95, warns_at_90, 0, 0, 1};
    replay = run(HOURS(10), HOURS(200), FW_HOUR);
    v = judge(replay, 0.8);
    assert_int_equal(v.voided, 1);
    assert_int_equal(v.false_alarms, 0);
    hindsight_free(replay);
}

static void one_whose_horizon_is_not_over_is_open(void **state)
{
    struct hindsight_verdict v;
    struct hindsight *replay;

    (void)state;
    w = (struct world){quiet, warns_at_90, 0, 0, 1};
    replay = run(HOURS(10), HOURS(100), FW_HOUR);
    v = judge(replay, 0.8);
    assert_int_equal(v.open, 1);
    assert_int_equal(v.false_alarms, 0);
    hindsight_free(replay);
}

static void steps_are_chosen_from_horizon_interval_and_span(void **state)
{
    struct config_watch short_one = watch;

    (void)state;
    assert_int_equal(hindsight_step_of(&watch, 0, 30 * FW_DAY), FW_HOUR);
    short_one.horizon = 10 * FW_MINUTE;
    short_one.interval = FW_MINUTE;
    assert_int_equal(hindsight_step_of(&short_one, 0, FW_HOUR), FW_MINUTE);
    assert_int_equal(hindsight_step_of(&short_one, 0, 2000 * FW_HOUR), FW_HOUR);
}

static void too_many_series_are_refused_by_number(void **state)
{
    struct hindsight_options options = {
        .watch = &watch,
        .sight = {.observe = see, .foresee = foresee},
        .from = HOURS(10),
        .to = HOURS(20),
        .max_series = 2};
    struct hindsight *replay = NULL;

    (void)state;
    w = (struct world){quiet, quiet, 0, 0, 3};
    assert_int_equal(hindsight_new(&options, &replay, &err), FW_OK);
    assert_int_equal(hindsight_look(replay, &err), FW_ETOOBIG);
    assert_non_null(strstr(err.text, "3 series; 2 are the most"));
    hindsight_free(replay);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_breach_foretold_is_right_with_its_lead),
        cmocka_unit_test(alarms_without_a_breach_are_false_and_can_be_avoided),
        cmocka_unit_test(a_breach_without_a_forecast_is_missed),
        cmocka_unit_test(what_was_beyond_at_the_first_look_is_not_missed),
        cmocka_unit_test(an_alarm_whose_series_goes_away_is_void),
        cmocka_unit_test(one_whose_horizon_is_not_over_is_open),
        cmocka_unit_test(steps_are_chosen_from_horizon_interval_and_span),
        cmocka_unit_test(too_many_series_are_refused_by_number),
    };

    return fixture_main(argc, argv, tests);
}
