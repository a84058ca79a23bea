/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "tests/support/fixture.h"

#include <stdlib.h>
#include <string.h>

#include "server/ingest/intake.h"
#include "tests/support/tmpdir.h"

#define NOW 1700000000000
#define LATEST (NOW + FW_MAX_FUTURE_MS)

struct desk {
    struct fw_store *store;
    struct intake intake;
};

static int open_desk(void **state, uint32_t max_series)
{
    struct desk *desk = calloc(1, sizeof(*desk));
    struct fw_store_options options = {.create = true,
                                       .max_series = max_series};
    struct fw_err err = {0};

    assert_non_null(desk);
    assert_int_equal(fw_store_open(tmpdir_new(), &options, &desk->store, &err),
                     FW_OK);
    assert_int_equal(intake_init(&desk->intake, desk->store), FW_OK);
    *state = desk;
    return 0;
}

static int set_up(void **state)
{
    return open_desk(state, 0);
}

static int set_up_small(void **state)
{
    return open_desk(state, 2);
}

static int tear_down(void **state)
{
    struct desk *desk = *state;

    intake_release(&desk->intake);
    fw_store_close(desk->store);
    free(desk);
    return 0;
}

static enum line_fault take(struct desk *desk, const char *text)
{
    return intake_line(&desk->intake, fw_str_of(text), NOW, LATEST);
}

static void the_same_name_is_the_same_series(void **state)
{
    struct desk *desk = *state;
    const struct fw_batch *batch = &desk->intake.batch;

    assert_int_equal(take(desk, "cpu,host=a user=1,sys=2 1700000000"), LINE_OK);
    assert_int_equal(take(desk, "cpu,host=a user=3,sys=4 1700000001"), LINE_OK);
    assert_int_equal(take(desk, "cpu,host=b user=5"), LINE_OK);
    assert_int_equal(batch->n, 5);
    assert_int_equal(batch->series[0], batch->series[2]);
    assert_int_equal(batch->series[1], batch->series[3]);
    assert_int_not_equal(batch->series[0], batch->series[1]);
    assert_int_not_equal(batch->series[0], batch->series[4]);
    assert_int_equal(batch->t[2], 1700000001000);
    assert_int_equal(batch->t[4], NOW);
    assert_true(batch->v[4] == 5);
}

static void protocols_and_orders_of_tags_meet_in_one_series(void **state)
{
    struct desk *desk = *state;
    const struct fw_batch *batch = &desk->intake.batch;

    assert_int_equal(take(desk, "m,a=1,b=2 v=1"), LINE_OK);
    assert_int_equal(take(desk, "m,b=2,a=1 v=1"), LINE_OK);
    assert_int_equal(take(desk, "m_v;a=1;b=2 1"), LINE_OK);
    assert_int_equal(take(desk, "put m_v 1700000000 1 b=2 a=1"), LINE_OK);
    assert_int_equal(take(desk, "m,b=2,c=,a=1 v=1"), LINE_OK);
    for (size_t i = 1; i < 5; i++)
        assert_int_equal(batch->series[0], batch->series[i]);
}

static void any_order_of_names_finds_the_same_series(void **state)
{
    static const int orders[][4] = {{0, 1, 2, 3}, {0, 1, 2, 3}, {3, 2, 1, 0},
                                    {0, 0, 1, 1}, {2, 0, 3, 1}, {0, 1, 2, 3}};
    static const char *const lines[] = {"a v=1", "b v=1,w=2", "c 1",
                                        "put a_v 1700000000 1 x=y"};
    struct desk *desk = *state;
    const struct fw_batch *batch = &desk->intake.batch;
    uint32_t ids[4] = {0};

    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(take(desk, lines[i]), LINE_OK);
        ids[i] = batch->series[batch->n - 1];
    }
    for (size_t k = 0; k < sizeof(orders) / sizeof(orders[0]); k++)
        for (size_t i = 0; i < 4; i++) {
            assert_int_equal(take(desk, lines[orders[k][i]]), LINE_OK);
            assert_int_equal(batch->series[batch->n - 1], ids[orders[k][i]]);
        }
}

static void names_that_only_look_alike_are_kept_apart(void **state)
{
    struct desk *desk = *state;
    const struct fw_batch *batch = &desk->intake.batch;

    /* "m" + "ab" and "ma" + "b" hash and concatenate alike in places. */
    assert_int_equal(take(desk, "m ab=1"), LINE_OK);
    assert_int_equal(take(desk, "ma b=1"), LINE_OK);
    assert_int_equal(take(desk, "put m 1700000000 1 a=1"), LINE_OK);
    assert_int_equal(take(desk, "put ma=1 1700000000 1"), LINE_BAD_TIME);
    assert_int_not_equal(batch->series[0], batch->series[1]);
}

static void a_bad_line_leaves_nothing_behind(void **state)
{
    struct desk *desk = *state;

    assert_int_equal(take(desk, "ok 1"), LINE_OK);
    assert_int_equal(take(desk, "m a=1,b=2,c=x"), LINE_BAD_VALUE);
    assert_int_equal(take(desk, "m,__name__=x a=1"), LINE_BAD_LABELS);
    assert_int_equal(take(desk, "m,t=1,t=2 a=1"), LINE_BAD_LABELS);
    assert_int_equal(desk->intake.batch.n, 1);
}

static void times_too_far_ahead_are_refused(void **state)
{
    struct desk *desk = *state;
    char text[64];

    (void)snprintf(text, sizeof(text), "m v=1 %lld", (long long)LATEST);
    assert_int_equal(take(desk, text), LINE_OK);
    (void)snprintf(text, sizeof(text), "m v=1 %lld", (long long)LATEST + 1);
    assert_int_equal(take(desk, text), LINE_TOO_NEW);
    assert_int_equal(take(desk, "m v=1 -9000000000"), LINE_OK);
}

static void a_sender_with_more_series_than_we_remember_loses_none(void **state)
{
    struct desk *desk = *state;
    char text[64];

    for (int i = 0; i < FW_MAX_SERIES_CACHE + 100; i++) {
        (void)snprintf(text, sizeof(text), "m,i=%d v=1", i);
        if (intake_is_full(&desk->intake))
            desk->intake.batch.n = 0;
        assert_int_equal(take(desk, text), LINE_OK);
    }
    assert_int_equal(take(desk, "m,i=7 v=1"), LINE_OK);
    assert_true(desk->intake.names.field_count < FW_MAX_SERIES_CACHE);
    assert_int_equal(desk->intake.names.resets, 1);
}

static void ids_of_an_earlier_epoch_are_asked_for_anew(void **state)
{
    struct desk *desk = *state;
    const struct fw_batch *batch = &desk->intake.batch;

    assert_int_equal(take(desk, "m,h=a v=1,w=2"), LINE_OK);
    assert_int_equal(take(desk, "m,h=a v=1,w=2"), LINE_OK);
    assert_int_equal(desk->intake.names.field_count, 2);
    desk->intake.epoch++; /* as if the store's had changed */
    assert_int_equal(take(desk, "m,h=a w=2"), LINE_OK);
    assert_int_equal(desk->intake.names.field_count, 1);
    assert_int_equal(batch->series[4], batch->series[1]);
}

static void the_limit_of_series_is_named_and_harms_no_known_one(void **state)
{
    struct desk *desk = *state;

    assert_int_equal(take(desk, "a 1"), LINE_OK);
    assert_int_equal(take(desk, "b 1"), LINE_OK);
    assert_int_equal(take(desk, "c 1"), LINE_SERIES_LIMIT);
    assert_true(desk->intake.err.text[0] != '\0');
    assert_int_equal(take(desk, "a 2"), LINE_OK);
    assert_int_equal(desk->intake.batch.n, 3);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(the_same_name_is_the_same_series,
                                        set_up, tear_down),
        cmocka_unit_test_setup_teardown(
            protocols_and_orders_of_tags_meet_in_one_series, set_up, tear_down),
        cmocka_unit_test_setup_teardown(
            any_order_of_names_finds_the_same_series, set_up, tear_down),
        cmocka_unit_test_setup_teardown(
            names_that_only_look_alike_are_kept_apart, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_bad_line_leaves_nothing_behind,
                                        set_up, tear_down),
        cmocka_unit_test_setup_teardown(times_too_far_ahead_are_refused, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(
            a_sender_with_more_series_than_we_remember_loses_none, set_up,
            tear_down),
        cmocka_unit_test_setup_teardown(
            ids_of_an_earlier_epoch_are_asked_for_anew, set_up, tear_down),
        cmocka_unit_test_setup_teardown(
            the_limit_of_series_is_named_and_harms_no_known_one, set_up_small,
            tear_down),
    };
    return fixture_main(argc, argv, tests);
}
