/* SPDX-License-Identifier: GPL-3.0-or-later */
/* test_engine.c - budgets, cancelling, faults, functions of other rooms. */
#include "tests/support/fixture.h"

#include <math.h>
#include <stdatomic.h>

#include "storage/base/limits.h"
#include "tests/support/fault.h"
#include "tests/unit/query/memory_source.h"

struct fixture {
    struct memory_source data;
    struct fw_arena *arena;
    struct fw_query_options options;
    struct fw_result result;
    struct fw_err err;
};

static int setup(void **state)
{
    static struct fixture f;

    f = (struct fixture){.arena = fw_arena_new((size_t)64 << 20)};
    memory_source_init(&f.data);
    for (int s = 0; s < 3; s++) {
        char name[32];
        struct memory_series *series;

        (void)snprintf(name, sizeof(name), "m{s=\"%d\"}", s);
        series = memory_source_series(&f.data, name);
        for (int i = 0; i <= 100; i++)
            memory_series_add(series, i * 10000, s * 100 + i);
    }
    *state = &f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    memory_source_release(&f->data);
    fw_arena_free(f->arena);
    return 0;
}

static fw_rc run(struct fixture *f, const char *text)
{
    struct fw_source source = memory_source_as_source(&f->data);
    struct fw_query *query = NULL;
    fw_rc rc = fw_query_parse(fw_str_of(text), f->arena, &query, &f->err);

    if (rc != FW_OK)
        return rc;
    return fw_query_run(query, &source, &f->options, f->arena, &f->result,
                        &f->err);
}

/* ---- Limits -------------------------------------------------------------- */

static void samples_are_counted_and_capped(void **state)
{
    struct fixture *f = *state;

    f->options.start = f->options.end = 1000000;
    assert_int_equal(run(f, "sum_over_time(m[1h])"), FW_OK);
    assert_int_equal(f->result.samples_read, 303);
    assert_int_equal(f->result.series_read, 3);
    f->options.max_samples = 302;
    assert_int_equal(run(f, "sum_over_time(m[1h])"), FW_ETOOBIG);
    assert_non_null(strstr(f->err.text, "more than 302 samples"));
}

static void series_are_capped(void **state)
{
    struct fixture *f = *state;

    f->options.max_series = 2;
    assert_int_equal(run(f, "m"), FW_ETOOBIG);
    f->options.max_series = 3;
    assert_int_equal(run(f, "m"), FW_OK);
    assert_int_equal(run(f, "m + -m offset 1s"), FW_ETOOBIG);
    assert_non_null(strstr(f->err.text, "more than 3 series"));
}

static void memory_is_capped_by_the_arena(void **state)
{
    struct fixture *f = *state;

    fw_arena_free(f->arena);
    f->arena = fw_arena_new(20000);
    f->options = (struct fw_query_options){.end = 1000000, .step = 1000};
    assert_int_equal(run(f, "m + on(s) m"), FW_ETOOBIG);
    assert_int_equal(f->result.count, 0);
}

static void a_cancelled_query_stops(void **state)
{
    struct fixture *f = *state;
    atomic_bool cancel = true;

    f->options.cancel = &cancel;
    assert_int_equal(run(f, "m"), FW_ECANCELED);
    atomic_store(&cancel, false);
    assert_int_equal(run(f, "m"), FW_OK);
    f->options.cancel = NULL;
}

/* Every look at the clock takes it ahead. */
static uint64_t hasty(void *self)
{
    uint64_t *ns = self;

    return *ns += 1000000000;
}

static void time_is_capped(void **state)
{
    struct fixture *f = *state;
    uint64_t ns = 0;
    struct fw_clock clock = {NULL, hasty, &ns};

    f->options = (struct fw_query_options){
        .start = 1000000, .end = 1000000, .clock = &clock, .max_ms = 1500};
    /* A subquery of 360,000 steps asks the clock several times. */
    assert_int_equal(run(f, "sum_over_time(vector(1)[100h:1s]) + "
                            "sum_over_time(vector(1)[100h:1s])"),
                     FW_ECANCELED);
    assert_non_null(strstr(f->err.text, "may take 1s500ms"));
}

static void range_checks_come_before_work(void **state)
{
    struct fixture *f = *state;

    f->options = (struct fw_query_options){.end = INT64_MAX / 2, .step = 1};
    assert_int_equal(run(f, "m"), FW_EINVAL);
    f->options = (struct fw_query_options){.start = INT64_MIN, .end = 0};
    assert_int_equal(run(f, "m"), FW_EINVAL);
    f->options = (struct fw_query_options){.start = 0, .end = 10, .step = -1};
    assert_int_equal(run(f, "m"), FW_EINVAL);
    f->options = (struct fw_query_options){.start = 0, .end = 10};
    assert_int_equal(run(f, "m"), FW_EINVAL);
    assert_int_equal(f->data.opened, 0);
}

/* ---- Faults -------------------------------------------------------------- */

static const char *const all_kinds =
    "topk(2, sum by (s) (rate(m[5m])) * on(s) group_left m) or "
    "label_replace(quantile_over_time(0.5, m[5m:10s]), 'x', '$1', 's', '(.)') "
    "unless count_values('v', abs(m) > 5) or histogram_quantile(0.5, m)";

static void an_unreadable_block_is_told(void **state)
{
    struct fixture *f = *state;

    f->options = (struct fw_query_options){.end = 100000, .step = 10000};
    for (int n = 1; n < 40; n++) {
        f->data.fail_in = n;
        assert_int_equal(run(f, all_kinds), FW_ECORRUPT);
        assert_string_equal(f->err.text, "a block cannot be read");
    }
    f->data.fail_in = 0;
    assert_int_equal(run(f, all_kinds), FW_OK);
}

static void each_allocation_may_fail(void **state)
{
    struct fixture *f = *state;
    uint64_t nth = 1;

    f->options = (struct fw_query_options){.end = 100000, .step = 10000};
    for (;; nth++) {
        fw_rc rc;

        fw_arena_clear(f->arena);
        fault_memory(nth, FAULT_ONCE);
        rc = run(f, all_kinds);
        if (!fault_end())
            break;
        /* A note that is lost, or a sentence without its picture, is no
         * failure. */
        if (rc != FW_OK)
            assert_int_equal(rc, FW_ENOMEM);
    }
    assert_true(nth > 20);
}

/* ---- Functions of other rooms -------------------------------------------- */

/* number * (samples in the window) + length of the text; none for s = 2. */
static fw_rc probe(const struct fw_window_call *call, double *out,
                   struct fw_err *err)
{
    for (size_t i = 0; i < call->n; i++) {
        if (call->t[i] <= call->from || call->t[i] > call->to)
            return fw_err_set(err, FW_EINVAL, "a sample outside the window");
    }
    if (call->v[0] >= 200 && call->v[0] < 300)
        return FW_NONE;
    if (call->numbers[0] < 0)
        return fw_err_set(err, FW_EINVAL, "the number is negative");
    *out = call->numbers[0] * (double)call->n + (double)call->texts[0].n;
    return FW_OK;
}

static fw_rc plain(const struct fw_window_call *call, double *out,
                   struct fw_err *err)
{
    (void)err;
    *out = (double)call->to / 1000 - call->v[call->n - 1];
    return FW_OK;
}

static void a_registered_function_is_part_of_the_language(void **state)
{
    struct fixture *f = *state;

    f->options.start = f->options.end = 1000000;
    assert_int_equal(run(f, "probe(3, m[1m], 'abcd')"), FW_OK);
    assert_int_equal(f->result.count, 2);
    assert_true(f->result.series[0].v[0] == 3 * 6 + 4);
    assert_int_equal(f->result.series[0].labels.n, 1); /* no metric name */
    assert_int_equal(run(f, "sum(probe(1, (m * 2)[1m:10s], ''))"), FW_OK);
    assert_int_equal(run(f, "probe(1, m[1m])"), FW_EINVAL);
    assert_non_null(strstr(f->err.text, "expected 3 argument(s)"));
    assert_int_equal(run(f, "probe(m, m[1m], 'a')"), FW_EINVAL);
    assert_int_equal(run(f, "probe(-1, m[1m], 'a')"), FW_EINVAL);
    assert_string_equal(f->err.text, "the number is negative");
    assert_int_equal(run(f, "prob(1, m[1m], 'a')"), FW_EINVAL);
    assert_non_null(strstr(f->err.text, "did you mean probe()?"));
}

/* A forecast answers at steps for which there is no sample yet. */
static void steps_past_the_newest_sample_are_asked(void **state)
{
    struct fixture *f = *state;

    f->options = (struct fw_query_options){
        .start = 900000, .end = 1500000, .step = 100000};
    assert_int_equal(run(f, "plain(m{s='0'}[1h])"), FW_OK);
    assert_int_equal(f->result.count, 1);
    assert_int_equal(f->result.series[0].n, 7);
    assert_true(f->result.series[0].v[6] == 1500 - 100);
    assert_int_equal(run(f, "plain(m{s='0'}[1h] @ 1000)"), FW_OK);
    assert_true(f->result.series[0].v[6] == 900);
}

static void a_bad_registration_is_refused(void **state)
{
    struct fw_err err = {0};

    (void)state;
    assert_int_equal(fw_query_register("rate", "m", plain, &err), FW_EINVAL);
    assert_int_equal(fw_query_register("probe", "m", plain, &err), FW_EINVAL);
    assert_int_equal(fw_query_register("sum", "m", plain, &err), FW_EINVAL);
    assert_int_equal(fw_query_register("two", "mm", plain, &err), FW_EINVAL);
    assert_int_equal(fw_query_register("none", "s", plain, &err), FW_EINVAL);
    assert_int_equal(fw_query_register("v", "mv", plain, &err), FW_EINVAL);
    assert_int_equal(fw_query_register("a b", "m", plain, &err), FW_EINVAL);
    assert_int_equal(fw_query_enable("no-such-feature", &err), FW_EINVAL);
}

/* Before anything is switched on. */
static void experimental_functions_are_off_at_first(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(run(f, "mad_over_time(m[5m])"), FW_EINVAL);
    assert_non_null(strstr(f->err.text, "--enable-feature"));
    assert_int_equal(run(f, "limitk(1, m)"), FW_EINVAL);
    assert_int_equal(fw_query_enable("promql-experimental-functions", &f->err),
                     FW_OK);
    f->options.start = f->options.end = 1000000;
    assert_int_equal(run(f, "mad_over_time(m[5m])"), FW_OK);
    assert_int_equal(run(f, "limitk(1, m)"), FW_OK);
}

int main(int argc, char **argv)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(experimental_functions_are_off_at_first),
        TEST(samples_are_counted_and_capped),
        TEST(series_are_capped),
        TEST(memory_is_capped_by_the_arena),
        TEST(a_cancelled_query_stops),
        TEST(time_is_capped),
        TEST(range_checks_come_before_work),
        TEST(an_unreadable_block_is_told),
        TEST(each_allocation_may_fail),
        TEST(a_registered_function_is_part_of_the_language),
        TEST(steps_past_the_newest_sample_are_asked),
        TEST(a_bad_registration_is_refused),
    };
    struct fw_err err = {0};

    if (fw_query_register("probe", "smt", probe, &err) != FW_OK ||
        fw_query_register("plain", "m", plain, &err) != FW_OK)
        return 1;
    return fixture_main(argc, argv, tests);
}
