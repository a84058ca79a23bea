/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * collector.h - the thread that looks at this machine, and at the server
 * itself, every so often, and stores what it sees.
 */
#ifndef SERVER_COLLECT_COLLECTOR_H
#define SERVER_COLLECT_COLLECTOR_H

#include "server/collect/sample_set.h"

/* All borrowed; they outlive it. */
struct collector_options {
    struct fw_store *store;
    const struct fw_clock *clock;
    fw_ms every;            /* > 0 */
    const char *proc, *sys; /* NULL: "/proc", "/sys" */
    /* Adds the server's own values; NULL: none. On the collector's thread. */
    void (*own)(void *self, struct sample_set *set);
    void *self;
};

struct collector;

/* The first look is at once. */
FW_CHECK fw_rc collector_start(const struct collector_options *options,
                               struct collector **out, struct fw_err *err);
/* NULL is fine. */
void collector_stop(struct collector *collector);

#endif
