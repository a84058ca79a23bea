/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * watching.h - one watch and its series, as the watcher holds them in memory.
 *
 * A look at a watch is worked out in memory first (look_*), then stored in one
 * transaction; only what that commits is forgotten. So a disk that is full for
 * an hour delays records and notifications, and loses no alert.
 */
#ifndef SERVER_ALERT_WATCHING_H
#define SERVER_ALERT_WATCHING_H

#include "server/alert/calibration.h"
#include "server/alert/standing.h"
#include "server/alert/watcher.h"
#include "storage/base/hash.h"

/* The series ALERTS and ALERTS_FOR_STATE that show an alert: their ids and 1;
 * 0: none. */
struct alert_trace {
    uint32_t alerts, since;
};

/* One series of a watch. */
struct watched {
    struct watched_state state; /* state.subject 0: not stored yet */
    struct fw_labels labels;    /* owned, one block with its texts */
    struct prediction *open;    /* owned; oldest first */
    struct score *scores;       /* owned; beside `open`, of this look */
    struct value_score *values; /* owned; the same; id 0: not scored */
    size_t open_count, open_cap, scores_cap, values_cap;
    /* Of the look being made, in its arena; else NULL. */
    const struct fw_forecast_series *foreseen;
    struct fw_forecaster *forecaster; /* owned; NULL: not followed yet */
    fw_ms spacing;    /* of its samples, as last seen; 0: unknown */
    double raw;       /* probability of this look, before calibration */
    bool known;       /* its subject id is durable */
    bool missed;      /* a breach came and nobody had been told */
    bool has_routine; /* `routine` is of this look and waits to be stored */
    bool has_claim;   /* the alert fired; `claim` waits to be stored */
    struct prediction routine, claim;
    struct alert_trace trace;
    char *news; /* owned; a change to be told that is not stored yet; or NULL */
    size_t news_n;
};

/* What became of the predictions of one model, over all watches. */
struct calibration_pool {
    char model[MODEL_NAME_BYTES]; /* "": free */
    struct calibration calibration;
};
#define CALIBRATION_POOLS 32

struct watching {
    const struct config_watch *watch;
    struct alert_policy policy;
    uint64_t due_ns; /* monotonic */
    fw_ms through;   /* observed up to here; 0: never */
    fw_ms followed;  /* samples given to forecasters up to here; 0: never */
    fw_ms fitted_at; /* when all of the history was last read; 0: never */
    bool failing;    /* said so in the log already */
    struct totals totals;
    struct standing standing;
    struct calibration calibration;
    bool replay;  /* the past is gone through: predictions are not graded */
    bool as_said; /* the calibration learns and corrects nothing */
    struct calibration_pool *pools; /* borrowed, or NULL */
    struct watched **series;        /* owned */
    size_t count, cap;
    struct fw_index index; /* labels -> series */
};

/* That of a model, or NULL; `add` takes a free one. */
struct calibration_pool *calibration_pool_of(struct calibration_pool *pools,
                                             const char *model, bool add);

/* Those in the table, into pools that are all free. */
FW_CHECK fw_rc calibration_pools_load(struct fw_txn *txn,
                                      struct calibration_pool *pools,
                                      struct fw_err *err);

/* The map that holds for a prediction of this watch by this model. */
double watching_calibrate(const struct watching *g, const char *model,
                          double probability);

void watching_init(struct watching *g, const struct config_watch *watch);
void watching_release(struct watching *g);

/* The series with these labels, added (labels copied) if new. */
FW_CHECK fw_rc watching_find(struct watching *g, const struct fw_labels *labels,
                             fw_ms through, struct watched **out,
                             struct fw_err *err);

/* Forgets the series that `gone` names. Out of memory forgets none. */
void watching_sweep(struct watching *g,
                    bool (*gone)(const struct watched *s, fw_ms now),
                    fw_ms now);

/* A longer silence of the input than this says nothing any more. */
fw_ms watching_gap(const struct config_watch *watch, fw_ms step);
/* The same for one series: no less than three of its own spacings. */
fw_ms watched_gap(const struct watched *s, fw_ms gap);

FW_CHECK fw_rc watched_add_open(struct watched *s, const struct prediction *p);
/* Drops the predictions of which nothing is open any more. */
void watched_forget_scored(struct watched *s);

#endif
