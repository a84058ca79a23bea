/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * synth.c - series of known shape.
 */
#include "tests/support/synth.h"

#include <math.h>

struct synth_rng synth_seed(uint64_t seed)
{
    return (struct synth_rng){seed};
}

/* splitmix64 [Steele, Lea and Flood, OOPSLA 2014]. */
uint64_t synth_u64(struct synth_rng *rng)
{
    uint64_t z = rng->state += UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

double synth_uniform(struct synth_rng *rng)
{
    return (double)(synth_u64(rng) >> 11) * 0x1p-53;
}

/* Box and Muller 1958; the second value is thrown away to keep no state. */
double synth_normal(struct synth_rng *rng)
{
    double u = 1.0 - synth_uniform(rng); /* never 0 */
    double v = synth_uniform(rng);
    return sqrt(-2.0 * log(u)) * cos(2.0 * M_PI * v);
}

void synth_ramp(double *out, size_t n, double start, double slope)
{
    for (size_t i = 0; i < n; i++)
        out[i] += start + slope * (double)i;
}

void synth_season(double *out, size_t n, double period, double amplitude)
{
    for (size_t i = 0; i < n; i++)
        out[i] += amplitude * sin(2.0 * M_PI * (double)i / period);
}

void synth_sawtooth(double *out, size_t n, size_t period, double low,
                    double high)
{
    for (size_t i = 0; i < n; i++) {
        double part = (double)(i % period) / (double)period;
        out[i] += low + (high - low) * part;
    }
}

void synth_step(double *out, size_t n, size_t at, double delta)
{
    for (size_t i = at; i < n; i++)
        out[i] += delta;
}

void synth_noise(struct synth_rng *rng, double *out, size_t n, double sigma)
{
    for (size_t i = 0; i < n; i++)
        out[i] += sigma * synth_normal(rng);
}

void synth_walk(struct synth_rng *rng, double *out, size_t n, double sigma)
{
    double at = 0.0;
    for (size_t i = 0; i < n; i++) {
        at += sigma * synth_normal(rng);
        out[i] += at;
    }
}
