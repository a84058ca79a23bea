/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * watcher.c - the watches of a configuration, kept, looked at and stored.
 *
 * One thread does it all: a look is mostly a query and a forecast, and those
 * bring their own workers. Whatever a look changes is committed at once and
 * together: scores, new predictions, states, and the notifications that tell
 * of them. Until then the notifications wait in memory (`outgoing`).
 */
#include "server/alert/watcher.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/action/action_book.h"
#include "server/alert/alert_series.h"
#include "server/alert/card.h"
#include "server/alert/follow.h"
#include "server/alert/look.h"
#include "server/alert/page_budget.h"
#include "server/alert/record_codec.h"
#include "server/alert/store_sight.h"
#include "server/alert/testing.h"
#include "server/alert/watch_load.h"
#include "server/alert/watch_news.h"
#include "server/notify/outbox.h"
#include "server/stepper.h"
#include "storage/base/limits.h"
#include "storage/base/log.h"

#define MAX_OUTGOING 10000 /* notes that wait for a disk to take them */
#define PRUNE_EVERY FW_HOUR
#define PRUNE_ROUNDS 64
#define FORGET_AFTER FW_DAY /* a series that has gone quiet and is settled */
#define LONGEST_WAIT FW_MINUTE

/* Word of our own to the receivers (alerts are told by the dispatcher). */
struct outgoing {
    char *payload; /* owned */
    size_t n;
    fw_ms created_at;
};

struct watcher {
    struct watcher_options o;
    struct watcher_sight sight;
    struct store_sight own_sight;
    struct watching *watches; /* owned */
    struct testing testing;
    struct calibration_pool pools[CALIBRATION_POOLS];
    struct budgets budgets;
    struct alert_series alert_series;
    struct outgoing *outgoing; /* owned */
    size_t outgoing_count, outgoing_cap;
    struct fw_txn *loading; /* while the watches are loaded */
    fw_ms pruned_at;
    _Atomic uint64_t looks, failures, series, active, predictions, scores;
    _Atomic uint64_t silent, held, backtests_refused, bytes, told;
    struct stepper stepper;
};

/* ---- telling
 * ---------------------------------------------------------------------- */

/* Takes the body; `rc` is what building it gave. */
static void keep_body(struct watcher *w, fw_rc rc, struct fw_buf *body,
                      const char *watch, fw_ms now)
{
    if (rc == FW_OK && w->o.webhook_count == 0) {
        fw_buf_release(body);
        return;
    }
    if (rc == FW_OK)
        rc = fw_grow(&w->outgoing, &w->outgoing_cap, w->outgoing_count + 1,
                     sizeof(*w->outgoing), MAX_OUTGOING);
    if (rc != FW_OK) {
        fw_log(FW_LOG_ERROR,
               "a notification of '%s' is lost: too many wait "
               "for the disk, or memory ran out",
               watch);
        fw_buf_release(body);
        return;
    }
    w->outgoing[w->outgoing_count++] =
        (struct outgoing){body->data, body->len, now};
}

/* What is to be told of a series waits with it until it is stored. */
static void keep_news(struct watcher *w, struct watched *s,
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
    atomic_fetch_add(&w->told, 1);
}

/* `silent`: nobody is told, and the log says so. */
static void log_change(const struct alert_note *note, const char *silent)
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

struct telling {
    struct watcher *w;
    struct watching *g;
};

/* What is done by itself, for the card; NULL: nothing, or it is not known. */
static const char *actions_of(const struct watcher *w, const char *watch,
                              struct fw_arena *arena)
{
    struct fw_buf words = FW_BUF_INIT(65536);
    struct fw_txn *txn = NULL;
    const char *text = NULL;

    if (fw_txn_begin(w->o.store, false, &txn, NULL) != FW_OK)
        return NULL;
    if (action_words(txn, watch, &words, NULL) == FW_OK && words.len > 0)
        text = fw_arena_strndup(arena, words.data, words.len);
    fw_txn_abort(txn);
    fw_buf_release(&words);
    return text;
}

/* The card of an alert that is told; without one it is told all the same. */
static const struct card *write_card(const struct watcher *w,
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

    if (foreseen == NULL && w->sight.fetch != NULL &&
        follow_forecast(g, s, &w->sight, note->now, arena, &made, NULL) ==
            FW_OK)
        foreseen = made;
    if (card == NULL || foreseen == NULL || foreseen->forecast == NULL)
        return NULL;
    in.forecast = foreseen->forecast;
    in.current = foreseen->current;
    in.current_at = foreseen->current_at;
    in.spacing = foreseen->spacing;
    (void)standing_earned(&g->standing, NULL, g->watch, note->now, why);
    in.calibration = &g->calibration;
    in.actions = actions_of(w, g->watch->name, arena);
    return card_write(&in, arena, card, NULL) == FW_OK ? card : NULL;
}

/* Beyond the budget of its owner a prediction waits for the digest. */
static bool within_budget(struct watcher *w, const struct alert_note *note)
{
    const char *owner = note->watch->owner;
    struct fw_buf text = FW_BUF_INIT(65536);
    bool takes = budget_takes(&w->budgets, owner, note->now);

    if (!takes &&
        (alert_note_sentence(note, &text) != FW_OK ||
         budget_hold(&w->budgets, owner, text.data, note->now) != FW_OK))
        fw_log(FW_LOG_WARN, "the digest for %s has no room for '%s'", owner,
               note->watch->name);
    if (!takes)
        atomic_fetch_add(&w->held, 1);
    fw_buf_release(&text);
    return takes;
}

/* Notes in the state of the series what it was told. */
static bool may_tell(struct telling *t, struct watched *s,
                     const struct alert_note *note)
{
    enum told told = s->state.told;
    fw_ms told_at = s->state.told_at;

    if (!standing_tells(t->g->standing.state, &s->state, note->change,
                        note->now, t->g->watch->horizon))
        return false;
    if (note->change != ALERT_TO_FIRING || told != TOLD_NOBODY ||
        within_budget(t->w, note))
        return true;
    /* Nobody heard of it: its breach will be news. */
    s->state.told = told;
    s->state.told_at = told_at;
    return false;
}

static void tell(void *self, struct watched *s, const struct alert_note *note,
                 struct fw_arena *arena)
{
    struct telling *t = self;
    struct alert_note whole = *note;

    enum standing_state state = t->g->standing.state;
    uint64_t held = atomic_load(&t->w->held);
    bool tells = may_tell(t, s, note);
    bool passing =
        note->change == ALERT_TO_PENDING || note->change == ALERT_TO_QUIET;

    totals_record(&t->g->totals, &whole.record);
    log_change(&whole, tells || passing ? ""
                       : held != atomic_load(&t->w->held)
                           ? "page budget"
                           : standing_name(state));
    if (tells) {
        whole.card = write_card(t->w, t->g, s, &whole, arena);
        keep_news(t->w, s, &whole);
    }
    if (!tells && !passing)
        atomic_fetch_add(&t->w->silent, 1);
    if (note->change == ALERT_TO_RESOLVED)
        s->state.told = TOLD_NOBODY;
}

/* ---- storing
 * ------------------------------------------------------------------------ */

static void log_score(const struct watching *g, const struct watched *s,
                      const struct prediction *p, const struct score *score)
{
    struct fw_buf name = FW_BUF_INIT(65536);
    char span[FW_DURATION_TEXT_BYTES];

    if (p->kind != PREDICTION_ALERT ||
        alert_note_name(g->watch, &s->labels, &name) != FW_OK)
        goto out;
    if (score->outcome == OUTCOME_BREACH) {
        (void)fw_format_span(span, score->breached_at - p->made_at);
        fw_log(FW_LOG_INFO, "score %s: right, %s ahead", name.data, span);
    } else if (score->outcome == OUTCOME_NONE) {
        (void)fw_format_span(span, p->horizon);
        fw_log(FW_LOG_INFO, "score %s: false alarm, no breach came within %s",
               name.data, span);
    } else {
        fw_log(FW_LOG_INFO, "score %s: void, its input was missing", name.data);
    }
out:
    fw_buf_release(&name);
}

/* What is worked out beside the present before it is committed. */
struct books {
    struct totals totals;
    struct standing standing;
    bool settled; /* the standing changed; `why` says why */
    char why[STANDING_WHY_BYTES];
};

static fw_rc store_scores(struct fw_txn *txn, struct watched *s,
                          struct books *books, struct fw_err *err)
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

static fw_rc store_series(struct fw_txn *txn, const struct watching *g,
                          struct watched *s, fw_ms now, struct books *books,
                          struct fw_err *err)
{
    fw_rc rc = FW_OK;

    if (!s->known)
        rc = ledger_subject(txn, fw_str_of(g->watch->name), &s->labels, true,
                            &s->state.subject, err);
    if (rc == FW_OK)
        rc = store_scores(txn, s, books, err);
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

static fw_rc store_outgoing(struct watcher *w, struct fw_txn *txn,
                            size_t *dropped, struct fw_err *err)
{
    fw_rc rc = FW_OK;

    for (size_t i = 0; i < w->outgoing_count; i++)
        for (size_t k = 0; rc == FW_OK && k < w->o.webhook_count; k++) {
            struct note note = {
                .url = fw_str_of(w->o.webhooks[k].url),
                .created_at = w->outgoing[i].created_at,
                .payload = {w->outgoing[i].payload, w->outgoing[i].n},
            };
            size_t one = 0;

            rc = outbox_add(txn, &note, &one, err);
            *dropped += one;
        }
    return rc;
}

static bool forgotten(const struct watched *s, fw_ms now)
{
    fw_ms newest = s->state.observed.last_at;

    if (newest < s->state.outlook.at)
        newest = s->state.outlook.at;
    return s->known && s->open_count == 0 && !s->has_claim && s->news == NULL &&
           s->state.alert.phase == ALERT_INACTIVE &&
           now - newest > FORGET_AFTER;
}

/* The standing that the books give, and word of it to the owner. */
static fw_rc store_standing(struct watcher *w, struct fw_txn *txn,
                            const struct watching *g, fw_ms now,
                            struct books *books, struct fw_err *err)
{
    const struct config_watch *watch = g->watch;
    struct fw_buf body = FW_BUF_INIT(FW_MAX_RECORD_BYTES / 2);
    fw_rc rc = standing_settle(txn, watch, &books->standing, now,
                               &books->settled, books->why, err);

    if (rc == FW_OK && books->settled) {
        rc = standing_tell(txn, watch, g->standing.state, &books->standing,
                           books->why, &body, err);
        keep_body(w, rc, &body, watch->name, now);
    }
    if (rc == FW_OK)
        rc = standing_put(txn, fw_str_of(watch->name), &books->standing, err);
    return rc;
}

static fw_rc store_calibrations(const struct watcher *w,
                                const struct watching *g, struct fw_txn *txn,
                                struct fw_err *err)
{
    fw_rc rc = FW_OK;

    if (g->calibration.changed)
        rc = calibration_put(txn, fw_str_of(g->watch->name), &g->calibration,
                             err);
    for (size_t i = 0; rc == FW_OK && i < CALIBRATION_POOLS; i++) {
        char key[MODEL_NAME_BYTES + 8];

        if (!w->pools[i].calibration.changed)
            continue;
        (void)snprintf(key, sizeof(key), "model:%s", w->pools[i].model);
        rc =
            calibration_put(txn, fw_str_of(key), &w->pools[i].calibration, err);
    }
    return rc;
}

static fw_rc store_all(struct watcher *w, struct watching *g, fw_ms now,
                       struct books *books, size_t *dropped, struct fw_err *err)
{
    struct fw_txn *txn = NULL;
    fw_rc rc = fw_txn_begin(w->o.store, true, &txn, err);

    if (rc != FW_OK)
        return rc;
    for (size_t i = 0; rc == FW_OK && i < g->count; i++) {
        struct watched *s = g->series[i];

        if (forgotten(s, now))
            rc = watched_delete(txn, s->state.subject, err);
        else
            rc = store_series(txn, g, s, now, books, err);
    }
    if (rc == FW_OK)
        rc = totals_put(txn, fw_str_of(g->watch->name), &books->totals, err);
    if (rc == FW_OK)
        rc = store_calibrations(w, g, txn, err);
    if (rc == FW_OK)
        rc = store_standing(w, txn, g, now, books, err);
    if (rc == FW_OK)
        rc = budgets_store(txn, &w->budgets, now, err);
    if (rc == FW_OK)
        rc = store_outgoing(w, txn, dropped, err);
    return fw_txn_end(txn, rc, err);
}

static void clear_outgoing(struct watcher *w)
{
    for (size_t i = 0; i < w->outgoing_count; i++)
        free(w->outgoing[i].payload);
    w->outgoing_count = 0;
}

/*
 * Routine predictions teach the calibration of the watch and of the model;
 * that is stored with the next look.
 */
static void learn(struct watcher *w, struct watching *g,
                  const struct prediction *p, const struct score *score)
{
    bool breach = score->outcome == OUTCOME_BREACH;
    struct calibration_pool *pool;

    if (p->kind != PREDICTION_ROUTINE || score->outcome == OUTCOME_VOID)
        return;
    calibration_add(&g->calibration, p->raw, breach, score->breached_at);
    pool = p->model[0] != '\0' ? calibration_pool_of(w->pools, p->model, true)
                               : NULL;
    if (pool != NULL)
        calibration_add(&pool->calibration, p->raw, breach, score->breached_at);
}

/* Where there is none, or it is of another question, it begins anew. */
static fw_rc load_calibrations(struct watcher *w, struct fw_txn *txn,
                               struct fw_err *err)
{
    fw_rc rc = FW_OK;

    for (size_t i = 0; rc >= 0 && i < w->o.watch_count; i++) {
        struct watching *g = &w->watches[i];
        struct calibration stored;

        g->pools = w->pools;
        g->as_said = w->o.as_said;
        rc = calibration_get(txn, fw_str_of(g->watch->name), &stored, err);
        if (rc == FW_OK && stored.definition == g->totals.definition)
            g->calibration = stored;
    }
    return rc < 0 ? rc : calibration_pools_load(txn, w->pools, err);
}

/* What was committed is settled in memory too. */
static void settle_series(struct watcher *w, struct watching *g,
                          struct watched *s)
{
    s->known = true;
    s->missed = false;
    for (size_t i = 0; i < s->open_count; i++)
        if (s->scores[i].outcome != OUTCOME_OPEN) {
            log_score(g, s, &s->open[i], &s->scores[i]);
            learn(w, g, &s->open[i], &s->scores[i]);
            atomic_fetch_add(&w->scores, 1);
        }
    watched_forget_scored(s);
    /* Past the cap a prediction stays open in the ledger until a restart. */
    if (s->has_routine && watched_add_open(s, &s->routine) == FW_OK)
        atomic_fetch_add(&w->predictions, 1);
    if (s->has_claim && watched_add_open(s, &s->claim) == FW_OK)
        atomic_fetch_add(&w->predictions, 1);
    s->has_routine = s->has_claim = false;
    free(s->news);
    s->news = NULL;
}

static fw_rc store_look(struct watcher *w, struct watching *g, fw_ms now,
                        struct fw_err *err)
{
    struct books books = {.totals = g->totals, .standing = g->standing};
    size_t before = w->outgoing_count, waiting, dropped = 0;
    fw_rc rc = store_all(w, g, now, &books, &dropped, err);

    if (rc != FW_OK) {
        /* Word of a standing that was not stored is not sent either. */
        while (w->outgoing_count > before)
            free(w->outgoing[--w->outgoing_count].payload);
        return rc;
    }
    waiting = w->outgoing_count;
    if (books.settled)
        fw_log(FW_LOG_WARN, "watch '%s' is now %s (was %s): %s; owner %s",
               g->watch->name, standing_name(books.standing.state),
               standing_name(g->standing.state), books.why, g->watch->owner);
    g->totals = books.totals;
    g->standing = books.standing;
    budgets_settle(&w->budgets);
    g->calibration.changed = false;
    for (size_t i = 0; i < CALIBRATION_POOLS; i++)
        w->pools[i].calibration.changed = false;
    for (size_t i = 0; i < g->count; i++)
        settle_series(w, g, g->series[i]);
    alert_series_look(&w->alert_series, g, now);
    alert_series_store(&w->alert_series);
    watching_sweep(g, forgotten, now);
    clear_outgoing(w);
    if (dropped > 0)
        fw_log(FW_LOG_ERROR,
               "the outbox is full: %zu of the oldest notifications dropped",
               dropped);
    if (waiting > 0 && w->o.wake != NULL)
        w->o.wake(w->o.wake_self);
    return FW_OK;
}

/* ---- looking
 * -------------------------------------------------------------------------- */

static void look_once(struct watcher *w, struct watching *g, fw_ms now)
{
    struct telling telling = {w, g};
    struct fw_err err = {0};
    fw_rc rc = look_at(g, &w->sight, now, tell, &telling, &err);

    if (rc == FW_OK)
        rc = store_look(w, g, now, &err);
    atomic_fetch_add(&w->looks, 1);
    if (rc != FW_OK) {
        atomic_fetch_add(&w->failures, 1);
        if (!g->failing)
            fw_log(FW_LOG_ERROR, "watch '%s' cannot be looked at: %s",
                   g->watch->name, err.text);
    } else if (g->failing) {
        fw_log(FW_LOG_INFO, "watch '%s' can be looked at again",
               g->watch->name);
    }
    g->failing = rc != FW_OK;
}

/* What was held back goes out together, and is forgotten with that. */
static fw_rc send_digest(struct watcher *w, struct budget *due, fw_ms now,
                         struct fw_err *err)
{
    struct fw_buf body = FW_BUF_INIT(FW_MAX_RECORD_BYTES / 2);
    size_t before = w->outgoing_count, dropped = 0;
    struct fw_txn *txn = NULL;
    fw_rc rc = fw_txn_begin(w->o.store, true, &txn, err);

    if (rc != FW_OK)
        return rc;
    rc = budget_tell(txn, &w->budgets, due, now, &body, err);
    keep_body(w, rc, &body, due->owner, now);
    fw_log(FW_LOG_WARN, "digest for %s: %llu predictions were held back",
           due->owner, (unsigned long long)due->held_count);
    budget_empty(due);
    if (rc == FW_OK)
        rc = budgets_store(txn, &w->budgets, now, err);
    if (rc == FW_OK)
        rc = store_outgoing(w, txn, &dropped, err);
    rc = fw_txn_end(txn, rc, err);
    if (rc != FW_OK)
        return rc; /* the body waits in memory for the next commit */
    budgets_settle(&w->budgets);
    if (w->outgoing_count > before && w->o.wake != NULL)
        w->o.wake(w->o.wake_self);
    clear_outgoing(w);
    return FW_OK;
}

static void send_digests(struct watcher *w, fw_ms now)
{
    struct fw_err err = {0};
    struct budget *due;

    while ((due = budget_due(&w->budgets, now)) != NULL)
        if (send_digest(w, due, now, &err) != FW_OK) {
            fw_log(FW_LOG_ERROR, "a digest is not stored yet: %s", err.text);
            return;
        }
}

/* Between looks: new watches earn their standing from the past. */
static bool test_one(struct watcher *w)
{
    struct watching *done;
    struct fw_err err = {0};
    fw_ms now = fw_clock_now(w->o.clock);
    bool busy = w->o.backtest > 0 &&
                testing_step(&w->testing, w->watches, w->o.watch_count,
                             &w->sight, w->o.backtest, now, &done);

    if (!busy || done == NULL)
        return busy;
    atomic_store(&w->backtests_refused, w->testing.refused);
    fw_log(FW_LOG_INFO,
           "watch '%s' would have been right %llu times, wrong %llu times and "
           "missed %llu breaches in the stored past",
           done->watch->name, (unsigned long long)done->standing.tested_right,
           (unsigned long long)done->standing.tested_false,
           (unsigned long long)done->standing.tested_missed);
    if (store_look(w, done, now, &err) != FW_OK)
        fw_log(FW_LOG_ERROR, "the standing of watch '%s' is not stored yet: %s",
               done->watch->name, err.text);
    return true;
}

static void prune(struct watcher *w, fw_ms now)
{
    struct fw_err err = {0};
    size_t removed = 1, old_news = 0;
    fw_rc rc = FW_OK;

    w->pruned_at = now;
    for (int i = 0; rc == FW_OK && removed > 0 && i < PRUNE_ROUNDS; i++) {
        struct fw_txn *txn = NULL;

        removed = 0;
        rc = fw_txn_begin(w->o.store, true, &txn, &err);
        if (rc != FW_OK)
            break;
        rc = ledger_prune(txn, now - w->o.retention, 512, &removed, &err);
        if (rc == FW_OK && i == 0)
            rc = news_prune(txn, now, &old_news, &err);
        removed += old_news;
        old_news = 0;
        if (rc == FW_OK && removed > 0)
            rc = fw_txn_commit(txn, &err);
        else
            fw_txn_abort(txn);
    }
    if (rc != FW_OK)
        fw_log(FW_LOG_ERROR, "old predictions cannot be removed: %s", err.text);
}

static void count_series(struct watcher *w)
{
    uint64_t series = 0, active = 0, bytes = 0;

    for (size_t i = 0; i < w->o.watch_count; i++) {
        series += w->watches[i].count;
        bytes += follow_bytes(&w->watches[i]);
        for (size_t k = 0; k < w->watches[i].count; k++)
            if (alert_is_active(&w->watches[i].series[k]->state.alert))
                active++;
    }
    atomic_store(&w->series, series);
    atomic_store(&w->active, active);
    atomic_store(&w->bytes, bytes);
}

fw_ms watcher_step(struct watcher *w)
{
    uint64_t next = UINT64_MAX, mono = 0;
    bool looked = false;
    fw_ms now;

    for (size_t i = 0; i < w->o.watch_count && !stepper_stopping(&w->stepper);
         i++) {
        struct watching *g = &w->watches[i];

        mono = fw_clock_mono_ns(w->o.clock);
        if (g->due_ns <= mono) {
            look_once(w, g, fw_clock_now(w->o.clock));
            g->due_ns += (uint64_t)g->watch->interval * 1000000;
            if (g->due_ns <= mono) /* the first one, or we fell behind */
                g->due_ns = mono + (uint64_t)g->watch->interval * 1000000;
            looked = true;
        }
        if (g->due_ns < next)
            next = g->due_ns;
    }
    if (looked)
        count_series(w);
    now = fw_clock_now(w->o.clock);
    send_digests(w, now);
    if (now - w->pruned_at > PRUNE_EVERY || now < w->pruned_at)
        prune(w, now);
    mono = fw_clock_mono_ns(w->o.clock);
    if (next > mono && test_one(w))
        return 0;
    if (next == UINT64_MAX)
        return LONGEST_WAIT;
    return next <= mono ? 0 : (fw_ms)((next - mono + 999999) / 1000000);
}

/* ---- its life
 * ------------------------------------------------------------------------ */

static void settle_gone(void *self, const struct alert_note *note)
{
    struct watcher *w = self;
    struct fw_buf record = FW_BUF_INIT(FW_MAX_RECORD_BYTES);
    struct fw_err err = {0};
    fw_rc rc = news_write(note, &record, &err);

    log_change(note, "");
    alert_series_end(&w->alert_series, note);
    if (rc == FW_OK)
        rc = news_put(w->loading, note->state->subject,
                      (struct fw_str){record.data, record.len}, &err);
    if (rc != FW_OK)
        fw_log(FW_LOG_ERROR, "the end of an alert cannot be told: %s",
               err.text);
    atomic_fetch_add(&w->told, 1);
    fw_buf_release(&record);
}

fw_rc watcher_open(const struct watcher_options *options, struct watcher **out,
                   struct fw_err *err)
{
    struct watcher *w = calloc(1, sizeof(*w));
    struct fw_txn *txn = NULL;
    size_t dropped = 0;
    fw_rc rc;

    if (w == NULL)
        return fw_err_set(err, FW_ENOMEM, "out of memory");
    w->o = *options;
    if (w->o.clock == NULL)
        w->o.clock = fw_clock_system();
    if (w->o.retention == 0)
        w->o.retention = FW_RETENTION_MS;
    alert_series_init(&w->alert_series, w->o.store);
    store_sight_init(&w->own_sight, w->o.store, w->o.clock);
    w->sight = options->sight != NULL ? *options->sight
                                      : store_sight_of(&w->own_sight);
    w->pruned_at = fw_clock_now(w->o.clock);
    w->budgets.per_day = w->o.page_budget;
    w->budgets.digest = w->o.page_digest;
    stepper_init(&w->stepper);
    w->watches = calloc(w->o.watch_count + 1, sizeof(*w->watches));
    if (w->watches == NULL) {
        rc = fw_err_set(err, FW_ENOMEM, "out of memory");
        goto out;
    }
    for (size_t i = 0; i < w->o.watch_count; i++)
        watching_init(&w->watches[i], &w->o.watches[i]);
    rc = fw_txn_begin(w->o.store, true, &txn, err);
    if (rc != FW_OK)
        goto out;
    w->loading = txn;
    rc = watch_load(txn, w->watches, w->o.watch_count, fw_clock_now(w->o.clock),
                    settle_gone, w, err);
    if (rc == FW_OK)
        rc = load_calibrations(w, txn, err);
    if (rc == FW_OK)
        rc = budgets_load(txn, &w->budgets, err);
    if (rc == FW_OK)
        rc = store_outgoing(w, txn, &dropped, err);
    if (rc == FW_OK) {
        rc = fw_txn_commit(txn, err);
        txn = NULL;
    }
    if (rc != FW_OK)
        goto out;
    clear_outgoing(w);
    alert_series_store(&w->alert_series);
    for (size_t i = 0; i < w->o.watch_count; i++)
        alert_series_resume(&w->alert_series, &w->watches[i]);
out:
    fw_txn_abort(txn);
    if (rc == FW_OK)
        *out = w;
    else
        watcher_close(w);
    return rc;
}

void watcher_close(struct watcher *w)
{
    if (w == NULL)
        return;
    for (size_t i = 0; w->watches != NULL && i < w->o.watch_count; i++)
        watching_release(&w->watches[i]);
    testing_release(&w->testing);
    budgets_release(&w->budgets);
    alert_series_release(&w->alert_series);
    clear_outgoing(w);
    stepper_release(&w->stepper);
    free(w->outgoing);
    free(w->watches);
    free(w);
}

static fw_ms step(void *self)
{
    return watcher_step(self);
}

fw_rc watcher_start(const struct watcher_options *options, struct watcher **out,
                    struct fw_err *err)
{
    struct watcher *w = NULL;
    struct stepper_task task = {
        .name = "watcher", .step = step, .longest = LONGEST_WAIT};
    fw_rc rc = watcher_open(options, &w, err);

    if (rc != FW_OK)
        return rc;
    task.self = w;
    rc = stepper_start(&w->stepper, &task, 1, err);
    if (rc == FW_OK)
        *out = w;
    else
        watcher_close(w);
    return rc;
}

void watcher_stop(struct watcher *w)
{
    if (w == NULL)
        return;
    stepper_stop(&w->stepper);
    watcher_close(w);
}

void watcher_stats(struct watcher *w, struct watcher_stats *out)
{
    *out = (struct watcher_stats){
        .looks = atomic_load(&w->looks),
        .failures = atomic_load(&w->failures),
        .series = atomic_load(&w->series),
        .active = atomic_load(&w->active),
        .predictions = atomic_load(&w->predictions),
        .scores = atomic_load(&w->scores),
        .silent = atomic_load(&w->silent),
        .held = atomic_load(&w->held),
        .told = atomic_load(&w->told),
        .forecaster_bytes = atomic_load(&w->bytes),
        .backtests_refused = atomic_load(&w->backtests_refused),
    };
}
