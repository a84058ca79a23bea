/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * api_status.c - what the server says of itself, in the shapes that Grafana
 * and promtool read.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "server/http/api.h"
#include "storage/base/hash.h"

#define TOP_ENTRIES 10 /* of each list of status/tsdb */

static void put_pair(struct fw_json *json, const char *key, const char *value)
{
    fw_json_key(json, key);
    fw_json_text(json, value);
}

static void put_number(struct fw_json *json, const char *key, int64_t value)
{
    fw_json_key(json, key);
    fw_json_int(json, value);
}

static void put_time(struct fw_json *json, const char *key, fw_ms t)
{
    char text[FW_TIME_TEXT_BYTES];

    (void)fw_format_time(text, t);
    put_pair(json, key, text);
}

static void put_empty_array(struct fw_json *json, const char *key)
{
    fw_json_key(json, key);
    fw_json_array(json);
    fw_json_array_end(json);
}

/* No "features": with it Grafana would take this server for a Mimir. */
void api_buildinfo(struct call *call)
{
    struct fw_json json;

    call_data_begin(call, &json);
    fw_json_object(&json);
    put_pair(&json, "version", FW_VERSION);
    put_pair(&json, "revision", "");
    put_pair(&json, "branch", "");
    put_pair(&json, "buildUser", "");
    put_pair(&json, "buildDate", "");
    put_pair(&json, "goVersion", "");
    fw_json_object_end(&json);
    call_data_end(call, &json);
}

void api_runtimeinfo(struct call *call)
{
    const struct api *api = call->api;
    struct fw_store_stats stats;
    struct utsname host;
    struct fw_json json;

    fw_store_stats(api->store, &stats);
    call_data_begin(call, &json);
    fw_json_object(&json);
    put_time(&json, "startTime", api->started);
    put_pair(&json, "CWD", fw_store_dir(api->store));
    put_pair(&json, "hostname", uname(&host) == 0 ? host.nodename : "");
    put_time(&json, "serverTime", fw_clock_now(api->clock));
    fw_json_key(&json, "reloadConfigSuccess");
    fw_json_bool(&json, true);
    put_time(&json, "lastConfigTime", api->started);
    put_number(&json, "corruptionCount", (int64_t)stats.corrupt_found);
    put_number(&json, "goroutineCount", 0);
    put_number(&json, "GOMAXPROCS", sysconf(_SC_NPROCESSORS_ONLN));
    put_number(&json, "GOMEMLIMIT", 0);
    put_pair(&json, "GOGC", "");
    put_pair(&json, "GODEBUG", "");
    put_pair(&json, "storageRetention", api->retention_text);
    fw_json_object_end(&json);
    call_data_end(call, &json);
}

void api_config(struct call *call)
{
    struct fw_json json;

    call_data_begin(call, &json);
    fw_json_object(&json);
    put_pair(&json, "yaml", call->api->config_text);
    fw_json_object_end(&json);
    call_data_end(call, &json);
}

/* The names are Prometheus's where the meaning is. */
void api_flags(struct call *call)
{
    struct fw_json json;

    call_data_begin(call, &json);
    fw_json_object(&json);
    put_pair(&json, "query.lookback-delta", "5m");
    put_pair(&json, "query.timeout", "2m");
    put_pair(&json, "storage.tsdb.path", fw_store_dir(call->api->store));
    put_pair(&json, "storage.tsdb.retention.time", call->api->retention_text);
    put_pair(&json, "web.enable-admin-api", "false");
    put_pair(&json, "web.enable-lifecycle",
             call->api->reload != NULL ? "true" : "false");
    put_pair(&json, "web.enable-remote-write-receiver", "true");
    fw_json_object_end(&json);
    call_data_end(call, &json);
}

void api_walreplay(struct call *call)
{
    struct fw_json json;

    call_data_begin(call, &json);
    fw_json_object(&json);
    put_number(&json, "min", 0);
    put_number(&json, "max", 0);
    put_number(&json, "current", 0);
    fw_json_object_end(&json);
    call_data_end(call, &json);
}

/* ---- status/tsdb: what the series are made of ---- */

struct tally {
    struct fw_str text; /* a name, or name=value */
    uint64_t n;
};

struct tallies {
    struct tally *v;
    size_t n, cap;
    struct fw_index index;
};

static bool same_tally(const void *self, uint32_t value, const void *key)
{
    const struct tallies *t = self;

    return fw_str_eq(t->v[value].text, *(const struct fw_str *)key);
}

/* Adds to the tally of a text; false when memory ran out. */
static bool tally(struct tallies *t, struct fw_str text, uint64_t n)
{
    uint64_t hash = fw_hash64(text.p, text.n, 0);
    uint32_t at = fw_index_find(&t->index, hash, same_tally, t, &text);

    if (at == FW_INDEX_NONE) {
        if (fw_grow(&t->v, &t->cap, t->n + 1, sizeof(*t->v),
                    FW_INDEX_NONE - 1) != FW_OK ||
            fw_index_add(&t->index, hash, (uint32_t)t->n) != FW_OK)
            return false;
        at = (uint32_t)t->n++;
        t->v[at] = (struct tally){.text = text};
    }
    t->v[at].n += n;
    return true;
}

static void tallies_release(struct tallies *t)
{
    fw_index_release(&t->index);
    free(t->v);
}

static int larger_first(const void *a, const void *b)
{
    const struct tally *x = a, *y = b;

    if (x->n != y->n)
        return x->n < y->n ? 1 : -1;
    return fw_str_cmp(x->text, y->text);
}

static void put_top(struct fw_json *json, const char *key, struct tallies *t)
{
    if (t->n > 0)
        qsort(t->v, t->n, sizeof(*t->v), larger_first);
    fw_json_key(json, key);
    fw_json_array(json);
    for (size_t i = 0; i < t->n && i < TOP_ENTRIES; i++) {
        fw_json_object(json);
        fw_json_key(json, "name");
        fw_json_str(json, t->v[i].text);
        put_number(json, "value", (int64_t)t->v[i].n);
        fw_json_object_end(json);
    }
    fw_json_array_end(json);
}

/* "name=value" in the arena, empty when memory ran out. */
static struct fw_str pair_text(struct fw_arena *arena,
                               const struct fw_label *label)
{
    size_t n = label->name.n + 1 + label->value.n;
    char *p = fw_arena_alloc(arena, n);

    if (p == NULL)
        return (struct fw_str){NULL, 0};
    memcpy(p, label->name.p, label->name.n);
    p[label->name.n] = '=';
    memcpy(p + label->name.n + 1, label->value.p, label->value.n);
    return (struct fw_str){p, n};
}

/* What the four lists of status/tsdb count. */
struct makeup {
    struct tallies metrics; /* series by metric name */
    struct tallies values;  /* distinct values by label name */
    struct tallies bytes;   /* of those values, by label name */
    struct tallies pairs;   /* series by name=value */
};

static bool count_series(struct makeup *m, const struct fw_series *series,
                         struct fw_arena *arena)
{
    for (size_t i = 0; i < series->labels.n; i++) {
        const struct fw_label *label = &series->labels.v[i];
        struct fw_str pair = pair_text(arena, label);
        size_t before = m->pairs.n;

        if (pair.p == NULL || !tally(&m->pairs, pair, 1))
            return false;
        if (m->pairs.n > before && (!tally(&m->values, label->name, 1) ||
                                    !tally(&m->bytes, label->name, pair.n - 1)))
            return false;
        if (fw_str_eq(label->name, FW_STR(FW_METRIC_NAME)) &&
            !tally(&m->metrics, label->value, 1))
            return false;
    }
    return true;
}

static bool count_all(struct call *call, struct makeup *m)
{
    const struct fw_matcher any = {FW_MATCH_REGEX, FW_STR(FW_METRIC_NAME),
                                   FW_STR(".+")};
    struct fw_series *series;
    struct fw_err err = {0};
    size_t n;
    fw_rc rc =
        fw_store_select(call->api->store, &any, 1, INT64_MIN / 4, INT64_MAX / 4,
                        FW_MAX_QUERY_SERIES, call->arena, &series, &n, &err);

    if (rc < 0) {
        err.rc = rc;
        call_failed(call, &err);
        return false;
    }
    for (size_t i = 0; i < n; i++) {
        if (!count_series(m, &series[i], call->arena)) {
            call_error(call, 503, NULL, "out of memory");
            return false;
        }
    }
    return true;
}

void api_tsdb(struct call *call)
{
    struct fw_store_stats stats;
    struct makeup m = {0};
    struct fw_json json;

    if (count_all(call, &m)) {
        fw_store_stats(call->api->store, &stats);
        call_data_begin(call, &json);
        fw_json_object(&json);
        fw_json_key(&json, "headStats");
        fw_json_object(&json);
        put_number(&json, "numSeries", (int64_t)stats.series);
        put_number(&json, "numLabelPairs", (int64_t)m.pairs.n);
        put_number(&json, "chunkCount", 0);
        put_number(&json, "minTime", 0);
        put_number(&json, "maxTime", 0);
        fw_json_object_end(&json);
        put_top(&json, "seriesCountByMetricName", &m.metrics);
        put_top(&json, "labelValueCountByLabelName", &m.values);
        put_top(&json, "memoryInBytesByLabelName", &m.bytes);
        put_top(&json, "seriesCountByLabelValuePair", &m.pairs);
        fw_json_object_end(&json);
        call_data_end(call, &json);
    }
    tallies_release(&m.metrics);
    tallies_release(&m.values);
    tallies_release(&m.bytes);
    tallies_release(&m.pairs);
}

/* ---- lists of what this server does not have, or others fill ---- */

/* Nothing sends us metadata that we keep. */
void api_metadata(struct call *call)
{
    struct fw_json json;

    call_data_begin(call, &json);
    fw_json_object(&json);
    fw_json_object_end(&json);
    call_data_end(call, &json);
}

void api_targets(struct call *call)
{
    struct fw_json json;

    call_data_begin(call, &json);
    fw_json_object(&json);
    put_empty_array(&json, "activeTargets");
    put_empty_array(&json, "droppedTargets");
    fw_json_key(&json, "droppedTargetCounts");
    fw_json_object(&json);
    fw_json_object_end(&json);
    fw_json_object_end(&json);
    call_data_end(call, &json);
}

static void answer_array(struct call *call)
{
    struct fw_json json;

    call_data_begin(call, &json);
    fw_json_array(&json);
    fw_json_array_end(&json);
    call_data_end(call, &json);
}

void api_target_metadata(struct call *call)
{
    answer_array(call);
}

void api_notifications(struct call *call)
{
    answer_array(call);
}

void api_scrape_pools(struct call *call)
{
    struct fw_json json;

    call_data_begin(call, &json);
    fw_json_object(&json);
    put_empty_array(&json, "scrapePools");
    fw_json_object_end(&json);
    call_data_end(call, &json);
}

typedef fw_rc (*filler)(void *self, const struct form *form,
                        struct fw_json *json, struct fw_err *err);

/* What another part of the server fills; without it, an object of `empty`. */
static void answer_filled(struct call *call, filler fill, const char *empty)
{
    struct fw_err err = {0};
    struct fw_json json;
    fw_rc rc = FW_OK;

    call_data_begin(call, &json);
    if (fill != NULL) {
        rc = fill(call->api->self, &call->form, &json, &err);
    } else {
        fw_json_object(&json);
        put_empty_array(&json, empty);
        fw_json_object_end(&json);
    }
    if (rc == FW_OK) {
        call_data_end(call, &json);
        return;
    }
    fw_buf_clear(&call->reply.body);
    err.rc = rc;
    call_failed(call, &err);
}

void api_alertmanagers(struct call *call)
{
    answer_filled(call, call->api->alertmanagers, "activeAlertmanagers");
}

void api_rules(struct call *call)
{
    answer_filled(call, call->api->rules, "groups");
}

void api_alerts(struct call *call)
{
    answer_filled(call, call->api->alerts, "alerts");
}
