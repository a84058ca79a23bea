/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * action_book.h - what Forewarn does by itself, and the limits of that: what
 * is kept of each action in meta/, and whether it may run now.
 *
 *     actions       name                    -> definition, runs of a day
 *     action_cases  hash of name and alert  -> what was decided for that alert
 */
#ifndef SERVER_ACTION_ACTION_BOOK_H
#define SERVER_ACTION_ACTION_BOOK_H

#include "server/config/config.h"
#include "storage/base/buf.h"
#include "storage/base/limits.h"
#include "storage/storage.h"

#define ACTION_TEXT_BYTES 512

/* Durable; one for each action. */
struct action_book {
    char command[ACTION_TEXT_BYTES]; /* as it is shown */
    char owner[ACTION_TEXT_BYTES], reason[ACTION_TEXT_BYTES];
    char limits[ACTION_TEXT_BYTES];  /* in words */
    char watches[ACTION_TEXT_BYTES]; /* that name it, with commas */
    uint32_t per_hour, per_day;
    bool dry_run;
    fw_ms expires_at;               /* 0: never */
    fw_ms runs[FW_MAX_ACTION_RUNS]; /* of the last day, oldest first */
    size_t run_count;
    uint64_t run_total, held_total, refused_total;
    fw_ms last_at;                /* something was decided; 0: never */
    char last[ACTION_TEXT_BYTES]; /* what */
    uint64_t running;             /* the case that runs now; 0: none */
};

enum action_verdict {
    ACTION_GO,
    ACTION_WAIT,  /* not now; while the alert lasts it may */
    ACTION_REFUSE /* not for this alert */
};

/* What an alert looks like to an action. */
struct action_case {
    fw_ms now;
    bool predicted; /* the breach is not there yet */
    bool unproven;  /* of a watch on trial */
    bool silenced;
    bool acknowledged;
};

/*
 * May it run? `why` gets a sentence without a full stop unless it may. Runs
 * older than a day are forgotten.
 */
enum action_verdict action_judge(const struct config_action *action,
                                 struct action_book *book,
                                 const struct action_case *candidate,
                                 char why[ACTION_TEXT_BYTES]);

/* So many of the runs were within `span` before now. */
size_t action_runs_within(const struct action_book *book, fw_ms span,
                          fw_ms now);

/* One more run, at `now`. */
void action_count(struct action_book *book, fw_ms now);

/* What the configuration says goes into the book; counts stay. */
void action_define(struct action_book *book, const struct config_action *action,
                   const struct config *config);

/* ---- In meta/ ---- */

/* FW_NONE where it never was: *out is empty then. */
FW_CHECK fw_rc action_book_get(struct fw_txn *txn, struct fw_str name,
                               struct action_book *out, struct fw_err *err);
FW_CHECK fw_rc action_book_put(struct fw_txn *txn, struct fw_str name,
                               const struct action_book *book,
                               struct fw_err *err);
/* Removes the actions that the configuration does not name any more. */
FW_CHECK fw_rc action_books_keep(struct fw_txn *txn,
                                 const struct config *config,
                                 struct fw_err *err);
/* All, by name, until it answers false. */
typedef bool (*action_book_each)(void *self, struct fw_str name,
                                 const struct action_book *book);
FW_CHECK fw_rc action_books_each(struct fw_txn *txn, action_book_each each,
                                 void *self, struct fw_err *err);

/*
 * Adds what is done for a watch, in words: "clean (/bin/clean; 2 an hour, one
 * at a time; owner ops)". Nothing where there is nothing.
 */
FW_CHECK fw_rc action_words(struct fw_txn *txn, const char *watch,
                            struct fw_buf *out, struct fw_err *err);

enum action_decided { ACTION_UNDECIDED, ACTION_HELD, ACTION_DONE };

/* The case of an action and an alert that began at `starts_at`. */
uint64_t action_case_id(const char *action, uint64_t alert, fw_ms starts_at);
FW_CHECK fw_rc action_case_get(struct fw_txn *txn, uint64_t id,
                               enum action_decided *out, struct fw_err *err);
FW_CHECK fw_rc action_case_put(struct fw_txn *txn, uint64_t id,
                               enum action_decided decided, fw_ms now,
                               struct fw_err *err);
/* Forgets cases decided before `before`. */
FW_CHECK fw_rc action_cases_prune(struct fw_txn *txn, fw_ms before,
                                  struct fw_err *err);

#endif
