/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * peers.h - everybody who is connected, over all listeners and loops.
 *
 * One limit counts them together. A newcomer past it is let in and the one
 * that has been silent longest goes, so that idle connections, however many,
 * never lock a working sender out.
 */
#ifndef SERVER_PEERS_H
#define SERVER_PEERS_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "server/loop.h"

/* Embedded in a connection; zero-initialise. */
struct peer {
    struct loop_task task;        /* carries the eviction to the loop */
    struct loop *loop;            /* the one its owner lives on */
    void (*evict)(struct peer *); /* on that loop: close, peers_remove */
    _Atomic uint64_t active_ns;   /* when it last did something */
    struct peer *prev, *next;     /* lock */
    bool evicting;                /* lock */
};

struct peers {
    pthread_mutex_t lock; /* takes a loop's lock inside */
    struct peer *first;   /* lock */
    size_t count;         /* lock; without those being evicted */
    size_t max;
    uint64_t evicted; /* lock */
};

void peers_init(struct peers *peers, size_t max);
void peers_release(struct peers *peers);

/*
 * Counts `peer`, which lives on `loop`, and evicts the longest silent one if
 * there are too many. Any thread.
 */
void peers_add(struct peers *peers, struct peer *peer, struct loop *loop,
               void (*evict)(struct peer *), uint64_t now_ns);

static inline void peer_touch(struct peer *peer, uint64_t now_ns)
{
    atomic_store_explicit(&peer->active_ns, now_ns, memory_order_relaxed);
}

/*
 * No longer counts it. False if its eviction was decided: `evict`, unless it is
 * what calls this, will still be called, and the peer must live until then.
 */
bool peers_remove(struct peers *peers, struct peer *peer);

/* How many there are, and how many were evicted so far. */
void peers_count(struct peers *peers, size_t *count, uint64_t *evicted);

#endif
