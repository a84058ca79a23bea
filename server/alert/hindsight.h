/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * hindsight.h - what a watch would have done over the stored past.
 *
 * The watch is looked at as if it were then, again and again, each look seeing
 * only what is older than it; what it saw and foresaw is kept, and then asked
 * at any threshold of probability: which alerts would there have been, which
 * of them right? So one replay answers for all thresholds, by the same rules
 * (alert_state) that a live watch follows.
 *
 * Looks are further apart than live ones (see hindsight_step_of), so an alert
 * comes up to two of these steps later than it would in life: the answer errs
 * to the watch's disadvantage.
 */
#ifndef SERVER_ALERT_HINDSIGHT_H
#define SERVER_ALERT_HINDSIGHT_H

#include "server/alert/watching.h"

struct hindsight_options {
    const struct config_watch *watch; /* borrowed */
    struct watcher_sight sight;
    fw_ms from, to;    /* the first look and the end */
    fw_ms step;        /* between looks; 0: hindsight_step_of() */
    size_t max_series; /* FW_ETOOBIG past it; 0: FW_MAX_FORECAST_SERIES */
};

struct hindsight;

/* A 24th of the horizon, no less than the interval, 2,000 looks at most. */
fw_ms hindsight_step_of(const struct config_watch *watch, fw_ms from, fw_ms to);

/* As much of `most` as can be gone through at that step. */
fw_ms hindsight_span(const struct config_watch *watch, fw_ms most);

FW_CHECK fw_rc hindsight_new(const struct hindsight_options *options,
                             struct hindsight **out, struct fw_err *err);
/*
 * One look. FW_END after the last, FW_ETOOBIG when there are more series than
 * asked for, or why it could not look.
 */
FW_CHECK fw_rc hindsight_look(struct hindsight *replay, struct fw_err *err);
void hindsight_free(struct hindsight *replay);

/* How far it is, for progress: looks made, of how many. */
void hindsight_progress(const struct hindsight *replay, size_t *made,
                        size_t *all);

/* One alert that would have been. */
struct hindsight_claim {
    const struct fw_labels *labels; /* live as long as the replay */
    fw_ms made_at;
    double probability;
    fw_ms p50;
    enum outcome outcome; /* OPEN: its horizon reaches past the end */
    fw_ms breached_at;    /* 0 without one */
};

struct hindsight_verdict {
    double probability; /* the threshold */
    uint64_t right, false_alarms, missed, voided, open;
    fw_ms median_lead; /* of right ones; -1: none */
    double per_week;   /* alerts, over all series */
};

/*
 * What would have been at this threshold; `recover` keeps its distance to it.
 * `claims` (may be NULL) gets at most `most`, in order of time; *count how many
 * there are. FW_ENOMEM.
 */
FW_CHECK fw_rc hindsight_judge(const struct hindsight *replay,
                               double probability,
                               struct hindsight_verdict *out,
                               struct hindsight_claim *claims, size_t most,
                               size_t *count, struct fw_err *err);

/* How far its probabilities can be believed. */
struct hindsight_belief {
    uint64_t predictions; /* taken 24 to a horizon, as live ones */
    double brier;         /* NaN: none */
    double base_rate;     /* share of them with a breach in their horizon */
    struct totals_bin bins[TOTALS_BINS];
};
void hindsight_believe(const struct hindsight *replay,
                       struct hindsight_belief *out);

/* Series seen, and the time for which they had values, in all. */
void hindsight_seen(const struct hindsight *replay, size_t *series,
                    fw_ms *watched);

/*
 * The lowest threshold (in hundredths, from 0.5 on) with at most `most` false
 * alarms in 30 days over all series; FW_NONE if there is none below 1.
 */
FW_CHECK fw_rc hindsight_choose(const struct hindsight *replay, double most,
                                struct hindsight_verdict *out,
                                struct fw_err *err);

#endif
