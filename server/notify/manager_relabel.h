/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * manager_relabel.h - the labels of an alert as one Alertmanager is to see
 * them: those that went into the queue, changed by rules of its own.
 */
#ifndef SERVER_NOTIFY_MANAGER_RELABEL_H
#define SERVER_NOTIFY_MANAGER_RELABEL_H

#include "server/notify/relabel.h"

/*
 * Adds to `out` the alert (an object that rule_notice_make() wrote, whose last
 * member is "labels") with its labels relabelled. FW_NONE: the rules drop it.
 * FW_ECORRUPT where it is no such object.
 */
FW_CHECK fw_rc manager_relabel(struct relabel *relabel, struct fw_str alert,
                               struct fw_buf *out, struct fw_err *err);

#endif
