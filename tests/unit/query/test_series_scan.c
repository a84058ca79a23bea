/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * test_series_scan.c - the same answer, to the bit, with any number of threads;
 * and the same whether blocks are read or their summaries are.
 */
#include "tests/support/fixture.h"

#include <math.h>

#include "query/engine.h"
#include "query/eval/eval.h"
#include "storage/base/limits.h"
#include "tests/support/synth.h"
#include "tests/support/tmpdir.h"

#define SERIES 130
#define SAMPLES 3000
#define STEP 10000
#define START 1700000000000

struct fixture {
    const char *dir;
    struct fw_store *store;
    struct fw_crew *crew;
    struct fw_source source;
    struct fw_arena *arenas[2];
    struct fw_result results[2];
    struct fw_query_options options;
};

/* Every third series has times of its own, every tenth a NaN or a marker. */
static void fill(struct fw_store *store)
{
    struct synth_rng rng = synth_seed(1);
    struct fw_batch batch = {0};
    struct fw_append_result result = {0};

    for (size_t s = 0; s < SERIES; s++) {
        char host[16];
        struct fw_label v[] = {{FW_STR("__name__"), FW_STR("m_total")},
                               {FW_STR("host"), {host, 0}}};
        struct fw_labels labels = {v, 2};
        uint32_t id = 0;

        v[1].value.n = (size_t)snprintf(host, sizeof(host), "h%zu", s);
        assert_int_equal(fw_store_series(store, &labels, &id, NULL), FW_OK);
        for (size_t i = 0; i < SAMPLES; i++) {
            double x = synth_normal(&rng) * 100;
            fw_ms jitter = s % 3 == 0 ? (fw_ms)(synth_u64(&rng) % 2000) : 0;

            if (s % 10 == 4 && i % 1700 == 1600)
                x = i % 2 == 0 ? NAN : fw_double_of_bits(FW_STALE_BITS);
            assert_int_equal(
                fw_batch_add(&batch, id, START + (fw_ms)i * STEP + jitter, x),
                FW_OK);
            if (batch.n == FW_MAX_BATCH_SAMPLES)
                assert_int_equal(fw_store_append(store, &batch, &result, NULL),
                                 FW_OK);
        }
    }
    assert_int_equal(fw_store_append(store, &batch, &result, NULL), FW_OK);
    assert_int_equal(result.too_old + result.too_new, 0);
    fw_batch_release(&batch);
}

/* The store is made once: the tests only read it. */
static struct fixture shared;

static int setup(void **state)
{
    struct fw_store_options options = {
        .create = true, .retention = INT64_MAX, .ooo_window = INT64_MAX / 4};
    struct fw_err err = {0};

    *state = &shared;
    if (shared.store != NULL)
        return 0;
    shared.dir = tmpdir_new();
    assert_int_equal(fw_store_open(shared.dir, &options, &shared.store, &err),
                     FW_OK);
    fill(shared.store);
    fw_store_close(shared.store); /* all in blocks */
    assert_int_equal(fw_store_open(shared.dir, &options, &shared.store, &err),
                     FW_OK);
    shared.crew = fw_crew_new(3);
    shared.source = fw_source_of_store(shared.store);
    for (size_t i = 0; i < 2; i++)
        shared.arenas[i] = fw_arena_new((size_t)256 << 20);
    return 0;
}

static void release(struct fixture *f)
{
    fw_crew_free(f->crew);
    fw_store_close(f->store);
    for (size_t i = 0; i < 2; i++)
        fw_arena_free(f->arenas[i]);
}

static fw_rc run(struct fixture *f, size_t i, const char *text,
                 struct fw_err *err)
{
    struct fw_query *query = NULL;

    fw_arena_clear(f->arenas[i]);
    assert_int_equal(fw_query_parse(fw_str_of(text), f->arenas[i], &query, err),
                     FW_OK);
    return fw_query_run(query, &f->source, &f->options, f->arenas[i],
                        &f->results[i], err);
}

static bool alike(double a, double b, double tolerance)
{
    if (isnan(a) || isnan(b))
        return isnan(a) && isnan(b);
    return a == b || fabs(a - b) <= tolerance * fmax(fabs(a), fabs(b));
}

static void assert_same(const struct fixture *f, const char *text,
                        double tolerance)
{
    const struct fw_result *a = &f->results[0];
    const struct fw_result *b = &f->results[1];

    assert_int_equal(a->count, b->count);
    for (size_t s = 0; s < a->count; s++) {
        const struct fw_result_series *x = &a->series[s];
        const struct fw_result_series *y = &b->series[s];

        assert_int_equal(fw_labels_cmp(&x->labels, &y->labels), 0);
        assert_int_equal(x->n, y->n);
        assert_memory_equal(x->t, y->t, x->n * sizeof(*x->t));
        for (size_t i = 0; i < x->n; i++) {
            if (alike(x->v[i], y->v[i], tolerance) &&
                (tolerance > 0 || signbit(x->v[i]) == signbit(y->v[i])))
                continue;
            fail_msg("%s: %.17g is not %.17g", text, x->v[i], y->v[i]);
        }
    }
    assert_int_equal(a->samples_read, b->samples_read);
    assert_int_equal(a->series_read, b->series_read);
    assert_int_equal(a->warning_count, b->warning_count);
    assert_int_equal(a->info_count, b->info_count);
}

static void threads_change_no_bit(void **state)
{
    static const char *const asks[] = {
        "m_total",
        "sum(rate(m_total[5m]))",
        "avg by (host) (avg_over_time(m_total[1h]))",
        "stddev(max_over_time(m_total[10m]))",
        "quantile_over_time(1.5, m_total[20m])",
        "sum(sum_over_time(m_total[4h]))",
        "topk(3, deriv(m_total[10m]))",
        "m_total * on (host) stdvar_over_time(m_total[30m])",
        "max_over_time(sum(m_total)[1h:1m])",
        "sum(timestamp(m_total)) + count(absent_over_time(m_total[1m]))",
        "sum(increase(m_total[5m] offset 1h)) - sum(m_total @ end())",
    };
    struct fixture *f = *state;
    struct fw_err err = {0};

    for (size_t i = 0; i < sizeof(asks) / sizeof(asks[0]); i++) {
        f->options = (struct fw_query_options){
            .start = START, .end = START + SAMPLES * STEP, .step = 60000};
        assert_int_equal(run(f, 0, asks[i], &err), FW_OK);
        f->options.crew = f->crew;
        assert_int_equal(run(f, 1, asks[i], &err), FW_OK);
        assert_same(f, asks[i], 0);
        assert_true(f->results[0].samples_read > 100000);
    }
}

static void a_limit_strikes_with_threads_too(void **state)
{
    struct fixture *f = *state;
    atomic_bool cancel = true;
    struct fw_err err = {0};

    f->options = (struct fw_query_options){.start = START,
                                           .end = START + SAMPLES * STEP,
                                           .step = 60000,
                                           .max_samples = 300000,
                                           .crew = f->crew};
    assert_int_equal(run(f, 0, "sum(rate(m_total[5m]))", &err), FW_ETOOBIG);
    assert_non_null(strstr(err.text, "more than 300000 samples"));
    f->options.max_samples = 0;
    f->options.cancel = &cancel;
    assert_int_equal(run(f, 0, "sum(rate(m_total[5m]))", &err), FW_ECANCELED);
}

/* ---- Functions of other rooms -------------------------------------------- */

static fw_rc spread(const struct fw_window_call *call, double *out,
                    struct fw_err *err)
{
    (void)err;
    *out = call->v[call->n - 1] - call->v[0] + call->numbers[0];
    return FW_OK;
}

static void functions_of_other_rooms_are_shared_out(void **state)
{
    struct fixture *f = *state;
    struct fw_err err = {0};

    assert_int_equal(fw_query_register("spread_of", "ms", spread, &err), FW_OK);
    f->options = (struct fw_query_options){.start = START + SAMPLES * STEP,
                                           .end = START + SAMPLES * STEP};
    assert_int_equal(run(f, 0, "spread_of(m_total[1h], 3)", &err), FW_OK);
    f->options.crew = f->crew;
    assert_int_equal(run(f, 1, "spread_of(m_total[1h], 3)", &err), FW_OK);
    assert_int_equal(f->results[0].count, SERIES);
    assert_same(f, "spread_of", 0);
}

/* ---- Summaries ------------------------------------------------------------
 */

static void check_summaries(struct fixture *f, const char *text,
                            double tolerance)
{
    struct fw_source whole = fw_source_of_store(f->store);
    struct fw_err err = {0};

    assert_int_equal(run(f, 0, text, &err), FW_OK);
    f->source.peek = NULL;
    assert_int_equal(run(f, 1, text, &err), FW_OK);
    f->source = whole;
    assert_true(f->results[0].count > 0);
    assert_same(f, text, tolerance);
}

static void summaries_stand_for_their_blocks(void **state)
{
    static const char *const functions[] = {
        "count_over_time", "present_over_time", "last_over_time",
        "min_over_time",   "max_over_time",     "sum_over_time",
        "avg_over_time"};
    static const char *const ranges[] = {"[8h]", "[3h] offset 1h",
                                         "[5h] @ 1700020000"};
    struct fixture *f = *state;
    char text[128];

    for (size_t i = 0; i < sizeof(functions) / sizeof(functions[0]); i++) {
        for (size_t k = 0; k < sizeof(ranges) / sizeof(ranges[0]); k++) {
            double tolerance = i < 5 ? 0 : 1e-9;

            (void)snprintf(text, sizeof(text), "%s(m_total%s)", functions[i],
                           ranges[k]);
            f->options = (struct fw_query_options){
                .start = START + SAMPLES * STEP, .end = START + SAMPLES * STEP};
            check_summaries(f, text, tolerance);
            f->options.start = START + 7201234;
            f->options.step = 3600000;
            check_summaries(f, text, tolerance);
        }
    }
}

static void whole_blocks_are_not_read(void **state)
{
    struct fixture *f = *state;
    const char *text = "max_over_time(m_total[9h])";
    struct fw_query *query = NULL;
    struct node_cost *costs;
    struct node_cost cost = {0};
    struct fw_err err = {0};

    fw_arena_clear(f->arenas[0]);
    f->options = (struct fw_query_options){.start = START + SAMPLES * STEP,
                                           .end = START + SAMPLES * STEP,
                                           .crew = f->crew};
    assert_int_equal(
        fw_query_parse(fw_str_of(text), f->arenas[0], &query, &err), FW_OK);
    costs = fw_arena_calloc(f->arenas[0], query->node_count, sizeof(*costs));
    assert_int_equal(query_run(query, &f->source, &f->options, f->arenas[0],
                               costs, &f->results[0], &err),
                     FW_OK);
    for (size_t i = 0; i < query->node_count; i++) {
        cost.samples += costs[i].samples;
        cost.runs += costs[i].runs;
        cost.skipped += costs[i].skipped;
        cost.summarised += costs[i].summarised;
    }
    assert_int_equal(cost.samples, SERIES * SAMPLES);
    assert_true(cost.skipped * 10 > cost.runs * 8);
    assert_true(cost.summarised * 10 > cost.samples * 8);
}

#define TEST(name) cmocka_unit_test_setup(name, setup)

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        TEST(threads_change_no_bit),
        TEST(a_limit_strikes_with_threads_too),
        TEST(functions_of_other_rooms_are_shared_out),
        TEST(summaries_stand_for_their_blocks),
        TEST(whole_blocks_are_not_read),
    };
    int failed = fixture_main(argc, argv, tests);

    release(&shared);
    return failed;
}
