/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "storage/segments/segment.h"
#include "tests/support/fixture.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "storage/base/bytes.h"
#include "tests/support/synth.h"

#define BLOCKS 60

static struct fw_err err;

struct block {
    fw_ms t[SEGMENT_SAMPLES_MAX];
    double v[SEGMENT_SAMPLES_MAX];
    size_t n;
    struct block_ref ref;
};

static struct block blocks[BLOCKS];

static void random_block(struct synth_rng *rng, struct block *b)
{
    fw_ms t = (fw_ms)synth_u64(rng);
    bool huge_steps = synth_u64(rng) % 4 == 0;

    b->n = 1 + synth_u64(rng) % (synth_u64(rng) % 8 == 0 ? 4096 : 600);
    if (t > INT64_MAX / 2)
        t -= INT64_MAX / 2;
    for (size_t i = 0; i < b->n; i++) {
        uint64_t bits = synth_u64(rng);
        double v = (double)(i % 100) / 10;

        b->t[i] = t;
        t += 1 + (fw_ms)(synth_u64(rng) % (huge_steps ? 1000000000000u : 5u));
        if (bits % 16 == 0)
            memcpy(&b->v[i], &bits, sizeof(bits));
        else
            b->v[i] = v;
    }
}

static void write_blocks(struct segment_writer *w, struct fw_str *out)
{
    for (size_t i = 0; i < BLOCKS; i++)
        assert_int_equal(segment_writer_add(w, (uint32_t)i * 7, blocks[i].t,
                                            blocks[i].v, blocks[i].n, NULL,
                                            &blocks[i].ref),
                         FW_OK);
    assert_int_equal(segment_writer_finish(w, 99, out), FW_OK);
}

static void read_block(const struct segment *s, const struct segment_block *b,
                       const struct block *want)
{
    static fw_ms t[SEGMENT_SAMPLES_MAX];
    static double v[SEGMENT_SAMPLES_MAX];

    assert_int_equal(b->n, want->n);
    assert_true(b->t_min == want->t[0] && b->t_max == want->t[b->n - 1]);
    assert_int_equal(b->offset, want->ref.offset);
    assert_int_equal(b->column, want->ref.column);
    assert_int_equal(segment_times(s, b->column, b->n, t, &err), FW_OK);
    assert_int_equal(
        segment_values(s, b->series, b->offset, b->bytes, b->n, v, &err),
        FW_OK);
    assert_memory_equal(t, want->t, b->n * sizeof(*t));
    assert_memory_equal(v, want->v, b->n * sizeof(*v));
}

static void what_is_written_is_read(void **state)
{
    struct synth_rng rng = synth_seed(fixture_seed());

    (void)state;
    for (int round = 0; round < 20; round++) {
        struct segment_block *directory = NULL;
        struct segment_writer w;
        struct segment s;
        struct fw_str out;

        for (size_t i = 0; i < BLOCKS; i++)
            random_block(&rng, &blocks[i]);
        segment_writer_init(&w);
        write_blocks(&w, &out);
        assert_int_equal((out.n + 16) % 4096, 0);
        assert_int_equal(segment_open(&s, out, &err), FW_OK);
        assert_int_equal(s.block_count, BLOCKS);
        assert_int_equal(s.journal_seq, 99);
        assert_int_equal(segment_directory(&s, &directory, &err), FW_OK);
        for (size_t i = 0; i < BLOCKS; i++) {
            assert_int_equal(directory[i].series, i * 7);
            read_block(&s, &directory[i], &blocks[i]);
        }
        free(directory);
        segment_writer_release(&w);
    }
}

static void series_of_one_scrape_share_their_times(void **state)
{
    struct synth_rng rng = synth_seed(fixture_seed());
    struct segment_writer w;
    struct fw_str out;
    struct segment s;

    (void)state;
    random_block(&rng, &blocks[0]);
    for (size_t i = 1; i < BLOCKS; i++) {
        blocks[i] = blocks[0];
        if (i == 7)
            blocks[i].t[blocks[i].n - 1]++;
    }
    segment_writer_init(&w);
    write_blocks(&w, &out);
    assert_int_equal(segment_open(&s, out, &err), FW_OK);
    assert_int_equal(s.column_count, 2);
    segment_writer_release(&w);
}

static void the_directory_knows_the_values(void **state)
{
    static const double v[] = {5, 7, NAN, 3, 4};
    struct segment_block b = {0};

    (void)state;
    segment_summarise(&b, v, 5);
    assert_true(b.min == 3 && b.max == 7 && b.sum == 19);
    assert_true(b.first == 5 && b.last == 4);
    assert_true(b.increase == 2 + 3 + 1); /* 7 to 3 is a reset */
    assert_int_equal(b.nans, 1);
    segment_summarise(&b, v + 2, 1);
    assert_true(isnan(b.min) && isnan(b.max) && b.sum == 0);
}

/* Sample by sample, as docs/formats/segment.md says it. */
static void summarise_slowly(struct segment_block *b, const double *v, size_t n)
{
    double sum = 0, rest = 0, before = NAN;

    *b = (struct segment_block){.min = NAN, .max = NAN};
    for (size_t i = 0; i < n; i++) {
        double next = sum + v[i];

        if (isnan(v[i])) {
            b->nans++;
            continue;
        }
        if (isinf(next))
            rest = 0;
        else if (fabs(sum) >= fabs(v[i]))
            rest += (sum - next) + v[i];
        else
            rest += (v[i] - next) + sum;
        sum = next;
        b->min = isnan(b->min) || v[i] < b->min ? v[i] : b->min;
        b->max = isnan(b->max) || v[i] > b->max ? v[i] : b->max;
        if (!isnan(before))
            b->increase += v[i] >= before ? v[i] - before : v[i];
        before = v[i];
    }
    b->sum = sum + rest;
}

static double some_value(struct synth_rng *rng, uint64_t manner)
{
    uint64_t bits = synth_u64(rng);
    double any;

    memcpy(&any, &bits, sizeof(any));
    switch (manner) {
    case 0:
        return any; /* of any size, NaN now and then */
    case 1:
        return (double)(int64_t)(bits % 2001) - 1000;
    case 2:
        return (bits & 7) < 3 ? -0.0 : (bits & 7) < 6 ? 0.0 : 0.25;
    case 3:
        return (bits & 127) == 0 ? INFINITY : (double)(bits >> 40) / 100;
    case 4:
        return (bits & 1) != 0 ? 1e308 : -1e308;
    default:
        return (double)(bits >> 44) / 1000 * ((bits & 1) != 0 ? 1e12 : 1);
    }
}

static bool same(double a, double b)
{
    return fw_double_bits(a) == fw_double_bits(b) || (isnan(a) && isnan(b));
}

static void summaries_are_those_of_the_slow_way(void **state)
{
    struct synth_rng rng = synth_seed(fixture_seed());
    static double v[SEGMENT_SAMPLES_MAX];

    (void)state;
    for (int i = 0; i < 3000; i++) {
        size_t n = 1 + synth_u64(&rng) % (i % 50 == 0 ? 4096 : 600);
        struct segment_block is = {0}, want;

        for (size_t k = 0; k < n; k++)
            v[k] = some_value(&rng, (uint64_t)i % 6);
        segment_summarise(&is, v, n);
        summarise_slowly(&want, v, n);
        assert_int_equal(is.nans, want.nans);
        assert_true(same(is.min, want.min) && same(is.max, want.max));
        assert_true(same(is.sum, want.sum));
        assert_true(same(is.increase, want.increase));
        assert_true(same(is.first, v[0]) && same(is.last, v[n - 1]));
    }
}

#define SOME_BLOCKS (SEGMENT_TOGETHER + 3)

/* Blocks are summarised some at a time: each as if it were alone. */
static void summaries_together_are_those_alone(void **state)
{
    struct synth_rng rng = synth_seed(fixture_seed());
    static double v[SOME_BLOCKS][SEGMENT_SAMPLES_MAX];

    (void)state;
    for (int i = 0; i < 1000; i++) {
        size_t n = 1 + synth_u64(&rng) % (i % 50 == 0 ? 4096 : 600);
        size_t count = 1 + synth_u64(&rng) % SOME_BLOCKS;
        struct segment_block all[SOME_BLOCKS] = {{0}};
        struct segment_block *b[SOME_BLOCKS];
        const double *values[SOME_BLOCKS];

        for (size_t k = 0; k < count; k++) {
            for (size_t j = 0; j < n; j++)
                v[k][j] = some_value(&rng, (uint64_t)(i + (int)k) % 6);
            b[k] = &all[k];
            values[k] = v[k];
        }
        segment_summarise_together(b, values, count, n);
        for (size_t k = 0; k < count; k++) {
            struct segment_block alone = {0};

            segment_summarise(&alone, v[k], n);
            assert_memory_equal(&all[k], &alone, sizeof(alone));
        }
    }
}

/* The directory of a segment, from its finished value. */
static struct segment_block *directory_of(struct segment_writer *w)
{
    struct segment_block *found = NULL;
    struct fw_str out;
    struct segment s;

    assert_int_equal(segment_writer_finish(w, 1, &out), FW_OK);
    assert_int_equal(segment_open(&s, out, &err), FW_OK);
    assert_int_equal(segment_directory(&s, &found, &err), FW_OK);
    return found;
}

/* Whatever lengths found have, and whatever is taken back. */
static void the_directory_has_every_summary(void **state)
{
    struct synth_rng rng = synth_seed(fixture_seed());
    static struct segment_block want[400];
    static double v[SEGMENT_SAMPLES_MAX];
    static fw_ms t[SEGMENT_SAMPLES_MAX];
    struct segment_writer w;

    (void)state;
    segment_writer_init(&w);
    w.learns = true;
    for (size_t k = 0; k < SEGMENT_SAMPLES_MAX; k++)
        t[k] = (fw_ms)k * 1000;
    for (int round = 0; round < 20; round++) {
        struct segment_mark mark = segment_writer_mark(&w);
        struct segment_block *found;
        size_t n = 0, marked = 0;

        while (n < 400) {
            size_t length = synth_u64(&rng) % 3 > 0
                                ? 64
                                : 1 + synth_u64(&rng) % SEGMENT_SAMPLES_MAX;
            struct block_ref ref;

            for (size_t k = 0; k < length; k++)
                v[k] = some_value(&rng, (uint64_t)round % 6);
            segment_summarise(&want[n], v, length);
            assert_int_equal(
                segment_writer_add(&w, (uint32_t)n, t, v, length, NULL, &ref),
                FW_OK);
            n++;
            if (synth_u64(&rng) % 20 == 0) {
                mark = segment_writer_mark(&w);
                marked = n;
            } else if (synth_u64(&rng) % 40 == 0) {
                segment_writer_rewind(&w, mark);
                n = marked;
            }
        }
        found = directory_of(&w);
        for (size_t i = 0; i < n; i++)
            assert_true(same(found[i].min, want[i].min) &&
                        same(found[i].max, want[i].max) &&
                        same(found[i].sum, want[i].sum) &&
                        same(found[i].first, want[i].first) &&
                        same(found[i].last, want[i].last) &&
                        same(found[i].increase, want[i].increase) &&
                        found[i].nans == want[i].nans);
        free(found);
        segment_writer_clear(&w);
    }
    segment_writer_release(&w);
}

/* Random doubles that come again and again: a stream finds what blocks hide. */
static void cold_data_are_deflated_where_that_pays(void **state)
{
    struct synth_rng rng = synth_seed(fixture_seed());
    struct segment_block *directory = NULL;
    struct segment_writer w;
    uint8_t *data;
    struct fw_str out;
    struct segment s;
    size_t plain;

    (void)state;
    random_block(&rng, &blocks[0]);
    blocks[0].n = 300;
    for (size_t i = 0; i < 300; i++) {
        uint64_t bits = synth_u64(&rng);

        blocks[0].t[i] = (fw_ms)i * 1000;
        memcpy(&blocks[0].v[i], &bits, sizeof(bits));
    }
    for (size_t i = 1; i < BLOCKS; i++)
        blocks[i] = blocks[0];
    segment_writer_init(&w);
    write_blocks(&w, &out);
    plain = out.n;
    segment_writer_clear(&w);
    w.deflate = true;
    write_blocks(&w, &out);
    assert_true(out.n < plain / 4);
    assert_int_equal(segment_open(&s, out, &err), FW_OK);
    assert_true(s.deflated && s.data == NULL);
    assert_int_equal(segment_directory(&s, &directory, &err), FW_OK);
    data = malloc(s.data_bytes);
    assert_non_null(data);
    assert_int_equal(segment_inflate(&s, data, &err), FW_OK);
    s.data = data;
    for (size_t i = 0; i < BLOCKS; i++)
        read_block(&s, &directory[i], &blocks[i]);
    s.used--;
    assert_int_equal(segment_inflate(&s, data, &err), FW_ECORRUPT);
    s.used++;
    s.data_bytes--;
    assert_int_equal(segment_inflate(&s, data, &err), FW_ECORRUPT);
    free(data);
    free(directory);
    segment_writer_release(&w);
}

static void cut_segments_are_refused(void **state)
{
    struct synth_rng rng = synth_seed(fixture_seed());
    struct segment_block *directory = NULL;
    struct segment_writer w;
    struct fw_str out;
    struct segment s;
    uint32_t used;

    (void)state;
    for (size_t i = 0; i < BLOCKS; i++)
        random_block(&rng, &blocks[i]);
    segment_writer_init(&w);
    write_blocks(&w, &out);
    used = fw_get_le32(out.p + 40);
    for (size_t n = 0; n < used; n += 1 + n / 16) {
        char *copy = malloc(n + 1);

        memcpy(copy, out.p, n);
        assert_int_equal(segment_open(&s, (struct fw_str){copy, n}, &err),
                         FW_ECORRUPT);
        free(copy);
    }
    assert_int_equal(segment_open(&s, (struct fw_str){out.p, used}, &err),
                     FW_OK);
    assert_int_equal(segment_directory(&s, &directory, &err), FW_OK);
    /* the right bytes of another series are not this one's */
    assert_int_equal(segment_values(&s, 8, directory[1].offset,
                                    directory[1].bytes, directory[1].n,
                                    blocks[0].v, &err),
                     FW_ECORRUPT);
    free(directory);
    segment_writer_release(&w);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_written_is_read),
        cmocka_unit_test(series_of_one_scrape_share_their_times),
        cmocka_unit_test(the_directory_knows_the_values),
        cmocka_unit_test(summaries_are_those_of_the_slow_way),
        cmocka_unit_test(summaries_together_are_those_alone),
        cmocka_unit_test(the_directory_has_every_summary),
        cmocka_unit_test(cold_data_are_deflated_where_that_pays),
        cmocka_unit_test(cut_segments_are_refused),
    };

    return fixture_main(argc, argv, tests);
}
