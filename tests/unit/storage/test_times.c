/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * test_times.c - columns of timestamps come back exactly, by every kind of
 * kernels that this processor has.
 */
#include "tests/support/fixture.h"

#include <stdlib.h>
#include <string.h>

#include "storage/codec/kernels.h"
#include "storage/codec/times.h"
#include "tests/support/synth.h"

/* By each kind of kernels; where it takes long, by all kinds together. */
#define TOTAL_TIMES 10000000
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__) ||           \
    !defined(__OPTIMIZE__)
#define SHARED 1
#else
#define SHARED 0
#endif
#define LENGTH_MAX 100000
#define NOW 1795000000000

static uint64_t below(struct synth_rng *rng, uint64_t limit)
{
    return synth_u64(rng) % limit;
}

typedef void fill_fn(struct synth_rng *rng, fw_ms *t, size_t n);

static void fill_random(struct synth_rng *rng, fw_ms *t, size_t n)
{
    for (size_t i = 0; i < n; i++)
        t[i] = (fw_ms)synth_u64(rng);
}

/* Differences that do not fit an int64. */
static void fill_extremes(struct synth_rng *rng, fw_ms *t, size_t n)
{
    const fw_ms all[] = {INT64_MIN, INT64_MAX, 0, -1, INT64_MIN + 1};

    for (size_t i = 0; i < n; i++)
        t[i] = all[below(rng, 5)];
}

static void fill_regular(struct synth_rng *rng, fw_ms *t, size_t n)
{
    fw_ms step = (fw_ms)below(rng, 100000);

    for (size_t i = 0; i < n; i++)
        t[i] = NOW + step * (fw_ms)i;
}

static void fill_jitter(struct synth_rng *rng, fw_ms *t, size_t n)
{
    for (size_t i = 0; i < n; i++)
        t[i] = NOW + 15000 * (fw_ms)i + (fw_ms)below(rng, 12) - 6;
}

/* Jitter that adds up: the next one waits for the last. */
static void fill_drift(struct synth_rng *rng, fw_ms *t, size_t n)
{
    fw_ms at = -NOW;

    for (size_t i = 0; i < n; i++)
        t[i] = at += 1000 + (fw_ms)below(rng, 4);
}

static void fill_gaps(struct synth_rng *rng, fw_ms *t, size_t n)
{
    fw_ms at = (fw_ms)below(rng, 4000000000);

    for (size_t i = 0; i < n; i++)
        t[i] = at += below(rng, 50) == 0 ? (fw_ms)below(rng, 86400000) : 10000;
}

static fill_fn *const g_fills[] = {fill_random, fill_extremes, fill_regular,
                                   fill_jitter, fill_drift,    fill_gaps};
#define FILL_COUNT (sizeof(g_fills) / sizeof(*g_fills))

static size_t encode(const fw_ms *t, size_t n, uint8_t **out)
{
    size_t bytes;

    *out = malloc(times_bound(n) + 1);
    assert_non_null(*out);
    (*out)[times_bound(n)] = 0xA5;
    bytes = times_encode(t, n, *out);
    assert_true(bytes <= times_bound(n));
    assert_int_equal((*out)[times_bound(n)], 0xA5);
    *out = realloc(*out, bytes > 0 ? bytes : 1);
    assert_non_null(*out);
    return bytes;
}

static size_t there_and_back(const fw_ms *t, size_t n)
{
    struct fw_err err = {0};
    fw_ms *back = malloc(n > 0 ? n * sizeof(*back) : 1);
    uint8_t *bytes;
    size_t len = encode(t, n, &bytes);

    assert_non_null(back);
    if (times_decode(bytes, len, n, back, &err) != FW_OK)
        fail_msg("%s", err.text);
    if (n > 0)
        assert_memory_equal(back, t, n * sizeof(*t));
    free(back);
    free(bytes);
    return len;
}

static size_t kinds_here(void)
{
    size_t n = 0;

    for (unsigned i = 0; i < CODEC_KERNELS; i++)
        n += codec_kernels_at(i) != NULL;
    return n;
}

/* Each kind of kernels has times of its own. */
static void any_timestamps_come_back(void **state)
{
    size_t total = SHARED ? TOTAL_TIMES / kinds_here() + 1 : TOTAL_TIMES;
    struct synth_rng rng = synth_seed((uint64_t)codec_kernels()->name[3]);
    fw_ms *t = malloc(LENGTH_MAX * sizeof(*t));

    (void)state;
    assert_non_null(t);
    for (size_t done = 0; done < total;) {
        size_t n = below(&rng, below(&rng, 50) == 0 ? LENGTH_MAX : 1000);
        g_fills[below(&rng, FILL_COUNT)](&rng, t, n);
        there_and_back(t, n);
        done += n;
    }
    free(t);
}

static void every_length_up_to_three_groups_comes_back(void **state)
{
    struct synth_rng rng = synth_seed(5);
    fw_ms t[400];

    (void)state;
    for (size_t n = 0; n < 400; n++)
        for (size_t kind = 0; kind < FILL_COUNT; kind++) {
            g_fills[kind](&rng, t, n);
            there_and_back(t, n);
        }
}

static void an_even_grid_takes_a_few_bytes(void **state)
{
    struct synth_rng rng = synth_seed(6);
    fw_ms t[4096];

    (void)state;
    fill_regular(&rng, t, 4096);
    assert_true(there_and_back(t, 4096) <= 20);
}

static void jitter_enters_once(void **state)
{
    struct synth_rng rng = synth_seed(6);
    fw_ms t[512];

    (void)state;
    fill_jitter(&rng, t, 512); /* 4 ms of deviation: 4.05 bits of entropy */
    assert_true(there_and_back(t, 512) <= 512 * 9 / 16);
}

/* ---- hostile bytes ------------------------------------------------------ */

static fw_rc decode_hostile(const uint8_t *in, size_t len, size_t n)
{
    struct fw_err err = {0};
    uint8_t *copy = malloc(len > 0 ? len : 1);
    fw_ms *out = malloc(n > 0 ? n * sizeof(*out) : 1);
    fw_rc rc;

    assert_non_null(copy);
    assert_non_null(out);
    memcpy(copy, in, len);
    rc = times_decode(copy, len, n, out, &err);
    if (rc != FW_OK) {
        assert_int_equal(rc, FW_ECORRUPT);
        assert_true(err.text[0] != '\0');
    }
    free(out);
    free(copy);
    return rc;
}

static void every_flipped_bit_gives_times_or_an_error(void **state)
{
    struct synth_rng rng = synth_seed(8);
    fw_ms t[300];

    (void)state;
    for (size_t kind = 0; kind < FILL_COUNT; kind++) {
        uint8_t *bytes;
        size_t len;
        g_fills[kind](&rng, t, 300);
        len = encode(t, 300, &bytes);
        for (size_t bit = 0; bit < len * 8; bit++) {
            bytes[bit / 8] ^= (uint8_t)(1u << (bit % 8));
            (void)decode_hostile(bytes, len, 300); /* either is right */
            bytes[bit / 8] ^= (uint8_t)(1u << (bit % 8));
        }
        free(bytes);
    }
}

static void a_column_cut_short_is_refused(void **state)
{
    struct synth_rng rng = synth_seed(9);
    fw_ms t[300];

    (void)state;
    for (size_t kind = 0; kind < FILL_COUNT; kind++) {
        uint8_t *bytes;
        size_t len;
        g_fills[kind](&rng, t, 300);
        len = encode(t, 300, &bytes);
        for (size_t cut = 0; cut < len; cut++)
            assert_int_equal(decode_hostile(bytes, cut, 300), FW_ECORRUPT);
        free(bytes);
    }
}

static void bytes_left_over_are_refused(void **state)
{
    const uint8_t bytes[] = {0x10, 0x00, 0x00, 0x00};

    (void)state;
    assert_int_equal(decode_hostile(bytes, 3, 5), FW_OK);
    assert_int_equal(decode_hostile(bytes, 4, 5), FW_ECORRUPT);
    assert_int_equal(decode_hostile(bytes, 0, 0), FW_OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(any_timestamps_come_back),
        cmocka_unit_test(every_length_up_to_three_groups_comes_back),
        cmocka_unit_test(an_even_grid_takes_a_few_bytes),
        cmocka_unit_test(jitter_enters_once),
        cmocka_unit_test(every_flipped_bit_gives_times_or_an_error),
        cmocka_unit_test(a_column_cut_short_is_refused),
        cmocka_unit_test(bytes_left_over_are_refused),
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
