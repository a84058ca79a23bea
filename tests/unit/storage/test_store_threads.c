/* SPDX-License-Identifier: GPL-3.0-or-later */
/* ctest: labels=threads */
/*
 * test_store_threads.c - writers, readers and the sealing thread at once; run
 * under the thread sanitizer too.
 */
#include "tests/support/fixture.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "storage/segments/sealer.h"
#include "tests/support/tmpdir.h"

#define WRITERS 3
#define READERS 2
#define BATCHES 60
#define BATCH 200

struct world {
    struct fw_store *store;
    atomic_int writing;
    _Atomic uint64_t acknowledged[WRITERS];
};

struct actor {
    struct world *world;
    int number;
};

static uint32_t make_series(struct fw_store *store, int writer, int number)
{
    char name[32], value[32];
    struct fw_label v[2];
    struct fw_labels labels = {v, 2};
    struct fw_err err = {0};
    uint32_t id = 0;

    v[0] = (struct fw_label){
        FW_STR(FW_METRIC_NAME),
        {name, (size_t)snprintf(name, sizeof(name), "m%d", writer)}};
    v[1] = (struct fw_label){
        FW_STR("n"),
        {value, (size_t)snprintf(value, sizeof(value), "%d", number)}};
    if (fw_store_series(store, &labels, &id, &err) != FW_OK)
        abort();
    return id;
}

/* Each batch makes a series and adds to those made before. */
static void *write_some(void *self)
{
    struct actor *a = self;
    struct world *w = a->world;
    uint32_t ids[BATCHES];
    struct fw_err err = {0};

    for (int b = 0; b < BATCHES; b++) {
        struct fw_append_result result = {0};
        struct fw_batch batch = {0};

        ids[b] = make_series(w->store, a->number, b);
        for (int i = 0; i < BATCH; i++)
            if (fw_batch_add(&batch, ids[i % (b + 1)],
                             1700000000000 + b * 100000 + i, i) != FW_OK)
                abort();
        if (fw_store_append(w->store, &batch, &result, &err) != FW_OK ||
            result.stored != BATCH)
            abort();
        (void)atomic_fetch_add(&w->acknowledged[a->number], BATCH);
    }
    (void)atomic_fetch_sub(&w->writing, 1);
    return NULL;
}

static uint64_t count_samples(struct fw_store *store, int writer)
{
    struct fw_matcher m = {FW_MATCH_EQUAL, FW_STR(FW_METRIC_NAME), {0}};
    struct fw_arena *arena = fw_arena_new((size_t)16 << 20);
    struct fw_series *series = NULL;
    struct fw_err err = {0};
    char name[32];
    uint64_t total = 0;
    size_t n = 0;

    m.value = (struct fw_str){
        name, (size_t)snprintf(name, sizeof(name), "m%d", writer)};
    if (fw_store_select(store, &m, 1, INT64_MIN, INT64_MAX, 100000, arena,
                        &series, &n, &err) != FW_OK)
        abort();
    for (size_t i = 0; i < n; i++) {
        struct fw_cursor *cursor = NULL;
        struct fw_run run = {0};

        if (fw_cursor_open(store, series[i].id, INT64_MIN, INT64_MAX, &cursor,
                           &err) != FW_OK)
            abort();
        while (fw_cursor_next(cursor, &run, &err) == FW_OK)
            total += run.n;
        fw_cursor_close(cursor);
    }
    fw_arena_free(arena);
    return total;
}

/* What was acknowledged before a read began must be in what it sees. */
static void *read_some(void *self)
{
    struct actor *a = self;
    struct world *w = a->world;

    while (atomic_load(&w->writing) > 0) {
        int writer = a->number % WRITERS;
        uint64_t before = atomic_load(&w->acknowledged[writer]);
        struct fw_store_stats stats;

        if (count_samples(w->store, writer) < before)
            abort();
        fw_store_stats(w->store, &stats);
        a->number++;
    }
    return NULL;
}

static void writers_readers_and_sealing_do_not_meet(void **state)
{
    const char *dir = tmpdir_new();
    struct fw_store_options options = {.create = true,
                                       .linger = 1,
                                       .retention = INT64_MAX,
                                       .ooo_window = FW_DAY,
                                       .disk_floor = 1};
    struct world w = {.writing = WRITERS};
    struct actor actors[WRITERS + READERS];
    pthread_t threads[WRITERS + READERS];
    struct fw_err err = {0};

    (void)state;
    assert_int_equal(fw_store_open(dir, &options, &w.store, &err), FW_OK);
    for (int i = 0; i < WRITERS + READERS; i++) {
        actors[i] = (struct actor){&w, i};
        assert_int_equal(pthread_create(&threads[i], NULL,
                                        i < WRITERS ? write_some : read_some,
                                        &actors[i]),
                         0);
    }
    for (int i = 0; atomic_load(&w.writing) > 0; i++)
        assert_int_equal(sealer_run(w.store->sealer,
                                    i % 3 == 0   ? SEAL_FULL
                                    : i % 3 == 1 ? SEAL_RING
                                                 : SEAL_ALL,
                                    &err),
                         FW_OK);
    for (int i = 0; i < WRITERS + READERS; i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    for (int pass = 0; pass < 2; pass++) {
        for (int i = 0; i < WRITERS; i++)
            assert_int_equal(count_samples(w.store, i), BATCHES * BATCH);
        fw_store_close(w.store);
        options.read_only = true;
        assert_int_equal(fw_store_open(dir, &options, &w.store, &err), FW_OK);
    }
    fw_store_close(w.store);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(writers_readers_and_sealing_do_not_meet),
    };

    return fixture_main(argc, argv, tests);
}
