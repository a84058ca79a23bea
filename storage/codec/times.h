/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * times.h - a column of timestamps, packed.
 *
 * Any int64 milliseconds in any order come back exactly; evenly spaced ones
 * take a few bytes whatever their number. See docs/formats/block.md.
 */
#ifndef STORAGE_CODEC_TIMES_H
#define STORAGE_CODEC_TIMES_H

#include <stddef.h>
#include <stdint.h>

#include "storage/base/clock.h"
#include "storage/base/err.h"

/* The bytes times_encode may touch for n timestamps. */
size_t times_bound(size_t n);

/* Packs t[0..n) to `out`, which has times_bound(n); returns the size. */
size_t times_encode(const fw_ms *t, size_t n, uint8_t *out);

/*
 * Unpacks n timestamps from exactly `len` bytes, which may be hostile:
 * FW_ECORRUPT if they are not a column of n; `out` is then undefined.
 */
FW_CHECK fw_rc times_decode(const uint8_t *in, size_t len, size_t n, fw_ms *out,
                            struct fw_err *err);

#endif
