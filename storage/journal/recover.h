/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * recover.h - the journal, read back into the head when a store is opened.
 */
#ifndef STORAGE_RECOVER_H
#define STORAGE_RECOVER_H

#include "storage/store.h"

/*
 * Replays every record of the snapshot `txn` of the journal. Idempotent: what
 * is in a block or in memory already is left alone, and the first value of a
 * time stays. A record that cannot be read, or whose series nobody defined,
 * goes to quarantine (quarantine.h) and is named in *why (if that is still
 * empty); those around it are kept, and those of its samples that have a
 * series.
 */
FW_CHECK fw_rc recover_journal(struct fw_store *store, struct lmdb_txn *txn,
                               struct fw_err *why, struct fw_err *err);

#endif
