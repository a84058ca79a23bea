/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * calibration.h - probabilities corrected by what became of earlier ones.
 *
 * Platt's map [Platt 1999, "Probabilistic outputs for support vector
 * machines"]: logit(q) = a logit(p) + b, fitted to the graded predictions of
 * one watch, or of one model over all watches while the watch has too few.
 *
 * Nothing is judged by what it was fitted to. Grades gather in `newest`; when
 * there are enough, the map that the older ones give is tried on them, and is
 * in force only if it brings their Brier score down. Only then do they join the
 * older ones. So a watch that is calibrated already keeps its probabilities.
 */
#ifndef SERVER_ALERT_CALIBRATION_H
#define SERVER_ALERT_CALIBRATION_H

#include <stdbool.h>

#include "storage/storage.h"

#define CALIBRATION_BINS 20
#define CALIBRATION_BATCH 50  /* grades in one trial */
#define CALIBRATION_LEAST 100 /* older grades that a map is fitted to */
#define CALIBRATION_EVENTS 5  /* breaches among them */
#define CALIBRATION_KEEP 4000 /* beyond that the old ones count half */

/* Predictions by their probability; sums within each bin. */
struct calibration_grades {
    double n[CALIBRATION_BINS], breaches[CALIBRATION_BINS];
    double p[CALIBRATION_BINS], logit[CALIBRATION_BINS];
};

struct calibration {
    uint64_t definition; /* of the watch; 0 for a model */
    struct calibration_grades past, newest;
    double a, b;                    /* fitted to `past` */
    bool in_force;                  /* it did better in the newest trial */
    uint64_t trials;                /* so far */
    double brier_raw, brier_mapped; /* of the newest trial */
    uint64_t events;                /* breaches, each counted once */
    fw_ms newest_breach;
    bool changed; /* not stored yet; not stored itself */
};

/* Before use: the map that changes nothing. */
void calibration_init(struct calibration *c, uint64_t definition);

/* A graded prediction: what was said, uncorrected, and whether it came. */
void calibration_add(struct calibration *c, double probability, bool breach,
                     fw_ms breached_at);

/* True where there is enough of its own past to be judged by. */
bool calibration_is_old_enough(const struct calibration *c);

/* The corrected probability; `p` itself where the map is not in force. */
double calibration_map(const struct calibration *c, double p);

/* ---- Table `calibrations` of meta/, by watch or "model:" and name ---- */

/* FW_NONE where there is none or it cannot be read. */
FW_CHECK fw_rc calibration_get(struct fw_txn *txn, struct fw_str key,
                               struct calibration *out, struct fw_err *err);
FW_CHECK fw_rc calibration_put(struct fw_txn *txn, struct fw_str key,
                               const struct calibration *c, struct fw_err *err);

#endif
