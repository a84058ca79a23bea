/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * values.h - a block of float64 values, packed without loss.
 *
 * Every 64-bit pattern comes back: NaN payloads, the stale marker, -0 and
 * denormals included. The bytes do not depend on the processor that wrote
 * them. See docs/formats/block.md for what they mean.
 */
#ifndef STORAGE_CODEC_VALUES_H
#define STORAGE_CODEC_VALUES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "storage/base/err.h"

/*
 * What one block of a series teaches the next: with it, encoding is many
 * times faster than a full search. Start from zeros; one per series, kept by
 * the caller between blocks. A hint changes the size of a block a little,
 * never its meaning, and goes stale by itself when the data change.
 */
struct values_hint {
    uint8_t kind; /* 0: knows nothing; else how the last block was written */
    uint8_t decimals; /* of a decimal block */
    uint8_t order;    /* the prediction of its integers */
    bool zigzag : 1;
    bool fraction : 1;
    bool brief : 1; /* a few values taught it */
    uint8_t age;    /* 64 samples written since the last full search, about */
    uint16_t bytes_per_k; /* its size for 1,024 values */
};

/* The bytes values_encode may touch for n values. */
size_t values_bound(size_t n);

/*
 * Packs v[0..n) to `out`, which has values_bound(n), and returns the size.
 * `hint` may be NULL (full search); else it is used and brought up to date.
 * Needs up to 260 KiB of stack, no heap, and cannot fail.
 */
size_t values_encode(const double *v, size_t n, struct values_hint *hint,
                     uint8_t *out);

/*
 * The same for bytes that do not live long: keeps to the manner of the block
 * before, and spares the search, as long as that does not take half as much
 * again as it did.
 */
size_t values_encode_hastily(const double *v, size_t n,
                             struct values_hint *hint, uint8_t *out);

/*
 * What `len` bytes that values_encode() made of n values teach the next block,
 * where the hint itself has not been kept. Bytes that no decoder has seen yet
 * do no harm: a hint that is wrong is dropped as a stale one is.
 */
void values_hint_of(const uint8_t *in, size_t len, size_t n,
                    struct values_hint *hint);

/*
 * Unpacks n values from exactly `len` bytes, which may be hostile:
 * FW_ECORRUPT if they are not a block of n; `out` is then undefined. Needs up
 * to 60 KiB of stack.
 */
FW_CHECK fw_rc values_decode(const uint8_t *in, size_t len, size_t n,
                             double *out, struct fw_err *err);

#endif
