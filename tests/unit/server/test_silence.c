/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "tests/support/fixture.h"

#include <stdio.h>
#include <string.h>

#include "server/audit/audit.h"
#include "server/dispatch/dispatch_hold.h"
#include "server/notify/silence.h"
#include "tests/support/fake_clock.h"
#include "tests/support/tmpdir.h"

#define NOW (1700000000 * FW_SECOND) /* a Tuesday, 22:13:20 */

static struct fw_arena *arena;
static struct fake_clock fake;
static struct fw_store *store;
static struct fw_err err;

static void ok(fw_rc rc)
{
    if (rc != FW_OK)
        fail_msg("%s: %s", fw_rc_name(rc), err.text);
}

static int begin(void **state)
{
    struct fw_store_options options = {
        .create = true, .clock = &fake.clock, .linger = -1, .disk_floor = 1};

    (void)state;
    fake_clock_init(&fake, NOW);
    arena = fw_arena_new(1 << 20);
    ok(fw_store_open(tmpdir_new(), &options, &store, &err));
    return 0;
}

static int end(void **state)
{
    (void)state;
    fw_store_close(store);
    fw_arena_free(arena);
    return 0;
}

static const struct fw_label own[] = {{{"alertname", 9}, {"Disk", 4}},
                                      {{"host", 4}, {"a", 1}}};
static const struct fw_labels labels = {own, 2};

static struct silence silence_of(const char *matcher, fw_ms span)
{
    struct silence s = {.matcher_count = 1,
                        .starts_at = NOW,
                        .ends_at = NOW + span,
                        .created_by = FW_STR("ann"),
                        .comment = FW_STR("why")};

    ok(silence_parse_matcher(fw_str_of(matcher), arena, &s.matchers[0], &err));
    return s;
}

static fw_rc put(struct silence *s)
{
    struct fw_txn *txn = NULL;
    fw_rc rc;

    ok(fw_txn_begin(store, true, &txn, &err));
    rc = silence_put(txn, s, fw_clock_now(&fake.clock), &err);
    if (rc == FW_OK)
        ok(fw_txn_commit(txn, &err));
    else
        fw_txn_abort(txn);
    return rc;
}

static bool covered(void)
{
    return silence_covers(store, &labels, fw_clock_now(&fake.clock));
}

static void matchers_are_read_as_amtool_writes_them(void **state)
{
    struct fw_matcher m;

    (void)state;
    ok(silence_parse_matcher(FW_STR("a=b"), arena, &m, &err));
    assert_int_equal(m.op, FW_MATCH_EQUAL);
    ok(silence_parse_matcher(FW_STR("a!=\"b \\\"c\""), arena, &m, &err));
    assert_int_equal(m.op, FW_MATCH_DIFFERS);
    assert_true(fw_str_eq(m.value, FW_STR("b \"c")));
    ok(silence_parse_matcher(FW_STR("a=~\"b|c\""), arena, &m, &err));
    assert_int_equal(m.op, FW_MATCH_REGEX);
    assert_true(silence_matcher_holds(&m, FW_STR("c")));
    assert_false(silence_matcher_holds(&m, FW_STR("cc")));
    ok(silence_parse_matcher(FW_STR("a!~x"), arena, &m, &err));
    assert_true(silence_matcher_holds(&m, FW_STR("y")));
    assert_int_equal(silence_parse_matcher(FW_STR("a"), arena, &m, &err),
                     FW_EINVAL);
    assert_int_equal(silence_parse_matcher(FW_STR("1a=b"), arena, &m, &err),
                     FW_EINVAL);
    assert_int_equal(silence_parse_matcher(FW_STR("a=~("), arena, &m, &err),
                     FW_EINVAL);
}

static void it_covers_from_its_start_to_its_end(void **state)
{
    struct silence s = silence_of("host=a", FW_HOUR);

    (void)state;
    s.starts_at = NOW + FW_MINUTE;
    ok(put(&s));
    assert_int_equal(strlen(s.id), SILENCE_ID_BYTES - 1);
    assert_false(covered());
    fake_clock_advance(&fake, FW_MINUTE);
    assert_true(covered());
    fake_clock_advance(&fake, FW_HOUR);
    assert_false(covered());
}

static void other_labels_are_not_covered(void **state)
{
    struct silence s = silence_of("host=b", FW_HOUR);

    (void)state;
    ok(put(&s));
    assert_false(covered());
}

static void ending_it_is_written_down_with_its_reason(void **state)
{
    struct silence s = silence_of("host=a", FW_HOUR);
    struct audit_head head;
    struct fw_txn *txn = NULL;

    (void)state;
    ok(put(&s));
    fake_clock_advance(&fake, FW_SECOND);
    ok(fw_txn_begin(store, true, &txn, &err));
    ok(silence_expire(txn, fw_str_of(s.id), NOW + FW_SECOND, FW_STR("bob"),
                      FW_STR("done"), &err));
    ok(audit_head(txn, &head, &err));
    assert_int_equal(head.id, 2);
    ok(fw_txn_commit(txn, &err));
    assert_false(covered());
    ok(fw_txn_begin(store, true, &txn, &err));
    assert_int_equal(silence_expire(txn, fw_str_of(s.id), NOW + FW_HOUR,
                                    FW_STR("bob"), FW_STR("again"), &err),
                     FW_EINVAL);
    fw_txn_abort(txn);
}

static void without_a_name_nothing_ends(void **state)
{
    struct silence s = silence_of("host=a", FW_HOUR);
    struct fw_txn *txn = NULL;

    (void)state;
    ok(put(&s));
    ok(fw_txn_begin(store, true, &txn, &err));
    assert_int_equal(silence_expire(txn, fw_str_of(s.id), NOW + 1, FW_STR(""),
                                    FW_STR("x"), &err),
                     FW_EINVAL);
    fw_txn_abort(txn);
    assert_true(covered());
}

static void what_would_silence_all_or_nobody_is_refused(void **state)
{
    struct silence all = silence_of("host=~.*", FW_HOUR);
    struct silence past = silence_of("host=a", -FW_HOUR);
    struct silence nobody = silence_of("host=a", FW_HOUR);

    (void)state;
    assert_int_equal(put(&all), FW_EINVAL);
    assert_int_equal(put(&past), FW_EINVAL);
    nobody.created_by = FW_STR("");
    assert_int_equal(put(&nobody), FW_EINVAL);
    nobody = silence_of("host=a", FW_HOUR);
    nobody.comment = FW_STR("");
    assert_int_equal(put(&nobody), FW_EINVAL);
    (void)snprintf(nobody.id, sizeof(nobody.id),
                   "00000000-0000-4000-8000-000000000000");
    nobody.comment = FW_STR("x");
    assert_int_equal(put(&nobody), FW_ENOTFOUND);
}

static void an_ack_holds_for_one_firing(void **state)
{
    struct ack ack = {7, NOW, NOW + 5, FW_STR("ann"), FW_STR("on it")};
    struct fw_txn *txn = NULL;
    struct ack got;

    (void)state;
    ok(fw_txn_begin(store, true, &txn, &err));
    ok(ack_put(txn, &ack, FW_STR("Disk"), &err));
    ok(ack_get(txn, 7, NOW, &got, &err));
    assert_true(fw_str_eq(got.actor, FW_STR("ann")));
    assert_int_equal(ack_get(txn, 7, NOW + 1, &got, &err), FW_NONE);
    assert_int_equal(ack_get(txn, 8, NOW, &got, &err), FW_NONE);
    fw_txn_abort(txn);
}

static void windows_may_go_over_midnight(void **state)
{
    const char *tue[] = {"tue"};
    struct config_window day = {.from = "08:00", .until = "18:00"};
    struct config_window night = {
        .days = tue, .day_count = 1, .from = "22:00", .until = "06:00"};
    fw_ms midnight = NOW - NOW % FW_DAY; /* of Tuesday */

    (void)state;
    assert_false(hold_in_window(&day, NOW));
    assert_true(hold_in_window(&day, midnight + 8 * FW_HOUR));
    assert_false(hold_in_window(&day, midnight + 18 * FW_HOUR));
    assert_true(hold_in_window(&night, NOW));
    assert_true(hold_in_window(&night, midnight + 29 * FW_HOUR));
    assert_false(hold_in_window(&night, midnight + 30 * FW_HOUR));
    assert_false(hold_in_window(&night, midnight + 5 * FW_HOUR));
}

int main(int argc, char **argv)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)
    const struct CMUnitTest tests[] = {
        TEST(matchers_are_read_as_amtool_writes_them),
        TEST(it_covers_from_its_start_to_its_end),
        TEST(other_labels_are_not_covered),
        TEST(ending_it_is_written_down_with_its_reason),
        TEST(without_a_name_nothing_ends),
        TEST(what_would_silence_all_or_nobody_is_refused),
        TEST(an_ack_holds_for_one_firing),
        TEST(windows_may_go_over_midnight),
    };

    return fixture_main(argc, argv, tests);
}
