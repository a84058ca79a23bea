/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * watcher.c - the watches of a configuration, kept, looked at and stored.
 *
 * One thread does it all: a look is mostly a query and a forecast, and those
 * bring their own workers. Whatever a look changes is committed at once and
 * together: scores, new predictions, states, and the notifications that tell
 * of them. Until then the news waits with its series (teller.h), word of our
 * own in outgoing.h; how a series is stored stands in watch_books.h.
 */
#include "server/alert/watcher.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/alert/alert_series.h"
#include "server/alert/follow.h"
#include "server/alert/look.h"
#include "server/alert/outgoing.h"
#include "server/alert/page_budget.h"
#include "server/alert/record_codec.h"
#include "server/alert/store_sight.h"
#include "server/alert/teller.h"
#include "server/alert/testing.h"
#include "server/alert/watch_books.h"
#include "server/alert/watch_load.h"
#include "server/alert/watch_news.h"
#include "server/stepper.h"
#include "storage/base/limits.h"
#include "storage/base/log.h"

#define PRUNE_EVERY FW_HOUR
#define PRUNE_ROUNDS 64
#define LONGEST_WAIT FW_MINUTE

struct watcher {
    struct watcher_options o;
    struct watcher_sight sight;
    struct store_sight own_sight;
    struct watching *watches; /* owned */
    struct testing testing;
    struct calibration_pool pools[CALIBRATION_POOLS];
    struct teller teller;
    struct alert_series alert_series;
    struct outgoing outgoing;
    struct fw_txn *loading; /* while the watches are loaded */
    fw_ms pruned_at;
    _Atomic uint64_t looks, failures, series, active, predictions, scores;
    _Atomic uint64_t backtests_refused, bytes;
    struct stepper stepper;
};

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
        outgoing_keep(&w->outgoing, rc, &body, watch->name, now);
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
    for (size_t i = 0; rc == FW_OK && i < g->count; i++)
        rc = books_series(books, txn, g, g->series[i], now, err);
    if (rc == FW_OK)
        rc = totals_put(txn, fw_str_of(g->watch->name), &books->totals, err);
    if (rc == FW_OK)
        rc = store_calibrations(w, g, txn, err);
    if (rc == FW_OK)
        rc = store_standing(w, txn, g, now, books, err);
    if (rc == FW_OK)
        rc = budgets_store(txn, &w->teller.budgets, now, err);
    if (rc == FW_OK)
        rc = outgoing_store(&w->outgoing, txn, dropped, err);
    return fw_txn_end(txn, rc, err);
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
    size_t before = w->outgoing.count, waiting, dropped = 0;
    fw_rc rc = store_all(w, g, now, &books, &dropped, err);

    if (rc != FW_OK) {
        /* Word of a standing that was not stored is not sent either. */
        outgoing_cut(&w->outgoing, before);
        return rc;
    }
    waiting = w->outgoing.count;
    if (books.settled)
        fw_log(FW_LOG_WARN, "watch '%s' is now %s (was %s): %s; owner %s",
               g->watch->name, standing_name(books.standing.state),
               standing_name(g->standing.state), books.why, g->watch->owner);
    g->totals = books.totals;
    g->standing = books.standing;
    budgets_settle(&w->teller.budgets);
    g->calibration.changed = false;
    for (size_t i = 0; i < CALIBRATION_POOLS; i++)
        w->pools[i].calibration.changed = false;
    for (size_t i = 0; i < g->count; i++)
        settle_series(w, g, g->series[i]);
    alert_series_look(&w->alert_series, g, now);
    alert_series_store(&w->alert_series);
    watching_sweep(g, books_forget, now);
    outgoing_cut(&w->outgoing, 0);
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
    struct telling telling = {&w->teller, g};
    struct fw_err err = {0};
    fw_rc rc = look_at(g, &w->sight, now, teller_tell, &telling, &err);

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
    size_t before = w->outgoing.count, dropped = 0;
    struct fw_txn *txn = NULL;
    fw_rc rc = fw_txn_begin(w->o.store, true, &txn, err);

    if (rc != FW_OK)
        return rc;
    rc = budget_tell(txn, &w->teller.budgets, due, now, &body, err);
    outgoing_keep(&w->outgoing, rc, &body, due->owner, now);
    fw_log(FW_LOG_WARN, "digest for %s: %llu predictions were held back",
           due->owner, (unsigned long long)due->held_count);
    budget_empty(due);
    if (rc == FW_OK)
        rc = budgets_store(txn, &w->teller.budgets, now, err);
    if (rc == FW_OK)
        rc = outgoing_store(&w->outgoing, txn, &dropped, err);
    rc = fw_txn_end(txn, rc, err);
    if (rc != FW_OK)
        return rc; /* the body waits in memory for the next commit */
    budgets_settle(&w->teller.budgets);
    if (w->outgoing.count > before && w->o.wake != NULL)
        w->o.wake(w->o.wake_self);
    outgoing_cut(&w->outgoing, 0);
    return FW_OK;
}

static void send_digests(struct watcher *w, fw_ms now)
{
    struct fw_err err = {0};
    struct budget *due;

    while ((due = budget_due(&w->teller.budgets, now)) != NULL)
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

    teller_log(note, "");
    alert_series_end(&w->alert_series, note);
    if (rc == FW_OK)
        rc = news_put(w->loading, note->state->subject,
                      (struct fw_str){record.data, record.len}, &err);
    if (rc != FW_OK)
        fw_log(FW_LOG_ERROR, "the end of an alert cannot be told: %s",
               err.text);
    atomic_fetch_add(&w->teller.told, 1);
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
    w->teller.store = w->o.store;
    w->teller.sight = &w->sight;
    w->outgoing.webhooks = w->o.webhooks;
    w->outgoing.webhook_count = w->o.webhook_count;
    w->teller.budgets.per_day = w->o.page_budget;
    w->teller.budgets.digest = w->o.page_digest;
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
        rc = budgets_load(txn, &w->teller.budgets, err);
    if (rc == FW_OK)
        rc = outgoing_store(&w->outgoing, txn, &dropped, err);
    rc = fw_txn_end(txn, rc, err);
    if (rc != FW_OK)
        goto out;
    outgoing_cut(&w->outgoing, 0);
    alert_series_store(&w->alert_series);
    for (size_t i = 0; i < w->o.watch_count; i++)
        alert_series_resume(&w->alert_series, &w->watches[i]);
out:
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
    budgets_release(&w->teller.budgets);
    alert_series_release(&w->alert_series);
    outgoing_release(&w->outgoing);
    stepper_release(&w->stepper);
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
        .silent = atomic_load(&w->teller.silent),
        .held = atomic_load(&w->teller.held),
        .told = atomic_load(&w->teller.told),
        .forecaster_bytes = atomic_load(&w->bytes),
        .backtests_refused = atomic_load(&w->backtests_refused),
    };
}
