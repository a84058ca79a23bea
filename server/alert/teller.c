/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "server/alert/teller.h"

#include <stdlib.h>

#include "server/action/action_book.h"
#include "server/alert/card.h"
#include "server/alert/follow.h"
#include "server/alert/record_codec.h"
#include "server/alert/watch_news.h"
#include "storage/base/limits.h"
#include "storage/base/log.h"

/* What is to be told of a series waits with it until it is stored. */
static void keep_news(struct teller *r, struct watched *s,
                      const struct alert_note *note)
{
    struct fw_buf record = FW_BUF_INIT(FW_MAX_RECORD_BYTES);
    struct fw_err err = {0};

    if (news_write(note, &record, &err) != FW_OK) {
        fw_log(FW_LOG_ERROR, "%s", err.text);
        fw_buf_release(&record);
        return;
    }
    free(s->news);
    s->news = record.data;
    s->news_n = record.len;
    atomic_fetch_add(&r->told, 1);
}

void teller_log(const struct alert_note *note, const char *silent)
{
    struct fw_buf text = FW_BUF_INIT(65536);
    enum fw_log_level level =
        note->change == ALERT_TO_PENDING || note->change == ALERT_TO_QUIET
            ? FW_LOG_DEBUG
            : FW_LOG_WARN;

    if (alert_note_sentence(note, &text) == FW_OK)
        fw_log(level, "alert %s; owner %s%s%s", text.data, note->watch->owner,
               silent[0] != '\0' ? "; told nobody: " : "", silent);
    fw_buf_release(&text);
}

/* What is done by itself, for the card; NULL: nothing, or it is not known. */
static const char *actions_of(const struct teller *r, const char *watch,
                              struct fw_arena *arena)
{
    struct fw_buf words = FW_BUF_INIT(65536);
    struct fw_txn *txn = NULL;
    const char *text = NULL;

    if (fw_txn_begin(r->store, false, &txn, NULL) != FW_OK)
        return NULL;
    if (action_words(txn, watch, &words, NULL) == FW_OK && words.len > 0)
        text = fw_arena_strndup(arena, words.data, words.len);
    fw_txn_abort(txn);
    fw_buf_release(&words);
    return text;
}

/* The card of an alert that is told; without one it is told all the same. */
static const struct card *write_card(const struct teller *r,
                                     const struct watching *g,
                                     const struct watched *s,
                                     const struct alert_note *note,
                                     struct fw_arena *arena)
{
    struct card *card = fw_arena_calloc(arena, 1, sizeof(*card));
    const struct fw_forecast_series *foreseen = s->foreseen;
    struct fw_forecast_series *made = NULL;
    char why[STANDING_WHY_BYTES];
    struct card_input in = {.watch = g->watch,
                            .labels = &s->labels,
                            .state = &s->state,
                            .now = note->now,
                            .watch_record = note->record,
                            .standing = &g->standing,
                            .standing_why = why};

    if (foreseen == NULL && r->sight->fetch != NULL &&
        follow_forecast(g, s, r->sight, note->now, arena, &made, NULL) == FW_OK)
        foreseen = made;
    if (card == NULL || foreseen == NULL || foreseen->forecast == NULL)
        return NULL;
    in.forecast = foreseen->forecast;
    in.current = foreseen->current;
    in.current_at = foreseen->current_at;
    in.spacing = foreseen->spacing;
    (void)standing_earned(&g->standing, NULL, g->watch, note->now, why);
    in.calibration = &g->calibration;
    in.actions = actions_of(r, g->watch->name, arena);
    return card_write(&in, arena, card, NULL) == FW_OK ? card : NULL;
}

/* Beyond the budget of its owner a prediction waits for the digest. */
static bool within_budget(struct teller *r, const struct alert_note *note)
{
    const char *owner = note->watch->owner;
    struct fw_buf text = FW_BUF_INIT(65536);
    bool takes = budget_takes(&r->budgets, owner, note->now);

    if (!takes &&
        (alert_note_sentence(note, &text) != FW_OK ||
         budget_hold(&r->budgets, owner, text.data, note->now) != FW_OK))
        fw_log(FW_LOG_WARN, "the digest for %s has no room for '%s'", owner,
               note->watch->name);
    if (!takes)
        atomic_fetch_add(&r->held, 1);
    fw_buf_release(&text);
    return takes;
}

/* Notes in the state of the series what it was told. */
static bool may_tell(struct telling *t, struct watched *s,
                     const struct alert_note *note)
{
    enum told told = s->state.told;
    fw_ms told_at = s->state.told_at;

    if (!standing_tells(t->watching->standing.state, &s->state, note->change,
                        note->now, t->watching->watch->horizon))
        return false;
    if (note->change != ALERT_TO_FIRING || told != TOLD_NOBODY ||
        within_budget(t->teller, note))
        return true;
    /* Nobody heard of it: its breach will be news. */
    s->state.told = told;
    s->state.told_at = told_at;
    return false;
}

void teller_tell(void *self, struct watched *s, const struct alert_note *note,
                 struct fw_arena *arena)
{
    struct telling *t = self;
    struct alert_note whole = *note;

    enum standing_state state = t->watching->standing.state;
    uint64_t held = atomic_load(&t->teller->held);
    bool tells = may_tell(t, s, note);
    bool passing =
        note->change == ALERT_TO_PENDING || note->change == ALERT_TO_QUIET;

    totals_record(&t->watching->totals, &whole.record);
    teller_log(&whole, tells || passing ? ""
                       : held != atomic_load(&t->teller->held)
                           ? "page budget"
                           : standing_name(state));
    if (tells) {
        whole.card = write_card(t->teller, t->watching, s, &whole, arena);
        keep_news(t->teller, s, &whole);
    }
    if (!tells && !passing)
        atomic_fetch_add(&t->teller->silent, 1);
    if (note->change == ALERT_TO_RESOLVED)
        s->state.told = TOLD_NOBODY;
}
