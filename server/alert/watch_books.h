/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * watch_books.h - what a look changed, put into the tables of meta/.
 *
 * Totals and standing are worked out beside those of the present and take
 * their place only after the commit, so that a look that cannot be stored
 * leaves everything as it was.
 */
#ifndef SERVER_ALERT_WATCH_BOOKS_H
#define SERVER_ALERT_WATCH_BOOKS_H

#include "server/alert/watching.h"

struct books {
    struct totals totals;
    struct standing standing;
    bool settled; /* the standing changed; `why` says why */
    char why[STANDING_WHY_BYTES];
};

/*
 * Scores, new predictions, news and the state of one series; of one that has
 * gone quiet and is settled (books_forget) the state goes away instead.
 */
FW_CHECK fw_rc books_series(struct books *books, struct fw_txn *txn,
                            const struct watching *watching,
                            struct watched *series, fw_ms now,
                            struct fw_err *err);

/* Whether nothing more is to be known about the series. */
bool books_forget(const struct watched *series, fw_ms now);

#endif
