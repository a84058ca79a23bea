/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * head_retire.c - states of series that leave for good.
 *
 * States are allocated 4,096 together, and readers reach them without a lock.
 * So a group whose series have all left is first taken out of reach, and given
 * back at the next occasion, an hour later, when nobody can still be at it.
 */
#include "storage/head/head_parts.h"

#include <stdlib.h>

/* Stands where a group was, so that nobody makes it again. */
static struct head_series g_gone;

bool head_is_gone(const struct head_series *states)
{
    return states == &g_gone;
}

static bool idle_locked(const struct head_series *s)
{
    return head_count(s) == 0 && s->staged == 0 && s->block_count == 0 &&
           (s->late == NULL || s->late->staged == 0);
}

bool head_idle(struct head *h, uint32_t id)
{
    struct head_series *s = head_get(h, id);
    bool idle;

    if (s == NULL)
        return false;
    head_lock(h, id);
    idle = s->made && idle_locked(s);
    head_unlock(h, id);
    return idle;
}

/* Takes a group out of reach once all of its series have left. */
static void leave_group(struct head *h, size_t c)
{
    struct head_series *states = atomic_load(&h->states[c]);
    struct head_grave *grave;

    for (size_t i = 0; i < HEAD_STATES; i++)
        if (!states[i].retired)
            return;
    grave = malloc(sizeof(*grave));
    if (grave == NULL)
        return; /* it stays, which is no harm */
    *grave = (struct head_grave){.states = states, .next = h->graves};
    h->graves = grave;
    atomic_store(&h->states[c], &g_gone);
    (void)atomic_fetch_sub(&h->groups, 1);
}

bool head_retire(struct head *h, uint32_t id)
{
    struct head_series *s = head_get(h, id);
    bool idle;

    if (s == NULL)
        return true;
    (void)pthread_mutex_lock(&h->grow_lock);
    head_lock(h, id);
    idle = idle_locked(s);
    if (idle) {
        s->made = false;
        s->retired = true;
        head_drop_memory(h, s);
    }
    head_unlock(h, id);
    if (idle)
        leave_group(h, id / HEAD_STATES);
    (void)pthread_mutex_unlock(&h->grow_lock);
    return idle;
}

static void free_graves(struct head_grave *grave)
{
    while (grave != NULL) {
        struct head_grave *next = grave->next;

        free(grave->states); /* their series own nothing any more */
        free(grave);
        grave = next;
    }
}

void head_bury(struct head *h)
{
    struct head_grave *old;

    (void)pthread_mutex_lock(&h->grow_lock);
    old = h->old_graves;
    h->old_graves = h->graves;
    h->graves = NULL;
    (void)pthread_mutex_unlock(&h->grow_lock);
    free_graves(old);
}

void head_retire_release(struct head *h)
{
    free_graves(h->graves);
    free_graves(h->old_graves);
    h->graves = NULL;
    h->old_graves = NULL;
}
