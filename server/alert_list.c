/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "server/alert_list.h"

#include <stdlib.h>
#include <string.h>

#include "server/alert/alert_note.h"
#include "server/rules/rule_emit.h"
#include "server/rules/rule_table.h"

#define MAX_LISTED 200000

struct gathering {
    struct alert_view *view;
    struct listed_alert *v; /* owned while it grows */
    size_t n, cap;
    fw_rc rc;
};

static bool keep_text(struct fw_arena *arena, struct fw_str *text)
{
    char *copy = fw_arena_strndup(arena, text->p, text->n);

    if (copy != NULL)
        text->p = copy;
    return copy != NULL;
}

static fw_rc keep_labels(struct fw_arena *arena, const struct fw_labels *from,
                         struct fw_labels *out)
{
    struct fw_label *v = fw_arena_calloc(arena, from->n + 1, sizeof(*v));

    if (v == NULL)
        return FW_ENOMEM;
    for (size_t i = 0; i < from->n; i++) {
        v[i] = from->v[i];
        if (!keep_text(arena, &v[i].name) || !keep_text(arena, &v[i].value))
            return FW_ENOMEM;
    }
    *out = (struct fw_labels){v, from->n};
    return FW_OK;
}

static fw_rc add(struct gathering *g, const struct listed_alert *alert)
{
    struct listed_alert kept = *alert;
    fw_rc rc = fw_grow(&g->v, &g->cap, g->n + 1, sizeof(*g->v), MAX_LISTED);

    if (rc == FW_OK)
        rc = keep_labels(g->view->arena, &alert->labels, &kept.labels);
    if (rc == FW_OK)
        rc =
            keep_labels(g->view->arena, &alert->annotations, &kept.annotations);
    if (rc != FW_OK)
        return rc;
    kept.fingerprint = silence_fingerprint(&kept.labels);
    g->v[g->n++] = kept;
    return FW_OK;
}

static bool add_rule(void *self, const struct rule_alert *a)
{
    struct gathering *g = self;
    struct listed_alert alert = {.labels = a->labels,
                                 .annotations = a->annotations,
                                 .starts_at = a->fired_at,
                                 .updated_at = a->last_sent_at,
                                 .value = a->value,
                                 .state = "firing"};

    if (a->state == RULE_FIRING)
        g->rc = add(g, &alert);
    return g->rc == FW_OK;
}

static fw_rc add_watch(struct gathering *g, const struct watched_row *row)
{
    const struct alert *state = &row->state.alert;
    struct listed_alert alert = {
        .of_watch = true,
        .starts_at = state->fired_at,
        .updated_at = row->state.outlook.at,
        .value = row->state.observed.value,
        .state = state->phase == ALERT_BREACHED ? "breached" : "predicted",
        .owner = fw_str_of(row->watch->owner)};
    struct fw_label notes[2] = {
        {FW_STR("owner"), fw_str_of(row->watch->owner)},
        {FW_STR("reason"), fw_str_of(row->watch->reason)}};
    struct label_set set;
    fw_rc rc = FW_OK;

    if (row->subject.id == 0 || !alert_is_active(state))
        return FW_OK;
    label_set_from(&set, &row->subject.labels);
    rc = label_set_put(&set, FW_STR(FW_METRIC_NAME), FW_STR(""));
    for (size_t i = 0; rc == FW_OK && i < row->watch->label_count; i++)
        rc = label_set_put(&set, fw_str_of(row->watch->labels[i].name),
                           fw_str_of(row->watch->labels[i].value));
    if (rc == FW_OK)
        rc = label_set_put(&set, FW_STR("alertname"),
                           fw_str_of(row->watch->name));
    alert.labels = label_set_labels(&set);
    alert.annotations = (struct fw_labels){notes, 2};
    return rc == FW_OK ? add(g, &alert) : rc;
}

static int older(const void *a, const void *b)
{
    const struct listed_alert *x = a, *y = b;

    if (x->starts_at != y->starts_at)
        return x->starts_at < y->starts_at ? -1 : 1;
    return fw_labels_cmp(&x->labels, &y->labels);
}

const struct silence *alert_list_silence(const struct alert_list *list,
                                         const struct listed_alert *alert,
                                         fw_ms now, size_t *at)
{
    while (*at < list->silence_count) {
        const struct silence *s = &list->silences[(*at)++];

        if (silence_state(s, now) == SILENCE_ACTIVE &&
            silence_matches(s, &alert->labels))
            return s;
    }
    return NULL;
}

static fw_rc mark(struct alert_view *view, struct alert_list *list, fw_ms now,
                  struct fw_err *err)
{
    for (size_t i = 0; i < list->count; i++) {
        struct listed_alert *a = &list->alerts[i];
        size_t at = 0;
        fw_rc rc =
            ack_get(view->txn, a->fingerprint, a->starts_at, &a->ack, err);

        if (rc < 0)
            return rc;
        a->acknowledged = rc == FW_OK;
        if (a->acknowledged && (!keep_text(view->arena, &a->ack.actor) ||
                                !keep_text(view->arena, &a->ack.reason)))
            return fw_arena_err(view->arena, err);
        a->silenced = alert_list_silence(list, a, now, &at) != NULL;
    }
    return FW_OK;
}

fw_rc alert_list_read(struct alert_view *view, fw_ms now,
                      struct alert_list *out, struct fw_err *err)
{
    struct gathering g = {.view = view};
    struct watched_row *rows = NULL;
    struct alert_list list = {0};
    size_t row_count = 0;
    fw_rc rc = alert_view_rows(view, &rows, &row_count, err);

    if (rc == FW_OK)
        rc = rule_table_each(view->txn, add_rule, &g, err);
    for (size_t i = 0; rc == FW_OK && g.rc == FW_OK && i < row_count; i++)
        g.rc = add_watch(&g, &rows[i]);
    if (g.rc != FW_OK)
        rc = fw_err_set(err, g.rc, "the alerts cannot be listed: %s",
                        fw_rc_name(g.rc));
    if (rc == FW_OK)
        rc = silence_all(view->txn, view->arena, &list.silences,
                         &list.silence_count, err);
    if (rc == FW_OK) {
        list.alerts =
            fw_arena_calloc(view->arena, g.n + 1, sizeof(*list.alerts));
        if (list.alerts == NULL)
            rc = fw_arena_err(view->arena, err);
    }
    if (rc == FW_OK) {
        if (g.n > 0)
            memcpy(list.alerts, g.v, g.n * sizeof(*g.v));
        list.count = g.n;
        qsort(list.alerts, list.count, sizeof(*list.alerts), older);
        rc = mark(view, &list, now, err);
    }
    free(g.v);
    if (rc == FW_OK)
        *out = list;
    return rc;
}
