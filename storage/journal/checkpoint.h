/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * checkpoint.h - samples that are too few for a block yet, kept on disk in
 * packed form, so that the journal stays short and is replayed in no time.
 *
 * The records form a ring like the journal's, in head/, written by the sealing
 * thread. A record goes when all its samples are in blocks.
 */
#ifndef STORAGE_CHECKPOINT_H
#define STORAGE_CHECKPOINT_H

#include "storage/segments/seal.h"

/*
 * Writes what series with samples of journal records <= `before` have in
 * memory, and all that series have in ring records <= `ring_before` once more;
 * then lets the journal and the ring be trimmed. Series with late samples are
 * passed over: *late tells that there are some. On failure nothing is lost.
 */
FW_CHECK fw_rc checkpoint_round(struct fw_store *store,
                                struct seal_state *state, uint64_t before,
                                uint32_t ring_before, bool *late,
                                struct fw_err *err);

/* Lets go of the records whose samples are all in blocks. */
FW_CHECK fw_rc checkpoint_trim(struct fw_store *store, struct fw_err *err);

/*
 * Puts the records of a snapshot of the ring into the head, after the blocks
 * and before the journal. A record that cannot be read is counted and named in
 * *why (if that is still empty).
 */
FW_CHECK fw_rc checkpoint_load(struct fw_store *store, struct lmdb_txn *txn,
                               struct fw_err *why, struct fw_err *err);

#endif
