/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * queue.h - a bounded queue between threads.
 *
 * A full queue is an answer (FW_EBUSY), never a wait; only the taker waits.
 */
#ifndef FW_STORAGE_BASE_QUEUE_H
#define FW_STORAGE_BASE_QUEUE_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "storage/base/err.h"

struct fw_queue {
    pthread_mutex_t lock; /* leaf: take no lock while holding it */
    pthread_cond_t changed;
    void **items; /* ring of `cap`; lock */
    size_t cap;
    size_t first; /* lock */
    size_t count; /* lock */
    bool closed;  /* lock */
};

FW_CHECK fw_rc fw_queue_init(struct fw_queue *queue, size_t cap);
void fw_queue_release(struct fw_queue *queue);

/* FW_OK; FW_EBUSY when full; FW_ECANCELED once closed. Any thread. */
FW_CHECK fw_rc fw_queue_push(struct fw_queue *queue, void *item);

/*
 * Takes the oldest item, waiting up to `wait_ms` (< 0: for ever). FW_OK;
 * FW_NONE when the time is up; FW_END when closed and empty.
 */
FW_CHECK fw_rc fw_queue_pop(struct fw_queue *queue, int wait_ms, void **item);

/* No more pushes; takers drain what is left and then get FW_END. */
void fw_queue_close(struct fw_queue *queue);

size_t fw_queue_count(struct fw_queue *queue);

#endif
