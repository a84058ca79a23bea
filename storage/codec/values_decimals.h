/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * values_decimals.h - between values_encode.c, which chooses, and
 * values_decimals.c, which plans and writes a run as decimals.
 */
#ifndef STORAGE_CODEC_VALUES_DECIMALS_H
#define STORAGE_CODEC_VALUES_DECIMALS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "storage/codec/ints.h"
#include "storage/codec/values_format.h"

/* A run as decimals: q / 10^k, give or take ulps, but for the exceptions. */
struct values_decimals {
    unsigned k;
    size_t exceptions;
    bool same; /* all exceptions have the same bits */
    uint64_t any_ulps;
    size_t bytes; /* what writing it takes, exactly */
    struct ints_plan plan;
    struct ints_plan ulps_plan;
    struct ints_plan gaps_plan;
    uint64_t failed[VALUES_RUN / 64];
    uint16_t gaps[VALUES_RUN]; /* from one exception to the next */
    uint64_t q[VALUES_RUN];
    uint64_t ulps[VALUES_RUN];
};

/* Plans v[0..n), not all equal, with the best k; false if there is none. */
bool values_decimals_search(const double *v, size_t n,
                            struct values_decimals *d);

/* The same with k and the manner given: false if they do not fit well. */
bool values_decimals_like(const double *v, size_t n, unsigned k,
                          struct ints_manner manner, struct values_decimals *d);

/* Writes the run that was planned; returns d->bytes. */
size_t values_decimals_write(const struct values_decimals *d, const double *v,
                             uint8_t *out);

#endif
