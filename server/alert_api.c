/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "server/alert_api.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/alert/alert_note.h"
#include "server/cli/alert_commands.h"
#include "server/rule_json.h"
#include "server/why.h"
#include "storage/base/log.h"

/* The watches, their series and records, under one read transaction. */
struct listing {
    struct fw_cli cli;
    struct alert_view view;
    struct watched_row *rows;
    size_t count;
    const struct config_watch *watch; /* whose standing is in `state` */
    enum standing_state state;
};

static fw_rc listing_open(struct listing *l, const struct alert_api *api)
{
    struct fw_err err = {0};
    fw_rc rc;

    *l = (struct listing){.cli = {.store = api->store, .clock = api->clock}};
    rc = alert_view_open(&l->view, &l->cli, &err);
    if (rc == FW_OK)
        rc = alert_view_rows(&l->view, &l->rows, &l->count, &err);
    if (rc != FW_OK)
        fw_log(FW_LOG_WARN, "the list of watches: %s", err.text);
    return rc;
}

/* Rows of one watch stand together, so its standing is read once. */
static bool is_listed(struct listing *l, const struct watched_row *row)
{
    struct standing standing;
    struct fw_err err = {0};

    if (row->subject.id == 0 || row->state.alert.phase == ALERT_INACTIVE)
        return false;
    if (l->watch != row->watch) {
        l->watch = row->watch;
        l->state =
            alert_view_standing(&l->view, row->watch, &standing, &err) == FW_OK
                ? standing.state
                : STANDING_TRIAL;
    }
    return standing_shows(l->state, &row->state);
}

static const char *prometheus_state(enum alert_phase phase)
{
    if (phase == ALERT_INACTIVE)
        return "inactive";
    return phase == ALERT_PENDING ? "pending" : "firing";
}

static void put_alert(struct fw_json *j, struct listing *l,
                      const struct watched_row *row)
{
    const struct alert *alert = &row->state.alert;
    struct alert_note note = {.watch = row->watch,
                              .labels = &row->subject.labels,
                              .state = &row->state,
                              .fired_at = alert->fired_at,
                              .now = row->state.outlook.at,
                              .change = alert->phase == ALERT_BREACHED
                                            ? ALERT_TO_BREACHED
                                            : ALERT_TO_FIRING};
    struct fw_err err = {0};
    struct totals totals;

    if (alert_view_totals(&l->view, row->watch, &totals, &err) == FW_OK)
        totals_record(&totals, &note.record);
    fw_json_object(j);
    if (alert_note_members(&note, j) != FW_OK)
        fw_log(FW_LOG_WARN, "the list of alerts: out of memory for '%s'",
               row->watch->name);
    fw_json_field_text(j, "state", prometheus_state(alert->phase));
    fw_json_field_time(j, "activeAt", alert_active_at(alert));
    fw_json_key(j, "value");
    fw_json_quoted_double(j, row->state.observed.value);
    fw_json_object_end(j);
}

static void put_watch_alerts(const struct alert_api *api, struct fw_json *json)
{
    struct listing l;

    if (listing_open(&l, api) == FW_OK)
        for (size_t i = 0; i < l.count; i++)
            if (is_listed(&l, &l.rows[i]))
                put_alert(json, &l, &l.rows[i]);
    alert_view_close(&l.view);
}

/* The worst state of the rows [from, to), which are those of one watch. */
static enum alert_phase worst(struct listing *l, size_t from, size_t to)
{
    enum alert_phase phase = ALERT_INACTIVE;

    for (size_t i = from; i < to; i++)
        if (is_listed(l, &l->rows[i]) && l->rows[i].state.alert.phase > phase)
            phase = l->rows[i].state.alert.phase;
    return phase;
}

/* The newest look at any series of the watch; 0: none yet. */
static fw_ms newest_look(const struct listing *l, size_t from, size_t to)
{
    fw_ms at = 0;

    for (size_t i = from; i < to; i++)
        if (l->rows[i].state.outlook.at > at)
            at = l->rows[i].state.outlook.at;
    return at;
}

static void put_own_labels(struct fw_json *j, struct listing *l,
                           const struct config_watch *watch)
{
    struct standing standing;
    struct fw_err err = {0};

    fw_json_key(j, "labels");
    fw_json_object(j);
    for (size_t i = 0; i < watch->label_count; i++)
        fw_json_field_text(j, watch->labels[i].name, watch->labels[i].value);
    fw_json_object_end(j);
    fw_json_key(j, "annotations");
    fw_json_object(j);
    fw_json_field_text(j, "owner", watch->owner);
    fw_json_field_text(j, "reason", watch->reason);
    if (alert_view_standing(&l->view, watch, &standing, &err) == FW_OK)
        fw_json_field_text(j, "standing", standing_name(standing.state));
    if (watch->runbook != NULL)
        fw_json_field_text(j, "runbook_url", watch->runbook);
    fw_json_object_end(j);
}

static void put_rule(struct fw_json *j, struct listing *l, size_t from,
                     size_t to)
{
    const struct config_watch *watch = l->rows[from].watch;
    char *query = fw_arena_printf(l->view.arena, "(%s) %s", watch->expr,
                                  watch->breach_text);

    fw_json_object(j);
    fw_json_field_text(j, "state", prometheus_state(worst(l, from, to)));
    fw_json_field_text(j, "name", watch->name);
    fw_json_field_text(j, "query", query != NULL ? query : watch->expr);
    fw_json_field_seconds(j, "duration", watch->breach.for_ms);
    fw_json_field_int(j, "keepFiringFor", 0);
    put_own_labels(j, l, watch);
    fw_json_key(j, "alerts");
    fw_json_array(j);
    for (size_t i = from; i < to; i++)
        if (is_listed(l, &l->rows[i]))
            put_alert(j, l, &l->rows[i]);
    fw_json_array_end(j);
    fw_json_field_text(j, "health",
                       newest_look(l, from, to) > 0 ? "ok" : "unknown");
    fw_json_field_int(j, "evaluationTime", 0);
    fw_json_field_time(j, "lastEvaluation", newest_look(l, from, to));
    fw_json_field_text(j, "type", "alerting");
    fw_json_object_end(j);
}

static void put_group(struct fw_json *j, struct listing *l, size_t from,
                      size_t to)
{
    const struct config_watch *watch = l->rows[from].watch;

    fw_json_object(j);
    fw_json_field_text(j, "name", watch->name);
    fw_json_field_text(j, "file", watch->file != NULL ? watch->file : "");
    fw_json_key(j, "rules");
    fw_json_array(j);
    put_rule(j, l, from, to);
    fw_json_array_end(j);
    fw_json_field_seconds(j, "interval", watch->interval);
    fw_json_field_int(j, "limit", 0);
    fw_json_field_int(j, "evaluationTime", 0);
    fw_json_field_time(j, "lastEvaluation", newest_look(l, from, to));
    fw_json_object_end(j);
}

static bool takes_watch(const struct rule_filter *f,
                        const struct config_watch *w)
{
    struct fw_label v[FW_MAX_LABELS];
    struct fw_labels labels = {v, 0};

    for (size_t i = 0; i < w->label_count && labels.n < FW_MAX_LABELS; i++)
        v[labels.n++] = (struct fw_label){fw_str_of(w->labels[i].name),
                                          fw_str_of(w->labels[i].value)};
    return rule_filter_takes(f, w->name, w->file != NULL ? w->file : "",
                             w->name, true) &&
           rule_filter_takes_labels(f, &labels);
}

static void put_watches(const struct alert_api *api,
                        const struct rule_filter *f, struct fw_json *json)
{
    struct listing l;
    size_t to;

    if (listing_open(&l, api) == FW_OK)
        for (size_t from = 0; from < l.count; from = to) {
            const struct config_watch *w = l.rows[from].watch;

            for (to = from + 1; to < l.count && l.rows[to].watch == w; to++)
                continue;
            if (takes_watch(f, w))
                put_group(json, &l, from, to);
        }
    alert_view_close(&l.view);
}

/* ---- both kinds ---- */

struct group_listing {
    struct fw_json *json;
    struct rule_filter filter;
    size_t written;
    bool begun; /* the group the token names has been reached */
    char next[17];
};

/* A group's token: a hash of its file and name. */
static void token_of(const struct group_run *g, char out[17])
{
    uint64_t hash = fw_hash64(g->group->file, strlen(g->group->file), 0);

    hash = fw_hash64(g->group->name, strlen(g->group->name), hash);
    (void)snprintf(out, 17, "%016llx", (unsigned long long)hash);
}

static bool list_group(void *self, const struct group_run *g)
{
    struct group_listing *l = self;
    char token[17];

    token_of(g, token);
    if (!l->begun && !fw_str_eq(l->filter.from, fw_str_of(token)))
        return true;
    l->begun = true;
    if (l->filter.group_limit > 0 && l->written == l->filter.group_limit) {
        memcpy(l->next, token, sizeof(token));
        return false;
    }
    l->written += rule_json_group(l->json, g, &l->filter);
    return true;
}

fw_rc alert_api_rules(void *self, const struct form *form, struct fw_json *json,
                      struct fw_err *err)
{
    const struct alert_api *api = self;
    struct group_listing l = {.json = json};
    fw_rc rc = rule_filter_read(form, &l.filter, err);

    if (rc != FW_OK)
        return rc;
    l.begun = l.filter.from.n == 0;
    fw_json_object(json);
    fw_json_key(json, "groups");
    fw_json_array(json);
    (void)pthread_mutex_lock(api->lock);
    ruler_each(*api->ruler, list_group, &l);
    (void)pthread_mutex_unlock(api->lock);
    if (!l.begun)
        return fw_err_set(err, FW_EINVAL,
                          "invalid group_next_token '%.*s'. were rule groups "
                          "changed?",
                          FW_STR_ARG(l.filter.from));
    if (l.next[0] == '\0')
        put_watches(api, &l.filter, json);
    fw_json_array_end(json);
    if (l.next[0] != '\0')
        fw_json_field_text(json, "groupNextToken", l.next);
    fw_json_object_end(json);
    return FW_OK;
}

static bool list_alerts(void *self, const struct group_run *g)
{
    rule_json_alerts(self, g);
    return true;
}

fw_rc alert_api_alerts(void *self, const struct form *form,
                       struct fw_json *json, struct fw_err *err)
{
    const struct alert_api *api = self;

    (void)form;
    (void)err;
    fw_json_object(json);
    fw_json_key(json, "alerts");
    fw_json_array(json);
    (void)pthread_mutex_lock(api->lock);
    ruler_each(*api->ruler, list_alerts, json);
    (void)pthread_mutex_unlock(api->lock);
    put_watch_alerts(api, json);
    fw_json_array_end(json);
    fw_json_object_end(json);
    return FW_OK;
}

static void put_manager(void *self, const char *url)
{
    struct fw_json *json = self;

    fw_json_object(json);
    fw_json_field_text(json, "url", url);
    fw_json_object_end(json);
}

fw_rc alert_api_managers(void *self, const struct form *form,
                         struct fw_json *json, struct fw_err *err)
{
    const struct alert_api *api = self;

    (void)form;
    (void)err;
    fw_json_object(json);
    fw_json_key(json, "activeAlertmanagers");
    fw_json_array(json);
    (void)pthread_mutex_lock(api->lock);
    managers_each(*api->managers, put_manager, json);
    (void)pthread_mutex_unlock(api->lock);
    fw_json_array_end(json);
    fw_json_key(json, "droppedAlertmanagers");
    fw_json_array(json);
    fw_json_array_end(json);
    fw_json_object_end(json);
    return FW_OK;
}

/* ---- what only watches have ---- */

fw_rc alert_api_why(void *self, const struct form *form, struct fw_json *json,
                    struct fw_err *err)
{
    const struct alert_api *api = self;
    struct fw_cli cli = {.store = api->store, .clock = api->clock};
    struct fw_str alert = form_get(form, "alert");
    struct why why;
    fw_rc rc;

    if (alert.n == 0)
        return fw_err_set(err, FW_EINVAL,
                          "no alert parameter: the name of a watch, or "
                          "Watch{label=\"value\"}");
    rc = why_open(&why, &cli, alert, err);
    if (rc == FW_OK)
        why_json(&why, json);
    why_close(&why);
    return rc;
}

fw_rc alert_api_record(void *self, const struct form *form,
                       struct fw_json *json, struct fw_err *err)
{
    const struct alert_api *api = self;
    struct fw_cli cli = {.store = api->store, .clock = api->clock};
    struct fw_buf value = FW_BUF_INIT(FW_MAX_REPLY_BYTES);
    struct fw_str watch = form_get(form, "watch");
    char *name = watch.n > 0 ? strndup(watch.p, watch.n) : NULL;
    fw_rc rc;

    if (watch.n > 0 && name == NULL)
        return fw_err_set(err, FW_ENOMEM, "out of memory");
    rc = record_json(&cli, name, &value, err);
    if (rc == FW_OK)
        fw_json_raw(json, (struct fw_str){value.data, value.len});
    fw_buf_release(&value);
    free(name);
    return rc;
}
