/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "server/alert/watch_load.h"

#include <string.h>

#include "server/alert/watch_audit.h"
#include "storage/base/limits.h"
#include "storage/base/log.h"

/* A stored series and where it belongs now. */
struct place {
    uint32_t subject;
    struct watched *series; /* NULL: its watch is gone or was changed */
};

struct load {
    struct fw_txn *txn;
    struct fw_arena *arena;
    struct watching *watches;
    size_t n;
    fw_ms now;
    watch_load_gone gone;
    void *self;
    struct config_watch *old; /* the definitions of the last run */
    size_t old_count;
    struct place *places; /* by subject */
    size_t place_count;
    uint64_t *voids; /* predictions to settle */
    size_t void_count, void_cap;
    bool failed;
};

static struct watching *watching_named(struct load *l, struct fw_str name)
{
    for (size_t i = 0; i < l->n; i++)
        if (fw_str_eq(fw_str_of(l->watches[i].watch->name), name))
            return &l->watches[i];
    return NULL;
}

/* The record goes on if the watch still asks the same; else it starts anew. */
static fw_rc load_totals(struct load *l, struct watching *g, bool *changed,
                         struct fw_err *err)
{
    struct totals stored;
    fw_rc rc = totals_get(l->txn, fw_str_of(g->watch->name), &stored, err);

    *changed = true;
    if (rc == FW_ECORRUPT) {
        fw_log(FW_LOG_ERROR,
               "the record of watch '%s' is damaged and starts "
               "anew: %s",
               g->watch->name, err->text);
        rc = FW_NONE;
    }
    if (rc == FW_OK && stored.definition == g->totals.definition) {
        g->totals = stored;
        *changed = false;
        return FW_OK;
    }
    if (rc < 0)
        return rc;
    g->totals.since = l->now;
    return totals_put(l->txn, fw_str_of(g->watch->name), &g->totals, err);
}

/* A new question starts in trial; a damaged standing too. */
static fw_rc load_standing(struct load *l, struct watching *g,
                           struct fw_err *err)
{
    struct standing stored;
    fw_rc rc = standing_get(l->txn, fw_str_of(g->watch->name), &stored, err);

    if (rc == FW_OK && stored.definition == g->standing.definition) {
        g->standing = stored;
        return FW_OK;
    }
    if (rc < 0 && rc != FW_ECORRUPT)
        return rc;
    g->standing.since = l->now;
    return standing_put(l->txn, fw_str_of(g->watch->name), &g->standing, err);
}

/* An alert whose watch is gone: whoever was told is told that it is over. */
static void end_alert(struct load *l, const struct subject *subject,
                      const struct watched_state *state)
{
    struct watched_state over = *state;
    struct alert_note note = {.labels = &subject->labels,
                              .state = &over,
                              .change = ALERT_TO_RESOLVED,
                              .end = ALERT_END_CHANGED,
                              .fired_at = state->alert.fired_at,
                              .now = l->now};

    over.outlook.told = false;
    for (size_t i = 0; i < l->old_count; i++)
        if (fw_str_eq(fw_str_of(l->old[i].name), subject->watch))
            note.watch = &l->old[i];
    if (note.watch != NULL && state->told != TOLD_NOBODY)
        l->gone(l->self, &note);
}

static fw_rc load_state(struct load *l, const struct watched_state *state,
                        const bool *changed, struct place *place,
                        struct fw_err *err)
{
    struct subject subject;
    struct watching *g;
    fw_rc rc =
        ledger_subject_get(l->txn, state->subject, l->arena, &subject, err);

    place->subject = state->subject;
    if (rc == FW_NONE || rc == FW_ECORRUPT)
        return watched_delete(l->txn, state->subject, err);
    if (rc != FW_OK)
        return rc;
    g = watching_named(l, subject.watch);
    if (g == NULL || changed[g - l->watches]) {
        end_alert(l, &subject, state);
        return watched_delete(l->txn, state->subject, err);
    }
    rc = watching_find(g, &subject.labels, 0, &place->series, err);
    if (rc != FW_OK)
        return rc;
    place->series->state = *state;
    place->series->known = true;
    if (g->through < state->observed.through)
        g->through = state->observed.through;
    return FW_OK;
}

static fw_rc load_states(struct load *l, const bool *changed,
                         struct fw_err *err)
{
    struct watched_state *states = NULL;
    size_t damaged = 0;
    fw_rc rc =
        watched_all(l->txn, l->arena, &states, &l->place_count, &damaged, err);

    if (rc != FW_OK)
        return rc;
    if (damaged > 0)
        fw_log(FW_LOG_ERROR,
               "%zu stored alert states are damaged and start "
               "anew",
               damaged);
    l->places =
        fw_arena_calloc(l->arena, l->place_count + 1, sizeof(*l->places));
    if (l->places == NULL)
        return fw_arena_err(l->arena, err);
    for (size_t i = 0; rc == FW_OK && i < l->place_count; i++)
        rc = load_state(l, &states[i], changed, &l->places[i], err);
    return rc;
}

static struct watched *series_of(const struct load *l, uint32_t subject)
{
    size_t low = 0, high = l->place_count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (l->places[middle].subject < subject)
            low = middle + 1;
        else
            high = middle;
    }
    if (low == l->place_count || l->places[low].subject != subject)
        return NULL;
    return l->places[low].series;
}

static bool load_open(void *self, uint64_t id, const struct prediction *p)
{
    struct load *l = self;
    struct watched *s = p != NULL ? series_of(l, p->subject) : NULL;

    if (s != NULL && watched_add_open(s, p) == FW_OK)
        return true;
    if (l->void_count == l->void_cap) {
        size_t cap = l->void_cap == 0 ? 256 : l->void_cap * 2;
        uint64_t *voids = fw_arena_calloc(l->arena, cap, sizeof(*voids));

        if (voids == NULL) {
            l->failed = true;
            return false;
        }
        if (l->void_count > 0)
            memcpy(voids, l->voids, l->void_count * sizeof(*voids));
        l->voids = voids;
        l->void_cap = cap;
    }
    l->voids[l->void_count++] = id;
    return true;
}

static fw_rc settle_voids(struct load *l, struct fw_err *err)
{
    fw_rc rc = FW_OK;

    for (size_t i = 0; rc == FW_OK && i < l->void_count; i++)
        rc = ledger_void(l->txn, l->voids[i], l->now, err);
    return rc;
}

fw_rc watch_load(struct fw_txn *txn, struct watching *watches, size_t n,
                 fw_ms now, watch_load_gone gone, void *self,
                 struct fw_err *err)
{
    struct load l = {.txn = txn,
                     .arena = fw_arena_new(fw_query_limits().max_bytes),
                     .watches = watches,
                     .n = n,
                     .now = now,
                     .gone = gone,
                     .self = self};
    struct config_watch *definitions;
    bool *changed;
    fw_rc rc = FW_OK;

    if (l.arena == NULL)
        return fw_err_set(err, FW_ENOMEM, "out of memory");
    changed = fw_arena_calloc(l.arena, n + 1, sizeof(*changed));
    definitions = fw_arena_calloc(l.arena, n + 1, sizeof(*definitions));
    if (changed == NULL || definitions == NULL) {
        rc = fw_arena_err(l.arena, err);
        goto out;
    }
    if (watch_table_all(txn, l.arena, &l.old, &l.old_count, err) != FW_OK)
        fw_log(FW_LOG_ERROR,
               "the stored definitions of watches are damaged: "
               "%s",
               err->text);
    for (size_t i = 0; rc == FW_OK && i < n; i++) {
        definitions[i] = *watches[i].watch;
        rc = load_totals(&l, &watches[i], &changed[i], err);
        if (rc == FW_OK)
            rc = load_standing(&l, &watches[i], err);
    }
    if (rc == FW_OK)
        rc = load_states(&l, changed, err);
    if (rc == FW_OK)
        rc = ledger_open_each(txn, load_open, &l, err);
    if (rc == FW_OK && l.failed)
        rc = fw_arena_err(l.arena, err);
    if (rc == FW_OK)
        rc = settle_voids(&l, err);
    if (rc == FW_OK)
        rc = watch_audit(txn, l.old, l.old_count, definitions, n, now, err);
    if (rc == FW_OK)
        rc = watch_table_set(txn, definitions, n, err);
out:
    fw_arena_free(l.arena);
    return rc;
}
