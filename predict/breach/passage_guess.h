/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * passage_guess.h - the candidates of passage.c: what each of them says the
 * maximum of the next h values will be, at any origin of a series.
 */
#ifndef FW_PREDICT_PASSAGE_GUESS_H
#define FW_PREDICT_PASSAGE_GUESS_H

#include <assert.h>

#include "predict/breach/passage_lesson.h"
#include "predict/models/lagfit.h"
#include "predict/models/sawtooth.h"

enum candidate_id {
    LINE_12,
    LINE_12_HALF,
    LINE_36,
    LINE_36_HALF,
    LINE_72,
    LINE_72_HALF,
    LINE_288,
    LINE_288_HALF,
    DAY_0,
    DAY_HALF,
    DAY_1,
    WEEK_HALF,
    AUTOREG,
    AUTOREG_RECENT,
    SAWTOOTH,
    MIDDLE /* the median of the others */
};
static_assert(MIDDLE + 1 == PASSAGE_CANDIDATES, "one slot a candidate");

extern const char *const guess_names[PASSAGE_CANDIDATES];

#define LAG_SETS 4 /* and the same again with the recent past weighing more */
#define ALL_SETS (2 * LAG_SETS)
#define RECENT_HALF 600.0 /* steps, half-life of those */

/* What is known about one origin, before its outcome. */
struct origin {
    size_t at; /* sees y[0 .. at) */
    double now, level;
    double scale;                     /* of the values lately */
    double guess[PASSAGE_CANDIDATES]; /* of the maximum; NaN: none */
    double shape[PASSAGE_SHAPE];      /* passage_past.h */
    double outcome;                   /* the maximum; NaN: not known */
};

struct refit {
    size_t at;
    struct lagfit_line line[ALL_SETS];
    bool solved[ALL_SETS];
};

struct passage {
    const double *y, *raw;
    size_t n, h, day, week, stride;
    double *sum, *sum_x;       /* of y and of i * y before i */
    double *sum_sq, *steps_sq; /* of squares, and of those of y's steps */
    double *day_xy;            /* of products of y with y a day before */
    size_t *missing;           /* empty cells before i */
    double *window_max;        /* of y[i .. i+h) */
    double *highest;           /* of y[0 .. i) */
    struct origin *pool;
    size_t pool_count;
    struct lagfit lags[ALL_SETS]; /* their lags; the sums are not used */
    struct refit *refits;
    size_t refit_count, refit_every;
    bool resumed;        /* refits holds the one fit that was kept */
    size_t looked;       /* newest origin that was tried for the pool */
    struct sawtooth saw; /* as of saw_at; origins are asked in rising order */
    size_t saw_at, saw_seen;
    double saw_drop;
    double *path; /* h */
    struct columns columns;
    struct lesson lesson; /* of the question at hand */
    struct said_before {
        size_t at; /* 0: nothing was asked yet */
        double limit, odds;
    } before;                /* what the last question came to, by itself */
    float age[LESSON_ROOM];  /* weights by age, the newest origin's last */
    float ones[LESSON_ROOM]; /* what nothing is scaled by */
};

/* Steps between the earlier origins that are looked at. */
size_t passage_stride(size_t h);

/*
 * As passage_new(), going on from what was kept of an earlier one: its newest
 * fit and its earlier origins (`at` counted in this y), of which `looked` was
 * the last to be tried. Origins that have come to be known since are added.
 */
FW_CHECK fw_rc passage_resume(const double *y, const double *raw, size_t n,
                              size_t h, const struct season *season,
                              const struct refit *fit,
                              const struct origin *pool, size_t count,
                              size_t looked, struct fw_arena *arena,
                              struct passage **out);

/* Everything about origin o that is known before its outcome, and that too
 * where it is in the series. */
void guess_look(struct passage *p, size_t o, struct origin *out);

/* The path of h values that a candidate foresees from y[0 .. o); false if it
 * has none from here. */
bool guess_path(struct passage *p, size_t o, int id, double *out);

#endif
