/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "tests/support/fixture.h"

#include "server/notify/outbox.h"
#include "storage/base/limits.h"
#include "tests/support/tmpdir.h"

static struct fw_store *store;
static struct fw_err err;

static int open_store(void **state)
{
    struct fw_store_options options = {.create = true};

    (void)state;
    return fw_store_open(tmpdir_new(), &options, &store, &err) != FW_OK;
}

static int close_store(void **state)
{
    (void)state;
    fw_store_close(store);
    return 0;
}

static void ok(fw_rc rc)
{
    if (rc != FW_OK)
        fail_msg("%s: %s", fw_rc_name(rc), err.text);
}

static struct fw_txn *begin(void)
{
    struct fw_txn *txn = NULL;

    ok(fw_txn_begin(store, true, &txn, &err));
    return txn;
}

static size_t add(struct fw_txn *txn, const char *url, fw_ms at)
{
    struct note note = {.url = fw_str_of(url),
                        .created_at = at,
                        .payload = FW_STR("{\"a\":1}")};
    size_t dropped = 0;

    ok(outbox_add(txn, &note, &dropped, &err));
    return dropped;
}

struct seen {
    size_t n;
    uint64_t first;
    fw_ms times[4];
};

static bool see(void *self, const struct note *note)
{
    struct seen *seen = self;

    if (seen->n == 0)
        seen->first = note->id;
    if (seen->n < 4)
        seen->times[seen->n] = note->created_at;
    seen->n++;
    assert_true(fw_str_eq(note->payload, FW_STR("{\"a\":1}")));
    return true;
}

static void notes_come_out_in_their_order(void **state)
{
    struct fw_txn *txn = begin();
    struct seen seen = {0};

    (void)state;
    (void)add(txn, "http://a/", 10);
    (void)add(txn, "http://b/", 20);
    (void)add(txn, "http://a/", 30);
    ok(fw_txn_commit(txn, &err));
    txn = begin();
    ok(outbox_walk(txn, see, &seen, &err));
    assert_int_equal(seen.n, 3);
    assert_int_equal(seen.times[0], 10);
    assert_int_equal(seen.times[2], 30);
    ok(outbox_remove(txn, seen.first, &err));
    ok(outbox_remove(txn, seen.first, &err)); /* gone is gone */
    seen = (struct seen){0};
    ok(outbox_walk(txn, see, &seen, &err));
    assert_int_equal(seen.n, 2);
    fw_txn_abort(txn);
}

static void a_full_outbox_lets_the_oldest_go(void **state)
{
    struct fw_txn *txn = begin();
    struct seen seen = {0};
    size_t dropped = 0;

    (void)state;
    for (int i = 0; i < FW_MAX_OUTBOX + 3; i++)
        dropped += add(txn, "http://a/", i);
    ok(outbox_walk(txn, see, &seen, &err));
    assert_int_equal(dropped, 3);
    assert_int_equal(seen.n, FW_MAX_OUTBOX);
    assert_int_equal(seen.times[0], 3);
    fw_txn_abort(txn);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(notes_come_out_in_their_order,
                                        open_store, close_store),
        cmocka_unit_test_setup_teardown(a_full_outbox_lets_the_oldest_go,
                                        open_store, close_store),
    };

    return fixture_main(argc, argv, tests);
}
