/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * watcher.h - looks at every watch when it is due: what happened since, what
 * is foreseen now, which predictions can be graded, which alerts change.
 */
#ifndef SERVER_ALERT_WATCHER_H
#define SERVER_ALERT_WATCHER_H

#include "server/alert/alert_note.h"
#include "server/config/config.h"

/*
 * Where answers come from: query and predict over the store, unless a test
 * hands in its own. Both give series with their labels; results live in the
 * arena.
 */
struct watcher_sight {
    /* The values of `expr` at from, from + step, ... up to `to`. */
    fw_rc (*observe)(void *self, struct fw_str expr, fw_ms from, fw_ms to,
                     fw_ms step, struct fw_arena *arena,
                     struct fw_result *result, struct fw_err *err);
    /* As fw_forecast_fetch(): what the watched series are followed by. */
    fw_rc (*fetch)(void *self, struct fw_str expr, fw_ms span, fw_ms history,
                   const struct fw_forecast_options *options,
                   struct fw_arena *arena, struct fw_result *result,
                   struct fw_err *err);
    /* As fw_forecast_expr(), for tests that dictate answers; else NULL. */
    fw_rc (*foresee)(void *self, struct fw_str expr, fw_ms history,
                     const struct fw_forecast_options *options,
                     struct fw_arena *arena, struct fw_forecast_series **out,
                     size_t *count, struct fw_err *err);
    void *self;
};

struct watcher_options {
    struct fw_store *store;             /* borrowed */
    const struct fw_clock *clock;       /* NULL: the system's */
    const struct config_watch *watches; /* borrowed */
    size_t watch_count;
    const struct config_webhook *webhooks; /* who hears of standings, digests */
    size_t webhook_count;
    fw_ms retention;      /* of scored predictions; 0: the default */
    uint32_t page_budget; /* predicted pages a day and owner; 0: any number */
    fw_ms page_digest;    /* after which those held back are told together */
    fw_ms backtest;       /* past that new watches are tested over; 0: none */
    const struct watcher_sight *sight; /* NULL: the store's */
    bool as_said; /* probabilities are not corrected; for tests */
    /* Called after a commit that put something in the outbox. May be NULL. */
    void (*wake)(void *self);
    void *wake_self;
};

struct watcher_stats {
    uint64_t looks;
    uint64_t failures; /* looks that could not be finished */
    uint64_t series;   /* watched now */
    uint64_t active;   /* alerts firing or breached now */
    uint64_t predictions, scores;
    uint64_t forecaster_bytes;  /* memory of what is followed */
    uint64_t held;              /* predictions beyond a page budget */
    uint64_t silent;            /* changes that were not told */
    uint64_t told;              /* changes given to the dispatcher */
    uint64_t backtests_refused; /* FW_MAX_BACKTEST_SERIES struck */
};

struct watcher;

/*
 * Stores the definitions, loads the states, settles what belongs to watches
 * that are gone or were changed. No thread yet: for tests and watcher_start.
 */
FW_CHECK fw_rc watcher_open(const struct watcher_options *options,
                            struct watcher **out, struct fw_err *err);
void watcher_close(struct watcher *watcher);

/*
 * Looks at every watch that is due and returns how long until the next one is,
 * in ms of the monotonic clock. Failures are logged, not returned: a watch that
 * cannot be looked at must not keep the others from it.
 */
fw_ms watcher_step(struct watcher *watcher);

/* The same on a thread of its own, until watcher_stop(). */
FW_CHECK fw_rc watcher_start(const struct watcher_options *options,
                             struct watcher **out, struct fw_err *err);
void watcher_stop(struct watcher *watcher);

/* Any thread. */
void watcher_stats(struct watcher *watcher, struct watcher_stats *out);

#endif
