/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "server/alert/watch_books.h"

#include "server/alert/watch_news.h"

#define FORGET_AFTER FW_DAY /* a series that has gone quiet and is settled */

bool books_forget(const struct watched *s, fw_ms now)
{
    fw_ms newest = s->state.observed.last_at;

    if (newest < s->state.outlook.at)
        newest = s->state.outlook.at;
    return s->known && s->open_count == 0 && !s->has_claim && s->news == NULL &&
           s->state.alert.phase == ALERT_INACTIVE &&
           now - newest > FORGET_AFTER;
}

static fw_rc store_scores(struct books *books, struct fw_txn *txn,
                          struct watched *s, struct fw_err *err)
{
    fw_rc rc = FW_OK;

    for (size_t i = 0; rc == FW_OK && i < s->open_count; i++) {
        if (s->values[i].id != 0) {
            rc = ledger_score_value(txn, &s->values[i], err);
            totals_add_value(&books->totals, &s->open[i], &s->values[i]);
        }
        if (rc != FW_OK || s->scores[i].outcome == OUTCOME_OPEN)
            continue;
        rc = ledger_score(txn, &s->scores[i], err);
        totals_add(&books->totals, &s->open[i], &s->scores[i]);
        if (s->open[i].kind == PREDICTION_ALERT &&
            s->scores[i].outcome != OUTCOME_VOID)
            standing_event(&books->standing,
                           s->scores[i].outcome == OUTCOME_BREACH);
    }
    if (s->missed)
        books->totals.missed++;
    return rc;
}

/* A change, or the numbers of now for an alert that somebody was told of. */
static fw_rc store_news(struct fw_txn *txn, const struct watching *g,
                        const struct watched *s, fw_ms now, struct fw_err *err)
{
    const struct alert *alert = &s->state.alert;
    struct alert_note note = {.watch = g->watch,
                              .labels = &s->labels,
                              .state = &s->state,
                              .change = alert->phase == ALERT_BREACHED
                                            ? ALERT_TO_BREACHED
                                            : ALERT_TO_FIRING,
                              .fired_at = alert->fired_at,
                              .now = now};

    if (s->news != NULL)
        return news_put(txn, s->state.subject,
                        (struct fw_str){s->news, s->news_n}, err);
    if (!alert_is_active(alert) || s->state.told == TOLD_NOBODY)
        return FW_OK;
    totals_record(&g->totals, &note.record);
    return news_refresh(txn, &note, s->state.subject, err);
}

fw_rc books_series(struct books *books, struct fw_txn *txn,
                   const struct watching *g, struct watched *s, fw_ms now,
                   struct fw_err *err)
{
    fw_rc rc = FW_OK;

    if (books_forget(s, now))
        return watched_delete(txn, s->state.subject, err);
    if (!s->known)
        rc = ledger_subject(txn, fw_str_of(g->watch->name), &s->labels, true,
                            &s->state.subject, err);
    if (rc == FW_OK)
        rc = store_scores(books, txn, s, err);
    s->routine.subject = s->claim.subject = s->state.subject;
    if (rc == FW_OK && s->has_routine) {
        rc = ledger_add(txn, &s->routine, err);
        s->state.routine_at = s->routine.made_at;
    }
    if (rc == FW_OK && s->has_claim)
        rc = ledger_add(txn, &s->claim, err);
    if (rc == FW_OK)
        rc = store_news(txn, g, s, now, err);
    if (rc == FW_OK)
        rc = watched_put(txn, &s->state, err);
    return rc;
}
