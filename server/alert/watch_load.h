/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * watch_load.h - from the tables of meta/ back into memory, when a server
 * starts.
 */
#ifndef SERVER_ALERT_WATCH_LOAD_H
#define SERVER_ALERT_WATCH_LOAD_H

#include "server/alert/watching.h"

/* Called for an alert that ends because its watch is gone or was changed. */
typedef void (*watch_load_gone)(void *self, const struct alert_note *note);

/*
 * Fills initialised watchings with their totals, series, alerts and open
 * predictions, and stores the definitions. What belongs to a watch that is no
 * longer there, or now asks something else, is settled: its open predictions
 * become void, its alerts end, its states go. The caller commits `txn`.
 */
FW_CHECK fw_rc watch_load(struct fw_txn *txn, struct watching *watches,
                          size_t n, fw_ms now, watch_load_gone gone, void *self,
                          struct fw_err *err);

#endif
