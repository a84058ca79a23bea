/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "server/action/action_book.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/alert/record_codec.h"
#include "server/dispatch/dispatch_hold.h"
#include "storage/base/hash.h"

#define T_ACTIONS "actions"
#define T_CASES "action_cases"
#define ACTION_VERSION 1
#define CASE_VERSION 1
#define MAX_PRUNED 10000

/* ---- judging ---- */

size_t action_runs_within(const struct action_book *b, fw_ms span, fw_ms now)
{
    size_t n = 0;

    for (size_t i = 0; i < b->run_count; i++)
        n += now - b->runs[i] < span;
    return n;
}

static void forget_old(struct action_book *b, fw_ms now)
{
    size_t kept = 0;

    for (size_t i = 0; i < b->run_count; i++)
        if (now - b->runs[i] < FW_DAY)
            b->runs[kept++] = b->runs[i];
    b->run_count = kept;
}

void action_count(struct action_book *b, fw_ms now)
{
    forget_old(b, now);
    if (b->run_count == FW_MAX_ACTION_RUNS)
        memmove(b->runs, b->runs + 1, --b->run_count * sizeof(*b->runs));
    b->runs[b->run_count++] = now;
    b->run_total++;
}

static bool is_quiet(const struct config_action *a, fw_ms now)
{
    for (size_t i = 0; i < a->quiet_count; i++)
        if (hold_in_window(&a->quiet[i], now))
            return true;
    return false;
}

static enum action_verdict say(char why[ACTION_TEXT_BYTES],
                               enum action_verdict verdict, const char *text)
{
    (void)snprintf(why, ACTION_TEXT_BYTES, "%s", text);
    return verdict;
}

/* What waits is asked first: a budget is for what could have run. */
enum action_verdict action_judge(const struct config_action *a,
                                 struct action_book *b,
                                 const struct action_case *c,
                                 char why[ACTION_TEXT_BYTES])
{
    char when[FW_TIME_TEXT_BYTES];

    forget_old(b, c->now);
    why[0] = '\0';
    if (a->expires_at != 0 && c->now >= a->expires_at) {
        (void)fw_format_second(when, a->expires_at);
        (void)snprintf(why, ACTION_TEXT_BYTES, "it has expired at %s", when);
        return ACTION_REFUSE;
    }
    if (c->silenced)
        return say(why, ACTION_WAIT, "the alert is silenced");
    if (c->predicted && c->unproven)
        return say(why, ACTION_WAIT,
                   "the watch is on trial and the breach only predicted");
    if (a->needs_ack && !c->acknowledged)
        return say(why, ACTION_WAIT, "it waits until somebody acknowledges");
    if (is_quiet(a, c->now))
        return say(why, ACTION_WAIT, "these are its quiet hours");
    if (a->per_hour != 0 &&
        action_runs_within(b, FW_HOUR, c->now) >= a->per_hour) {
        (void)snprintf(why, ACTION_TEXT_BYTES,
                       "it ran %u times in the last hour, which is its budget",
                       a->per_hour);
        return ACTION_REFUSE;
    }
    if (a->per_day != 0 && b->run_count >= a->per_day) {
        (void)snprintf(why, ACTION_TEXT_BYTES,
                       "it ran %u times in the last day, which is its budget",
                       a->per_day);
        return ACTION_REFUSE;
    }
    return ACTION_GO;
}

/* ---- defining ---- */

static void join(char out[ACTION_TEXT_BYTES], const char *text,
                 const char *between)
{
    size_t n = strlen(out);

    (void)snprintf(out + n, ACTION_TEXT_BYTES - n, "%s%s", n > 0 ? between : "",
                   text);
}

static void describe_limits(struct action_book *b,
                            const struct config_action *a)
{
    char text[128], when[FW_TIME_TEXT_BYTES];

    b->limits[0] = '\0';
    if (a->per_hour != 0) {
        (void)snprintf(text, sizeof(text), "%u an hour", a->per_hour);
        join(b->limits, text, ", ");
    }
    if (a->per_day != 0) {
        (void)snprintf(text, sizeof(text), "%u a day", a->per_day);
        join(b->limits, text, ", ");
    }
    join(b->limits, "one at a time", ", ");
    if (a->needs_ack)
        join(b->limits, "after an acknowledgement", ", ");
    for (size_t i = 0; i < a->quiet_count; i++) {
        (void)snprintf(text, sizeof(text), "not from %s to %s UTC",
                       a->quiet[i].from, a->quiet[i].until);
        join(b->limits, text, ", ");
    }
    if (a->expires_at != 0) {
        (void)fw_format_second(when, a->expires_at);
        (void)snprintf(text, sizeof(text), "until %s", when);
        join(b->limits, text, ", ");
    }
    if (a->dry_run)
        join(b->limits, "dry run: nothing is started", ", ");
}

void action_define(struct action_book *b, const struct config_action *a,
                   const struct config *config)
{
    b->command[0] = b->watches[0] = '\0';
    for (size_t i = 0; i < a->command.word_count; i++)
        join(b->command, a->command.words[i], " ");
    (void)snprintf(b->owner, sizeof(b->owner), "%s", a->owner);
    (void)snprintf(b->reason, sizeof(b->reason), "%s", a->reason);
    b->per_hour = a->per_hour;
    b->per_day = a->per_day;
    b->dry_run = a->dry_run;
    b->expires_at = a->expires_at;
    describe_limits(b, a);
    for (size_t w = 0; w < config->watch_count; w++)
        for (size_t i = 0; i < config->watches[w].action_count; i++)
            if (strcmp(config->watches[w].actions[i], a->name) == 0)
                join(b->watches, config->watches[w].name, ", ");
}

/* ---- in meta/ ---- */

static void get_text(struct record_reader *r, char out[ACTION_TEXT_BYTES])
{
    struct fw_str text = record_get_str(r);

    (void)snprintf(out, ACTION_TEXT_BYTES, "%.*s", FW_STR_ARG(text));
}

static bool read_book(struct fw_str bytes, struct action_book *out)
{
    struct record_reader r;
    uint32_t n;

    *out = (struct action_book){0};
    if (record_open(&r, bytes, RECORD_ACTION, ACTION_VERSION, NULL) != FW_OK)
        return false;
    get_text(&r, out->command);
    get_text(&r, out->owner);
    get_text(&r, out->reason);
    get_text(&r, out->limits);
    get_text(&r, out->watches);
    out->per_hour = record_get_u32(&r);
    out->per_day = record_get_u32(&r);
    out->dry_run = record_get_u8(&r) != 0;
    out->expires_at = record_get_ms(&r);
    n = record_get_u32(&r);
    if (n > FW_MAX_ACTION_RUNS)
        return false;
    for (uint32_t i = 0; i < n; i++)
        out->runs[i] = record_get_ms(&r);
    out->run_count = n;
    out->run_total = record_get_u64(&r);
    out->held_total = record_get_u64(&r);
    out->refused_total = record_get_u64(&r);
    out->last_at = record_get_ms(&r);
    get_text(&r, out->last);
    out->running = record_get_u64(&r);
    return record_close(&r, NULL) == FW_OK;
}

fw_rc action_book_get(struct fw_txn *txn, struct fw_str name,
                      struct action_book *out, struct fw_err *err)
{
    struct fw_str bytes;
    fw_rc rc = fw_txn_get(txn, T_ACTIONS, name, &bytes, err);

    *out = (struct action_book){0};
    /* A damaged book begins anew: a day's count is lost, and it is logged. */
    if (rc == FW_OK && !read_book(bytes, out)) {
        *out = (struct action_book){0};
        rc = FW_NONE;
    }
    return rc;
}

fw_rc action_book_put(struct fw_txn *txn, struct fw_str name,
                      const struct action_book *b, struct fw_err *err)
{
    struct fw_buf record = FW_BUF_INIT(FW_MAX_RECORD_BYTES);
    struct record_writer w;
    fw_rc rc;

    record_begin(&w, &record, RECORD_ACTION, ACTION_VERSION);
    record_put_str(&w, fw_str_of(b->command));
    record_put_str(&w, fw_str_of(b->owner));
    record_put_str(&w, fw_str_of(b->reason));
    record_put_str(&w, fw_str_of(b->limits));
    record_put_str(&w, fw_str_of(b->watches));
    record_put_u32(&w, b->per_hour);
    record_put_u32(&w, b->per_day);
    record_put_u8(&w, b->dry_run);
    record_put_ms(&w, b->expires_at);
    record_put_u32(&w, (uint32_t)b->run_count);
    for (size_t i = 0; i < b->run_count; i++)
        record_put_ms(&w, b->runs[i]);
    record_put_u64(&w, b->run_total);
    record_put_u64(&w, b->held_total);
    record_put_u64(&w, b->refused_total);
    record_put_ms(&w, b->last_at);
    record_put_str(&w, fw_str_of(b->last));
    record_put_u64(&w, b->running);
    rc = record_end(&w, err);
    if (rc == FW_OK)
        rc = fw_txn_put(txn, T_ACTIONS, name,
                        (struct fw_str){record.data, record.len}, err);
    fw_buf_release(&record);
    return rc;
}

struct walk {
    action_book_each each;
    void *self;
};

static bool walk_one(void *self, struct fw_str key, struct fw_str value)
{
    struct walk *walk = self;
    struct action_book book;

    return !read_book(value, &book) || walk->each(walk->self, key, &book);
}

fw_rc action_books_each(struct fw_txn *txn, action_book_each each, void *self,
                        struct fw_err *err)
{
    struct walk walk = {each, self};
    fw_rc rc = fw_txn_scan(txn, T_ACTIONS, FW_STR("\0"), walk_one, &walk, err);

    return rc < 0 ? rc : FW_OK;
}

struct wording {
    const char *watch;
    struct fw_buf *out;
    fw_rc rc;
};

static bool is_named(const char *list, const char *name)
{
    size_t n = strlen(name);

    for (const char *at = list; at != NULL;) {
        if (strncmp(at, name, n) == 0 &&
            (at[n] == '\0' || strncmp(at + n, ", ", 2) == 0))
            return true;
        at = strstr(at, ", ");
        if (at != NULL)
            at += 2;
    }
    return false;
}

static bool say_one(void *self, struct fw_str name, const struct action_book *b)
{
    struct wording *w = self;

    if (!is_named(b->watches, w->watch))
        return true;
    w->rc = fw_buf_printf(w->out, "%s%.*s (%s; %s; owner %s)",
                          w->out->len > 0 ? ", " : "", FW_STR_ARG(name),
                          b->command, b->limits, b->owner);
    return w->rc == FW_OK;
}

fw_rc action_words(struct fw_txn *txn, const char *watch, struct fw_buf *out,
                   struct fw_err *err)
{
    struct wording w = {watch, out, FW_OK};
    fw_rc rc = action_books_each(txn, say_one, &w, err);

    if (rc == FW_OK && w.rc != FW_OK)
        rc = fw_err_set(err, w.rc, "the actions cannot be told");
    return rc;
}

struct gone {
    const struct config *config;
    char name[ACTION_TEXT_BYTES]; /* of the first that is gone */
};

static bool find_gone(void *self, struct fw_str name,
                      const struct action_book *book)
{
    struct gone *g = self;

    (void)book;
    for (size_t i = 0; i < g->config->action_count; i++)
        if (fw_str_eq(name, fw_str_of(g->config->actions[i].name)))
            return true;
    (void)snprintf(g->name, sizeof(g->name), "%.*s", FW_STR_ARG(name));
    return false;
}

fw_rc action_books_keep(struct fw_txn *txn, const struct config *config,
                        struct fw_err *err)
{
    fw_rc rc = FW_OK;

    for (int i = 0; rc >= 0 && i < MAX_PRUNED; i++) {
        struct gone g = {.config = config};

        rc = action_books_each(txn, find_gone, &g, err);
        if (rc < 0 || g.name[0] == '\0')
            break;
        rc = fw_txn_delete(txn, T_ACTIONS, fw_str_of(g.name), err);
    }
    return rc < 0 ? rc : FW_OK;
}

/* ---- cases ---- */

uint64_t action_case_id(const char *action, uint64_t alert, fw_ms starts_at)
{
    char text[ACTION_TEXT_BYTES + 64];
    int n = snprintf(text, sizeof(text), "%s\n%llu\n%lld", action,
                     (unsigned long long)alert, (long long)starts_at);

    return fw_hash64(text, (size_t)n, 0);
}

fw_rc action_case_get(struct fw_txn *txn, uint64_t id, enum action_decided *out,
                      struct fw_err *err)
{
    struct record_key key = record_key_u64(id);
    struct record_reader r;
    struct fw_str bytes;
    fw_rc rc = fw_txn_get(txn, T_CASES, record_key_str(&key), &bytes, err);

    *out = ACTION_UNDECIDED;
    if (rc != FW_OK)
        return rc < 0 ? rc : FW_OK;
    /* What cannot be read any more has been decided: nothing runs twice. */
    *out = ACTION_DONE;
    if (record_open(&r, bytes, RECORD_ACTION_CASE, CASE_VERSION, NULL) == FW_OK)
        *out = record_get_u8(&r) == ACTION_HELD ? ACTION_HELD : ACTION_DONE;
    return FW_OK;
}

fw_rc action_case_put(struct fw_txn *txn, uint64_t id,
                      enum action_decided decided, fw_ms now,
                      struct fw_err *err)
{
    struct fw_buf record = FW_BUF_INIT(256);
    struct record_key key = record_key_u64(id);
    struct record_writer w;
    fw_rc rc;

    record_begin(&w, &record, RECORD_ACTION_CASE, CASE_VERSION);
    record_put_u8(&w, (uint8_t)decided);
    record_put_ms(&w, now);
    rc = record_end(&w, err);
    if (rc == FW_OK)
        rc = fw_txn_put(txn, T_CASES, record_key_str(&key),
                        (struct fw_str){record.data, record.len}, err);
    fw_buf_release(&record);
    return rc;
}

struct pruning {
    fw_ms before;
    uint64_t *ids;
    size_t n;
};

static bool find_old(void *self, struct fw_str key, struct fw_str value)
{
    struct pruning *p = self;
    struct record_reader r;

    if (record_open(&r, value, RECORD_ACTION_CASE, CASE_VERSION, NULL) ==
        FW_OK) {
        (void)record_get_u8(&r);
        if (record_get_ms(&r) >= p->before)
            return true;
    }
    if (record_key_read(key, &p->ids[p->n]))
        p->n++;
    return p->n < MAX_PRUNED;
}

fw_rc action_cases_prune(struct fw_txn *txn, fw_ms before, struct fw_err *err)
{
    struct record_key from = record_key_u64(0);
    struct pruning p = {.before = before,
                        .ids = calloc(MAX_PRUNED, sizeof(*p.ids))};
    fw_rc rc;

    if (p.ids == NULL)
        return fw_err_set(err, FW_ENOMEM, "out of memory");
    rc = fw_txn_scan(txn, T_CASES, record_key_str(&from), find_old, &p, err);
    for (size_t i = 0; rc >= 0 && i < p.n; i++) {
        struct record_key key = record_key_u64(p.ids[i]);

        rc = fw_txn_delete(txn, T_CASES, record_key_str(&key), err);
    }
    free(p.ids);
    return rc < 0 ? rc : FW_OK;
}
