/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * values_format.h - the bytes that values.c reads and values_encode.c writes.
 *
 * A block of n values is a row of runs, each of VALUES_RUN values but the
 * last. A run says how it is written in its first byte:
 *
 *   0x00           raw: n x 8 bytes
 *   0x01           bits: the values as order-preserving integers (ints.h)
 *   0x02           dictionary: varint count, a run of so many values that is
 *                  no dictionary itself, then n ranks (ints.h)
 *   0x10 + m       constant: the m (0..8) highest bytes of the one value
 *   0x80 + flags   decimals: k in bits 0-4; integers (ints.h); with bit 6 the
 *                  ulps (ints.h), with bit 5 the exceptions
 *
 * Exceptions are a varint of twice their count, plus one if all have the same
 * bits; the gap from each to the next (from 0 to the first), as varints or,
 * if they are VALUES_GAPS_RUN or more, as integers (ints.h); and then their
 * bits, 8 bytes each or once for all.
 */
#ifndef STORAGE_CODEC_VALUES_FORMAT_H
#define STORAGE_CODEC_VALUES_FORMAT_H

#include "storage/codec/ints.h"

#define VALUES_RUN INTS_MAX
#define VALUES_ENTRIES_MAX (VALUES_RUN / 3) /* of a dictionary */

#define VALUES_GAPS_RUN 8

enum {
    VALUES_RAW = 0x00,
    VALUES_BITS = 0x01,
    VALUES_DICTIONARY = 0x02,
    VALUES_CONSTANT = 0x10,
    VALUES_DECIMAL = 0x80,
    VALUES_DECIMAL_ULPS = 0x40,
    VALUES_DECIMAL_EXCEPTIONS = 0x20,
    VALUES_DECIMAL_DIGITS = 0x1F
};

#endif
