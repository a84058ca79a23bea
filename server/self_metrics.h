/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * self_metrics.h - what the server says of itself: forewarn_* and process_*.
 */
#ifndef SERVER_SELF_METRICS_H
#define SERVER_SELF_METRICS_H

#include "server/alert/watcher.h"
#include "server/collect/sample_set.h"
#include "server/ingest/line_port.h"
#include "server/local/local_server.h"
#include "server/notify/notifier.h"
#include "server/rules/ruler.h"
#include "server/schedule/scheduler.h"

/* Borrowed; each but the first may be NULL. */
struct self_metrics {
    struct fw_store *store;
    struct line_port *line_port;
    struct peers *peers;
    struct workers *workers;
    struct local_server *local;
    fw_ms started; /* epoch */
};

/* Adds everything. Any thread. `self` is a struct self_metrics. */
void self_metrics_add(void *self, struct sample_set *set);

/* The counters of watches and notifications; each may be NULL: zeros. */
void self_metrics_add_alerting(struct watcher *watcher,
                               struct notifier *notifier,
                               struct sample_set *set);

/* Rules and what Alertmanagers were told; each may be NULL: zeros. */
void self_metrics_add_rules(struct ruler *ruler, struct managers *managers,
                            struct sample_set *set);

/* Runs and failures of schedules; NULL: zeros. */
void self_metrics_add_schedules(struct scheduler *scheduler,
                                struct sample_set *set);

#endif
