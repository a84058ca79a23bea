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
    SEAL_OLD,  /* those, and all of a series that has been there long */
    SEAL_ALL,
    SEAL_RING /* nothing: it goes to a head checkpoint; sealer_run() only */
};

/* The state of the sealing thread between rounds. Starts zeroed. */
struct seal_state {
    uint32_t registry_saved; /* series below this are in meta/ */
};

/*
 * What a round seals whole with SEAL_OLD: series that have samples of journal
 * records <= `before` in memory alone, or in ring records <= `ring_before`.
 */
struct seal_order {
    enum seal_scope scope;
    uint64_t before;
    uint32_t ring_before;
    bool marked; /* with SEAL_FULL: only where the head has marks */
};

/*
 * One round, over all series unless they are marked: seals, publishes, trims.
 * On failure nothing is lost: what was not sealed stays in memory and in the
 * journal or the ring.
 */
FW_CHECK fw_rc seal_round(struct fw_store *store, struct seal_state *state,
                          const struct seal_order *order, struct fw_err *err);

/* Puts the labels of new series into meta/. */
FW_CHECK fw_rc seal_save_registry(struct fw_store *store,
                                  struct seal_state *state, struct fw_err *err);

#endif
