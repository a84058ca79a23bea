/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "tests/support/fixture.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "predict/breach/breach_tasks.h"
#include "tests/support/synth.h"

#define N 1500
#define STEP (5 * FW_MINUTE)
#define ROUNDS 12
#define LIMITS 6
#define HORIZONS 8

static fw_ms t[N];
static double v[N];

static struct csv_series made(void)
{
    struct synth_rng rng = synth_seed(fixture_seed());
    struct csv_series s = {.name = FW_STR("a"), .t = t, .v = v, .n = N};

    memset(v, 0, sizeof(v));
    synth_season(v, N, 288.0, 10.0);
    synth_ramp(v, N, 20.0, 0.01);
    synth_noise(&rng, v, N, 1.0);
    for (size_t i = 0; i < N; i++)
        t[i] = 1700006400000 + (fw_ms)i * STEP;
    return s;
}

/* Asked together with others of later moments, or by itself of a series that
 * ends at its moment: the answer is the same. */
static void no_answer_knows_the_future(void **state)
{
    struct csv_series s = made(), cut;
    struct csv_task tasks[100];
    struct breach_answer together[100], alone;
    size_t n = 0;

    (void)state;
    for (size_t o = 310; o < 1420; o += 24, n += 2) {
        tasks[n] = (struct csv_task){.task = FW_STR("q"),
                                     .series = s.name,
                                     .as_of = t[o - 1],
                                     .horizon = 6 * FW_HOUR,
                                     .threshold = v[o - 1] + 6.0};
        tasks[n + 1] = tasks[n];
        tasks[n + 1].below = true;
        tasks[n + 1].threshold = v[o - 1] - 6.0;
    }
    assert_int_equal(breach_tasks_run(&s, 1, tasks, n, together, NULL), FW_OK);
    for (size_t i = 0; i < n; i++) {
        cut = s;
        while (cut.t[cut.n - 1] > tasks[i].as_of)
            cut.n--;
        assert_int_equal(breach_tasks_run(&cut, 1, &tasks[i], 1, &alone, NULL),
                         FW_OK);
        assert_true(together[i].told && alone.told);
        assert_true(fabs(together[i].probability - alone.probability) < 0.005);
    }
}

/* Any horizons and limits, asked at once: a longer horizon is never less
 * likely, whatever lies between. */
static void a_longer_horizon_is_never_less_likely(void **state)
{
    static struct csv_task tasks[ROUNDS * LIMITS * HORIZONS];
    static struct breach_answer answers[ROUNDS * LIMITS * HORIZONS];
    struct synth_rng rng = synth_seed(fixture_seed() + 1);
    struct csv_series s = made();
    size_t n = 0;

    (void)state;
    for (int round = 0; round < ROUNDS; round++) {
        size_t o = 40 + (size_t)(synth_uniform(&rng) * (N - 40));

        for (int j = 0; j < LIMITS; j++) {
            bool below = synth_u64(&rng) & 1;
            double far = 20.0 * synth_uniform(&rng) * synth_uniform(&rng);
            fw_ms horizon = 0;

            for (int k = 0; k < HORIZONS; k++) {
                horizon += STEP + (fw_ms)(synth_uniform(&rng) *
                                          (double)(horizon + 20 * FW_MINUTE));
                if (synth_u64(&rng) & 1)
                    horizon = (horizon + FW_HOUR - 1) / FW_HOUR * FW_HOUR;
                tasks[n++] = (struct csv_task){
                    .task = FW_STR("q"),
                    .series = s.name,
                    .as_of = t[o - 1],
                    .horizon = horizon,
                    .below = below,
                    .threshold = v[o - 1] + (below ? -far : far)};
            }
        }
    }
    assert_int_equal(breach_tasks_run(&s, 1, tasks, n, answers, NULL), FW_OK);
    for (size_t i = 1; i < n; i++) {
        if (i % HORIZONS == 0)
            continue;
        assert_true(answers[i].told);
        if (answers[i].probability < answers[i - 1].probability)
            fail_msg("%s %g from %lld on: %.9f within %lld s, %.9f within %lld",
                     tasks[i].below ? "<" : ">", tasks[i].threshold,
                     (long long)tasks[i].as_of, answers[i - 1].probability,
                     (long long)tasks[i - 1].horizon / 1000,
                     answers[i].probability,
                     (long long)tasks[i].horizon / 1000);
    }
}

static void a_series_that_is_not_there_is_not_told(void **state)
{
    struct csv_series s = made();
    struct csv_task task = {.task = FW_STR("q"),
                            .series = FW_STR("b"),
                            .as_of = t[800],
                            .horizon = FW_HOUR};
    struct breach_answer answer;

    (void)state;
    assert_int_equal(breach_tasks_run(&s, 1, &task, 1, &answer, NULL), FW_OK);
    assert_false(answer.told);
    task.series = s.name;
    task.as_of = t[0] - 1;
    assert_int_equal(breach_tasks_run(&s, 1, &task, 1, &answer, NULL), FW_OK);
    assert_false(answer.told);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_answer_knows_the_future),
        cmocka_unit_test(a_longer_horizon_is_never_less_likely),
        cmocka_unit_test(a_series_that_is_not_there_is_not_told),
    };
    return fixture_main(argc, argv, tests);
}
