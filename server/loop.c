/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "server/loop.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define EVENTS_AT_ONCE 64
#define MS_NS 1000000u

struct loop {
    int epoll_fd;
    int wake_fd;
    const struct fw_clock *clock;
    struct loop_timer *timers;                 /* soonest first */
    struct epoll_event events[EVENTS_AT_ONCE]; /* being delivered */
    int event_count;
    atomic_bool stopping;

    pthread_mutex_t lock;          /* leaf */
    struct loop_task *first_task;  /* lock */
    struct loop_task **last_place; /* lock */
};

fw_rc loop_open(const struct fw_clock *clock, struct loop **out,
                struct fw_err *err)
{
    struct loop *loop = calloc(1, sizeof(*loop));
    struct epoll_event wake = {.events = EPOLLIN, .data.ptr = NULL};

    if (loop == NULL)
        return fw_err_set(err, FW_ENOMEM, "no memory for an event loop");
    loop->clock = clock;
    loop->last_place = &loop->first_task;
    (void)pthread_mutex_init(&loop->lock, NULL);
    loop->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    loop->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (loop->epoll_fd < 0 || loop->wake_fd < 0 ||
        epoll_ctl(loop->epoll_fd, EPOLL_CTL_ADD, loop->wake_fd, &wake) != 0) {
        (void)fw_err_sys(err, errno, "cannot make an event loop");
        loop_close(loop);
        return FW_EIO;
    }
    *out = loop;
    return FW_OK;
}

static struct loop_task *take_tasks(struct loop *loop)
{
    struct loop_task *tasks;

    (void)pthread_mutex_lock(&loop->lock);
    tasks = loop->first_task;
    loop->first_task = NULL;
    loop->last_place = &loop->first_task;
    (void)pthread_mutex_unlock(&loop->lock);
    return tasks;
}

static void run_tasks(struct loop *loop)
{
    struct loop_task *task = take_tasks(loop);

    while (task != NULL) {
        struct loop_task *next = task->next; /* it may free itself */

        task->run(task);
        task = next;
    }
}

void loop_close(struct loop *loop)
{
    if (loop == NULL)
        return;
    run_tasks(loop);
    if (loop->wake_fd >= 0)
        (void)close(loop->wake_fd);
    if (loop->epoll_fd >= 0)
        (void)close(loop->epoll_fd);
    (void)pthread_mutex_destroy(&loop->lock);
    free(loop);
}

uint64_t loop_now_ns(struct loop *loop)
{
    return fw_clock_mono_ns(loop->clock);
}

fw_rc loop_add(struct loop *loop, struct loop_watch *watch, uint32_t events,
               struct fw_err *err)
{
    struct epoll_event event = {.events = events, .data.ptr = watch};

    if (epoll_ctl(loop->epoll_fd, EPOLL_CTL_ADD, watch->fd, &event) != 0)
        return fw_err_sys(err, errno, "cannot watch a socket");
    return FW_OK;
}

void loop_change(struct loop *loop, struct loop_watch *watch, uint32_t events)
{
    struct epoll_event event = {.events = events, .data.ptr = watch};

    /* Cannot fail for a descriptor that is watched. */
    FW_ASSERT(epoll_ctl(loop->epoll_fd, EPOLL_CTL_MOD, watch->fd, &event) == 0);
}

void loop_remove(struct loop *loop, struct loop_watch *watch)
{
    (void)epoll_ctl(loop->epoll_fd, EPOLL_CTL_DEL, watch->fd, NULL);
    for (int i = 0; i < loop->event_count; i++)
        if (loop->events[i].data.ptr == watch)
            loop->events[i].events = 0;
}

void loop_timer_clear(struct loop_timer *timer)
{
    if (timer->place == NULL)
        return;
    *timer->place = timer->next;
    if (timer->next != NULL)
        timer->next->place = timer->place;
    timer->place = NULL;
}

void loop_timer_set(struct loop *loop, struct loop_timer *timer, fw_ms after)
{
    struct loop_timer **place = &loop->timers;

    loop_timer_clear(timer);
    timer->due_ns = loop_now_ns(loop) + (uint64_t)after * MS_NS;
    /* A handful of timers; a list is shorter than a heap. */
    while (*place != NULL && (*place)->due_ns <= timer->due_ns)
        place = &(*place)->next;
    timer->next = *place;
    timer->place = place;
    if (timer->next != NULL)
        timer->next->place = &timer->next;
    *place = timer;
}

static void wake(struct loop *loop)
{
    uint64_t one = 1;

    /* Full means it is awake already. */
    (void)!write(loop->wake_fd, &one, sizeof(one));
}

void loop_post(struct loop *loop, struct loop_task *task)
{
    bool was_empty;

    task->next = NULL;
    (void)pthread_mutex_lock(&loop->lock);
    was_empty = loop->first_task == NULL;
    *loop->last_place = task;
    loop->last_place = &task->next;
    if (was_empty)
        wake(loop); /* inside the lock: the loop may be closed right after */
    (void)pthread_mutex_unlock(&loop->lock);
}

void loop_stop(struct loop *loop)
{
    atomic_store(&loop->stopping, true);
    wake(loop);
}

static void fire_timers(struct loop *loop)
{
    uint64_t now = loop_now_ns(loop);

    while (loop->timers != NULL && loop->timers->due_ns <= now) {
        struct loop_timer *timer = loop->timers;

        loop_timer_clear(timer);
        timer->fire(timer);
    }
}

/* Milliseconds until the next timer, rounded up; -1 without one. */
static int patience(struct loop *loop)
{
    uint64_t now = loop_now_ns(loop);
    uint64_t wait;

    if (loop->timers == NULL)
        return -1;
    if (loop->timers->due_ns <= now)
        return 0;
    wait = (loop->timers->due_ns - now + MS_NS - 1) / MS_NS;
    return wait > 60000 ? 60000 : (int)wait;
}

static void deliver(struct loop *loop)
{
    for (int i = 0; i < loop->event_count; i++) {
        struct epoll_event *event = &loop->events[i];
        struct loop_watch *watch = event->data.ptr;
        uint64_t drained;

        if (watch == NULL)
            (void)!read(loop->wake_fd, &drained, sizeof(drained));
        else if (event->events != 0)
            watch->ready(watch, event->events);
    }
    loop->event_count = 0;
}

void loop_run(struct loop *loop)
{
    while (!atomic_load(&loop->stopping)) {
        int n = epoll_wait(loop->epoll_fd, loop->events, EVENTS_AT_ONCE,
                           patience(loop));

        loop->event_count = n > 0 ? n : 0; /* EINTR: nothing came */
        deliver(loop);
        run_tasks(loop);
        fire_timers(loop);
    }
}
