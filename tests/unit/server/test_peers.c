/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "tests/support/fixture.h"

#include "server/peers.h"

struct guest {
    struct peer peer;
    struct peers *peers;
    bool evicted;
    bool may_free;
};

static void leave(struct peer *peer)
{
    struct guest *g = LOOP_OWNER(peer, struct guest, peer);

    g->evicted = true;
    g->may_free = peers_remove(g->peers, peer);
}

static struct loop *loop;

static void add(struct peers *peers, struct guest *g, uint64_t now_ns)
{
    *g = (struct guest){.peers = peers};
    peers_add(peers, &g->peer, loop, leave, now_ns);
}

/* Closing a loop runs what was posted to it. */
static int open_loop(void **state)
{
    (void)state;
    return loop_open(fw_clock_system(), &loop, NULL) == FW_OK ? 0 : -1;
}

static void past_the_limit_the_longest_silent_one_goes(void **state)
{
    struct peers peers;
    struct guest a, b, c;
    uint64_t evicted;
    size_t count;

    (void)state;
    peers_init(&peers, 2);
    add(&peers, &a, 1);
    add(&peers, &b, 2);
    peer_touch(&a.peer, 3);
    add(&peers, &c, 4);
    loop_close(loop);
    assert_true(b.evicted);
    assert_false(a.evicted);
    assert_false(c.evicted);
    peers_count(&peers, &count, &evicted);
    assert_int_equal(count, 2);
    assert_int_equal(evicted, 1);
    peers_release(&peers);
}

static void a_newcomer_is_never_the_one_that_goes(void **state)
{
    struct peers peers;
    struct guest a, b;

    (void)state;
    peers_init(&peers, 1);
    add(&peers, &a, 100);
    add(&peers, &b, 1); /* a clock that reads less is no reason */
    loop_close(loop);
    assert_true(a.evicted);
    assert_false(b.evicted);
    peers_release(&peers);
}

static void one_that_leaves_during_its_eviction_is_still_called(void **state)
{
    struct peers peers;
    struct guest a, b;
    uint64_t evicted;
    size_t count;

    (void)state;
    peers_init(&peers, 1);
    add(&peers, &a, 1);
    add(&peers, &b, 2);
    /* The eviction is posted, and has not run. */
    assert_false(peers_remove(&peers, &a.peer));
    peers_count(&peers, &count, &evicted);
    assert_int_equal(count, 1);
    assert_true(peers_remove(&peers, &b.peer));
    peers_count(&peers, &count, &evicted);
    assert_int_equal(count, 0);
    a.peer.evict = NULL; /* what a later call would reach */
    a.peer.task.run = NULL;
    peers_release(&peers);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(past_the_limit_the_longest_silent_one_goes,
                               open_loop),
        cmocka_unit_test_setup(a_newcomer_is_never_the_one_that_goes,
                               open_loop),
        cmocka_unit_test_setup(
            one_that_leaves_during_its_eviction_is_still_called, open_loop),
    };
    return fixture_main(argc, argv, tests);
}
