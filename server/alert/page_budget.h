/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * page_budget.h - so many predicted pages a day for each owner.
 *
 * Somebody who is paged all day stops reading. Beyond the budget a prediction
 * is held, and those held come together as one digest. Breaches are never
 * held: what is there is told at once.
 */
#ifndef SERVER_ALERT_PAGE_BUDGET_H
#define SERVER_ALERT_PAGE_BUDGET_H

#include <stdbool.h>
#include <stddef.h>

#include "storage/base/limits.h"
#include "storage/storage.h"

/* Of one owner. */
struct budget {
    char *owner;                     /* owned */
    fw_ms pages[FW_MAX_PAGE_BUDGET]; /* of the last day, oldest first */
    size_t page_count;
    struct fw_buf held; /* a line for each prediction that was held */
    uint64_t held_count;
    fw_ms held_since; /* of the first of them */
    bool changed;     /* not stored yet */
    bool to_audit;    /* that it was exceeded is not in the audit log yet */
};

struct budgets {
    uint32_t per_day; /* 0: no budget, all is told */
    fw_ms digest;     /* the first held waits so long */
    struct budget *v; /* owned */
    size_t n, cap;
};

void budgets_release(struct budgets *b);

/*
 * May a predicted page go to this owner now? If so it is counted. Out of memory
 * lets it go.
 */
bool budget_takes(struct budgets *b, const char *owner, fw_ms now);

/* Keeps the sentence of a prediction that may not go. FW_ENOMEM, FW_ETOOBIG. */
FW_CHECK fw_rc budget_hold(struct budgets *b, const char *owner,
                           const char *sentence, fw_ms now);

/* The next whose digest is due, or NULL. */
struct budget *budget_due(struct budgets *b, fw_ms now);

/*
 * Its digest: among the news, and as the body of a webhook; then
 * budget_empty() once that is stored.
 */
FW_CHECK fw_rc budget_tell(struct fw_txn *txn, const struct budgets *b,
                           const struct budget *one, fw_ms now,
                           struct fw_buf *out, struct fw_err *err);
void budget_empty(struct budget *one);

/* All that changed, and the entries of the audit log that are due. */
FW_CHECK fw_rc budgets_store(struct fw_txn *txn, const struct budgets *b,
                             fw_ms now, struct fw_err *err);
/* What budgets_store() wrote is durable. */
void budgets_settle(struct budgets *b);
FW_CHECK fw_rc budgets_load(struct fw_txn *txn, struct budgets *b,
                            struct fw_err *err);

#endif
