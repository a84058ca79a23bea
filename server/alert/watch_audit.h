/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * watch_audit.h - what changed in the definitions of watches, for the audit
 * log.
 */
#ifndef SERVER_ALERT_WATCH_AUDIT_H
#define SERVER_ALERT_WATCH_AUDIT_H

#include "server/alert/watch_table.h"

/*
 * Adds an entry for each watch that was added, changed or removed between two
 * sets of definitions, in the caller's transaction.
 */
FW_CHECK fw_rc watch_audit(struct fw_txn *txn, const struct config_watch *old,
                           size_t old_count, const struct config_watch *now,
                           size_t now_count, fw_ms at, struct fw_err *err);

#endif
