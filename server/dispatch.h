/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * dispatch.h - alerts of rules for those without an Alertmanager: gathered in
 * groups, held down by silences, inhibition and hours, told to the receivers
 * of `notify`, and told again while they last. (Watches tell of each change by
 * themselves: see alert/.)
 */
#ifndef SERVER_DISPATCH_H
#define SERVER_DISPATCH_H

#include "server/config.h"
#include "storage/storage.h"

struct dispatch;

struct dispatch_options {
    struct fw_store *store;       /* borrowed */
    const struct fw_clock *clock; /* NULL: the system's */
    const struct config *config;  /* borrowed */
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

/* True if a time lies within a window. */
bool dispatch_in_window(const struct config_window *window, fw_ms now);

#endif
