/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "storage/journal/journal.h"
#include "tests/support/fixture.h"

#include <stdlib.h>
#include <string.h>

#include "storage/base/bytes.h"
#include "storage/base/file.h"
#include "storage/index/definition.h"
#include "tests/support/synth.h"
#include "tests/support/tmpdir.h"

static struct fw_err err;
static const struct lmdb_options writing = {.check = true,
                                            .map_bytes = (size_t)1 << 20};
static const struct lmdb_options reading = {.read_only = true,
                                            .map_bytes = (size_t)1 << 20};

/* ---- Records --------------------------------------------------------------
 */

static void records_keep_every_sample(void **state)
{
    enum { N = 5000 };
    struct synth_rng rng = synth_seed(fixture_seed());
    static struct journal_writer w;
    static struct journal_reader r;
    static uint32_t ids[N];
    static fw_ms t[N];
    static uint64_t bits[N];
    static bool late[N];
    struct fw_str record;
    struct fw_buf labels_text = FW_BUF_INIT(1000);
    struct fw_label v[] = {{FW_STR("a"), FW_STR("1")},
                           {FW_STR("b"), FW_STR("2")}};
    struct fw_label room[FW_MAX_LABELS];
    struct fw_labels labels = {v, 2}, got;
    uint32_t id = 0;

    (void)state;
    journal_writer_init(&w);
    assert_int_equal(definition_put(&labels_text, &labels), FW_OK);
    assert_int_equal(
        journal_writer_define(
            &w, 7, (struct fw_str){labels_text.data, labels_text.len}),
        FW_OK);
    for (int i = 0; i < N; i++) {
        ids[i] = (uint32_t)(synth_u64(&rng) % (UINT32_MAX - 1));
        t[i] = (fw_ms)synth_u64(&rng);
        bits[i] = synth_u64(&rng);
        late[i] = synth_u64(&rng) % 300 == 0;
        assert_int_equal(journal_writer_add(&w, ids[i], t[i], bits[i], late[i]),
                         FW_OK);
    }
    assert_int_equal(journal_writer_finish(&w, 12, -5, &record), FW_OK);
    assert_int_equal(journal_reader_open(&r, record, &err), FW_OK);
    assert_int_equal(r.seq, 12);
    assert_true(r.written == -5);
    assert_int_equal(journal_reader_definition(&r, &id, room, &got, &err),
                     FW_OK);
    assert_int_equal(id, 7);
    assert_int_equal(fw_labels_cmp(&got, &labels), 0);
    assert_int_equal(journal_reader_definition(&r, &id, room, &got, &err),
                     FW_END);
    for (int i = 0; i < N; i++) {
        uint64_t got_bits = 0;
        fw_ms got_t = 0;

        assert_int_equal(
            journal_reader_sample(&r, &id, &got_t, &got_bits, &err), FW_OK);
        assert_true(id == ids[i] && got_t == t[i] && got_bits == bits[i]);
        assert_true(r.late == late[i]);
    }
    assert_int_equal(journal_reader_sample(&r, &id, t, bits, &err), FW_END);
    journal_writer_release(&w);
    fw_buf_release(&labels_text);
}

/* Records of few samples, which are written singly, and of several pieces. */
static void pieces_are_the_same_samples(void **state)
{
    enum { N = 700 };
    static const uint32_t counts[] = {1, 8, 9, 256, 257, N};
    static struct journal_writer w;
    static struct journal_reader one, many;
    struct fw_str record;

    (void)state;
    journal_writer_init(&w);
    for (size_t c = 0; c < sizeof(counts) / sizeof(counts[0]); c++) {
        uint32_t n = counts[c], at = 0, id = 0;
        uint64_t bits = 0;
        fw_ms t = 0;

        journal_writer_clear(&w);
        for (uint32_t i = 0; i < n; i++)
            assert_int_equal(
                journal_writer_add(&w, i * 3 % 50, i / 50, i, i % 90 == 89),
                FW_OK);
        assert_int_equal(journal_writer_finish(&w, c, 0, &record), FW_OK);
        assert_int_equal(journal_reader_open(&one, record, &err), FW_OK);
        assert_int_equal(journal_reader_open(&many, record, &err), FW_OK);
        while (journal_reader_piece(&many, &err) == FW_OK)
            for (uint32_t i = 0; i < many.piece.n; i++, at++) {
                assert_int_equal(
                    journal_reader_sample(&one, &id, &t, &bits, &err), FW_OK);
                assert_int_equal(id, at * 3 % 50);
                assert_int_equal(many.piece.ids[i], id);
                assert_true(many.piece.t[i] == t && t == at / 50);
                assert_true(fw_double_bits(many.piece.v[i]) == bits);
                assert_true(many.piece.late[i] == one.late);
                assert_true(!one.late || many.piece.any_late);
            }
        assert_int_equal(at, n);
        assert_int_equal(journal_reader_piece(&many, &err), FW_END);
        assert_int_equal(journal_reader_sample(&one, &id, &t, &bits, &err),
                         FW_END);
    }
    journal_writer_release(&w);
}

/* Labels of n series as senders have them: few differ from those before. */
static struct fw_labels burst_labels(struct fw_label v[8], char text[8][32],
                                     uint32_t i, uint64_t chance)
{
    static const char *const names[] = {"__name__", "arch", "dc",   "host",
                                        "os",       "rack", "team", "zone"};
    size_t n = 0;

    for (size_t k = 0; k < 8; k++) {
        if (chance >> k % 64 & 1 && k > 0) /* some lack some */
            continue;
        (void)snprintf(text[n], 32, "%s-%u", names[k],
                       k == 3   ? i
                       : k == 5 ? i % 40
                                : 7);
        v[n] = (struct fw_label){fw_str_of(names[k]), fw_str_of(text[n])};
        n++;
    }
    return (struct fw_labels){v, n};
}

static void definitions_are_what_differs(void **state)
{
    enum { N = 2000 };
    struct synth_rng rng = synth_seed(fixture_seed());
    static struct journal_writer w;
    static struct journal_reader r;
    static uint64_t chances[N];
    static uint32_t ids[N];
    struct fw_label v[8], room[FW_MAX_LABELS];
    char text[8][32];
    struct fw_labels labels, got;
    struct fw_str record;
    uint32_t id = 0;
    uint64_t bits = 0;
    fw_ms t = 0;

    (void)state;
    journal_writer_init(&w);
    for (uint32_t i = 0; i < N; i++) {
        struct fw_buf definition = FW_BUF_INIT(1000);

        /* The first half as a burst, the others as it happens. */
        chances[i] = i < N / 2 ? 0 : synth_u64(&rng) & synth_u64(&rng);
        ids[i] = i < N / 2 ? i : (uint32_t)(synth_u64(&rng) % UINT32_MAX);
        labels = burst_labels(v, text, i, chances[i]);
        assert_int_equal(definition_put(&definition, &labels), FW_OK);
        assert_int_equal(
            journal_writer_define(
                &w, ids[i], (struct fw_str){definition.data, definition.len}),
            FW_OK);
        fw_buf_release(&definition);
        assert_true(w.definitions.len < (i < N / 2 ? 40u * (i + 4) : 1u << 20));
        assert_int_equal(journal_writer_add(&w, ids[i], i, i, false), FW_OK);
    }
    assert_int_equal(journal_writer_finish(&w, 3, 1, &record), FW_OK);
    assert_int_equal(journal_reader_open(&r, record, &err), FW_OK);
    for (uint32_t i = 0; i < N; i++) {
        labels = burst_labels(v, text, i, chances[i]);
        assert_int_equal(journal_reader_definition(&r, &id, room, &got, &err),
                         FW_OK);
        assert_int_equal(id, ids[i]);
        assert_int_equal(fw_labels_cmp(&got, &labels), 0);
    }
    assert_int_equal(journal_reader_definition(&r, &id, room, &got, &err),
                     FW_END);
    for (uint32_t i = 0; i < N; i++)
        assert_int_equal(journal_reader_sample(&r, &id, &t, &bits, &err),
                         FW_OK);
    assert_int_equal(journal_reader_sample(&r, &id, &t, &bits, &err), FW_END);
    journal_writer_release(&w);
}

/* Rows, runs of one series, single samples: the bytes of each shape. */
static size_t record_bytes(size_t n, uint32_t id_step, fw_ms t_step)
{
    static struct journal_writer w;
    static struct journal_reader r;
    struct fw_str record;
    uint32_t id = 0;
    uint64_t bits = 0;
    fw_ms t = 0;

    journal_writer_init(&w);
    for (uint32_t i = 0; i < n; i++)
        assert_int_equal(
            journal_writer_add(
                &w, 40 + i * id_step, 1700000000000 + (fw_ms)i * t_step,
                fw_double_bits((double)(i * 7919 % 1000) / 10), false),
            FW_OK);
    assert_int_equal(journal_writer_finish(&w, 1, 1, &record), FW_OK);
    assert_int_equal(journal_reader_open(&r, record, &err), FW_OK);
    for (uint32_t i = 0; i < n; i++) {
        assert_int_equal(journal_reader_sample(&r, &id, &t, &bits, &err),
                         FW_OK);
        assert_true(id == 40 + i * id_step &&
                    t == 1700000000000 + (fw_ms)i * t_step &&
                    bits == fw_double_bits((double)(i * 7919 % 1000) / 10));
    }
    assert_int_equal(journal_reader_sample(&r, &id, &t, &bits, &err), FW_END);
    n = record.n - JOURNAL_RECORD_HEADER;
    journal_writer_release(&w);
    return n;
}

static void records_take_few_bytes(void **state)
{
    (void)state;
    assert_true(record_bytes(500, 1, 0) < 500 * 3 / 2);     /* a scrape */
    assert_true(record_bytes(500, 0, 10000) < 500 * 3 / 2); /* one series */
    assert_true(record_bytes(500, 1000, 0) < 500 * 9 / 2);  /* here and there */
    assert_true(record_bytes(1, 1, 0) <= 1 + 6 + 9);
    assert_true(record_bytes(9, 1, 0) <= 9 * 6);
}

static void each_flipped_bit_of_a_record_is_found(void **state)
{
    static struct journal_writer w;
    static struct journal_reader r;
    struct fw_str record;
    char copy[512];

    (void)state;
    journal_writer_init(&w);
    for (uint32_t i = 0; i < 20; i++)
        assert_int_equal(journal_writer_add(&w, i, i, i, false), FW_OK);
    assert_int_equal(journal_writer_finish(&w, 1, 1, &record), FW_OK);
    assert_true(record.n < sizeof(copy));
    for (size_t bit = 0; bit < record.n * 8; bit++) {
        memcpy(copy, record.p, record.n);
        copy[bit / 8] = (char)(copy[bit / 8] ^ (1 << bit % 8));
        assert_int_equal(
            journal_reader_open(&r, (struct fw_str){copy, record.n}, &err),
            FW_ECORRUPT);
    }
    journal_writer_release(&w);
}

/* ---- The ring -------------------------------------------------------------
 */

struct seen {
    uint64_t first, last, n;
};

static fw_rc see(void *self, uint64_t seq, struct fw_str record,
                 struct fw_err *e)
{
    struct seen *seen = self;

    (void)e;
    assert_true(record.n > 0);
    if (seen->n++ == 0)
        seen->first = seq;
    else
        assert_int_equal(seq, seen->last + 1);
    seen->last = seq;
    return FW_OK;
}

static struct seen replay(struct journal *j)
{
    struct lmdb_txn txn = {0};
    struct seen seen = {0};

    assert_int_equal(lmdb_begin_read(j->env, &txn, &err), FW_OK);
    assert_int_equal(journal_replay(&txn, see, &seen, &err), FW_OK);
    lmdb_end(&txn);
    return seen;
}

static void a_trimmed_ring_stays_small(void **state)
{
    static char record[20000];
    const char *dir = tmpdir_new();
    struct journal j;
    struct seen seen;
    uint64_t bytes = 0;

    (void)state;
    assert_int_equal(journal_open(&j, dir, &writing, &err), FW_OK);
    for (uint64_t i = 1; i <= 300; i++) {
        assert_int_equal(j.next_seq, i);
        assert_int_equal(
            journal_append(&j, (struct fw_str){record, sizeof(record)}, &err),
            FW_OK);
        if (i > 10)
            journal_allow_trim(&j, i - 10);
        if (i == 100)
            bytes = lmdb_used_bytes(j.env);
    }
    assert_true(lmdb_used_bytes(j.env) <= bytes * 2);
    seen = replay(&j);
    assert_int_equal(seen.last, 300);
    assert_true(seen.first >= 289 && seen.first <= 290);
    assert_true(atomic_load(&j.live_bytes) <= 12 * sizeof(record));
    journal_close(&j);
    assert_int_equal(journal_open(&j, dir, &writing, &err), FW_OK);
    assert_int_equal(j.next_seq, 301);
    journal_allow_trim(&j, 301);
    assert_int_equal(journal_trim(&j, &err), FW_OK);
    assert_int_equal(replay(&j).n, 0);
    journal_close_and_tidy(&j, dir);
    assert_int_equal(journal_open(&j, dir, &reading, &err), FW_OK);
    assert_null(j.env);
}

static void what_is_needed_is_not_tidied_away(void **state)
{
    const char *dir = tmpdir_new();
    struct journal j;

    (void)state;
    assert_int_equal(journal_open(&j, dir, &writing, &err), FW_OK);
    assert_int_equal(journal_append(&j, FW_STR("record"), &err), FW_OK);
    journal_close_and_tidy(&j, dir);
    assert_int_equal(journal_open(&j, dir, &reading, &err), FW_OK);
    assert_non_null(j.env);
    assert_int_equal(replay(&j).n, 1);
    journal_close(&j);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(records_keep_every_sample),
        cmocka_unit_test(pieces_are_the_same_samples),
        cmocka_unit_test(definitions_are_what_differs),
        cmocka_unit_test(records_take_few_bytes),
        cmocka_unit_test(each_flipped_bit_of_a_record_is_found),
        cmocka_unit_test(a_trimmed_ring_stays_small),
        cmocka_unit_test(what_is_needed_is_not_tidied_away),
    };

    return fixture_main(argc, argv, tests);
}
