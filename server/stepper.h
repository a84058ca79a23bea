/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * stepper.h - threads that step until they are stopped.
 *
 * A step does what is due and says how long the next can wait. The stepper
 * waits so long, on the monotonic clock, or until it is woken or stopped; who
 * has the step need know nothing of threads, and a test calls it without one.
 */
#ifndef SERVER_STEPPER_H
#define SERVER_STEPPER_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

#include "storage/storage.h"

#define STEPPER_MAX_THREADS 16

struct stepper_task {
    const char *name; /* of its threads, at most 15 bytes; lives as long */
    /* How long until the next step, in ms; 0 or less: at once. With several
     * threads it is called by all of them. */
    fw_ms (*step)(void *self);
    void *self;
    fw_ms first;   /* waits so long before the first step */
    fw_ms longest; /* never waits longer between two; 0: as the step says */
};

struct stepper {
    struct stepper_task task; /* set before there are threads */
    pthread_t threads[STEPPER_MAX_THREADS];
    size_t count;
    pthread_mutex_t lock; /* leaf */
    pthread_cond_t changed;
    uint64_t wakes;   /* lock */
    atomic_bool stop; /* set under lock; a long step may look at it */
};

void stepper_init(struct stepper *stepper);

/* After stepper_stop() if it was started. */
void stepper_release(struct stepper *stepper);

/* Fails where not all of the threads can start; none runs then. */
FW_CHECK fw_rc stepper_start(struct stepper *stepper,
                             const struct stepper_task *task, size_t threads,
                             struct fw_err *err);

/* One more step soon, by each thread, also where one is under way. Any
 * thread. */
void stepper_wake(struct stepper *stepper);

/* True once it is to stop: a step of many parts asks between them. */
bool stepper_stopping(const struct stepper *stepper);

/* Ends the wait, waits for the step under way. Harmless where nothing was
 * started; it does not start again. */
void stepper_stop(struct stepper *stepper);

#endif
