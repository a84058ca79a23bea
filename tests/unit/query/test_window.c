/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * test_window.c - a range is evaluated by carrying results from window to
 * window; an instant by adding up one window. Both must say the same.
 */
#include "tests/support/fixture.h"

#include <math.h>
#include <stdlib.h>

#include "tests/unit/query/memory_source.h"

#define STEPS 200

static uint64_t random_state;

static uint32_t random_below(uint32_t n)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return (uint32_t)(random_state >> 33) % n;
}

/* Values that are hard on sums: large beside small, NaN, infinities. */
static double random_value(int kind)
{
    static const double odd[] = {1e100, -1e100, 1e-100,   0,        -0.0,
                                 1,     NAN,    INFINITY, -INFINITY};

    if (kind == 0)
        return (double)random_below(1000) / 8;
    if (kind == 1)
        return 1e9 + (double)random_below(1000) / 1000;
    if (kind == 2)
        return (double)random_below(3);
    return random_below(20) == 0 ? odd[random_below(9)]
                                 : (double)random_below(100);
}

static void fill(struct memory_source *m, int kind)
{
    struct memory_series *s = memory_source_series(m, "x{a=\"b\"}");
    fw_ms t = 0;

    for (size_t i = 0; i < 2000; i++) {
        t += 1000 + (fw_ms)random_below(500);
        if (random_below(50) == 0)
            t += 60000; /* a hole */
        memory_series_add(s, t, random_value(kind));
    }
}

/* Runs text from start on; values by step, absent ones as `none`. */
static void run(struct memory_source *m, const char *text, fw_ms start,
                fw_ms step, size_t steps, double none, double *out)
{
    struct fw_source source = memory_source_as_source(m);
    struct fw_query_options options = {.start = start,
                                       .end = start + step * (fw_ms)(steps - 1),
                                       .step = steps > 1 ? step : 0};
    struct fw_arena *arena = fw_arena_new((size_t)64 << 20);
    struct fw_query *query = NULL;
    struct fw_result result = {0};
    struct fw_err err = {0};

    if (fw_query_parse(fw_str_of(text), arena, &query, &err) != FW_OK ||
        fw_query_run(query, &source, &options, arena, &result, &err) != FW_OK)
        fail_msg("%s: %s", text, err.text);
    for (size_t i = 0; i < steps; i++)
        out[i] = none;
    for (size_t i = 0; result.count > 0 && i < result.series[0].n; i++)
        out[steps > 1 ? (result.series[0].t[i] - start) / step : 0] =
            result.series[0].v[i];
    fw_arena_free(arena);
}

static bool alike(double a, double b, double scale)
{
    if (isnan(a) || isnan(b))
        return isnan(a) && isnan(b);
    if (isinf(a) || isinf(b))
        return a == b;
    return fabs(a - b) <= 1e-12 * fmax(fmax(fabs(a), fabs(b)), scale);
}

/* `scale`: what a difference is measured against besides the values. */
static void compare(const char *text, double scale)
{
    const double none = -12345.678;

    for (int kind = 0; kind < 4; kind++) {
        struct memory_source m;
        double range[STEPS];

        memory_source_init(&m);
        random_state = fixture_seed() * 2654435761u + (uint64_t)kind + 1;
        fill(&m, kind);
        run(&m, text, 100000, 10000, STEPS, none, range);
        for (size_t i = 0; i < STEPS; i++) {
            double one;

            run(&m, text, 100000 + 10000 * (fw_ms)i, 0, 1, none, &one);
            if (!alike(range[i], one, scale))
                fail_msg("%s kind %d step %zu: range %.17g, instant %.17g",
                         text, kind, i, range[i], one);
        }
        memory_source_release(&m);
    }
}

static void sums_carried_are_sums_added(void **state)
{
    (void)state;
    compare("sum_over_time(x[5m])", 0);
    compare("avg_over_time(x[5m])", 0);
    compare("sum_over_time(x[20s])", 0);
    compare("sum_over_time(x[15m])", 0);
}

static void extremes_carried_are_extremes_found(void **state)
{
    (void)state;
    compare("min_over_time(x[5m])", 0);
    compare("max_over_time(x[5m])", 0);
    compare("ts_of_max_over_time(x[5m])", 0);
    compare("ts_of_min_over_time(x[5m])", 0);
}

static void quantiles_carried_are_quantiles_sorted(void **state)
{
    (void)state;
    compare("quantile_over_time(0.5, x[5m])", 0);
    compare("quantile_over_time(0.99, x[5m])", 0);
    compare("quantile_over_time(0, x[5m])", 0);
    compare("quantile_over_time(1, x[5m])", 0);
}

static void spread_carried_is_spread_computed(void **state)
{
    (void)state;
    /* Of 1e9 + small the squares keep about six digits. */
    compare("stdvar_over_time(x[5m])", 1e6);
    compare("stddev_over_time(x[5m])", 1e6);
}

static void ends_and_counts_do_not_depend_on_the_range(void **state)
{
    static const char *const texts[] = {"rate(x[5m])",
                                        "increase(x[5m])",
                                        "delta(x[5m])",
                                        "irate(x[5m])",
                                        "idelta(x[5m])",
                                        "resets(x[5m])",
                                        "changes(x[5m])",
                                        "count_over_time(x[5m])",
                                        "last_over_time(x[5m])",
                                        "first_over_time(x[5m])",
                                        "present_over_time(x[5m])",
                                        "deriv(x[5m])",
                                        "mad_over_time(x[5m])",
                                        "predict_linear(x[5m], 60)",
                                        "x"};

    (void)state;
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
        compare(texts[i], 0);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sums_carried_are_sums_added),
        cmocka_unit_test(extremes_carried_are_extremes_found),
        cmocka_unit_test(quantiles_carried_are_quantiles_sorted),
        cmocka_unit_test(spread_carried_is_spread_computed),
        cmocka_unit_test(ends_and_counts_do_not_depend_on_the_range),
    };
    struct fw_err err = {0};

    if (fw_query_enable("promql-experimental-functions", &err) != FW_OK)
        return 1;
    return fixture_main(argc, argv, tests);
}
