/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * rule_emit.c - the series a rule writes, and how they end: one that was
 * there in the last turn and is not in this one gets the stale marker, so that
 * queries forget it at once.
 */
#include "server/rules/rule_emit.h"

#include <string.h>

#include "storage/base/limits.h"

/* ---- labels under construction ---- */

void label_set_from(struct label_set *set, const struct fw_labels *labels)
{
    set->n = labels->n < RULE_MAX_LABELS ? labels->n : RULE_MAX_LABELS;
    if (set->n > 0)
        memcpy(set->v, labels->v, set->n * sizeof(*set->v));
}

fw_rc label_set_put(struct label_set *set, struct fw_str name,
                    struct fw_str value)
{
    size_t at = 0;
    bool there;

    while (at < set->n && fw_str_cmp(set->v[at].name, name) < 0)
        at++;
    there = at < set->n && fw_str_eq(set->v[at].name, name);
    if (there && value.n == 0) {
        set->n--;
        memmove(&set->v[at], &set->v[at + 1], (set->n - at) * sizeof(*set->v));
    } else if (there) {
        set->v[at].value = value;
    } else if (value.n > 0) {
        if (set->n == RULE_MAX_LABELS)
            return FW_ETOOBIG;
        memmove(&set->v[at + 1], &set->v[at], (set->n - at) * sizeof(*set->v));
        set->v[at] = (struct fw_label){name, value};
        set->n++;
    }
    return FW_OK;
}

struct fw_labels label_set_labels(const struct label_set *set)
{
    return (struct fw_labels){set->v, set->n};
}

/* ---- series ---- */

static bool is_series(const void *self, uint32_t at, const void *key)
{
    const struct rule_run *r = self;

    return fw_labels_cmp(&r->series[at].labels, key) == 0;
}

static fw_rc find_series(struct rule_run *r, const struct fw_labels *labels,
                         struct rule_series **out, struct fw_err *err)
{
    uint64_t hash = rule_labels_hash(labels);
    uint32_t at = fw_index_find(&r->series_index, hash, is_series, r, labels);
    struct rule_series fresh = {.hash = hash};
    fw_rc rc;

    if (at != FW_INDEX_NONE) {
        *out = &r->series[at];
        return FW_OK;
    }
    rc = rule_labels_copy(labels, &fresh.labels);
    if (rc == FW_OK)
        rc = fw_grow(&r->series, &r->series_cap, r->series_count + 1,
                     sizeof(*r->series), FW_MAX_QUERY_SERIES * 3);
    if (rc == FW_OK)
        rc = fw_index_add(&r->series_index, hash, (uint32_t)r->series_count);
    if (rc != FW_OK) {
        rule_series_release(&fresh);
        return fw_err_set(err, rc, "no room for more than %zu series",
                          r->series_count);
    }
    r->series[r->series_count] = fresh;
    *out = &r->series[r->series_count++];
    return FW_OK;
}

fw_rc rule_emit(struct rule_run *r, const struct rule_world *w,
                const struct fw_labels *labels, fw_ms t, double v,
                struct fw_err *err)
{
    struct rule_series *series = NULL;
    fw_rc rc = find_series(r, labels, &series, err);

    if (rc == FW_OK)
        rc = w->add(w->self, &series->labels, &series->id, t, v, err);
    if (rc == FW_OK)
        series->seen = r->turn;
    return rc;
}

static double stale_marker(void)
{
    uint64_t bits = FW_STALE_BITS;
    double v;

    memcpy(&v, &bits, sizeof(v));
    return v;
}

fw_rc rule_emit_stale(struct rule_run *r, const struct rule_world *w, fw_ms t,
                      struct fw_err *err)
{
    size_t kept = 0;
    fw_rc rc = FW_OK;

    for (size_t i = 0; i < r->series_count; i++) {
        struct rule_series *s = &r->series[i];

        if (s->seen == r->turn) {
            r->series[kept++] = *s;
            continue;
        }
        if (rc == FW_OK)
            rc = w->add(w->self, &s->labels, &s->id, t, stale_marker(), err);
        rule_series_release(s);
    }
    if (kept == r->series_count)
        return rc;
    r->series_count = kept;
    fw_index_release(&r->series_index);
    for (size_t i = 0; i < kept; i++)
        if (fw_index_add(&r->series_index, r->series[i].hash, (uint32_t)i) !=
            FW_OK)
            return fw_err_set(err, FW_ENOMEM, "out of memory");
    return rc;
}

fw_rc group_run_end(struct group_run *g, const struct rule_world *w, fw_ms now,
                    struct fw_err *err)
{
    fw_rc rc = FW_OK;

    for (size_t i = 0; rc == FW_OK && i < g->count; i++) {
        g->rules[i].turn++;
        rc = rule_emit_stale(&g->rules[i], w, now - g->query_offset, err);
    }
    return rc == FW_OK && w->settle != NULL ? w->settle(w->self, err) : rc;
}
