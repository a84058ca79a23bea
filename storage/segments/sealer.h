/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * sealer.h - the thread that moves samples from memory to partitions, drops
 * what retention is over with, and keeps house: stale readers, idle files, the
 * end of a full disk.
 */
#ifndef STORAGE_SEALER_H
#define STORAGE_SEALER_H

#include "storage/segments/seal.h"

FW_CHECK fw_rc sealer_start(struct fw_store *store,
                            const struct seal_state *state, struct fw_err *err);

/* Ends the thread; the state it leaves is for a last round. NULL is fine. */
void sealer_stop(struct sealer *sealer, struct seal_state *state);

/* Has the thread run a round, then retention, and waits for the outcome. */
FW_CHECK fw_rc sealer_run(struct sealer *sealer, enum seal_scope scope,
                          struct fw_err *err);

/* Ends its pause: there is something to do. NULL is fine. */
void sealer_wake(struct sealer *sealer);

#endif
