/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "tests/support/fixture.h"

#include <math.h>

#include "server/alert/observe.h"

#define STEP FW_SECOND
#define GAP (10 * FW_SECOND)

static struct fw_breach above(double limit, fw_ms for_ms)
{
    return (struct fw_breach){
        .side = FW_ABOVE, .limit = limit, .for_ms = for_ms};
}

/* Feeds values one second apart from t = 1 s; how many breaches they make. */
static int feed(struct observed *o, const struct fw_breach *b,
                const double *values, size_t n)
{
    int breaches = 0;

    for (size_t i = 0; i < n; i++)
        breaches += observed_add(o, b, o->through + STEP, values[i], STEP, GAP);
    return breaches;
}

static void limits_know_their_side(void **state)
{
    struct fw_breach b = above(5, 0);

    (void)state;
    assert_true(breach_holds(&b, 5.1));
    assert_false(breach_holds(&b, 5));
    assert_false(breach_holds(&b, NAN));
    b.or_equal = true;
    assert_true(breach_holds(&b, 5));
    b.side = FW_BELOW;
    assert_true(breach_holds(&b, 5));
    assert_true(breach_holds(&b, -INFINITY));
    assert_false(breach_holds(&b, 6));
}

static void a_breach_begins_with_its_first_value(void **state)
{
    const double values[] = {1, 9, 9, 9, 9, 1, 9};
    struct fw_breach b = above(5, 2 * FW_SECOND);
    struct observed o;

    (void)state;
    observed_init(&o, 0);
    assert_int_equal(feed(&o, &b, values, 3), 0);
    assert_int_equal(observed_seen(&o, o.through, GAP), SEEN_BEYOND);
    assert_int_equal(feed(&o, &b, values + 3, 1), 1);
    assert_int_equal(o.breached_at, 2 * FW_SECOND);
    assert_int_equal(observed_seen(&o, o.through, GAP), SEEN_BREACH);
    assert_int_equal(feed(&o, &b, values + 4, 3), 0); /* the same one, ended */
    assert_int_equal(observed_seen(&o, o.through, GAP), SEEN_BEYOND);
    assert_int_equal(o.watched_ms, 7 * STEP);
}

static void silence_breaks_a_stay(void **state)
{
    struct fw_breach b = above(5, 30 * FW_SECOND);
    struct observed o;

    (void)state;
    observed_init(&o, 0);
    assert_false(observed_add(&o, &b, 1 * FW_SECOND, 9, STEP, GAP));
    assert_false(observed_add(&o, &b, 40 * FW_SECOND, 9, STEP, GAP));
    assert_int_equal(o.beyond_since, 40 * FW_SECOND);
    assert_int_equal(observed_seen(&o, 41 * FW_SECOND, GAP), SEEN_BEYOND);
    assert_int_equal(observed_seen(&o, 60 * FW_SECOND, GAP), SEEN_NOTHING);
    assert_int_equal(o.watched_ms, 2 * STEP);
}

static void short_silences_count_as_watched(void **state)
{
    struct fw_breach b = above(5, 20 * FW_SECOND);
    struct observed o;

    (void)state;
    observed_init(&o, 0);
    for (fw_ms t = GAP; t < 3 * GAP; t += GAP)
        assert_false(observed_add(&o, &b, t, 9, STEP, GAP));
    assert_true(observed_add(&o, &b, 3 * GAP, 9, STEP, GAP));
    assert_int_equal(o.watched_ms, STEP + 2 * GAP);
}

static void what_was_read_is_not_read_again(void **state)
{
    struct fw_breach b = above(5, 0);
    struct observed o;

    (void)state;
    observed_init(&o, 100);
    assert_false(observed_add(&o, &b, 100, 9, STEP, GAP));
    assert_false(observed_add(&o, &b, 50, 9, STEP, GAP));
    assert_int_equal(o.watched_ms, 0);
    assert_true(observed_add(&o, &b, 101, 9, STEP, GAP));
    assert_int_equal(observed_seen(&o, 101, GAP), SEEN_BREACH);
    assert_false(o.been_inside);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(limits_know_their_side),
        cmocka_unit_test(a_breach_begins_with_its_first_value),
        cmocka_unit_test(silence_breaks_a_stay),
        cmocka_unit_test(short_silences_count_as_watched),
        cmocka_unit_test(what_was_read_is_not_read_again),
    };

    return fixture_main(argc, argv, tests);
}
