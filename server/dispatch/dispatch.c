/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * dispatch.c - groups of alerts, and when each is told.
 *
 * A group is what alerts with the same `group_by` labels have in common. What
 * it was last told of stands in table `groups` of meta/, written in the
 * transaction that queues the notification: a restart neither forgets a group
 * nor tells it anew.
 */
#include "server/dispatch/dispatch.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/alert/record_codec.h"
#include "server/alert_list.h"
#include "server/dispatch/dispatch_hold.h"
#include "server/dispatch/dispatch_json.h"
#include "server/dispatch/dispatch_managers.h"
#include "server/notify/outbox.h"
#include "server/rules/rule_emit.h"
#include "server/stepper.h"
#include "storage/base/log.h"

#define T_GROUPS "groups"
#define GROUP_VERSION 1
#define STEP_MS 1000
#define MAX_GROUPS 100000

/* An alert the receivers have been told of. */
struct told_alert {
    fw_ms starts_at;
    struct fw_labels labels, annotations; /* owned */
};

struct group {
    uint64_t key;
    struct fw_labels labels; /* owned */
    fw_ms first_seen, last_sent;
    struct told_alert *told; /* owned */
    size_t told_count, told_cap;
    const struct listed_alert **now; /* of this step, in its arena */
    size_t now_count, now_cap;
};

struct dispatch {
    struct dispatch_options o;
    struct fw_arena *arena; /* of `hold` */
    struct hold *hold;
    struct manager_feed feed;
    struct group *groups; /* owned */
    size_t count, cap;
    bool failing; /* said so in the log already */
    struct stepper stepper;
};

/* ---- groups ---- */

static void free_labels(struct fw_labels *labels)
{
    free((void *)(uintptr_t)labels->v);
    *labels = (struct fw_labels){NULL, 0};
}

static void clear_told(struct group *g)
{
    for (size_t i = 0; i < g->told_count; i++) {
        free_labels(&g->told[i].labels);
        free_labels(&g->told[i].annotations);
    }
    g->told_count = 0;
}

static void release_group(struct group *g)
{
    clear_told(g);
    free(g->told);
    free_labels(&g->labels);
}

static fw_rc add_told(struct group *g, fw_ms starts_at,
                      const struct fw_labels *labels,
                      const struct fw_labels *annotations)
{
    struct told_alert t = {.starts_at = starts_at};
    fw_rc rc = fw_grow(&g->told, &g->told_cap, g->told_count + 1,
                       sizeof(*g->told), MAX_GROUPS);

    if (rc == FW_OK)
        rc = rule_labels_copy(labels, &t.labels);
    if (rc == FW_OK)
        rc = rule_labels_copy(annotations, &t.annotations);
    if (rc != FW_OK) {
        free_labels(&t.labels);
        return rc;
    }
    g->told[g->told_count++] = t;
    return FW_OK;
}

static struct fw_labels group_labels(const struct config *config,
                                     const struct fw_labels *labels,
                                     struct label_set *set)
{
    set->n = 0;
    for (size_t i = 0; i < config->group_by_count; i++) {
        struct fw_str name = fw_str_of(config->group_by[i]);

        /* Past its room a label does not part groups. */
        if (label_set_put(set, name, fw_labels_get(labels, name)) != FW_OK)
            break;
    }
    if (config->group_by_count == 0 &&
        label_set_put(set, FW_STR("alertname"),
                      fw_labels_get(labels, FW_STR("alertname"))) != FW_OK)
        set->n = 0;
    return label_set_labels(set);
}

static struct group *find_group(struct dispatch *d,
                                const struct fw_labels *labels, fw_ms now)
{
    uint64_t key = rule_labels_hash(labels);
    struct group fresh = {.key = key, .first_seen = now};

    for (size_t i = 0; i < d->count; i++)
        if (d->groups[i].key == key)
            return &d->groups[i];
    if (fw_grow(&d->groups, &d->cap, d->count + 1, sizeof(*d->groups),
                MAX_GROUPS) != FW_OK ||
        rule_labels_copy(labels, &fresh.labels) != FW_OK)
        return NULL;
    d->groups[d->count] = fresh;
    return &d->groups[d->count++];
}

/* ---- when ---- */

/* A watch's alert that was predicted and is there now is news. */
static bool same_state(const struct fw_labels *told,
                       const struct listed_alert *a)
{
    return !a->of_watch ||
           fw_str_eq(fw_labels_get(told, FW_STR("state")), fw_str_of(a->state));
}

static bool was_told(const struct group *g, const struct listed_alert *a)
{
    for (size_t i = 0; i < g->told_count; i++)
        if (g->told[i].starts_at == a->starts_at &&
            fw_labels_cmp(&g->told[i].labels, &a->labels) == 0)
            return same_state(&g->told[i].annotations, a);
    return false;
}

/* Held down or not, it is still there. */
static bool is_active(const struct alert_list *list, const struct told_alert *t)
{
    for (size_t i = 0; i < list->count; i++)
        if (list->alerts[i].starts_at == t->starts_at &&
            fw_labels_cmp(&list->alerts[i].labels, &t->labels) == 0)
            return true;
    return false;
}

static bool is_due(const struct dispatch *d, const struct group *g,
                   const struct alert_list *list, fw_ms now)
{
    const struct config *c = d->o.config;
    bool changed = false, nagging = false;

    for (size_t i = 0; i < g->now_count; i++) {
        changed = changed || !was_told(g, g->now[i]);
        nagging = nagging || (!g->now[i]->acknowledged && !g->now[i]->unproven);
    }
    for (size_t i = 0; i < g->told_count; i++)
        changed = changed || !is_active(list, &g->told[i]);
    if (g->last_sent == 0)
        return changed && now - g->first_seen >= c->group_wait;
    if (changed)
        return now - g->last_sent >= c->group_interval;
    return nagging && now - g->last_sent >= c->repeat_interval;
}

/* ---- telling ---- */

static fw_rc put_record(struct fw_txn *txn, const struct group *g,
                        struct fw_err *err)
{
    struct fw_buf record = FW_BUF_INIT(FW_MAX_RECORD_BYTES);
    struct record_key key = record_key_u64(g->key);
    struct record_writer w;
    fw_rc rc;

    record_begin(&w, &record, RECORD_GROUP, GROUP_VERSION);
    record_put_ms(&w, g->last_sent);
    dispatch_put_labels(&w, &g->labels);
    record_put_u32(&w, (uint32_t)g->told_count);
    for (size_t i = 0; i < g->told_count; i++) {
        record_put_ms(&w, g->told[i].starts_at);
        dispatch_put_labels(&w, &g->told[i].labels);
        dispatch_put_labels(&w, &g->told[i].annotations);
    }
    rc = record_end(&w, err);
    if (rc == FW_OK)
        rc = fw_txn_put(txn, T_GROUPS, record_key_str(&key),
                        (struct fw_str){record.data, record.len}, err);
    fw_buf_release(&record);
    return rc;
}

/* The end of a watch's alert is told with its reason, while that is known. */
static struct dispatch_alert ended(const struct told_alert *t,
                                   const struct alert_list *list, fw_ms now)
{
    for (size_t i = 0; i < list->news_count; i++) {
        const struct news *n = &list->news[i];

        if (n->state == NEWS_ENDED && n->starts_at == t->starts_at &&
            fw_labels_cmp(&n->labels, &t->labels) == 0)
            return (struct dispatch_alert){&n->labels, &n->annotations,
                                           n->starts_at, n->ends_at, n};
    }
    return (struct dispatch_alert){&t->labels, &t->annotations, t->starts_at,
                                   now, NULL};
}

static fw_rc build_payload(const struct dispatch *d, const struct group *g,
                           const struct alert_list *list, fw_ms now,
                           struct fw_buf *out)
{
    size_t most = g->now_count + g->told_count;
    struct dispatch_alert *alerts = calloc(most + 1, sizeof(*alerts));
    struct dispatch_notice notice = {.labels = &g->labels,
                                     .external_url = d->o.external_url,
                                     .alerts = alerts};
    fw_rc rc;

    if (alerts == NULL)
        return FW_ENOMEM;
    for (size_t i = 0; i < g->now_count; i++)
        alerts[notice.count++] =
            (struct dispatch_alert){&g->now[i]->labels, &g->now[i]->annotations,
                                    g->now[i]->starts_at, 0, g->now[i]->news};
    for (size_t i = 0; i < g->told_count; i++)
        if (!is_active(list, &g->told[i]))
            alerts[notice.count++] = ended(&g->told[i], list, now);
    rc = dispatch_json(&notice, out);
    free(alerts);
    return rc;
}

/* What the group is told of from now on; what is held down stays told. */
static fw_rc next_told(struct group *g, const struct alert_list *list,
                       struct group *next)
{
    fw_rc rc = FW_OK;

    for (size_t i = 0; rc == FW_OK && i < g->told_count; i++) {
        bool listed = false;

        for (size_t k = 0; k < g->now_count; k++)
            listed = listed ||
                     fw_labels_cmp(&g->now[k]->labels, &g->told[i].labels) == 0;
        if (!listed && is_active(list, &g->told[i]))
            rc = add_told(next, g->told[i].starts_at, &g->told[i].labels,
                          &g->told[i].annotations);
    }
    for (size_t i = 0; rc == FW_OK && i < g->now_count; i++)
        rc = add_told(next, g->now[i]->starts_at, &g->now[i]->labels,
                      &g->now[i]->annotations);
    return rc;
}

static fw_rc store_notice(struct dispatch *d, const struct group *g,
                          struct fw_str payload, fw_ms now, struct fw_err *err)
{
    struct fw_txn *txn = NULL;
    size_t dropped = 0;
    fw_rc rc = fw_txn_begin(d->o.store, true, &txn, err);

    for (size_t i = 0; rc == FW_OK && i < d->o.config->webhook_count; i++) {
        struct note note = {.url = fw_str_of(d->o.config->webhooks[i].url),
                            .created_at = now,
                            .payload = payload};
        size_t one = 0;

        rc = outbox_add(txn, &note, &one, err);
        dropped += one;
    }
    if (rc == FW_OK)
        rc = put_record(txn, g, err);
    if (dropped > 0)
        fw_log(FW_LOG_ERROR,
               "the outbox is full: %zu of the oldest notifications dropped",
               dropped);
    return fw_txn_end(txn, rc, err);
}

static fw_rc tell(struct dispatch *d, struct group *g,
                  const struct alert_list *list, fw_ms now, struct fw_err *err)
{
    struct fw_buf payload = FW_BUF_INIT(FW_MAX_RECORD_BYTES / 2);
    struct group next = *g;
    fw_rc rc;

    next.told = NULL;
    next.told_count = next.told_cap = 0;
    next.last_sent = now;
    rc = build_payload(d, g, list, now, &payload);
    if (rc == FW_OK)
        rc = next_told(g, list, &next);
    if (rc != FW_OK)
        (void)fw_err_set(err, rc, "a group of %zu alerts cannot be told",
                         g->now_count);
    if (rc == FW_OK)
        rc = store_notice(d, &next, (struct fw_str){payload.data, payload.len},
                          now, err);
    fw_buf_release(&payload);
    if (rc == FW_OK) {
        clear_told(g);
        free(g->told);
        *g = next;
        if (d->o.wake != NULL)
            d->o.wake(d->o.wake_self);
    } else {
        clear_told(&next);
        free(next.told);
    }
    return rc;
}

/* ---- a step ---- */

static fw_rc gather(struct dispatch *d, const struct alert_list *list,
                    fw_ms now, struct fw_arena *arena, struct fw_err *err)
{
    for (size_t i = 0; i < d->count; i++) {
        d->groups[i].now_count = d->groups[i].now_cap = 0;
        d->groups[i].now = NULL;
    }
    for (size_t i = 0; i < list->count; i++) {
        const struct listed_alert *a = &list->alerts[i];
        struct label_set set;
        struct fw_labels labels;
        struct group *g;

        if (a->silenced || hold_inhibits(d->hold, list, a))
            continue;
        labels = group_labels(d->o.config, &a->labels, &set);
        g = find_group(d, &labels, now);
        if (g == NULL)
            return fw_err_set(err, FW_ENOMEM, "no room for another group");
        if (g->now_count == g->now_cap) {
            size_t cap = g->now_cap == 0 ? 8 : 2 * g->now_cap;
            /* Of pointers. */
            const struct listed_alert **all =
                fw_arena_calloc(arena, cap, sizeof(const void *));

            if (all == NULL)
                return fw_arena_err(arena, err);
            if (g->now_count > 0)
                memcpy(all, g->now, g->now_count * sizeof(const void *));
            g->now = all;
            g->now_cap = cap;
        }
        g->now[g->now_count++] = a;
    }
    return FW_OK;
}

static fw_rc forget(struct dispatch *d, uint64_t key, struct fw_err *err)
{
    struct record_key bytes = record_key_u64(key);
    struct fw_txn *txn = NULL;
    fw_rc rc = fw_txn_begin(d->o.store, true, &txn, err);

    if (rc == FW_OK)
        rc = fw_txn_delete(txn, T_GROUPS, record_key_str(&bytes), err);
    if (rc >= 0)
        return fw_txn_commit(txn, err);
    fw_txn_abort(txn);
    return rc;
}

/* Groups without alerts, of whose end all has been told. */
static fw_rc sweep(struct dispatch *d, struct fw_err *err)
{
    fw_rc rc = FW_OK;

    for (size_t i = 0; rc == FW_OK && i < d->count;) {
        struct group *g = &d->groups[i];

        if (g->now_count > 0 || g->told_count > 0) {
            i++;
            continue;
        }
        if (g->last_sent != 0)
            rc = forget(d, g->key, err);
        if (rc == FW_OK) {
            release_group(g);
            *g = d->groups[--d->count];
        }
    }
    return rc;
}

static fw_rc step(struct dispatch *d, fw_ms now, struct fw_err *err)
{
    struct fw_cli cli = {.store = d->o.store, .clock = d->o.clock};
    struct alert_view view = {0};
    struct alert_list list = {0};
    fw_rc rc = alert_view_open(&view, &cli, err);

    if (rc == FW_OK && d->o.config->webhook_count > 0)
        rc = alert_list_told(&view, now, &list, err);
    else if (rc == FW_OK)
        rc = news_all(view.txn, view.arena, &list.news, &list.news_count, err);
    /* All is copied: no write may wait behind our own reading. */
    if (view.txn != NULL) {
        fw_txn_abort(view.txn);
        view.txn = NULL;
    }
    if (rc == FW_OK)
        rc = manager_feed_step(&d->feed, list.news, list.news_count, now,
                               view.arena, err);
    if (rc == FW_OK && d->o.config->webhook_count > 0)
        rc = gather(d, &list, now, view.arena, err);
    for (size_t i = 0;
         rc == FW_OK && hold_hours_allow(d->hold, now) && i < d->count; i++)
        if (is_due(d, &d->groups[i], &list, now))
            rc = tell(d, &d->groups[i], &list, now, err);
    if (rc == FW_OK)
        rc = sweep(d, err);
    alert_view_close(&view);
    return rc;
}

void dispatch_step(struct dispatch *d)
{
    struct fw_err err = {0};
    fw_rc rc = step(d, fw_clock_now(d->o.clock), &err);

    if (rc != FW_OK && !d->failing)
        fw_log(FW_LOG_ERROR, "alerts cannot be told: %s", err.text);
    d->failing = rc != FW_OK;
}

/* ---- its life ---- */

struct loading {
    struct dispatch *d;
    fw_rc rc;
};

static bool load_told(struct record_reader *r, struct group *g, fw_rc *rc)
{
    struct fw_label labels[RULE_MAX_LABELS], annotations[RULE_MAX_LABELS];
    struct fw_labels a, b;
    fw_ms starts_at = record_get_ms(r);

    if (!dispatch_get_labels(r, labels, &a) ||
        !dispatch_get_labels(r, annotations, &b))
        return false;
    *rc = add_told(g, starts_at, &a, &b);
    return *rc == FW_OK;
}

static bool load_group(void *self, struct fw_str key, struct fw_str value)
{
    struct loading *l = self;
    struct fw_label labels[RULE_MAX_LABELS];
    struct fw_labels own;
    struct record_reader r;
    struct group *g;
    uint64_t id;
    uint32_t n;
    fw_ms sent;

    if (!record_key_read(key, &id) ||
        record_open(&r, value, RECORD_GROUP, GROUP_VERSION, NULL) != FW_OK)
        return true;
    sent = record_get_ms(&r);
    if (!dispatch_get_labels(&r, labels, &own))
        return true;
    g = find_group(l->d, &own, sent);
    if (g == NULL) {
        l->rc = FW_ENOMEM;
        return false;
    }
    g->last_sent = sent;
    n = record_get_u32(&r);
    for (uint32_t i = 0; i < n && load_told(&r, g, &l->rc); i++)
        continue;
    return l->rc == FW_OK;
}

static fw_rc load(struct dispatch *d, struct fw_err *err)
{
    struct record_key from = record_key_u64(0);
    struct loading l = {d, FW_OK};
    struct fw_txn *txn = NULL;
    fw_rc rc = fw_txn_begin(d->o.store, false, &txn, err);

    if (rc == FW_OK)
        rc = fw_txn_scan(txn, T_GROUPS, record_key_str(&from), load_group, &l,
                         err);
    fw_txn_abort(txn);
    if (rc >= 0 && l.rc != FW_OK)
        rc = fw_err_set(err, l.rc, "out of memory");
    return rc < 0 ? rc : FW_OK;
}

fw_rc dispatch_open(const struct dispatch_options *options,
                    struct dispatch **out, struct fw_err *err)
{
    struct dispatch *d = calloc(1, sizeof(*d));
    fw_rc rc = FW_OK;

    if (d == NULL)
        return fw_err_set(err, FW_ENOMEM, "out of memory");
    d->o = *options;
    if (d->o.clock == NULL)
        d->o.clock = fw_clock_system();
    stepper_init(&d->stepper);
    d->feed.managers = d->o.managers;
    d->feed.store = d->o.store;
    d->arena = fw_arena_new((size_t)16 << 20);
    if (d->arena == NULL)
        rc = fw_err_set(err, FW_ENOMEM, "out of memory");
    if (rc == FW_OK)
        rc = hold_new(d->o.config, d->arena, &d->hold, err);
    if (rc == FW_OK)
        rc = manager_feed_open(&d->feed, d->o.config, d->o.external_url, err);
    if (rc == FW_OK)
        rc = load(d, err);
    if (rc == FW_OK)
        *out = d;
    else
        dispatch_close(d);
    return rc;
}

void dispatch_close(struct dispatch *d)
{
    if (d == NULL)
        return;
    for (size_t i = 0; i < d->count; i++)
        release_group(&d->groups[i]);
    free(d->groups);
    manager_feed_release(&d->feed);
    fw_arena_free(d->arena);
    stepper_release(&d->stepper);
    free(d);
}

static fw_ms step_and_rest(void *self)
{
    dispatch_step(self);
    return STEP_MS;
}

fw_rc dispatch_start(const struct dispatch_options *options,
                     struct dispatch **out, struct fw_err *err)
{
    struct dispatch *d = NULL;
    struct stepper_task task = {
        .name = "dispatcher", .step = step_and_rest, .first = STEP_MS};
    fw_rc rc = dispatch_open(options, &d, err);

    if (rc != FW_OK)
        return rc;
    task.self = d;
    rc = stepper_start(&d->stepper, &task, 1, err);
    if (rc == FW_OK)
        *out = d;
    else
        dispatch_close(d);
    return rc;
}

void dispatch_stop(struct dispatch *d)
{
    if (d == NULL)
        return;
    stepper_stop(&d->stepper);
    dispatch_close(d);
}
