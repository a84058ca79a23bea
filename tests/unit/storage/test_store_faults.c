/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * test_store_faults.c - the n-th call to the disk fails, the n-th allocation
 * fails: never a false acknowledgement, never a lost one, and a store that
 * goes on by itself when the fault is over.
 */
#include "tests/support/fault.h"
#include "tests/support/fixture.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "storage/base/bytes.h"
#include "storage/segments/sealer.h"
#include "tests/support/fake_clock.h"
#include "tests/support/tmpdir.h"
#include "tests/unit/storage/numbered.h"

#define NOW ((fw_ms)1700000000000)
#define BATCH 600

static struct fake_clock fake;
static struct fw_err err;
static const char *dir;

static const struct fw_store_options options = {.create = true,
                                                .linger = -1,
                                                .retention = INT64_MAX,
                                                .disk_floor = 1,
                                                .clock = &fake.clock};

/* Sends samples [from, from + n) of a series. */
static fw_rc send_to(struct fw_store *store, uint32_t number, uint32_t from,
                     uint32_t n)
{
    struct fw_append_result result = {0};
    struct fw_batch batch = {0};
    uint32_t id = 0;
    fw_rc rc = numbered_series(store, number, &id, &err);

    for (uint32_t i = from; i < from + n && rc == FW_OK; i++)
        rc = fw_batch_add(&batch, id, NOW + (fw_ms)i * 1000, i);
    if (rc == FW_OK)
        rc = fw_store_append(store, &batch, &result, &err);
    fw_batch_release(&batch);
    if (rc == FW_OK)
        assert_int_equal(result.stored + result.duplicates, n);
    return rc;
}

/* The same of the one that is counted. */
static fw_rc send(struct fw_store *store, uint32_t from, uint32_t n)
{
    return send_to(store, 0, from, n);
}

/* How many samples of the series there are, each the right one. */
static uint32_t count(struct fw_store *store)
{
    struct fw_cursor *cursor = NULL;
    struct fw_run run = {0};
    uint32_t id = 0, n = 0;
    fw_rc rc;

    assert_int_equal(numbered_series(store, 0, &id, &err), FW_OK);
    assert_int_equal(
        fw_cursor_open(store, id, INT64_MIN, INT64_MAX, &cursor, &err), FW_OK);
    while ((rc = fw_cursor_next(cursor, &run, &err)) == FW_OK)
        for (size_t i = 0; i < run.n; i++, n++) {
            if (run.t[i] != NOW + (fw_ms)n * 1000 || run.v[i] != n)
                fail_msg("sample %u is at %lld s with %g", n,
                         (long long)(run.t[i] - NOW) / 1000, run.v[i]);
        }
    if (rc != FW_END)
        fail_msg("%s", err.text);
    fw_cursor_close(cursor);
    return n;
}

static struct fw_store *must_open(void)
{
    struct fw_store *store = NULL;

    if (fw_store_open(dir, &options, &store, &err) != FW_OK)
        fail_msg("open: %s", err.text);
    return store;
}

/* ---- Disk -----------------------------------------------------------------
 */

/*
 * Three batches with sealing in between, the fault somewhere in the middle.
 * True if it was given.
 */
static bool one_disk_fault(unsigned calls, uint64_t nth, enum fault_mode mode,
                           int error)
{
    struct fw_store *store;
    uint32_t acknowledged = 0;
    bool given;

    dir = tmpdir_new();
    store = must_open();
    assert_int_equal(send(store, 0, BATCH), FW_OK);
    acknowledged = BATCH;
    fault_disk(calls, nth, mode, error);
    for (uint32_t i = 1; i < 4; i++) {
        fw_rc rc = send(store, acknowledged, BATCH);

        if (rc == FW_OK)
            acknowledged += BATCH;
        else
            assert_true(rc == FW_ENOSPC || rc == FW_EIO);
        assert_true(count(store) == acknowledged);
        /* It may fail; what it failed at must stay readable. */
        (void)!sealer_run(store->sealer, SEAL_RING, &err);
        (void)!sealer_run(store->sealer, i == 2 ? SEAL_ALL : SEAL_FULL, &err);
        assert_true(count(store) == acknowledged);
    }
    given = fault_end();
    /* The disk is well again: the same store goes on. */
    if (send(store, acknowledged, BATCH) != FW_OK)
        fail_msg("call %llu: no recovery: %s", (unsigned long long)nth,
                 err.text);
    acknowledged += BATCH;
    if (nth % 2 == 0)
        assert_int_equal(sealer_run(store->sealer, SEAL_ALL, &err), FW_OK);
    fw_store_close(store);
    store = must_open();
    assert_int_equal(count(store), acknowledged);
    fw_store_close(store);
    tmpdir_remove(dir);
    return given;
}

static void each_call(unsigned calls, enum fault_mode mode, int error)
{
    uint64_t nth = 1;

    while (nth < 200 && one_disk_fault(calls, nth, mode, error))
        nth += mode == FAULT_ONCE ? 1 : 3;
    assert_true(nth > 5);
    assert_true(nth < 200);
}

static void a_write_that_fails_once_is_survived(void **state)
{
    (void)state;
    each_call(FAULT_WRITE, FAULT_ONCE, EIO);
}

static void a_full_disk_is_survived(void **state)
{
    (void)state;
    each_call(FAULT_WRITE | FAULT_RESIZE, FAULT_FOREVER, ENOSPC);
}

static void a_short_write_is_survived(void **state)
{
    (void)state;
    each_call(FAULT_WRITE, FAULT_ONCE, FAULT_SHORT);
}

static void a_sync_that_fails_is_survived(void **state)
{
    (void)state;
    each_call(FAULT_SYNC, FAULT_ONCE, EIO);
}

/*
 * The fault strikes while a day is closed, twice, with samples that come
 * meanwhile. True if it was given.
 */
static bool one_rewrite_fault(uint64_t nth, enum fault_mode mode, int error)
{
    struct fw_store *store;
    uint32_t acknowledged = 2 * BATCH;
    bool given;

    dir = tmpdir_new();
    store = must_open();
    assert_int_equal(send(store, 0, BATCH), FW_OK);
    assert_int_equal(sealer_run(store->sealer, SEAL_ALL, &err), FW_OK);
    assert_int_equal(send(store, BATCH, BATCH), FW_OK);
    fault_disk(FAULT_DISK, nth, mode, error);
    for (int i = 0; i < 2; i++) {
        (void)!fw_store_compact(store, NULL, &err);
        assert_int_equal(count(store), acknowledged);
        if (send(store, acknowledged, BATCH) == FW_OK)
            acknowledged += BATCH;
        assert_int_equal(count(store), acknowledged);
    }
    given = fault_end();
    if (fw_store_compact(store, NULL, &err) != FW_OK)
        fail_msg("call %llu: no recovery: %s", (unsigned long long)nth,
                 err.text);
    assert_int_equal(send(store, acknowledged, BATCH), FW_OK);
    acknowledged += BATCH;
    fw_store_close(store);
    store = must_open();
    assert_int_equal(count(store), acknowledged);
    fw_store_close(store);
    tmpdir_remove(dir);
    return given;
}

static void closing_a_day_survives_a_disk_that_fails(void **state)
{
    uint64_t nth = 1;

    (void)state;
    while (nth < 400 && one_rewrite_fault(nth, FAULT_ONCE, EIO))
        nth += 2;
    assert_true(nth > 20);
    assert_true(nth < 400);
    for (nth = 1; nth < 400 && one_rewrite_fault(nth, FAULT_FOREVER, ENOSPC);)
        nth += 7;
    assert_true(nth < 400);
}

static void a_full_disk_is_told_and_forgotten(void **state)
{
    struct fw_store_stats stats;
    struct fw_store *store;

    (void)state;
    dir = tmpdir_new();
    store = must_open();
    assert_int_equal(send(store, 0, BATCH), FW_OK);
    fault_disk(FAULT_WRITE, 1, FAULT_FOREVER, ENOSPC);
    assert_int_equal(send(store, BATCH, BATCH), FW_ENOSPC);
    fw_store_stats(store, &stats);
    assert_true(stats.commit_failures > 0);
    assert_int_equal(count(store), BATCH);
    assert_true(fault_end());
    assert_int_equal(send(store, BATCH, BATCH), FW_OK);
    fw_store_stats(store, &stats);
    assert_false(stats.read_only);
    assert_int_equal(count(store), 2 * BATCH);
    fw_store_close(store);
}

static void the_floor_keeps_room_back(void **state)
{
    struct fw_store_options greedy = options;
    struct fw_store_stats stats;
    struct fw_store *store = NULL;

    (void)state;
    dir = tmpdir_new();
    greedy.disk_floor = UINT64_MAX;
    assert_int_equal(fw_store_open(dir, &greedy, &store, &err), FW_OK);
    assert_int_equal(send(store, 0, 1), FW_ENOSPC);
    assert_non_null(strstr(err.text, "--disk-floor"));
    fw_store_stats(store, &stats);
    assert_true(stats.read_only);
    assert_non_null(strstr(stats.read_only_reason, "full"));
    fw_store_close(store);
}

/* ---- Memory ---------------------------------------------------------------
 */

static void an_allocation_that_fails_is_an_answer(void **state)
{
    uint64_t nth = 1;

    (void)state;
    for (;; nth++) {
        struct fw_store *store = NULL;
        uint32_t acknowledged = 0;
        fw_rc rc;

        dir = tmpdir_new();
        fault_memory(nth, FAULT_ONCE);
        rc = fw_store_open(dir, &options, &store, &err);
        if (rc == FW_OK) {
            rc = send(store, 0, BATCH);
            acknowledged = rc == FW_OK ? BATCH : 0;
            (void)!sealer_run(store->sealer, SEAL_RING, &err);
            (void)!sealer_run(store->sealer, SEAL_ALL, &err);
            fw_store_close(store);
        }
        if (!fault_end())
            break;
        assert_true(rc == FW_OK || rc == FW_ENOMEM);
        store = must_open();
        assert_true(count(store) >= acknowledged);
        assert_int_equal(send(store, 0, BATCH), FW_OK);
        assert_int_equal(count(store), BATCH);
        fw_store_close(store);
        tmpdir_remove(dir);
        assert_true(nth < 250);
    }
    assert_true(nth > 20);
}

/* With the last sample of a batch it fails as with any other. */
static void a_batch_of_one_is_stored_or_refused(void **state)
{
    struct fw_store *store;
    uint32_t series = 1;
    uint64_t nth = 1;
    bool given = true;

    (void)state;
    dir = tmpdir_new();
    store = must_open();
    for (; given; nth++, series++) {
        fw_rc rc;

        /* What comes late is kept in memory of its own. */
        assert_int_equal(send_to(store, series, 1, 1), FW_OK);
        fault_memory(nth, FAULT_ONCE);
        rc = send_to(store, series, 0, 1); /* looks at what was stored */
        given = fault_end();
        assert_true(rc == FW_OK || rc == FW_ENOMEM);
        assert_int_equal(send_to(store, series, 0, 1), FW_OK);
        assert_true(nth < 100);
    }
    assert_true(nth > 5);
    fw_store_close(store);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_write_that_fails_once_is_survived),
        cmocka_unit_test(a_full_disk_is_survived),
        cmocka_unit_test(a_short_write_is_survived),
        cmocka_unit_test(a_sync_that_fails_is_survived),
        cmocka_unit_test(closing_a_day_survives_a_disk_that_fails),
        cmocka_unit_test(a_full_disk_is_told_and_forgotten),
        cmocka_unit_test(the_floor_keeps_room_back),
        cmocka_unit_test(an_allocation_that_fails_is_an_answer),
        cmocka_unit_test(a_batch_of_one_is_stored_or_refused),
    };

    if (getenv("TMPDIR") == NULL && access("/dev/shm", W_OK) == 0)
        (void)setenv("TMPDIR", "/dev/shm", 1);
    fake_clock_init(&fake, NOW + FW_DAY);
    return fixture_main(argc, argv, tests);
}
