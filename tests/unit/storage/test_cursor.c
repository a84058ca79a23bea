/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "tests/support/fixture.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "storage/base/bytes.h"
#include "storage/segments/sealer.h"
#include "storage/segments/segment.h"
#include "tests/support/fake_clock.h"
#include "tests/support/synth.h"
#include "tests/support/tmpdir.h"

#define NOW ((fw_ms)1700000000000)
#define SERIES 6
#define SAMPLES 3000
#define STEP ((fw_ms)10000)

static struct fake_clock fake;
static struct fw_err err;
static struct fw_store *store;
static uint32_t ids[SERIES];
static double want[SERIES][SAMPLES];

static uint32_t series_id(int i)
{
    char name[16];
    struct fw_label v[] = {{FW_STR(FW_METRIC_NAME), {name, 2}}};
    struct fw_labels labels = {v, 1};
    uint32_t id = 0;

    (void)snprintf(name, sizeof(name), "m%d", i);
    assert_int_equal(fw_store_series(store, &labels, &id, &err), FW_OK);
    return id;
}

static fw_ms time_of(int i)
{
    return NOW / FW_DAY * FW_DAY - 2 * FW_DAY + i * STEP;
}

static void append_all(int from, int to, int by)
{
    struct fw_append_result result = {0};
    struct fw_batch batch = {0};

    for (int i = from; i < to; i += by)
        for (int s = 0; s < SERIES; s++)
            assert_int_equal(
                fw_batch_add(&batch, ids[s], time_of(i), want[s][i]), FW_OK);
    assert_int_equal(fw_store_append(store, &batch, &result, &err), FW_OK);
    assert_int_equal(result.too_old, 0);
}

/* All but the last 300 samples are in blocks. */
static int set_up(void **state)
{
    struct fw_store_options options = {.create = true,
                                       .linger = -1,
                                       .ooo_window = 10 * FW_DAY,
                                       .disk_floor = 1,
                                       .clock = &fake.clock};
    struct synth_rng rng = synth_seed(fixture_seed());
    const uint64_t stale = FW_STALE_BITS;

    (void)state;
    fake_clock_init(&fake, NOW);
    assert_int_equal(fw_store_open(tmpdir_new(), &options, &store, &err),
                     FW_OK);
    for (int s = 0; s < SERIES; s++) {
        ids[s] = series_id(s);
        for (int i = 0; i < SAMPLES; i++)
            want[s][i] = (double)(int64_t)(synth_normal(&rng) * 100) / 10;
        memcpy(&want[s][1200 + s], &stale, sizeof(stale));
    }
    append_all(0, SAMPLES - 300, 1);
    assert_int_equal(sealer_run(store->sealer, SEAL_ALL, &err), FW_OK);
    append_all(SAMPLES - 300, SAMPLES, 1);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    fw_store_close(store);
    return 0;
}

/* Runs one after the other, as they are and as summaries where there are. */
static size_t check_range(struct fw_cursor *c, int s, int from, int to,
                          bool peek)
{
    struct fw_run run = {0};
    struct fw_summary summary;
    size_t summaries = 0;
    int at = from;
    fw_rc rc;

    assert_int_equal(
        fw_cursor_reset(c, ids[s], time_of(from), time_of(to), &err), FW_OK);
    for (;;) {
        rc = peek ? fw_cursor_peek(c, &summary, &err) : FW_NONE;
        if (rc == FW_OK) {
            struct segment_block is = {0};

            segment_summarise(&is, &want[s][at], summary.n);
            assert_true(summary.t_first == time_of(at));
            at += (int)summary.n;
            assert_true(summary.t_last == time_of(at - 1));
            assert_int_equal(summary.nans, is.nans);
            assert_true(summary.min == is.min && summary.max == is.max);
            assert_true(summary.sum == is.sum);
            assert_true(summary.increase == is.increase);
            assert_memory_equal(&summary.first, &is.first, 8);
            assert_memory_equal(&summary.last, &is.last, 8);
            fw_cursor_skip(c);
            summaries++;
            continue;
        }
        rc = fw_cursor_next(c, &run, &err);
        if (rc == FW_END)
            break;
        assert_int_equal(rc, FW_OK);
        for (size_t i = 0; i < run.n; i++, at++) {
            assert_true(run.t[i] == time_of(at));
            assert_memory_equal(&run.v[i], &want[s][at], 8);
            if (run.step != 0)
                assert_true(run.t[i] == run.t[0] + (fw_ms)i * run.step);
        }
    }
    assert_int_equal(at, to + 1);
    return summaries;
}

static void a_cursor_reads_one_series_after_the_other(void **state)
{
    struct synth_rng rng = synth_seed(fixture_seed());
    struct fw_cursor *c = NULL;

    (void)state;
    assert_int_equal(fw_cursor_open(store, ids[0], 0, 0, &c, &err), FW_OK);
    for (int round = 0; round < 300; round++) {
        int from = (int)(synth_u64(&rng) % SAMPLES);
        int to = from + (int)(synth_u64(&rng) % (uint64_t)(SAMPLES - from));

        if (round % 7 == 0)
            fw_cursor_hold(c, round % 2 == 0);
        (void)check_range(c, round % SERIES, from, to, round % 2 == 0);
    }
    fw_cursor_close(c);
}

static void blocks_within_the_range_have_a_summary(void **state)
{
    struct fw_cursor *c = NULL;

    (void)state;
    assert_int_equal(fw_cursor_open(store, ids[0], 0, 0, &c, &err), FW_OK);
    assert_int_equal(check_range(c, 1, 0, SAMPLES - 1, true), 6);
    assert_int_equal(check_range(c, 1, 1, SAMPLES - 1, true), 5);
    fw_cursor_close(c);
}

static void regular_times_are_told(void **state)
{
    struct fw_cursor *c = NULL;
    struct fw_run run = {0};

    (void)state;
    assert_int_equal(
        fw_cursor_open(store, ids[3], time_of(5), time_of(100), &c, &err),
        FW_OK);
    assert_int_equal(fw_cursor_next(c, &run, &err), FW_OK);
    assert_int_equal(run.step, STEP);
    assert_int_equal(run.n, 96);
    fw_cursor_close(c);
}

/* A late sample lies inside a block: the two have no summary any more. */
static void blocks_that_overlap_are_read(void **state)
{
    struct fw_append_result result = {0};
    struct fw_batch batch = {0};
    struct fw_cursor *c = NULL;
    struct fw_summary summary;
    struct fw_run run = {0};

    (void)state;
    assert_int_equal(fw_batch_add(&batch, ids[2], time_of(10) + 1, 5), FW_OK);
    assert_int_equal(fw_store_append(store, &batch, &result, &err), FW_OK);
    assert_int_equal(result.stored, 1);
    assert_int_equal(sealer_run(store->sealer, SEAL_ALL, &err), FW_OK);
    assert_int_equal(
        fw_cursor_open(store, ids[2], time_of(0), time_of(900), &c, &err),
        FW_OK);
    assert_int_equal(fw_cursor_peek(c, &summary, &err), FW_NONE);
    assert_int_equal(fw_cursor_next(c, &run, &err), FW_OK);
    assert_int_equal(run.n, 513);
    assert_true(run.t[11] == time_of(10) + 1 && run.v[11] == 5);
    fw_cursor_close(c);
}

/* Its look at the file is older than the blocks that are made behind it. */
static void a_holding_cursor_sees_what_is_sealed_meanwhile(void **state)
{
    struct fw_cursor *c = NULL;

    (void)state;
    assert_int_equal(fw_cursor_open(store, ids[0], 0, 0, &c, &err), FW_OK);
    fw_cursor_hold(c, true);
    (void)check_range(c, 0, 0, SAMPLES - 1, false);
    assert_int_equal(sealer_run(store->sealer, SEAL_ALL, &err), FW_OK);
    for (int s = 0; s < SERIES; s++)
        (void)check_range(c, s, 0, SAMPLES - 1, s % 2 == 0);
    fw_cursor_hold(c, false);
    (void)check_range(c, 0, 0, SAMPLES - 1, false);
    fw_cursor_close(c);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(
            a_cursor_reads_one_series_after_the_other, set_up, tear_down),
        cmocka_unit_test_setup_teardown(blocks_within_the_range_have_a_summary,
                                        set_up, tear_down),
        cmocka_unit_test_setup_teardown(regular_times_are_told, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(blocks_that_overlap_are_read, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(
            a_holding_cursor_sees_what_is_sealed_meanwhile, set_up, tear_down),
    };

    return fixture_main(argc, argv, tests);
}
