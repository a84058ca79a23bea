/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "server/workers.h"

#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

#include "storage/base/queue.h"

struct workers {
    struct fw_queue queue; /* of struct worker_job */
    int niceness;
    size_t count;
    pthread_t threads[];
};

static void *work(void *self)
{
    struct workers *workers = self;
    void *item;
    int niceness;

    (void)pthread_setname_np(pthread_self(), "worker");
    niceness = nice(workers->niceness); /* on Linux of this thread alone */
    (void)niceness; /* a wish: where it is refused nothing is lost */
    while (fw_queue_pop(&workers->queue, -1, &item) == FW_OK) {
        struct worker_job *job = item;

        job->run(job);
    }
    return NULL;
}

fw_rc workers_start(size_t threads, int niceness, size_t waiting,
                    struct workers **out, struct fw_err *err)
{
    struct workers *workers =
        calloc(1, sizeof(*workers) + threads * sizeof(workers->threads[0]));
    int failed = 0;

    if (workers == NULL)
        return fw_err_set(err, FW_ENOMEM, "no memory for worker threads");
    if (fw_queue_init(&workers->queue, waiting) != FW_OK) {
        free(workers);
        return fw_err_set(err, FW_ENOMEM, "no memory for worker threads");
    }
    workers->niceness = niceness;
    while (workers->count < threads && failed == 0) {
        failed = pthread_create(&workers->threads[workers->count], NULL, work,
                                workers);
        if (failed == 0)
            workers->count++;
    }
    if (failed != 0) {
        workers_stop(workers);
        return fw_err_sys(err, failed, "cannot start a worker thread");
    }
    *out = workers;
    return FW_OK;
}

fw_rc workers_submit(struct workers *workers, struct worker_job *job)
{
    return fw_queue_push(&workers->queue, job);
}

size_t workers_waiting(struct workers *workers)
{
    return fw_queue_count(&workers->queue);
}

void workers_stop(struct workers *workers)
{
    if (workers == NULL)
        return;
    fw_queue_close(&workers->queue);
    for (size_t i = 0; i < workers->count; i++)
        (void)pthread_join(workers->threads[i], NULL);
    fw_queue_release(&workers->queue);
    free(workers);
}
