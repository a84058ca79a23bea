/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * notifier.h - a thread that empties the outbox into the webhooks.
 *
 * Order is kept per receiver; a receiver that does not answer is tried again
 * with growing pauses and never holds up another one.
 */
#ifndef SERVER_NOTIFY_NOTIFIER_H
#define SERVER_NOTIFY_NOTIFIER_H

#include "server/config/config.h"
#include "storage/storage.h"

struct notifier;

struct notifier_options {
    struct fw_store *store;                /* borrowed */
    const struct fw_clock *clock;          /* NULL: the system's */
    const struct config_webhook *webhooks; /* borrowed */
    size_t webhook_count;
};

struct notifier_stats {
    uint64_t delivered;
    uint64_t failed;  /* attempts */
    uint64_t dropped; /* given up: refused for good, too old, no receiver */
};

FW_CHECK fw_rc notifier_start(const struct notifier_options *options,
                              struct notifier **out, struct fw_err *err);
/* Waits for the post under way, at most its timeout. What waits stays. */
void notifier_stop(struct notifier *notifier);

/* There is something new in the outbox. Any thread; NULL is fine. */
void notifier_wake(struct notifier *notifier);
void notifier_stats(struct notifier *notifier, struct notifier_stats *out);

#endif
