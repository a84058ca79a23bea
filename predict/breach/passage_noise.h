/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * passage_noise.h - passing a limit, asked of values that know nothing of each
 * other.
 *
 * The network of passage.c was taught by telemetry, where what always happened
 * so far need not happen again: of independent noise it says too little. Where
 * ranks show no dependence, the largest of h values has a distribution that
 * follows from that of one: P(max <= x) = P(value <= x)^h.
 */
#ifndef FW_PREDICT_BREACH_PASSAGE_NOISE_H
#define FW_PREDICT_BREACH_PASSAGE_NOISE_H

#include <stddef.h>

struct noise_answer {
    double weight;      /* 0: values depend on each other ... 1: they do not */
    double beyond;      /* P(one value is above the limit) */
    double probability; /* P(one of the next h is) */
};

/* Of the newest of y[0 .. o), using nothing later; `day` is a lag besides (0:
 * none). */
void noise_ask(const double *y, size_t o, size_t h, size_t day, double limit,
               struct noise_answer *out);

/* Steps until a share of all futures has passed the limit. */
double noise_when(const struct noise_answer *answer, double share);

#endif
