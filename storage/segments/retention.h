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

#endif
