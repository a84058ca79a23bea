/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "server/alert/watching.h"

#include <math.h>
#include <stdio.h>
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

struct calibration_pool *calibration_pool_of(struct calibration_pool *pools,
                                             const char *model, bool add)
{
    for (size_t i = 0; pools != NULL && i < CALIBRATION_POOLS; i++) {
        if (strcmp(pools[i].model, model) == 0)
            return &pools[i];
        if (pools[i].model[0] != '\0' || !add)
            continue;
        (void)snprintf(pools[i].model, sizeof(pools[i].model), "%s", model);
        calibration_init(&pools[i].calibration, 0);
        return &pools[i];
    }
    return NULL;
}

struct pools_loading {
    struct fw_txn *txn;
    struct calibration_pool *pools;
    fw_rc rc;
};

#define POOL_PREFIX "model:"

static bool load_pool(void *self, struct fw_str key, struct fw_str value)
{
    struct pools_loading *l = self;
    size_t n = strlen(POOL_PREFIX);
    struct calibration_pool *pool;
    char model[MODEL_NAME_BYTES];

    (void)value;
    if (key.n <= n || key.n - n >= sizeof(model) ||
        memcmp(key.p, POOL_PREFIX, n) != 0)
        return key.n < n || memcmp(key.p, POOL_PREFIX, n) <= 0;
    (void)snprintf(model, sizeof(model), "%.*s", (int)(key.n - n), key.p + n);
    pool = calibration_pool_of(l->pools, model, true);
    if (pool == NULL)
        return false;
    l->rc = calibration_get(l->txn, key, &pool->calibration, NULL);
    return l->rc >= 0;
}

fw_rc calibration_pools_load(struct fw_txn *txn, struct calibration_pool *pools,
                             struct fw_err *err)
{
    struct pools_loading l = {txn, pools, FW_OK};
    fw_rc rc = fw_txn_scan(txn, "calibrations", FW_STR(POOL_PREFIX), load_pool,
                           &l, err);

    if (rc >= 0 && l.rc < 0)
        rc = fw_err_set(err, l.rc, "the calibrations cannot be read");
    return rc < 0 ? rc : FW_OK;
}

/* Its own past says more than that of its model, once there is enough. */
double watching_calibrate(const struct watching *g, const char *model, double p)
{
    const struct calibration_pool *pool;

    if (g->as_said)
        return p;
    if (calibration_is_old_enough(&g->calibration))
        return calibration_map(&g->calibration, p);
    pool =
        model[0] != '\0' ? calibration_pool_of(g->pools, model, false) : NULL;
    return pool != NULL ? calibration_map(&pool->calibration, p) : p;
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
    calibration_init(&g->calibration, g->totals.definition);
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
    free(s->values);
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
    if (rc == FW_OK)
        rc = fw_grow(&s->values, &s->values_cap, s->open_count + 1,
                     sizeof(*s->values), MAX_OPEN);
    if (rc != FW_OK)
        return rc;
    s->scores[s->open_count] = (struct score){0};
    s->values[s->open_count] = (struct value_score){0};
    s->open[s->open_count] = *p;
    s->open[s->open_count].reached = NAN;
    if (p->kind == PREDICTION_ALERT) /* claims are graded by the breach */
        s->open[s->open_count].extreme[0] = NAN;
    s->open_count++;
    return FW_OK;
}

void watched_forget_scored(struct watched *s)
{
    size_t kept = 0;

    for (size_t i = 0; i < s->open_count; i++) {
        struct prediction p = s->open[i];

        if (s->scores[i].outcome != OUTCOME_OPEN)
            p.scored = true;
        if (s->values[i].id != 0)
            p.extreme[0] = NAN;
        if (p.scored && !extreme_is_told(p.extreme))
            continue;
        s->open[kept] = p;
        s->scores[kept] = (struct score){0};
        s->values[kept++] = (struct value_score){0};
    }
    s->open_count = kept;
}
