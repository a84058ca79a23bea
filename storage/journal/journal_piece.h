/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * journal_piece.h - some hundred samples of a journal record, column by
 * column; docs/formats/journal.md has the picture.
 */
#ifndef STORAGE_JOURNAL_PIECE_H
#define STORAGE_JOURNAL_PIECE_H

#include "storage/base/buf.h"
#include "storage/base/clock.h"
#include "storage/codec/values.h"

#define JOURNAL_PIECE_SAMPLES 256

struct journal_piece {
    uint32_t n;
    bool any_late;
    uint32_t ids[JOURNAL_PIECE_SAMPLES];
    fw_ms t[JOURNAL_PIECE_SAMPLES];
    double v[JOURNAL_PIECE_SAMPLES]; /* bits, never reckoned with */
    bool late[JOURNAL_PIECE_SAMPLES];
};

/* The sample before a piece, which its differences count from. */
struct journal_last {
    uint32_t id;
    fw_ms t;
};

/* Adds the bytes of a piece and moves *last. FW_ENOMEM, FW_ETOOBIG. */
FW_CHECK fw_rc journal_piece_put(const struct journal_piece *piece,
                                 struct journal_last *last,
                                 struct values_hint *hint, struct fw_buf *out);

/*
 * Reads a piece from hostile bytes; how many it took, 0 if they are no piece.
 */
size_t journal_piece_get(const char *p, size_t n, struct journal_last *last,
                         struct journal_piece *out);

#endif
