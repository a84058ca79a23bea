/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "server/alert_api.h"

#include <stdio.h>

#include "server/alert/alert_note.h"
#include "server/alert_commands.h"
#include "storage/base/log.h"

/* The watches, their series and records, under one read transaction. */
struct listing {
    struct fw_cli cli;
    struct alert_view view;
    struct watched_row *rows;
    size_t count;
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

static void put_text(struct fw_json *j, const char *key, const char *text)
{
    fw_json_key(j, key);
    fw_json_text(j, text);
}

static void put_time(struct fw_json *j, const char *key, fw_ms t)
{
    char text[FW_TIME_TEXT_BYTES];

    (void)fw_format_time(text, t);
    put_text(j, key, t > 0 ? text : "0001-01-01T00:00:00Z");
}

static void put_seconds(struct fw_json *j, const char *key, fw_ms span)
{
    fw_json_key(j, key);
    fw_json_seconds(j, span);
}

static bool is_listed(const struct watched_row *row)
{
    return row->subject.id != 0 && row->state.alert.phase != ALERT_INACTIVE;
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
    put_text(j, "state", prometheus_state(alert->phase));
    put_time(j, "activeAt",
             alert->fired_at > 0 ? alert->fired_at : alert->since);
    fw_json_key(j, "value");
    fw_json_quoted_double(j, row->state.observed.value);
    fw_json_object_end(j);
}

void alert_api_alerts(void *self, struct fw_json *json)
{
    struct listing l;

    if (listing_open(&l, self) == FW_OK)
        for (size_t i = 0; i < l.count; i++)
            if (is_listed(&l.rows[i]))
                put_alert(json, &l, &l.rows[i]);
    alert_view_close(&l.view);
}

/* The worst state of the rows [from, to), which are those of one watch. */
static enum alert_phase worst(const struct listing *l, size_t from, size_t to)
{
    enum alert_phase phase = ALERT_INACTIVE;

    for (size_t i = from; i < to; i++)
        if (is_listed(&l->rows[i]) && l->rows[i].state.alert.phase > phase)
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
        put_text(j, watch->labels[i].name, watch->labels[i].value);
    fw_json_object_end(j);
    fw_json_key(j, "annotations");
    fw_json_object(j);
    put_text(j, "owner", watch->owner);
    put_text(j, "reason", watch->reason);
    if (alert_view_standing(&l->view, watch, &standing, &err) == FW_OK)
        put_text(j, "standing", standing_name(standing.state));
    if (watch->runbook != NULL)
        put_text(j, "runbook_url", watch->runbook);
    fw_json_object_end(j);
}

static void put_rule(struct fw_json *j, struct listing *l, size_t from,
                     size_t to)
{
    const struct config_watch *watch = l->rows[from].watch;
    char *query = fw_arena_printf(l->view.arena, "(%s) %s", watch->expr,
                                  watch->breach_text);

    fw_json_object(j);
    put_text(j, "state", prometheus_state(worst(l, from, to)));
    put_text(j, "name", watch->name);
    put_text(j, "query", query != NULL ? query : watch->expr);
    put_seconds(j, "duration", watch->breach.for_ms);
    fw_json_key(j, "keepFiringFor");
    fw_json_int(j, 0);
    put_own_labels(j, l, watch);
    fw_json_key(j, "alerts");
    fw_json_array(j);
    for (size_t i = from; i < to; i++)
        if (is_listed(&l->rows[i]))
            put_alert(j, l, &l->rows[i]);
    fw_json_array_end(j);
    put_text(j, "health", newest_look(l, from, to) > 0 ? "ok" : "unknown");
    fw_json_key(j, "evaluationTime");
    fw_json_int(j, 0);
    put_time(j, "lastEvaluation", newest_look(l, from, to));
    put_text(j, "type", "alerting");
    fw_json_object_end(j);
}

static void put_group(struct fw_json *j, struct listing *l, size_t from,
                      size_t to)
{
    const struct config_watch *watch = l->rows[from].watch;

    fw_json_object(j);
    put_text(j, "name", watch->name);
    put_text(j, "file", watch->file != NULL ? watch->file : "");
    fw_json_key(j, "rules");
    fw_json_array(j);
    put_rule(j, l, from, to);
    fw_json_array_end(j);
    put_seconds(j, "interval", watch->interval);
    fw_json_key(j, "limit");
    fw_json_int(j, 0);
    fw_json_key(j, "evaluationTime");
    fw_json_int(j, 0);
    put_time(j, "lastEvaluation", newest_look(l, from, to));
    fw_json_object_end(j);
}

void alert_api_rules(void *self, struct fw_json *json)
{
    struct listing l;
    size_t to;

    if (listing_open(&l, self) == FW_OK)
        for (size_t from = 0; from < l.count; from = to) {
            for (to = from + 1;
                 to < l.count && l.rows[to].watch == l.rows[from].watch; to++)
                continue;
            put_group(json, &l, from, to);
        }
    alert_view_close(&l.view);
}
