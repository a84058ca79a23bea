/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * ints_survey.h - between ints_survey.c, which looks at a run of integers,
 * and ints_plan.c, which decides on it.
 */
#ifndef STORAGE_CODEC_INTS_SURVEY_H
#define STORAGE_CODEC_INTS_SURVEY_H

#include <stddef.h>
#include <stdint.h>

#include "storage/codec/kernels.h"

#define INTS_SAMPLE_MAX 255

/* What the residuals of one prediction look like; signed integers all. */
struct ints_survey {
    uint64_t min;
    uint64_t median; /* of a sample */
    uint64_t mean;   /* of all; the median again where outliers pull at it */
};

/*
 * Takes the common divisor of all differences out of x[0..n), in place:
 * x = *base + divisor * x'. Returns it, 1 if there is none.
 */
uint64_t ints_divide(uint64_t *x, size_t n, uint64_t *base);

/* How many integers a prediction needs before its first true residual. */
static inline size_t ints_lead(unsigned order)
{
    return order == 1 || order == 2 ? order : 0;
}

/* Looks at the residuals under `line`, n > ints_lead, for a plan that is kept:
 * the median is that of at most INTS_SAMPLE_MAX of them. */
void ints_survey(const uint64_t *x, size_t n, struct codec_line line,
                 struct ints_survey *s);

/*
 * The same in less time, to rank predictions or to follow a hint, with a
 * sample of a few: the mean is taken for the centre without asking for the
 * median, which is branches that no processor foresees, where at least a fifth
 * of the sample lies on each side of it.
 */
void ints_glance(const uint64_t *x, size_t n, struct codec_line line,
                 struct ints_survey *s);

#endif
