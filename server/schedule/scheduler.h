/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * scheduler.h - reports and digests at the times that cron expressions name,
 * into a folder, to the receivers, or both.
 *
 * When a schedule last ran stands in meta/ (table `schedules`, the name of the
 * schedule -> record kind 13), in the transaction that queues what it tells
 * and writes the audit log. What fell due while no server ran is made up for,
 * once.
 */
#ifndef SERVER_SCHEDULE_SCHEDULER_H
#define SERVER_SCHEDULE_SCHEDULER_H

#include "server/acts.h"
#include "server/config/config.h"
#include "storage/storage.h"

struct scheduler_options {
    struct fw_store *store;                  /* borrowed */
    const struct fw_clock *clock;            /* NULL: the system's */
    const struct config_schedule *schedules; /* borrowed */
    size_t schedule_count;
    const struct config_webhook *webhooks;
    size_t webhook_count;
    bool alertmanagers; /* there are some, who hear of it by the dispatcher */
    /* Called after a commit that put something in the outbox. May be NULL. */
    void (*wake)(void *self);
    void *wake_self;
};

struct scheduler_stats {
    uint64_t runs, failures;
};

struct scheduler;

/* No thread yet: for tests and scheduler_start. */
FW_CHECK fw_rc scheduler_open(const struct scheduler_options *options,
                              struct scheduler **out, struct fw_err *err);
void scheduler_close(struct scheduler *scheduler);

/* Runs what is due; how long until the next is, in ms. Failures are logged. */
fw_ms scheduler_step(struct scheduler *scheduler);

FW_CHECK fw_rc scheduler_start(const struct scheduler_options *options,
                               struct scheduler **out, struct fw_err *err);
void scheduler_stop(struct scheduler *scheduler);

/* Any thread: what there is, in the order of the configuration. */
FW_CHECK fw_rc scheduler_list(struct scheduler *scheduler,
                              struct fw_arena *arena, struct act_schedule **out,
                              size_t *count, struct fw_err *err);
/*
 * Any thread: it is to run now, by the next step, besides its own times; who
 * asked and why stand in the audit log. FW_ENOTFOUND, FW_EINVAL.
 */
FW_CHECK fw_rc scheduler_ask(struct scheduler *scheduler, const char *name,
                             struct fw_str actor, struct fw_str reason,
                             struct fw_err *err);

/* Any thread. */
void scheduler_stats(struct scheduler *scheduler, struct scheduler_stats *out);

#endif
