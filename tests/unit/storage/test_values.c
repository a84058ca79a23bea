/* SPDX-License-Identifier: GPL-3.0-or-later */
/* ctest: cost=18 */
/*
 * test_values.c - blocks of values come back bit for bit, by every kind of
 * kernels that this processor has.
 */
#include "tests/support/fixture.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "storage/base/bytes.h"
#include "storage/codec/kernels.h"
#include "storage/codec/values.h"
#include "storage/codec/values_format.h"
#include "tests/support/synth.h"

/* By each kind of kernels; where it takes long, by all kinds together. */
#define TOTAL_VALUES 10000000
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__) ||           \
    !defined(__OPTIMIZE__)
#define SHARED 1
#else
#define SHARED 0
#endif
#define LENGTH_MAX 100000
#define STALE UINT64_C(0x7ff0000000000002)

static const uint64_t g_odd_bits[] = {
    0,
    UINT64_C(0x8000000000000000), /* -0 */
    STALE,
    UINT64_C(0x7ff8000000000001), /* Prometheus's ordinary NaN */
    UINT64_C(0xfff8000000000000),
    UINT64_C(0x7ff0000000000000), /* infinities */
    UINT64_C(0xfff0000000000000),
    UINT64_C(0x7fefffffffffffff), /* extremes */
    UINT64_C(0xffefffffffffffff),
    1, /* denormals */
    UINT64_C(0x800fffffffffffff),
    UINT64_C(0x0010000000000000),
    UINT64_C(0x7fffffffffffffff),
    UINT64_C(0xffffffffffffffff),
    UINT64_C(0x4330000000000000), /* 2^52 */
    UINT64_C(0x43e0000000000000), /* 2^63 */
    UINT64_C(0xc3e0000000000000),
    UINT64_C(0x3ff0000000000000),
    UINT64_C(0x3ff0000000000001),
};
#define ODD_COUNT (sizeof(g_odd_bits) / sizeof(*g_odd_bits))

/* ---- what is encoded ---------------------------------------------------- */

static double power10(unsigned k)
{
    return codec_power10[k];
}

static uint64_t below(struct synth_rng *rng, uint64_t limit)
{
    return synth_u64(rng) % limit;
}

static double odd(struct synth_rng *rng)
{
    return fw_double_of_bits(g_odd_bits[below(rng, ODD_COUNT)]);
}

/* Bell-shaped enough, mean 0 and deviation 1, at the price of one number. */
static double rough_normal(struct synth_rng *rng)
{
    uint64_t r = synth_u64(rng);
    double sum = (double)(r & 0xFFFF) + (double)(r >> 16 & 0xFFFF) +
                 (double)(r >> 32 & 0xFFFF) + (double)(r >> 48);

    return (sum / 65536 - 2) * 1.7320508075688772;
}

typedef void fill_fn(struct synth_rng *rng, double *v, size_t n);

static void fill_random_bits(struct synth_rng *rng, double *v, size_t n)
{
    for (size_t i = 0; i < n; i++)
        v[i] = fw_double_of_bits(synth_u64(rng));
}

static void fill_odd(struct synth_rng *rng, double *v, size_t n)
{
    for (size_t i = 0; i < n; i++)
        v[i] = odd(rng);
}

static void fill_decimal_walk(struct synth_rng *rng, double *v, size_t n)
{
    unsigned k = (unsigned)below(rng, CODEC_DECIMALS_MAX + 1);
    double at = rough_normal(rng) * 1000;

    for (size_t i = 0; i < n; i++) {
        at += rough_normal(rng);
        v[i] = rint(at * power10(k)) / power10(k);
    }
}

static void fill_decimal_with_odd(struct synth_rng *rng, double *v, size_t n)
{
    uint64_t one_in = 2 + below(rng, 200);

    fill_decimal_walk(rng, v, n);
    for (size_t i = 0; i < n; i++)
        if (below(rng, one_in) == 0)
            v[i] = odd(rng);
}

/* 0.13399999999999998: decimals that went through arithmetic */
static void fill_computed(struct synth_rng *rng, double *v, size_t n)
{
    double at = 0;

    for (size_t i = 0; i < n; i++) {
        at += (double)(int64_t)below(rng, 21) - 10;
        v[i] = at * 0.001 + 0.1 - 0.1 * (double)below(rng, 3);
    }
}

static void fill_counter(struct synth_rng *rng, double *v, size_t n)
{
    double scale = (double)(UINT64_C(1) << below(rng, 40));
    double at = (double)below(rng, UINT64_C(1) << (1 + below(rng, 52)));

    for (size_t i = 0; i < n; i++) {
        at += scale * (double)below(rng, 1 + below(rng, 100));
        if (below(rng, 5000) == 0)
            at = 0;
        v[i] = at;
    }
}

static void fill_few(struct synth_rng *rng, double *v, size_t n)
{
    double entries[64];
    size_t count = 1 + below(rng, 64);

    fill_random_bits(rng, entries, count);
    for (size_t i = 0; i < n; i++)
        v[i] = entries[below(rng, count)];
}

static void fill_alternating(struct synth_rng *rng, double *v, size_t n)
{
    double a = odd(rng);
    double b = odd(rng);

    for (size_t i = 0; i < n; i++)
        v[i] = i % 2 == 0 ? a : b;
}

static void fill_floats(struct synth_rng *rng, double *v, size_t n)
{
    for (size_t i = 0; i < n; i++)
        v[i] = (double)(float)rough_normal(rng);
}

static void fill_full_walk(struct synth_rng *rng, double *v, size_t n)
{
    double at = rough_normal(rng);

    for (size_t i = 0; i < n; i++)
        v[i] = at += rough_normal(rng);
}

static void fill_big_integers(struct synth_rng *rng, double *v, size_t n)
{
    for (size_t i = 0; i < n; i++)
        v[i] = (double)(int64_t)(synth_u64(rng) >> below(rng, 64));
}

static void fill_mostly_constant(struct synth_rng *rng, double *v, size_t n)
{
    double at = odd(rng);

    for (size_t i = 0; i < n; i++) {
        if (below(rng, 300) == 0)
            at = rint(rough_normal(rng) * 1e6);
        v[i] = at;
    }
}

static void fill_multiples(struct synth_rng *rng, double *v, size_t n)
{
    double unit = (double)(1 + below(rng, 100000));

    for (size_t i = 0; i < n; i++)
        v[i] = unit * (double)below(rng, 5000) + 7;
}

static void fill_line(struct synth_rng *rng, double *v, size_t n)
{
    double slope = rint(rough_normal(rng) * 1000) / 10;

    for (size_t i = 0; i < n; i++)
        v[i] = rint(slope * (double)i + rough_normal(rng));
}

/* A ratio of two rates, when at times nothing happens: 0 / 0. */
static void fill_ratio(struct synth_rng *rng, double *v, size_t n)
{
    uint64_t one_in = 1 + below(rng, 8);

    for (size_t i = 0; i < n; i++) {
        v[i] = (double)below(rng, 1000) / 1000;
        if (below(rng, one_in) == 0)
            v[i] = fw_double_of_bits(UINT64_C(0x7ff8000000000001));
    }
}

static fill_fn *const g_fills[] = {
    fill_random_bits, fill_odd,          fill_decimal_walk,
    fill_computed,    fill_counter,      fill_decimal_with_odd,
    fill_few,         fill_alternating,  fill_floats,
    fill_full_walk,   fill_big_integers, fill_mostly_constant,
    fill_multiples,   fill_line,         fill_ratio,
};
#define FILL_COUNT (sizeof(g_fills) / sizeof(*g_fills))

/* ---- coding ------------------------------------------------------------- */

typedef size_t encode_fn(const double *v, size_t n, struct values_hint *hint,
                         uint8_t *out);

/* Buffers of exactly the promised size, so that a step over is seen. */
static size_t encode_by(encode_fn *by, const double *v, size_t n,
                        struct values_hint *hint, uint8_t **out)
{
    size_t bytes;

    *out = malloc(values_bound(n) + 1);
    assert_non_null(*out);
    (*out)[values_bound(n)] = 0xA5;
    bytes = by(v, n, hint, *out);
    assert_true(bytes <= values_bound(n));
    assert_int_equal((*out)[values_bound(n)], 0xA5);
    *out = realloc(*out, bytes > 0 ? bytes : 1);
    assert_non_null(*out);
    return bytes;
}

static size_t encode(const double *v, size_t n, struct values_hint *hint,
                     uint8_t **out)
{
    return encode_by(values_encode, v, n, hint, out);
}

static void expect_back(const uint8_t *in, size_t len, const double *v,
                        size_t n)
{
    struct fw_err err = {0};
    double *back = malloc(n > 0 ? n * sizeof(*back) : 1);

    assert_non_null(back);
    if (values_decode(in, len, n, back, &err) != FW_OK)
        fail_msg("%s", err.text);
    if (n > 0 && memcmp(back, v, n * sizeof(*v)) != 0)
        for (size_t i = 0; i < n; i++)
            if (fw_double_bits(back[i]) != fw_double_bits(v[i]))
                fail_msg("value %zu of %zu: %a became %a", i, n, v[i], back[i]);
    free(back);
}

/* How many bytes it took. */
static size_t there_and_back(const double *v, size_t n,
                             struct values_hint *hint)
{
    uint8_t *bytes;
    size_t len = encode(v, n, hint, &bytes);

    expect_back(bytes, len, v, n);
    free(bytes);
    return len;
}

/* Mostly the lengths that blocks have, at times any. */
static size_t some_length(struct synth_rng *rng)
{
    switch (below(rng, 16)) {
    case 0:
        return below(rng, 20);
    case 1:
        return below(rng, 5000);
    case 2:
        return below(rng, 10) == 0 ? below(rng, LENGTH_MAX) : 1024;
    case 3:
        return 120;
    default:
        return 512;
    }
}

static size_t kinds_here(void)
{
    size_t n = 0;

    for (unsigned i = 0; i < CODEC_KERNELS; i++)
        n += codec_kernels_at(i) != NULL;
    return n;
}

/* Each kind of kernels has values of its own. A search takes many times as long
 * as a hint, so one block in five is searched. */
static void adversarial_values_come_back(void **state)
{
    size_t total = SHARED ? TOTAL_VALUES / kinds_here() + 1 : TOTAL_VALUES;
    struct synth_rng rng = synth_seed((uint64_t)codec_kernels()->name[3]);
    double *v = malloc(LENGTH_MAX * sizeof(*v));
    struct values_hint hints[FILL_COUNT] = {0};

    (void)state;
    assert_non_null(v);
    for (size_t done = 0; done < total;) {
        size_t kind = below(&rng, FILL_COUNT);
        size_t n = some_length(&rng);
        g_fills[kind](&rng, v, n);
        there_and_back(v, n, below(&rng, 5) == 0 ? NULL : &hints[kind]);
        done += n;
    }
    free(v);
}

static void every_length_up_to_three_groups_comes_back(void **state)
{
    struct synth_rng rng = synth_seed(7);
    double v[400];

    (void)state;
    for (size_t n = 0; n < 400; n++)
        for (size_t kind = 0; kind < FILL_COUNT; kind++) {
            g_fills[kind](&rng, v, n);
            there_and_back(v, n, NULL);
        }
}

/* All rows of four out of the odd values. */
static void all_short_rows_of_odd_values_come_back(void **state)
{
    double v[4];

    (void)state;
    for (size_t i = 0; i < ODD_COUNT * ODD_COUNT * ODD_COUNT * ODD_COUNT; i++) {
        size_t rest = i;
        for (size_t j = 0; j < 4; j++, rest /= ODD_COUNT)
            v[j] = fw_double_of_bits(g_odd_bits[rest % ODD_COUNT]);
        if (i % 7 == 0) /* each pattern stands at each place often enough */
            there_and_back(v, 4, NULL);
    }
}

static void a_hint_of_other_data_does_no_harm(void **state)
{
    struct synth_rng rng = synth_seed(99);
    struct values_hint hint = {0};
    double v[512];

    (void)state;
    for (size_t i = 0; i < 1000; i++) {
        g_fills[below(&rng, FILL_COUNT)](&rng, v, 512);
        there_and_back(v, 512, &hint);
    }
}

/* Of each shape ten blocks, of which each is what the last one taught. */
static void a_hasty_block_comes_back_and_is_not_much_larger(void **state)
{
    struct synth_rng rng = synth_seed(97);
    size_t all = 0, all_hasty = 0;
    double v[256];

    (void)state;
    for (size_t i = 0; i < 100 * FILL_COUNT; i++) {
        static struct values_hint hints[2][FILL_COUNT];
        size_t kind = i / 10 % FILL_COUNT, bytes;
        uint8_t *block;

        g_fills[kind](&rng, v, 256);
        all += encode(v, 256, &hints[0][kind], &block);
        free(block);
        bytes =
            encode_by(values_encode_hastily, v, 256, &hints[1][kind], &block);
        expect_back(block, bytes, v, 256);
        free(block);
        all_hasty += bytes;
    }
    assert_true(all_hasty <= all + all / 4);
}

static void fill_walk(struct synth_rng *rng, int64_t scale, double *v, size_t n)
{
    int64_t at = 5000, q;

    for (size_t i = 0; i < n; i++) {
        at += (int64_t)below(rng, 201) - 100;
        q = at * scale / 100;
        v[i] = (double)q / (double)scale;
    }
}

/* The prediction that 32 values suggest is often not the one for 512. */
static void what_a_few_values_taught_is_doubted_by_many(void **state)
{
    static const int64_t scales[] = {1, 10, 100};
    struct synth_rng rng = synth_seed(94);
    size_t searched = 0, asked = 0;
    struct values_hint hint;
    double v[512];

    (void)state;
    for (size_t i = 0; i < 300; i++) {
        fill_walk(&rng, scales[i % 3], v, 512);
        hint = (struct values_hint){0};
        (void)there_and_back(v + 240, 32, &hint);
        assert_true(hint.kind != VALUES_DECIMAL || hint.brief);
        asked += there_and_back(v, 512, &hint);
        assert_false(hint.brief);
        searched += there_and_back(v, 512, NULL);
    }
    assert_true(asked <= searched + searched / 100);
}

/* Few distinct values that jump about: nothing but a dictionary suits them. */
static void a_dictionary_teaches_the_next(void **state)
{
    static const double states[] = {0.1, 1e9 / 7, -3.25e-5, 42};
    struct synth_rng rng = synth_seed(93);
    struct values_hint hint = {0};
    size_t searched = 0, hinted = 0;
    double v[512];

    (void)state;
    for (size_t i = 0; i < 20; i++) {
        for (size_t k = 0; k < 512; k++)
            v[k] = states[below(&rng, 4)];
        hinted += there_and_back(v, 512, &hint);
        assert_int_equal(hint.kind, VALUES_DICTIONARY);
        assert_int_equal(hint.age, i * 8);
        searched += there_and_back(v, 512, NULL);
    }
    assert_true(hinted <= searched + searched / 20);
}

static void any_bytes_in_a_hint_do_no_harm(void **state)
{
    struct synth_rng rng = synth_seed(98);
    double v[200];

    (void)state;
    for (size_t i = 0; i < 2000; i++) {
        struct values_hint hint = {
            .kind = (uint8_t)(synth_u64(&rng) & 0x83),
            .decimals = (uint8_t)below(&rng, CODEC_DECIMALS_MAX + 1),
            .order = (uint8_t)below(&rng, 4),
            .zigzag = below(&rng, 2) != 0,
            .fraction = below(&rng, 2) != 0,
            .brief = below(&rng, 2) != 0,
            .age = (uint8_t)synth_u64(&rng),
            .bytes_per_k = (uint16_t)synth_u64(&rng)};
        g_fills[below(&rng, FILL_COUNT)](&rng, v, 200);
        there_and_back(v, 1 + below(&rng, 200), &hint);
    }
}

static void a_block_tells_the_hint_it_left(void **state)
{
    struct synth_rng rng = synth_seed(96);
    struct values_hint hint, seen;
    size_t told = 0;
    double v[300];

    (void)state;
    for (size_t i = 0; i < 60 * FILL_COUNT; i++) {
        size_t n = 1 + below(&rng, 300), bytes;
        uint8_t *block, block_kind;

        hint = (struct values_hint){0};
        g_fills[i % FILL_COUNT](&rng, v, n);
        bytes = encode(v, n, &hint, &block);
        values_hint_of(block, bytes, n, &seen);
        block_kind = block[0];
        free(block);
        if (hint.kind == 0 || block_kind == VALUES_DICTIONARY) {
            assert_int_equal(seen.kind, 0); /* ranks lie behind the entries */
            continue;
        }
        assert_int_equal(seen.kind, hint.kind);
        told++;
        assert_int_equal(seen.decimals, hint.decimals);
        assert_int_equal(seen.order, hint.order);
        assert_int_equal(seen.zigzag, hint.zigzag);
        assert_int_equal(seen.fraction, hint.fraction);
        assert_int_equal(seen.brief, hint.brief);
        assert_int_equal(seen.bytes_per_k, hint.bytes_per_k);
        there_and_back(v, n, &seen);
    }
    assert_true(told > 20 * FILL_COUNT);
}

/* What a hint says comes from a file; a decoder may not have seen it yet. */
static void bytes_of_nobody_make_a_hint_that_does_no_harm(void **state)
{
    struct synth_rng rng = synth_seed(95);
    struct values_hint hint;
    uint8_t bytes[40];
    double v[100];

    (void)state;
    for (size_t i = 0; i < 3000; i++) {
        size_t n = below(&rng, 101), len = below(&rng, sizeof(bytes) + 1);

        for (size_t k = 0; k < len; k++)
            bytes[k] = (uint8_t)synth_u64(&rng);
        if (len > 0 && i % 2 == 0)
            bytes[0] |= 0x80;
        values_hint_of(bytes, len, n, &hint);
        g_fills[i % FILL_COUNT](&rng, v, 100);
        there_and_back(v, 100, &hint);
    }
}

static void all_kernels_write_the_same_bytes(void **state)
{
    struct synth_rng rng = synth_seed(15);
    const struct codec_kernels *now = codec_kernels();
    struct values_hint hints[2] = {0};
    double v[600];

    (void)state;
    for (size_t i = 0; i < 2000; i++) {
        size_t n = 1 + below(&rng, 600);
        uint8_t *bytes[2];
        size_t len[2];
        g_fills[i / 10 % FILL_COUNT](&rng, v, n);
        for (unsigned k = 0; k < 2; k++) {
            codec_kernels_use(k == 0 ? codec_kernels_at(0) : now);
            len[k] = encode(v, n, i % 2 == 0 ? NULL : &hints[k], &bytes[k]);
        }
        assert_int_equal(len[0], len[1]);
        assert_memory_equal(bytes[0], bytes[1], len[0]);
        free(bytes[0]);
        free(bytes[1]);
    }
}

/* ---- sizes -------------------------------------------------------------- */

static size_t size_of(const double *v, size_t n)
{
    uint8_t *bytes;
    size_t len = encode(v, n, NULL, &bytes);

    expect_back(bytes, len, v, n);
    free(bytes);
    return len;
}

static void a_constant_takes_at_most_nine_bytes(void **state)
{
    double v[512];

    (void)state;
    for (size_t i = 0; i < 512; i++)
        v[i] = 0.1;
    assert_int_equal(size_of(v, 512), 9);
    for (size_t i = 0; i < 512; i++)
        v[i] = 0;
    assert_int_equal(size_of(v, 512), 1);
}

static void a_line_takes_a_few_bytes(void **state)
{
    double v[512];

    (void)state;
    for (size_t i = 0; i < 512; i++)
        v[i] = 12.5 + 0.25 * (double)i;
    assert_true(size_of(v, 512) <= 16);
}

static void noise_never_takes_more_than_raw(void **state)
{
    struct synth_rng rng = synth_seed(3);
    double v[4096];

    (void)state;
    fill_random_bits(&rng, v, 4096);
    assert_true(size_of(v, 4096) <= 1 + sizeof(v));
}

static void computed_decimals_stay_small(void **state)
{
    struct synth_rng rng = synth_seed(4);
    double v[512];

    (void)state;
    fill_computed(&rng, v, 512);
    assert_true(size_of(v, 512) < 512 * 2);
}

static void equal_exceptions_are_written_once(void **state)
{
    struct synth_rng rng = synth_seed(5);
    double v[512];

    (void)state;
    for (size_t i = 0; i < 512; i++) {
        v[i] = (double)below(&rng, 1000) / 1000;
        if (below(&rng, 3) == 0)
            v[i] = fw_double_of_bits(STALE);
    }
    assert_true(size_of(v, 512) < 512 * 2);
}

/* ---- hostile bytes ------------------------------------------------------ */

/* Decodes from a heap block of exactly `len`, so that a step over is seen. */
static fw_rc decode_hostile(const uint8_t *in, size_t len, size_t n)
{
    struct fw_err err = {0};
    uint8_t *copy = malloc(len > 0 ? len : 1);
    double *out = malloc(n > 0 ? n * sizeof(*out) : 1);
    fw_rc rc;

    assert_non_null(copy);
    assert_non_null(out);
    memcpy(copy, in, len);
    rc = values_decode(copy, len, n, out, &err);
    if (rc != FW_OK) {
        assert_int_equal(rc, FW_ECORRUPT);
        assert_true(err.text[0] != '\0');
    }
    free(out);
    free(copy);
    return rc;
}

static void every_flipped_bit_gives_values_or_an_error(void **state)
{
    struct synth_rng rng = synth_seed(11);
    double v[300];

    (void)state;
    for (size_t kind = 0; kind < FILL_COUNT; kind++) {
        uint8_t *bytes;
        size_t len;
        g_fills[kind](&rng, v, 300);
        len = encode(v, 300, NULL, &bytes);
        for (size_t bit = 0; bit < len * 8; bit++) {
            bytes[bit / 8] ^= (uint8_t)(1u << (bit % 8));
            (void)decode_hostile(bytes, len, 300); /* either is right */
            bytes[bit / 8] ^= (uint8_t)(1u << (bit % 8));
        }
        free(bytes);
    }
}

static void a_block_cut_short_is_refused(void **state)
{
    struct synth_rng rng = synth_seed(12);
    double v[300];

    (void)state;
    for (size_t kind = 0; kind < FILL_COUNT; kind++) {
        uint8_t *bytes;
        size_t len;
        g_fills[kind](&rng, v, 300);
        len = encode(v, 300, NULL, &bytes);
        for (size_t cut = 0; cut < len; cut++)
            assert_int_equal(decode_hostile(bytes, cut, 300), FW_ECORRUPT);
        free(bytes);
    }
}

static void bytes_left_over_are_refused(void **state)
{
    uint8_t bytes[] = {0x10, 0x00};

    (void)state;
    assert_int_equal(decode_hostile(bytes, 1, 5), FW_OK);
    assert_int_equal(decode_hostile(bytes, 2, 5), FW_ECORRUPT);
    assert_int_equal(decode_hostile(bytes, 1, 0), FW_ECORRUPT);
    assert_int_equal(decode_hostile(bytes, 0, 0), FW_OK);
}

static void random_bytes_give_values_or_an_error(void **state)
{
    struct synth_rng rng = synth_seed(13);
    uint8_t bytes[600];

    (void)state;
    for (size_t i = 0; i < 3000; i++) {
        size_t len = below(&rng, sizeof(bytes));
        for (size_t j = 0; j < len; j++)
            bytes[j] = (uint8_t)(synth_u64(&rng) >> (below(&rng, 2) * 5));
        (void)decode_hostile(bytes, len, below(&rng, 5000)); /* either */
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(adversarial_values_come_back),
        cmocka_unit_test(every_length_up_to_three_groups_comes_back),
        cmocka_unit_test(all_short_rows_of_odd_values_come_back),
        cmocka_unit_test(a_hint_of_other_data_does_no_harm),
        cmocka_unit_test(a_hasty_block_comes_back_and_is_not_much_larger),
        cmocka_unit_test(what_a_few_values_taught_is_doubted_by_many),
        cmocka_unit_test(a_dictionary_teaches_the_next),
        cmocka_unit_test(any_bytes_in_a_hint_do_no_harm),
        cmocka_unit_test(a_block_tells_the_hint_it_left),
        cmocka_unit_test(bytes_of_nobody_make_a_hint_that_does_no_harm),
        cmocka_unit_test(all_kernels_write_the_same_bytes),
        cmocka_unit_test(a_constant_takes_at_most_nine_bytes),
        cmocka_unit_test(a_line_takes_a_few_bytes),
        cmocka_unit_test(noise_never_takes_more_than_raw),
        cmocka_unit_test(computed_decimals_stay_small),
        cmocka_unit_test(equal_exceptions_are_written_once),
        cmocka_unit_test(every_flipped_bit_gives_values_or_an_error),
        cmocka_unit_test(a_block_cut_short_is_refused),
        cmocka_unit_test(bytes_left_over_are_refused),
        cmocka_unit_test(random_bytes_give_values_or_an_error),
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
