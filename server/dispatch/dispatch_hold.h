/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * dispatch_hold.h - what holds alerts down: other alerts, and the hours.
 */
#ifndef SERVER_DISPATCH_HOLD_H
#define SERVER_DISPATCH_HOLD_H

#include "server/alert_list.h"
#include "server/config/config.h"

struct hold; /* the rules of a configuration, read once */

/*
 * Lives in `arena`; `config` is borrowed. FW_EINVAL names an inhibition or a
 * window that makes no sense.
 */
FW_CHECK fw_rc hold_new(const struct config *config, struct fw_arena *arena,
                        struct hold **out, struct fw_err *err);

/* True if another alert of the list holds this one down. */
bool hold_inhibits(const struct hold *hold, const struct alert_list *list,
                   const struct listed_alert *alert);

/* True if there are no windows, or `now` lies within one. */
bool hold_hours_allow(const struct hold *hold, fw_ms now);

/* FW_EINVAL if its times are none. */
FW_CHECK fw_rc hold_check_window(const struct config_window *window,
                                 struct fw_err *err);

/* True if a time lies within a window. */
bool hold_in_window(const struct config_window *window, fw_ms now);

#endif
