/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * sawtooth.h - climbs that end in a sudden fall: log rotation, compaction,
 * garbage collection, a leak with its nightly restart.
 *
 * A line through such a climb ends nowhere near where the series goes. What
 * matters is at which height the earlier climbs ended.
 */
#ifndef FW_PREDICT_MODELS_SAWTOOTH_H
#define FW_PREDICT_MODELS_SAWTOOTH_H

#include <stdbool.h>
#include <stddef.h>

#define SAWTOOTH_MAX 64  /* newest falls kept */
#define SAWTOOTH_LEAST 3 /* falls that make a sawtooth */

struct sawtooth {
    size_t count; /* falls seen; the last SAWTOOTH_MAX are kept */
    size_t kept;
    size_t at[SAWTOOTH_MAX]; /* index of the first value after each fall */
    double peak[SAWTOOTH_MAX], floor[SAWTOOTH_MAX];
    double rate[SAWTOOTH_MAX]; /* climb per step up to that peak */
};

/* A fall is a drop in at most two steps by more than `drop`. */
double sawtooth_drop(const double *y, size_t n);
void sawtooth_start(struct sawtooth *s);
/* Takes y[t] in; y[0 .. t) were taken in before. */
void sawtooth_add(struct sawtooth *s, const double *y, size_t t, double drop);
/* True if the falls seen up to o look like one mechanism at work. */
bool sawtooth_holds(const struct sawtooth *s, size_t o);
/* The h values after y[0 .. o). */
void sawtooth_path(const struct sawtooth *s, const double *y, size_t o,
                   size_t h, double *out);

#endif
