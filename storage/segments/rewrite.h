/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * rewrite.h - partitions that take nothing more, made into one closed one.
 *
 * Series after series: late blocks are folded in, deleted samples left out,
 * and blocks have the size that makes the series smallest. Reading a series
 * then touches one or two segments a day instead of one for each block.
 */
#ifndef STORAGE_REWRITE_H
#define STORAGE_REWRITE_H

#include "storage/segments/rollup.h"

#define REWRITE_SOURCES_MAX 256

struct rewrite {
    struct fw_store *store;
    struct partition **sources; /* a reference each; frozen or closed */
    size_t source_count;
    struct partition *made; /* planned; owned until it is in the manifest */
    const atomic_bool *cancel;

    bool rollups_only; /* the sources are final rollups, and so is made */
    struct partition *rollup; /* planned, as `made`; NULL for none */
    struct rollup_gap *gaps;  /* owned: what it must leave out */
    size_t gap_count;
    struct partition **old_rollups; /* a reference each: go with the sources */
    size_t old_count;

    uint32_t *series;       /* owned; of each block: by series, then by time */
    struct block_ref *refs; /* owned; .part is set when it is published */
    size_t block_count, series_cap, ref_cap;
    uint64_t samples;
    bool no_rows;
};

/*
 * Writes the file of w->made from the sources and reads it back. Any thread;
 * the sources do not change meanwhile. FW_ECORRUPT if a block of a source
 * cannot be read: nothing is given up for a copy without it. FW_NONE where no
 * sample is left: there is no file. FW_END when cancelled. If there was nothing
 * to summarise w->rollup has no file, and w->no_rows says so.
 */
FW_CHECK fw_rc rewrite_run(struct rewrite *w, struct fw_err *err);

void rewrite_release(struct rewrite *w);

#endif
