/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * test_bits.c - packed groups: sizes are exact, the choice is the smallest,
 * everything comes back, bad bytes are refused.
 */
#include "tests/support/fixture.h"

#include <stdlib.h>
#include <string.h>

#include "storage/codec/bits.h"
#include "storage/codec/kernels.h"
#include "tests/support/synth.h"

#define TAGS 249 /* the first that means nothing */

static uint64_t below(struct synth_rng *rng, uint64_t limit)
{
    return synth_u64(rng) % limit;
}

/* Integers of all kinds: wide, narrow, mostly zero, with stray large ones. */
static void fill(struct synth_rng *rng, uint64_t *u, size_t n)
{
    unsigned width = (unsigned)below(rng, 65);
    uint64_t one_in = 1 + below(rng, 40);
    bool strays = below(rng, 2) != 0;

    for (size_t i = 0; i < n; i++) {
        u[i] = width == 0 ? 0 : synth_u64(rng) >> (64 - width);
        if (below(rng, one_in) != 0)
            u[i] = strays ? u[i] >> (width / 2) : 0;
        while (below(rng, 2) != 0)
            u[i] >>= 1;
    }
}

/* Writes to a heap block of exactly the size allowed, and reads it back. */
static size_t there_and_back(const uint64_t *u, size_t n, uint8_t tag,
                             size_t expected)
{
    uint64_t back[CODEC_ROOM];
    uint8_t *wide = malloc(expected + BITS_SLACK);
    uint8_t *bytes = malloc(expected > 0 ? expected : 1);
    size_t len;

    assert_non_null(wide);
    assert_non_null(bytes);
    len = bits_write(u, n, tag, wide);
    assert_int_equal(len, expected);
    memcpy(bytes, wide, len);
    if (bits_read(bytes, bytes + len, tag, n, back) != bytes + len)
        fail_msg("tag %u of %zu integers is not read", tag, n);
    assert_memory_equal(back, u, n * sizeof(*u));
    free(wide);
    free(bytes);
    return len;
}

static void every_tag_that_can_hold_a_group_brings_it_back(void **state)
{
    struct synth_rng rng = synth_seed(1);
    uint64_t u[CODEC_ROOM] = {0};

    (void)state;
    for (size_t round = 0; round < 200; round++) {
        size_t n = 1 + below(&rng, CODEC_GROUP);
        fill(&rng, u, n);
        for (unsigned tag = 0; tag < TAGS; tag++) {
            size_t bytes = bits_size(u, n, (uint8_t)tag);
            if (bytes <= BITS_GROUP_BYTES_MAX)
                there_and_back(u, n, (uint8_t)tag, bytes);
        }
    }
}

/* Rice codes are compared in bits; of groups that do not end at a byte the
 * two planes may round up once more. */
static void the_choice_is_the_smallest(void **state)
{
    struct synth_rng rng = synth_seed(2);
    uint64_t u[CODEC_ROOM] = {0};

    (void)state;
    for (size_t round = 0; round < 2000; round++) {
        size_t n =
            below(&rng, 2) == 0 ? CODEC_GROUP : 1 + below(&rng, CODEC_GROUP);
        size_t spare;
        size_t bytes;
        fill(&rng, u, n);
        uint8_t tag = bits_choose(u, n, &bytes);
        spare = n % 8 == 0 || bytes == 0 ? 0 : 1;
        assert_int_equal(bytes, bits_size(u, n, tag));
        assert_true(bytes <= 8 * n);
        there_and_back(u, n, tag, bytes);
        for (unsigned other = 0; other < TAGS; other++)
            if (bits_size(u, n, (uint8_t)other) < bytes - spare)
                fail_msg("%zu bytes with tag %u, %zu with %u", bytes, tag,
                         bits_size(u, n, (uint8_t)other), other);
    }
}

/* All groups of up to three integers below 64, and their neighbours of 2^k. */
static void small_groups_come_back(void **state)
{
    uint64_t u[CODEC_ROOM] = {0};
    size_t bytes;

    (void)state;
    for (uint64_t all = 0; all < 64 * 64 * 64; all++) {
        u[0] = all % 64;
        u[1] = all / 64 % 64;
        u[2] = all / 4096;
        for (size_t n = 1; n <= 3; n++) {
            uint8_t tag = bits_choose(u, n, &bytes);
            there_and_back(u, n, tag, bytes);
        }
    }
    for (unsigned bit = 0; bit < 64; bit++) {
        u[0] = UINT64_C(1) << bit;
        u[1] = u[0] - 1;
        u[2] = 0 - u[0];
        uint8_t tag = bits_choose(u, 3, &bytes);
        there_and_back(u, 3, tag, bytes);
    }
}

static void equal_groups_take_what_they_must(void **state)
{
    uint64_t u[CODEC_ROOM] = {0};
    size_t bytes;

    (void)state;
    assert_int_equal(bits_choose(u, CODEC_GROUP, &bytes), 0);
    assert_int_equal(bytes, 0);
    for (size_t i = 0; i < CODEC_GROUP; i++)
        u[i] = UINT64_MAX;
    assert_int_equal(bits_choose(u, CODEC_GROUP, &bytes), 64);
    assert_int_equal(bytes, BITS_GROUP_BYTES_MAX);
    memset(u, 0, sizeof(u));
    u[77] = UINT64_MAX; /* one patch */
    (void)bits_choose(u, CODEC_GROUP, &bytes);
    assert_int_equal(bytes, 2 + 1 + 8);
}

static void a_group_cut_short_is_refused(void **state)
{
    struct synth_rng rng = synth_seed(3);
    uint64_t u[CODEC_ROOM] = {0};
    uint64_t back[CODEC_ROOM];
    uint8_t bytes[BITS_GROUP_BYTES_MAX + BITS_SLACK];

    (void)state;
    for (size_t round = 0; round < 300; round++) {
        size_t n = 1 + below(&rng, CODEC_GROUP);
        fill(&rng, u, n);
        for (unsigned tag = 0; tag < TAGS; tag++) {
            size_t len = bits_size(u, n, (uint8_t)tag);
            if (len > BITS_GROUP_BYTES_MAX || len == 0)
                continue;
            (void)bits_write(u, n, (uint8_t)tag, bytes);
            size_t cut = below(&rng, len);
            assert_null(bits_read(bytes, bytes + cut, (uint8_t)tag, n, back));
        }
    }
}

/* Whatever the bytes: what is read ends before their end. */
static void random_bytes_stay_within_bounds(void **state)
{
    struct synth_rng rng = synth_seed(4);
    uint64_t back[CODEC_ROOM];

    (void)state;
    for (size_t round = 0; round < 40000; round++) {
        size_t len = below(&rng, 200);
        size_t n = 1 + below(&rng, CODEC_GROUP);
        uint8_t *bytes = malloc(len > 0 ? len : 1);
        assert_non_null(bytes);
        for (size_t i = 0; i < len; i++)
            bytes[i] = (uint8_t)(synth_u64(&rng) & synth_u64(&rng));
        const uint8_t *after =
            bits_read(bytes, bytes + len, (uint8_t)below(&rng, 256), n, back);
        assert_true(after == NULL || (after >= bytes && after <= bytes + len));
        free(bytes);
    }
}

static void tags_without_meaning_are_refused(void **state)
{
    uint8_t bytes[BITS_GROUP_BYTES_MAX] = {0};
    uint64_t back[CODEC_ROOM];

    (void)state;
    for (unsigned tag = TAGS; tag < 256; tag++)
        assert_null(
            bits_read(bytes, bytes + sizeof(bytes), (uint8_t)tag, 8, back));
}

static void patches_out_of_place_are_refused(void **state)
{
    /* w = 0; one patch of one bit, at place 9 of 8 integers */
    const uint8_t bytes[] = {1, 1, 9, 1};
    uint64_t back[CODEC_ROOM];

    (void)state;
    assert_null(bits_read(bytes, bytes + sizeof(bytes), 65, 8, back));
    assert_ptr_equal(bits_read(bytes, bytes + sizeof(bytes), 65, 10, back),
                     bytes + sizeof(bytes));
    assert_int_equal(back[9], 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_tag_that_can_hold_a_group_brings_it_back),
        cmocka_unit_test(the_choice_is_the_smallest),
        cmocka_unit_test(small_groups_come_back),
        cmocka_unit_test(equal_groups_take_what_they_must),
        cmocka_unit_test(a_group_cut_short_is_refused),
        cmocka_unit_test(random_bytes_stay_within_bounds),
        cmocka_unit_test(tags_without_meaning_are_refused),
        cmocka_unit_test(patches_out_of_place_are_refused),
    };
    int failed = 0;

    for (unsigned i = 0; i < CODEC_KERNELS; i++) {
        if (codec_kernels_at(i) == NULL)
            continue;
        codec_kernels_use(codec_kernels_at(i));
        print_message("kernels: %s\n", codec_kernels()->name);
        failed += cmocka_run_group_tests(tests, NULL, NULL);
    }
    return failed;
}
