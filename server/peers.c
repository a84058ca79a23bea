/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "server/peers.h"

void peers_init(struct peers *peers, size_t max)
{
    *peers = (struct peers){.max = max};
    (void)pthread_mutex_init(&peers->lock, NULL);
}

void peers_release(struct peers *peers)
{
    (void)pthread_mutex_destroy(&peers->lock);
}

static void carry_out(struct loop_task *task)
{
    struct peer *peer = LOOP_OWNER(task, struct peer, task);

    peer->evict(peer);
}

/*
 * A scan, not an ordered list: touching is what happens all the time, and only
 * a server at its limit looks for the longest silent one.
 */
static void evict_one_locked(struct peers *peers, const struct peer *newcomer)
{
    struct peer *oldest = NULL;
    uint64_t oldest_ns = UINT64_MAX;

    for (struct peer *p = peers->first; p != NULL; p = p->next) {
        uint64_t ns = atomic_load_explicit(&p->active_ns, memory_order_relaxed);

        if (p != newcomer && !p->evicting && ns < oldest_ns) {
            oldest = p;
            oldest_ns = ns;
        }
    }
    if (oldest == NULL)
        return;
    oldest->evicting = true;
    oldest->task.run = carry_out;
    peers->count--;
    peers->evicted++;
    loop_post(oldest->loop, &oldest->task);
}

void peers_add(struct peers *peers, struct peer *peer, struct loop *loop,
               void (*evict)(struct peer *), uint64_t now_ns)
{
    peer->loop = loop;
    peer->evict = evict;
    peer->evicting = false;
    peer_touch(peer, now_ns);
    (void)pthread_mutex_lock(&peers->lock);
    peer->prev = NULL;
    peer->next = peers->first;
    if (peers->first != NULL)
        peers->first->prev = peer;
    peers->first = peer;
    peers->count++;
    if (peers->count > peers->max)
        evict_one_locked(peers, peer);
    (void)pthread_mutex_unlock(&peers->lock);
}

bool peers_remove(struct peers *peers, struct peer *peer)
{
    bool evicting;

    (void)pthread_mutex_lock(&peers->lock);
    if (peer->prev != NULL)
        peer->prev->next = peer->next;
    else
        peers->first = peer->next;
    if (peer->next != NULL)
        peer->next->prev = peer->prev;
    evicting = peer->evicting;
    if (!evicting)
        peers->count--;
    (void)pthread_mutex_unlock(&peers->lock);
    return !evicting;
}

void peers_count(struct peers *peers, size_t *count, uint64_t *evicted)
{
    (void)pthread_mutex_lock(&peers->lock);
    *count = peers->count;
    *evicted = peers->evicted;
    (void)pthread_mutex_unlock(&peers->lock);
}
