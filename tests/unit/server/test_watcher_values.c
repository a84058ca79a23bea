/* SPDX-License-Identifier: GPL-3.0-or-later */
/* ctest: cost=30 */
/* The quantiles that a watch gives of the worst value to come, and their
 * scores: written before it is known, scored when the horizon is over. */
#include "tests/unit/server/watch_world.h"

/* A climb with some noise that would take a day to the limit. */
static double climb(fw_ms since, void *self)
{
    uint64_t noise = (uint64_t)since / 1000 * 2654435761u + 97;

    (void)self;
    noise ^= noise >> 15;
    noise *= 2246822519u;
    noise ^= noise >> 13;
    return 30 + 2.0 * (double)since / (double)FW_HOUR +
           (double)(noise % 1000) / 1000;
}

static void begin_climb(void)
{
    close_world();
    w.value = climb;
    w.real = true;
    w.born = START - FW_DAY;
    open_world();
}

struct seen_values {
    struct fw_txn *txn;
    size_t told, scored, open, unscored_due;
    fw_ms now;
    double last_reached;
};

static bool see_prediction(void *self, uint64_t id, const struct prediction *p)
{
    struct seen_values *seen = self;
    struct value_score score;
    fw_rc rc;

    assert_non_null(p);
    if (p->kind != PREDICTION_ROUTINE || !extreme_is_told(p->extreme))
        return true;
    seen->told++;
    assert_true(p->extreme[0] <= p->extreme[1]);
    assert_true(p->extreme[1] <= p->extreme[2]);
    rc = ledger_value_get(seen->txn, id, &score, &err);
    if (rc == FW_NONE) {
        seen->open++;
        seen->unscored_due += p->made_at + p->horizon < seen->now - FW_MINUTE;
        return true;
    }
    ok(rc);
    seen->scored++;
    assert_true(score.scored_at >= p->made_at + p->horizon);
    assert_true(score.reached >= p->value);
    assert_true(fabs(score.loss - extreme_loss(p->extreme, score.reached)) <
                1e-12);
    return true;
}

static struct seen_values see_all(void)
{
    struct seen_values seen = {.now = fw_clock_now(&w.clock.clock)};

    ok(fw_txn_begin(w.store, false, &seen.txn, &err));
    ok(ledger_each_from(seen.txn, 0, see_prediction, &seen, &err));
    fw_txn_abort(seen.txn);
    return seen;
}

static void quantiles_are_scored_when_the_horizon_is_over(void **state)
{
    struct seen_values seen;
    struct totals totals;

    (void)state;
    begin_climb();
    pass(50 * FW_MINUTE);
    assert_true(see_all().told > 15);
    assert_int_equal(see_all().scored, 0);
    pass(3 * FW_HOUR);
    seen = see_all();
    assert_true(seen.scored > 50);
    assert_int_equal(seen.unscored_due, 0);
    (void)record_now(&totals);
    assert_int_equal(totals.valued, seen.scored);
    assert_in_range((int)(100 * totals_coverage(&totals)), 60, 100);
    assert_true(totals_skill(&totals) > 0.2);
}

static void a_restart_neither_forgets_nor_repeats_a_value(void **state)
{
    struct totals totals;

    (void)state;
    begin_climb();
    for (int i = 0; i < 6; i++) {
        pass(20 * FW_MINUTE);
        close_world();
        open_world();
    }
    (void)record_now(&totals);
    assert_int_equal(see_all().unscored_due, 0);
    assert_int_equal(totals.valued, see_all().scored);
    assert_in_range(totals.valued, 15, 21); /* those of the first hour */
}

/* Its outcome is known at the breach, how far it goes only at the end. */
static double breaking(fw_ms since, void *self)
{
    return since > FW_DAY + 100 * FW_MINUTE ? 200 : climb(since, self);
}

static void a_breach_is_scored_before_the_value_is(void **state)
{
    struct totals totals;
    uint64_t valued;

    (void)state;
    begin_climb();
    w.value = breaking;
    pass(105 * FW_MINUTE);
    (void)record_now(&totals);
    assert_true(totals.predictions > totals.valued);
    valued = totals.valued;
    close_world();
    open_world(); /* what is open of them is still known */
    pass(70 * FW_MINUTE);
    (void)record_now(&totals);
    assert_true(totals.valued > valued + 15);
    assert_int_equal(see_all().unscored_due, 0);
}

static void another_question_leaves_nothing_open(void **state)
{
    struct totals totals;

    (void)state;
    begin_climb();
    w.value = breaking;
    pass(105 * FW_MINUTE);
    close_world();
    w.watch.horizon = 2 * FW_HOUR;
    open_world();
    pass(5 * FW_MINUTE);
    (void)record_now(&totals);
    assert_int_equal(totals.valued, 0);
}

/* ---- a watch with a zone: each answer is a forecast in full ---- */

static double towards(fw_ms since, void *self)
{
    double hours = (double)(since - FW_DAY) / (double)FW_HOUR;

    return climb(since, self) - 40 + (hours > 2 ? 25 * (hours - 2) : 0);
}

static void a_quiet_series_is_not_forecast_in_full_each_time(void **state)
{
    struct fw_zone *zone = NULL;
    int quiet;

    (void)state;
    ok(fw_zone_open("Europe/Berlin", &zone, &err));
    w.watch.zone = zone;
    w.watch.horizon = 4 * FW_HOUR;
    begin_climb();
    w.value = towards;
    pass(2 * FW_HOUR);
    quiet = w.fetches;
    assert_in_range(quiet, 40, 70); /* 120 looks, 96 answers in 4 hours */
    assert_int_equal(w.firing, 0);
    pass(110 * FW_MINUTE); /* from some danger on each look is one */
    assert_true(w.fetches - quiet > 55);
    assert_int_equal(w.firing, 1);
    close_world();
    fw_zone_close(zone);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        WORLD_TEST(quantiles_are_scored_when_the_horizon_is_over),
        WORLD_TEST(a_restart_neither_forgets_nor_repeats_a_value),
        WORLD_TEST(a_breach_is_scored_before_the_value_is),
        WORLD_TEST(another_question_leaves_nothing_open),
        WORLD_TEST(a_quiet_series_is_not_forecast_in_full_each_time),
    };

    return fixture_main(argc, argv, tests);
}
