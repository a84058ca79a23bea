/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "tests/support/fixture.h"

#include <stdio.h>
#include <string.h>

#include "server/action/action_book.h"
#include "server/action/runner.h"
#include "server/alert/record_codec.h"
#include "server/alert/watch_news.h"
#include "server/audit/audit.h"
#include "server/notify/silence.h"
#include "tests/support/fake_clock.h"
#include "tests/support/tmpdir.h"

#define NOON ((fw_ms)(1700000000 / 86400 * 86400 + 43200) * FW_SECOND)

static struct fw_err err;

static void ok(fw_rc rc)
{
    if (rc < 0)
        fail_msg("%s: %s", fw_rc_name(rc), err.text);
}

/* ---- may it? ---- */

static void each_limit_has_its_answer(void **state)
{
    struct config_window night = {.from = "11:00", .until = "13:00"};
    struct config_action a = {.name = "a", .per_hour = 2, .per_day = 3};
    struct action_case c = {.now = NOON};
    struct action_book b = {0};
    char why[ACTION_TEXT_BYTES];

    (void)state;
    assert_int_equal(action_judge(&a, &b, &c, why), ACTION_GO);
    action_count(&b, NOON - 2 * FW_HOUR);
    action_count(&b, NOON - 30 * FW_MINUTE);
    assert_int_equal(action_judge(&a, &b, &c, why), ACTION_GO);
    action_count(&b, NOON);
    assert_int_equal(action_judge(&a, &b, &c, why), ACTION_REFUSE);
    assert_non_null(strstr(why, "last hour"));
    c.now = NOON + 90 * FW_MINUTE;
    assert_int_equal(action_judge(&a, &b, &c, why), ACTION_REFUSE);
    assert_non_null(strstr(why, "last day"));
    c.now = NOON + 23 * FW_HOUR;
    assert_int_equal(action_judge(&a, &b, &c, why), ACTION_GO);
    c.silenced = true;
    assert_int_equal(action_judge(&a, &b, &c, why), ACTION_WAIT);
    c = (struct action_case){.now = c.now, .unproven = true, .predicted = true};
    assert_int_equal(action_judge(&a, &b, &c, why), ACTION_WAIT);
    c.predicted = false; /* it is there: that is no opinion */
    assert_int_equal(action_judge(&a, &b, &c, why), ACTION_GO);
    a.needs_ack = true;
    assert_int_equal(action_judge(&a, &b, &c, why), ACTION_WAIT);
    c.acknowledged = true;
    assert_int_equal(action_judge(&a, &b, &c, why), ACTION_GO);
    a.quiet = &night;
    a.quiet_count = 1;
    assert_int_equal(action_judge(&a, &b, &c, why), ACTION_WAIT);
    a.expires_at = c.now;
    assert_int_equal(action_judge(&a, &b, &c, why), ACTION_REFUSE);
    assert_non_null(strstr(why, "expired"));
}

/* ---- the runner ---- */

static const char *words[] = {"/bin/clean", "--all", NULL};
static const char *named[] = {"clean"};
static struct config_action action;
static struct config_watch watch;
static struct config config;
static struct fake_clock clock_now;
static struct fw_store *store;
static struct runner *runner;
static int runs;
static bool succeeds;
static char heard[65536];

static bool fake_run(void *self, const struct config_command *command,
                     struct fw_str payload, struct fw_err *e)
{
    (void)self;
    assert_string_equal(command->words[0], "/bin/clean");
    (void)snprintf(heard, sizeof(heard), "%.*s", FW_STR_ARG(payload));
    runs++;
    if (!succeeds)
        (void)fw_err_set(e, FW_EIO, "it fell over");
    return succeeds;
}

static void open_runner(void)
{
    struct runner_options options = {.store = store,
                                     .clock = &clock_now.clock,
                                     .config = &config,
                                     .run = fake_run};

    ok(runner_open(&options, &runner, &err));
}

static int begin(void **state)
{
    struct fw_store_options options = {.create = true,
                                       .clock = &clock_now.clock,
                                       .linger = -1,
                                       .disk_floor = 1};

    (void)state;
    fake_clock_init(&clock_now, NOON);
    action =
        (struct config_action){.name = "clean",
                               .command = {.words = words, .word_count = 2},
                               .per_hour = 2,
                               .owner = "ops",
                               .reason = "it is safe"};
    watch = (struct config_watch){.name = "Disk",
                                  .expr = "x",
                                  .breach_text = "> 90",
                                  .owner = "o",
                                  .reason = "r",
                                  .actions = named,
                                  .action_count = 1};
    config = (struct config){.actions = &action,
                             .action_count = 1,
                             .watches = &watch,
                             .watch_count = 1};
    runs = 0;
    succeeds = true;
    ok(fw_store_open(tmpdir_new(), &options, &store, &err));
    open_runner();
    return 0;
}

static int end(void **state)
{
    (void)state;
    runner_close(runner);
    fw_store_close(store);
    return 0;
}

/* An alert of series `host` that began at `at`. */
static void alert(uint32_t subject, fw_ms at, enum alert_change change)
{
    struct fw_label v[] = {{FW_STR("host"), FW_STR("a")}};
    struct fw_labels labels = {v, 1};
    struct watched_state s = {.told = TOLD,
                              .alert = {.phase = change == ALERT_TO_BREACHED
                                                     ? ALERT_BREACHED
                                                     : ALERT_FIRING}};
    struct alert_note note = {.watch = &watch,
                              .labels = &labels,
                              .state = &s,
                              .change = change,
                              .fired_at = at,
                              .now = at};
    struct fw_buf record = FW_BUF_INIT(FW_MAX_RECORD_BYTES);
    struct fw_txn *txn = NULL;

    ok(news_write(&note, &record, &err));
    ok(fw_txn_begin(store, true, &txn, &err));
    ok(news_put(txn, subject, (struct fw_str){record.data, record.len}, &err));
    ok(fw_txn_commit(txn, &err));
    fw_buf_release(&record);
}

static bool add_act(void *self, uint64_t id, const struct audit_entry *entry)
{
    char *all = self;
    size_t n = strlen(all);

    (void)id;
    (void)snprintf(all + n, 4096 - n, "%.*s(%.*s) ", FW_STR_ARG(entry->act),
                   FW_STR_ARG(entry->after));
    return true;
}

static const char *audited(void)
{
    static char all[4096];
    struct fw_txn *txn = NULL;

    all[0] = '\0';
    ok(fw_txn_begin(store, false, &txn, &err));
    ok(audit_each(txn, 1, add_act, all, &err));
    fw_txn_abort(txn);
    return all;
}

static void an_alert_is_acted_upon_once(void **state)
{
    (void)state;
    alert(1, NOON, ALERT_TO_FIRING);
    for (int i = 0; i < 3; i++)
        runner_step(runner);
    assert_int_equal(runs, 1);
    assert_non_null(strstr(heard, "\"alertname\":\"Disk\""));
    assert_non_null(strstr(heard, "\"forecast\":{"));
    /* Nor by another process, nor when it gets worse. */
    runner_close(runner);
    open_runner();
    alert(1, NOON, ALERT_TO_BREACHED);
    runner_step(runner);
    assert_int_equal(runs, 1);
    assert_string_equal(audited(), "action-run(begun) "
                                   "action-ended(it succeeded) ");
    /* Another alert is another matter; one that failed is said to have. */
    succeeds = false;
    alert(1, NOON + 1, ALERT_TO_FIRING);
    runner_step(runner);
    assert_int_equal(runs, 2);
    assert_non_null(strstr(audited(), "(it failed: it fell over)"));
    /* And a third is beyond the budget. */
    alert(2, NOON + 2, ALERT_TO_FIRING);
    runner_step(runner);
    runner_step(runner);
    assert_int_equal(runs, 2);
    assert_non_null(strstr(audited(), "action-refused("));
    assert_null(
        strstr(strstr(audited(), "action-refused(") + 1, "action-refused("));
}

static void one_that_needs_a_word_waits_for_it(void **state)
{
    struct fw_txn *txn = NULL;
    struct fw_label v[] = {{FW_STR("alertname"), FW_STR("Disk")},
                           {FW_STR("host"), FW_STR("a")}};
    struct fw_labels labels = {v, 2};
    struct ack ack = {.fingerprint = silence_fingerprint(&labels),
                      .starts_at = NOON,
                      .at = NOON,
                      .actor = FW_STR("ann"),
                      .reason = FW_STR("do it")};

    (void)state;
    action.needs_ack = true;
    alert(1, NOON, ALERT_TO_FIRING);
    for (int i = 0; i < 3; i++)
        runner_step(runner);
    assert_int_equal(runs, 0);
    assert_int_equal(strncmp(audited(), "action-held(", 12), 0);
    assert_null(strstr(audited() + 1, "action-")); /* said once */
    ok(fw_txn_begin(store, true, &txn, &err));
    ok(ack_put(txn, &ack, FW_STR("Disk"), &err));
    ok(fw_txn_commit(txn, &err));
    runner_step(runner);
    assert_int_equal(runs, 1);
}

static void a_dry_run_starts_nothing(void **state)
{
    (void)state;
    action.dry_run = true;
    alert(1, NOON, ALERT_TO_FIRING);
    runner_step(runner);
    runner_step(runner);
    assert_int_equal(runs, 0);
    assert_string_equal(audited(), "action-run(dry run) ");
}

static void what_a_dead_server_had_begun_is_not_begun_again(void **state)
{
    struct action_book book;
    struct fw_txn *txn = NULL;

    (void)state;
    alert(1, NOON, ALERT_TO_FIRING);
    runner_step(runner);
    ok(fw_txn_begin(store, true, &txn, &err));
    ok(action_book_get(txn, FW_STR("clean"), &book, &err));
    assert_int_equal(book.run_total, 1);
    assert_int_equal(book.running, 0);
    book.running = 7;
    ok(action_book_put(txn, FW_STR("clean"), &book, &err));
    ok(fw_txn_commit(txn, &err));
    runner_close(runner);
    open_runner();
    runner_step(runner);
    assert_int_equal(runs, 1);
    assert_non_null(strstr(audited(), "how it ended is not known"));
    /* An action that the configuration does not name is forgotten. */
    ok(runner_clear(store, &err));
    ok(fw_txn_begin(store, false, &txn, &err));
    assert_int_equal(action_book_get(txn, FW_STR("clean"), &book, &err),
                     FW_NONE);
    fw_txn_abort(txn);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_limit_has_its_answer),
        cmocka_unit_test_setup_teardown(an_alert_is_acted_upon_once, begin,
                                        end),
        cmocka_unit_test_setup_teardown(one_that_needs_a_word_waits_for_it,
                                        begin, end),
        cmocka_unit_test_setup_teardown(a_dry_run_starts_nothing, begin, end),
        cmocka_unit_test_setup_teardown(
            what_a_dead_server_had_begun_is_not_begun_again, begin, end),
    };

    return fixture_main(argc, argv, tests);
}
