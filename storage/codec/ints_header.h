/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * ints_header.h - between ints.c, which knows the bytes, and ints_plan.c,
 * which must know how many they are.
 */
#ifndef STORAGE_CODEC_INTS_HEADER_H
#define STORAGE_CODEC_INTS_HEADER_H

#include "storage/codec/ints.h"

/* Writes all before the first tag; `out` has INTS_HEADER_BYTES_MAX. */
size_t ints_header_write(const struct ints_plan *plan, uint8_t *out);

#endif
