/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * managers.h - a thread that tells Alertmanagers of alerts, by version 2 of
 * their API, each at its own pace.
 */
#ifndef SERVER_NOTIFY_MANAGERS_H
#define SERVER_NOTIFY_MANAGERS_H

#include "server/config/config.h"
#include "server/notify/manager_queue.h"

struct managers;

struct managers_options {
    struct fw_store *store;                     /* borrowed */
    const struct fw_clock *clock;               /* NULL: the system's */
    const struct config_alertmanager *managers; /* borrowed */
    size_t count;
};

struct managers_stats {
    uint64_t sent;    /* alerts, per Alertmanager */
    uint64_t errors;  /* attempts that failed */
    uint64_t dropped; /* alerts: too many waited, or refused for good */
    uint64_t waiting; /* alerts now */
    uint64_t found;   /* Alertmanagers known now */
};

FW_CHECK fw_rc managers_start(const struct managers_options *options,
                              struct managers **out, struct fw_err *err);
/* Posts under way are cut off; what waits stays in the table. */
void managers_stop(struct managers *m);

/* NULL is fine in all below: there is nobody to tell. */

/* In the transaction of what they tell of; then managers_queue() after it. */
FW_CHECK fw_rc managers_store(struct managers *m, struct fw_txn *txn,
                              const struct manager_alert *alerts, size_t n,
                              struct fw_err *err);
void managers_queue(struct managers *m, const struct manager_alert *alerts,
                    size_t n);
void managers_stats(struct managers *m, struct managers_stats *out);

/* Calls `each` with the URL of every Alertmanager known now. */
void managers_each(struct managers *m,
                   void (*each)(void *self, const char *url), void *self);

#endif
