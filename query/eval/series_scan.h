/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * series_scan.h - a row from each series of a selector, made by all threads
 * there are and taken by one, in the order of the series.
 */
#ifndef FW_QUERY_SERIES_SCAN_H
#define FW_QUERY_SERIES_SCAN_H

#include "query/eval/reader.h"

struct scan {
    struct eval *ev;
    const struct node *selector;
    fw_ms from, to; /* the samples any row can need */
    bool stale;     /* with the stale markers */
    bool heavy;     /* a row costs much, however few its samples */
    size_t steps;   /* values of a row */
    /* Blocks that pass it may be left as digests; NULL: all are read. */
    digest_test digest;
    digest_test rows; /* the same of rollups, of samples that are gone */
    const void *digest_self;
    /*
     * Fills `out` from what the reader has read; FW_NONE if there is no point.
     * Any thread.
     */
    fw_rc (*make)(const struct scan *scan, struct reader *reader,
                  uint32_t series, double *out);
    /* Takes a row, which it may change; on the thread that runs the scan. */
    fw_rc (*take)(struct scan *scan, const struct fw_labels *labels, double *v);
};

/* The outcome is the same, to the bit, with any number of threads. */
FW_CHECK fw_rc scan_run(struct scan *scan);

#endif
