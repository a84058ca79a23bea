/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * passage_lesson.h - what passage.c learns from the earlier origins of a
 * series: by columns, and what follows from them for any question.
 *
 * A question goes over 480 origins some sixty times. So they lie by columns in
 * single precision, what does not change from question to question (how far
 * off a candidate usually is, how that scatters) is kept until an origin is
 * added, and what is left are weighted sums over columns.
 *
 * Single precision is enough: a value decides by how far it lies from the
 * limit, and errors and distances are rounded in proportion to themselves.
 */
#ifndef FW_PREDICT_BREACH_PASSAGE_LESSON_H
#define FW_PREDICT_BREACH_PASSAGE_LESSON_H

#include "predict/breach/passage.h"
#include "predict/numeric.h"

#define PASSAGE_POOL 480 /* newest earlier origins whose errors are used */
#define PASSAGE_SHAPE 5  /* numbers that tell what led up to an origin */
#define SAID (PASSAGE_CANDIDATES + 1) /* the last one says "it stays" */
#define SAID_STAYS PASSAGE_CANDIDATES
#define LESSON_FADES 1000.0 /* origins after which an error weighs 1/e */
#define POOL_LEAST 12       /* fewer do not make a distribution */
/* Columns and weights may be read so much beyond their end. */
#define LESSON_ROOM (PASSAGE_POOL + NUMERIC_LANES)

struct origin;

/* `from` and `to` count in the pool. */
struct columns {
    size_t room, from, to;
    float *off[SAID]; /* outcome less what was said; -INFINITY: nothing was */
    float *outcome, *level, *now; /* lesson_from() */
    float *scale;
    float *place; /* in the day, in steps */
    float *shape[PASSAGE_SHAPE];
    size_t silent[SAID]; /* no guess somewhere before this origin */
};

/* What the errors of a candidate are like. */
struct known {
    size_t n;            /* origins at which it said something */
    double size;         /* mean absolute error, newer ones weighing more */
    double lately;       /* mean error of the last day, in usual errors */
    double blur;         /* of its errors */
    double bent;         /* their spread on the bent scale */
    double all, few;     /* what makes a blur of a spread: all count, few do */
    double weight, most; /* sum and largest of the weights by age */
    uint16_t sample[NUMERIC_FEW]; /* errors a spread is taken from */
    size_t samples;
};

/* A set of weights of the origins, by any column. */
struct weights {
    float of[LESSON_ROOM]; /* 0 behind the last origin */
    double sum, most;
};

/* The earlier origins a question may learn from. */
struct lesson {
    const struct origin *pool;
    size_t first, n;
    /* What is the same for all questions: */
    const float *age; /* weights: newer ones weigh more */
    double age_sum;
    struct known known[SAID];
    /* A scale bent so that far from the usual values differences count by
     * their root: for series that are quiet mostly and a hundred times as high
     * at times. On it, errors, levels and values. */
    double usual, per_width;
    float bent[SAID][LESSON_ROOM];
    float level[LESSON_ROOM], now[LESSON_ROOM];
    double outcomes; /* their spread */
    double climb;    /* the largest move within the horizon */
    double unit[PASSAGE_SHAPE];
    double repeats, stays; /* passage_past.h */
    /* And of the question at hand: */
    struct weights phase;     /* at the same phase of the day */
    struct weights alike;     /* by likeness to today */
    struct weights analog;    /* by what led up to it */
    float ratio[LESSON_ROOM]; /* of today's scatter to that then */
    float apart[LESSON_ROOM]; /* days from today's phase */
};

/* Makes room for the columns of a passage whose pool is known. */
FW_CHECK fw_rc lesson_room(struct passage *p, struct fw_arena *arena);

/* Takes the origins that are known at o: p->lesson up to `of the question`. */
void lesson_take(struct passage *p, size_t o);

/* The weights of the origins for the question asked at q; all but analog. */
void lesson_weigh(struct passage *p, const struct origin *q);
/* Fills in sum and most. */
void lesson_sum(const struct lesson *l, struct weights *w);

/* A value as the columns have it: from the first one of the series, so that it
 * is rounded alike wherever a series is cut off and laid anew. */
double lesson_from(const struct passage *p, double v);

/* What candidate c says at o. */
double lesson_said(const struct origin *o, int c);

/*
 * Log odds of a value above the limit, if what c says at q is as wrong as it
 * was at the earlier origins: by all its errors; by those at this phase of the
 * day, in proportion to today's scatter, whose spread is handed in; by those
 * of origins that were like this one; by those at this phase, bent as these.
 */
double lesson_tail(const struct passage *p, const struct origin *q, int c,
                   double limit);
double lesson_scaled(const struct passage *p, const struct origin *q, int c,
                     double spread, double limit);
double lesson_alike(const struct passage *p, const struct origin *q, int c,
                    double limit);
double lesson_phase(const struct passage *p, const struct origin *q, int c,
                    double limit);
/* The spreads of the scaled errors of `count` candidates. */
void lesson_scaled_spreads(const struct passage *p, const int *which,
                           size_t count, double *out);
/* Of what came, whatever was said: with weights, or by age (NULL). */
double lesson_outcomes(const struct passage *p, const struct weights *w,
                       double blur, double limit);
/* Of the rises since the analogs, in proportion to today's scatter or not. */
double lesson_analogs(const struct passage *p, const struct origin *q,
                      bool scaled, double least, double limit);

/* The q-quantile of the errors of c, and the share of them above e. */
double lesson_quantile(const struct passage *p, int c, double q);
double lesson_above(const struct passage *p, int c, double e);

static inline const float *lesson_column(const struct columns *c,
                                         const struct lesson *l,
                                         const float *column)
{
    return column + (l->first - c->from);
}

#endif
