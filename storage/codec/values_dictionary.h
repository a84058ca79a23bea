/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * values_dictionary.h - between values_encode.c and values_dictionary.c.
 */
#ifndef STORAGE_CODEC_VALUES_DICTIONARY_H
#define STORAGE_CODEC_VALUES_DICTIONARY_H

#include <stddef.h>
#include <stdint.h>

#include "storage/base/bytes.h"
#include "storage/codec/ints.h"

/* An integer that sorts, as a signed one, as doubles do (-0 before 0). */
static inline uint64_t values_order(double v)
{
    uint64_t bits = fw_double_bits(v);

    return bits ^ ((0 - (bits >> 63)) >> 1);
}

/*
 * Writes v[0..n) as a dictionary run if at most a third of the values are
 * distinct and it is smaller than raw. Returns its size, or 0. The ranks are
 * written in the manner of `like`, if it is not NULL; *plan is how they were.
 */
size_t values_dictionary_write(const double *v, size_t n,
                               const struct ints_manner *like,
                               struct ints_plan *plan, uint8_t *out);

/* Writes a dictionary's entries: any kind of run but a dictionary. */
size_t values_entries_write(const double *v, size_t n, uint8_t *out);

#endif
