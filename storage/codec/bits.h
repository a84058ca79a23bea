/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * bits.h - groups of up to CODEC_GROUP unsigned integers, packed.
 *
 * A group's tag byte says how: plain bits, plain bits with patches, a bitmap
 * of the non-zero ones, or a Rice code (docs/formats/block.md has the bytes).
 * The tag is chosen by exact size, so a group is never larger than its
 * widest integer times its count.
 */
#ifndef STORAGE_CODEC_BITS_H
#define STORAGE_CODEC_BITS_H

#include <stddef.h>
#include <stdint.h>

#include "storage/codec/kernels.h"

/* The payload of the worst group, and what bits_write may scribble beyond. */
#define BITS_GROUP_BYTES_MAX 1024
#define BITS_SLACK 16

/* The cheapest tag for u[0..n); *bytes is the size of its payload. */
uint8_t bits_choose(const uint64_t *u, size_t n, size_t *bytes);

/* The size under `tag`, SIZE_MAX if it cannot hold these integers. */
size_t bits_size(const uint64_t *u, size_t n, uint8_t tag);

/*
 * Writes the payload and returns its size. `tag` must be able to hold the
 * integers. Up to BITS_SLACK bytes behind the payload are overwritten.
 */
size_t bits_write(const uint64_t *u, size_t n, uint8_t tag, uint8_t *out);

/*
 * Reads the payload at `in` of a group of n integers (1 to CODEC_GROUP) into
 * `out`, which has CODEC_ROOM. Returns the byte behind it, NULL if the bytes
 * before `end` do not hold such a group.
 */
const uint8_t *bits_read(const uint8_t *in, const uint8_t *end, uint8_t tag,
                         size_t n, uint64_t *out);

/*
 * The same and, in one pass, what restore() and divide() by 10^k make of it
 * (kernels.h). NULL where that cannot be, or the bytes hold no group.
 */
const uint8_t *bits_read_narrow(const uint8_t *in, const uint8_t *end,
                                uint8_t tag, size_t n, struct codec_line *line,
                                unsigned k, double *out);

#endif
