/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * rule_notice.h - an alert of a rule as Alertmanager's API wants it.
 */
#ifndef SERVER_RULES_RULE_NOTICE_H
#define SERVER_RULES_RULE_NOTICE_H

#include "server/notify/manager_queue.h"
#include "server/rules/rule_run.h"

/*
 * Writes the alert's JSON into `arena`: its labels with the external ones that
 * it lacks, relabelled. FW_NONE: relabelling drops it. endsAt is when it was
 * resolved, else how long this is good for.
 */
FW_CHECK fw_rc rule_notice_make(const struct rule_alert *a, const char *expr,
                                const struct rule_world *w, fw_ms now,
                                struct fw_arena *arena,
                                struct manager_alert *out, struct fw_err *err);

/* Adds URL/graph?g0.expr=...&g0.tab=1, without a slash doubled. */
FW_CHECK fw_rc rule_notice_link(struct fw_buf *out, const char *url,
                                const char *expr);

#endif
