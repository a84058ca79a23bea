/* SPDX-License-Identifier: GPL-3.0-or-later */
/* test_ranks.c - the k-th of many values, against sorting them. */
#include "tests/support/fixture.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "query/eval/ranks.h"
#include "tests/support/synth.h"

#define N 700

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a;
    double y = *(const double *)b;

    if (isnan(x) || isnan(y))
        return isnan(y) - isnan(x);
    return (x > y) - (x < y);
}

static bool alike(double a, double b)
{
    return a == b || (isnan(a) && isnan(b));
}

/* Few values and many, NaN, zeros of both signs, infinities. */
static void fill(double *v, size_t n, int kind, struct synth_rng *rng)
{
    static const double odd[] = {NAN, 0, -0.0, INFINITY, -INFINITY, 1, -1};

    for (size_t i = 0; i < n; i++) {
        if (kind == 0)
            v[i] = synth_normal(rng);
        else if (kind == 1)
            v[i] = (double)(synth_u64(rng) % 5);
        else if (kind == 2)
            v[i] = odd[synth_u64(rng) % 7];
        else
            v[i] = (double)i; /* sorted already */
    }
}

static void any_place_is_found(void **state)
{
    struct synth_rng rng = synth_seed(3);
    double v[N], sorted[N], work[N];

    (void)state;
    for (int kind = 0; kind < 4; kind++) {
        for (size_t n = 1; n <= N; n += n < 40 ? 1 : 97) {
            fill(v, n, kind, &rng);
            memcpy(sorted, v, sizeof(v));
            qsort(sorted, n, sizeof(*sorted), by_value);
            for (size_t k = 0; k < n; k += 1 + n / 50) {
                memcpy(work, v, sizeof(v));
                assert_true(alike(ranks_select(work, n, k), sorted[k]));
                for (size_t i = 0; i < k; i++)
                    assert_true(by_value(&work[i], &sorted[k]) <= 0);
                for (size_t i = k + 1; i < n && !isnan(sorted[k]); i++)
                    assert_true(by_value(&work[i], &sorted[k]) >= 0);
            }
        }
    }
}

static void a_sliding_set_knows_its_order(void **state)
{
    struct synth_rng rng = synth_seed(5);
    double v[N], sorted[N];
    void *memory = malloc(ranks_bytes(N));

    (void)state;
    assert_non_null(memory);
    for (int kind = 0; kind < 4; kind++) {
        struct ranks ranks;
        size_t width = 90;

        fill(v, N, kind, &rng);
        ranks_init(&ranks, memory, v, N);
        for (size_t i = 0; i < N; i++) {
            size_t n = i < width ? i + 1 : width;

            ranks_add(&ranks, i);
            if (i >= width)
                ranks_remove(&ranks, i - width);
            memcpy(sorted, v + i + 1 - n, n * sizeof(*v));
            qsort(sorted, n, sizeof(*sorted), by_value);
            for (size_t k = 0; k < n; k += 7)
                assert_true(alike(ranks_at(&ranks, k), sorted[k]));
        }
    }
    free(memory);
}

/*
 * A sample that comes or goes changes one counter a level, and finding the
 * k-th looks at fifteen of each at most; levels are what grows, by one where
 * samples are sixteen times as many.
 */
static void work_grows_with_the_logarithm(void **state)
{
    (void)state;
    for (size_t n = 16, levels = 1; n <= 65536; n *= 16, levels++) {
        double *v = malloc(n * sizeof(*v));
        void *memory = malloc(ranks_bytes(n));
        struct ranks ranks;

        assert_non_null(v);
        assert_non_null(memory);
        for (size_t i = 0; i < n; i++)
            v[i] = (double)(i * 40503 % n);
        ranks_init(&ranks, memory, v, n);
        assert_int_equal(ranks.levels, levels);
        for (size_t level = 1; level < levels; level++)
            assert_true(ranks.level_at[level] - ranks.level_at[level - 1] <=
                        (n >> 4 * (level - 1)) + 16);
        free(memory);
        free(v);
    }
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(any_place_is_found),
        cmocka_unit_test(a_sliding_set_knows_its_order),
        cmocka_unit_test(work_grows_with_the_logarithm),
    };

    return fixture_main(argc, argv, tests);
}
