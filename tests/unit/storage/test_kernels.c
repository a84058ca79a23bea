/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * test_kernels.c - every kernel of every kind against the scalar one, on the
 * same inputs. Kinds that this processor lacks are named and left out.
 */
#include "tests/support/fixture.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "storage/base/bytes.h"
#include "storage/codec/bits.h"
#include "storage/codec/kernels.h"
#include "storage/codec/kernels_plain.h"
#include "tests/support/synth.h"

#define ROUNDS 300

static uint64_t below(struct synth_rng *rng, uint64_t limit)
{
    return synth_u64(rng) % limit;
}

/* Mostly whole groups, and every other length. */
static size_t some_count(struct synth_rng *rng)
{
    return below(rng, 2) == 0 ? CODEC_GROUP : 1 + below(rng, CODEC_GROUP);
}

static void fill_width(struct synth_rng *rng, uint64_t *u, size_t n,
                       unsigned width)
{
    for (size_t i = 0; i < n; i++)
        u[i] = width == 0 ? 0 : synth_u64(rng) >> (64 - width);
}

typedef void compare_fn(const struct codec_kernels *a,
                        const struct codec_kernels *b, struct synth_rng *rng);

/* Runs a comparison of each kind that is here with the scalar kernels. */
static void with_each(compare_fn *compare)
{
    for (unsigned i = 1; i < CODEC_KERNELS; i++) {
        const struct codec_kernels *k = codec_kernels_at(i);
        struct synth_rng rng = synth_seed(i);
        for (size_t round = 0; k != NULL && round < ROUNDS; round++)
            compare(codec_kernels_at(0), k, &rng);
    }
}

static void expect_equal(const uint64_t *a, const uint64_t *b, size_t n)
{
    assert_memory_equal(a, b, n * sizeof(*a));
}

/* Packs with a and b, unpacks with b and a, at exactly sized heap blocks. */
static void compare_packing(const struct codec_kernels *a,
                            const struct codec_kernels *b,
                            struct synth_rng *rng)
{
    for (unsigned width = 0; width <= 64; width++) {
        uint64_t u[CODEC_ROOM] = {0};
        uint64_t back[CODEC_ROOM];
        size_t n = some_count(rng);
        size_t bytes = (n * width + 7) / 8;
        uint8_t *x = calloc(1, bytes + CODEC_PAD);
        uint8_t *y = calloc(1, bytes + CODEC_PAD);

        assert_non_null(x);
        assert_non_null(y);
        fill_width(rng, u, n, width);
        a->pack(u, n, width, x);
        b->pack(u, n, width, y);
        assert_memory_equal(x, y, bytes);
        b->unpack(x, width, n, back);
        expect_equal(back, u, n);
        a->unpack(x, width, n, back);
        expect_equal(back, u, n);
        free(x);
        free(y);
    }
}

static void packing_agrees(void **state)
{
    (void)state;
    with_each(compare_packing);
}

/* Integers above the width must not spill into their neighbours. */
static void compare_cutting(const struct codec_kernels *a,
                            const struct codec_kernels *b,
                            struct synth_rng *rng)
{
    uint64_t u[CODEC_ROOM] = {0};
    uint8_t x[BITS_GROUP_BYTES_MAX + CODEC_PAD] = {0};
    uint8_t y[BITS_GROUP_BYTES_MAX + CODEC_PAD] = {0};
    unsigned width = (unsigned)below(rng, 65);
    size_t n = some_count(rng);

    fill_width(rng, u, n, 64);
    a->pack(u, n, width, x);
    b->pack(u, n, width, y);
    assert_memory_equal(x, y, (n * width + 7) / 8);
}

static void packing_cuts_what_is_too_wide(void **state)
{
    (void)state;
    with_each(compare_cutting);
}

static void compare_unrice(const struct codec_kernels *a,
                           const struct codec_kernels *b, struct synth_rng *rng)
{
    uint8_t low[BITS_GROUP_BYTES_MAX + CODEC_PAD] = {0};
    uint64_t x[CODEC_ROOM];
    uint64_t y[CODEC_ROOM];
    unsigned k = (unsigned)below(rng, 56);
    size_t n = some_count(rng);
    size_t plane = below(rng, 120);
    uint8_t *unary = malloc(plane + 1);
    unsigned rare = (unsigned)below(rng, 6); /* how rare ones are */

    assert_non_null(unary);
    for (size_t i = 0; i < sizeof(low) - CODEC_PAD; i++)
        low[i] = (uint8_t)synth_u64(rng);
    for (size_t i = 0; i < plane; i++) {
        unary[i] = (uint8_t)synth_u64(rng);
        for (unsigned r = 0; r < rare; r++)
            unary[i] &= (uint8_t)synth_u64(rng);
    }
    unary = realloc(unary, plane > 0 ? plane : 1); /* ends where it says */
    assert_non_null(unary);
    const uint8_t *p = a->unrice(low, k, unary, unary + plane, n, x);
    const uint8_t *q = b->unrice(low, k, unary, unary + plane, n, y);
    assert_ptr_equal(p, q);
    if (p != NULL)
        expect_equal(x, y, n);
    free(unary);
}

static void rice_codes_agree_good_or_bad(void **state)
{
    (void)state;
    for (int i = 0; i < 20; i++)
        with_each(compare_unrice);
}

/* Signed, of all sizes up to somewhat more than `bits`. */
static uint64_t around(struct synth_rng *rng, unsigned bits)
{
    uint64_t v = synth_u64(rng) >> (64 - 1 - below(rng, bits + 1));

    return below(rng, 2) == 0 ? v : 0 - v;
}

/* In one pass as in three, or not at all. */
static void compare_narrow(const struct codec_kernels *a,
                           const struct codec_kernels *b, struct synth_rng *rng)
{
    uint8_t low[BITS_GROUP_BYTES_MAX + CODEC_PAD] = {0};
    uint64_t x[CODEC_ROOM];
    double want[CODEC_ROOM], got[CODEC_ROOM];
    bool rice = below(rng, 2) == 0;
    unsigned width = (unsigned)below(
        rng, 1 + (rice ? CODEC_NARROW_RICE : CODEC_NARROW_PLAIN));
    unsigned k = (unsigned)(below(rng, 2) * below(rng, CODEC_DECIMALS_MAX + 1));
    struct codec_line line = {.order = (uint8_t)below(rng, 3),
                              .zigzag = below(rng, 2) == 0,
                              .centre = around(rng, 20),
                              .last = around(rng, 30)};
    struct codec_line other;
    uint8_t unary[CODEC_GROUP * 2];
    const uint8_t *end = unary + sizeof(unary);
    const uint8_t *plane = rice ? unary : NULL;
    const uint8_t *p = end, *q;
    size_t n = some_count(rng);

    if (b->narrow == NULL)
        return;
    if (below(rng, 8) == 0)
        line.last = around(rng, 53);
    other = line;
    for (size_t i = 0; i < sizeof(low) - CODEC_PAD; i++)
        low[i] = below(rng, 4) == 0 ? 0xFF : (uint8_t)synth_u64(rng);
    for (size_t i = 0; i < sizeof(unary); i++)
        unary[i] = (uint8_t)(synth_u64(rng) & synth_u64(rng));
    q = b->narrow(low, width, plane, end, n, &other, k, got);
    if (!narrow_line(&line) && q == NULL) { /* some can do more */
        assert_memory_equal(&line, &other, sizeof(line));
        return;
    }
    if (rice)
        p = a->unrice(low, width, unary, end, n, x);
    else
        a->unpack(low, width, n, x);
    assert_ptr_equal(p, q);
    if (p == NULL)
        return;
    a->restore(&line, x, n);
    a->divide(x, n, k, want);
    assert_memory_equal(want, got, n * sizeof(*want));
    assert_true(line.order != 1 || line.last == other.last);
}

static void narrow_groups_agree(void **state)
{
    (void)state;
    for (int i = 0; i < 20; i++)
        with_each(compare_narrow);
}

static void compare_expand(const struct codec_kernels *a,
                           const struct codec_kernels *b, struct synth_rng *rng)
{
    uint8_t bitmap[CODEC_GROUP / 8] = {0};
    uint64_t packed[CODEC_ROOM] = {0};
    uint64_t x[CODEC_ROOM];
    uint64_t y[CODEC_ROOM];
    size_t n = some_count(rng);

    for (size_t i = 0; i < n; i++)
        bitmap[i / 8] |= (uint8_t)(below(rng, 2) << (i % 8));
    fill_width(rng, packed, CODEC_GROUP, 64);
    a->expand(bitmap, packed, n, x);
    b->expand(bitmap, packed, n, y);
    expect_equal(x, y, n);
}

static void bitmaps_agree(void **state)
{
    (void)state;
    with_each(compare_expand);
}

static struct codec_line some_line(struct synth_rng *rng)
{
    unsigned width = (unsigned)(1 + below(rng, 64));

    return (struct codec_line){.order = (uint8_t)below(rng, 4),
                               .zigzag = below(rng, 2) != 0,
                               .centre = synth_u64(rng) >> (64 - width),
                               .last = synth_u64(rng),
                               .delta = synth_u64(rng) >> (64 - width),
                               .step = synth_u64(rng) >> below(rng, 64),
                               .position = synth_u64(rng)};
}

static void expect_same_line(const struct codec_line *a,
                             const struct codec_line *b)
{
    assert_int_equal(a->last, b->last);
    assert_int_equal(a->delta, b->delta);
    assert_int_equal(a->position, b->position);
}

/* Restoring is also the inverse of taking residuals, which is tested here. */
static void compare_lines(const struct codec_kernels *a,
                          const struct codec_kernels *b, struct synth_rng *rng)
{
    uint64_t x[CODEC_ROOM] = {0};
    uint64_t u[CODEC_ROOM];
    uint64_t w[CODEC_ROOM];
    size_t n = some_count(rng);
    struct codec_line start = some_line(rng);
    struct codec_line line = start;
    struct codec_line other = start;

    fill_width(rng, x, n, (unsigned)below(rng, 65));
    a->residual(&line, x, n, u);
    b->residual(&other, x, n, w);
    expect_same_line(&line, &other);
    expect_equal(u, w, n);
    line = other = start;
    a->restore(&line, u, n);
    b->restore(&other, w, n);
    expect_same_line(&line, &other);
    expect_equal(u, x, n);
    expect_equal(w, x, n);
}

static void predictions_agree_and_invert(void **state)
{
    (void)state;
    for (int i = 0; i < 10; i++)
        with_each(compare_lines);
}

static void compare_arithmetic(const struct codec_kernels *a,
                               const struct codec_kernels *b,
                               struct synth_rng *rng)
{
    uint64_t x[CODEC_ROOM] = {0};
    uint64_t y[CODEC_ROOM];
    double p[CODEC_ROOM];
    double q[CODEC_ROOM];
    size_t n = some_count(rng);
    uint64_t gcd = synth_u64(rng) >> below(rng, 64);

    fill_width(rng, x, n, (unsigned)below(rng, 65));
    memcpy(y, x, sizeof(x));
    for (unsigned k = 0; k <= CODEC_DECIMALS_MAX; k++) {
        a->divide(x, n, k, p);
        b->divide(x, n, k, q);
        assert_memory_equal(p, q, n * sizeof(*p));
    }
    a->nudge(x, n, p);
    b->nudge(x, n, q);
    assert_memory_equal(p, q, n * sizeof(*p));
    a->unorder(x, n, p);
    b->unorder(x, n, q);
    assert_memory_equal(p, q, n * sizeof(*p));
    a->scale(x, n, gcd, gcd + 1);
    b->scale(y, n, gcd, gcd + 1);
    expect_equal(x, y, n);
}

static void arithmetic_agrees(void **state)
{
    (void)state;
    with_each(compare_arithmetic);
}

static void compare_lookup(const struct codec_kernels *a,
                           const struct codec_kernels *b, struct synth_rng *rng)
{
    size_t count = 1 + below(rng, 40);
    double *entries = malloc(count * sizeof(*entries));
    uint64_t ranks[CODEC_ROOM] = {0};
    double p[CODEC_ROOM];
    double q[CODEC_ROOM];
    size_t n = some_count(rng);

    assert_non_null(entries);
    for (size_t i = 0; i < count; i++)
        entries[i] = synth_normal(rng);
    for (size_t i = 0; i < n; i++)
        ranks[i] = below(rng, count);
    if (below(rng, 4) == 0)
        ranks[below(rng, n)] = count + below(rng, 2) * (UINT64_MAX - count);
    bool good = a->lookup(entries, count, ranks, n, p);
    assert_int_equal(good, b->lookup(entries, count, ranks, n, q));
    if (good)
        assert_memory_equal(p, q, n * sizeof(*p));
    free(entries);
}

static void lookups_agree_and_refuse_bad_ranks(void **state)
{
    (void)state;
    with_each(compare_lookup);
}

static double some_value(struct synth_rng *rng)
{
    switch (below(rng, 5)) {
    case 0:
        return fw_double_of_bits(synth_u64(rng));
    case 1:
        return rint(synth_normal(rng) * 1e4) / 100;
    case 2:
        return 0.1 * (double)below(rng, 1000);
    case 3:
        return (double)(int64_t)(synth_u64(rng) >> below(rng, 64));
    default:
        return ldexp(1, (int)below(rng, 80)) + synth_normal(rng);
    }
}

static void compare_decimal(const struct codec_kernels *a,
                            const struct codec_kernels *b,
                            struct synth_rng *rng)
{
    double v[CODEC_ROOM];
    uint64_t q[2][CODEC_ROOM];
    uint64_t ulps[2][CODEC_ROOM];
    uint64_t failed[2][CODEC_GROUP / 64];
    size_t n = some_count(rng);

    for (size_t i = 0; i < n; i++)
        v[i] = some_value(rng);
    for (unsigned k = 0; k <= CODEC_DECIMALS_MAX; k++) {
        uint64_t any[2] = {0, 0};
        size_t count = a->decimal(v, n, k, q[0], ulps[0], &any[0], failed[0]);
        assert_int_equal(
            count, b->decimal(v, n, k, q[1], ulps[1], &any[1], failed[1]));
        assert_int_equal(any[0], any[1]);
        assert_memory_equal(failed[0], failed[1], sizeof(failed[0]));
        expect_equal(q[0], q[1], n);
        expect_equal(ulps[0], ulps[1], n);
    }
}

static void decimals_agree(void **state)
{
    (void)state;
    with_each(compare_decimal);
}

static void compare_counting(const struct codec_kernels *a,
                             const struct codec_kernels *b,
                             struct synth_rng *rng)
{
    uint64_t u[CODEC_ROOM];
    struct codec_lengths x;
    struct codec_lengths y;
    size_t n = some_count(rng);
    unsigned k = (unsigned)below(rng, 57);

    fill_width(rng, u, n, (unsigned)below(rng, 65));
    for (size_t i = 0; i < n; i++)
        u[i] >>= below(rng, 3) == 0 ? below(rng, 64) : 0;
    a->lengths(u, n, &x);
    b->lengths(u, n, &y);
    assert_memory_equal(x.count, y.count, sizeof(x.count));
    assert_int_equal(x.max, y.max);
    assert_int_equal(x.sum, y.sum);
    assert_int_equal(a->quotients(u, n, k), b->quotients(u, n, k));
    uint64_t min[2] = {5, 5};
    uint64_t sum[2] = {7, 7};
    a->extent(u, n, &min[0], &sum[0]);
    b->extent(u, n, &min[1], &sum[1]);
    assert_int_equal(min[0], min[1]);
    assert_int_equal(sum[0], sum[1]);
}

static void counting_agrees(void **state)
{
    (void)state;
    for (int i = 0; i < 5; i++)
        with_each(compare_counting);
}

#define SUMMED 11 /* blocks: more than any kernel takes at once */

/* What it adds up to is tested in test_segment.c; here only that all agree. */
static void compare_summing(const struct codec_kernels *a,
                            const struct codec_kernels *b,
                            struct synth_rng *rng)
{
    static double v[SUMMED][600];
    const double *values[SUMMED];
    struct codec_totals totals[2][SUMMED];
    size_t blocks = 1 + below(rng, SUMMED);
    size_t n = 1 + below(rng, 600);

    for (size_t k = 0; k < blocks; k++) {
        double unit = k % 3 == 0 ? 100 : k % 3 == 1 ? 0x1p-1000 : 0x1p40 / 3;

        values[k] = v[k];
        for (size_t i = 0; i < n; i++)
            v[k][i] = ((double)(int64_t)below(rng, 40) - 20) / unit;
        if (below(rng, 2) == 0)
            v[k][below(rng, n)] = -0.0;
    }
    a->totals(values, blocks, n, totals[0]);
    b->totals(values, blocks, n, totals[1]);
    assert_memory_equal(totals[0], totals[1], blocks * sizeof(totals[0][0]));
}

static void summing_agrees(void **state)
{
    (void)state;
    for (int i = 0; i < 5; i++)
        with_each(compare_summing);
}

/* The proof beside divide8 says always; here are a few million times. */
static void quotients_are_those_of_the_division(void **state)
{
    (void)state;
    for (unsigned i = 1; i < CODEC_KERNELS; i++) {
        const struct codec_kernels *k = codec_kernels_at(i);
        struct synth_rng rng = synth_seed(77);
        if (k == NULL)
            continue;
        for (size_t round = 0; round < 2000; round++) {
            uint64_t q[CODEC_ROOM] = {0};
            double out[CODEC_ROOM];
            unsigned digits = 1 + (unsigned)below(&rng, CODEC_DECIMALS_MAX);
            fill_width(&rng, q, CODEC_GROUP, (unsigned)(1 + below(&rng, 53)));
            k->divide(q, CODEC_GROUP, digits, out);
            for (size_t j = 0; j < CODEC_GROUP; j++)
                assert_int_equal(
                    fw_double_bits(out[j]),
                    fw_double_bits((double)q[j] / codec_power10[digits]));
        }
    }
}

static void the_unary_tables_count_zeros(void **state)
{
    (void)state;
    for (unsigned byte = 0; byte < 256; byte++) {
        uint64_t zeros = 0;
        unsigned ones = 0;
        uint64_t run = 0;
        for (unsigned bit = 0; bit < 8; bit++) {
            if ((byte >> bit & 1) == 0) {
                run++;
                continue;
            }
            zeros |= run << (8 * ones++);
            run = 0;
        }
        assert_int_equal(codec_unary_zeros[byte], zeros);
        assert_int_equal(codec_unary_ones[byte], ones);
        assert_int_equal(codec_unary_rest[byte], run);
    }
}

static void the_best_kernels_are_used_until_told_otherwise(void **state)
{
    (void)state;
    assert_non_null(codec_kernels());
    codec_kernels_use(codec_kernels_at(0));
    assert_string_equal(codec_kernels()->name, "scalar");
    codec_kernels_use(NULL);
    for (unsigned i = CODEC_KERNELS; i-- > 0;)
        if (codec_kernels_at(i) != NULL) {
            assert_ptr_equal(codec_kernels(), codec_kernels_at(i));
            break;
        }
}

int main(void)
{
    for (unsigned i = 1; i < CODEC_KERNELS; i++)
        if (codec_kernels_at(i) == NULL)
            print_message("kernels %u: not on this processor\n", i);

    const struct CMUnitTest tests[] = {
        cmocka_unit_test(packing_agrees),
        cmocka_unit_test(packing_cuts_what_is_too_wide),
        cmocka_unit_test(rice_codes_agree_good_or_bad),
        cmocka_unit_test(narrow_groups_agree),
        cmocka_unit_test(bitmaps_agree),
        cmocka_unit_test(predictions_agree_and_invert),
        cmocka_unit_test(arithmetic_agrees),
        cmocka_unit_test(lookups_agree_and_refuse_bad_ranks),
        cmocka_unit_test(decimals_agree),
        cmocka_unit_test(counting_agrees),
        cmocka_unit_test(summing_agrees),
        cmocka_unit_test(quotients_are_those_of_the_division),
        cmocka_unit_test(the_unary_tables_count_zeros),
        cmocka_unit_test(the_best_kernels_are_used_until_told_otherwise),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
