/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * synth.h - series of known shape. Each function adds to what is in `out`, so
 * that shapes combine: a ramp plus a season plus noise. Start from zeros.
 */
#ifndef TESTS_SUPPORT_SYNTH_H
#define TESTS_SUPPORT_SYNTH_H

#include <stddef.h>
#include <stdint.h>

/* A generator of numbers: the same seed gives the same numbers everywhere. */
struct synth_rng {
    uint64_t state;
};

struct synth_rng synth_seed(uint64_t seed);
uint64_t synth_u64(struct synth_rng *rng);
double synth_uniform(struct synth_rng *rng); /* [0, 1) */
double synth_normal(struct synth_rng *rng);  /* mean 0, deviation 1 */

/* start, start + slope, ... */
void synth_ramp(double *out, size_t n, double start, double slope);

/* A sine of `period` samples. */
void synth_season(double *out, size_t n, double period, double amplitude);

/* Climbs evenly from low to high in `period` samples, then falls at once. */
void synth_sawtooth(double *out, size_t n, size_t period, double low,
                    double high);

/* Nothing before sample `at`, `delta` from there on. */
void synth_step(double *out, size_t n, size_t at, double delta);

/* Independent normal noise. */
void synth_noise(struct synth_rng *rng, double *out, size_t n, double sigma);

/* A walk whose every step is normal noise. */
void synth_walk(struct synth_rng *rng, double *out, size_t n, double sigma);

#endif
