/* SPDX-License-Identifier: GPL-3.0-or-later */
/* ctest: cost=9 */
/* The watcher: alerts, scores, standing and budgets. */
#include "tests/unit/server/watch_world.h"

#include <errno.h>

#include "server/notify/outbox.h"
#include "tests/support/fault.h"

static bool count_note(void *self, const struct note *note)
{
    int *n = self;

    (*n)++;
    assert_true(fw_str_eq(note->url, fw_str_of(hook.url)));
    return true;
}

/* Changes given to the dispatcher, and what waits for receivers. */
static int told_count(void)
{
    struct watcher_stats stats;
    struct fw_txn *txn = NULL;
    int n = 0;

    ok(fw_txn_begin(w.store, false, &txn, &err));
    ok(outbox_walk(txn, count_note, &n, &err));
    fw_txn_abort(txn);
    watcher_stats(w.watcher, &stats);
    return n + (int)(w.told_before + stats.told);
}

/* ---- what it does with a forecast that the test dictates
 * ---------------------- */

static void a_quiet_watch_says_nothing_and_is_graded(void **state)
{
    struct fw_record r;

    (void)state;
    pass(6 * FW_HOUR);
    r = record_now(NULL);
    assert_int_equal(w.firing + w.breached + w.resolved, 0);
    assert_int_equal(told_count(), 0);
    /* One each 2.5 minutes rounded up to a look; those of the last hour wait */
    assert_in_range(r.predictions, 95, 125);
    assert_true(fabs(r.brier - 0.01) < 1e-9);
}

static void an_announced_breach_is_told_and_scored_right(void **state)
{
    double level = 50;
    struct totals totals;
    struct fw_record r;

    (void)state;
    w.self = &level;
    pass(30 * FW_MINUTE);
    w.probability = 0.95;
    pass(20 * FW_MINUTE);
    assert_int_equal(w.firing, 1);
    assert_int_equal(told_count(), 1);
    level = 95;
    pass(5 * FW_MINUTE);
    assert_int_equal(w.breached, 1);
    assert_int_equal(w.right, 1);
    assert_int_equal(told_count(), 2);
    r = record_now(&totals);
    assert_int_equal(r.right, 1);
    assert_int_equal(r.missed, 0);
    assert_in_range(r.median_lead, 17 * FW_MINUTE, 20 * FW_MINUTE);
    assert_true(totals.bins[9].breaches > 0);
    level = 20;
    w.probability = 0.1;
    pass(FW_HOUR);
    assert_int_equal(w.resolved, 1);
    assert_int_equal(w.breached, 1);
    assert_int_equal(told_count(), 3);
}

static void a_false_alarm_is_counted_against_it(void **state)
{
    struct fw_record r;

    (void)state;
    w.probability = 0.9;
    pass(10 * FW_MINUTE);
    w.probability = 0.1;
    pass(2 * FW_HOUR);
    assert_int_equal(w.firing, 1);
    assert_int_equal(w.resolved, 1);
    assert_int_equal(w.false_alarms, 1);
    r = record_now(NULL);
    assert_int_equal(r.false_alarms, 1);
    assert_int_equal(r.right, 0);
}

static void a_breach_that_nobody_foretold_is_missed(void **state)
{
    double level = 50;
    struct fw_record r;

    (void)state;
    w.self = &level;
    pass(30 * FW_MINUTE);
    level = 99;
    pass(5 * FW_MINUTE);
    assert_int_equal(w.breached, 1);
    assert_non_null(strstr(w.breach_line, "it was not foretold"));
    r = record_now(NULL);
    assert_int_equal(r.missed, 1);
    level = 50;
    pass(30 * FW_MINUTE);
    assert_int_equal(w.resolved, 1);
}

static void what_was_beyond_at_the_start_is_not_missed(void **state)
{
    double level = 99;

    (void)state;
    w.self = &level;
    pass(30 * FW_MINUTE);
    assert_int_equal(w.breached, 1);
    assert_int_equal(record_now(NULL).missed, 0);
}

static void cannot_tell_is_neither_alert_nor_prediction(void **state)
{
    (void)state;
    w.probability = NAN;
    pass(3 * FW_HOUR);
    assert_int_equal(w.firing + w.breached + w.resolved, 0);
    assert_int_equal(record_now(NULL).predictions, 0);
}

static double gone_after_an_hour(fw_ms since, void *self)
{
    (void)self;
    return since < FW_HOUR ? 50 : NAN;
}

static void missing_input_makes_predictions_void(void **state)
{
    struct totals totals;

    (void)state;
    w.value = gone_after_an_hour;
    pass(50 * FW_MINUTE);
    w.probability = 0.9;
    pass(9 * FW_MINUTE);
    w.probability = NAN;
    pass(3 * FW_HOUR);
    (void)record_now(&totals);
    assert_true(totals.voided > 0);
    assert_int_equal(totals.false_alarms, 0);
    assert_int_equal(w.resolved, 1); /* the alert went with its input */
}

static void a_failing_query_is_said_once_and_recovers(void **state)
{
    struct watcher_stats stats;

    (void)state;
    pass(10 * FW_MINUTE);
    w.fail = true;
    pass(10 * FW_MINUTE);
    assert_non_null(strstr(w.last, "watch 'Disk' cannot be looked at: too "
                                   "much"));
    w.last[0] = '\0';
    pass(10 * FW_MINUTE);
    assert_string_equal(w.last, "");
    w.fail = false;
    pass(10 * FW_MINUTE);
    assert_non_null(strstr(w.last, "can be looked at again"));
    watcher_stats(w.watcher, &stats);
    assert_in_range(stats.failures, 19, 21);
    assert_int_equal(stats.series, 1);
}

/* ---- restarts
 * ------------------------------------------------------------------- */

static void a_restart_neither_forgets_nor_repeats(void **state)
{
    double level = 50;

    (void)state;
    w.self = &level;
    pass(10 * FW_MINUTE);
    w.probability = 0.9;
    pass(10 * FW_MINUTE);
    assert_int_equal(w.firing, 1);
    close_world();
    open_world();
    pass(10 * FW_MINUTE);
    assert_int_equal(w.firing, 1);
    assert_int_equal(told_count(), 1);
    close_world();
    level = 95; /* it breaks while nobody looks */
    fake_clock_advance(&w.clock, 10 * FW_MINUTE);
    open_world();
    pass(3 * FW_MINUTE);
    assert_int_equal(w.breached, 1);
    assert_int_equal(w.right, 1);
    assert_int_equal(record_now(NULL).right, 1);
}

static void a_pending_alert_goes_on_after_a_restart(void **state)
{
    (void)state;
    pass(10 * FW_MINUTE);
    w.probability = 0.9;
    pass(FW_MINUTE); /* one look */
    assert_int_equal(w.firing, 0);
    close_world();
    open_world();
    pass(FW_MINUTE);
    assert_int_equal(w.firing, 1);
}

static void another_question_starts_another_record(void **state)
{
    (void)state;
    w.probability = 0.9;
    pass(2 * FW_HOUR);
    assert_int_equal(w.firing, 1);
    assert_true(record_now(NULL).predictions > 0);
    close_world();
    w.watch.breach_text = "> 95";
    w.watch.breach.limit = 95;
    w.probability = 0.1;
    open_world();
    assert_int_equal(w.resolved, 1);
    assert_non_null(strstr(w.last, "its watch was changed or removed"));
    assert_int_equal(record_now(NULL).predictions, 0);
    assert_int_equal(told_count(), 2);
    pass(2 * FW_HOUR);
    assert_int_equal(record_now(NULL).false_alarms, 0);
}

/* ---- a disk that is full ---- */

static void a_full_disk_delays_the_news_and_loses_none(void **state)
{
    double level = 50;
    struct fw_record r;

    (void)state;
    w.self = &level;
    pass(10 * FW_MINUTE);
    fault_disk(FAULT_WRITE | FAULT_SYNC, 1, FAULT_FOREVER, ENOSPC);
    w.probability = 0.95;
    pass(5 * FW_MINUTE);
    assert_int_equal(w.firing, 1); /* in the log, whatever the disk says */
    assert_true(fault_end());
    pass(10 * FW_MINUTE);
    assert_int_equal(w.firing, 1);
    assert_int_equal(told_count(), 1);
    level = 95;
    pass(5 * FW_MINUTE);
    r = record_now(NULL);
    assert_int_equal(r.right, 1);
    assert_in_range(r.median_lead, 10 * FW_MINUTE, 15 * FW_MINUTE);
}

/* ---- clocks
 * ---------------------------------------------------------------------- */

static void a_clock_set_back_and_forth_fires_nothing(void **state)
{
    (void)state;
    pass(2 * FW_HOUR);
    fake_clock_step(&w.clock, fw_clock_now(&w.clock.clock) - 30 * FW_MINUTE);
    pass(FW_HOUR);
    fake_clock_step(&w.clock, fw_clock_now(&w.clock.clock) + FW_DAY);
    pass(FW_HOUR);
    fake_clock_step(&w.clock, fw_clock_now(&w.clock.clock) - 300 * FW_DAY);
    pass(FW_HOUR);
    assert_int_equal(w.firing + w.breached, 0);
}

/* ---- what it may say
 * ------------------------------------------------------------------------ */

static enum standing_state standing_now(void)
{
    struct standing standing;
    struct fw_txn *txn = NULL;

    ok(fw_txn_begin(w.store, false, &txn, &err));
    ok(standing_get(txn, FW_STR("Disk"), &standing, &err));
    fw_txn_abort(txn);
    return standing.state;
}

/* It is likely for 20 minutes, and comes or does not; then all is calm. */
static void cry(double *level, bool comes)
{
    w.probability = 0.95;
    pass(20 * FW_MINUTE);
    if (comes) {
        *level = 95;
        pass(5 * FW_MINUTE);
        *level = 50;
    }
    w.probability = 0.1;
    pass(2 * FW_HOUR);
}

static void
who_cries_wolf_falls_silent_and_may_earn_its_page_again(void **state)
{
    double level = 50;
    int told;

    (void)state;
    w.self = &level;
    pass(10 * FW_MINUTE);
    assert_int_equal(standing_now(), STANDING_TRIAL);
    for (int i = 0; i < 5; i++)
        cry(&level, false);
    assert_int_equal(w.firing, 5);
    assert_int_equal(w.false_alarms, 5);
    assert_int_equal(standing_now(), STANDING_SHADOW);
    /* Each alert and its end, and word of the demotion. */
    told = told_count();
    assert_int_equal(told, 11);
    for (int i = 0; i < 11; i++)
        cry(&level, true);
    assert_int_equal(w.right, 11);
    assert_int_equal(standing_now(), STANDING_SHADOW); /* 11 of 16 */
    assert_int_equal(told_count(), told);
    cry(&level, true);
    assert_int_equal(standing_now(), STANDING_PAGING); /* 12 of 17 */
    assert_int_equal(told_count(), told + 1);
    cry(&level, true);
    assert_int_equal(told_count(), told + 4); /* fires, breaches, resolves */
}

static void a_trial_speaks_once_in_a_horizon(void **state)
{
    (void)state;
    w.watch.horizon = FW_DAY;
    close_world();
    open_world();
    pass(10 * FW_MINUTE);
    for (int i = 0; i < 4; i++) {
        w.probability = 0.95;
        pass(20 * FW_MINUTE);
        w.probability = 0.1;
        pass(2 * FW_HOUR);
    }
    assert_int_equal(w.firing, 4);
    assert_int_equal(told_count(), 2); /* one alert and its end */
    /* Another series has a word of its own. */
    (void)snprintf(w.host, sizeof(w.host), "b");
    w.probability = 0.95;
    pass(20 * FW_MINUTE);
    w.probability = 0.1;
    pass(2 * FW_HOUR);
    assert_int_equal(w.firing, 5);
    assert_int_equal(told_count(), 4);
    /* And the first one again, a horizon later. */
    (void)snprintf(w.host, sizeof(w.host), "a");
    pass(16 * FW_HOUR);
    w.probability = 0.95;
    pass(20 * FW_MINUTE);
    w.probability = 0.1;
    pass(2 * FW_HOUR);
    assert_int_equal(w.firing, 6);
    assert_int_equal(told_count(), 6);
}

/* Each 6 hours a breach of 10 minutes, foretold 45 minutes ahead. */
static double breaks_each_6h(fw_ms since, void *self)
{
    (void)self;
    return since % (6 * FW_HOUR) < 10 * FW_MINUTE ? 95 : 50;
}

static double knows_each_6h(fw_ms now)
{
    fw_ms left = 6 * FW_HOUR - (now - w.born) % (6 * FW_HOUR);

    return left < 45 * FW_MINUTE ? 0.95 : 0.05;
}

/*
 * It always says 0.7, and one time in six it comes: after some days it says
 * about that, also after a restart, and its record is the better for it.
 */
static void what_is_said_too_often_is_corrected(void **state)
{
    struct calibration c;
    struct fw_record before, after;
    struct totals first, all;
    struct fw_txn *txn = NULL;

    (void)state;
    close_world();
    w.calibrated = true;
    w.value = breaks_each_6h;
    w.probability = 0.7;
    w.watch.interval = 5 * FW_MINUTE;
    open_world();
    pass(2 * FW_DAY);
    before = record_now(&first);
    pass(2 * FW_DAY);
    close_world();
    open_world();
    pass(2 * FW_DAY);
    after = record_now(&all);
    ok(fw_txn_begin(w.store, false, &txn, &err));
    ok(calibration_get(txn, FW_STR("Disk"), &c, &err));
    fw_txn_abort(txn);
    assert_true(c.in_force);
    assert_true(c.brier_mapped < c.brier_raw);
    assert_true(fabs(calibration_map(&c, 0.7) - 1.0 / 6) < 0.08);
    assert_true(after.brier < before.brier - 0.1);
    assert_true(after.predictions > 1000);
}

static void a_new_watch_earns_its_page_from_the_stored_past(void **state)
{
    (void)state;
    close_world();
    w.born = START - 3 * FW_DAY;
    w.value = breaks_each_6h;
    w.foretold = knows_each_6h;
    w.backtest = 2 * FW_DAY;
    open_world();
    assert_int_equal(w.firing, 0);
    for (int i = 0; i < 3000 && standing_now() == STANDING_TRIAL; i++)
        (void)watcher_step(w.watcher);
    assert_int_equal(standing_now(), STANDING_PAGING);
    /* It was thought through, not told. */
    assert_int_equal(w.firing, 0);
    /* And a restart does not go through it again. */
    close_world();
    open_world();
    assert_int_equal(standing_now(), STANDING_PAGING);
    (void)watcher_step(w.watcher); /* the first look */
    assert_true(watcher_step(w.watcher) > 0);
}

static bool keep_note(void *self, const struct note *note)
{
    char *text = self;

    (void)snprintf(text, 4096, "%.*s", FW_STR_ARG(note->payload));
    return true;
}

static void beyond_the_page_budget_predictions_wait_for_a_digest(void **state)
{
    static char last[4096];
    double level = 50;
    struct fw_txn *txn = NULL;

    (void)state;
    close_world();
    w.page_budget = 2;
    w.self = &level;
    open_world();
    pass(10 * FW_MINUTE);
    for (int i = 0; i < 3; i++)
        cry(&level, true);
    /* Two whole alerts; of the third its breach, which is news, and its end. */
    assert_int_equal(w.firing, 3);
    assert_int_equal(told_count(), 2 * 3 + 2);
    /* A restart keeps the count and what is held. */
    close_world();
    open_world();
    pass(3 * FW_HOUR);
    assert_int_equal(told_count(), 2 * 3 + 2 + 1);
    ok(fw_txn_begin(w.store, false, &txn, &err));
    ok(outbox_walk(txn, keep_note, last, &err));
    fw_txn_abort(txn);
    assert_non_null(strstr(last, "PredictionDigest"));
    assert_non_null(strstr(last, "1 prediction was held back: more than 2"));
    assert_non_null(strstr(last, "Disk{host=\\\"a\\\"} predicted"));
    /* A day later there is room again. */
    pass(22 * FW_HOUR);
    cry(&level, true);
    assert_int_equal(told_count(), 2 * 3 + 2 + 1 + 3);
}

static void another_question_starts_in_trial(void **state)
{
    double level = 50;

    (void)state;
    w.self = &level;
    pass(10 * FW_MINUTE);
    for (int i = 0; i < 5; i++)
        cry(&level, false);
    assert_int_equal(standing_now(), STANDING_SHADOW);
    close_world();
    w.watch.horizon = 2 * FW_HOUR;
    open_world();
    pass(FW_MINUTE);
    assert_int_equal(standing_now(), STANDING_TRIAL);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        WORLD_TEST(a_quiet_watch_says_nothing_and_is_graded),
        WORLD_TEST(what_is_said_too_often_is_corrected),
        WORLD_TEST(an_announced_breach_is_told_and_scored_right),
        WORLD_TEST(a_false_alarm_is_counted_against_it),
        WORLD_TEST(a_breach_that_nobody_foretold_is_missed),
        WORLD_TEST(what_was_beyond_at_the_start_is_not_missed),
        WORLD_TEST(cannot_tell_is_neither_alert_nor_prediction),
        WORLD_TEST(missing_input_makes_predictions_void),
        WORLD_TEST(a_failing_query_is_said_once_and_recovers),
        WORLD_TEST(a_restart_neither_forgets_nor_repeats),
        WORLD_TEST(a_pending_alert_goes_on_after_a_restart),
        WORLD_TEST(another_question_starts_another_record),
        WORLD_TEST(a_full_disk_delays_the_news_and_loses_none),
        WORLD_TEST(a_clock_set_back_and_forth_fires_nothing),
        cmocka_unit_test_setup_teardown(
            who_cries_wolf_falls_silent_and_may_earn_its_page_again, begin,
            end),
        cmocka_unit_test_setup_teardown(a_trial_speaks_once_in_a_horizon, begin,
                                        end),
        cmocka_unit_test_setup_teardown(
            a_new_watch_earns_its_page_from_the_stored_past, begin, end),
        cmocka_unit_test_setup_teardown(
            beyond_the_page_budget_predictions_wait_for_a_digest, begin, end),
        cmocka_unit_test_setup_teardown(another_question_starts_in_trial, begin,
                                        end),
    };

    return fixture_main(argc, argv, tests);
}
