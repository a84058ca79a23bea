/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "storage/index/postings.h"
#include "tests/support/fixture.h"

#include <stdlib.h>
#include <string.h>

#include "tests/support/synth.h"

#define NAMES 3
#define VALUES 40
#define IDS 30000

/* What the postings should say: by name and id, the value + 1; 0: none. */
static uint8_t g_model[NAMES][IDS];
static struct synth_rng rng;

static uint32_t below(uint32_t n)
{
    return (uint32_t)(synth_u64(&rng) % n);
}

static void add(struct postings *p, uint32_t name, uint32_t value, uint32_t id)
{
    g_model[name][id] = (uint8_t)(value + 1);
    assert_int_equal(postings_add(p, name, value, &id, 1), FW_OK);
}

static void assert_list(const struct postings *p, uint32_t name, uint32_t value)
{
    const struct posting_name *found = postings_name(p, name);
    struct id_list ids = {0};
    size_t lists[2];
    size_t n = found == NULL ? 0 : posting_find(found, value, lists);
    size_t at = 0, said = 0;
    bool *there = calloc(IDS, sizeof(*there));

    for (size_t i = 0; i < n; i++) {
        size_t count;

        assert_int_equal(posting_list_value(found, lists[i], &count), value);
        said += count;
        assert_int_equal(posting_list_ids(found, lists[i], &ids), FW_OK);
        assert_int_equal(ids.n, said);
    }
    for (; at < ids.n; at++)
        there[ids.v[at]] = true;
    for (uint32_t id = 0; id < IDS; id++)
        assert_int_equal(there[id], g_model[name][id] == value + 1);
    free(there);
    free(ids.v);
}

static void assert_all(const struct postings *p)
{
    for (uint32_t name = 0; name < NAMES; name++)
        for (uint32_t value = 0; value < VALUES; value++)
            assert_list(p, name, value);
}

/* Name 0: runs; 1: every so many; 2: anything. */
static uint32_t value_of(uint32_t name, uint32_t id)
{
    if (name == 0)
        return id / 1000 % VALUES;
    return name == 1 ? id % 7 : below(VALUES);
}

static void lists_stay_the_same_when_merged(void **state)
{
    struct postings p = {0};

    (void)state;
    memset(g_model, 0, sizeof(g_model));
    for (uint32_t id = 0; id < IDS; id++) {
        for (uint32_t name = 0; name < NAMES; name++)
            if (name < 2 || below(3) > 0)
                add(&p, name, value_of(name, id), id);
        if (below(4000) == 0) {
            assert_all(&p);
            assert_int_equal(postings_merge(&p), FW_OK);
            assert_int_equal(p.tail_ids, 0);
        }
    }
    assert_all(&p);
    assert_int_equal(postings_merge(&p), FW_OK);
    assert_all(&p);
    assert_true(postings_bytes(&p) < IDS * 3); /* four bytes an id before */
    postings_release(&p);
}

static void ids_may_come_late_and_twice(void **state)
{
    struct postings p = {0};

    (void)state;
    memset(g_model, 0, sizeof(g_model));
    for (uint32_t i = 0; i < 3000; i++) {
        uint32_t id = below(IDS);
        uint32_t value = id % VALUES;

        add(&p, 1, value, id);
        if (below(3) == 0)
            add(&p, 1, value, id);
        if (below(500) == 0)
            assert_int_equal(postings_merge(&p), FW_OK);
    }
    assert_int_equal(postings_merge(&p), FW_OK);
    assert_all(&p);
    for (uint32_t value = 0; value < VALUES; value++) { /* each id once now */
        const struct posting_name *name = postings_name(&p, 1);
        size_t lists[2], n, sum = 0;

        assert_int_equal(posting_find(name, value, lists), 1);
        (void)posting_list_value(name, lists[0], &n);
        for (uint32_t id = 0; id < IDS; id++)
            sum += g_model[1][id] == value + 1;
        assert_int_equal(n, sum);
    }
    postings_release(&p);
}

static void what_is_removed_is_gone(void **state)
{
    struct postings p = {0};
    uint32_t *gone = malloc(IDS * sizeof(*gone));
    size_t n = 0;

    (void)state;
    memset(g_model, 0, sizeof(g_model));
    for (uint32_t id = 0; id < IDS; id++) {
        for (uint32_t name = 0; name < NAMES; name++)
            add(&p, name, value_of(name, id), id);
        if (id == IDS / 2)
            assert_int_equal(postings_merge(&p), FW_OK);
        if (below(3) == 0 || (id >= 3000 && id < 5000))
            gone[n++] = id;
    }
    assert_int_equal(postings_remove(&p, gone, n), FW_OK);
    for (size_t i = 0; i < n; i++)
        for (uint32_t name = 0; name < NAMES; name++)
            g_model[name][gone[i]] = 0;
    assert_all(&p);
    /* A value all of whose series are gone is no value any more. */
    assert_int_equal(posting_find(postings_name(&p, 0), 3, (size_t[2]){0}), 0);
    free(gone);
    postings_release(&p);
}

static void a_unique_value_costs_eight_bytes(void **state)
{
    struct postings p = {0};

    (void)state;
    for (uint32_t id = 0; id < 100000; id++)
        assert_int_equal(postings_add(&p, 7, id * 3, &id, 1), FW_OK);
    assert_int_equal(postings_merge(&p), FW_OK);
    assert_true(postings_bytes(&p) < 100000 * 8 + 4096);
    for (uint32_t id = 0; id < 100000; id += 77) {
        struct id_list ids = {0};
        size_t lists[2];

        assert_int_equal(posting_find(postings_name(&p, 7), id * 3, lists), 1);
        assert_int_equal(posting_list_ids(postings_name(&p, 7), lists[0], &ids),
                         FW_OK);
        assert_int_equal(ids.n, 1);
        assert_int_equal(ids.v[0], id);
        assert_int_equal(posting_find(postings_name(&p, 7), id * 3 + 1, lists),
                         0);
        free(ids.v);
    }
    postings_release(&p);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lists_stay_the_same_when_merged),
        cmocka_unit_test(ids_may_come_late_and_twice),
        cmocka_unit_test(what_is_removed_is_gone),
        cmocka_unit_test(a_unique_value_costs_eight_bytes),
    };

    rng = synth_seed(fixture_seed());
    return fixture_main(argc, argv, tests);
}
