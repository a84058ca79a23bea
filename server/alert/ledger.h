/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * ledger.h - what was predicted, what came of it, and how often it was right.
 *
 * A prediction is written before its outcome is known and never changed; its
 * score is a record of its own, written once. Everything lives in tables of
 * meta/ (docs/formats/ledger.md) and is changed inside the transaction of the
 * caller, so that a look at a watch is stored whole or not at all.
 *
 *     subjects     id        -> watch and labels of one watched series
 *     subject_ids  hash      -> id
 *     predictions  id        -> prediction       ids rise, never reused
 *     open         id        -> (nothing)        those not scored yet
 *     scores       id        -> score
 *     value_scores id        -> what became of its quantiles
 *     totals       watch     -> the sums that make its record
 */
#ifndef SERVER_ALERT_LEDGER_H
#define SERVER_ALERT_LEDGER_H

#include "predict/predict.h"
#include "server/alert/extreme.h"
#include "server/alert/observe.h"

/* One watched series: the name of its watch, and its labels. */
struct subject {
    uint32_t id;
    struct fw_str watch;
    struct fw_labels labels;
};

enum prediction_kind {
    PREDICTION_ROUTINE, /* taken at even intervals: these make the Brier score
                         */
    PREDICTION_ALERT    /* the claim with which an alert fired */
};

#define MODEL_NAME_BYTES 32

struct prediction {
    uint64_t id;
    uint32_t subject;
    enum prediction_kind kind;
    fw_ms made_at;
    fw_ms horizon;
    struct fw_breach breach;
    double probability;
    fw_ms p10, p50, p90; /* time to breach; -1: beyond the horizon */
    double value;        /* at made_at */
    char model[MODEL_NAME_BYTES];
    fw_ms watched_ms; /* of the series when it was made: see observe.h */
    double raw;       /* the probability before it was calibrated */
    double extreme[EXTREME_QUANTILES]; /* see extreme.h; NaN: not told */
    /* While it waits for its outcome, in memory: */
    bool scored;    /* it has a score, and only its quantiles wait */
    double reached; /* the extreme when it was due; NaN: not yet */
};

enum outcome { OUTCOME_OPEN, OUTCOME_BREACH, OUTCOME_NONE, OUTCOME_VOID };

struct score {
    uint64_t id; /* of the prediction */
    enum outcome outcome;
    fw_ms scored_at;
    fw_ms breached_at; /* 0 without one */
    double brier;      /* NaN when void */
    bool value_open;   /* its quantiles are still to be scored */
};

/* What became of the quantiles of a prediction, when it was due. */
struct value_score {
    uint64_t id;
    fw_ms scored_at;
    double reached; /* NaN when void */
    double loss;    /* mean pinball loss; NaN when void */
};

#define TOTALS_LEADS 128 /* the newest right alerts, for the median lead */
#define TOTALS_BINS 10

/* The sums behind a watch's record. Zero (with its definition) is a new one. */
struct totals {
    uint64_t definition; /* what was asked; another question, another record */
    fw_ms since;
    uint64_t predictions; /* routine ones, scored */
    double brier_sum;
    uint64_t right, false_alarms, missed, voided;
    fw_ms leads[TOTALS_LEADS]; /* a ring */
    uint64_t lead_count;       /* of all time */
    struct totals_bin {        /* by predicted probability, tenths */
        uint64_t count, breaches;
        double sum;
    } bins[TOTALS_BINS];
    uint64_t valued, inside; /* quantiles scored; between the outer two */
    double loss_sum;         /* of their pinball losses */
    double naive_sum;        /* had they said that it stays as it is */
};

/* ---- Subjects --------------------------------------------------------------
 */

/*
 * The id of (watch, labels), made if new. FW_ENOTFOUND if it is new and `txn`
 * only reads, told by `make`.
 */
FW_CHECK fw_rc ledger_subject(struct fw_txn *txn, struct fw_str watch,
                              const struct fw_labels *labels, bool make,
                              uint32_t *id, struct fw_err *err);

/* Reads one back; texts and labels live in `arena`. FW_NONE, FW_ECORRUPT. */
FW_CHECK fw_rc ledger_subject_get(struct fw_txn *txn, uint32_t id,
                                  struct fw_arena *arena, struct subject *out,
                                  struct fw_err *err);

/* ---- Predictions and scores
 * -------------------------------------------------- */

/* Gives it the next id and stores it as open. */
FW_CHECK fw_rc ledger_add(struct fw_txn *txn, struct prediction *prediction,
                          struct fw_err *err);

FW_CHECK fw_rc ledger_get(struct fw_txn *txn, uint64_t id,
                          struct prediction *out, struct fw_err *err);

/* Stores a score; FW_EINVAL if it has one already, which is a bug of ours. */
FW_CHECK fw_rc ledger_score(struct fw_txn *txn, const struct score *score,
                            struct fw_err *err);

/* The same for its quantiles. The order of the two is free. */
FW_CHECK fw_rc ledger_score_value(struct fw_txn *txn,
                                  const struct value_score *score,
                                  struct fw_err *err);
/* FW_NONE while they are open, or there are none. */
FW_CHECK fw_rc ledger_value_get(struct fw_txn *txn, uint64_t id,
                                struct value_score *out, struct fw_err *err);

/* Nobody will see what comes of it: it is void, or what is open of it is. */
FW_CHECK fw_rc ledger_void(struct fw_txn *txn, uint64_t id, fw_ms now,
                           struct fw_err *err);

/* FW_NONE while it is open. */
FW_CHECK fw_rc ledger_score_get(struct fw_txn *txn, uint64_t id,
                                struct score *out, struct fw_err *err);

/*
 * Calls `each` for every open prediction, oldest first, until it answers
 * false. One that cannot be read is passed with `prediction` NULL. What is
 * scored of it already is marked: `scored`, or no quantiles.
 */
typedef bool (*ledger_each)(void *self, uint64_t id,
                            const struct prediction *prediction);
FW_CHECK fw_rc ledger_open_each(struct fw_txn *txn, ledger_each each,
                                void *self, struct fw_err *err);

/* The same for all predictions with id >= from. */
FW_CHECK fw_rc ledger_each_from(struct fw_txn *txn, uint64_t from,
                                ledger_each each, void *self,
                                struct fw_err *err);

/* The id of the newest prediction; 0 where there is none. */
FW_CHECK fw_rc ledger_newest(struct fw_txn *txn, uint64_t *id,
                             struct fw_err *err);

/*
 * Removes scored predictions made before `before`, with their scores, oldest
 * first, at most `most`; *removed tells how many.
 */
FW_CHECK fw_rc ledger_prune(struct fw_txn *txn, fw_ms before, size_t most,
                            size_t *removed, struct fw_err *err);

/* ---- Grading
 * ------------------------------------------------------------------- */

/*
 * What came of a prediction, judged at `now` by what was observed of its
 * series. OUTCOME_OPEN while it cannot be known. Without a breach, and with the
 * input there for less than half of the horizon, it is void: nobody saw
 * whether it was right.
 */
void prediction_judge(const struct prediction *p, const struct observed *o,
                      fw_ms now, struct score *out);

/*
 * What came of its quantiles. False while they are not due, or there are none;
 * void under the same condition as above.
 */
bool prediction_judge_value(const struct prediction *p,
                            const struct observed *o, const struct peaks *peaks,
                            fw_ms now, struct value_score *out);

/* Adds scored quantiles to the sums of its watch. */
void totals_add_value(struct totals *totals, const struct prediction *p,
                      const struct value_score *score);

/* Share of outcomes between the outer quantiles (0.8 is right), and how much
 * less is lost than by "it stays as it is"; NaN before there is one. */
double totals_coverage(const struct totals *totals);
double totals_loss(const struct totals *totals);
double totals_skill(const struct totals *totals);

/* Adds one judged prediction to the sums of its watch. */
void totals_add(struct totals *totals, const struct prediction *p,
                const struct score *score);

/* The record that reports and notifications show. */
void totals_record(const struct totals *totals, struct fw_record *out);

/* FW_NONE where the watch has none. */
FW_CHECK fw_rc totals_get(struct fw_txn *txn, struct fw_str watch,
                          struct totals *out, struct fw_err *err);
FW_CHECK fw_rc totals_put(struct fw_txn *txn, struct fw_str watch,
                          const struct totals *totals, struct fw_err *err);

#endif
