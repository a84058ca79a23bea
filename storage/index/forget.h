/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * forget.h - series whose samples have all been dropped leave the registry.
 *
 * In two sweeps, an hour apart. The first notes the series that have no sample
 * in memory and no block on disk, and tells the holders of ids that some will
 * not hold (fw_store_epoch()). The second forgets those that still have none
 * and that nobody asked for meanwhile. Both are of the sealing thread, which
 * holds store->quiet.
 */
#ifndef STORAGE_FORGET_H
#define STORAGE_FORGET_H

#include "storage/store.h"

#define FORGET_EVERY_NS ((uint64_t)3600 * 1000000000u)

struct forget_state {
    uint64_t applied; /* the last journal record when the leaving were noted */
    uint64_t ring;    /* the last record of head/ at that time */
    uint64_t last_ns; /* of the last sweep */
};

/*
 * One sweep. Nothing is forgotten where damage was found when the store was
 * opened, since what cannot be read may still be brought back, nor while the
 * journal has records from before the first sweep.
 */
FW_CHECK fw_rc forget_sweep(struct fw_store *store, struct forget_state *state,
                            struct fw_err *err);

#endif
