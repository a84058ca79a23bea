/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "tests/support/fixture.h"

#include <math.h>
#include <string.h>

#include "server/alert/ledger.h"
#include "server/alert/record_codec.h"
#include "tests/support/tmpdir.h"

static struct fw_store *store;
static struct fw_err err;

static void open_in(const char *dir)
{
    struct fw_store_options options = {.create = true};

    err = (struct fw_err){0};
    if (fw_store_open(dir, &options, &store, &err) != FW_OK)
        fail_msg("%s", err.text);
}

static int open_store(void **state)
{
    *state = (void *)(uintptr_t)tmpdir_new();
    open_in(*state);
    return 0;
}

static int close_store(void **state)
{
    (void)state;
    fw_store_close(store);
    return 0;
}

static struct fw_txn *begin(bool write)
{
    struct fw_txn *txn = NULL;

    assert_int_equal(fw_txn_begin(store, write, &txn, &err), FW_OK);
    return txn;
}

static void ok(fw_rc rc)
{
    if (rc != FW_OK)
        fail_msg("%s: %s", fw_rc_name(rc), err.text);
}

static struct prediction sample(uint32_t subject, fw_ms made_at)
{
    return (struct prediction){
        .subject = subject,
        .kind = PREDICTION_ALERT,
        .made_at = made_at,
        .horizon = FW_HOUR,
        .breach = {.side = FW_BELOW,
                   .or_equal = true,
                   .limit = 0.05,
                   .for_ms = FW_MINUTE},
        .probability = 0.93,
        .p10 = FW_MINUTE,
        .p50 = 2 * FW_MINUTE,
        .p90 = -1,
        .value = NAN,
        .model = "holt",
        .watched_ms = 12345,
        .extreme = {1, 2, 4},
    };
}

static uint64_t add(const struct prediction *p)
{
    struct fw_txn *txn = begin(true);
    struct prediction copy = *p;

    ok(ledger_add(txn, &copy, &err));
    ok(fw_txn_commit(txn, &err));
    return copy.id;
}

static void score(uint64_t id, enum outcome outcome)
{
    struct fw_txn *txn = begin(true);
    struct score s = {.id = id, .outcome = outcome, .scored_at = 9};

    ok(ledger_score(txn, &s, &err));
    ok(fw_txn_commit(txn, &err));
}

static void a_series_has_one_id_for_ever(void **state)
{
    struct fw_label labels[] = {{FW_STR("__name__"), FW_STR("free")},
                                {FW_STR("host"), FW_STR("a")}};
    struct fw_labels a = {labels, 2}, b = {labels, 1};
    struct fw_arena *arena = fw_arena_new(1 << 20);
    struct subject subject;
    struct fw_txn *txn = begin(true);
    uint32_t id = 0, again = 0, other = 0, third = 0;

    ok(ledger_subject(txn, FW_STR("Disk"), &a, true, &id, &err));
    ok(ledger_subject(txn, FW_STR("Disk"), &b, true, &other, &err));
    ok(ledger_subject(txn, FW_STR("Memory"), &a, true, &third, &err));
    ok(fw_txn_commit(txn, &err));
    fw_store_close(store);
    open_in(*state);
    txn = begin(false);
    ok(ledger_subject(txn, FW_STR("Disk"), &a, false, &again, &err));
    assert_int_equal(again, id);
    assert_true(id != other && other != third && id != third);
    ok(ledger_subject_get(txn, third, arena, &subject, &err));
    assert_true(fw_str_eq(subject.watch, FW_STR("Memory")));
    assert_int_equal(fw_labels_cmp(&subject.labels, &a), 0);
    assert_int_equal(ledger_subject_get(txn, 99, arena, &subject, &err),
                     FW_NONE);
    assert_int_equal(
        ledger_subject(txn, FW_STR("New"), &a, false, &again, &err),
        FW_ENOTFOUND);
    fw_txn_abort(txn);
    fw_arena_free(arena);
}

static void a_prediction_comes_back_to_the_bit(void **state)
{
    struct prediction p = sample(7, 1000), q;
    uint64_t id = add(&p);
    struct fw_txn *txn;

    fw_store_close(store);
    open_in(*state);
    txn = begin(false);
    ok(ledger_get(txn, id, &q, &err));
    assert_int_equal(q.subject, 7);
    assert_int_equal(q.kind, PREDICTION_ALERT);
    assert_int_equal(q.made_at, 1000);
    assert_int_equal(q.horizon, FW_HOUR);
    assert_int_equal(q.breach.side, FW_BELOW);
    assert_true(q.breach.or_equal);
    assert_true(q.breach.limit == 0.05);
    assert_int_equal(q.breach.for_ms, FW_MINUTE);
    assert_true(q.probability == 0.93);
    assert_int_equal(q.p10, FW_MINUTE);
    assert_int_equal(q.p50, 2 * FW_MINUTE);
    assert_int_equal(q.p90, -1);
    assert_true(isnan(q.value));
    assert_string_equal(q.model, "holt");
    assert_int_equal(q.watched_ms, 12345);
    assert_true(q.extreme[0] == 1 && q.extreme[1] == 2 && q.extreme[2] == 4);
    fw_txn_abort(txn);
}

static bool count_open(void *self, uint64_t id, const struct prediction *p)
{
    int *n = self;

    (void)id;
    assert_non_null(p);
    (*n)++;
    return true;
}

static int open_now(void)
{
    struct fw_txn *txn = begin(false);
    int n = 0;

    ok(ledger_open_each(txn, count_open, &n, &err));
    fw_txn_abort(txn);
    return n;
}

static void a_score_is_written_once(void **state)
{
    struct prediction p = sample(1, 1000);
    uint64_t first = add(&p), second = add(&p);
    struct score s = {0};
    struct fw_txn *txn;

    (void)state;
    assert_int_equal(second, first + 1);
    assert_int_equal(open_now(), 2);
    score(first, OUTCOME_NONE);
    assert_int_equal(open_now(), 1);
    txn = begin(true);
    ok(ledger_score_get(txn, first, &s, &err));
    assert_int_equal(s.outcome, OUTCOME_NONE);
    assert_int_equal(s.scored_at, 9);
    assert_int_equal(ledger_score_get(txn, second, &s, &err), FW_NONE);
    s = (struct score){.id = first, .outcome = OUTCOME_BREACH};
    assert_int_equal(ledger_score(txn, &s, &err), FW_EINVAL);
    fw_txn_abort(txn);
}

static void nothing_is_kept_of_an_aborted_look(void **state)
{
    struct fw_txn *txn = begin(true);
    struct prediction p = sample(1, 1000);
    uint64_t id = 99;

    (void)state;
    ok(ledger_add(txn, &p, &err));
    fw_txn_abort(txn);
    txn = begin(false);
    ok(ledger_newest(txn, &id, &err));
    assert_int_equal(id, 0);
    fw_txn_abort(txn);
}

static void a_damaged_record_is_named_and_not_believed(void **state)
{
    struct prediction p = sample(1, 1000), q;
    uint64_t id = add(&p);
    struct record_key key = record_key_u64(id);
    struct fw_txn *txn = begin(true);
    struct fw_str value;
    char copy[512];

    (void)state;
    ok(fw_txn_get(txn, "predictions", record_key_str(&key), &value, &err));
    assert_true(value.n < sizeof(copy));
    memcpy(copy, value.p, value.n);
    copy[20] ^= 1;
    ok(fw_txn_put(txn, "predictions", record_key_str(&key),
                  (struct fw_str){copy, value.n}, &err));
    assert_int_equal(ledger_get(txn, id, &q, &err), FW_ECORRUPT);
    assert_string_equal(err.text, "prediction 1: a record fails its checksum");
    fw_txn_abort(txn);
}

static void pruning_takes_what_is_old_and_scored(void **state)
{
    struct prediction old = sample(1, 1000), fresh = sample(1, 9000);
    uint64_t scored = add(&old), waiting = add(&old), kept = add(&fresh);
    struct fw_txn *txn;
    struct score s;
    size_t removed = 99;

    (void)state;
    score(scored, OUTCOME_NONE);
    score(kept, OUTCOME_NONE);
    txn = begin(true);
    ok(ledger_prune(txn, 5000, 100, &removed, &err));
    assert_int_equal(removed, 1);
    assert_int_equal(ledger_get(txn, scored, &old, NULL), FW_NONE);
    assert_int_equal(ledger_score_get(txn, scored, &s, NULL), FW_NONE);
    ok(ledger_get(txn, waiting, &old, &err));
    ok(ledger_get(txn, kept, &old, &err));
    ok(fw_txn_commit(txn, &err));
}

static void ids_rise_even_if_all_is_pruned(void **state)
{
    struct prediction p = sample(1, 1000);
    uint64_t id = add(&p);
    struct fw_txn *txn;
    size_t removed;

    (void)state;
    score(id, OUTCOME_NONE);
    txn = begin(true);
    ok(ledger_prune(txn, 5000, 100, &removed, &err));
    ok(fw_txn_commit(txn, &err));
    assert_int_equal(add(&p), id + 1);
}

static void totals_come_back(void **state)
{
    struct totals t = {.definition = 42,
                       .since = 5,
                       .predictions = 3,
                       .brier_sum = 0.25,
                       .right = 1,
                       .false_alarms = 2,
                       .missed = 3,
                       .voided = 4,
                       .lead_count = 2,
                       .leads = {10, 20},
                       .valued = 5,
                       .inside = 4,
                       .loss_sum = 1.5,
                       .naive_sum = 3},
                  u;
    struct fw_txn *txn = begin(true);

    (void)state;
    t.bins[9].count = 8;
    t.bins[9].sum = 7.5;
    assert_int_equal(totals_get(txn, FW_STR("Disk"), &u, &err), FW_NONE);
    ok(totals_put(txn, FW_STR("Disk"), &t, &err));
    ok(totals_get(txn, FW_STR("Disk"), &u, &err));
    assert_memory_equal(&t, &u, sizeof(t));
    ok(fw_txn_commit(txn, &err));
}

/* ---- quantiles ---- */

struct half {
    bool scored, told;
    int count;
};

static bool see_half(void *self, uint64_t id, const struct prediction *p)
{
    struct half *half = self;

    (void)id;
    half->count++;
    half->scored = p->scored;
    half->told = extreme_is_told(p->extreme);
    return true;
}

static struct half half_open(void)
{
    struct fw_txn *txn = begin(false);
    struct half half = {.count = 0};

    ok(ledger_open_each(txn, see_half, &half, &err));
    fw_txn_abort(txn);
    return half;
}

static void outcome_and_quantiles_close_it_in_any_order(void **state)
{
    struct prediction p = sample(1, 1000);

    (void)state;
    for (int value_first = 0; value_first < 2; value_first++) {
        uint64_t id = add(&p);
        struct score s = {.id = id,
                          .outcome = OUTCOME_BREACH,
                          .value_open = value_first == 0};
        struct value_score v = {
            .id = id, .scored_at = 12, .reached = 3, .loss = 0.4};
        struct value_score got;
        struct fw_txn *txn = begin(true);

        assert_int_equal(ledger_value_get(txn, id, &got, &err), FW_NONE);
        ok(value_first ? ledger_score_value(txn, &v, &err)
                       : ledger_score(txn, &s, &err));
        ok(fw_txn_commit(txn, &err));
        assert_int_equal(half_open().count, 1);
        assert_true(half_open().scored == !value_first);
        assert_true(half_open().told == !value_first);
        txn = begin(true);
        ok(value_first ? ledger_score(txn, &s, &err)
                       : ledger_score_value(txn, &v, &err));
        assert_int_equal(ledger_score_value(txn, &v, &err), FW_EINVAL);
        ok(ledger_value_get(txn, id, &got, &err));
        assert_true(got.reached == 3 && got.loss == 0.4 && got.scored_at == 12);
        ok(fw_txn_commit(txn, &err));
        assert_int_equal(half_open().count, 0);
    }
}

static void what_nobody_will_see_is_void(void **state)
{
    struct prediction p = sample(1, 1000);
    uint64_t first = add(&p), second = add(&p);
    struct score s = {
        .id = first, .outcome = OUTCOME_BREACH, .value_open = true};
    struct fw_txn *txn = begin(true);

    (void)state;
    ok(ledger_score(txn, &s, &err));
    ok(ledger_void(txn, first, 99, &err));
    ok(ledger_void(txn, second, 99, &err));
    ok(ledger_score_get(txn, first, &s, &err));
    assert_int_equal(s.outcome, OUTCOME_BREACH);
    ok(ledger_score_get(txn, second, &s, &err));
    assert_int_equal(s.outcome, OUTCOME_VOID);
    ok(fw_txn_commit(txn, &err));
    assert_int_equal(open_now(), 0);
}

/* As the program before quantiles wrote it. */
static void an_older_prediction_is_read(void **state)
{
    struct fw_buf record = FW_BUF_INIT(4096);
    struct record_key key = record_key_u64(1);
    struct record_writer w;
    struct prediction q;
    struct fw_txn *txn = begin(true);

    (void)state;
    for (uint8_t version = 1; version <= 2; version++) {
        record_begin(&w, &record, RECORD_PREDICTION, version);
        record_put_u32(&w, 7);
        record_put_u8(&w, PREDICTION_ROUTINE);
        record_put_ms(&w, 1000);
        record_put_ms(&w, FW_HOUR);
        record_put_u8(&w, 1);
        record_put_double(&w, 5);
        record_put_ms(&w, 0);
        record_put_double(&w, 0.5);
        for (int i = 0; i < 3; i++)
            record_put_ms(&w, -1);
        record_put_double(&w, 9);
        record_put_str(&w, FW_STR("holt"));
        record_put_ms(&w, 77);
        if (version >= 2)
            record_put_double(&w, 0.25);
        ok(record_end(&w, &err));
        ok(fw_txn_put(txn, "predictions", record_key_str(&key),
                      (struct fw_str){record.data, record.len}, &err));
        ok(ledger_get(txn, 1, &q, &err));
        assert_true(q.probability == 0.5);
        assert_true(q.raw == (version >= 2 ? 0.25 : 0.5));
        assert_false(extreme_is_told(q.extreme));
    }
    fw_txn_abort(txn);
    fw_buf_release(&record);
}

#define STORE_TEST(test)                                                       \
    cmocka_unit_test_setup_teardown(test, open_store, close_store)

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        STORE_TEST(a_series_has_one_id_for_ever),
        STORE_TEST(a_prediction_comes_back_to_the_bit),
        STORE_TEST(a_score_is_written_once),
        STORE_TEST(nothing_is_kept_of_an_aborted_look),
        STORE_TEST(a_damaged_record_is_named_and_not_believed),
        STORE_TEST(pruning_takes_what_is_old_and_scored),
        STORE_TEST(ids_rise_even_if_all_is_pruned),
        STORE_TEST(totals_come_back),
        STORE_TEST(outcome_and_quantiles_close_it_in_any_order),
        STORE_TEST(what_nobody_will_see_is_void),
        STORE_TEST(an_older_prediction_is_read),
    };

    return fixture_main(argc, argv, tests);
}
