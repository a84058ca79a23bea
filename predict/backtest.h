/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * backtest.h - every model forecasts from moments of the past, seeing only what
 * was known then, and is scored by what followed [Tashman 2000].
 *
 * The best few are kept and their median is the forecast: on the M4 series it
 * beat picking one, weighting them and fixed sets. No forecast may leave the
 * range of what it has seen by more than a sanity margin.
 */
#ifndef FW_PREDICT_BACKTEST_H
#define FW_PREDICT_BACKTEST_H

#include "predict/models/model.h"

#define BACKTEST_ORIGINS 24 /* past moments forecast from, at most */
#define BACKTEST_QUICK 6    /* the same where only points are wanted */
#define BACKTEST_KEEP 7     /* models whose median is taken, at most */

struct candidate {
    const struct model *model;
    double *rows; /* count x h forecasts; the last row is from now */
    double mae;   /* over the past origins, in scaled units */
};

struct backtest {
    const struct model *const *pool; /* tried, ends with NULL */
    size_t origins_most;             /* past ones */
    size_t origins[BACKTEST_ORIGINS + 1];
    size_t count; /* origins, the last one being n */
    size_t h;     /* steps forecast */
    size_t known; /* of them, steps whose outcome the past origins know */
    struct candidate models[MODEL_POOL]; /* best first */
    size_t model_count;
    size_t keep;      /* the first so many are combined */
    double *combined; /* count x h */
    double combined_mae;
    double naive_mae;
    double *sigma; /* h: the size of the combined forecast's errors, rising */
    double *error; /* (count-1) x h errors of the combined one, NaN unknown */
};

/* FW_NONE if the series is too short for any model to be tried. `quick`: cheap
 * models and few origins, whose sigma and error are left empty. */
FW_CHECK fw_rc backtest_run(const double *y, const double *raw, size_t n,
                            size_t h, const struct season *season,
                            const struct segments *segments, double shift,
                            double scale, bool quick, struct fw_arena *scratch,
                            struct backtest *out);

/*
 * Half the width of the combined forecast's interval per step, for a level:
 * split-conformal over the backtest's errors in units of sigma [Vovk et al.
 * 2005; Lei et al. 2018], made wider where the backtest saw little. `whole` is
 * the series with its jumps, `level_of` what the models were given. Returns the
 * factor on sigma.
 */
FW_CHECK fw_rc backtest_interval(const struct backtest *b, const double *whole,
                                 const double *level_of, double level,
                                 struct fw_arena *scratch, double *factor);

/* Share of the outcomes of `rows` within factor * sigma of its own errors. */
double backtest_coverage(const struct backtest *b, const double *y,
                         const double *raw, const double *rows, double factor);

#endif
