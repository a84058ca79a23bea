/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * segments.h - where did the series last change its ways?
 *
 * Optimal partitioning [Jackson et al. 2005; pruned as PELT by Killick,
 * Fearnhead & Eckley 2012] into pieces that are each a straight line plus
 * noise. The recursion runs forward in time, so one pass knows for every
 * moment where the last change lay as seen from that moment: a backtest asks
 * it again and again without looking ahead.
 */
#ifndef FW_PREDICT_SEGMENTS_H
#define FW_PREDICT_SEGMENTS_H

#include <stddef.h>

#include "storage/base/err.h"

#define SEGMENTS_BLOCKS 192 /* the series is first averaged into so many */
/* A piece of fewer blocks is not told from noise. */
#define SEGMENTS_LEAST 8

struct segments {
    size_t block;                     /* values per block */
    size_t blocks;                    /* whole blocks */
    size_t last[SEGMENTS_BLOCKS + 1]; /* last change before block i */
};

void segments_find(const double *y, size_t n, struct segments *out);

/* Where the newest straight piece of y[0 .. origin) begins. */
size_t segments_start(const struct segments *s, size_t origin);

#endif
