/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * test_checkpoint.c - what a head checkpoint keeps is there for whoever opens
 * the folder beside the writer, which is what a restart after kill -9 sees;
 * and its records are hostile until they are checked.
 */
#include "tests/support/fixture.h"

#include <stdlib.h>
#include <string.h>

#include "storage/base/bytes.h"
#include "storage/journal/checkpoint_record.h"
#include "storage/segments/sealer.h"
#include "tests/support/fake_clock.h"
#include "tests/support/synth.h"
#include "tests/support/tmpdir.h"
#include "tests/unit/storage/numbered.h"

#define NOW ((fw_ms)1700000000000)
#define SERIES 150

static struct fake_clock fake;
static struct fw_err err;

/* What may lie in memory as it came: next to nothing, then everything. */
static uint64_t all_packed = 1, all_plain = (uint64_t)1 << 30;
static uint64_t plain_samples;

static struct fw_store *open_store(const char *dir, bool read_only)
{
    struct fw_store_options options = {.create = true,
                                       .read_only = read_only,
                                       .linger = -1,
                                       .retention = INT64_MAX,
                                       .disk_floor = 1,
                                       .plain_samples = plain_samples,
                                       .clock = &fake.clock};
    struct fw_store *store = NULL;

    if (fw_store_open(dir, &options, &store, &err) != FW_OK)
        fail_msg("open: %s", err.text);
    return store;
}

static uint64_t bits_of(uint32_t series, uint32_t k)
{
    struct synth_rng rng = synth_seed((uint64_t)series << 32 | k);

    return series % 5 == 0
               ? synth_u64(&rng)
               : fw_double_bits((double)(synth_u64(&rng) % 99) / 10);
}

/* Rows [from, to) of all series; series 3 and 4 miss some, 7 is late. */
static void write_rows(struct fw_store *store, uint32_t from, uint32_t to)
{
    for (uint32_t k = from; k < to; k++) {
        struct fw_append_result result = {0};
        struct fw_batch batch = {0};

        for (uint32_t i = 0; i < SERIES; i++) {
            uint32_t row = i == 7 ? k ^ 1 : k;

            if ((i == 3 && k % 7 == 0) || (i == 4 && k % 31 == 0))
                continue;
            assert_int_equal(fw_batch_add(&batch, numbered_id(store, i),
                                          NOW + (fw_ms)row * 1000,
                                          fw_double_of_bits(bits_of(i, row))),
                             FW_OK);
        }
        assert_int_equal(fw_store_append(store, &batch, &result, &err), FW_OK);
    }
}

static void check_rows(struct fw_store *store, uint32_t rows)
{
    for (uint32_t i = 0; i < SERIES; i++) {
        struct fw_cursor *cursor = NULL;
        struct fw_run run = {0};
        uint32_t k = 0;

        assert_int_equal(fw_cursor_open(store, numbered_id(store, i), INT64_MIN,
                                        INT64_MAX, &cursor, &err),
                         FW_OK);
        while (fw_cursor_next(cursor, &run, &err) == FW_OK)
            for (size_t j = 0; j < run.n; j++, k++) {
                while ((i == 3 && k % 7 == 0) || (i == 4 && k % 31 == 0))
                    k++;
                assert_true(run.t[j] == NOW + (fw_ms)k * 1000);
                assert_true(fw_double_bits(run.v[j]) == bits_of(i, k));
            }
        fw_cursor_close(cursor);
        assert_true(k == rows || ((i == 3 || i == 4) && k == rows - 1));
    }
}

static void check_beside(const char *dir, uint32_t rows, bool replays_little)
{
    struct fw_store *reader = open_store(dir, true);
    struct fw_store_stats stats;

    fw_store_stats(reader, &stats);
    assert_int_equal(stats.corrupt_found, 0);
    if (replays_little) /* of the late one at most */
        assert_true(stats.replayed_samples <= rows);
    check_rows(reader, rows);
    fw_store_close(reader);
}

static void a_checkpoint_is_found_again(void **state)
{
    const char *dir = tmpdir_new();
    struct fw_store *store;

    plain_samples = *(const uint64_t *)*state;
    store = open_store(dir, false);
    write_rows(store, 0, 50);
    assert_int_equal(sealer_run(store->sealer, SEAL_RING, &err), FW_OK);
    check_beside(dir, 50, true);
    write_rows(store, 50, 130);
    check_beside(dir, 130, false);
    assert_int_equal(sealer_run(store->sealer, SEAL_RING, &err), FW_OK);
    write_rows(store, 130, 250);
    assert_int_equal(sealer_run(store->sealer, SEAL_RING, &err), FW_OK);
    check_beside(dir, 250, true);
    write_rows(store, 250, 530);
    assert_int_equal(sealer_run(store->sealer, SEAL_FULL, &err), FW_OK);
    check_beside(dir, 530, false);
    check_rows(store, 530);
    assert_int_equal(sealer_run(store->sealer, SEAL_RING, &err), FW_OK);
    write_rows(store, 530, 540);
    check_beside(dir, 540, false);
    assert_int_equal(sealer_run(store->sealer, SEAL_ALL, &err), FW_OK);
    /* Nothing of the ring is needed any more. */
    assert_true(store->ring.first_seq == store->ring.next_seq);
    check_beside(dir, 540, false);
    fw_store_close(store);
    store = open_store(dir, false);
    check_rows(store, 540);
    fw_store_close(store);
}

static fw_rc read_record(const char *p, size_t n)
{
    struct checkpoint_reader r;
    struct head_chunk chunk;
    uint32_t id = 0;
    fw_rc rc = checkpoint_reader_open(&r, (struct fw_str){p, n}, &err);

    while (rc == FW_OK) {
        rc = checkpoint_reader_series(&r, &id, &err);
        while (rc == FW_OK)
            rc = checkpoint_reader_chunk(&r, &chunk, &err);
        rc = rc == FW_END && (r.series_left > 0) ? FW_OK : rc;
    }
    checkpoint_reader_release(&r);
    return rc;
}

static void each_flipped_bit_of_a_record_is_found(void **state)
{
    static struct checkpoint_writer w;
    struct values_hint hint = {0};
    fw_ms t[10];
    double v[10];
    struct fw_str record;
    char copy[512];

    (void)state;
    checkpoint_writer_init(&w);
    for (int i = 0; i < 10; i++) {
        t[i] = NOW + i;
        v[i] = i * 1.5;
    }
    for (uint32_t id = 3; id < 9; id += 2) {
        assert_int_equal(checkpoint_writer_series(&w, id, 1), FW_OK);
        assert_int_equal(checkpoint_writer_plain(&w, t, v, 10, &hint), FW_OK);
    }
    assert_int_equal(checkpoint_writer_finish(&w, 5, 77, &record), FW_OK);
    assert_true(record.n < sizeof(copy));
    assert_int_equal(read_record(record.p, record.n), FW_END);
    for (size_t bit = 0; bit < record.n * 8; bit++) {
        memcpy(copy, record.p, record.n);
        copy[bit / 8] = (char)(copy[bit / 8] ^ (1 << bit % 8));
        assert_int_equal(read_record(copy, record.n), FW_ECORRUPT);
    }
    checkpoint_writer_release(&w);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_prestate(a_checkpoint_is_found_again, &all_packed),
        cmocka_unit_test_prestate(a_checkpoint_is_found_again, &all_plain),
        cmocka_unit_test(each_flipped_bit_of_a_record_is_found),
    };

    fake_clock_init(&fake, NOW + FW_DAY);
    return fixture_main(argc, argv, tests);
}
