/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "tests/support/fixture.h"

#include <math.h>

#include "server/alert/ledger.h"

static const struct prediction made = {
    .id = 1,
    .made_at = FW_HOUR,
    .horizon = FW_HOUR,
    .breach = {.side = FW_ABOVE, .limit = 5, .for_ms = FW_MINUTE},
    .probability = 0.8,
    .watched_ms = 1000,
};

static struct observed seen_until(fw_ms through)
{
    struct observed o;

    observed_init(&o, through);
    o.watched_ms = 1000 + FW_HOUR;
    return o;
}

static enum outcome judge(const struct observed *o, struct score *score)
{
    prediction_judge(&made, o, 77, score);
    assert_int_equal(score->scored_at, 77);
    return score->outcome;
}

static void a_breach_in_time_is_seen_at_once(void **state)
{
    struct observed o = seen_until(FW_HOUR + FW_MINUTE);
    struct score score;

    (void)state;
    assert_int_equal(judge(&o, &score), OUTCOME_OPEN);
    o.breached_at = FW_HOUR; /* began as it was made: no prediction of it */
    assert_int_equal(judge(&o, &score), OUTCOME_OPEN);
    o.breached_at = FW_HOUR + 47 * FW_SECOND;
    assert_int_equal(judge(&o, &score), OUTCOME_BREACH);
    assert_int_equal(score.breached_at, o.breached_at);
    assert_true(fabs(score.brier - 0.04) < 1e-12);
}

static void no_breach_is_known_when_the_horizon_is_over(void **state)
{
    struct observed o = seen_until(2 * FW_HOUR);
    struct score score;

    (void)state;
    assert_int_equal(judge(&o, &score), OUTCOME_OPEN); /* `for` is to come */
    o.through = 2 * FW_HOUR + FW_MINUTE;
    assert_int_equal(judge(&o, &score), OUTCOME_NONE);
    assert_true(fabs(score.brier - 0.64) < 1e-12);
    o.breached_at = 2 * FW_HOUR + 1; /* too late to count */
    assert_int_equal(judge(&o, &score), OUTCOME_NONE);
    o.beyond_since = 2 * FW_HOUR - 1; /* may still become one */
    assert_int_equal(judge(&o, &score), OUTCOME_OPEN);
    o.counted = true;
    o.breached_at = o.beyond_since;
    assert_int_equal(judge(&o, &score), OUTCOME_BREACH);
}

static void without_input_it_is_void(void **state)
{
    struct observed o = seen_until(3 * FW_HOUR);
    struct score score;

    (void)state;
    o.watched_ms = 1000 + FW_HOUR / 2 - 1;
    assert_int_equal(judge(&o, &score), OUTCOME_VOID);
    assert_true(isnan(score.brier));
    o.breached_at = FW_HOUR + 1; /* what was seen counts all the same */
    assert_int_equal(judge(&o, &score), OUTCOME_BREACH);
}

static void add(struct totals *t, enum prediction_kind kind, double p,
                enum outcome outcome, fw_ms lead)
{
    struct prediction prediction = made;
    struct score score = {.outcome = outcome};

    prediction.kind = kind;
    prediction.probability = p;
    if (outcome == OUTCOME_BREACH) {
        score.breached_at = prediction.made_at + lead;
        score.brier = (1 - p) * (1 - p);
    } else {
        score.brier = p * p;
    }
    totals_add(t, &prediction, &score);
}

static void routine_makes_brier_and_alerts_make_right_and_wrong(void **state)
{
    struct totals t = {0};
    struct fw_record r;

    (void)state;
    totals_record(&t, &r);
    assert_true(isnan(r.brier));
    assert_int_equal(r.median_lead, -1);
    add(&t, PREDICTION_ROUTINE, 1.0, OUTCOME_BREACH, 5);
    add(&t, PREDICTION_ROUTINE, 0.5, OUTCOME_NONE, 0);
    add(&t, PREDICTION_ROUTINE, 0.0, OUTCOME_VOID, 0);
    add(&t, PREDICTION_ALERT, 0.9, OUTCOME_BREACH, 30);
    add(&t, PREDICTION_ALERT, 0.9, OUTCOME_BREACH, 10);
    add(&t, PREDICTION_ALERT, 0.9, OUTCOME_BREACH, 90);
    add(&t, PREDICTION_ALERT, 0.9, OUTCOME_NONE, 0);
    t.missed++;
    totals_record(&t, &r);
    assert_int_equal(r.predictions, 2);
    assert_true(fabs(r.brier - 0.125) < 1e-12);
    assert_int_equal(r.right, 3);
    assert_int_equal(r.false_alarms, 1);
    assert_int_equal(r.missed, 1);
    assert_int_equal(r.median_lead, 30);
    assert_int_equal(t.voided, 1);
    assert_int_equal(t.bins[9].count, 1);
    assert_int_equal(t.bins[9].breaches, 1);
    assert_int_equal(t.bins[5].count, 1);
    add(&t, PREDICTION_ALERT, 0.9, OUTCOME_BREACH, 50);
    totals_record(&t, &r);
    assert_int_equal(r.median_lead, 40);
}

static void the_median_is_of_the_newest_leads(void **state)
{
    struct totals t = {0};
    struct fw_record r;

    (void)state;
    for (int i = 0; i < TOTALS_LEADS; i++)
        add(&t, PREDICTION_ALERT, 0.9, OUTCOME_BREACH, 10);
    for (int i = 0; i < TOTALS_LEADS; i++)
        add(&t, PREDICTION_ALERT, 0.9, OUTCOME_BREACH, 70);
    totals_record(&t, &r);
    assert_int_equal(r.right, 2 * TOTALS_LEADS);
    assert_int_equal(r.median_lead, 70);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_breach_in_time_is_seen_at_once),
        cmocka_unit_test(no_breach_is_known_when_the_horizon_is_over),
        cmocka_unit_test(without_input_it_is_void),
        cmocka_unit_test(routine_makes_brier_and_alerts_make_right_and_wrong),
        cmocka_unit_test(the_median_is_of_the_newest_leads),
    };

    return fixture_main(argc, argv, tests);
}
