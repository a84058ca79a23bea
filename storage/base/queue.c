/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "storage/base/queue.h"

#include <errno.h>
#include <stdlib.h>
#include <time.h>

fw_rc fw_queue_init(struct fw_queue *queue, size_t cap)
{
    pthread_condattr_t attr;

    *queue = (struct fw_queue){.cap = cap};
    queue->items = calloc(cap, sizeof(*queue->items));
    if (queue->items == NULL)
        return FW_ENOMEM;
    /* The waits are spans, so they follow the clock that never steps. */
    (void)pthread_condattr_init(&attr);
    (void)pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    (void)pthread_mutex_init(&queue->lock, NULL);
    (void)pthread_cond_init(&queue->changed, &attr);
    (void)pthread_condattr_destroy(&attr);
    return FW_OK;
}

void fw_queue_release(struct fw_queue *queue)
{
    if (queue->items == NULL)
        return;
    free(queue->items);
    queue->items = NULL;
    (void)pthread_cond_destroy(&queue->changed);
    (void)pthread_mutex_destroy(&queue->lock);
}

fw_rc fw_queue_push(struct fw_queue *queue, void *item)
{
    fw_rc rc = FW_OK;

    (void)pthread_mutex_lock(&queue->lock);
    if (queue->closed) {
        rc = FW_ECANCELED;
    } else if (queue->count == queue->cap) {
        rc = FW_EBUSY;
    } else {
        queue->items[(queue->first + queue->count) % queue->cap] = item;
        queue->count++;
        (void)pthread_cond_signal(&queue->changed);
    }
    (void)pthread_mutex_unlock(&queue->lock);
    return rc;
}

static struct timespec deadline_after(int wait_ms)
{
    struct timespec ts = {0};

    (void)clock_gettime(CLOCK_MONOTONIC, &ts);
    ts.tv_sec += wait_ms / 1000;
    ts.tv_nsec += (long)(wait_ms % 1000) * 1000000L;
    if (ts.tv_nsec >= 1000000000L) {
        ts.tv_sec++;
        ts.tv_nsec -= 1000000000L;
    }
    return ts;
}

fw_rc fw_queue_pop(struct fw_queue *queue, int wait_ms, void **item)
{
    struct timespec deadline = deadline_after(wait_ms < 0 ? 0 : wait_ms);
    fw_rc rc = FW_OK;
    int waited = 0;

    (void)pthread_mutex_lock(&queue->lock);
    while (queue->count == 0 && !queue->closed && waited != ETIMEDOUT) {
        if (wait_ms < 0)
            waited = pthread_cond_wait(&queue->changed, &queue->lock);
        else
            waited = pthread_cond_timedwait(&queue->changed, &queue->lock,
                                            &deadline);
    }
    if (queue->count > 0) {
        *item = queue->items[queue->first];
        queue->first = (queue->first + 1) % queue->cap;
        queue->count--;
    } else {
        rc = queue->closed ? FW_END : FW_NONE;
    }
    (void)pthread_mutex_unlock(&queue->lock);
    return rc;
}

void fw_queue_close(struct fw_queue *queue)
{
    (void)pthread_mutex_lock(&queue->lock);
    queue->closed = true;
    (void)pthread_cond_broadcast(&queue->changed);
    (void)pthread_mutex_unlock(&queue->lock);
}

size_t fw_queue_count(struct fw_queue *queue)
{
    size_t count;

    (void)pthread_mutex_lock(&queue->lock);
    count = queue->count;
    (void)pthread_mutex_unlock(&queue->lock);
    return count;
}
