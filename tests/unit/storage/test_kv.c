/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "tests/support/fixture.h"

#include <stdlib.h>
#include <string.h>

#include "storage/meta.h"
#include "storage/segments/verify.h"
#include "storage/storage.h"
#include "storage/store.h"
#include "tests/support/tmpdir.h"

static struct fw_err err;

static struct fw_store *open_store(const char *dir, bool read_only,
                                   size_t map_bytes)
{
    struct fw_store_options options = {.create = true,
                                       .read_only = read_only,
                                       .disk_floor = 1,
                                       .map_bytes = map_bytes};
    struct fw_store *store = NULL;

    if (fw_store_open(dir, &options, &store, &err) != FW_OK)
        fail_msg("open: %s", err.text);
    return store;
}

static struct fw_txn *begin(struct fw_store *store, bool write)
{
    struct fw_txn *txn = NULL;

    if (fw_txn_begin(store, write, &txn, &err) != FW_OK)
        fail_msg("begin: %s", err.text);
    return txn;
}

static void put(struct fw_store *store, const char *table, const char *key,
                const char *value)
{
    struct fw_txn *txn = begin(store, true);

    assert_int_equal(
        fw_txn_put(txn, table, fw_str_of(key), fw_str_of(value), &err), FW_OK);
    assert_int_equal(fw_txn_commit(txn, &err), FW_OK);
}

static void values_outlive_the_process(void **state)
{
    const char *dir = tmpdir_new();
    struct fw_store *store = open_store(dir, false, 0);
    struct fw_str value;
    struct fw_txn *txn;

    (void)state;
    put(store, "ledger", "k", "v1");
    put(store, "ledger", "k", "v2");
    put(store, "outbox", "k", "other");
    fw_store_close(store);
    store = open_store(dir, true, 0);
    txn = begin(store, false);
    assert_int_equal(fw_txn_get(txn, "ledger", FW_STR("k"), &value, &err),
                     FW_OK);
    assert_true(fw_str_eq(value, FW_STR("v2")));
    assert_int_equal(fw_txn_get(txn, "ledger", FW_STR("no"), &value, &err),
                     FW_NONE);
    assert_int_equal(fw_txn_get(txn, "nothing", FW_STR("k"), &value, &err),
                     FW_NONE);
    fw_txn_abort(txn);
    assert_int_equal(fw_txn_begin(store, true, &txn, &err), FW_EREADONLY);
    fw_store_close(store);
}

static void what_is_given_up_is_gone(void **state)
{
    struct fw_store *store = open_store(tmpdir_new(), false, 0);
    struct fw_txn *txn = begin(store, true);
    struct fw_str value;

    (void)state;
    assert_int_equal(fw_txn_put(txn, "a", FW_STR("k"), FW_STR("v"), &err),
                     FW_OK);
    fw_txn_abort(txn);
    put(store, "b", "k", "of b"); /* gets the number "a" had for a moment */
    txn = begin(store, true);
    assert_int_equal(fw_txn_get(txn, "a", FW_STR("k"), &value, &err), FW_NONE);
    assert_int_equal(fw_txn_delete(txn, "b", FW_STR("k"), &err), FW_OK);
    assert_int_equal(fw_txn_delete(txn, "b", FW_STR("k"), &err), FW_NONE);
    assert_int_equal(fw_txn_commit(txn, &err), FW_OK);
    fw_store_close(store);
}

static void it_ends_as_the_work_on_it_went(void **state)
{
    struct fw_store *store = open_store(tmpdir_new(), false, 0);
    struct fw_txn *txn = begin(store, true);
    struct fw_str value;

    (void)state;
    assert_int_equal(
        fw_txn_end(txn, fw_txn_put(txn, "a", FW_STR("kept"), FW_STR("v"), &err),
                   &err),
        FW_OK);
    txn = begin(store, true);
    assert_int_equal(fw_txn_put(txn, "a", FW_STR("lost"), FW_STR("v"), &err),
                     FW_OK);
    assert_int_equal(fw_txn_end(txn, FW_EINVAL, &err), FW_EINVAL);
    assert_int_equal(fw_txn_end(NULL, FW_EIO, &err), FW_EIO);
    txn = begin(store, false);
    assert_int_equal(fw_txn_get(txn, "a", FW_STR("kept"), &value, &err), FW_OK);
    assert_int_equal(fw_txn_get(txn, "a", FW_STR("lost"), &value, &err),
                     FW_NONE);
    fw_txn_abort(txn);
    fw_store_close(store);
}

struct seen {
    char text[256];
    size_t stop_after, n;
};

static bool see(void *self, struct fw_str key, struct fw_str value)
{
    struct seen *seen = self;
    size_t len = strlen(seen->text);

    (void)snprintf(seen->text + len, sizeof(seen->text) - len, "%.*s=%.*s ",
                   FW_STR_ARG(key), FW_STR_ARG(value));
    return ++seen->n < seen->stop_after;
}

static void a_table_is_ordered_and_alone(void **state)
{
    struct fw_store *store = open_store(tmpdir_new(), false, 0);
    struct seen all = {.stop_after = 99}, some = {.stop_after = 1};
    struct seen none = {.stop_after = 99};
    struct fw_str key, value;
    struct fw_txn *txn;

    (void)state;
    put(store, "one", "b", "2");
    put(store, "one", "a", "1");
    put(store, "two", "z", "9");
    put(store, "one", "c", "3");
    txn = begin(store, false);
    assert_int_equal(fw_txn_scan(txn, "one", FW_STR(""), see, &all, &err),
                     FW_OK);
    assert_string_equal(all.text, "a=1 b=2 c=3 ");
    assert_int_equal(fw_txn_scan(txn, "one", FW_STR("b"), see, &some, &err),
                     FW_OK);
    assert_string_equal(some.text, "b=2 ");
    assert_int_equal(fw_txn_scan(txn, "three", FW_STR(""), see, &none, &err),
                     FW_OK);
    assert_int_equal(none.n, 0);
    assert_int_equal(fw_txn_last(txn, "one", &key, &value, &err), FW_OK);
    assert_true(fw_str_eq(key, FW_STR("c")));
    assert_int_equal(fw_txn_last(txn, "two", &key, &value, &err), FW_OK);
    assert_true(fw_str_eq(value, FW_STR("9")));
    assert_int_equal(fw_txn_last(txn, "three", &key, &value, &err), FW_NONE);
    fw_txn_abort(txn);
    txn = begin(store, true);
    assert_int_equal(fw_txn_delete(txn, "two", FW_STR("z"), &err), FW_OK);
    assert_int_equal(fw_txn_last(txn, "two", &key, &value, &err), FW_NONE);
    fw_txn_abort(txn);
    fw_store_close(store);
}

static void names_and_keys_have_limits(void **state)
{
    struct fw_store *store = open_store(tmpdir_new(), false, 0);
    struct fw_txn *txn = begin(store, true);
    char key[500];

    (void)state;
    memset(key, 'k', sizeof(key));
    assert_int_equal(
        fw_txn_put(txn, "t", (struct fw_str){key, 480}, FW_STR("v"), &err),
        FW_OK);
    assert_int_equal(
        fw_txn_put(txn, "t", (struct fw_str){key, 481}, FW_STR("v"), &err),
        FW_ETOOBIG);
    assert_int_equal(fw_txn_put(txn, "t", FW_STR(""), FW_STR("v"), &err),
                     FW_EINVAL);
    assert_int_equal(fw_txn_put(txn, "T1", FW_STR("k"), FW_STR("v"), &err),
                     FW_EINVAL);
    assert_int_equal(fw_txn_put(txn, "", FW_STR("k"), FW_STR("v"), &err),
                     FW_EINVAL);
    assert_int_equal(fw_txn_commit(txn, &err), FW_OK);
    txn = begin(store, false);
    assert_int_equal(fw_txn_put(txn, "t", FW_STR("k"), FW_STR("v"), &err),
                     FW_EREADONLY);
    fw_txn_abort(txn);
    fw_store_close(store);
}

/* From a map of one MiB, beside readers that come and go. */
static void the_map_grows_by_itself(void **state)
{
    const char *dir = tmpdir_new();
    struct fw_store *store = open_store(dir, false, (size_t)1 << 20);
    static char value[60000];
    struct fw_str got;
    struct fw_txn *txn;
    char key[16];

    (void)state;
    for (int i = 0; i < 100; i++) {
        (void)snprintf(key, sizeof(key), "k%d", i);
        memset(value, i, sizeof(value));
        txn = begin(store, true);
        assert_int_equal(fw_txn_put(txn, "t", fw_str_of(key),
                                    (struct fw_str){value, sizeof(value)},
                                    &err),
                         FW_OK);
        if (fw_txn_commit(txn, &err) != FW_OK)
            fail_msg("%s", err.text);
    }
    fw_store_close(store);
    store = open_store(dir, true, (size_t)1 << 20); /* smaller than the file */
    txn = begin(store, false);
    assert_int_equal(fw_txn_get(txn, "t", FW_STR("k99"), &got, &err), FW_OK);
    assert_int_equal(got.n, sizeof(value));
    assert_memory_equal(got.p, value, sizeof(value));
    fw_txn_abort(txn);
    fw_store_close(store);
}

/* ---- Damage ---------------------------------------------------------------
 */

struct change {
    struct fw_str key; /* whole */
    size_t at;         /* of the value; at its end: the key's last byte */
};

/* As a flipped bit would have it: another value, or at another key. */
static fw_rc flip_in(void *self, struct lmdb_txn *txn, struct fw_err *why)
{
    const struct change *c = self;
    struct fw_str value = {0};
    char copy[64], key[16];
    fw_rc rc = lmdb_get(txn, c->key, &value, why);

    if (rc != FW_OK || value.n > sizeof(copy) || c->key.n > sizeof(key))
        return FW_EINVAL;
    memcpy(copy, value.p, value.n);
    memcpy(key, c->key.p, c->key.n);
    value = (struct fw_str){copy, value.n};
    if (c->at < value.n)
        copy[c->at] ^= 4;
    else
        key[c->key.n - 1] ^= 4;
    rc = lmdb_delete(txn, c->key, why);
    return rc == FW_OK
               ? lmdb_put(txn, (struct fw_str){key, c->key.n}, value, why)
               : rc;
}

static void count_one(void *self, const char *sentence)
{
    (void)sentence;
    ++*(size_t *)self;
}

static void a_damaged_entry_is_told_and_the_others_are_served(void **state)
{
    static char key[] = {META_KEY, 0, 0, 'b'}, name[] = {META_TABLE, 't'};
    /* value "2" and its checksum, then the key */
    for (size_t at = 0; at <= 5; at++) {
        struct change change = {{key, sizeof(key)}, at};
        const char *dir = tmpdir_new();
        struct fw_store *store = open_store(dir, false, 0);
        struct verify_totals totals;
        struct fw_store_stats stats;
        struct seen seen = {.stop_after = 99};
        struct fw_str value = {0};
        size_t findings = 0;
        struct fw_txn *txn;

        (void)state;
        put(store, "t", "a", "1");
        put(store, "t", "b", "2");
        put(store, "t", "c", "3");
        assert_int_equal(
            verify_store(store, count_one, &findings, &totals, &err), FW_OK);
        assert_int_equal(findings, 0);
        assert_int_equal(lmdb_update(store->meta, flip_in, &change, &err),
                         FW_OK);
        fw_store_close(store);
        store = open_store(dir, false, 0);
        fw_store_stats(store, &stats);
        assert_int_equal(stats.corrupt_found, 1);
        assert_int_equal(
            verify_store(store, count_one, &findings, &totals, &err), FW_OK);
        assert_int_equal(findings, 1);
        txn = begin(store, false);
        assert_int_equal(fw_txn_scan(txn, "t", FW_STR(""), see, &seen, &err),
                         FW_OK);
        assert_string_equal(seen.text, "a=1 c=3 ");
        assert_int_equal(fw_txn_get(txn, "t", FW_STR("b"), &value, &err),
                         at < 5 ? FW_ECORRUPT : FW_NONE);
        fw_txn_abort(txn);
        put(store, "t", "b", "new"); /* it can be written anew */
        txn = begin(store, false);
        assert_int_equal(fw_txn_get(txn, "t", FW_STR("b"), &value, &err),
                         FW_OK);
        assert_true(fw_str_eq(value, FW_STR("new")));
        fw_txn_abort(txn);
        /* And the table's own entry. */
        change = (struct change){{name, sizeof(name)}, at};
        assert_int_equal(lmdb_update(store->meta, flip_in, &change, &err),
                         FW_OK);
        txn = begin(store, false);
        assert_int_equal(fw_txn_get(txn, "t", FW_STR("a"), &value, &err),
                         FW_ECORRUPT);
        fw_txn_abort(txn);
        fw_store_close(store);
    }
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values_outlive_the_process),
        cmocka_unit_test(what_is_given_up_is_gone),
        cmocka_unit_test(it_ends_as_the_work_on_it_went),
        cmocka_unit_test(a_table_is_ordered_and_alone),
        cmocka_unit_test(names_and_keys_have_limits),
        cmocka_unit_test(the_map_grows_by_itself),
        cmocka_unit_test(a_damaged_entry_is_told_and_the_others_are_served),
    };

    return fixture_main(argc, argv, tests);
}
