/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * rule_table.h - alerts of rules as they outlive the process: who has been
 * told of what, so that a restart goes on instead of telling it anew.
 *
 * Table `rule_alerts` of meta/: be64 identity of the rule, be64 hash of the
 * alert's labels -> record (docs/formats/ledger.md). Only alerts that have
 * fired are here; what waits for its `for` is in ALERTS_FOR_STATE.
 */
#ifndef SERVER_RULES_RULE_TABLE_H
#define SERVER_RULES_RULE_TABLE_H

#include "server/rules/rule_run.h"

FW_CHECK fw_rc rule_table_put(struct fw_txn *txn, const struct rule_run *r,
                              const struct rule_alert *a, struct fw_err *err);

/*
 * Takes back the alerts of all rules of `groups`: those that fired not longer
 * than `tolerance` ago. They hold until they are seen again, or for two
 * intervals (at least a minute). Records that are of no use are removed.
 */
FW_CHECK fw_rc rule_table_load(struct fw_txn *txn, struct group_run *groups,
                               size_t count, fw_ms now, fw_ms tolerance,
                               size_t *loaded, struct fw_err *err);

/* Every alert in the table, until `each` answers false; texts are borrowed. */
FW_CHECK fw_rc rule_table_each(struct fw_txn *txn,
                               bool (*each)(void *self,
                                            const struct rule_alert *a),
                               void *self, struct fw_err *err);

/* Removes what has been resolved for longer than it is told of. */
FW_CHECK fw_rc rule_table_prune(struct fw_txn *txn, fw_ms now, size_t *removed,
                                struct fw_err *err);

#endif
