/* SPDX-License-Identifier: GPL-3.0-or-later */
/* ALERTS and ALERTS_FOR_STATE of watches, as they come to be stored. */
#include "tests/unit/server/watch_world.h"

/* All samples of one series, by the text of its labels. */
struct told_series {
    char labels[512];
    size_t n;
    fw_ms t[64];
    double v[64];
};

static struct told_series found[8];
static size_t found_count;

static bool is_stale(double v)
{
    uint64_t bits;

    memcpy(&bits, &v, sizeof(bits));
    return bits == FW_STALE_BITS;
}

static void read_samples(uint32_t id, struct told_series *out)
{
    struct fw_cursor *cursor = NULL;
    struct fw_run run;
    fw_rc rc;

    ok(fw_cursor_open(w.store, id, START, START + 10 * FW_DAY, &cursor, &err));
    while ((rc = fw_cursor_next(cursor, &run, &err)) == FW_OK)
        for (size_t i = 0; i < run.n && out->n < 64; i++) {
            out->t[out->n] = run.t[i];
            out->v[out->n++] = run.v[i];
        }
    assert_int_equal(rc, FW_END);
    fw_cursor_close(cursor);
}

/* Those of a metric, in the order of their labels. */
static void find(const char *metric)
{
    struct fw_arena *arena = fw_arena_new(1 << 20);
    struct fw_matcher m = {FW_MATCH_EQUAL, FW_STR(FW_METRIC_NAME),
                           fw_str_of(metric)};
    struct fw_series *series = NULL;

    ok(fw_store_select(w.store, &m, 1, START, START + 10 * FW_DAY, 8, arena,
                       &series, &found_count, &err));
    for (size_t i = 0; i < found_count; i++) {
        struct fw_buf text = FW_BUF_INIT(1024);

        found[i] = (struct told_series){.n = 0};
        ok(fw_labels_print(&text, &series[i].labels));
        (void)snprintf(found[i].labels, sizeof(found[i].labels), "%s",
                       text.data);
        fw_buf_release(&text);
        read_samples(series[i].id, &found[i]);
    }
    fw_arena_free(arena);
}

static const struct told_series *with(const char *part)
{
    for (size_t i = 0; i < found_count; i++)
        if (strstr(found[i].labels, part) != NULL)
            return &found[i];
    fail_msg("no series has %s", part);
    return NULL;
}

/* n - 1 ones, and then the marker that ends them. */
static void assert_ended(const struct told_series *s)
{
    assert_true(s->n >= 2);
    for (size_t i = 0; i + 1 < s->n; i++)
        assert_true(s->v[i] == 1.0);
    assert_true(is_stale(s->v[s->n - 1]));
}

static void pass_alert(double *level)
{
    w.self = level;
    pass(30 * FW_MINUTE);
    w.probability = 0.95;
    pass(10 * FW_MINUTE);
    *level = 95;
    pass(5 * FW_MINUTE);
    *level = 20;
    w.probability = 0.1;
    pass(FW_HOUR);
    assert_int_equal(w.firing + w.breached + w.resolved, 3);
    assert_int_equal(record_now(NULL).right, 1);
}

static void an_alert_shows_from_pending_to_its_end(void **state)
{
    const struct told_series *pending, *predicted, *breached;
    double level = 50;

    (void)state;
    pass_alert(&level);
    find("ALERTS");
    assert_int_equal(found_count, 3);
    pending = with("alertstate=\"pending\"");
    predicted = with("state=\"predicted\"");
    breached = with("state=\"breached\"");
    assert_non_null(strstr(pending->labels, "alertname=\"Disk\""));
    assert_non_null(strstr(pending->labels, "host=\"a\""));
    assert_non_null(strstr(predicted->labels, "alertstate=\"firing\""));
    assert_non_null(strstr(breached->labels, "alertstate=\"firing\""));
    assert_ended(pending);
    assert_ended(predicted);
    assert_ended(breached);
    /* One takes over where the other ends. */
    assert_int_equal(pending->n, 2);
    assert_true(pending->t[1] == predicted->t[0]);
    assert_true(predicted->t[predicted->n - 1] == breached->t[0]);
    assert_true(predicted->t[1] - predicted->t[0] == FW_MINUTE);
}

static void for_state_tells_since_when(void **state)
{
    const struct told_series *s;
    double level = 50;
    fw_ms fired;

    (void)state;
    pass_alert(&level);
    find("ALERTS");
    fired = with("state=\"predicted\"")->t[0];
    find("ALERTS_FOR_STATE");
    s = with("record=\"unproven\"");
    assert_null(strstr(s->labels, "alertstate"));
    for (size_t i = 0; i + 1 < s->n; i++)
        assert_true(s->v[i] == (double)fired / 1000);
    assert_true(is_stale(s->v[s->n - 1]));
}

static void a_label_of_the_series_is_not_covered(void **state)
{
    static struct config_label own[] = {{"state", "failed"}};
    double level = 50;

    (void)state;
    close_world();
    w.watch.labels = own;
    w.watch.label_count = 1;
    open_world();
    pass_alert(&level);
    find("ALERTS");
    assert_int_equal(found_count, 2); /* predicted and breached are one */
    for (size_t i = 0; i < found_count; i++)
        assert_non_null(strstr(found[i].labels, "state=\"failed\""));
}

static void a_restart_ends_what_went_on_before_it(void **state)
{
    const struct told_series *s;
    double level = 50;

    (void)state;
    w.self = &level;
    pass(30 * FW_MINUTE);
    w.probability = 0.95;
    pass(10 * FW_MINUTE);
    close_world();
    fake_clock_advance(&w.clock, 2 * FW_MINUTE);
    open_world();
    w.probability = 0.1;
    pass(30 * FW_MINUTE);
    assert_int_equal(w.resolved, 1);
    find("ALERTS");
    s = with("state=\"predicted\"");
    assert_ended(s);
    assert_true(s->n > 8);
}

static void an_alert_whose_watch_is_changed_ends(void **state)
{
    double level = 50;

    (void)state;
    w.self = &level;
    pass(30 * FW_MINUTE);
    w.probability = 0.95;
    pass(10 * FW_MINUTE);
    close_world();
    w.watch.horizon = 2 * FW_HOUR;
    w.probability = 0.1;
    open_world();
    find("ALERTS");
    assert_ended(with("state=\"predicted\""));
}

static void what_a_shadow_keeps_to_itself_does_not_show(void **state)
{
    double level = 50;

    (void)state;
    close_world();
    w.watch.shadow = true;
    open_world();
    pass(FW_MINUTE); /* the first look puts it in the shadow */
    pass_alert(&level);
    find("ALERTS");
    assert_int_equal(found_count, 0);
    find("ALERTS_FOR_STATE");
    assert_int_equal(found_count, 0);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        WORLD_TEST(an_alert_shows_from_pending_to_its_end),
        WORLD_TEST(for_state_tells_since_when),
        WORLD_TEST(a_label_of_the_series_is_not_covered),
        WORLD_TEST(a_restart_ends_what_went_on_before_it),
        WORLD_TEST(an_alert_whose_watch_is_changed_ends),
        WORLD_TEST(what_a_shadow_keeps_to_itself_does_not_show),
    };

    return fixture_main(argc, argv, tests);
}
