/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "server/stepper.h"

#include <errno.h>
#include <time.h>

#define LONGEST_WAIT FW_DAY /* keeps the arithmetic of timespec small */

void stepper_init(struct stepper *s)
{
    pthread_condattr_t attr;

    *s = (struct stepper){.count = 0};
    (void)pthread_mutex_init(&s->lock, NULL);
    (void)pthread_condattr_init(&attr);
    (void)pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    (void)pthread_cond_init(&s->changed, &attr);
    (void)pthread_condattr_destroy(&attr);
}

void stepper_release(struct stepper *s)
{
    (void)pthread_cond_destroy(&s->changed);
    (void)pthread_mutex_destroy(&s->lock);
}

bool stepper_stopping(const struct stepper *s)
{
    return atomic_load(&s->stop);
}

static uint64_t count_wakes(struct stepper *s)
{
    uint64_t wakes;

    (void)pthread_mutex_lock(&s->lock);
    wakes = s->wakes;
    (void)pthread_mutex_unlock(&s->lock);
    return wakes;
}

static struct timespec in_ms(fw_ms ms)
{
    struct timespec t;

    if (ms > LONGEST_WAIT)
        ms = LONGEST_WAIT;
    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    t.tv_sec += ms / 1000;
    t.tv_nsec += (ms % 1000) * 1000000;
    if (t.tv_nsec >= 1000000000) {
        t.tv_sec++;
        t.tv_nsec -= 1000000000;
    }
    return t;
}

/* Until the time is over, it is stopped, or woken since `wakes` was counted. */
static void rest(struct stepper *s, fw_ms ms, uint64_t wakes)
{
    struct timespec until;

    if (ms <= 0)
        return;
    until = in_ms(ms);
    (void)pthread_mutex_lock(&s->lock);
    while (!stepper_stopping(s) && s->wakes == wakes)
        if (pthread_cond_timedwait(&s->changed, &s->lock, &until) == ETIMEDOUT)
            break;
    (void)pthread_mutex_unlock(&s->lock);
}

static void *run(void *self)
{
    struct stepper *s = self;

    (void)pthread_setname_np(pthread_self(), s->task.name);
    rest(s, s->task.first, 0);
    while (!stepper_stopping(s)) {
        uint64_t wakes = count_wakes(s);
        fw_ms wait = s->task.step(s->task.self);

        if (s->task.longest > 0 && wait > s->task.longest)
            wait = s->task.longest;
        rest(s, wait, wakes);
    }
    return NULL;
}

fw_rc stepper_start(struct stepper *s, const struct stepper_task *task,
                    size_t threads, struct fw_err *err)
{
    s->task = *task;
    for (; s->count < threads && s->count < STEPPER_MAX_THREADS; s->count++) {
        int failed = pthread_create(&s->threads[s->count], NULL, run, s);

        if (failed != 0) {
            stepper_stop(s);
            return fw_err_sys(err, failed, "a thread '%s' cannot start",
                              task->name);
        }
    }
    return FW_OK;
}

void stepper_wake(struct stepper *s)
{
    (void)pthread_mutex_lock(&s->lock);
    s->wakes++;
    (void)pthread_cond_broadcast(&s->changed);
    (void)pthread_mutex_unlock(&s->lock);
}

void stepper_stop(struct stepper *s)
{
    (void)pthread_mutex_lock(&s->lock);
    atomic_store(&s->stop, true);
    (void)pthread_cond_broadcast(&s->changed);
    (void)pthread_mutex_unlock(&s->lock);
    for (size_t i = 0; i < s->count; i++)
        (void)pthread_join(s->threads[i], NULL);
    s->count = 0;
}
