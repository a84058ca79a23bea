/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Schedules under a clock of the test's own. */
#include "tests/support/fixture.h"

#include <dirent.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "server/audit/audit.h"
#include "server/notify/outbox.h"
#include "server/schedule/scheduler.h"
#include "tests/support/fake_clock.h"
#include "tests/support/tmpdir.h"

#define START (1795420800 * FW_SECOND) /* 2026-11-23T08:00:00Z, a Monday */

static struct fake_clock fake;
static struct fw_store *store;
static struct scheduler *scheduler;
static struct fw_err err;
static char folder[512];
static struct config_schedule schedule;
static const struct config_webhook hook = {.url = "http://127.0.0.1:9/"};

static void ok(fw_rc rc)
{
    if (rc != FW_OK)
        fail_msg("%s: %s", fw_rc_name(rc), err.text);
}

static void open_scheduler(void)
{
    struct scheduler_options options = {.store = store,
                                        .clock = &fake.clock,
                                        .schedules = &schedule,
                                        .schedule_count = 1,
                                        .webhooks = &hook,
                                        .webhook_count = 1};

    ok(scheduler_open(&options, &scheduler, &err));
}

static int begin(void **state)
{
    struct fw_store_options options = {.create = true, .disk_floor = 1};
    const char *dir = tmpdir_new();

    (void)state;
    fake_clock_init(&fake, START);
    options.clock = &fake.clock;
    ok(fw_store_open(dir, &options, &store, &err));
    (void)snprintf(folder, sizeof(folder), "%s/reports", dir);
    schedule = (struct config_schedule){.name = "morning",
                                        .cron = "0 9 * * *",
                                        .timezone = "UTC",
                                        .kind = "digest",
                                        .format = "text",
                                        .folder = folder,
                                        .keep = 2,
                                        .notify = true,
                                        .owner = "ops",
                                        .reason = "the day begins with it"};
    open_scheduler();
    return 0;
}

static int end(void **state)
{
    (void)state;
    scheduler_close(scheduler);
    fw_store_close(store);
    return 0;
}

/* Steps as the thread would until `span` has passed. */
static void pass(fw_ms span)
{
    fw_ms until = fw_clock_now(&fake.clock) + span;

    while (fw_clock_now(&fake.clock) < until) {
        fw_ms wait = scheduler_step(scheduler);

        fake_clock_advance(&fake, wait > 0 ? wait : 1);
    }
    (void)scheduler_step(scheduler);
}

static int count_files(char *newest)
{
    DIR *dir = opendir(folder);
    struct dirent *entry;
    int n = 0;

    newest[0] = '\0';
    while (dir != NULL && (entry = readdir(dir)) != NULL)
        if (entry->d_name[0] != '.') {
            n++;
            if (strcmp(entry->d_name, newest) > 0)
                (void)snprintf(newest, 256, "%s", entry->d_name);
        }
    if (dir != NULL)
        (void)closedir(dir);
    return n;
}

static bool keep_note(void *self, const struct note *note)
{
    struct fw_buf *all = self;

    return fw_buf_add(all, note->payload.p, note->payload.n) == FW_OK;
}

static uint64_t acts(void)
{
    struct fw_txn *txn = NULL;
    struct audit_head head;

    ok(fw_txn_begin(store, false, &txn, &err));
    ok(audit_head(txn, &head, &err));
    fw_txn_abort(txn);
    return head.id;
}

static void it_runs_when_it_says_and_keeps_so_many(void **state)
{
    struct fw_buf told = FW_BUF_INIT(1 << 20);
    struct scheduler_stats stats;
    struct fw_txn *txn = NULL;
    char newest[256];

    (void)state;
    pass(30 * FW_MINUTE);
    assert_int_equal(count_files(newest), 0);
    pass(FW_HOUR);
    assert_int_equal(count_files(newest), 1);
    assert_string_equal(newest, "morning-20261123T0900Z.txt");
    pass(3 * FW_DAY);
    assert_int_equal(count_files(newest), 2);
    assert_string_equal(newest, "morning-20261126T0900Z.txt");
    scheduler_stats(scheduler, &stats);
    assert_int_equal(stats.runs, 4);
    assert_int_equal(stats.failures, 0);
    assert_int_equal(acts(), 4);
    ok(fw_txn_begin(store, false, &txn, &err));
    ok(outbox_walk(txn, keep_note, &told, &err));
    fw_txn_abort(txn);
    assert_non_null(strstr(told.data, "\"alertname\":\"AlertDigest\""));
    assert_non_null(strstr(told.data, "morning-20261124T0900Z.txt"));
    assert_non_null(strstr(told.data, "the day begins with it"));
    fw_buf_release(&told);
}

static void what_was_missed_is_made_up_for_once(void **state)
{
    char newest[256];

    (void)state;
    pass(90 * FW_MINUTE);
    scheduler_close(scheduler);
    fake_clock_advance(&fake, 5 * FW_DAY);
    open_scheduler();
    pass(FW_MINUTE);
    assert_int_equal(acts(), 2);
    assert_int_equal(count_files(newest), 2);
    pass(FW_DAY);
    assert_int_equal(acts(), 3);
}

static void a_folder_that_cannot_be_written_is_tried_again(void **state)
{
    struct scheduler_stats stats;
    FILE *blocker = fopen(folder, "w");

    (void)state;
    assert_non_null(blocker);
    (void)fclose(blocker);
    pass(90 * FW_MINUTE);
    scheduler_stats(scheduler, &stats);
    assert_int_equal(stats.runs, 0);
    assert_true(stats.failures > 10);
    assert_int_equal(acts(), 0);
    assert_int_equal(remove(folder), 0);
    pass(2 * FW_MINUTE);
    assert_int_equal(acts(), 1);
}

/* 02:30 in Berlin, from that midnight in UTC on, for three days. */
static void live_three_nights(fw_ms from)
{
    scheduler_close(scheduler);
    fake_clock_step(&fake, from);
    schedule.name = "night";
    schedule.cron = "30 2 * * *";
    schedule.timezone = "Europe/Berlin";
    schedule.keep = 0;
    open_scheduler();
    pass(3 * FW_DAY - FW_HOUR);
}

static bool is_there(const char *name)
{
    char path[1024];

    (void)snprintf(path, sizeof(path), "%s/night-%s.txt", folder, name);
    return access(path, F_OK) == 0;
}

static void clocks_put_forward_lose_no_run(void **state)
{
    char newest[256];

    (void)state;
    live_three_nights(1806105600 * FW_SECOND); /* 2027-03-27T00:00:00Z */
    assert_int_equal(count_files(newest), 3);
    assert_true(is_there("20270327T0130Z"));
    assert_true(is_there("20270328T0100Z")); /* 02:30 was skipped: at 03:00 */
    assert_true(is_there("20270329T0030Z"));
}

static void clocks_put_back_repeat_no_run(void **state)
{
    char newest[256];

    (void)state;
    live_three_nights(1824854400 * FW_SECOND); /* 2027-10-30T00:00:00Z */
    assert_int_equal(count_files(newest), 3);
    assert_true(is_there("20271030T0030Z"));
    assert_true(is_there("20271031T0030Z")); /* the first of the two 02:30 */
    assert_true(is_there("20271101T0130Z"));
}

static void one_may_be_run_at_once(void **state)
{
    struct act_schedule *all = NULL;
    struct fw_arena *arena = fw_arena_new(1 << 20);
    char newest[256];
    size_t n = 0;

    (void)state;
    assert_int_equal(scheduler_ask(scheduler, "evening", FW_STR("ann"),
                                   FW_STR("why not"), &err),
                     FW_ENOTFOUND);
    assert_int_equal(
        scheduler_ask(scheduler, "morning", FW_STR("ann"), FW_STR(""), &err),
        FW_EINVAL);
    pass(FW_MINUTE);
    assert_int_equal(acts(), 0);
    ok(scheduler_ask(scheduler, "morning", FW_STR("ann"),
                     FW_STR("the printer jammed"), &err));
    pass(FW_MINUTE);
    assert_int_equal(acts(), 1);
    assert_int_equal(count_files(newest), 1);
    assert_string_equal(newest, "morning-20261123T0801Z.txt");
    ok(scheduler_list(scheduler, arena, &all, &n, &err));
    assert_int_equal(n, 1);
    assert_int_equal(all[0].next, START + FW_HOUR); /* its own time stays */
    assert_string_equal(all[0].cron, "0 9 * * *");
    pass(FW_HOUR);
    assert_int_equal(acts(), 2);
    fw_arena_free(arena);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(it_runs_when_it_says_and_keeps_so_many,
                                        begin, end),
        cmocka_unit_test_setup_teardown(what_was_missed_is_made_up_for_once,
                                        begin, end),
        cmocka_unit_test_setup_teardown(
            a_folder_that_cannot_be_written_is_tried_again, begin, end),
        cmocka_unit_test_setup_teardown(clocks_put_forward_lose_no_run, begin,
                                        end),
        cmocka_unit_test_setup_teardown(clocks_put_back_repeat_no_run, begin,
                                        end),
        cmocka_unit_test_setup_teardown(one_may_be_run_at_once, begin, end),
    };

    return fixture_main(argc, argv, tests);
}
