/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * runner.c - from an alert to a program, with an entry of the audit log for
 * each run and each refusal.
 *
 * That an action begins is stored before it does: a program that has half done
 * its work must not be started again because the server ended meanwhile. So it
 * runs at most once for an alert, and the log says if its end is not known.
 */
#include "server/action/runner.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/action/action_book.h"
#include "server/alert/watch_news.h"
#include "server/audit/audit.h"
#include "server/dispatch/dispatch_json.h"
#include "server/notify/command.h"
#include "server/notify/silence.h"
#include "server/stepper.h"
#include "storage/base/log.h"

#define STEP_MS 1000
#define ARENA_BYTES ((size_t)1 << 28)
#define KEEP_CASES (90 * FW_DAY)

struct runner {
    struct runner_options o;
    fw_ms pruned_at;
    bool failing; /* said so in the log already */
    struct stepper stepper;
};

/* An action and an alert that it may be for. */
struct turn {
    const struct config_action *action;
    const struct news *news;
    uint64_t id;
    fw_ms now;
};

/* ---- one alert ---- */

static fw_rc audit_turn(struct fw_txn *txn, const struct turn *t,
                        const char *act, const char *reason, const char *after,
                        struct fw_err *err)
{
    struct fw_buf what = FW_BUF_INIT(FW_MAX_AUDIT_TEXT);
    struct audit_entry entry = {.at = t->now,
                                .actor = FW_STR("forewarn"),
                                .owner = fw_str_of(t->action->owner),
                                .act = fw_str_of(act),
                                .reason = fw_str_of(reason),
                                .after = fw_str_of(after)};
    fw_rc rc = fw_buf_printf(&what, "%s for ", t->action->name);

    if (rc == FW_OK)
        rc = fw_labels_print(&what, &t->news->labels);
    if (rc != FW_OK)
        rc = fw_err_set(err, rc, "an entry of the audit log is too long");
    entry.what = (struct fw_str){what.data, what.len};
    if (rc == FW_OK)
        rc = audit_add(txn, &entry, err);
    fw_buf_release(&what);
    return rc;
}

static void note(struct action_book *book, fw_ms now, const char *text)
{
    book->last_at = now;
    (void)snprintf(book->last, sizeof(book->last), "%s", text);
}

/* What was decided, in one transaction with its entry. */
static fw_rc decide(struct runner *r, const struct turn *t,
                    struct action_book *book, enum action_verdict verdict,
                    const char *why, struct fw_err *err)
{
    struct fw_str said =
        fw_labels_get(&t->news->annotations, FW_STR("summary"));
    char reason[1024], last[ACTION_TEXT_BYTES];
    struct fw_txn *txn = NULL;
    fw_rc rc = fw_txn_begin(r->o.store, true, &txn, err);

    if (rc != FW_OK)
        return rc;
    (void)snprintf(reason, sizeof(reason), "%.*s",
                   (int)(said.n > 900 ? 900 : said.n), said.p);
    if (verdict == ACTION_GO) {
        action_count(book, t->now);
        book->running = t->action->dry_run ? 0 : t->id;
        note(book, t->now, t->action->dry_run ? "dry run" : "begun");
        rc = audit_turn(txn, t, "action-run", reason, book->last, err);
    } else {
        (void)snprintf(last, sizeof(last), "%s: %.480s",
                       verdict == ACTION_WAIT ? "held" : "refused", why);
        note(book, t->now, last);
        if (verdict == ACTION_WAIT)
            book->held_total++;
        else
            book->refused_total++;
        rc = audit_turn(
            txn, t, verdict == ACTION_WAIT ? "action-held" : "action-refused",
            why, reason, err);
    }
    if (rc == FW_OK)
        rc = action_case_put(txn, t->id,
                             verdict == ACTION_WAIT ? ACTION_HELD : ACTION_DONE,
                             t->now, err);
    if (rc == FW_OK)
        rc = action_book_put(txn, fw_str_of(t->action->name), book, err);
    return fw_txn_end(txn, rc, err);
}

static fw_rc write_payload(const struct turn *t, struct fw_buf *out)
{
    struct dispatch_alert alert = {&t->news->labels, &t->news->annotations,
                                   t->news->starts_at, 0, t->news};
    struct dispatch_notice notice = {.labels = &t->news->labels,
                                     .external_url = "",
                                     .alerts = &alert,
                                     .count = 1};

    return dispatch_json(&notice, out);
}

static bool run_command(const struct runner *r,
                        const struct config_command *command,
                        struct fw_str payload, struct fw_err *err)
{
    if (r->o.run != NULL)
        return r->o.run(r->o.self, command, payload, err);
    return command_run(command, payload, err) == WEBHOOK_DELIVERED;
}

static fw_rc end_run(struct runner *r, const struct turn *t, const char *how,
                     struct fw_err *err)
{
    struct action_book book;
    struct fw_txn *txn = NULL;
    fw_rc rc = fw_txn_begin(r->o.store, true, &txn, err);

    if (rc != FW_OK)
        return rc;
    rc = action_book_get(txn, fw_str_of(t->action->name), &book, err);
    if (rc == FW_NONE)
        action_define(&book, t->action, r->o.config);
    book.running = 0;
    note(&book, fw_clock_now(r->o.clock), how);
    if (rc >= 0)
        rc = audit_turn(txn, t, "action-ended", "it was begun", how, err);
    if (rc == FW_OK)
        rc = action_book_put(txn, fw_str_of(t->action->name), &book, err);
    return fw_txn_end(txn, rc, err);
}

static fw_rc run(struct runner *r, const struct turn *t, struct fw_err *err)
{
    struct fw_buf payload = FW_BUF_INIT(FW_MAX_RECORD_BYTES);
    struct fw_err why = {0};
    char how[ACTION_TEXT_BYTES] = "it succeeded";
    fw_rc rc = write_payload(t, &payload);

    if (rc != FW_OK)
        (void)snprintf(how, sizeof(how), "it failed: no memory for its input");
    else if (!run_command(r, &t->action->command,
                          (struct fw_str){payload.data, payload.len}, &why))
        (void)snprintf(how, sizeof(how), "it failed: %.480s", why.text);
    fw_buf_release(&payload);
    fw_log(rc == FW_OK && why.text[0] == '\0' ? FW_LOG_INFO : FW_LOG_WARN,
           "action '%s' was run: %s", t->action->name, how);
    return end_run(r, t, how, err);
}

/* ---- all of them ---- */

static bool names(const struct config *config, const struct news *n,
                  const char *action)
{
    struct fw_str name = fw_labels_get(&n->labels, FW_STR("alertname"));

    for (size_t w = 0; w < config->watch_count; w++) {
        const struct config_watch *watch = &config->watches[w];

        if (!fw_str_eq(name, fw_str_of(watch->name)))
            continue;
        for (size_t i = 0; i < watch->action_count; i++)
            if (strcmp(watch->actions[i], action) == 0)
                return true;
    }
    return false;
}

static struct action_case case_of(struct runner *r, const struct turn *t,
                                  bool acknowledged)
{
    const struct news *n = t->news;

    return (struct action_case){
        .now = t->now,
        .predicted = n->state == NEWS_PREDICTED,
        .unproven = fw_str_eq(fw_labels_get(&n->labels, FW_STR("record")),
                              FW_STR("unproven")),
        .silenced = silence_covers(r->o.store, &n->labels, t->now),
        .acknowledged = acknowledged};
}

/* FW_END: something was run, and the alerts may have changed meanwhile. */
static fw_rc take_turn(struct runner *r, const struct turn *t,
                       enum action_decided decided, bool acknowledged,
                       struct action_book *book, struct fw_err *err)
{
    struct action_case alert = case_of(r, t, acknowledged);
    char why[ACTION_TEXT_BYTES];
    enum action_verdict verdict = action_judge(t->action, book, &alert, why);
    fw_rc rc;

    if (verdict == ACTION_WAIT && decided == ACTION_HELD)
        return FW_OK; /* the log says so already */
    rc = decide(r, t, book, verdict, why, err);
    if (rc != FW_OK || verdict != ACTION_GO || t->action->dry_run)
        return rc;
    rc = run(r, t, err);
    return rc == FW_OK ? FW_END : rc;
}

static fw_rc look_at_one(struct runner *r, const struct config_action *action,
                         const struct news *n, fw_ms now, struct fw_err *err)
{
    struct turn t = {action, n,
                     action_case_id(action->name, n->id, n->starts_at), now};
    enum action_decided decided = ACTION_DONE;
    struct action_book book;
    struct fw_txn *txn = NULL;
    struct ack ack;
    bool acknowledged = false;
    fw_rc rc = fw_txn_begin(r->o.store, false, &txn, err);

    if (rc != FW_OK)
        return rc;
    rc = action_case_get(txn, t.id, &decided, err);
    if (rc == FW_OK && decided != ACTION_DONE) {
        rc = ack_get(txn, silence_fingerprint(&n->labels), n->starts_at, &ack,
                     err);
        acknowledged = rc == FW_OK;
        if (rc >= 0)
            rc = action_book_get(txn, fw_str_of(action->name), &book, err);
    }
    fw_txn_abort(txn);
    if (rc < 0 || decided == ACTION_DONE)
        return rc < 0 ? rc : FW_OK;
    if (rc == FW_NONE)
        action_define(&book, action, r->o.config);
    return take_turn(r, &t, decided, acknowledged, &book, err);
}

static fw_rc read_news(struct runner *r, struct fw_arena *arena,
                       struct news **out, size_t *count, struct fw_err *err)
{
    struct fw_txn *txn = NULL;
    fw_rc rc = fw_txn_begin(r->o.store, false, &txn, err);

    if (rc == FW_OK)
        rc = news_all(txn, arena, out, count, err);
    fw_txn_abort(txn);
    return rc;
}

static fw_rc step(struct runner *r, fw_ms now, struct fw_err *err)
{
    const struct config *c = r->o.config;
    struct fw_arena *arena = fw_arena_new(ARENA_BYTES);
    struct news *news = NULL;
    size_t count = 0;
    fw_rc rc;

    if (arena == NULL)
        return fw_err_set(err, FW_ENOMEM, "out of memory");
    rc = read_news(r, arena, &news, &count, err);
    for (size_t i = 0; rc == FW_OK && i < count; i++)
        for (size_t a = 0; rc == FW_OK && a < c->action_count; a++)
            if ((news[i].state == NEWS_PREDICTED ||
                 news[i].state == NEWS_BREACHED) &&
                names(c, &news[i], c->actions[a].name))
                rc = look_at_one(r, &c->actions[a], &news[i], now, err);
    fw_arena_free(arena);
    return rc < 0 ? rc : FW_OK;
}

static fw_rc prune(struct runner *r, fw_ms now, struct fw_err *err)
{
    struct fw_txn *txn = NULL;
    fw_rc rc;

    if (now - r->pruned_at < FW_DAY && now >= r->pruned_at)
        return FW_OK;
    r->pruned_at = now;
    rc = fw_txn_begin(r->o.store, true, &txn, err);
    if (rc == FW_OK)
        rc = action_cases_prune(txn, now - KEEP_CASES, err);
    return fw_txn_end(txn, rc, err);
}

void runner_step(struct runner *r)
{
    fw_ms now = fw_clock_now(r->o.clock);
    struct fw_err err = {0};
    fw_rc rc = prune(r, now, &err);

    if (rc == FW_OK)
        rc = step(r, now, &err);
    if (rc != FW_OK && !r->failing)
        fw_log(FW_LOG_ERROR, "actions cannot be run: %s", err.text);
    r->failing = rc != FW_OK;
}

/* ---- its life ---- */

/* The books say what the configuration says; what was cut off is told. */
static fw_rc define(struct runner *r, struct fw_txn *txn, struct fw_err *err)
{
    const struct config *c = r->o.config;
    fw_rc rc = action_books_keep(txn, c, err);

    for (size_t i = 0; rc >= 0 && i < c->action_count; i++) {
        struct action_book book;
        struct audit_entry entry = {
            .at = fw_clock_now(r->o.clock),
            .actor = FW_STR("forewarn"),
            .owner = fw_str_of(c->actions[i].owner),
            .act = FW_STR("action-ended"),
            .what = fw_str_of(c->actions[i].name),
            .reason = FW_STR("the server ended while it ran"),
            .after = FW_STR("how it ended is not known; it is not run again")};

        rc = action_book_get(txn, fw_str_of(c->actions[i].name), &book, err);
        if (rc < 0)
            break;
        action_define(&book, &c->actions[i], c);
        if (book.running != 0)
            rc = audit_add(txn, &entry, err);
        book.running = 0;
        if (rc >= 0)
            rc =
                action_book_put(txn, fw_str_of(c->actions[i].name), &book, err);
    }
    return rc < 0 ? rc : FW_OK;
}

fw_rc runner_open(const struct runner_options *options, struct runner **out,
                  struct fw_err *err)
{
    struct runner *r = calloc(1, sizeof(*r));
    struct fw_txn *txn = NULL;
    fw_rc rc;

    if (r == NULL)
        return fw_err_set(err, FW_ENOMEM, "out of memory");
    r->o = *options;
    if (r->o.clock == NULL)
        r->o.clock = fw_clock_system();
    stepper_init(&r->stepper);
    rc = fw_txn_begin(r->o.store, true, &txn, err);
    if (rc == FW_OK)
        rc = define(r, txn, err);
    rc = fw_txn_end(txn, rc, err);
    if (rc == FW_OK)
        *out = r;
    else
        runner_close(r);
    return rc;
}

fw_rc runner_clear(struct fw_store *store, struct fw_err *err)
{
    const struct config none = {0};
    struct fw_txn *txn = NULL;
    fw_rc rc = fw_txn_begin(store, true, &txn, err);

    if (rc == FW_OK)
        rc = action_books_keep(txn, &none, err);
    return fw_txn_end(txn, rc, err);
}

void runner_close(struct runner *r)
{
    if (r == NULL)
        return;
    stepper_release(&r->stepper);
    free(r);
}

static fw_ms step_and_wait(void *self)
{
    runner_step(self);
    return STEP_MS;
}

fw_rc runner_start(const struct runner_options *options, struct runner **out,
                   struct fw_err *err)
{
    struct runner *r = NULL;
    struct stepper_task task = {
        .name = "actions", .step = step_and_wait, .longest = STEP_MS};
    fw_rc rc = runner_open(options, &r, err);

    if (rc != FW_OK)
        return rc;
    task.self = r;
    rc = stepper_start(&r->stepper, &task, 1, err);
    if (rc == FW_OK)
        *out = r;
    else
        runner_close(r);
    return rc;
}

void runner_stop(struct runner *r)
{
    if (r == NULL)
        return;
    stepper_stop(&r->stepper);
    runner_close(r);
}
