/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * quarantine.h - what cannot be served is kept, so that somebody can look at
 * it: copies in quarantine/, which nothing reads and nothing but a person
 * removes. Their bytes and number are bounded (FW_MAX_QUARANTINE_*): what was
 * found first stays, what does not fit is counted and told.
 */
#ifndef STORAGE_QUARANTINE_H
#define STORAGE_QUARANTINE_H

#include "storage/store.h"

#define QUARANTINE_FOLDER "quarantine"

/* Notes how full it is; where there is none it is empty. */
void quarantine_look(struct fw_store *store);

/*
 * Record `seq` of the ring in the folder `ring` ("journal", "head") is not
 * served, or not all of it, for the reason `why`: counts and tells it. A writer
 * copies it first, durably, before anything can trim it; the same record is
 * kept once, however often it is met.
 */
void quarantine_record(struct fw_store *store, const char *ring, uint64_t seq,
                       struct fw_str record, const struct fw_err *why);

/*
 * Gives the file of a ring, DIR/RING/data.mdb, a second name there, durably. A
 * file that does not fit is counted and told, and FW_OK as well: kept[] is then
 * empty. FW_EIO and others: it can have none.
 */
FW_CHECK fw_rc quarantine_ring(struct fw_store *store, const char *ring,
                               char kept[FW_PATH_BYTES], struct fw_err *err);

/* A sentence for fw_store_findings(). While the store is opened only. */
void store_tell(struct fw_store *store, const char *fmt, ...) FW_PRINTF(2, 3);

#endif
