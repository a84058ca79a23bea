/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "tests/support/fixture.h"

#include <math.h>

#include "server/alert/calibration.h"
#include "tests/support/tmpdir.h"

static struct fw_err err;

/* A number in [0, 1) of a sequence that is the same each time. */
static double draw(uint64_t *seed)
{
    *seed =
        *seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (double)(*seed >> 11) / 9007199254740992.0;
}

/* What is said where the truth is p. */
typedef double (*sayer)(double p);

static double honest(double p)
{
    return p;
}

/* Far too sure of itself: twice the logit, and a little high. */
static double boastful(double p)
{
    double x = 2 * log(p / (1 - p)) + 0.8;

    return 1 / (1 + exp(-x));
}

/* Feeds n predictions; the Brier scores of what was said and of the map. */
static void live(struct calibration *c, sayer say, int n, uint64_t *seed,
                 double *raw, double *mapped)
{
    *raw = *mapped = 0;
    for (int i = 0; i < n; i++) {
        double truth = 0.02 + 0.96 * draw(seed), said = say(truth);
        bool breach = draw(seed) < truth;
        /* The map of before is judged; only then does it learn. */
        double q = calibration_map(c, said), y = breach ? 1 : 0;

        *raw += (said - y) * (said - y) / n;
        *mapped += (q - y) * (q - y) / n;
        calibration_add(c, said, breach, i + 1);
    }
}

static void who_boasts_is_corrected(void **state)
{
    struct calibration c;
    uint64_t seed = 7;
    double raw, mapped;

    (void)state;
    calibration_init(&c, 1);
    live(&c, boastful, 400, &seed, &raw, &mapped);
    live(&c, boastful, 2000, &seed, &raw, &mapped);
    assert_true(c.in_force);
    assert_true(mapped < raw - 0.005);
    /* It says about what is true. */
    for (double p = 0.1; p < 0.95; p += 0.1)
        assert_true(fabs(calibration_map(&c, boastful(p)) - p) < 0.06);
}

static void who_is_calibrated_is_not_hurt(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 20; seed++) {
        struct calibration c;
        uint64_t s = seed;
        double raw, mapped;

        calibration_init(&c, 1);
        live(&c, honest, 3000, &s, &raw, &mapped);
        assert_true(mapped < raw + 0.001);
        for (double p = 0.1; p < 0.95; p += 0.1)
            assert_true(fabs(calibration_map(&c, p) - p) < 0.06);
    }
}

static void few_grades_change_nothing(void **state)
{
    struct calibration c;

    (void)state;
    calibration_init(&c, 1);
    for (int i = 0; i < CALIBRATION_LEAST - 1; i++)
        calibration_add(&c, 0.9, false, 0);
    assert_true(calibration_map(&c, 0.9) == 0.9);
    /* And many in which nothing ever happened prove nothing. */
    for (int i = 0; i < 1000; i++)
        calibration_add(&c, 0.9, false, 0);
    assert_false(calibration_is_old_enough(&c));
    assert_true(calibration_map(&c, 0.9) == 0.9);
}

static void a_map_is_kept(void **state)
{
    struct fw_store_options options = {
        .create = true, .linger = -1, .disk_floor = 1};
    struct fw_store *store = NULL;
    struct fw_txn *txn = NULL;
    struct calibration c, again;
    uint64_t seed = 7;
    double raw, mapped;

    (void)state;
    calibration_init(&c, 5);
    live(&c, boastful, 730, &seed, &raw, &mapped);
    assert_int_equal(fw_store_open(tmpdir_new(), &options, &store, &err),
                     FW_OK);
    assert_int_equal(fw_txn_begin(store, true, &txn, &err), FW_OK);
    assert_int_equal(calibration_get(txn, FW_STR("w"), &again, &err), FW_NONE);
    assert_int_equal(calibration_put(txn, FW_STR("w"), &c, &err), FW_OK);
    assert_int_equal(calibration_get(txn, FW_STR("w"), &again, &err), FW_OK);
    fw_txn_abort(txn);
    fw_store_close(store);
    assert_int_equal(again.definition, 5);
    for (double p = 0.05; p < 1; p += 0.1)
        assert_true(calibration_map(&again, p) == calibration_map(&c, p));
    live(&c, boastful, 100, &seed, &raw, &mapped);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(who_boasts_is_corrected),
        cmocka_unit_test(who_is_calibrated_is_not_hurt),
        cmocka_unit_test(few_grades_change_nothing),
        cmocka_unit_test(a_map_is_kept),
    };

    return fixture_main(argc, argv, tests);
}
