/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * passage_past.h - what passage.c knows of a question from the series' own past
 * beyond the errors of its candidates: moments that led up to theirs as this
 * one did (analogs), and what kind of series this is. None of it depends on
 * the limit.
 */
#ifndef FW_PREDICT_PASSAGE_PAST_H
#define FW_PREDICT_PASSAGE_PAST_H

#include "predict/breach/passage_guess.h"

/* What is the same for any limit, in the order of the features of passage.c. */
enum past_id {
    PAST_KNOWN,     /* log of the days that are known */
    PAST_SEASON,    /* how its values go with those a day before */
    PAST_REPEATS,   /* how today's maxima go with yesterday's */
    PAST_STAYS,     /* and with the values before them */
    PAST_UNREST,    /* log of today's steps over the week's */
    PAST_ROUGHNESS, /* log of the week's steps over its scatter */
    PAST_RANK,      /* share of the earlier origins that were lower */
    PAST_DAY_UP,    /* today's mean above the week's, in its scatters */
    PAST_HOUR_UP,   /* the last horizon's mean above today's */
    PAST_COUNT
};

/* Steps of a day, or of what stands for one. */
size_t past_day(const struct passage *p);

/* The way that led up to origin o: means of stretches before it, from its
 * value. Of what is missing at the old end, what there is. */
void past_shape(const struct passage *p, size_t o, double out[PASSAGE_SHAPE]);

/* What the lesson says of questions in general: unit, repeats, stays. */
void past_learn(struct passage *p);

/* Fills lesson.analog: how near each earlier origin is in its shape and in the
 * phase of the day, the nearest few counting. */
void past_weigh(struct passage *p, const struct origin *q);

/* Deviation of the last week. */
double past_scatter(const struct passage *p, size_t o);

void past_place(const struct passage *p, const struct origin *q,
                double out[PAST_COUNT]);

#endif
