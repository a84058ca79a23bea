/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * alert_series.h - ALERTS and ALERTS_FOR_STATE of watches, as Prometheus has
 * them of rules:
 *
 *     ALERTS{alertname, alertstate="pending"|"firing", state="predicted"|
 *            "breached", <labels of the alert>}           1
 *     ALERTS_FOR_STATE{alertname, <labels of the alert>}  active since, s
 *
 * A sample at each look while the alert lasts, the stale marker at the look
 * that ends it. One of a shadow that nobody was told of is not among them.
 */
#ifndef SERVER_ALERT_ALERT_SERIES_H
#define SERVER_ALERT_ALERT_SERIES_H

#include "server/alert/watching.h"

struct alert_series {
    struct fw_store *store; /* borrowed */
    struct fw_batch batch;
    bool failing; /* said so in the log already */
};

void alert_series_init(struct alert_series *a, struct fw_store *store);
void alert_series_release(struct alert_series *a);

/* After a start: what the last process left there goes on, or ends. */
void alert_series_resume(struct alert_series *a, struct watching *g);

/* Adds what a look at `now` has found. */
void alert_series_look(struct alert_series *a, struct watching *g, fw_ms now);

/* Ends those of an alert whose watch is gone. */
void alert_series_end(struct alert_series *a, const struct alert_note *note);

/* Stores what was added, waiting for it; not inside a transaction. */
void alert_series_store(struct alert_series *a);

#endif
