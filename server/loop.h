/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * loop.h - one thread that waits for sockets, timers and other threads.
 *
 * Everything an owner needs is embedded in the owner: a watch for its
 * descriptor, a timer, a task. So nothing here allocates after loop_open(),
 * and a wake-up from another thread cannot fail.
 *
 * Only the loop's own thread calls these functions, or any thread before it
 * runs, except loop_post() and loop_stop(), which anybody may call.
 */
#ifndef SERVER_LOOP_H
#define SERVER_LOOP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/epoll.h>

#include "storage/base/clock.h"
#include "storage/base/err.h"

struct loop;

/* The struct that holds a watch, timer, task or the like as `member`. */
#define LOOP_OWNER(ptr, type, member)                                          \
    ((type *)(void *)((char *)(ptr)-offsetof(type, member)))

struct loop_watch {
    int fd;
    void (*ready)(struct loop_watch *watch, uint32_t events); /* EPOLL* */
};

struct loop_timer {
    void (*fire)(struct loop_timer *timer);
    uint64_t due_ns;           /* the loop's */
    struct loop_timer *next;   /* the loop's */
    struct loop_timer **place; /* the loop's; NULL while it is not set */
};

struct loop_task {
    void (*run)(struct loop_task *task);
    struct loop_task *next; /* the loop's */
};

/* The caller closes *out. FW_EIO where the system refuses. */
FW_CHECK fw_rc loop_open(const struct fw_clock *clock, struct loop **out,
                         struct fw_err *err);
/* After loop_run() has returned. Runs the tasks that are still waiting. */
void loop_close(struct loop *loop);

/*
 * Level-triggered. The descriptor stays its owner's; take the watch off before
 * closing it. No event of a removed watch is delivered any more.
 */
FW_CHECK fw_rc loop_add(struct loop *loop, struct loop_watch *watch,
                        uint32_t events, struct fw_err *err);
void loop_change(struct loop *loop, struct loop_watch *watch, uint32_t events);
void loop_remove(struct loop *loop, struct loop_watch *watch);

/* Fires once, `after` from now; setting it again moves it. */
void loop_timer_set(struct loop *loop, struct loop_timer *timer, fw_ms after);
void loop_timer_clear(struct loop_timer *timer);

/*
 * Runs the task on the loop's thread, after those posted before it. A task is
 * posted again only once it has run.
 */
void loop_post(struct loop *loop, struct loop_task *task);

/* Runs until loop_stop(). */
void loop_run(struct loop *loop);
void loop_stop(struct loop *loop);

uint64_t loop_now_ns(struct loop *loop);

#endif
