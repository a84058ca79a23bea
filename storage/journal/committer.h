/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * committer.h - the one thread that journals.
 *
 * Batches wait for the linger (or until there is enough), go to disk in one
 * commit, are shown in the head, and only then answered.
 */
#ifndef STORAGE_COMMITTER_H
#define STORAGE_COMMITTER_H

#include "storage/store.h"

FW_CHECK fw_rc committer_start(struct fw_store *store, struct fw_err *err);
/* Commits what is queued, then ends the thread. NULL is fine. */
void committer_stop(struct committer *committer);

uint64_t committer_pending(struct committer *committer);

#endif
