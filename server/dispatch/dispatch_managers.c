/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * dispatch_managers.c - which news of watches Alertmanagers lack.
 *
 * What was sent is remembered in memory only: after a restart everything that
 * is active is sent once more, which Alertmanager knows to be the same alert.
 */
#include "server/dispatch/dispatch_managers.h"

#include <stdlib.h>
#include <string.h>

#include "server/notify/relabel.h"
#include "server/rules/rule_notice.h"

#define MAX_SENT 200000

static int compare_labels(const void *a, const void *b)
{
    return fw_str_cmp(((const struct fw_label *)a)->name,
                      ((const struct fw_label *)b)->name);
}

fw_rc manager_feed_open(struct manager_feed *f, const struct config *c,
                        const char *external_url, struct fw_err *err)
{
    f->external = calloc(c->external_label_count + 1, sizeof(*f->external));
    if (f->external == NULL)
        return fw_err_set(err, FW_ENOMEM, "out of memory");
    for (size_t i = 0; i < c->external_label_count; i++)
        f->external[i] =
            (struct fw_label){fw_str_of(c->external_labels[i].name),
                              fw_str_of(c->external_labels[i].value)};
    qsort(f->external, c->external_label_count, sizeof(*f->external),
          compare_labels);
    f->world = (struct rule_world){
        .external_labels = {f->external, c->external_label_count},
        .external_url = external_url,
        .resend_delay = c->rules_resend_delay,
    };
    if (relabel_new(c->alert_relabels, c->alert_relabel_count, &f->relabel,
                    err) != FW_OK) {
        manager_feed_release(f);
        return FW_ENOMEM;
    }
    f->world.relabel = f->relabel;
    return FW_OK;
}

void manager_feed_release(struct manager_feed *f)
{
    relabel_free(f->relabel);
    free(f->external);
    free(f->sent);
    f->relabel = NULL;
    f->external = NULL;
    f->sent = NULL;
    f->count = f->cap = 0;
}

/* ---- what is due ---- */

static bool is_over(const struct news *n, fw_ms now)
{
    if (n->state == NEWS_NOTICE)
        return now >= n->ends_at;
    return n->state == NEWS_ENDED && now - n->ends_at > NEWS_RESOLVED_MS;
}

static bool is_due(const struct manager_feed *f, const struct news *n,
                   const struct sent_news *sent, fw_ms now)
{
    if (is_over(n, now))
        return false;
    if (sent == NULL || sent->starts_at != n->starts_at ||
        sent->changed_at != n->changed_at)
        return true;
    /* Its end moves with the looks: without one nothing moves. */
    if (n->ends_at == 0 && n->updated_at <= sent->updated_at)
        return false;
    return now - sent->sent_at >= f->world.resend_delay || now < sent->sent_at;
}

static fw_rc write_alert(const struct manager_feed *f, const struct news *n,
                         fw_ms now, struct fw_arena *arena,
                         struct manager_alert *out, struct fw_err *err)
{
    fw_ms step = n->interval > f->world.resend_delay ? n->interval
                                                     : f->world.resend_delay;
    struct rule_alert alert = {
        .labels = n->labels,
        .annotations = n->annotations,
        .fired_at = n->starts_at,
        .resolved_at = n->state == NEWS_ENDED ? n->ends_at : 0,
        .valid_until =
            n->state == NEWS_NOTICE ? n->ends_at : n->updated_at + 4 * step,
    };
    const char *expr = fw_arena_strndup(arena, n->expr.p, n->expr.n);

    if (expr == NULL)
        return fw_arena_err(arena, err);
    return rule_notice_make(&alert, expr, &f->world, now, arena, out, err);
}

static fw_rc store(const struct manager_feed *f,
                   const struct manager_alert *alerts, size_t n,
                   struct fw_err *err)
{
    struct fw_txn *txn = NULL;
    fw_rc rc = fw_txn_begin(f->store, true, &txn, err);

    if (rc == FW_OK)
        rc = managers_store(f->managers, txn, alerts, n, err);
    return fw_txn_end(txn, rc, err);
}

fw_rc manager_feed_step(struct manager_feed *f, const struct news *news,
                        size_t count, fw_ms now, struct fw_arena *arena,
                        struct fw_err *err)
{
    struct manager_alert *alerts;
    struct sent_news *next;
    size_t n = 0, at = 0;
    fw_rc rc;

    if (f->managers == NULL || (count == 0 && f->count == 0))
        return FW_OK;
    alerts = fw_arena_calloc(arena, count + 1, sizeof(*alerts));
    next = fw_arena_calloc(arena, count + 1, sizeof(*next));
    if (alerts == NULL || next == NULL)
        return fw_arena_err(arena, err);
    rc = fw_grow(&f->sent, &f->cap, count + 1, sizeof(*f->sent), MAX_SENT);
    for (size_t i = 0; rc == FW_OK && i < count; i++) {
        const struct sent_news *sent = NULL;

        while (at < f->count && f->sent[at].id < news[i].id)
            at++;
        if (at < f->count && f->sent[at].id == news[i].id)
            sent = &f->sent[at];
        next[i] = sent != NULL ? *sent : (struct sent_news){.id = news[i].id};
        if (!is_due(f, &news[i], sent, now))
            continue;
        /* What cannot be written is not tried again before it changes. */
        rc = write_alert(f, &news[i], now, arena, &alerts[n], err);
        if (rc == FW_OK)
            n++;
        else if (rc == FW_NONE || rc == FW_ETOOBIG)
            rc = FW_OK; /* relabelling drops it, or it is too large */
        next[i] =
            (struct sent_news){news[i].id, news[i].starts_at,
                               news[i].changed_at, news[i].updated_at, now};
    }
    /* They go out though the disk is full: queued in memory all the same. */
    if (rc == FW_OK && n > 0)
        rc = store(f, alerts, n, err);
    managers_queue(f->managers, alerts, n);
    if (count > 0)
        memcpy(f->sent, next, count * sizeof(*next));
    f->count = count;
    return rc;
}
