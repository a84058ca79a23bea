/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "tests/support/fixture.h"

#include <stdio.h>
#include <string.h>

#include "server/alert/standing.h"
#include "server/audit/audit.h"
#include "tests/support/tmpdir.h"

#define NOW (1700000000 * FW_SECOND)

static const struct config_watch watch = {.name = "DiskFull",
                                          .owner = "storage@example",
                                          .horizon = FW_DAY,
                                          .minimum_precision = 0.7};
static struct fw_err err;
static char why[STANDING_WHY_BYTES];

static struct standing with(const char *outcomes)
{
    struct standing s = {.definition = 7};

    for (; *outcomes != '\0'; outcomes++)
        standing_event(&s, *outcomes == 'r');
    return s;
}

static enum standing_state earned(const char *outcomes)
{
    struct standing s = with(outcomes);

    return standing_earned(&s, NULL, &watch, NOW, why);
}

static void five_alerts_are_the_least_that_prove_anything(void **state)
{
    (void)state;
    assert_int_equal(earned(""), STANDING_TRIAL);
    assert_string_equal(why,
                        "0 of its alerts have been judged, 5 are the least");
    assert_int_equal(earned("rrrr"), STANDING_TRIAL);
    assert_int_equal(earned("ffff"), STANDING_TRIAL);
    assert_int_equal(earned("rrrrr"), STANDING_PAGING);
    assert_int_equal(earned("fffff"), STANDING_SHADOW);
}

static void the_share_of_right_alerts_decides(void **state)
{
    (void)state;
    assert_int_equal(earned("rrrrrrrfff"), STANDING_PAGING); /* 0.7 of 10 */
    assert_int_equal(earned("rrrrrrffff"), STANDING_SHADOW);
    assert_string_equal(why, "6 of its newest 10 alerts were right, less than "
                             "the 70 % it needs");
}

static void only_the_newest_twenty_count(void **state)
{
    struct standing s = with("ffffffffffffffffffffffffffffff");
    unsigned count, right;

    (void)state;
    for (int i = 0; i < 13; i++)
        standing_event(&s, true);
    assert_int_equal(standing_earned(&s, NULL, &watch, NOW, why),
                     STANDING_SHADOW);
    standing_event(&s, true);
    standing_newest(&s, &count, &right);
    assert_int_equal(count, 20);
    assert_int_equal(right, 14);
    assert_int_equal(standing_earned(&s, NULL, &watch, NOW, why),
                     STANDING_PAGING);
}

static void the_owner_may_say_otherwise_for_a_while(void **state)
{
    struct standing_override o = {.state = STANDING_SHADOW,
                                  .until = NOW + FW_HOUR,
                                  .actor = "ann",
                                  .reason = "the disk is being replaced"};
    struct config_watch silent = watch;
    struct standing s = with("rrrrr");

    (void)state;
    assert_int_equal(standing_earned(&s, &o, &watch, NOW, why),
                     STANDING_SHADOW);
    assert_non_null(strstr(why, "ann says so until 2023-11-14T23:13:20Z: the "
                                "disk is being replaced"));
    assert_int_equal(standing_earned(&s, &o, &watch, NOW + FW_HOUR, why),
                     STANDING_PAGING);
    silent.shadow = true;
    assert_int_equal(standing_earned(&s, NULL, &silent, NOW, why),
                     STANDING_SHADOW);
    o.state = STANDING_PAGING;
    assert_int_equal(standing_earned(&s, &o, &silent, NOW, why),
                     STANDING_PAGING);
}

static bool tells(enum standing_state state, struct watched_state *s,
                  enum alert_change change, fw_ms now)
{
    return standing_tells(state, s, change, now, FW_DAY);
}

static void a_trial_tells_once_per_horizon_and_ends_what_it_told(void **state)
{
    struct watched_state s = {0};

    (void)state;
    assert_false(tells(STANDING_TRIAL, &s, ALERT_TO_PENDING, NOW));
    assert_true(tells(STANDING_TRIAL, &s, ALERT_TO_FIRING, NOW));
    assert_int_equal(s.told, TOLD_UNPROVEN);
    /* Promoted meanwhile: the labels stay what they were. */
    assert_true(tells(STANDING_PAGING, &s, ALERT_TO_BREACHED, NOW + 1));
    assert_int_equal(s.told, TOLD_UNPROVEN);
    assert_true(tells(STANDING_TRIAL, &s, ALERT_TO_RESOLVED, NOW + 2));
    s.told = TOLD_NOBODY;
    assert_false(tells(STANDING_TRIAL, &s, ALERT_TO_FIRING, NOW + FW_HOUR));
    assert_false(tells(STANDING_TRIAL, &s, ALERT_TO_RESOLVED, NOW + FW_HOUR));
    assert_true(tells(STANDING_TRIAL, &s, ALERT_TO_FIRING, NOW + FW_DAY));
}

static void a_shadow_is_silent_and_a_page_is_not(void **state)
{
    struct watched_state s = {0};

    (void)state;
    assert_false(tells(STANDING_SHADOW, &s, ALERT_TO_FIRING, NOW));
    assert_false(tells(STANDING_SHADOW, &s, ALERT_TO_BREACHED, NOW));
    assert_int_equal(s.told, TOLD_NOBODY);
    assert_true(tells(STANDING_PAGING, &s, ALERT_TO_FIRING, NOW));
    assert_int_equal(s.told, TOLD);
    /* Demoted while it fires: whoever was told hears the end. */
    assert_true(tells(STANDING_SHADOW, &s, ALERT_TO_RESOLVED, NOW + 1));
    s.told = TOLD_NOBODY;
    assert_true(tells(STANDING_PAGING, &s, ALERT_TO_FIRING, NOW + 2));
}

/* ---- in meta/
 * ------------------------------------------------------------------------ */

static struct fw_store *store;

static int open_store(void **state)
{
    struct fw_store_options options = {.create = true, .disk_floor = 1};

    *state = (void *)(uintptr_t)tmpdir_new();
    if (fw_store_open(*state, &options, &store, &err) != FW_OK)
        fail_msg("%s", err.text);
    return 0;
}

static int close_store(void **state)
{
    (void)state;
    fw_store_close(store);
    return 0;
}

static void changes_are_stored_once_and_audited(void **state)
{
    struct standing s = with("rrrrr"), back;
    struct fw_str name = FW_STR("DiskFull");
    struct fw_txn *txn = NULL;
    struct audit_head head;
    bool changed;

    (void)state;
    assert_int_equal(fw_txn_begin(store, true, &txn, &err), FW_OK);
    assert_int_equal(standing_get(txn, name, &back, &err), FW_NONE);
    assert_int_equal(standing_settle(txn, &watch, &s, NOW, &changed, why, &err),
                     FW_OK);
    assert_true(changed);
    assert_int_equal(s.state, STANDING_PAGING);
    assert_int_equal(s.since, NOW);
    assert_int_equal(standing_put(txn, name, &s, &err), FW_OK);
    assert_int_equal(standing_get(txn, name, &back, &err), FW_OK);
    assert_memory_equal(&s, &back, sizeof(s));
    assert_int_equal(
        standing_settle(txn, &watch, &s, NOW + 1, &changed, why, &err), FW_OK);
    assert_false(changed);
    assert_int_equal(audit_head(txn, &head, &err), FW_OK);
    assert_int_equal(head.id, 1);
    fw_txn_abort(txn);
}

static void an_override_reads_back_and_ends(void **state)
{
    struct standing_override o = {.state = STANDING_SHADOW,
                                  .at = NOW,
                                  .until = NOW + FW_HOUR,
                                  .actor = "ann",
                                  .reason = "because"};
    struct standing_override back;
    struct fw_str name = FW_STR("DiskFull");
    struct standing s = with("rrrrr");
    struct fw_txn *txn = NULL;
    bool changed;

    (void)state;
    assert_int_equal(fw_txn_begin(store, true, &txn, &err), FW_OK);
    assert_int_equal(standing_override_put(txn, name, &o, &err), FW_OK);
    assert_int_equal(standing_override_get(txn, name, &back, &err), FW_OK);
    assert_int_equal(back.state, o.state);
    assert_int_equal(back.at, o.at);
    assert_int_equal(back.until, o.until);
    assert_string_equal(back.actor, o.actor);
    assert_string_equal(back.reason, o.reason);
    assert_int_equal(standing_settle(txn, &watch, &s, NOW, &changed, why, &err),
                     FW_OK);
    assert_int_equal(s.state, STANDING_SHADOW);
    assert_int_equal(
        standing_settle(txn, &watch, &s, o.until, &changed, why, &err), FW_OK);
    assert_int_equal(s.state, STANDING_PAGING);
    o.until = 0;
    assert_int_equal(standing_override_put(txn, name, &o, &err), FW_OK);
    assert_int_equal(standing_override_get(txn, name, &back, &err), FW_NONE);
    fw_txn_abort(txn);
}

static void words_are_read_and_others_refused(void **state)
{
    enum standing_state s;

    (void)state;
    assert_int_equal(standing_parse(FW_STR("paging"), &s, &err), FW_OK);
    assert_int_equal(s, STANDING_PAGING);
    assert_int_equal(standing_parse(FW_STR("loud"), &s, &err), FW_EINVAL);
    assert_non_null(strstr(err.text, "trial, paging or shadow"));
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(five_alerts_are_the_least_that_prove_anything),
        cmocka_unit_test(the_share_of_right_alerts_decides),
        cmocka_unit_test(only_the_newest_twenty_count),
        cmocka_unit_test(the_owner_may_say_otherwise_for_a_while),
        cmocka_unit_test(a_trial_tells_once_per_horizon_and_ends_what_it_told),
        cmocka_unit_test(a_shadow_is_silent_and_a_page_is_not),
        cmocka_unit_test_setup_teardown(changes_are_stored_once_and_audited,
                                        open_store, close_store),
        cmocka_unit_test_setup_teardown(an_override_reads_back_and_ends,
                                        open_store, close_store),
        cmocka_unit_test(words_are_read_and_others_refused),
    };

    return fixture_main(argc, argv, tests);
}
