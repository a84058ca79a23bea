/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * alert_api.h - rules, watches and alerts for Prometheus's HTTP API.
 */
#ifndef SERVER_ALERT_API_H
#define SERVER_ALERT_API_H

#include <pthread.h>

#include "server/http/form.h"
#include "server/notify/managers.h"
#include "server/rules/ruler.h"
#include "storage/base/json.h"

struct alert_api {
    struct fw_store *store;
    const struct fw_clock *clock;
    pthread_mutex_t *lock;      /* guards what the two point to */
    struct ruler **ruler;       /* may point to NULL */
    struct managers **managers; /* the same */
};

/*
 * Each writes the value of "data", by the parameters Prometheus knows: type,
 * rule_name[], rule_group[], file[], exclude_alerts, group_limit,
 * group_next_token. `self` is a struct alert_api. On any thread. FW_EINVAL for
 * wrong parameters; watches that cannot be read are left out and logged.
 */
FW_CHECK fw_rc alert_api_rules(void *self, const struct form *form,
                               struct fw_json *json, struct fw_err *err);
FW_CHECK fw_rc alert_api_alerts(void *self, const struct form *form,
                                struct fw_json *json, struct fw_err *err);
FW_CHECK fw_rc alert_api_managers(void *self, const struct form *form,
                                  struct fw_json *json, struct fw_err *err);

/*
 * The cards of the alert that the form names (why.h); the records of all
 * watches or of the one it names. FW_ENOTFOUND, FW_EINVAL with a sentence.
 */
FW_CHECK fw_rc alert_api_why(void *self, const struct form *form,
                             struct fw_json *json, struct fw_err *err);
FW_CHECK fw_rc alert_api_record(void *self, const struct form *form,
                                struct fw_json *json, struct fw_err *err);

#endif
