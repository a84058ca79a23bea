/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * alert_api.h - the watches as /api/v1/rules and /api/v1/alerts show them, in
 * Prometheus's shapes, so that Grafana's list of alerts has ours.
 *
 * A watch is a group of one alerting rule, since each has its own interval; its
 * query is what would be true once the limit is crossed. An alert that is
 * predicted is "firing": somebody has been told.
 */
#ifndef SERVER_ALERT_API_H
#define SERVER_ALERT_API_H

#include "storage/base/clock.h"
#include "storage/base/json.h"

struct alert_api {
    struct fw_store *store;
    const struct fw_clock *clock;
};

/*
 * Write the elements of `groups` and of `alerts`; `self` is a struct alert_api.
 * On any thread. What cannot be read is left out and logged.
 */
void alert_api_rules(void *self, struct fw_json *json);
void alert_api_alerts(void *self, struct fw_json *json);

#endif
