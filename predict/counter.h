/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * counter.h - does a series look like a counter that somebody forgot to take
 * the rate of? A counter's own forecast says next to nothing: it rises until
 * its process starts anew.
 */
#ifndef FW_PREDICT_COUNTER_H
#define FW_PREDICT_COUNTER_H

#include "query/query.h"

/* The hint, a sentence without its full stop. */
extern const char counter_hint[];

/*
 * True for whole numbers that are never below zero and never fall but to start
 * anew near zero, which they do seldom. What is not finite is passed over.
 */
bool counter_seems(const double *v, size_t n);

/* The same, the name of the metric considered: one that ends as those of
 * counters do is believed sooner, one that names a gauge's unit never. */
bool counter_named(const struct fw_labels *labels, const double *v, size_t n);

#endif
