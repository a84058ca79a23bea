/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The life of alerts and recordings in a world in memory. Time is whatever the
 * test says.
 */
#include "tests/support/fixture.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "server/rules/rule_emit.h"
#include "server/rules/rule_memory.h"
#include "server/rules/rule_notice.h"
#include "storage/base/log.h"

#define START (1700000000 * FW_SECOND)

static struct rule_memory memory;
static struct rule_set *set;
static struct group_run group;
static struct rule_world world;
static struct fw_err err;

static void ok(fw_rc rc)
{
    if (rc != FW_OK)
        fail_msg("%s: %s", fw_rc_name(rc), err.text);
}

static void hush(void *self, enum fw_log_level level, const char *line)
{
    (void)self;
    (void)level;
    (void)line;
}

static void load(const char *text, bool restored)
{
    ok(rule_set_new(&set, &err));
    ok(rule_set_read(set, fw_str_of(text), "f", NULL, NULL, &err));
    ok(group_run_init(&group, &set->groups[0], FW_MINUTE, 0, restored, &err));
}

static int begin(void **state)
{
    (void)state;
    fw_log_to(hush, NULL);
    memory = (struct rule_memory){0};
    world = (struct rule_world){.source = rule_memory_source(&memory),
                                .add = rule_memory_add,
                                .self = &memory,
                                .external_url = "http://x/",
                                .resend_delay = FW_MINUTE};
    return 0;
}

static int end(void **state)
{
    (void)state;
    group_run_release(&group);
    rule_set_free(set);
    set = NULL;
    rule_memory_release(&memory);
    fw_log_to(NULL, NULL);
    return 0;
}

static void put(const char *job, fw_ms t, double v)
{
    struct fw_label l[2] = {{FW_STR("__name__"), FW_STR("m")},
                            {FW_STR("job"), fw_str_of(job)}};
    struct fw_labels labels = {l, 2};
    uint32_t id = 0;

    ok(rule_memory_add(&memory, &labels, &id, t, v, &err));
}

/* Minute n after the start, with a value of m{job="a"} unless it is NaN. */
static void minute(int n, double v)
{
    if (!isnan(v))
        put("a", START + n * FW_MINUTE, v);
    group_run_evaluate(&group, &world, START + n * FW_MINUTE, NULL);
}

/* The value of an expression that gives one series, NaN for none. */
static double ask(const char *expr, int n)
{
    struct fw_arena *arena = fw_arena_new((size_t)16 << 20);
    struct fw_query_options options = {.start = START + n * FW_MINUTE,
                                       .end = START + n * FW_MINUTE};
    struct fw_query *query = NULL;
    struct fw_result result = {0};
    double v;

    ok(fw_query_parse(fw_str_of(expr), arena, &query, &err));
    ok(fw_query_run(query, &world.source, &options, arena, &result, &err));
    v = result.count == 1 ? result.series[0].v[0] : NAN;
    fw_arena_free(arena);
    return v;
}

static const struct rule_alert *only(void)
{
    assert_int_equal(group.rules[0].alert_count, 1);
    return group.rules[0].alerts[0];
}

#define HIGH                                                                   \
    "groups: [{name: g, rules: [{alert: High, expr: m > 5, for: 2m, "          \
    "keep_firing_for: 2m}]}]"

static void an_alert_waits_fires_keeps_and_resolves(void **state)
{
    (void)state;
    load(HIGH, true);
    minute(0, 1);
    assert_int_equal(group.rules[0].alert_count, 0);
    minute(1, 9);
    assert_int_equal(only()->state, RULE_PENDING);
    assert_true(ask("ALERTS{alertstate=\"pending\"}", 1) == 1);
    minute(2, 9);
    minute(3, 9);
    assert_int_equal(only()->state, RULE_FIRING);
    assert_int_equal(only()->fired_at, START + 3 * FW_MINUTE);
    assert_true(isnan(ask("ALERTS{alertstate=\"pending\"}", 3)));
    assert_true(ask("ALERTS_FOR_STATE", 3) ==
                (double)(START + FW_MINUTE) / 1000);
    minute(4, 1); /* kept */
    assert_int_equal(only()->state, RULE_FIRING);
    minute(5, 1);
    assert_int_equal(only()->state, RULE_FIRING);
    minute(6, 1);
    assert_int_equal(only()->state, RULE_INACTIVE);
    assert_int_equal(only()->resolved_at, START + 6 * FW_MINUTE);
    assert_true(isnan(ask("ALERTS", 6)));
    for (int n = 7; n < 22; n++)
        minute(n, 1);
    assert_int_equal(group.rules[0].alert_count, 1);
    minute(22, 1);
    assert_int_equal(group.rules[0].alert_count, 0);
}

static void what_is_pending_and_passes_leaves_no_trace(void **state)
{
    (void)state;
    load(HIGH, true);
    minute(1, 9);
    minute(2, 1);
    assert_int_equal(group.rules[0].alert_count, 0);
    assert_true(isnan(ask("ALERTS", 2)));
}

static void it_is_sent_when_prometheus_would(void **state)
{
    struct rule_alert a = {.state = RULE_PENDING, .active_at = START};

    (void)state;
    assert_false(rule_alert_is_due(&a, START, FW_MINUTE));
    a.state = RULE_FIRING;
    a.fired_at = START;
    assert_true(rule_alert_is_due(&a, START, FW_MINUTE));
    rule_alert_mark_sent(&a, START, FW_MINUTE, 15 * FW_SECOND);
    assert_int_equal(a.valid_until, START + 4 * FW_MINUTE);
    assert_false(rule_alert_is_due(&a, START + FW_MINUTE, FW_MINUTE));
    assert_true(rule_alert_is_due(&a, START + FW_MINUTE + 1, FW_MINUTE));
    rule_alert_mark_sent(&a, START + 2 * FW_MINUTE, FW_MINUTE, 5 * FW_MINUTE);
    assert_int_equal(a.valid_until, START + 22 * FW_MINUTE);
    a.state = RULE_INACTIVE;
    a.resolved_at = START + 2 * FW_MINUTE + 1;
    assert_true(rule_alert_is_due(&a, START + 2 * FW_MINUTE + 1, FW_MINUTE));
}

static void recordings_are_seen_by_later_rules_and_end(void **state)
{
    (void)state;
    load("groups: [{name: g, rules: [{record: a:m, expr: 'm > 1', labels: {k: "
         "v}}, {record: b:m, expr: 'a:m * 2'}]}]",
         true);
    minute(0, 4);
    assert_true(ask("a:m{k=\"v\",job=\"a\"}", 0) == 4);
    assert_true(ask("b:m", 0) == 8);
    minute(1, 0);
    assert_true(isnan(ask("a:m", 1)));
    assert_true(isnan(ask("b:m", 1)));
}

static void twins_and_limits_make_a_rule_unhealthy(void **state)
{
    (void)state;
    load("groups: [{name: g, limit: 1, rules: [{record: r, expr: m, labels: "
         "{job: x}}, {alert: A, expr: m, labels: {job: x}}, {record: s, expr: "
         "m}, {alert: B, expr: m}]}]",
         true);
    put("b", START, 1);
    minute(0, 1);
    assert_string_equal(group.rules[0].error,
                        "vector contains metrics with the same labelset after "
                        "applying rule labels");
    assert_string_equal(group.rules[1].error,
                        "vector contains metrics with the same labelset after "
                        "applying alert labels");
    assert_string_equal(group.rules[2].error,
                        "exceeded limit of 1 with 2 series");
    assert_string_equal(group.rules[3].error,
                        "exceeded limit of 1 with 2 alerts");
    assert_int_equal(group.rules[3].alert_count, 0);
    assert_int_equal(group.failures, 4);
    assert_true(isnan(ask("r", 0)));
}

static void a_failing_template_still_makes_an_alert(void **state)
{
    (void)state;
    load("groups: [{name: g, rules: [{alert: A, expr: m, annotations: {t: '{{ "
         "humanize \"x\" }}'}}]}]",
         true);
    minute(0, 1);
    assert_int_equal(only()->state, RULE_FIRING);
    assert_memory_equal(only()->annotations.v[0].value.p,
                        "<error expanding template: error executing", 42);
}

static void the_query_offset_moves_query_and_result(void **state)
{
    (void)state;
    load("groups: [{name: g, query_offset: 1m, rules: [{record: r, expr: m}]}]",
         true);
    put("a", START, 7);
    put("a", START + FW_MINUTE, 8);
    group_run_evaluate(&group, &world, START + FW_MINUTE, NULL);
    assert_true(ask("r", 0) == 7);
    assert_true(ask("timestamp(r)", 1) == (double)START / 1000);
}

/* What an evaluation before the restart left behind. */
static void down_after(int pending_minutes, fw_ms for_ms)
{
    char text[256];

    (void)snprintf(text, sizeof(text),
                   "groups: [{name: g, rules: [{alert: A, expr: m > 5, for: "
                   "%llds}]}]",
                   (long long)for_ms / 1000);
    load(text, true);
    for (int n = 0; n <= pending_minutes; n++)
        minute(n, 9);
    group_run_release(&group);
    ok(group_run_init(&group, &set->groups[0], FW_MINUTE, 0, false, &err));
}

static void restore(int n)
{
    struct rule_restore how = {FW_HOUR, 10 * FW_MINUTE};

    minute(n, 9);
    assert_true(isnan(ask("ALERTS unless ALERTS offset 1m", n)));
    minute(n + 1, 9);
    group_run_restore(&group, &world, &how, START + (n + 1) * FW_MINUTE, NULL);
}

static void a_long_for_goes_on_after_a_restart(void **state)
{
    (void)state;
    down_after(20, 60 * FW_MINUTE); /* 40 minutes remain */
    restore(30);                    /* down for 11 minutes */
    assert_int_equal(only()->active_at, START + 11 * FW_MINUTE);
}

static void the_grace_period_is_kept(void **state)
{
    (void)state;
    down_after(55, 60 * FW_MINUTE); /* 5 minutes remain: 10 are given */
    restore(57);
    assert_int_equal(only()->active_at, START + (58 + 10 - 60) * FW_MINUTE);
}

static void what_was_due_fires_at_the_next_evaluation(void **state)
{
    (void)state;
    down_after(70, 60 * FW_MINUTE);
    restore(75);
    assert_int_equal(only()->active_at, START);
    minute(77, 9);
    assert_int_equal(only()->state, RULE_FIRING);
}

static void a_short_for_or_a_long_outage_begins_anew(void **state)
{
    (void)state;
    down_after(4, 5 * FW_MINUTE);
    restore(6);
    assert_int_equal(only()->active_at, START + 6 * FW_MINUTE);
    end(NULL);
    begin(NULL);
    down_after(20, 60 * FW_MINUTE);
    restore(100);
    assert_int_equal(only()->active_at, START + 100 * FW_MINUTE);
}

static void a_reload_keeps_alerts_and_ends_what_is_gone(void **state)
{
    struct rule_set *fresh = NULL;
    struct group_run next;

    (void)state;
    load("groups: [{name: g, rules: [{alert: A, expr: m}, {record: r, expr: "
         "m}]}]",
         true);
    minute(0, 1);
    ok(rule_set_new(&fresh, &err));
    ok(rule_set_read(fresh,
                     FW_STR("groups: [{name: g, rules: [{alert: A, expr: m > "
                            "0, for: 1m}]}]"),
                     "f", NULL, NULL, &err));
    ok(group_run_init(&next, &fresh->groups[0], FW_MINUTE, 0, true, &err));
    group_run_adopt(&next, &group);
    ok(group_run_end(&group, &world, START + FW_MINUTE / 2, &err));
    group_run_release(&group);
    rule_set_free(set);
    group = next;
    set = fresh;
    assert_int_equal(only()->state, RULE_FIRING);
    assert_true(isnan(ask("r", 1)));
    assert_true(ask("ALERTS", 1) == 1);
}

/* Prometheus 3.5's instants for these, observed. */
static void slots_are_multiples_behind_a_hash(void **state)
{
    (void)state;
    load(HIGH, true);
    for (int i = 0; i < 1000; i++) {
        fw_ms now = START + i * 777;
        fw_ms slot = group_run_slot(&group, now);

        assert_true(slot <= now && now - slot < FW_MINUTE);
        assert_int_equal(group_run_slot(&group, slot), slot);
        assert_int_equal((slot - group_run_slot(&group, START)) % FW_MINUTE, 0);
    }
}

static void a_notice_has_external_labels_where_they_lack(void **state)
{
    struct fw_label external[] = {{FW_STR("dc"), FW_STR("d")},
                                  {FW_STR("job"), FW_STR("no")}};
    struct fw_arena *arena = fw_arena_new((size_t)1 << 20);
    struct manager_alert notice;

    (void)state;
    world.external_labels = (struct fw_labels){external, 2};
    load("groups: [{name: g, rules: [{alert: A, expr: m > 1}]}]", true);
    minute(0, 3);
    group.rules[0].alerts[0]->valid_until = START + FW_HOUR;
    ok(rule_notice_make(only(), "m > 1", &world, START, arena, &notice, &err));
    assert_string_equal(
        notice.json.p,
        "{\"annotations\":{},\"endsAt\":\"2023-11-14T23:13:20Z\",\"startsAt\":"
        "\"2023-11-14T22:13:20Z\",\"generatorURL\":\"http://x/"
        "graph?g0.expr=m+%3E+1&g0.tab=1\",\"labels\":{\"alertname\":\"A\","
        "\"dc\":\"d\",\"job\":\"a\"}}");
    fw_arena_free(arena);
}

int main(int argc, char **argv)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)
    const struct CMUnitTest tests[] = {
        TEST(an_alert_waits_fires_keeps_and_resolves),
        TEST(what_is_pending_and_passes_leaves_no_trace),
        TEST(it_is_sent_when_prometheus_would),
        TEST(recordings_are_seen_by_later_rules_and_end),
        TEST(twins_and_limits_make_a_rule_unhealthy),
        TEST(a_failing_template_still_makes_an_alert),
        TEST(the_query_offset_moves_query_and_result),
        TEST(a_long_for_goes_on_after_a_restart),
        TEST(the_grace_period_is_kept),
        TEST(what_was_due_fires_at_the_next_evaluation),
        TEST(a_short_for_or_a_long_outage_begins_anew),
        TEST(a_reload_keeps_alerts_and_ends_what_is_gone),
        TEST(slots_are_multiples_behind_a_hash),
        TEST(a_notice_has_external_labels_where_they_lack),
    };

    return fixture_main(argc, argv, tests);
}
