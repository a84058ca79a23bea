/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * passage.h - will the series pass a limit within the next h steps, and when?
 *
 * The question is about the largest of the next h values, not about one of
 * them. Several simple candidates guess that maximum (lines of several
 * lengths, yesterday at today's level, an autoregression, a sawtooth); how
 * wrong each has been at many earlier origins of this very series turns its
 * guess into a distribution; a small network with shipped constants
 * (passage_weights.h) weighs the tails of these distributions against each
 * other, in the light of what the guesses say. All its weights have the sign
 * that makes the answer fall as the limit rises.
 *
 * Values are in the orientation "above": who asks about a limit below hands
 * in negated values.
 */
#ifndef FW_PREDICT_PASSAGE_H
#define FW_PREDICT_PASSAGE_H

#include "predict/breach/ladder.h"
#include "predict/season.h"
#include "storage/base/arena.h"

#define PASSAGE_CANDIDATES 16 /* guesses of the maximum */
#define PASSAGE_FEATURES 55   /* what the regression sees: */
#define PASSAGE_SURE 23       /* log odds where the series is foretold well */
#define PASSAGE_FALLING 34    /* so many fall as the limit rises, the rest */
                              /* is the same for any limit */

struct passage; /* a series made ready for one horizon; lives in its arena */

/*
 * Prepares n values (`y` gaps filled, `raw` NaN there) for horizons of h
 * steps. `season` holds the lengths in steps of a day and a week, or of what
 * was found instead. y and raw are borrowed. One thread at a time.
 */
FW_CHECK fw_rc passage_new(const double *y, const double *raw, size_t n,
                           size_t h, const struct season *season,
                           struct fw_arena *arena, struct passage **out);

struct passage_answer {
    double probability;   /* of a value above the limit within h steps */
    double p10, p50, p90; /* steps until then among all futures; < 0: beyond */
    size_t origins;       /* earlier origins the errors are known at */
    const char *guide;    /* the candidate that was nearest so far */
};

/*
 * Answers as seen from y[0 .. o), using nothing later. FW_NONE if too few
 * earlier origins are known (passage_short is for that). The probability is
 * kept within `bounds`, by which answers for several horizons fit together.
 */
FW_CHECK fw_rc passage_ask(struct passage *p, size_t o, double limit,
                           const struct ladder_bounds *bounds,
                           struct passage_answer *out);

/* What the regression sees for a question: for the program that fits it. */
FW_CHECK fw_rc passage_features(struct passage *p, size_t o, double limit,
                                double features[PASSAGE_FEATURES]);
extern const char *const passage_feature_names[PASSAGE_FEATURES];

/* The log odds of a breach by those features (passage_weigh.c). */
double passage_log_odds(const double features[PASSAGE_FEATURES]);

/*
 * The same question of a young series, by simulation: h steps ahead of y[0 ..
 * o) along the drift since the last change, which is uncertain, with its
 * scatter resampled in blocks. At least 5 values.
 */
FW_CHECK fw_rc passage_short(const double *y, size_t start, size_t o, size_t h,
                             double limit, uint64_t seed,
                             const struct ladder_bounds *bounds,
                             struct fw_arena *arena,
                             struct passage_answer *out);

#endif
