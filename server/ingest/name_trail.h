/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * name_trail.h - names of series as they were sent, in the order in which they
 * came.
 *
 * Whoever sends names again mostly sends them in the order of the last time.
 * So each knows which came behind it: to compare it with what is there now
 * takes a third of the time that a hash does. What is known of a name is only
 * its id; `series_cache` finds it again by hash, where the order has changed.
 *
 * The caller locks: following and linking may go side by side, whatever else
 * changes the trail is alone.
 */
#ifndef SERVER_INGEST_NAME_TRAIL_H
#define SERVER_INGEST_NAME_TRAIL_H

#include <stdatomic.h>
#include <string.h>

#include "storage/base/buf.h"
#include "storage/base/str.h"

#define TRAIL_NONE UINT32_MAX

struct trail_step {
    uint32_t at, n; /* in the text */
    uint32_t id;
    _Atomic uint32_t next; /* came behind it the last time, or TRAIL_NONE */
};

struct name_trail {
    struct trail_step *steps;
    size_t count, cap;
    struct fw_buf text;
};

void trail_init(struct name_trail *trail);
void trail_release(struct name_trail *trail);

/* Forgets all steps; their numbers mean others from now on. */
void trail_clear(struct name_trail *trail);

/* Is there room for one more of n bytes (FW_MAX_NAME_TRAIL_BYTES)? */
bool trail_has_room(const struct name_trail *trail, size_t n);

/* The number of a new step; TRAIL_NONE without room or memory. */
uint32_t trail_add(struct name_trail *trail, struct fw_str name, uint32_t id);

/* The step behind `from` if it has this name, else TRAIL_NONE. */
static inline uint32_t trail_follow(const struct name_trail *trail,
                                    uint32_t from, struct fw_str name)
{
    const struct trail_step *step;
    uint32_t next;

    if (from == TRAIL_NONE)
        return TRAIL_NONE;
    next = atomic_load_explicit(&trail->steps[from].next, memory_order_relaxed);
    if (next == TRAIL_NONE)
        return TRAIL_NONE;
    step = &trail->steps[next];
    return step->n == name.n &&
                   memcmp(trail->text.data + step->at, name.p, name.n) == 0
               ? next
               : TRAIL_NONE;
}

/* `to` is expected behind `from` from now on; either may be TRAIL_NONE. */
static inline void trail_link(struct name_trail *trail, uint32_t from,
                              uint32_t to)
{
    if (from != TRAIL_NONE && to != TRAIL_NONE)
        atomic_store_explicit(&trail->steps[from].next, to,
                              memory_order_relaxed);
}

#endif
