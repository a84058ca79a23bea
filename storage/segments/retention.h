/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * retention.h - partitions that are too old, or too much, go as a whole.
 */
#ifndef STORAGE_RETENTION_H
#define STORAGE_RETENTION_H

#include "storage/store.h"

/*
 * Drops the partitions that lie before the edge of retention, then the oldest
 * ones while the folder takes more than --retention-size: all but the one of
 * the newest sample. The sealing thread, holding store->quiet.
 */
FW_CHECK fw_rc retention_run(struct fw_store *store, struct fw_err *err);

/*
 * Closed partitions of which all is older than this are summarised: their
 * samples go soon, by age or by size. INT64_MIN: none, INT64_MAX: all. Before
 * that a rollup would take room, and nobody would look at it.
 */
fw_ms retention_rollup_edge(struct fw_store *store);

#endif
