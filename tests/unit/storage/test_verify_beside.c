/* SPDX-License-Identifier: GPL-3.0-or-later */
/* ctest: labels=threads */
/*
 * test_verify_beside.c - verify while everything it looks at changes: samples
 * come, are sealed, deleted and rewritten, whole days go. It must find nothing,
 * and what it reads must not disturb what the writer does.
 *
 * FOREWARN_ROUNDS: how long; FOREWARN_LONG=1: 20 times as long.
 */
#include "tests/support/fixture.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "storage/segments/sealer.h"
#include "storage/segments/verify.h"
#include "tests/support/fake_clock.h"
#include "tests/support/tmpdir.h"

#define START ((fw_ms)19700 * FW_DAY)
#define STEP ((fw_ms)20000) /* a day has 108 rounds */
#define SERIES 6            /* the last one is deleted from */
#define ROUNDS 40
#define ROUND_SAMPLES 40
#define VERIFIERS 2

struct world {
    struct fw_store *store;
    atomic_bool over;
    _Atomic uint64_t verified, findings;
    pthread_mutex_t lock;
    char first[1024]; /* lock */
};

static struct fake_clock fake;

static size_t rounds(void)
{
    const char *text = getenv("FOREWARN_ROUNDS");
    const char *longer = getenv("FOREWARN_LONG");

    if (text != NULL && *text != '\0')
        return strtoull(text, NULL, 10);
    return longer != NULL && strcmp(longer, "1") == 0 ? 20 * ROUNDS : ROUNDS;
}

static struct fw_store *open_store(const char *dir, bool read_only)
{
    struct fw_store_options options = {.create = !read_only,
                                       .read_only = read_only,
                                       .linger = -1,
                                       .retention = INT64_MAX,
                                       .ooo_window = INT64_MAX,
                                       .disk_floor = 1,
                                       .clock = &fake.clock};
    struct fw_store *store = NULL;
    struct fw_err err = {0};

    if (fw_store_open(dir, &options, &store, &err) != FW_OK) {
        print_message("open: %s\n", err.text);
        abort();
    }
    return store;
}

static uint32_t series_id(struct fw_store *store, size_t number)
{
    char text[16];
    struct fw_label v[] = {{FW_STR("n"), {text, 0}}};
    struct fw_labels labels = {v, 1};
    struct fw_err err = {0};
    uint32_t id = 0;

    v[0].value.n = (size_t)snprintf(text, sizeof(text), "%zu", number);
    if (fw_store_series(store, &labels, &id, &err) != FW_OK)
        abort();
    return id;
}

static double value_of(size_t series, size_t k)
{
    return (double)(k * (series + 3) % 1009) / 8;
}

/* Samples of every series, and one of a new one. */
static void write_round(struct fw_store *store, size_t round)
{
    size_t from = round * ROUND_SAMPLES;
    struct fw_batch batch = {0};
    struct fw_append_result result = {0};
    struct fw_err err = {0};

    for (size_t s = 0; s < SERIES; s++)
        for (size_t k = from; k < from + ROUND_SAMPLES; k++)
            if (fw_batch_add(&batch, series_id(store, s),
                             START + (fw_ms)k * STEP, value_of(s, k)) != FW_OK)
                abort();
    if (fw_batch_add(&batch, series_id(store, 1000 + round),
                     START + (fw_ms)from * STEP, 1) != FW_OK)
        abort();
    fake_clock_step(&fake, START + (fw_ms)(from + ROUND_SAMPLES) * STEP);
    if (fw_store_append(store, &batch, &result, &err) != FW_OK ||
        result.stored != SERIES * ROUND_SAMPLES + 1) {
        print_message("append: %zu stored, %s\n", (size_t)result.stored,
                      err.text);
        abort();
    }
}

static void note(void *self, const char *sentence)
{
    struct world *w = self;

    (void)pthread_mutex_lock(&w->lock);
    if (w->first[0] == '\0')
        (void)snprintf(w->first, sizeof(w->first), "%s", sentence);
    (void)pthread_mutex_unlock(&w->lock);
}

static void verify_once(struct world *w, struct fw_store *store)
{
    struct verify_totals totals = {0};
    struct fw_err err = {0};

    if (verify_store(store, note, w, &totals, &err) != FW_OK) {
        note(w, err.text);
        totals.findings++;
    }
    (void)atomic_fetch_add(&w->findings, totals.findings);
    (void)atomic_fetch_add(&w->verified, 1);
}

static void *verify_always(void *self)
{
    struct world *w = self;

    while (!atomic_load(&w->over))
        verify_once(w, w->store);
    return NULL;
}

/* Rewrites all there is, again and again. */
static void *compact_always(void *self)
{
    struct world *w = self;
    struct fw_err err = {0};

    while (!atomic_load(&w->over))
        if (fw_store_compact(w->store, NULL, &err) != FW_OK)
            abort();
    return NULL;
}

static void delete_some(struct fw_store *store, size_t round)
{
    struct fw_matcher m = {FW_MATCH_EQUAL, FW_STR("n"), FW_STR("5")};
    struct fw_err err = {0};
    fw_ms from = START + (fw_ms)(round * ROUND_SAMPLES) * STEP;
    uint64_t hit = 0;

    if (fw_store_delete(store, &m, 1, from, from + 10 * STEP, &hit, &err) !=
        FW_OK)
        abort();
}

static void check_all(struct fw_store *store, size_t samples)
{
    struct fw_err err = {0};

    for (size_t s = 0; s < SERIES - 1; s++) {
        struct fw_cursor *cursor = NULL;
        struct fw_run run = {0};
        size_t k = 0;
        fw_rc rc;

        assert_int_equal(fw_cursor_open(store, series_id(store, s), INT64_MIN,
                                        INT64_MAX, &cursor, &err),
                         FW_OK);
        while ((rc = fw_cursor_next(cursor, &run, &err)) == FW_OK)
            for (size_t i = 0; i < run.n; i++, k++)
                if (run.t[i] != START + (fw_ms)k * STEP ||
                    run.v[i] != value_of(s, k))
                    fail_msg("series %zu: sample %zu is another one", s, k);
        if (rc != FW_END)
            fail_msg("series %zu: %s", s, err.text);
        if (k != samples)
            fail_msg("series %zu: %zu of %zu samples", s, k, samples);
        fw_cursor_close(cursor);
    }
}

static void world_init(struct world *w, const char *dir)
{
    *w = (struct world){0};
    (void)pthread_mutex_init(&w->lock, NULL);
    fake_clock_init(&fake, START);
    w->store = open_store(dir, false);
}

/* Beside writing, sealing, deleting and rewriting in the same process. */
static void nothing_is_found_that_is_not_there(void **state)
{
    const char *dir = tmpdir_new();
    pthread_t threads[VERIFIERS + 1];
    struct fw_err err = {0};
    struct world w;
    size_t n = rounds();

    (void)state;
    world_init(&w, dir);
    for (int i = 0; i < VERIFIERS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, verify_always, &w),
                         0);
    assert_int_equal(
        pthread_create(&threads[VERIFIERS], NULL, compact_always, &w), 0);
    for (size_t round = 0; round < n; round++) {
        write_round(w.store, round);
        assert_int_equal(sealer_run(w.store->sealer,
                                    round % 3 == 2 ? SEAL_RING : SEAL_ALL,
                                    &err),
                         FW_OK);
        if (round % 5 == 4)
            delete_some(w.store, round);
    }
    atomic_store(&w.over, true);
    for (int i = 0; i <= VERIFIERS; i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    if (atomic_load(&w.findings) > 0)
        fail_msg("%d findings, the first: %s", (int)atomic_load(&w.findings),
                 w.first);
    check_all(w.store, n * ROUND_SAMPLES);
    fw_store_close(w.store);
    w.store = open_store(dir, false);
    check_all(w.store, n * ROUND_SAMPLES);
    verify_once(&w, w.store);
    if (atomic_load(&w.findings) > 0)
        fail_msg("after opening again: %s", w.first);
    print_message("verified %d times\n", (int)atomic_load(&w.verified));
    fw_store_close(w.store);
}

/*
 * A file with many segments, to which one is added after the other: a verify
 * that lets the writer lose its place makes it write over what is there.
 */
static void the_writer_keeps_its_place(void **state)
{
    const char *dir = tmpdir_new();
    pthread_t threads[VERIFIERS];
    struct fw_err err = {0};
    struct world w;
    size_t n = rounds() * 2;

    (void)state;
    world_init(&w, dir);
    for (int i = 0; i < VERIFIERS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, verify_always, &w),
                         0);
    for (size_t round = 0; round < n; round++) {
        write_round(w.store, round);
        assert_int_equal(sealer_run(w.store->sealer, SEAL_ALL, &err), FW_OK);
    }
    atomic_store(&w.over, true);
    for (int i = 0; i < VERIFIERS; i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    if (atomic_load(&w.findings) > 0)
        fail_msg("%d findings, the first: %s", (int)atomic_load(&w.findings),
                 w.first);
    check_all(w.store, n * ROUND_SAMPLES);
    fw_store_close(w.store);
}

/* Beside a writer of another process, as the command does without a server's
 * socket: what it opened goes out of date while it looks. */
static void nothing_is_found_beside_another_process(void **state)
{
    const char *dir = tmpdir_new();
    struct world w;
    struct fw_err err = {0};
    pthread_t compacter;
    int status = 0;
    pid_t writer, done;
    size_t n = rounds();

    (void)state;
    writer = fork();
    assert_true(writer >= 0);
    if (writer == 0) {
        world_init(&w, dir);
        if (pthread_create(&compacter, NULL, compact_always, &w) != 0)
            _exit(1);
        for (size_t round = 0; round < n; round++) {
            write_round(w.store, round);
            if (sealer_run(w.store->sealer,
                           round % 3 == 2 ? SEAL_RING : SEAL_ALL,
                           &err) != FW_OK)
                _exit(2);
        }
        atomic_store(&w.over, true);
        (void)pthread_join(compacter, NULL);
        fw_store_close(w.store);
        _exit(0);
    }
    w = (struct world){0};
    (void)pthread_mutex_init(&w.lock, NULL);
    while ((done = waitpid(writer, &status, WNOHANG)) == 0) {
        struct fw_store_options options = {.read_only = true,
                                           .clock = &fake.clock};

        if (fw_store_open(dir, &options, &w.store, &err) != FW_OK)
            continue; /* nothing there yet */
        verify_once(&w, w.store);
        verify_once(&w, w.store);
        fw_store_close(w.store);
    }
    assert_int_equal(done, writer);
    assert_int_equal(status, 0);
    if (atomic_load(&w.findings) > 0)
        fail_msg("%d findings, the first: %s", (int)atomic_load(&w.findings),
                 w.first);
    w.store = open_store(dir, true);
    check_all(w.store, n * ROUND_SAMPLES);
    verify_once(&w, w.store);
    assert_int_equal(atomic_load(&w.findings), 0);
    print_message("verified %d times\n", (int)atomic_load(&w.verified));
    fw_store_close(w.store);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_is_found_that_is_not_there),
        cmocka_unit_test(the_writer_keeps_its_place),
        cmocka_unit_test(nothing_is_found_beside_another_process),
    };

    return fixture_main(argc, argv, tests);
}
