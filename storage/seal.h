/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * seal.h - samples from memory into blocks on disk, and the journal trimmed
 * behind them.
 */
#ifndef STORAGE_SEAL_H
#define STORAGE_SEAL_H

#include "storage/store.h"

/* What to take from memory. */
enum seal_scope {
    SEAL_FULL, /* runs long enough for a block */
    SEAL_OLD,  /* those, and all of a series that holds back the journal */
    SEAL_ALL
};

/* The state of the sealing thread between rounds. Starts zeroed. */
struct seal_state {
    uint32_t registry_saved; /* series below this are in meta/ */
};

/*
 * One round over all series: seals, publishes, trims. With SEAL_OLD a series
 * whose oldest sample is from journal record `before` or earlier is sealed
 * whole. On failure nothing is lost: what was not sealed stays in memory and
 * in the journal.
 */
FW_CHECK fw_rc seal_round(struct fw_store *store, struct seal_state *state,
                          enum seal_scope scope, uint64_t before,
                          struct fw_err *err);

#endif
