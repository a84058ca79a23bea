/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * ladder.h - answers for different horizons that fit together: a longer one is
 * never less likely.
 *
 * Each horizon is judged by outcomes of its own length, which by itself does
 * not promise this. So a question about one horizon is several questions about
 * a fixed ladder of them:
 *
 *     P(rung)      the largest of its own answer and those of all rungs before
 *     P(fine rung) the same among the fine rungs since the last coarse one,
 *                  kept between the coarse rungs beside it
 *     P(between)   the share of the next rung's futures that have passed the
 *                  limit by then, kept between the rungs beside it
 *
 * Few rungs are coarse, since all of those below are asked each time; more of
 * them cost more than the little accuracy they gain.
 *
 * The rungs are at once the distribution of the time to breach: a share of all
 * futures has passed the limit by the first rung that is so likely, at the time
 * which that rung tells; it knows more of soon than a longer one.
 */
#ifndef FW_PREDICT_BREACH_LADDER_H
#define FW_PREDICT_BREACH_LADDER_H

#include <stdbool.h>
#include <stddef.h>

#include "storage/base/clock.h"

#define LADDER_MOST 24 /* questions about one horizon at most */

/* In what order questions are asked: all of one phase and horizon can be
 * asked before any of the next. */
enum ladder_phase { LADDER_COARSE, LADDER_FINE, LADDER_BETWEEN };

/* What an answer is to the question: a bound from below, from above, itself. */
enum ladder_role { LADDER_BELOW, LADDER_OVER, LADDER_SELF };

struct ladder_rung {
    fw_ms horizon;
    enum ladder_phase phase;
    enum ladder_role role;
};

/* The rungs for one horizon, in the order in which they are asked; the last is
 * the horizon itself. Rungs shorter than `least`, the distance of the samples,
 * are left out: they say what `least` says. */
struct ladder {
    struct ladder_rung rung[LADDER_MOST];
    size_t n;
    bool between; /* the horizon is no rung */
};
void ladder_make(fw_ms horizon, fw_ms least, struct ladder *out);
/* The horizon itself and nothing besides. */
void ladder_alone(fw_ms horizon, struct ladder *out);

/* An answer; times are in the same unit as horizons, below zero: beyond. */
struct ladder_answer {
    double probability, p10, p50, p90;
};

/* What is known of a question on its way along the ladder. */
struct ladder_bounds {
    double least, most;        /* of the next answer */
    struct ladder_answer soon; /* its times: of the first rung that has each */
    fw_ms passed;              /* the longest rung below that was asked */
    fw_ms reach;               /* of the nearest rung above, 0: none yet */
    struct ladder_answer over; /* its answer */
};
#define LADDER_START                                                           \
    ((struct ladder_bounds){.most = 1.0,                                       \
                            .soon = {.p10 = -1.0, .p50 = -1.0, .p90 = -1.0}})

/*
 * Takes in the answer of a rung, which was kept within the bounds; NULL where
 * it could not be told. Before the last question of a horizon that is no rung
 * both bounds become one.
 */
void ladder_take(const struct ladder *ladder, size_t rung,
                 const struct ladder_answer *answer,
                 struct ladder_bounds *bounds);

/* The times of an answer, by what the rungs below it know. */
void ladder_times(const struct ladder_bounds *bounds,
                  struct ladder_answer *answer);

static inline double ladder_within(double p, const struct ladder_bounds *b)
{
    return p < b->least ? b->least : p > b->most ? b->most : p;
}

#endif
