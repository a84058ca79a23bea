/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * dispatch.h - alerts on their way out. Those of rules and of watches are
 * gathered in groups, held down by silences, inhibition and hours, told to the
 * receivers of `notify`, and told again while they last. To Alertmanagers the
 * ruler sends those of rules; those of watches go from here.
 */
#ifndef SERVER_DISPATCH_H
#define SERVER_DISPATCH_H

#include "server/config/config.h"
#include "server/notify/managers.h"
#include "storage/storage.h"

struct dispatch;

struct dispatch_options {
    struct fw_store *store;       /* borrowed */
    const struct fw_clock *clock; /* NULL: the system's */
    const struct config *config;  /* borrowed */
    struct managers *managers;    /* borrowed; NULL: there are none */
    const char *external_url;     /* "" where there is none */
    /* Called after a commit that put something in the outbox. May be NULL. */
    void (*wake)(void *self);
    void *wake_self;
};

/* FW_EINVAL names an inhibition or a window that makes no sense. */
FW_CHECK fw_rc dispatch_open(const struct dispatch_options *options,
                             struct dispatch **out, struct fw_err *err);
void dispatch_close(struct dispatch *d);

/* Looks at all alerts once and queues what is due; failures are logged. */
void dispatch_step(struct dispatch *d);

/* The same each second on a thread of its own, until dispatch_stop(). */
FW_CHECK fw_rc dispatch_start(const struct dispatch_options *options,
                              struct dispatch **out, struct fw_err *err);
void dispatch_stop(struct dispatch *d);

#endif
