/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * rule_json.h - groups, rules and their alerts as Prometheus's API shows them.
 */
#ifndef SERVER_RULE_JSON_H
#define SERVER_RULE_JSON_H

#include "server/http/form.h"
#include "server/rules/rule_run.h"
#include "storage/base/json.h"

/* What of the groups is asked for. */
struct rule_filter {
    const struct form *form;
    bool alerting, recording;
    bool without_alerts;
    size_t group_limit; /* 0: all */
    struct fw_str from; /* token of the first group; empty: all */
};

/* FW_EINVAL with Prometheus's sentence. */
FW_CHECK fw_rc rule_filter_read(const struct form *form,
                                struct rule_filter *out, struct fw_err *err);
bool rule_filter_takes(const struct rule_filter *f, const char *group,
                       const char *file, const char *rule, bool alerting);
/* Whether all matchers of some match[] hold for a rule's own labels. */
bool rule_filter_takes_labels(const struct rule_filter *f,
                              const struct fw_labels *labels);

/* Writes the group, unless nothing of it is asked for; true if it did. */
bool rule_json_group(struct fw_json *j, const struct group_run *g,
                     const struct rule_filter *f);

/* Writes the active alerts of the group, one after another. */
void rule_json_alerts(struct fw_json *j, const struct group_run *g);

#endif
