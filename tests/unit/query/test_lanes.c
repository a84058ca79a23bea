/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * test_lanes.c - whatever registers there are, the kernels answer with the
 * bits of a plain loop.
 */
#include "tests/support/fixture.h"

#include <math.h>
#include <string.h>

#include "query/eval/lanes.h"
#include "query/eval/window.h"
#include "tests/support/synth.h"

#define N 1000

static double values[N];

static void fill(void)
{
    struct synth_rng rng = synth_seed(7);

    for (size_t i = 0; i < N; i++) {
        double v = synth_normal(&rng);

        values[i] = i % 7 == 0 ? v * 1e16 : i % 5 == 0 ? -v * 1e-9 : v;
    }
}

static void sums_are_those_of_a_loop(void **state)
{
    static const uint32_t at[LANES] = {0, 3, 100, 101, 333, 500, 640, 700};

    (void)state;
    for (int width = 0; width < LANE_WIDTHS; width++) {
        struct lane_sums sums = {{0}, {0}};

        if (!lanes_use(width))
            continue;
        lanes_add(values, at, 300, &sums);
        for (size_t l = 0; l < LANES; l++) {
            struct ksum k = {0};

            for (size_t i = 0; i < 300; i++)
                ksum_add(&k, values[at[l] + i]);
            assert_memory_equal(&sums.sum[l], &k.sum, sizeof(k.sum));
            assert_memory_equal(&sums.c[l], &k.c, sizeof(k.c));
        }
    }
}

static void spreads_are_the_same_in_all_widths(void **state)
{
    double mean[LANE_WIDTHS], squares[LANE_WIDTHS];

    (void)state;
    for (size_t n = 1; n < 200; n += 13) {
        double sum = 0;

        for (size_t i = 0; i < n; i++)
            sum += values[i] / 1e16;
        for (int width = 0; width < LANE_WIDTHS; width++) {
            mean[width] = mean[0];
            squares[width] = squares[0];
            if (lanes_use(width))
                lanes_spread(values, n, &mean[width], &squares[width]);
            assert_memory_equal(&mean[width], &mean[0], sizeof(*mean));
            assert_memory_equal(&squares[width], &squares[0], sizeof(*mean));
        }
        assert_true(fabs(mean[0] / 1e16 - sum / (double)n) < 1e-12);
    }
}

static double extreme_by_loop(const double *v, size_t n, bool max)
{
    double best = max ? -INFINITY : INFINITY;

    for (size_t i = 0; i < n; i++) {
        if (max ? v[i] > best : v[i] < best)
            best = v[i];
    }
    return best;
}

static void extremes_pass_over_nan(void **state)
{
    static const uint32_t at[LANES] = {0, 1, 2, 3, 5, 8, 13, 21};
    double v[N];

    (void)state;
    memcpy(v, values, sizeof(v));
    for (size_t i = 0; i < N; i += 11)
        v[i] = NAN;
    for (int width = 0; width < LANE_WIDTHS; width++) {
        if (!lanes_use(width))
            continue;
        for (int max = 0; max < 2; max++) {
            double none = max ? -INFINITY : INFINITY;
            double best[LANES] = {none, none, none, none,
                                  none, none, none, none};

            for (size_t n = 0; n < 60; n++)
                assert_true(lanes_extreme(v + n, n, max) ==
                            extreme_by_loop(v + n, n, max));
            lanes_extremes(v, at, 50, max, best);
            for (size_t l = 0; l < LANES; l++)
                assert_true(best[l] == extreme_by_loop(v + at[l], 50, max));
        }
    }
}

static void a_marker_or_a_fall_is_found_wherever_it_is(void **state)
{
    double v[40];

    (void)state;
    for (int width = 0; width < LANE_WIDTHS; width++) {
        if (!lanes_use(width))
            continue;
        for (size_t n = 1; n <= 40; n++) {
            for (size_t i = 0; i < n; i++)
                v[i] = (double)i;
            assert_false(lanes_have(v, n, FW_STALE_BITS));
            assert_false(lanes_fall(v, n));
            for (size_t i = 0; i < n; i++) {
                v[i] = absent();
                assert_true(lanes_have(v, n, FW_STALE_BITS));
                assert_false(lanes_fall(v, n)); /* a NaN is not less */
                v[i] = -1;
                assert_int_equal(lanes_fall(v, n), i > 0);
                v[i] = (double)i;
            }
        }
    }
}

/* ---- Whole numbers --------------------------------------------------------
 */

static void copies_know_whole_numbers(void **state)
{
    static const double odd[] = {
        0.5,           -0.0,   NAN,          INFINITY,      -INFINITY,
        2147483648.5,  1e300,  4294967296.0, -4294967296.0, 1e-300,
        -2147483649.0, 0x1p52, -1e300,       -0x1p62,       -1e17};
    double from[40], to[40];

    (void)state;
    for (int width = 0; width < LANE_WIDTHS; width++) {
        if (!lanes_use(width))
            continue;
        for (size_t n = 0; n <= 40; n++) {
            for (size_t i = 0; i < n; i++)
                from[i] = (double)((int)i * 7919 % 101 - 50) * 42949672.0;
            memset(to, 0xFF, sizeof(to));
            assert_true(lanes_copy(to, from, n));
            assert_memory_equal(to, from, n * sizeof(*to));
            for (size_t i = 0; i < n; i++) {
                double kept = from[i];

                from[i] = odd[(i + n) % (sizeof(odd) / sizeof(odd[0]))];
                assert_false(lanes_copy(to, from, n));
                assert_memory_equal(to, from, n * sizeof(*to));
                from[i] = kept;
            }
        }
    }
}

static void whole_sums_are_compensated_sums(void **state)
{
    struct synth_rng rng = synth_seed(11);
    double v[N];

    (void)state;
    for (size_t i = 0; i < N; i++)
        v[i] = rint(synth_normal(&rng) * 1e8) + 0.0;
    for (int width = 0; width < LANE_WIDTHS; width++) {
        if (!lanes_use(width))
            continue;
        for (size_t n = 0; n < N; n += 1 + n / 8) {
            struct ksum sum = {0}, drops = {0};
            double got;

            for (size_t i = 0; i < n; i++) {
                ksum_add(&sum, v[i]);
                if (i > 0 && v[i] < v[i - 1])
                    ksum_add(&drops, v[i - 1]);
            }
            assert_true(sum.c == 0 && drops.c == 0);
            got = lanes_sum(v, n);
            assert_memory_equal(&got, &sum.sum, sizeof(got));
            got = lanes_drops(v, n);
            assert_memory_equal(&got, &drops.sum, sizeof(got));
        }
    }
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sums_are_those_of_a_loop),
        cmocka_unit_test(spreads_are_the_same_in_all_widths),
        cmocka_unit_test(extremes_pass_over_nan),
        cmocka_unit_test(a_marker_or_a_fall_is_found_wherever_it_is),
        cmocka_unit_test(copies_know_whole_numbers),
        cmocka_unit_test(whole_sums_are_compensated_sums),
    };

    fill();
    return fixture_main(argc, argv, tests);
}
