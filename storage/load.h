/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * load.h - what is on disk, noted in memory when a store is opened: series
 * from meta/, blocks from the partitions.
 */
#ifndef STORAGE_LOAD_H
#define STORAGE_LOAD_H

#include "storage/segments/seal.h"

/*
 * Fills registry, head and manifest. Damage to a partition does not keep the
 * store from opening: it is counted, named in *why, and the rest is served.
 */
FW_CHECK fw_rc load_all(struct fw_store *store, struct seal_state *state,
                        struct fw_err *why, struct fw_err *err);

#endif
