/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "tests/support/fixture.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "storage/base/bytes.h"
#include "storage/base/crc32c.h"
#include "storage/meta.h"
#include "storage/segments/verify.h"
#include "storage/store.h"
#include "tests/support/fake_clock.h"
#include "tests/support/tmpdir.h"

#define START ((fw_ms)19700 * FW_DAY)
#define STEP ((fw_ms)60000)
#define SAMPLES 2000

static struct fake_clock fake;
static struct fw_err err;

static struct fw_store *open_store(const char *dir, bool read_only)
{
    struct fw_store_options options = {.create = true,
                                       .read_only = read_only,
                                       .linger = -1,
                                       .retention = INT64_MAX,
                                       .ooo_window = 100 * FW_DAY,
                                       .disk_floor = 1,
                                       .clock = &fake.clock};
    struct fw_store *store = NULL;

    if (fw_store_open(dir, &options, &store, &err) != FW_OK)
        fail_msg("open: %s", err.text);
    return store;
}

static uint32_t series_id(struct fw_store *store, const char *name)
{
    struct fw_label v[] = {{FW_STR(FW_METRIC_NAME), fw_str_of(name)}};
    struct fw_labels labels = {v, 1};
    uint32_t id = 0;

    assert_int_equal(fw_store_series(store, &labels, &id, &err), FW_OK);
    return id;
}

/* Samples [from, to) of a series; how many were stored. */
static size_t append(struct fw_store *store, const char *name, size_t from,
                     size_t to)
{
    struct fw_append_result result = {0};
    struct fw_batch batch = {0};
    uint32_t id = series_id(store, name);

    for (size_t i = from; i < to; i++)
        assert_int_equal(
            fw_batch_add(&batch, id, START + (fw_ms)i * STEP, (double)i),
            FW_OK);
    assert_int_equal(fw_store_append(store, &batch, &result, &err), FW_OK);
    return result.stored;
}

static size_t count(struct fw_store *store, const char *name)
{
    struct fw_cursor *cursor = NULL;
    struct fw_run run = {0};
    size_t n = 0;
    fw_rc rc;

    assert_int_equal(fw_cursor_open(store, series_id(store, name), INT64_MIN,
                                    INT64_MAX, &cursor, &err),
                     FW_OK);
    while ((rc = fw_cursor_next(cursor, &run, &err)) == FW_OK)
        for (size_t i = 0; i < run.n; i++, n++)
            assert_true(run.t[i] == START + (fw_ms)run.v[i] * STEP);
    assert_int_equal(rc, FW_END);
    fw_cursor_close(cursor);
    return n;
}

/* Deletes samples [from, to) of the series named by a regex. */
static uint64_t delete (struct fw_store *store, const char *names, size_t from,
                        size_t to)
{
    struct fw_matcher matchers[] = {
        {FW_MATCH_REGEX, FW_STR(FW_METRIC_NAME), fw_str_of(names)}};
    uint64_t hit = 0;

    if (fw_store_delete(store, matchers, 1, START + (fw_ms)from * STEP,
                        START + (fw_ms)(to - 1) * STEP, &hit, &err) != FW_OK)
        fail_msg("delete: %s", err.text);
    return hit;
}

static uint64_t waiting(struct fw_store *store)
{
    struct fw_store_stats stats;

    fw_store_stats(store, &stats);
    return stats.tombstones;
}

static int set_up(void **state)
{
    (void)state;
    fake_clock_init(&fake, START + 3 * FW_DAY);
    return 0;
}

static void what_is_deleted_is_gone_at_once_and_for_ever(void **state)
{
    const char *dir = tmpdir_new();
    struct fw_store *store = open_store(dir, false);

    (void)state;
    (void)append(store, "a", 0, SAMPLES);
    (void)append(store, "b", 0, SAMPLES);
    (void)append(store, "c", 0, SAMPLES);
    assert_int_equal(delete (store, "a|c", 100, 300), 2);
    assert_int_equal(count(store, "a"), SAMPLES - 200);
    assert_int_equal(count(store, "b"), SAMPLES);
    assert_int_equal(count(store, "c"), SAMPLES - 200);
    assert_int_equal(waiting(store), 1);
    fw_store_close(store);
    store = open_store(dir, true);
    assert_int_equal(count(store, "a"), SAMPLES - 200);
    fw_store_close(store);
    store = open_store(dir, false);
    assert_int_equal(count(store, "a"), SAMPLES - 200);
    assert_int_equal(fw_store_compact(store, NULL, &err), FW_OK);
    assert_int_equal(count(store, "a"), SAMPLES - 200);
    assert_int_equal(count(store, "b"), SAMPLES);
    assert_int_equal(waiting(store), 0);
    fw_store_close(store);
    store = open_store(dir, false);
    assert_int_equal(count(store, "a"), SAMPLES - 200);
    assert_int_equal(count(store, "b"), SAMPLES);
    fw_store_close(store);
}

static void closed_days_are_rewritten_without_it(void **state)
{
    const char *dir = tmpdir_new();
    struct fw_store *store = open_store(dir, false);

    (void)state;
    (void)append(store, "a", 0, SAMPLES);
    assert_int_equal(fw_store_compact(store, NULL, &err), FW_OK);
    assert_int_equal(delete (store, "a", 0, 10), 1);
    assert_int_equal(delete (store, "a", 5, 20), 1);
    assert_int_equal(count(store, "a"), SAMPLES - 20);
    assert_int_equal(fw_store_compact(store, NULL, &err), FW_OK);
    assert_int_equal(count(store, "a"), SAMPLES - 20);
    fw_store_close(store);
    store = open_store(dir, false);
    assert_int_equal(count(store, "a"), SAMPLES - 20);
    fw_store_close(store);
}

static void a_series_may_lose_everything(void **state)
{
    const char *dir = tmpdir_new();
    struct fw_store *store = open_store(dir, false);

    (void)state;
    (void)append(store, "a", 0, SAMPLES);
    assert_int_equal(delete (store, "a", 0, SAMPLES), 1);
    assert_int_equal(count(store, "a"), 0);
    assert_int_equal(fw_store_compact(store, NULL, &err), FW_OK);
    assert_int_equal(count(store, "a"), 0);
    fw_store_close(store);
    store = open_store(dir, false);
    assert_int_equal(count(store, "a"), 0);
    assert_int_equal(append(store, "a", 0, 10), 10);
    assert_int_equal(count(store, "a"), 10);
    fw_store_close(store);
}

static void what_comes_later_stays(void **state)
{
    const char *dir = tmpdir_new();
    struct fw_store *store = open_store(dir, false);

    (void)state;
    (void)append(store, "a", 0, SAMPLES);
    assert_int_equal(delete (store, "a", 500, 600), 1);
    /* The same samples once more: not duplicates of what was deleted. */
    assert_int_equal(append(store, "a", 490, 550), 50);
    assert_int_equal(count(store, "a"), SAMPLES - 50);
    fw_store_close(store);
    store = open_store(dir, false);
    assert_int_equal(count(store, "a"), SAMPLES - 50);
    assert_int_equal(fw_store_compact(store, NULL, &err), FW_OK);
    assert_int_equal(count(store, "a"), SAMPLES - 50);
    fw_store_close(store);
}

/* The journal still has the samples when their blocks are rewritten. */
static void a_crash_brings_nothing_back(void **state)
{
    const char *dir = tmpdir_new();
    struct fw_store *store;
    int status = 0;
    pid_t child = fork();

    (void)state;
    if (child == 0) {
        store = open_store(dir, false);
        (void)append(store, "a", 0, SAMPLES);
        (void)delete (store, "a", 100, SAMPLES);
        if (fw_store_compact(store, NULL, &err) != FW_OK)
            _exit(1);
        (void)kill(getpid(), SIGKILL);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status));
    store = open_store(dir, false);
    assert_int_equal(count(store, "a"), 100);
    (void)append(store, "b", 0, 1); /* a commit: the journal is trimmed */
    assert_int_equal(fw_store_compact(store, NULL, &err), FW_OK);
    fw_store_close(store);
    store = open_store(dir, false);
    assert_int_equal(count(store, "a"), 100);
    fw_store_close(store);
}

/* Two deletions are carried out on disk, and no tombstone is left. */
static struct fw_store *open_after_deletions(const char *dir)
{
    struct fw_store *store = open_store(dir, false);

    (void)append(store, "a", 0, SAMPLES);
    (void)append(store, "b", 0, SAMPLES);
    assert_int_equal(delete (store, "b", 0, 10), 1);
    assert_int_equal(delete (store, "b", 10, 20), 1);
    assert_int_equal(fw_store_compact(store, NULL, &err), FW_OK);
    (void)append(store, "b", SAMPLES, SAMPLES + 1); /* trims the journal */
    assert_int_equal(fw_store_compact(store, NULL, &err), FW_OK);
    assert_int_equal(waiting(store), 0);
    fw_store_close(store);
    return open_store(dir, false);
}

/*
 * A partition says which tombstones it was rewritten without. One with the
 * number of an earlier one would be taken for carried out, and go.
 */
static void numbers_of_tombstones_never_come_again(void **state)
{
    const char *dir = tmpdir_new();
    struct fw_store *store = open_after_deletions(dir);

    (void)state;
    assert_int_equal(delete (store, "a", 100, 300), 1);
    assert_int_equal(count(store, "a"), SAMPLES - 200);
    /* Another day is closed: then the tombstones that are done are sought. */
    assert_int_equal(append(store, "c", 3500, 4000), 500);
    assert_int_equal(fw_store_compact(store, NULL, &err), FW_OK);
    assert_int_equal(count(store, "a"), SAMPLES - 200);
    fw_store_close(store);
    store = open_store(dir, false);
    assert_int_equal(count(store, "a"), SAMPLES - 200);
    fw_store_close(store);
}

/* Opens a store as a process that is then killed leaves it. */
static void run_and_kill(const char *dir, void (*work)(struct fw_store *store))
{
    int status = 0;
    pid_t child = fork();

    assert_true(child >= 0);
    if (child == 0) {
        work(open_store(dir, false));
        (void)kill(getpid(), SIGKILL);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status));
}

static void delete_all(struct fw_store *store)
{
    (void)append(store, "a", 0, SAMPLES);
    (void)append(store, "a", SAMPLES, 2 * SAMPLES);
    (void)delete (store, "a", 0, 2 * SAMPLES);
    if (fw_store_compact(store, NULL, &err) != FW_OK)
        _exit(1);
}

static void write_again(struct fw_store *store)
{
    (void)append(store, "a", 0, 10);
}

/*
 * The partition is gone with all its samples, and so the journal's numbers
 * and the ranks of partitions could begin anew beneath the tombstone's.
 */
static void what_comes_after_everything_went_stays(void **state)
{
    const char *dir = tmpdir_new();
    struct fw_store *store;

    (void)state;
    run_and_kill(dir, delete_all);
    for (int i = 0; i < 2;
         i++) { /* the partition's entry goes with the first */
        store = open_store(dir, false);
        assert_int_equal(count(store, "a"), 0);
        fw_store_close(store);
    }
    run_and_kill(dir, write_again); /* in the journal only */
    store = open_store(dir, false);
    assert_int_equal(count(store, "a"), 10);
    fw_store_close(store); /* and in a partition */
    store = open_store(dir, true);
    assert_int_equal(count(store, "a"), 10);
    fw_store_close(store);
}

static fw_rc flip_in(void *self, struct lmdb_txn *txn, struct fw_err *why)
{
    char key[9] = {META_TOMB, 0, 0, 0, 0, 0, 0, 0, 1};
    struct fw_str value = {0};
    char copy[256];
    fw_rc rc = lmdb_get(txn, (struct fw_str){key, 9}, &value, why);

    (void)self;
    if (rc != FW_OK || value.n > sizeof(copy))
        return FW_EINVAL;
    memcpy(copy, value.p, value.n);
    copy[value.n - 1] ^= 1;
    return lmdb_put(txn, (struct fw_str){key, 9},
                    (struct fw_str){copy, value.n}, why);
}

/* Not by a store, which may be carrying the deletion out at the moment. */
static void flip_tombstone(const char *dir)
{
    struct lmdb_options options = {.map_bytes = (size_t)64 << 20};
    struct lmdb_env *meta = NULL;
    char path[8192];

    (void)tmpdir_path(path, sizeof(path), dir, "meta");
    assert_int_equal(lmdb_open(path, &options, &meta, &err), FW_OK);
    assert_int_equal(lmdb_update(meta, flip_in, NULL, &err), FW_OK);
    assert_true(lmdb_close(meta));
}

/* The last finding. */
static void keep(void *self, const char *sentence)
{
    (void)snprintf(self, 256, "%s", sentence);
}

static void a_damaged_tombstone_is_told(void **state)
{
    struct verify_totals totals;
    char sentence[256] = "";

    const char *dir = tmpdir_new();
    struct fw_store *store = open_store(dir, false);
    struct fw_store_stats stats;

    (void)state;
    (void)append(store, "a", 0, SAMPLES);
    assert_int_equal(delete (store, "a", 1, 5), 1);
    fw_store_stats(store, &stats);
    assert_int_equal(stats.corrupt_found, 0);
    fw_store_close(store);
    flip_tombstone(dir);
    store = open_store(dir, false);
    fw_store_stats(store, &stats);
    assert_int_equal(stats.corrupt_found, 1);
    assert_int_equal(stats.tombstones, 0);
    assert_int_equal(verify_store(store, keep, sentence, &totals, &err), FW_OK);
    assert_int_equal(totals.findings, 1);
    assert_non_null(strstr(sentence, "tombstone"));
    fw_store_close(store);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(what_is_deleted_is_gone_at_once_and_for_ever,
                               set_up),
        cmocka_unit_test_setup(closed_days_are_rewritten_without_it, set_up),
        cmocka_unit_test_setup(a_series_may_lose_everything, set_up),
        cmocka_unit_test_setup(what_comes_later_stays, set_up),
        cmocka_unit_test_setup(a_crash_brings_nothing_back, set_up),
        cmocka_unit_test_setup(numbers_of_tombstones_never_come_again, set_up),
        cmocka_unit_test_setup(what_comes_after_everything_went_stays, set_up),
        cmocka_unit_test_setup(a_damaged_tombstone_is_told, set_up),
    };

    return fixture_main(argc, argv, tests);
}
