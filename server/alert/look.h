/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * look.h - one look at one watch, worked out in memory.
 */
#ifndef SERVER_ALERT_LOOK_H
#define SERVER_ALERT_LOOK_H

#include "server/alert/watching.h"

/*
 * What changed for one series; handed out in the order it happened. The
 * forecast and the arena live until the function returns.
 */
typedef void (*look_change)(void *self, struct watched *s,
                            const struct alert_note *note,
                            struct fw_arena *arena);

/*
 * Asks what happened since the last look and what is foreseen at `now`, judges
 * the open predictions, moves the alerts, and leaves in each series what is to
 * be stored. FW_OK or why the watch could not be looked at.
 */
FW_CHECK fw_rc look_at(struct watching *g, const struct watcher_sight *sight,
                       fw_ms now, look_change each, void *self,
                       struct fw_err *err);

#endif
