/* SPDX-License-Identifier: GPL-3.0-or-later */
/* ctest: labels=threads */
#include "tests/support/fixture.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/ingest/series_cache.h"

static struct series_key key_of(struct series_cache *cache, int i)
{
    char name[32];
    struct series_key scope = series_cache_scope(cache, &FW_STR("t"), 1);
    size_t n = (size_t)snprintf(name, sizeof(name), "series %d", i);

    return series_cache_key(scope, (struct fw_str){name, n});
}

static void what_was_put_is_found(void **state)
{
    struct series_cache *cache;
    uint32_t id;

    (void)state;
    assert_int_equal(series_cache_new(100000, &cache), FW_OK);
    assert_false(series_cache_find(cache, key_of(cache, 0), &id));
    for (int i = 0; i < 20000; i++)
        series_cache_put(cache, key_of(cache, i), (uint32_t)i);
    for (int i = 0; i < 20000; i++) {
        assert_true(series_cache_find(cache, key_of(cache, i), &id));
        assert_int_equal(id, i);
    }
    assert_false(series_cache_find(cache, key_of(cache, 20000), &id));
    series_cache_free(cache);
}

static void many_are_found_at_once_or_not_at_all(void **state)
{
    struct series_cache_stats stats;
    struct series_cache *cache;
    struct series_key keys[100];
    uint32_t ids[100];

    (void)state;
    assert_int_equal(series_cache_new(1000, &cache), FW_OK);
    for (int i = 0; i < 100; i++)
        keys[i] = key_of(cache, i);
    assert_true(series_cache_find_all(cache, keys, 0, ids));
    assert_false(series_cache_find_all(cache, keys, 1, ids));
    for (int i = 0; i < 99; i++)
        series_cache_put(cache, keys[i], (uint32_t)i);
    assert_true(series_cache_find_all(cache, keys, 99, ids));
    assert_int_equal(ids[98], 98);
    assert_false(series_cache_find_all(cache, keys, 100, ids));
    series_cache_stats(cache, &stats);
    assert_int_equal(stats.entries, 99);
    assert_int_equal(stats.misses, 2);
    assert_int_equal(stats.forgotten, 0);
    series_cache_free(cache);
}

static void another_epoch_begins_anew(void **state)
{
    struct series_cache *cache;
    uint32_t id;

    (void)state;
    assert_int_equal(series_cache_new(1000, &cache), FW_OK);
    series_cache_at(cache, 7);
    series_cache_put(cache, key_of(cache, 1), 5);
    series_cache_at(cache, 7);
    assert_true(series_cache_find(cache, key_of(cache, 1), &id));
    series_cache_at(cache, 8);
    assert_false(series_cache_find(cache, key_of(cache, 1), &id));
    series_cache_free(cache);
}

static void past_its_cap_it_forgets(void **state)
{
    struct series_cache *cache;
    int found = 0;
    uint32_t id;

    (void)state;
    assert_int_equal(series_cache_new(1000, &cache), FW_OK);
    for (int i = 0; i < 100000; i++)
        series_cache_put(cache, key_of(cache, i), (uint32_t)i);
    for (int i = 0; i < 100000; i++)
        found += series_cache_find(cache, key_of(cache, i), &id);
    assert_in_range(found, 1, 1100);
    series_cache_free(cache);
}

static void where_a_piece_ends_matters(void **state)
{
    struct fw_str a[] = {FW_STR("ab"), FW_STR("c")};
    struct fw_str b[] = {FW_STR("a"), FW_STR("bc")};
    struct series_cache *cache;
    struct series_key x, y;

    (void)state;
    assert_int_equal(series_cache_new(10, &cache), FW_OK);
    x = series_cache_scope(cache, a, 2);
    y = series_cache_scope(cache, b, 2);
    assert_memory_not_equal(&x, &y, sizeof(x));
    series_cache_free(cache);
}

/* ---- walking ---- */

struct crowd {
    char text[600][40];
    struct fw_str names[600];
};

/* "<word> <i>", in order. */
static void crowd_make(struct crowd *crowd, const char *word, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        size_t bytes = (size_t)snprintf(crowd->text[i], sizeof(crowd->text[i]),
                                        "%s %zu", word, i);

        crowd->names[i] = (struct fw_str){crowd->text[i], bytes};
    }
}

static void crowd_put(struct series_cache *cache, struct series_key scope,
                      const struct crowd *crowd, size_t n, uint32_t first)
{
    for (size_t i = 0; i < n; i++)
        series_cache_put(cache, series_cache_key(scope, crowd->names[i]),
                         first + (uint32_t)i);
}

/* How many of the names a walk in groups of 64 finds under their ids. */
static size_t walk_all(struct series_cache *cache, struct series_key scope,
                       const struct fw_str *names, size_t n, uint32_t first)
{
    struct series_walk walk = series_cache_walk(scope);
    uint32_t ids[64];
    size_t right = 0;

    for (size_t i = 0; i < n; i += 64) {
        size_t some = n - i < 64 ? n - i : 64;

        if (!series_cache_walk_on(cache, &walk, names + i, some, ids))
            return right;
        for (size_t k = 0; k < some; k++)
            right += ids[k] == first + i + k;
    }
    return right;
}

static void who_walks_finds_what_was_put(void **state)
{
    struct series_cache *cache;
    struct series_key scope;
    struct fw_str turned[600];
    struct crowd crowd;

    (void)state;
    crowd_make(&crowd, "a", 600);
    for (size_t i = 0; i < 600; i++)
        turned[i] = crowd.names[(i + 300) % 600];
    assert_int_equal(series_cache_new(1000, &cache), FW_OK);
    scope = series_cache_scope(cache, &FW_STR("t"), 1);
    assert_int_equal(walk_all(cache, scope, crowd.names, 600, 0), 0);
    crowd_put(cache, scope, &crowd, 600, 7);
    for (int round = 0; round < 4; round++) {
        assert_int_equal(walk_all(cache, scope, crowd.names, 600, 7), 600);
        assert_int_equal(walk_all(cache, scope, crowd.names + 100, 64, 107),
                         64);
        assert_int_equal(walk_all(cache, scope, turned, 300, 307), 300);
        assert_int_equal(walk_all(cache, scope, turned + 300, 300, 7), 300);
    }
    series_cache_free(cache);
}

static void a_walk_sees_new_ids_and_other_epochs(void **state)
{
    struct series_cache *cache;
    struct series_key scope, other;
    struct crowd crowd;

    (void)state;
    crowd_make(&crowd, "a", 200);
    assert_int_equal(series_cache_new(1000, &cache), FW_OK);
    scope = series_cache_scope(cache, &FW_STR("t"), 1);
    other = series_cache_scope(cache, &FW_STR("u"), 1);
    crowd_put(cache, scope, &crowd, 200, 0);
    assert_int_equal(walk_all(cache, scope, crowd.names, 200, 0), 200);
    crowd_put(cache, scope, &crowd, 200, 1000);
    assert_int_equal(walk_all(cache, scope, crowd.names, 200, 1000), 200);
    assert_int_equal(walk_all(cache, other, crowd.names, 200, 1000), 0);
    crowd_put(cache, other, &crowd, 200, 5000);
    assert_int_equal(walk_all(cache, other, crowd.names, 200, 5000), 200);
    assert_int_equal(walk_all(cache, scope, crowd.names, 200, 1000), 200);
    series_cache_at(cache, 8);
    assert_int_equal(walk_all(cache, scope, crowd.names, 200, 1000), 0);
    series_cache_free(cache);
}

/* One walks in front of the point where all is forgotten, and goes on. */
static void a_walk_outlives_its_trail(void **state)
{
    struct series_cache *cache;
    struct series_key scope;
    struct series_walk walk;
    struct crowd crowd;
    uint32_t ids[64];

    (void)state;
    crowd_make(&crowd, "a", 128);
    assert_int_equal(series_cache_new(1000, &cache), FW_OK);
    scope = series_cache_scope(cache, &FW_STR("t"), 1);
    crowd_put(cache, scope, &crowd, 128, 0);
    walk = series_cache_walk(scope);
    assert_true(series_cache_walk_on(cache, &walk, crowd.names, 64, ids));
    series_cache_at(cache, 9);
    assert_false(series_cache_walk_on(cache, &walk, crowd.names + 64, 64, ids));
    crowd_put(cache, scope, &crowd, 128, 50);
    assert_true(series_cache_walk_on(cache, &walk, crowd.names + 64, 64, ids));
    assert_int_equal(ids[0], 50 + 64);
    series_cache_free(cache);
}

/* More and longer names than the trail keeps: it fills, and begins anew. */
static void a_full_trail_begins_anew(void **state)
{
    enum { COUNT = 3000, BYTES = 9000, ROUNDS = 60 };
    char *text = malloc(BYTES);
    struct series_cache *cache;
    struct series_key scope;

    (void)state;
    assert_non_null(text);
    memset(text, 'x', BYTES);
    assert_int_equal(series_cache_new(COUNT, &cache), FW_OK);
    scope = series_cache_scope(cache, &FW_STR("t"), 1);
    for (int round = 0; round < ROUNDS; round++) {
        struct series_walk walk = series_cache_walk(scope);

        for (uint32_t i = 0; i < COUNT; i++) {
            struct fw_str name = {text, BYTES};
            uint32_t id = UINT32_MAX;

            memcpy(text, &i, sizeof(i));
            if (round == 0)
                series_cache_put(cache, series_cache_key(scope, name), i);
            assert_true(series_cache_walk_on(cache, &walk, &name, 1, &id));
            assert_int_equal(id, i);
        }
    }
    free(text);
    series_cache_free(cache);
}

static void *walk_about(void *self)
{
    struct series_cache *cache = self;
    struct series_key scope = series_cache_scope(cache, &FW_STR("t"), 1);
    struct crowd *crowd = malloc(sizeof(*crowd));
    long wrong = crowd == NULL;

    for (size_t i = 0; i < 300 && crowd != NULL; i++) {
        size_t first = i * 37 % 300;

        if (i == 0)
            crowd_make(crowd, "b", 600);
        if (i % 100 == 0)
            crowd_put(cache, scope, crowd, 600, 0);
        wrong += walk_all(cache, scope, crowd->names + first, 300,
                          (uint32_t)first) != 300;
    }
    free(crowd);
    return (void *)wrong;
}

static void threads_walk_together(void **state)
{
    struct series_cache *cache;
    pthread_t threads[4];

    (void)state;
    assert_int_equal(series_cache_new(10000, &cache), FW_OK);
    for (int i = 0; i < 4; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, walk_about, cache),
                         0);
    for (int i = 0; i < 4; i++) {
        void *wrong;

        assert_int_equal(pthread_join(threads[i], &wrong), 0);
        assert_null(wrong);
    }
    series_cache_free(cache);
}

static void *hammer(void *self)
{
    struct series_cache *cache = self;
    long wrong = 0;

    for (int i = 0; i < 20000; i++) {
        uint32_t id = 0;

        if (series_cache_find(cache, key_of(cache, i % 500), &id))
            wrong += id != (uint32_t)(i % 500);
        else
            series_cache_put(cache, key_of(cache, i % 500),
                             (uint32_t)(i % 500));
    }
    return (void *)wrong;
}

static void threads_share_it(void **state)
{
    struct series_cache *cache;
    pthread_t threads[4];

    (void)state;
    assert_int_equal(series_cache_new(10000, &cache), FW_OK);
    for (int i = 0; i < 4; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, hammer, cache), 0);
    for (int i = 0; i < 4; i++) {
        void *wrong;

        assert_int_equal(pthread_join(threads[i], &wrong), 0);
        assert_null(wrong);
    }
    series_cache_free(cache);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_put_is_found),
        cmocka_unit_test(many_are_found_at_once_or_not_at_all),
        cmocka_unit_test(another_epoch_begins_anew),
        cmocka_unit_test(past_its_cap_it_forgets),
        cmocka_unit_test(where_a_piece_ends_matters),
        cmocka_unit_test(threads_share_it),
        cmocka_unit_test(who_walks_finds_what_was_put),
        cmocka_unit_test(a_walk_sees_new_ids_and_other_epochs),
        cmocka_unit_test(a_walk_outlives_its_trail),
        cmocka_unit_test(a_full_trail_begins_anew),
        cmocka_unit_test(threads_walk_together),
    };
    return fixture_main(argc, argv, tests);
}
