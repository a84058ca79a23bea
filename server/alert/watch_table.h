/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * watch_table.h - what a running server knows of its watches, kept in meta/ so
 * that a command needs the data folder alone: the definitions in force, and
 * per watched series where its alert stands and what was last forecast.
 */
#ifndef SERVER_ALERT_WATCH_TABLE_H
#define SERVER_ALERT_WATCH_TABLE_H

#include "server/alert/alert_state.h"
#include "server/alert/ledger.h"
#include "server/config/config.h"

/* What the newest look foresaw. */
struct outlook {
    fw_ms at;  /* 0: never looked */
    bool told; /* else `reason` says why not */
    double probability;
    fw_ms p10, p50, p90;
    enum fw_reason reason;
    char model[MODEL_NAME_BYTES];
    double extreme[EXTREME_QUANTILES]; /* see extreme.h; NaN: not asked */
};

/* What somebody was told of the present alert of a series. */
enum told {
    TOLD_NOBODY,
    TOLD,
    TOLD_UNPROVEN /* labelled record="unproven" */
};

/* All that is kept of one watched series. */
struct watched_state {
    uint32_t subject;
    struct alert alert;
    struct observed observed;
    struct outlook outlook;
    fw_ms routine_at; /* newest routine prediction */
    enum told told;
    fw_ms told_at; /* when an alert of it was last told as new; 0: never */
    struct peaks peaks;
};

/* What the record of a watch is about; another number, another record. */
uint64_t watch_definition(const struct config_watch *watch);

/*
 * Makes the table of definitions hold exactly these. Watches that are no longer
 * there are dropped from it, not from the ledger.
 */
FW_CHECK fw_rc watch_table_set(struct fw_txn *txn,
                               const struct config_watch *watches, size_t n,
                               struct fw_err *err);

/* All definitions, by name; everything lives in `arena`. */
FW_CHECK fw_rc watch_table_all(struct fw_txn *txn, struct fw_arena *arena,
                               struct config_watch **out, size_t *count,
                               struct fw_err *err);

FW_CHECK fw_rc watched_put(struct fw_txn *txn, const struct watched_state *s,
                           struct fw_err *err);
FW_CHECK fw_rc watched_delete(struct fw_txn *txn, uint32_t subject,
                              struct fw_err *err);

/*
 * All states, by subject; the array lives in `arena`. One that cannot be read
 * is left out and counted in *damaged.
 */
FW_CHECK fw_rc watched_all(struct fw_txn *txn, struct fw_arena *arena,
                           struct watched_state **out, size_t *count,
                           size_t *damaged, struct fw_err *err);

#endif
