/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * ruler.c - threads that take the group that is due, evaluate it, store what
 * it wrote, and tell Alertmanager what has to be told.
 *
 * A group is evaluated by one thread at a time; its state is changed under its
 * lock, in short pieces, so that readers never wait for a query. What an
 * alert has become is stored in one transaction with the news of it.
 */
#include "server/rules/ruler.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "server/notify/relabel.h"
#include "server/rules/rule_notice.h"
#include "server/rules/rule_table.h"
#include "server/stepper.h"
#include "storage/base/log.h"

#define LONGEST_WAIT (5 * FW_SECOND) /* a clock that is set is seen by then */
#define PRUNE_EVERY FW_HOUR
#define NOTICE_ARENA_BYTES ((size_t)256 << 20)

struct ruler_group {
    struct group_run run;
    struct ruler *r;
    pthread_mutex_t lock;  /* guards `run` where readers look; leaf */
    fw_ms next;            /* wall clock; r->lock */
    bool busy;             /* r->lock */
    int rounds;            /* evaluations since the start; its thread */
    struct fw_batch batch; /* its thread: samples not stored yet */
};

struct ruler {
    struct ruler_options o;
    const struct fw_clock *clock;
    struct fw_label *external; /* owned; of world.external_labels */
    struct relabel *relabel;   /* owned; of world.relabel */
    struct rule_world world;   /* all but the sink */
    struct rule_restore restore;
    struct ruler_group *groups; /* owned */
    size_t count;
    bool fresh;      /* no process before it handed over */
    fw_ms pruned_at; /* lock */
    pthread_mutex_t lock;
    struct stepper stepper;
};

/* ---- where rules write ---- */

static fw_rc store_settle(void *self, struct fw_err *err)
{
    struct ruler_group *g = self;
    struct fw_append_result result = {0};
    fw_rc rc;

    if (g->batch.n == 0)
        return FW_OK;
    rc = fw_store_append(g->r->o.store, &g->batch, &result, err);
    g->batch.n = 0;
    if (rc == FW_OK && result.rc != FW_OK)
        rc = fw_err_set(err, result.rc, "%s", result.err.text);
    return rc;
}

static fw_rc store_add(void *self, const struct fw_labels *labels,
                       uint32_t *series, fw_ms t, double v, struct fw_err *err)
{
    struct ruler_group *g = self;
    uint32_t id = *series - 1;
    fw_rc rc = FW_OK;

    if (*series == 0) {
        rc = fw_store_series(g->r->o.store, labels, &id, err);
        if (rc == FW_OK)
            *series = id + 1;
    }
    if (rc == FW_OK && g->batch.n == FW_MAX_BATCH_SAMPLES)
        rc = store_settle(g, err);
    if (rc == FW_OK)
        rc = fw_batch_add(&g->batch, id, t, v);
    return rc == FW_ENOMEM ? fw_err_set(err, rc, "out of memory") : rc;
}

static void lock_group(void *self)
{
    (void)pthread_mutex_lock(&((struct ruler_group *)self)->lock);
}

static void unlock_group(void *self)
{
    (void)pthread_mutex_unlock(&((struct ruler_group *)self)->lock);
}

static struct rule_world world_of(struct ruler_group *g)
{
    struct rule_world w = g->r->world;

    w.add = store_add;
    w.settle = store_settle;
    w.self = g;
    return w;
}

/* ---- telling ---- */

/* What one evaluation of a group has to store and to tell. */
struct news {
    struct ruler_group *g;
    fw_ms ts;
    struct fw_arena *arena;
    struct manager_alert *alerts;
    size_t count;
};

static size_t count_alerts(const struct group_run *g)
{
    size_t n = 0;

    for (size_t i = 0; i < g->count; i++)
        n += g->rules[i].alert_count;
    return n;
}

/* Only what this evaluation has found: a rule that fails tells nothing. */
static bool has_news(const struct rule_run *r, fw_ms ts)
{
    return !r->failed && r->evaluated_at == ts && r->rule->alerting;
}

/* Nobody else writes the state of a busy group: its own thread reads freely. */
static fw_rc gather(struct news *n, const struct rule_world *w,
                    struct fw_err *err)
{
    const struct group_run *g = &n->g->run;
    fw_rc rc = FW_OK;

    n->alerts =
        fw_arena_calloc(n->arena, count_alerts(g) + 1, sizeof(*n->alerts));
    if (n->alerts == NULL)
        return fw_arena_err(n->arena, err);
    for (size_t i = 0; i < g->count; i++)
        for (size_t k = 0; rc == FW_OK && has_news(&g->rules[i], n->ts) &&
                           k < g->rules[i].alert_count;
             k++) {
            struct rule_alert sent = *g->rules[i].alerts[k];

            if (!rule_alert_is_due(&sent, n->ts, w->resend_delay))
                continue;
            rule_alert_mark_sent(&sent, n->ts, w->resend_delay, g->interval);
            rc = rule_notice_make(&sent, g->rules[i].rule->expr, w, n->ts,
                                  n->arena, &n->alerts[n->count], err);
            if (rc == FW_OK)
                n->count++;
            else if (rc == FW_NONE)
                rc = FW_OK;
        }
    return rc;
}

static void mark_sent(struct news *n, const struct rule_world *w)
{
    struct group_run *g = &n->g->run;

    lock_group(n->g);
    for (size_t i = 0; i < g->count; i++)
        for (size_t k = 0;
             has_news(&g->rules[i], n->ts) && k < g->rules[i].alert_count;
             k++) {
            struct rule_alert *a = g->rules[i].alerts[k];

            if (!rule_alert_is_due(a, n->ts, w->resend_delay))
                continue;
            rule_alert_mark_sent(a, n->ts, w->resend_delay, g->interval);
            a->changed = true;
        }
    unlock_group(n->g);
}

static bool has_changes(const struct group_run *g)
{
    for (size_t i = 0; i < g->count; i++)
        for (size_t k = 0; k < g->rules[i].alert_count; k++)
            if (g->rules[i].alerts[k]->changed &&
                g->rules[i].alerts[k]->state != RULE_PENDING)
                return true;
    return false;
}

static fw_rc store_changes(struct news *n, struct fw_txn *txn,
                           struct fw_err *err)
{
    const struct group_run *g = &n->g->run;
    fw_rc rc =
        managers_store(n->g->r->o.managers, txn, n->alerts, n->count, err);

    for (size_t i = 0; i < g->count; i++)
        for (size_t k = 0; rc == FW_OK && k < g->rules[i].alert_count; k++)
            if (g->rules[i].alerts[k]->changed &&
                g->rules[i].alerts[k]->state != RULE_PENDING)
                rc = rule_table_put(txn, &g->rules[i], g->rules[i].alerts[k],
                                    err);
    return rc;
}

static fw_rc store_news(struct news *n, struct fw_err *err)
{
    struct group_run *g = &n->g->run;
    struct fw_txn *txn = NULL;
    fw_rc rc = fw_txn_begin(n->g->r->o.store, true, &txn, err);

    if (rc == FW_OK)
        rc = store_changes(n, txn, err);
    rc = fw_txn_end(txn, rc, err);
    for (size_t i = 0; rc == FW_OK && i < g->count; i++)
        for (size_t k = 0; k < g->rules[i].alert_count; k++)
            g->rules[i].alerts[k]->changed = false;
    return rc;
}

/*
 * Alerts go out though the disk is full: what cannot be stored is queued in
 * memory all the same, and stored with the next evaluation.
 */
static void tell(struct ruler_group *g, const struct rule_world *w, fw_ms ts)
{
    struct news n = {
        .g = g, .ts = ts, .arena = fw_arena_new(NOTICE_ARENA_BYTES)};
    struct fw_err err = {0};
    fw_rc rc =
        n.arena != NULL ? FW_OK : fw_err_set(&err, FW_ENOMEM, "out of memory");

    if (rc == FW_OK)
        rc = gather(&n, w, &err);
    if (rc == FW_OK)
        mark_sent(&n, w);
    if (rc == FW_OK && (n.count > 0 || has_changes(&g->run)))
        rc = store_news(&n, &err);
    if (rc != FW_OK)
        fw_log(FW_LOG_ERROR, "alerts of group '%s' cannot be stored: %s",
               g->run.group->name, err.text);
    managers_queue(g->r->o.managers, n.alerts, n.count);
    fw_arena_free(n.arena);
}

/* ---- evaluating ---- */

static void evaluate(struct ruler_group *g, fw_ms ts)
{
    struct rule_guard guard = {lock_group, unlock_group, g};
    struct rule_world w = world_of(g);

    group_run_evaluate(&g->run, &w, ts, &guard);
    tell(g, &w, ts);
    if (++g->rounds == 2 && g->r->fresh)
        group_run_restore(&g->run, &w, &g->r->restore,
                          fw_clock_now(g->r->clock), &guard);
}

static void prune(struct ruler *r, fw_ms now)
{
    struct fw_err err = {0};
    struct fw_txn *txn = NULL;
    size_t removed = 0;
    fw_rc rc = fw_txn_begin(r->o.store, true, &txn, &err);

    if (rc == FW_OK)
        rc = rule_table_prune(txn, now, &removed, &err);
    if (rc == FW_OK && removed > 0)
        rc = fw_txn_commit(txn, &err);
    else
        fw_txn_abort(txn);
    if (rc != FW_OK)
        fw_log(FW_LOG_WARN, "old alerts of rules stay in the table: %s",
               err.text);
}

/* The group that has waited longest, marked busy; its instant in *ts. */
static struct ruler_group *take_due_locked(struct ruler *r, fw_ms now,
                                           fw_ms *ts, fw_ms *wait)
{
    struct ruler_group *due = NULL;

    *wait = LONGEST_WAIT;
    for (size_t i = 0; i < r->count; i++) {
        struct ruler_group *g = &r->groups[i];

        if (g->busy)
            continue;
        if (g->next - now > g->run.interval) /* the clock was set back */
            g->next = group_run_slot(&g->run, now) + g->run.interval;
        if (g->next <= now && (due == NULL || g->next < due->next))
            due = g;
        else if (g->next - now < *wait)
            *wait = g->next - now;
    }
    if (due == NULL)
        return NULL;
    *wait = 0;
    *ts = group_run_slot(&due->run, now);
    due->run.missed += (uint64_t)((*ts - due->next) / due->run.interval);
    due->next = *ts + due->run.interval;
    due->busy = true;
    return due;
}

/* Evaluates one group, if one is due; else says how long to wait. */
static bool step_once(struct ruler *r, fw_ms *wait)
{
    fw_ms now = fw_clock_now(r->clock), ts = 0;
    struct ruler_group *g;
    bool old;

    (void)pthread_mutex_lock(&r->lock);
    g = take_due_locked(r, now, &ts, wait);
    old = now - r->pruned_at > PRUNE_EVERY || now < r->pruned_at;
    if (old)
        r->pruned_at = now;
    (void)pthread_mutex_unlock(&r->lock);
    if (old)
        prune(r, now);
    if (g == NULL)
        return false;
    evaluate(g, ts);
    (void)pthread_mutex_lock(&r->lock);
    g->busy = false;
    (void)pthread_mutex_unlock(&r->lock);
    return true;
}

fw_ms ruler_step(struct ruler *r)
{
    fw_ms wait = 0;

    while (step_once(r, &wait))
        continue;
    return wait;
}

/* ---- its life ---- */

static int compare_labels(const void *a, const void *b)
{
    return fw_str_cmp(((const struct fw_label *)a)->name,
                      ((const struct fw_label *)b)->name);
}

static fw_rc set_world(struct ruler *r, struct fw_err *err)
{
    const struct config *c = r->o.config;
    fw_rc rc;

    r->external = calloc(c->external_label_count + 1, sizeof(*r->external));
    if (r->external == NULL)
        return fw_err_set(err, FW_ENOMEM, "out of memory");
    for (size_t i = 0; i < c->external_label_count; i++)
        r->external[i] =
            (struct fw_label){fw_str_of(c->external_labels[i].name),
                              fw_str_of(c->external_labels[i].value)};
    qsort(r->external, c->external_label_count, sizeof(*r->external),
          compare_labels);
    r->world = (struct rule_world){
        .source = fw_source_of_store(r->o.store),
        .clock = r->clock,
        .cancel = &r->stepper.stop,
        .external_labels = {r->external, c->external_label_count},
        .external_url = c->external_url != NULL     ? c->external_url
                        : r->o.external_url != NULL ? r->o.external_url
                                                    : "",
        .resend_delay = c->rules_resend_delay,
    };
    r->restore = (struct rule_restore){c->rules_for_outage_tolerance,
                                       c->rules_for_grace_period};
    rc = relabel_new(c->alert_relabels, c->alert_relabel_count, &r->relabel,
                     err);
    r->world.relabel = r->relabel;
    return rc;
}

static fw_rc make_groups(struct ruler *r, struct fw_err *err)
{
    const struct rule_set *set = r->o.config->rules;
    fw_ms now = fw_clock_now(r->clock);
    size_t want = set != NULL ? set->count : 0;
    fw_rc rc = FW_OK;

    r->groups = calloc(want + 1, sizeof(*r->groups));
    if (r->groups == NULL)
        return fw_err_set(err, FW_ENOMEM, "out of memory");
    while (r->count < want && rc == FW_OK) {
        struct ruler_group *g = &r->groups[r->count];

        rc = group_run_init(&g->run, &set->groups[r->count],
                            r->o.config->evaluation_interval,
                            r->o.config->rule_query_offset, !r->fresh, err);
        if (rc != FW_OK)
            break;
        (void)pthread_mutex_init(&g->lock, NULL);
        g->r = r;
        g->next = group_run_slot(&g->run, now) + g->run.interval;
        r->count++;
    }
    return rc;
}

static fw_rc load_alerts(struct ruler *r, struct fw_err *err)
{
    struct group_run *runs = calloc(r->count + 1, sizeof(*runs));
    struct fw_txn *txn = NULL;
    size_t loaded = 0;
    fw_rc rc;

    if (runs == NULL)
        return fw_err_set(err, FW_ENOMEM, "out of memory");
    for (size_t i = 0; i < r->count; i++)
        runs[i] = r->groups[i].run; /* they share the rules */
    rc = fw_txn_begin(r->o.store, true, &txn, err);
    if (rc == FW_OK)
        rc = rule_table_load(txn, runs, r->count, fw_clock_now(r->clock),
                             r->restore.outage_tolerance, &loaded, err);
    rc = fw_txn_end(txn, rc, err);
    if (rc == FW_OK && loaded > 0)
        fw_log(FW_LOG_INFO, "%zu alerts of rules go on from before", loaded);
    free(runs);
    return rc;
}

static bool is_same_group(const struct rule_group *a,
                          const struct rule_group *b)
{
    return strcmp(a->file, b->file) == 0 && strcmp(a->name, b->name) == 0;
}

/* Rules that are gone end their series. */
static void adopt(struct ruler *r, struct ruler *previous)
{
    fw_ms now = fw_clock_now(r->clock);

    for (size_t i = 0; i < previous->count; i++) {
        struct ruler_group *old = &previous->groups[i];
        struct rule_world w = world_of(old);
        struct fw_err err = {0};

        w.cancel = NULL;
        for (size_t k = 0; k < r->count; k++)
            if (is_same_group(r->groups[k].run.group, old->run.group)) {
                group_run_adopt(&r->groups[k].run, &old->run);
                if (r->groups[k].run.interval == old->run.interval)
                    r->groups[k].next = old->next;
                r->groups[k].rounds = old->rounds;
            }
        if (group_run_end(&old->run, &w, now, &err) != FW_OK)
            fw_log(FW_LOG_WARN, "series of group '%s' are not ended: %s",
                   old->run.group->name, err.text);
    }
    r->fresh = previous->fresh;
}

fw_rc ruler_open(const struct ruler_options *options, struct ruler *previous,
                 struct ruler **out, struct fw_err *err)
{
    struct ruler *r = calloc(1, sizeof(*r));
    fw_rc rc;

    if (r == NULL)
        return fw_err_set(err, FW_ENOMEM, "out of memory");
    r->o = *options;
    r->clock = options->clock != NULL ? options->clock : fw_clock_system();
    r->fresh = previous == NULL;
    r->pruned_at = fw_clock_now(r->clock);
    (void)pthread_mutex_init(&r->lock, NULL);
    stepper_init(&r->stepper);
    rc = set_world(r, err);
    if (rc == FW_OK)
        rc = make_groups(r, err);
    if (rc == FW_OK && previous == NULL)
        rc = load_alerts(r, err);
    if (rc == FW_OK && previous != NULL)
        adopt(r, previous);
    if (rc == FW_OK)
        *out = r;
    else
        ruler_close(r);
    return rc;
}

void ruler_close(struct ruler *r)
{
    if (r == NULL)
        return;
    for (size_t i = 0; i < r->count; i++) {
        group_run_release(&r->groups[i].run);
        fw_batch_release(&r->groups[i].batch);
        (void)pthread_mutex_destroy(&r->groups[i].lock);
    }
    stepper_release(&r->stepper);
    (void)pthread_mutex_destroy(&r->lock);
    relabel_free(r->relabel);
    free(r->groups);
    free(r->external);
    free(r);
}

/* One group: what is due next may be another thread's. */
static fw_ms step(void *self)
{
    fw_ms wait = 0;

    return step_once(self, &wait) ? 0 : wait;
}

fw_rc ruler_start(struct ruler *r, struct fw_err *err)
{
    struct stepper_task task = {
        .name = "ruler", .step = step, .self = r, .longest = LONGEST_WAIT};
    size_t want = r->o.threads == 0 ? 2 : r->o.threads;

    return stepper_start(&r->stepper, &task, want < r->count ? want : r->count,
                         err);
}

void ruler_stop(struct ruler *r)
{
    if (r != NULL)
        stepper_stop(&r->stepper);
}

/* ---- what it knows ---- */

void ruler_each(struct ruler *r,
                bool (*each)(void *self, const struct group_run *g), void *self)
{
    bool on = true;

    for (size_t i = 0; r != NULL && on && i < r->count; i++) {
        lock_group(&r->groups[i]);
        on = each(self, &r->groups[i].run);
        unlock_group(&r->groups[i]);
    }
}

static bool add_stats(void *self, const struct group_run *g)
{
    struct ruler_stats *s = self;

    s->groups++;
    s->rules += g->count;
    s->evaluations += g->evaluations;
    s->failures += g->failures;
    s->missed += g->missed;
    for (size_t i = 0; i < g->count; i++) {
        s->series += g->rules[i].series_count;
        for (size_t k = 0; k < g->rules[i].alert_count; k++) {
            s->pending += g->rules[i].alerts[k]->state == RULE_PENDING;
            s->firing += g->rules[i].alerts[k]->state == RULE_FIRING;
        }
    }
    return true;
}

void ruler_stats(struct ruler *r, struct ruler_stats *out)
{
    *out = (struct ruler_stats){0};
    ruler_each(r, add_stats, out);
}
