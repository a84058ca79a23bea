/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * rule_restore.c - an alert that was pending when the server went down goes on
 * waiting, instead of beginning anew: its ActiveAt comes back from
 * ALERTS_FOR_STATE [Group.RestoreForState].
 */
#include <stdlib.h>
#include <string.h>

#include "server/rules/rule_emit.h"
#include "storage/base/limits.h"
#include "storage/base/log.h"

/* The last sample of a series in [from, to]. FW_NONE: there is none. */
static fw_rc last_sample(const struct rule_world *w, uint32_t series,
                         fw_ms from, fw_ms to, fw_ms *t, double *v,
                         struct fw_err *err)
{
    struct fw_run run = {0};
    void *cursor = NULL;
    bool found = false;
    fw_rc rc = w->source.open(w->source.self, series, from, to, &cursor, err);

    if (rc != FW_OK)
        return rc;
    while ((rc = w->source.next(w->source.self, cursor, &run, err)) == FW_OK)
        if (run.n > 0) {
            *t = run.t[run.n - 1];
            *v = run.v[run.n - 1];
            found = true;
        }
    w->source.close(w->source.self, cursor);
    if (rc != FW_END)
        return rc;
    return found ? FW_OK : FW_NONE;
}

static bool is_stale(double v)
{
    uint64_t bits;

    memcpy(&bits, &v, sizeof(bits));
    return bits == FW_STALE_BITS;
}

/* All ALERTS_FOR_STATE of this rule, whatever their other labels. */
static fw_rc select_states(const struct rule_run *r, const struct rule_world *w,
                           fw_ms from, fw_ms to, struct fw_arena *arena,
                           struct fw_series **series, size_t *count,
                           struct fw_err *err)
{
    struct fw_matcher matchers[2] = {
        {FW_MATCH_EQUAL, FW_STR(FW_METRIC_NAME), FW_STR("ALERTS_FOR_STATE")},
        {FW_MATCH_EQUAL, FW_STR("alertname"), fw_str_of(r->rule->name)}};

    return w->source.select(w->source.self, matchers, 2, from, to,
                            FW_MAX_QUERY_SERIES, arena, series, count, err);
}

/* Labels without the metric's name are those of the alert. */
static const struct fw_series *state_of(const struct rule_alert *a,
                                        const struct fw_series *series,
                                        size_t count)
{
    struct label_set set;
    struct fw_labels labels;

    label_set_from(&set, &a->labels);
    if (label_set_put(&set, FW_STR(FW_METRIC_NAME),
                      FW_STR("ALERTS_FOR_STATE")) != FW_OK)
        return NULL;
    labels = label_set_labels(&set);
    for (size_t i = 0; i < count; i++)
        if (fw_labels_cmp(&series[i].labels, &labels) == 0)
            return &series[i];
    return NULL;
}

static void restore_alert(struct rule_alert *a, const struct rule *rule,
                          const struct rule_restore *restore, fw_ms now,
                          fw_ms down_at, fw_ms active_at)
{
    fw_ms remaining = rule->for_ms - (down_at - active_at);

    if (remaining <= 0) {
        /* It was firing; the next evaluation sets it so again. */
    } else if (remaining < restore->for_grace_period) {
        active_at = now + restore->for_grace_period - rule->for_ms;
    } else {
        active_at += now - down_at;
    }
    a->active_at = active_at;
}

static fw_rc restore_rule(struct rule_run *r, const struct rule_world *w,
                          const struct rule_restore *restore, fw_ms now,
                          const struct rule_guard *guard, struct fw_err *err)
{
    struct fw_arena *arena = fw_arena_new(fw_query_limits().max_bytes);
    fw_ms from = now - restore->outage_tolerance;
    struct fw_series *series = NULL;
    size_t count = 0;
    fw_rc rc;

    if (arena == NULL)
        return fw_err_set(err, FW_ENOMEM, "out of memory");
    rc = select_states(r, w, from, now, arena, &series, &count, err);
    for (size_t i = 0; rc == FW_OK && count > 0 && i < r->alert_count; i++) {
        const struct fw_series *state = state_of(r->alerts[i], series, count);
        fw_ms t = 0;
        double v = 0;

        if (state == NULL || r->alerts[i]->state != RULE_PENDING)
            continue;
        rc = last_sample(w, state->id, from, now, &t, &v, err);
        if (rc == FW_OK && !is_stale(v)) {
            if (guard != NULL)
                guard->lock(guard->self);
            restore_alert(r->alerts[i], r->rule, restore, now, t / 1000 * 1000,
                          (fw_ms)v * 1000);
            if (guard != NULL)
                guard->unlock(guard->self);
        }
        rc = rc == FW_NONE ? FW_OK : rc;
    }
    fw_arena_free(arena);
    return rc;
}

void group_run_restore(struct group_run *g, const struct rule_world *w,
                       const struct rule_restore *restore, fw_ms now,
                       const struct rule_guard *guard)
{
    for (size_t i = 0; i < g->count; i++) {
        struct rule_run *r = &g->rules[i];
        struct fw_err err = {0};
        fw_rc rc = FW_OK;

        if (!r->rule->alerting)
            continue;
        if (!r->restored && r->rule->for_ms >= restore->for_grace_period)
            rc = restore_rule(r, w, restore, now, guard, &err);
        if (rc != FW_OK)
            fw_log(FW_LOG_WARN,
                   "the 'for' of alert '%s' cannot be taken back: %s",
                   r->rule->name, err.text);
        r->restored = true;
    }
}
