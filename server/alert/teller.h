/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * teller.h - what is told of the alerts of watches, and whether it is.
 *
 * A change is told unless the standing of its watch or the page budget of its
 * owner forbids it; what is told comes with a card. The news waits with the
 * series until the look is stored.
 */
#ifndef SERVER_ALERT_TELLER_H
#define SERVER_ALERT_TELLER_H

#include <stdatomic.h>

#include "server/alert/look.h"
#include "server/alert/page_budget.h"

struct teller {
    struct fw_store *store;            /* borrowed */
    const struct watcher_sight *sight; /* borrowed */
    struct budgets budgets;            /* owned */
    _Atomic uint64_t told;             /* changes given to the dispatcher */
    _Atomic uint64_t held;             /* predictions beyond a page budget */
    _Atomic uint64_t silent;           /* changes that were not told */
};

/* Who tells of the series of one watch: `self` of teller_tell(). */
struct telling {
    struct teller *teller;
    struct watching *watching;
};

/* For look_at(): tells of a change, or notes in the log why nobody is told. */
void teller_tell(void *self, struct watched *series,
                 const struct alert_note *note, struct fw_arena *arena);

/* The line of the log for a change. `silent`: why nobody is told, or "". */
void teller_log(const struct alert_note *note, const char *silent);

#endif
