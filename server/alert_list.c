/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "server/alert_list.h"

#include <math.h>
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
    struct fw_label v[ALERT_NOTE_LABELS];
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

    if (row->subject.id == 0 || !alert_is_active(state))
        return FW_OK;
    alert.labels = (struct fw_labels){v, alert_note_labels(row->watch,
                                                           &row->subject.labels,
                                                           row->state.told, v)};
    alert.annotations = (struct fw_labels){notes, 2};
    return add(g, &alert);
}

static fw_rc add_news(struct gathering *g, const struct news *news)
{
    struct listed_alert alert = {
        .of_watch = true,
        .news = news,
        .labels = news->labels,
        .annotations = news->annotations,
        .starts_at = news->starts_at,
        .updated_at = news->updated_at,
        .value = NAN,
        .state = news_state_name(news->state),
        .owner = fw_labels_get(&news->annotations, FW_STR("owner")),
        .unproven = fw_str_eq(fw_labels_get(&news->labels, FW_STR("record")),
                              FW_STR("unproven"))};

    if (news->state != NEWS_PREDICTED && news->state != NEWS_BREACHED)
        return FW_OK;
    return add(g, &alert);
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

/* Sorts what was gathered, and marks it. Takes g->v. */
static fw_rc finish(struct gathering *g, fw_ms now, struct alert_list *list,
                    struct fw_err *err)
{
    struct alert_view *view = g->view;
    fw_rc rc = FW_OK;

    if (g->rc != FW_OK)
        rc = fw_err_set(err, g->rc, "the alerts cannot be listed: %s",
                        fw_rc_name(g->rc));
    if (rc == FW_OK)
        rc = silence_all(view->txn, view->arena, &list->silences,
                         &list->silence_count, err);
    if (rc == FW_OK) {
        list->alerts =
            fw_arena_calloc(view->arena, g->n + 1, sizeof(*list->alerts));
        if (list->alerts == NULL)
            rc = fw_arena_err(view->arena, err);
    }
    if (rc == FW_OK) {
        if (g->n > 0)
            memcpy(list->alerts, g->v, g->n * sizeof(*g->v));
        list->count = g->n;
        qsort(list->alerts, list->count, sizeof(*list->alerts), older);
        rc = mark(view, list, now, err);
    }
    free(g->v);
    return rc;
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
    if (rc == FW_OK)
        rc = finish(&g, now, &list, err);
    else
        free(g.v);
    if (rc == FW_OK)
        *out = list;
    return rc;
}

fw_rc alert_list_told(struct alert_view *view, fw_ms now,
                      struct alert_list *out, struct fw_err *err)
{
    struct gathering g = {.view = view};
    struct alert_list list = {0};
    fw_rc rc =
        news_all(view->txn, view->arena, &list.news, &list.news_count, err);

    if (rc == FW_OK)
        rc = rule_table_each(view->txn, add_rule, &g, err);
    for (size_t i = 0; rc == FW_OK && g.rc == FW_OK && i < list.news_count; i++)
        g.rc = add_news(&g, &list.news[i]);
    if (rc == FW_OK)
        rc = finish(&g, now, &list, err);
    else
        free(g.v);
    if (rc == FW_OK)
        *out = list;
    return rc;
}
