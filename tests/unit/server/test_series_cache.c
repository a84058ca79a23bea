/* SPDX-License-Identifier: GPL-3.0-or-later */
/* ctest: labels=threads */
#include "tests/support/fixture.h"

#include <pthread.h>
#include <stdio.h>
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
    };
    return fixture_main(argc, argv, tests);
}
