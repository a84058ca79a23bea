/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "tests/support/fixture.h"

#include <string.h>

#include "server/notify/manager_queue.h"
#include "server/notify/manager_relabel.h"
#include "server/rules/rule_notice.h"

static struct fw_err err;
static struct fw_arena *arena;

static const char *source[] = {"severity"};

static const struct config_relabel rules[] = {
    {.source = source,
     .source_count = 1,
     .separator = ";",
     .regex = "info",
     .replacement = "$1",
     .action = "drop"},
    {.separator = ";", .regex = "secret", .action = "labeldrop"},
    {.source = source,
     .source_count = 1,
     .separator = ";",
     .regex = "(.+)",
     .target = "urgency",
     .replacement = "as $1",
     .action = "replace"},
};

static int begin(void **state)
{
    struct relabel *relabel = NULL;

    arena = fw_arena_new(1 << 22);
    assert_int_equal(relabel_new(rules, 3, &relabel, &err), FW_OK);
    *state = relabel;
    return 0;
}

static int end(void **state)
{
    relabel_free(*state);
    fw_arena_free(arena);
    return 0;
}

/* As it goes into the queue. */
static struct manager_alert alert_of(struct fw_label *labels, size_t n,
                                     struct fw_str summary)
{
    struct fw_label said[] = {{FW_STR("labels"), FW_STR("{")},
                              {FW_STR("summary"), summary}};
    struct rule_alert alert = {.labels = {labels, n},
                               .annotations = {said, 2},
                               .fired_at = 1000,
                               .valid_until = 2000};
    struct rule_world world = {.external_url = "http://f/"};
    struct manager_alert out = {0};

    assert_int_equal(
        rule_notice_make(&alert, "up == 0", &world, 1000, arena, &out, &err),
        FW_OK);
    return out;
}

static void the_labels_are_what_the_rules_make(void **state)
{
    struct fw_label labels[] = {
        {FW_STR("alertname"), FW_STR("Up")},
        {FW_STR("path"), FW_STR("C:\\x \"y\"\n,\"labels\":{\x01\x7fü\u2028")},
        {FW_STR("secret"), FW_STR("s")},
        {FW_STR("severity"), FW_STR("page")}};
    struct fw_label after[] = {labels[0],
                               labels[1],
                               labels[3],
                               {FW_STR("urgency"), FW_STR("as page")}};
    struct fw_str summary = FW_STR("it says ,\"labels\":{ and \\ \" }}");
    struct manager_alert was = alert_of(labels, 4, summary);
    struct manager_alert want = alert_of(after, 4, summary);
    struct fw_buf got = FW_BUF_INIT(65536);

    assert_int_equal(manager_relabel(*state, was.json, &got, &err), FW_OK);
    assert_int_equal(got.len, want.json.n);
    assert_memory_equal(got.data, want.json.p, got.len);
    fw_buf_release(&got);
}

static void one_that_is_dropped_adds_nothing(void **state)
{
    struct fw_label labels[] = {{FW_STR("alertname"), FW_STR("Up")},
                                {FW_STR("severity"), FW_STR("info")}};
    struct manager_alert was = alert_of(labels, 2, FW_STR("s"));
    struct fw_buf got = FW_BUF_INIT(65536);

    assert_int_equal(manager_relabel(*state, was.json, &got, &err), FW_NONE);
    assert_int_equal(got.len, 0);
}

/* Whatever is cut off is refused, and never read beyond. */
static void what_is_no_alert_is_refused(void **state)
{
    struct fw_label labels[] = {{FW_STR("alertname"), FW_STR("Up\n")}};
    struct manager_alert was = alert_of(labels, 1, FW_STR("s"));

    for (size_t n = 0; n < was.json.n; n++) {
        struct fw_buf got = FW_BUF_INIT(65536);
        char *part = fw_arena_strndup(arena, was.json.p, n);

        assert_int_equal(
            manager_relabel(*state, (struct fw_str){part, n}, &got, &err),
            FW_ECORRUPT);
        fw_buf_release(&got);
    }
}

static void each_picks_by_its_own_rules(void **state)
{
    struct fw_label page[] = {{FW_STR("alertname"), FW_STR("A")},
                              {FW_STR("severity"), FW_STR("page")}};
    struct fw_label info[] = {{FW_STR("alertname"), FW_STR("B")},
                              {FW_STR("severity"), FW_STR("info")}};
    struct manager_alert alerts[] = {
        alert_of(info, 2, FW_STR("")), alert_of(page, 2, FW_STR("")),
        alert_of(info, 2, FW_STR("")), alert_of(info, 2, FW_STR(""))};
    struct manager_pick picks[8];
    struct manager_queue q;
    size_t n, dropped;

    alerts[2].fingerprint = 77;
    alerts[3].fingerprint = 78;
    manager_queue_init(&q);
    manager_queue_set_active(&q, 3);
    manager_queue_add(&q, alerts, 4);
    for (unsigned bit = 0; bit < 2; bit++) {
        struct fw_buf body = FW_BUF_INIT(1 << 20);

        assert_int_equal(manager_queue_pick(&q, bit, 8,
                                            bit == 0 ? *state : NULL, &body,
                                            picks, &n, &dropped),
                         FW_OK);
        assert_int_equal(n, 4);
        assert_int_equal(dropped, bit == 0 ? 3 : 0);
        assert_true(body.data[0] == '[' && body.data[1] == '{');
        assert_int_equal(strstr(body.data, "},{") != NULL, bit == 1);
        assert_int_equal(strstr(body.data, "as page") != NULL, bit == 0);
        fw_buf_release(&body);
    }
    manager_queue_release(&q);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(the_labels_are_what_the_rules_make,
                                        begin, end),
        cmocka_unit_test_setup_teardown(one_that_is_dropped_adds_nothing, begin,
                                        end),
        cmocka_unit_test_setup_teardown(what_is_no_alert_is_refused, begin,
                                        end),
        cmocka_unit_test_setup_teardown(each_picks_by_its_own_rules, begin,
                                        end),
    };

    return fixture_main(argc, argv, tests);
}
