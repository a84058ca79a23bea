/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * dispatch.c - groups of alerts, and when each is told.
 *
 * A group is what alerts with the same `group_by` labels have in common. What
 * it was last told of stands in table `groups` of meta/, written in the
 * transaction that queues the notification: a restart neither forgets a group
 * nor tells it anew.
 */
#include "server/dispatch.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/alert/record_codec.h"
#include "server/alert_list.h"
#include "server/dispatch_json.h"
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

struct matchers {
    struct fw_matcher *v; /* in the dispatch's arena */
    size_t n;
};

struct dispatch {
    struct dispatch_options o;
    struct fw_arena *arena;             /* matchers */
    struct matchers *sources, *targets; /* beside config->inhibits */
    struct group *groups;               /* owned */
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

/* ---- what holds alerts down ---- */

static bool all_hold(const struct matchers *m, const struct fw_labels *labels)
{
    for (size_t i = 0; i < m->n; i++)
        if (!silence_matcher_holds(&m->v[i],
                                   fw_labels_get(labels, m->v[i].name)))
            return false;
    return true;
}

static bool equal_labels(const struct config_inhibit *rule,
                         const struct fw_labels *a, const struct fw_labels *b)
{
    for (size_t i = 0; i < rule->equal_count; i++) {
        struct fw_str name = fw_str_of(rule->equal[i]);

        if (!fw_str_eq(fw_labels_get(a, name), fw_labels_get(b, name)))
            return false;
    }
    return true;
}

/* What is source and target at once does not hold itself down. */
static bool is_inhibited(const struct dispatch *d,
                         const struct alert_list *list,
                         const struct listed_alert *a)
{
    for (size_t r = 0; r < d->o.config->inhibit_count; r++) {
        if (!all_hold(&d->targets[r], &a->labels) ||
            all_hold(&d->sources[r], &a->labels))
            continue;
        for (size_t i = 0; i < list->count; i++)
            if (all_hold(&d->sources[r], &list->alerts[i].labels) &&
                equal_labels(&d->o.config->inhibits[r], &a->labels,
                             &list->alerts[i].labels))
                return true;
    }
    return false;
}

static int minutes(const char *text)
{
    int h = 0, m = 0;

    if (strlen(text) != 5 || text[2] != ':')
        return -1;
    for (int i = 0; i < 5; i++)
        if (i != 2 && (text[i] < '0' || text[i] > '9'))
            return -1;
    h = (text[0] - '0') * 10 + text[1] - '0';
    m = (text[3] - '0') * 10 + text[4] - '0';
    return h > 24 || m > 59 || h * 60 + m > 1440 ? -1 : h * 60 + m;
}

static const char *const day_names[] = {"sun", "mon", "tue", "wed",
                                        "thu", "fri", "sat"};

static bool has_day(const struct config_window *w, int day)
{
    for (size_t i = 0; i < w->day_count; i++)
        if (strcmp(w->days[i], day_names[day]) == 0)
            return true;
    return w->day_count == 0;
}

bool dispatch_in_window(const struct config_window *w, fw_ms now)
{
    int64_t all = now / FW_MINUTE;
    int minute = (int)(all % 1440);
    int day = (int)((all / 1440 + 4) % 7); /* 1970 began on a Thursday */
    int from = minutes(w->from), until = minutes(w->until);

    if (from <= until)
        return has_day(w, day) && minute >= from && minute < until;
    return (has_day(w, day) && minute >= from) ||
           (has_day(w, (day + 6) % 7) && minute < until);
}

static bool may_tell(const struct dispatch *d, fw_ms now)
{
    for (size_t i = 0; i < d->o.config->window_count; i++)
        if (dispatch_in_window(&d->o.config->windows[i], now))
            return true;
    return d->o.config->window_count == 0;
}

/* ---- when ---- */

static bool was_told(const struct group *g, const struct listed_alert *a)
{
    for (size_t i = 0; i < g->told_count; i++)
        if (g->told[i].starts_at == a->starts_at &&
            fw_labels_cmp(&g->told[i].labels, &a->labels) == 0)
            return true;
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
        nagging = nagging || !g->now[i]->acknowledged;
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
                                    g->now[i]->starts_at, 0};
    for (size_t i = 0; i < g->told_count; i++)
        if (!is_active(list, &g->told[i]))
            alerts[notice.count++] = (struct dispatch_alert){
                &g->told[i].labels, &g->told[i].annotations,
                g->told[i].starts_at, now};
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
    if (rc == FW_OK)
        return fw_txn_commit(txn, err);
    if (txn != NULL)
        fw_txn_abort(txn);
    return rc;
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

        if (a->of_watch || a->silenced || is_inhibited(d, list, a))
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
    if (txn != NULL)
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

    if (rc == FW_OK)
        rc = alert_list_read(&view, now, &list, err);
    /* All is copied: no write may wait behind our own reading. */
    if (view.txn != NULL) {
        fw_txn_abort(view.txn);
        view.txn = NULL;
    }
    if (rc == FW_OK)
        rc = gather(d, &list, now, view.arena, err);
    for (size_t i = 0; rc == FW_OK && may_tell(d, now) && i < d->count; i++)
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
        fw_log(FW_LOG_ERROR, "alerts of rules cannot be told: %s", err.text);
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
    if (txn != NULL)
        fw_txn_abort(txn);
    if (rc >= 0 && l.rc != FW_OK)
        rc = fw_err_set(err, l.rc, "out of memory");
    return rc < 0 ? rc : FW_OK;
}

static fw_rc parse_matchers(struct dispatch *d, const char **texts, size_t n,
                            int line, struct matchers *out, struct fw_err *err)
{
    fw_rc rc = FW_OK;

    out->v = fw_arena_calloc(d->arena, n + 1, sizeof(*out->v));
    if (out->v == NULL)
        return fw_arena_err(d->arena, err);
    for (; rc == FW_OK && out->n < n; out->n++)
        rc = silence_parse_matcher(fw_str_of(texts[out->n]), d->arena,
                                   &out->v[out->n], err);
    return rc == FW_OK ? FW_OK
                       : fw_err_prefix(err, "inhibit_rules, line %d", line);
}

static fw_rc prepare(struct dispatch *d, struct fw_err *err)
{
    const struct config *c = d->o.config;
    fw_rc rc = FW_OK;

    d->sources =
        fw_arena_calloc(d->arena, c->inhibit_count + 1, sizeof(*d->sources));
    d->targets =
        fw_arena_calloc(d->arena, c->inhibit_count + 1, sizeof(*d->targets));
    if (d->sources == NULL || d->targets == NULL)
        return fw_arena_err(d->arena, err);
    for (size_t i = 0; rc == FW_OK && i < c->inhibit_count; i++) {
        const struct config_inhibit *h = &c->inhibits[i];

        rc = parse_matchers(d, h->source, h->source_count, h->line,
                            &d->sources[i], err);
        if (rc == FW_OK)
            rc = parse_matchers(d, h->target, h->target_count, h->line,
                                &d->targets[i], err);
    }
    for (size_t i = 0; rc == FW_OK && i < c->window_count; i++)
        if (minutes(c->windows[i].from) < 0 || minutes(c->windows[i].until) < 0)
            rc = fw_err_set(err, FW_EINVAL,
                            "time_windows, line %d: times are written as "
                            "08:30",
                            c->windows[i].line);
    return rc;
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
    d->arena = fw_arena_new((size_t)16 << 20);
    if (d->arena == NULL)
        rc = fw_err_set(err, FW_ENOMEM, "out of memory");
    if (rc == FW_OK)
        rc = prepare(d, err);
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
