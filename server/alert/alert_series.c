/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "server/alert/alert_series.h"

#include <string.h>

#include "server/rules/rule_emit.h"
#include "storage/base/log.h"

void alert_series_init(struct alert_series *a, struct fw_store *store)
{
    *a = (struct alert_series){.store = store};
}

void alert_series_release(struct alert_series *a)
{
    fw_batch_release(&a->batch);
}

/* Said once, until it works again: the alerts themselves do not need it. */
static void note_rc(struct alert_series *a, fw_rc rc, const struct fw_err *err)
{
    if (rc != FW_OK && !a->failing)
        fw_log(FW_LOG_ERROR, "ALERTS of watches cannot be stored: %s",
               err->text);
    if (rc == FW_OK && a->failing)
        fw_log(FW_LOG_INFO, "ALERTS of watches can be stored again");
    a->failing = rc != FW_OK;
}

void alert_series_store(struct alert_series *a)
{
    struct fw_append_result result = {0};
    struct fw_err err = {0};
    fw_rc rc;

    if (a->batch.n == 0)
        return;
    rc = fw_store_append(a->store, &a->batch, &result, &err);
    a->batch.n = 0;
    note_rc(a, rc != FW_OK ? rc : result.rc, rc != FW_OK ? &err : &result.err);
}

static void add(struct alert_series *a, uint32_t id, fw_ms t, double v)
{
    struct fw_err err = {0};
    fw_rc rc;

    if (a->batch.n == FW_MAX_BATCH_SAMPLES)
        alert_series_store(a);
    rc = fw_batch_add(&a->batch, id, t, v);
    if (rc != FW_OK)
        note_rc(a, fw_err_set(&err, rc, "out of memory"), &err);
}

static double stale_marker(void)
{
    uint64_t bits = FW_STALE_BITS;
    double v;

    memcpy(&v, &bits, sizeof(v));
    return v;
}

/* ---- which series ---- */

static bool has_name(const struct fw_labels *labels, struct fw_str name)
{
    for (size_t i = 0; i < labels->n; i++)
        if (fw_str_eq(labels->v[i].name, name))
            return true;
    return false;
}

static fw_rc put_states(struct label_set *set, const struct fw_labels *labels,
                        enum alert_phase phase)
{
    fw_rc rc = label_set_put(set, FW_STR("alertstate"),
                             phase == ALERT_PENDING ? FW_STR("pending")
                                                    : FW_STR("firing"));

    /* A label of the series is never covered: it tells two alerts apart. */
    if (rc == FW_OK && phase != ALERT_PENDING &&
        !has_name(labels, FW_STR("state")))
        rc = label_set_put(set, FW_STR("state"),
                           phase == ALERT_BREACHED ? FW_STR("breached")
                                                   : FW_STR("predicted"));
    return rc;
}

/* The ids (and 1) of both; none where the alert shows in no series. */
static fw_rc find(struct alert_series *a, const struct config_watch *watch,
                  const struct fw_labels *labels,
                  const struct watched_state *state, struct alert_trace *out,
                  struct fw_err *err)
{
    struct fw_label own[ALERT_NOTE_LABELS];
    struct fw_labels merged = {
        own, alert_note_labels(watch, labels, state->told, own)};
    struct fw_labels all;
    struct label_set set;
    uint32_t alerts = 0, since = 0;
    fw_rc rc;

    label_set_from(&set, &merged);
    rc =
        label_set_put(&set, FW_STR(FW_METRIC_NAME), FW_STR("ALERTS_FOR_STATE"));
    all = label_set_labels(&set);
    if (rc == FW_OK)
        rc = fw_store_series(a->store, &all, &since, err);
    if (rc == FW_OK)
        rc = label_set_put(&set, FW_STR(FW_METRIC_NAME), FW_STR("ALERTS"));
    if (rc == FW_OK)
        rc = put_states(&set, &merged, state->alert.phase);
    all = label_set_labels(&set);
    if (rc == FW_OK)
        rc = fw_store_series(a->store, &all, &alerts, err);
    if (rc == FW_OK)
        *out = (struct alert_trace){alerts + 1, since + 1};
    return rc;
}

/* ---- what is written ---- */

static void end_old(struct alert_series *a, const struct alert_trace *old,
                    const struct alert_trace *fresh, fw_ms now)
{
    if (old->alerts != 0 && old->alerts != fresh->alerts)
        add(a, old->alerts - 1, now, stale_marker());
    if (old->since != 0 && old->since != fresh->since)
        add(a, old->since - 1, now, stale_marker());
}

static void look_series(struct alert_series *a, const struct watching *g,
                        struct watched *s, fw_ms now)
{
    const struct alert *alert = &s->state.alert;
    struct alert_trace fresh = {0};
    fw_ms since = alert_active_at(alert) / FW_SECOND;
    struct fw_err err = {0};
    fw_rc rc = FW_OK;

    if (standing_shows(g->standing.state, &s->state))
        rc = find(a, g->watch, &s->labels, &s->state, &fresh, &err);
    if (rc != FW_OK)
        note_rc(a, rc, &err);
    end_old(a, &s->trace, &fresh, now);
    s->trace = fresh;
    if (fresh.alerts == 0)
        return;
    add(a, fresh.alerts - 1, now, 1.0);
    add(a, fresh.since - 1, now, (double)since);
}

void alert_series_look(struct alert_series *a, struct watching *g, fw_ms now)
{
    for (size_t i = 0; i < g->count; i++)
        if (g->series[i]->trace.alerts != 0 ||
            g->series[i]->state.alert.phase != ALERT_INACTIVE)
            look_series(a, g, g->series[i], now);
}

void alert_series_resume(struct alert_series *a, struct watching *g)
{
    for (size_t i = 0; i < g->count; i++) {
        struct watched *s = g->series[i];
        struct fw_err err = {0};

        if (standing_shows(g->standing.state, &s->state) &&
            find(a, g->watch, &s->labels, &s->state, &s->trace, &err) != FW_OK)
            note_rc(a, err.rc, &err);
    }
}

void alert_series_end(struct alert_series *a, const struct alert_note *note)
{
    struct alert_trace old = {0}, none = {0};
    struct fw_err err = {0};

    if (find(a, note->watch, note->labels, note->state, &old, &err) == FW_OK)
        end_old(a, &old, &none, note->now);
}
