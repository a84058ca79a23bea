/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * test_readers.c - readers never stall the writer: one that was killed is
 * cleared away, one that dawdles pins nothing, the map grows under those that
 * read, and a liblmdb that would break a server's locks is not used beside it.
 */
#include "tests/support/fixture.h"

#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "storage/segments/sealer.h"
#include "tests/support/fake_clock.h"
#include "tests/support/tmpdir.h"

#define NOW ((fw_ms)1700000000000)
#define BATCH 500
#define PATH_ROOM 8192

static struct fake_clock fake;
static struct fw_err err;
static int lmdb_patch = 24; /* what mdb_version() answers here */

/* Stands before liblmdb's. */
char *mdb_version(int *major, int *minor, int *patch);
char *mdb_version(int *major, int *minor, int *patch)
{
    static char text[] = "LMDB as told by a test";

    *major = 0;
    *minor = 9;
    *patch = lmdb_patch;
    return text;
}

static fw_rc open_with(const char *dir, bool read_only, size_t map_bytes,
                       struct fw_store **out)
{
    struct fw_store_options options = {.create = !read_only,
                                       .read_only = read_only,
                                       .linger = -1,
                                       .retention = INT64_MAX,
                                       .disk_floor = 1,
                                       .map_bytes = map_bytes,
                                       .clock = &fake.clock};

    return fw_store_open(dir, &options, out, &err);
}

static struct fw_store *must_open(const char *dir, bool read_only,
                                  size_t map_bytes)
{
    struct fw_store *store = NULL;

    if (open_with(dir, read_only, map_bytes, &store) != FW_OK)
        fail_msg("open: %s", err.text);
    return store;
}

static uint32_t series_id(struct fw_store *store)
{
    struct fw_label v[] = {{FW_STR("n"), FW_STR("one")}};
    struct fw_labels labels = {v, 1};
    uint32_t id = 0;

    if (fw_store_series(store, &labels, &id, &err) != FW_OK)
        fail_msg("%s", err.text);
    return id;
}

/* Sample k of the one series; full-precision, so that it takes room. */
static double value_of(uint64_t k)
{
    return (double)k * 1.000000001 / 3;
}

static void send(struct fw_store *store, uint64_t from)
{
    struct fw_append_result result = {0};
    struct fw_batch batch = {0};
    uint32_t id = series_id(store);

    for (uint64_t k = from; k < from + BATCH; k++)
        assert_int_equal(
            fw_batch_add(&batch, id, NOW + (fw_ms)k * 1000, value_of(k)),
            FW_OK);
    if (fw_store_append(store, &batch, &result, &err) != FW_OK)
        fail_msg("%s", err.text);
    assert_int_equal(result.stored, BATCH);
}

static uint64_t count(struct fw_store *store)
{
    struct fw_cursor *cursor = NULL;
    struct fw_run run = {0};
    uint64_t k = 0;
    fw_rc rc;

    assert_int_equal(fw_cursor_open(store, series_id(store), INT64_MIN,
                                    INT64_MAX, &cursor, &err),
                     FW_OK);
    while ((rc = fw_cursor_next(cursor, &run, &err)) == FW_OK)
        for (size_t i = 0; i < run.n; i++, k++)
            if (run.t[i] != NOW + (fw_ms)k * 1000 || run.v[i] != value_of(k))
                fail_msg("sample %d is another one", (int)k);
    if (rc != FW_END)
        fail_msg("%s", err.text);
    fw_cursor_close(cursor);
    return k;
}

static uint64_t journal_bytes(const char *dir)
{
    char path[PATH_ROOM];
    struct stat st;

    (void)tmpdir_path(path, sizeof(path), dir, "journal/data.mdb");
    assert_int_equal(stat(path, &st), 0);
    return (uint64_t)st.st_size;
}

/* Commits of BATCH samples with the journal trimmed behind them. */
static uint64_t work(struct fw_store *store, uint64_t from, int commits)
{
    for (int i = 0; i < commits; i++, from += BATCH) {
        send(store, from);
        if (i % 8 == 7)
            assert_int_equal(sealer_run(store->sealer, SEAL_ALL, &err), FW_OK);
    }
    return from;
}

/* Opens the journal of a running store, begins to read, says so, and stays. */
static pid_t begin_stale_reader(const char *dir)
{
    int fds[2];
    char ready;
    pid_t pid;

    assert_int_equal(pipe(fds), 0);
    pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        struct lmdb_options options = {.read_only = true,
                                       .map_bytes = (size_t)1 << 30};
        char path[PATH_ROOM];
        struct lmdb_env *env = NULL;
        struct lmdb_txn txn = {0};

        /* Not the parent's environment: another process would not have it. */
        (void)snprintf(path, sizeof(path), "%s/journal", dir);
        if (lmdb_open(path, &options, &env, &err) != FW_OK ||
            lmdb_begin_read(env, &txn, &err) != FW_OK ||
            write(fds[1], "r", 1) != 1)
            _exit(1);
        for (;;)
            (void)pause();
    }
    (void)close(fds[1]);
    assert_int_equal(read(fds[0], &ready, 1), 1);
    (void)close(fds[0]);
    return pid;
}

static void a_killed_reader_is_cleared_away(void **state)
{
    const char *dir = tmpdir_new();
    uint64_t steady, pinned, from;
    struct patience patience = {0};
    struct fw_store *store;
    pid_t reader;
    int status;

    (void)state;
    /* The reader starts from a process that has nothing open. */
    store = must_open(dir, false, 0);
    from = work(store, 0, 80);
    fw_store_close(store);
    {
        int fds[2];
        char byte;
        pid_t writer;

        assert_int_equal(pipe(fds), 0);
        writer = fork();
        assert_true(writer >= 0);
        if (writer == 0) {
            store = must_open(dir, false, 0);
            from = work(store, from, 16);
            if (write(fds[1], "o", 1) != 1)
                _exit(1);
            (void)raise(SIGSTOP);
            steady = journal_bytes(dir);
            from = work(store, from, 80);
            pinned = journal_bytes(dir);
            /* Now it is dead; housekeeping comes by. */
            if (pinned < 2 * steady)
                _exit(2); /* it pinned nothing: this shows nothing */
            fake_clock_advance(&fake, 11 * FW_SECOND);
            do {
                pinned = journal_bytes(dir);
                from = work(store, from, 80);
            } while (journal_bytes(dir) > pinned && patience_lasts(&patience));
            if (journal_bytes(dir) > pinned)
                _exit(3); /* it grows for ever */
            if (count(store) != from)
                _exit(4);
            fw_store_close(store);
            _exit(0);
        }
        (void)close(fds[1]);
        assert_int_equal(read(fds[0], &byte, 1), 1);
        (void)close(fds[0]);
        reader = begin_stale_reader(dir);
        assert_int_equal(kill(reader, SIGKILL), 0);
        assert_int_equal(waitpid(reader, &status, 0), reader);
        /* The writer may have come to its stop a moment later. */
        assert_int_equal(waitpid(writer, &status, WUNTRACED), writer);
        assert_int_equal(kill(writer, SIGCONT), 0);
        assert_int_equal(waitpid(writer, &status, 0), writer);
        if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
            fail_msg("the writer ended with %d", status);
    }
}

static void a_cursor_that_dawdles_pins_nothing(void **state)
{
    const char *dir = tmpdir_new();
    struct fw_store *store = must_open(dir, false, 0);
    struct fw_cursor *cursor = NULL;
    struct fw_run run = {0};
    uint64_t steady, from = work(store, 0, 80);

    (void)state;
    assert_int_equal(fw_cursor_open(store, series_id(store), INT64_MIN,
                                    INT64_MAX, &cursor, &err),
                     FW_OK);
    assert_int_equal(fw_cursor_next(cursor, &run, &err), FW_OK);
    steady = journal_bytes(dir);
    from = work(store, from, 240);
    assert_true(journal_bytes(dir) <= steady + steady / 2);
    assert_int_equal(fw_cursor_next(cursor, &run, &err), FW_OK);
    fw_cursor_close(cursor);
    assert_int_equal(count(store), from);
    fw_store_close(store);
}

/* Reads the next blocks, which have the samples from `from` on. */
static uint64_t read_blocks(struct fw_cursor *cursor, uint64_t from, int blocks)
{
    struct fw_run run = {0};

    for (int i = 0; i < blocks; i++) {
        assert_int_equal(fw_cursor_next(cursor, &run, &err), FW_OK);
        for (size_t k = 0; k < run.n; k++, from++)
            assert_true(run.t[k] == NOW + (fw_ms)from * 1000 &&
                        run.v[k] == value_of(from));
    }
    return from;
}

static uint64_t renewed(struct fw_store *store)
{
    struct fw_store_stats stats;

    fw_store_stats(store, &stats);
    return stats.snapshots_renewed;
}

/* One that holds on to its view does so for the budget of time it has. */
static void a_view_that_lasts_too_long_is_renewed(void **state)
{
    struct fw_store *store = must_open(tmpdir_new(), false, 0);
    struct partition *part;
    struct fw_cursor *cursor = NULL;
    uint64_t at, from = work(store, 0, 80);

    (void)state;
    part = manifest_find(&store->manifest, NOW + (fw_ms)from * 1000);
    assert_non_null(part);
    at = (uint64_t)(part->first - NOW + 999) / 1000;
    assert_int_equal(fw_cursor_open(store, series_id(store), part->first,
                                    INT64_MAX, &cursor, &err),
                     FW_OK);
    fw_cursor_hold(cursor, true);
    at = read_blocks(cursor, at, 1);
    assert_int_equal(lmdb_reader_lag(part->env), 0);
    from = work(store, from, 16); /* two commits */
    at = read_blocks(cursor, at, 20);
    assert_int_equal(lmdb_reader_lag(part->env), 2);
    assert_int_equal(renewed(store), 0);
    fake_clock_advance(&fake, 2 * FW_SECOND);
    at = read_blocks(cursor, at, 20);
    assert_int_equal(lmdb_reader_lag(part->env), 0);
    assert_int_equal(renewed(store), 1);
    (void)read_blocks(cursor, at, 20);
    assert_int_equal(renewed(store), 1);
    fw_cursor_close(cursor);
    assert_int_equal(count(store), from);
    fw_store_close(store);
}

/* ---- The map --------------------------------------------------------------
 */

struct reading {
    struct fw_store *store;
    atomic_bool stop;
    _Atomic uint64_t rounds;
};

static void *read_on(void *self)
{
    struct reading *r = self;

    while (!atomic_load(&r->stop)) {
        struct fw_cursor *cursor = NULL;
        struct fw_run run = {0};
        fw_rc rc =
            fw_cursor_open(r->store, 0, INT64_MIN, INT64_MAX, &cursor, NULL);

        while (rc == FW_OK &&
               (rc = fw_cursor_next(cursor, &run, NULL)) == FW_OK)
            if (run.v[0] != value_of((uint64_t)(run.t[0] - NOW) / 1000))
                abort();
        if (rc != FW_END)
            abort();
        fw_cursor_close(cursor);
        (void)atomic_fetch_add(&r->rounds, 1);
    }
    return NULL;
}

static void put_large(struct fw_store *store, int number)
{
    static char value[60000];
    struct fw_txn *txn = NULL;
    char key[16];

    memset(value, number, sizeof(value));
    (void)snprintf(key, sizeof(key), "%d", number);
    if (fw_txn_begin(store, true, &txn, &err) != FW_OK ||
        fw_txn_put(txn, "large", fw_str_of(key),
                   (struct fw_str){value, sizeof(value)}, &err) != FW_OK)
        fail_msg("%s", err.text);
    if (fw_txn_commit(txn, &err) != FW_OK)
        fail_msg("%s", err.text);
}

static void the_map_grows_from_a_megabyte_under_readers(void **state)
{
    const char *dir = tmpdir_new();
    struct reading r = {.store = must_open(dir, false, (size_t)1 << 20)};
    struct timespec before, after;
    struct patience patience = {0};
    uint64_t from = 0;
    long longest = 0;
    pthread_t threads[2];

    (void)state;
    send(r.store, 0);
    for (int i = 0; i < 2; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, read_on, &r), 0);
    for (from = BATCH; from < 400 * BATCH; from += BATCH) {
        long ms;

        (void)clock_gettime(CLOCK_MONOTONIC, &before);
        send(r.store, from);
        (void)clock_gettime(CLOCK_MONOTONIC, &after);
        ms = (after.tv_sec - before.tv_sec) * 1000 +
             (after.tv_nsec - before.tv_nsec) / 1000000;
        longest = ms > longest ? ms : longest;
        if (from / BATCH % 8 == 0)
            put_large(r.store, (int)(from / BATCH));
        if (from / BATCH % 130 == 0)
            assert_int_equal(sealer_run(r.store->sealer, SEAL_ALL, &err),
                             FW_OK);
    }
    while (atomic_load(&r.rounds) == 0 && patience_lasts(&patience))
        continue;
    atomic_store(&r.stop, true);
    for (int i = 0; i < 2; i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    assert_true(atomic_load(&r.rounds) > 0);
    assert_int_equal(count(r.store), from);
    print_message("the longest commit took %ld ms\n", longest);
    fw_store_close(r.store);
    r.store = must_open(dir, true, (size_t)1 << 20);
    assert_int_equal(count(r.store), from);
    fw_store_close(r.store);
}

/* ---- Versions -------------------------------------------------------------
 */

static void
a_liblmdb_that_breaks_locks_is_not_used_beside_a_server(void **state)
{
    static const struct {
        int patch;
        fw_rc rc;
    } rows[] = {{24, FW_OK},       {25, FW_OK},       {26, FW_EVERSION},
                {29, FW_EVERSION}, {31, FW_EVERSION}, {32, FW_OK}};
    const char *dir = tmpdir_new();
    struct fw_store *store = NULL;

    (void)state;
    fw_store_close(must_open(dir, false, 0));
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        lmdb_patch = rows[i].patch;
        assert_int_equal(open_with(dir, true, 0, &store), rows[i].rc);
        if (rows[i].rc == FW_OK)
            fw_store_close(store);
        else
            assert_non_null(strstr(err.text, "ask the server"));
        /* The server itself closes last; it may use any. */
        fw_store_close(must_open(dir, false, 0));
    }
    lmdb_patch = 24;
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_killed_reader_is_cleared_away),
        cmocka_unit_test(a_cursor_that_dawdles_pins_nothing),
        cmocka_unit_test(a_view_that_lasts_too_long_is_renewed),
        cmocka_unit_test(the_map_grows_from_a_megabyte_under_readers),
        cmocka_unit_test(
            a_liblmdb_that_breaks_locks_is_not_used_beside_a_server),
    };

    fake_clock_init(&fake, NOW + 30 * FW_DAY);
    if (getenv("TMPDIR") == NULL && access("/dev/shm", W_OK) == 0)
        (void)setenv("TMPDIR", "/dev/shm", 1); /* commits, not the disk */
    return fixture_main(argc, argv, tests);
}
