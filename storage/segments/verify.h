/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * verify.h - reads everything a store has on disk and tells what is wrong.
 */
#ifndef STORAGE_VERIFY_H
#define STORAGE_VERIFY_H

#include "storage/store.h"

/* One sentence for each thing that is wrong. */
typedef void (*verify_finding)(void *self, const char *sentence);

struct verify_totals {
    uint64_t partitions;
    uint64_t segments;
    uint64_t blocks;
    uint64_t samples;
    uint64_t series;
    uint64_t journal_records;
    uint64_t findings;
};

/*
 * Checks checksums, bounds, order, aggregates and the references between
 * journal, registry, manifest and partitions. Works beside a running writer.
 * FW_OK also where something was found; failures are those to read at all.
 */
FW_CHECK fw_rc verify_store(struct fw_store *store, verify_finding finding,
                            void *self, struct verify_totals *totals,
                            struct fw_err *err);

#endif
