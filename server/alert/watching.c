/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "server/alert/watching.h"

#include <stdlib.h>
#include <string.h>

#include "storage/base/limits.h"

#define MAX_OPEN 4096 /* predictions of one series that wait for an outcome */

/* A minimum for silences: queries look back so far for a value anyway. */
#define GONE_MS (15 * FW_MINUTE)

static fw_ms longer(fw_ms a, fw_ms b)
{
    return a > b ? a : b;
}

void watching_init(struct watching *g, const struct config_watch *watch)
{
    *g = (struct watching){.watch = watch};
    g->policy = (struct alert_policy){
        .probability = watch->probability,
        .recover = watch->recover,
        .lead = watch->lead,
        .settle = longer(watch->breach.for_ms, 5 * watch->interval),
        .gone = longer(GONE_MS, 5 * watch->interval),
    };
    g->totals.definition = g->standing.definition = watch_definition(watch);
}

fw_ms watching_gap(const struct config_watch *watch, fw_ms step)
{
    return longer(fw_query_limits().lookback,
                  longer(2 * watch->interval, 2 * step));
}

fw_ms watched_gap(const struct watched *s, fw_ms gap)
{
    return longer(gap, 3 * s->spacing);
}

static void watched_free(struct watched *s)
{
    if (s == NULL)
        return;
    free((void *)s->labels.v);
    fw_forecaster_free(s->forecaster);
    free(s->open);
    free(s->scores);
    free(s->news);
    free(s);
}

void watching_release(struct watching *g)
{
    for (size_t i = 0; i < g->count; i++)
        watched_free(g->series[i]);
    free(g->series);
    fw_index_release(&g->index);
    g->series = NULL;
    g->count = g->cap = 0;
}

static uint64_t hash_labels(const struct fw_labels *labels)
{
    uint64_t hash = labels->n;

    for (size_t i = 0; i < labels->n; i++) {
        hash = fw_hash64(labels->v[i].name.p, labels->v[i].name.n, hash);
        hash = fw_hash64(labels->v[i].value.p, labels->v[i].value.n, hash);
    }
    return hash;
}

static bool has_labels(const void *self, uint32_t value, const void *key)
{
    const struct watching *g = self;

    return fw_labels_cmp(&g->series[value]->labels, key) == 0;
}

/* Labels and their texts in one block. */
static fw_rc copy_labels(const struct fw_labels *from, struct fw_labels *to)
{
    size_t bytes = from->n * sizeof(struct fw_label) + 1;
    struct fw_label *v;
    char *text;

    for (size_t i = 0; i < from->n; i++)
        bytes += from->v[i].name.n + from->v[i].value.n;
    v = malloc(bytes);
    if (v == NULL)
        return FW_ENOMEM;
    text = (char *)(v + from->n);
    for (size_t i = 0; i < from->n; i++) {
        const struct fw_str parts[] = {from->v[i].name, from->v[i].value};
        struct fw_str copies[2];

        for (size_t k = 0; k < 2; k++) {
            if (parts[k].n > 0)
                memcpy(text, parts[k].p, parts[k].n);
            copies[k] = (struct fw_str){text, parts[k].n};
            text += parts[k].n;
        }
        v[i] = (struct fw_label){copies[0], copies[1]};
    }
    *to = (struct fw_labels){v, from->n};
    return FW_OK;
}

static fw_rc watching_add(struct watching *g, uint64_t hash,
                          const struct fw_labels *labels, fw_ms through,
                          struct watched **out)
{
    struct watched *s = calloc(1, sizeof(*s));
    fw_rc rc = s != NULL ? copy_labels(labels, &s->labels) : FW_ENOMEM;

    if (rc == FW_OK)
        rc = fw_grow(&g->series, &g->cap, g->count + 1,
                     sizeof(struct watched *), /* NOLINT: pointers it is */
                     FW_MAX_FORECAST_SERIES);
    if (rc == FW_OK)
        rc = fw_index_add(&g->index, hash, (uint32_t)g->count);
    if (rc != FW_OK) {
        watched_free(s);
        return rc;
    }
    observed_init(&s->state.observed, through);
    g->series[g->count++] = s;
    *out = s;
    return FW_OK;
}

fw_rc watching_find(struct watching *g, const struct fw_labels *labels,
                    fw_ms through, struct watched **out, struct fw_err *err)
{
    uint64_t hash = hash_labels(labels);
    uint32_t at = fw_index_find(&g->index, hash, has_labels, g, labels);
    fw_rc rc;

    if (at != FW_INDEX_NONE) {
        *out = g->series[at];
        return FW_OK;
    }
    rc = watching_add(g, hash, labels, through, out);
    if (rc == FW_ETOOBIG)
        return fw_err_set(err, rc, "it returns more than %d series",
                          FW_MAX_FORECAST_SERIES);
    if (rc != FW_OK)
        return fw_err_set(err, rc, "out of memory");
    return FW_OK;
}

/* The index has no removal, and series go seldom: it is built anew. */
void watching_sweep(struct watching *g,
                    bool (*gone)(const struct watched *s, fw_ms now), fw_ms now)
{
    struct fw_index fresh = {0};
    uint32_t kept = 0;

    for (size_t i = 0; i < g->count; i++)
        if (!gone(g->series[i], now) &&
            fw_index_add(&fresh, hash_labels(&g->series[i]->labels), kept++) !=
                FW_OK) {
            fw_index_release(&fresh);
            return;
        }
    if (kept == g->count) {
        fw_index_release(&fresh);
        return;
    }
    kept = 0;
    for (size_t i = 0; i < g->count; i++) {
        struct watched *s = g->series[i];

        if (gone(s, now))
            watched_free(s);
        else
            g->series[kept++] = s;
    }
    g->count = kept;
    fw_index_release(&g->index);
    g->index = fresh;
}

fw_rc watched_add_open(struct watched *s, const struct prediction *p)
{
    fw_rc rc = fw_grow(&s->open, &s->open_cap, s->open_count + 1,
                       sizeof(*s->open), MAX_OPEN);

    if (rc == FW_OK)
        rc = fw_grow(&s->scores, &s->scores_cap, s->open_count + 1,
                     sizeof(*s->scores), MAX_OPEN);
    if (rc != FW_OK)
        return rc;
    s->scores[s->open_count] = (struct score){0};
    s->open[s->open_count++] = *p;
    return FW_OK;
}

void watched_forget_scored(struct watched *s)
{
    size_t kept = 0;

    for (size_t i = 0; i < s->open_count; i++) {
        if (s->scores[i].outcome != OUTCOME_OPEN)
            continue;
        s->open[kept] = s->open[i];
        s->scores[kept++] = s->scores[i];
    }
    s->open_count = kept;
}
