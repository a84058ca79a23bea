/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "tests/support/fixture.h"

#include "storage/base/hash.h"
#include "tests/support/fault.h"

static bool same(const void *self, uint32_t value, const void *key)
{
    const uint64_t *keys = self;
    const uint64_t *wanted = key;

    return keys[value] == *wanted;
}

static void finds_what_was_added_and_nothing_else(void **state)
{
    static uint64_t keys[20000];
    struct fw_index index = {0};

    (void)state;
    for (uint32_t i = 0; i < 20000; i++) {
        keys[i] = (uint64_t)i * 3;
        assert_int_equal(fw_index_add(&index, fw_hash64(&keys[i], 8, 1), i),
                         FW_OK);
    }
    for (uint64_t k = 0; k < 60000; k++) {
        uint32_t want = k % 3 == 0 ? (uint32_t)(k / 3) : FW_INDEX_NONE;

        assert_int_equal(
            fw_index_find(&index, fw_hash64(&k, 8, 1), same, keys, &k), want);
    }
    fw_index_release(&index);
}

static void equal_hashes_are_told_apart_by_their_keys(void **state)
{
    uint64_t keys[3] = {10, 20, 30};
    struct fw_index index = {0};
    uint64_t missing = 40;

    (void)state;
    for (uint32_t i = 0; i < 3; i++)
        assert_int_equal(fw_index_add(&index, 99, i), FW_OK);
    for (uint32_t i = 0; i < 3; i++)
        assert_int_equal(fw_index_find(&index, 99, same, keys, &keys[i]), i);
    assert_int_equal(fw_index_find(&index, 99, same, keys, &missing),
                     FW_INDEX_NONE);
    fw_index_release(&index);
}

static void out_of_memory_leaves_it_whole(void **state)
{
    uint64_t keys[64];
    struct fw_index index = {0};
    uint32_t n = 0;

    (void)state;
    fault_memory(3, FAULT_FOREVER);
    for (; n < 64; n++) {
        keys[n] = n;
        if (fw_index_add(&index, fw_hash64(&keys[n], 8, 0), n) != FW_OK)
            break;
    }
    assert_true(fault_end());
    assert_in_range(n, 1, 63);
    for (uint32_t i = 0; i < n; i++)
        assert_int_equal(fw_index_find(&index, fw_hash64(&keys[i], 8, 0), same,
                                       keys, &keys[i]),
                         i);
    fw_index_release(&index);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(finds_what_was_added_and_nothing_else),
        cmocka_unit_test(equal_hashes_are_told_apart_by_their_keys),
        cmocka_unit_test(out_of_memory_leaves_it_whole),
    };

    return fixture_main(argc, argv, tests);
}
