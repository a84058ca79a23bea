/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * closer.h - days that are over become closed partitions.
 *
 * The sealing thread decides and publishes, a thread of its own rewrites
 * (rewrite.h), one partition at a time. The order makes every crash harmless:
 *
 *   1. meta/: the old ones are frozen, the new one is planned
 *   2. part/: NAME.sealed.tmp, synced, renamed, read back
 *   3. meta/: the new one is live and the old ones are dropped, in one commit
 *   4. memory: the blocks of each series change places
 *   5. part/: the old files go when nobody reads them, a minute later at the
 *      earliest, since commands may have the folder open too
 *
 * After a crash before 3 the new file is removed at the next start, after it
 * the old ones.
 */
#ifndef STORAGE_CLOSER_H
#define STORAGE_CLOSER_H

#include "storage/store.h"

FW_CHECK fw_rc closer_new(struct fw_store *store, struct closer **out);

/* Gives up what is being rewritten. The sealing thread has ended. */
void closer_stop(struct closer *closer);
void closer_free(struct closer *closer); /* the same if need be, and frees */

/* Begins, publishes. The sealing thread, holding store->quiet. */
void closer_tick(struct closer *closer);

/*
 * Has everything that is on disk now closed, deleted samples taken out, and
 * small neighbours merged; waits for it. FW_END when *cancel (or NULL) is set.
 */
FW_CHECK fw_rc closer_compact(struct closer *closer, const atomic_bool *cancel,
                              struct fw_err *err);

#endif
