/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "tests/support/fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/audit/audit_record.h"
#include "storage/base/bytes.h"
#include "storage/base/crc32c.h"
#include "storage/base/limits.h"
#include "tests/support/tmpdir.h"

#define ENTRIES 40
#define MUTATIONS 10000

static struct fw_store *store;
static struct fw_err err;

static int open_store(void **state)
{
    struct fw_store_options options = {.create = true, .disk_floor = 1};

    *state = (void *)(uintptr_t)tmpdir_new();
    err = (struct fw_err){0};
    if (fw_store_open(*state, &options, &store, &err) != FW_OK)
        fail_msg("%s", err.text);
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

static struct audit_entry silence(fw_ms at)
{
    return (struct audit_entry){.at = at,
                                .actor = FW_STR("ann"),
                                .owner = FW_STR("storage@example"),
                                .act = FW_STR("silence"),
                                .what = FW_STR("DiskFull"),
                                .reason = FW_STR("disk is being replaced"),
                                .before = FW_STR("paging"),
                                .after = FW_STR("silent for 2h")};
}

static void add(const struct audit_entry *entry)
{
    struct fw_txn *txn = begin(true);

    if (audit_add(txn, entry, &err) != FW_OK)
        fail_msg("%s", err.text);
    assert_int_equal(fw_txn_commit(txn, &err), FW_OK);
}

static struct audit_check verify(const struct audit_head *expected)
{
    struct fw_txn *txn = begin(false);
    struct audit_check check;

    assert_int_equal(audit_verify(txn, expected, &check, &err), FW_OK);
    fw_txn_abort(txn);
    return check;
}

static struct audit_head head(void)
{
    struct fw_txn *txn = begin(false);
    struct audit_head out;

    assert_int_equal(audit_head(txn, &out, &err), FW_OK);
    fw_txn_abort(txn);
    return out;
}

static bool count_whole(void *self, uint64_t id,
                        const struct audit_entry *entry)
{
    struct audit_entry want = silence((fw_ms)id);

    assert_non_null(entry);
    assert_int_equal(entry->id, id);
    assert_int_equal(entry->at, want.at);
    assert_true(fw_str_eq(entry->actor, want.actor));
    assert_true(fw_str_eq(entry->owner, want.owner));
    assert_true(fw_str_eq(entry->act, want.act));
    assert_true(fw_str_eq(entry->what, want.what));
    assert_true(fw_str_eq(entry->reason, want.reason));
    assert_true(fw_str_eq(entry->before, want.before));
    assert_true(fw_str_eq(entry->after, want.after));
    *(int *)self += 1;
    return true;
}

static void entries_read_back_and_the_chain_is_whole(void **state)
{
    struct fw_txn *txn;
    int count = 0;

    (void)state;
    assert_int_equal(verify(NULL).bad, 0);
    assert_int_equal(head().id, 0);
    for (fw_ms at = 1; at <= 5; at++) {
        struct audit_entry entry = silence(at);

        add(&entry);
    }
    txn = begin(false);
    assert_int_equal(audit_each(txn, 1, count_whole, &count, &err), FW_OK);
    fw_txn_abort(txn);
    assert_int_equal(count, 5);
    assert_int_equal(verify(NULL).bad, 0);
    assert_int_equal(verify(NULL).count, 5);
    assert_int_equal(head().id, 5);
}

static void an_act_without_actor_or_reason_is_refused(void **state)
{
    static char much[FW_MAX_AUDIT_TEXT + 1];
    struct audit_entry entry = silence(1);
    struct fw_txn *txn = begin(true);

    (void)state;
    entry.actor = FW_STR("");
    assert_int_equal(audit_add(txn, &entry, &err), FW_EINVAL);
    assert_non_null(strstr(err.text, "needs an actor"));
    entry = silence(1);
    entry.reason = FW_STR("");
    assert_int_equal(audit_add(txn, &entry, &err), FW_EINVAL);
    assert_non_null(strstr(err.text, "needs a reason"));
    entry = silence(1);
    entry.after = (struct fw_str){"\xff", 1};
    assert_int_equal(audit_add(txn, &entry, &err), FW_EINVAL);
    memset(much, 'x', sizeof(much));
    entry.after = (struct fw_str){much, sizeof(much)};
    assert_int_equal(audit_add(txn, &entry, &err), FW_ETOOBIG);
    fw_txn_abort(txn);
    assert_int_equal(head().id, 0);
}

static void an_act_that_is_not_stored_leaves_no_entry(void **state)
{
    struct audit_entry entry = silence(1);
    struct fw_txn *txn;

    (void)state;
    add(&entry);
    txn = begin(true);
    assert_int_equal(audit_add(txn, &entry, &err), FW_OK);
    fw_txn_abort(txn);
    assert_int_equal(head().id, 1);
    add(&entry);
    assert_int_equal(verify(NULL).bad, 0);
    assert_int_equal(verify(NULL).count, 2);
}

static void delete_entry(uint64_t id)
{
    struct record_key key = record_key_u64(id);
    struct fw_txn *txn = begin(true);

    assert_int_equal(fw_txn_delete(txn, "audit", record_key_str(&key), &err),
                     FW_OK);
    assert_int_equal(fw_txn_commit(txn, &err), FW_OK);
}

static void a_cut_end_shows_and_the_next_entry_does_not_heal_it(void **state)
{
    struct audit_check check;

    (void)state;
    for (fw_ms at = 1; at <= 5; at++) {
        struct audit_entry entry = silence(at);

        add(&entry);
    }
    delete_entry(5);
    delete_entry(4);
    check = verify(NULL);
    assert_int_equal(check.bad, 4);
    assert_string_equal(check.reason, "it is missing, as all up to 5");
    {
        struct audit_entry entry = silence(6);

        add(&entry);
    }
    check = verify(NULL);
    assert_int_equal(check.bad, 4);
}

/* Whoever can write the folder can make a new, consistent chain. */
static void a_noted_head_finds_a_chain_made_anew(void **state)
{
    struct audit_head noted;
    struct audit_entry entry;
    struct fw_txn *txn;

    (void)state;
    for (fw_ms at = 1; at <= 3; at++) {
        entry = silence(at);
        add(&entry);
    }
    noted = head();
    delete_entry(3);
    delete_entry(2);
    delete_entry(1);
    txn = begin(true);
    assert_int_equal(fw_txn_delete(txn, "audit_head", FW_STR("head"), &err),
                     FW_OK);
    assert_int_equal(fw_txn_commit(txn, &err), FW_OK);
    for (fw_ms at = 1; at <= 4; at++) {
        entry = silence(at + 100);
        add(&entry);
    }
    assert_int_equal(verify(NULL).bad, 0);
    assert_int_equal(verify(&noted).bad, 3);
    noted.id = 9;
    assert_int_equal(verify(&noted).bad, 5);
}

/* ---- ten thousand ways to tamper
 * ---------------------------------------------------- */

/* A chain outside of the store, so that it can be bent quickly. */
struct link {
    uint64_t key;
    struct fw_buf record;
};

struct chain {
    struct link v[ENTRIES + 1];
    size_t n;
    struct audit_head head;
};

static void chain_make(struct chain *c)
{
    struct audit_head last = {0};

    *c = (struct chain){.n = ENTRIES};
    for (size_t i = 0; i < ENTRIES; i++) {
        struct audit_entry entry = silence((fw_ms)i * 1000);

        entry.id = i + 1;
        entry.previous = last.digest;
        c->v[i].key = i + 1;
        c->v[i].record = (struct fw_buf)FW_BUF_INIT(FW_MAX_RECORD_BYTES);
        assert_int_equal(audit_record_put(&c->v[i].record, &entry, &err),
                         FW_OK);
        last.id = i + 1;
        assert_int_equal(fw_sha256(c->v[i].record.data, c->v[i].record.len,
                                   &last.digest, &err),
                         FW_OK);
    }
    c->head = last;
}

static void chain_free(struct chain *c)
{
    for (size_t i = 0; i < c->n; i++)
        fw_buf_release(&c->v[i].record);
}

static struct audit_check chain_check(const struct chain *c)
{
    struct audit_check check;

    audit_check_start(&check, NULL);
    for (size_t i = 0; i < c->n; i++) {
        struct record_key key = record_key_u64(c->v[i].key);

        assert_int_equal(audit_check_add(&check, record_key_str(&key),
                                         (struct fw_str){c->v[i].record.data,
                                                         c->v[i].record.len},
                                         &err),
                         FW_OK);
    }
    audit_check_end(&check, &c->head);
    return check;
}

static size_t below(uint64_t *seed, size_t n)
{
    *seed = *seed * 6364136223846793005u + 1442695040888963407u;
    return (size_t)((*seed >> 33) % n);
}

/* The tamperer is not careless: the checksum is made to fit again. */
static void fit_checksum(struct fw_buf *record)
{
    if (record->len > 4)
        fw_put_le32((unsigned char *)record->data + record->len - 4,
                    fw_crc32c(record->data, record->len - 4));
}

static uint64_t flip(struct chain *c, uint64_t *seed)
{
    size_t i = below(seed, c->n);
    struct fw_buf *record = &c->v[i].record;
    size_t bit = below(seed, record->len * 8);

    record->data[bit / 8] = (char)(record->data[bit / 8] ^ (1 << (bit % 8)));
    /* A flip in the checksum itself must not be undone. */
    if (below(seed, 2) == 0 && bit / 8 < record->len - 4)
        fit_checksum(record);
    return c->v[i].key;
}

static uint64_t take_out(struct chain *c, uint64_t *seed)
{
    size_t i = below(seed, c->n);
    uint64_t bad = c->v[i].key;

    fw_buf_release(&c->v[i].record);
    c->n--;
    memmove(&c->v[i], &c->v[i + 1], (c->n - i) * sizeof(c->v[0]));
    return bad;
}

static struct fw_buf copy_of(const struct fw_buf *record)
{
    struct fw_buf copy = FW_BUF_INIT(FW_MAX_RECORD_BYTES);

    assert_int_equal(fw_buf_add(&copy, record->data, record->len), FW_OK);
    return copy;
}

/* A copy of some entry is put in, and all behind it move up. */
static uint64_t put_in(struct chain *c, uint64_t *seed)
{
    size_t i = below(seed, c->n), from = below(seed, c->n);
    struct fw_buf copy;

    if (from == i) /* a copy before itself changes nothing there, but behind */
        from = (from + 1) % c->n;
    copy = copy_of(&c->v[from].record);
    memmove(&c->v[i + 1], &c->v[i], (c->n - i) * sizeof(c->v[0]));
    c->v[i].record = copy;
    c->n++;
    for (size_t k = i; k < c->n; k++)
        c->v[k].key = k + 1;
    return c->v[i].key;
}

static uint64_t swap_two(struct chain *c, uint64_t *seed)
{
    size_t a = below(seed, c->n), b = below(seed, c->n - 1);
    struct fw_buf held;

    if (b >= a)
        b++;
    held = c->v[a].record;
    c->v[a].record = c->v[b].record;
    c->v[b].record = held;
    return c->v[a < b ? a : b].key;
}

static uint64_t cut(struct chain *c, uint64_t *seed)
{
    size_t keep = below(seed, c->n);

    for (size_t i = keep; i < c->n; i++)
        fw_buf_release(&c->v[i].record);
    c->n = keep;
    return keep + 1;
}

static uint64_t shorten(struct chain *c, uint64_t *seed)
{
    size_t i = below(seed, c->n);

    c->v[i].record.len = below(seed, c->v[i].record.len);
    if (below(seed, 2) == 0)
        fit_checksum(&c->v[i].record);
    return c->v[i].key;
}

static void every_mutation_is_found_and_the_first_bad_entry_named(void **state)
{
    static uint64_t (*const ways[])(struct chain *, uint64_t *) = {
        flip, take_out, put_in, swap_two, cut, shorten};
    uint64_t seed = fixture_seed();

    (void)state;
    for (int round = 0; round < MUTATIONS; round++) {
        size_t way = below(&seed, sizeof(ways) / sizeof(ways[0]));
        struct audit_check check;
        struct chain chain;
        uint64_t want;

        chain_make(&chain);
        check = chain_check(&chain);
        assert_int_equal(check.bad, 0);
        want = ways[way](&chain, &seed);
        check = chain_check(&chain);
        if (check.bad != want)
            fail_msg("round %d, way %zu: entry %llu was tampered with, %llu is "
                     "named: %s",
                     round, way, (unsigned long long)want,
                     (unsigned long long)check.bad, check.reason);
        chain_free(&chain);
    }
}

static void heads_read_back_as_text(void **state)
{
    char text[AUDIT_HEAD_TEXT_BYTES];
    struct audit_head back;
    struct audit_entry entry = silence(1);

    (void)state;
    add(&entry);
    {
        struct audit_head now = head();

        audit_head_text(&now, text);
        assert_int_equal(audit_head_read(fw_str_of(text), &back, &err), FW_OK);
        assert_int_equal(back.id, 1);
        assert_memory_equal(&back.digest, &now.digest, sizeof(now.digest));
    }
    assert_int_equal(audit_head_read(FW_STR("12"), &back, &err), FW_EINVAL);
    assert_int_equal(audit_head_read(FW_STR(":"), &back, &err), FW_EINVAL);
    text[5] = 'x';
    assert_int_equal(audit_head_read(fw_str_of(text), &back, &err), FW_EINVAL);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(
            entries_read_back_and_the_chain_is_whole, open_store, close_store),
        cmocka_unit_test_setup_teardown(
            an_act_without_actor_or_reason_is_refused, open_store, close_store),
        cmocka_unit_test_setup_teardown(
            an_act_that_is_not_stored_leaves_no_entry, open_store, close_store),
        cmocka_unit_test_setup_teardown(
            a_cut_end_shows_and_the_next_entry_does_not_heal_it, open_store,
            close_store),
        cmocka_unit_test_setup_teardown(a_noted_head_finds_a_chain_made_anew,
                                        open_store, close_store),
        cmocka_unit_test(every_mutation_is_found_and_the_first_bad_entry_named),
        cmocka_unit_test_setup_teardown(heads_read_back_as_text, open_store,
                                        close_store),
    };

    return fixture_main(argc, argv, tests);
}
