/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * api_status.c - what the server says of itself, in the shapes that Grafana
 * and promtool read.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "server/config/loaded.h"
#include "server/http/api.h"

#define TOP_ENTRIES 10 /* of each list of status/tsdb */
#define TOP_ENTRIES_MAX 10000

/* Flags are texts in Prometheus, numbers too. */
static void put_text_number(struct fw_json *json, const char *key, uint64_t v)
{
    char text[24];

    (void)snprintf(text, sizeof(text), "%llu", (unsigned long long)v);
    fw_json_field_text(json, key, text);
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
    fw_json_field_text(&json, "version", FW_VERSION);
    fw_json_field_text(&json, "revision", "");
    fw_json_field_text(&json, "branch", "");
    fw_json_field_text(&json, "buildUser", "");
    fw_json_field_text(&json, "buildDate", "");
    fw_json_field_text(&json, "goVersion", "");
    fw_json_object_end(&json);
    call_data_end(call, &json);
}

void api_runtimeinfo(struct call *call)
{
    const struct api *api = call->api;
    const struct loaded_state loaded = loaded_state(api->loaded);
    struct fw_store_stats stats;
    struct utsname host;
    struct fw_json json;

    fw_store_stats(api->store, &stats);
    call_data_begin(call, &json);
    fw_json_object(&json);
    fw_json_field_time(&json, "startTime", api->started);
    fw_json_field_text(&json, "CWD", fw_store_dir(api->store));
    fw_json_field_text(&json, "hostname",
                       uname(&host) == 0 ? host.nodename : "");
    fw_json_field_time(&json, "serverTime", fw_clock_now(api->clock));
    fw_json_field_bool(&json, "reloadConfigSuccess", loaded.good);
    fw_json_field_time(&json, "lastConfigTime", loaded.since);
    fw_json_field_int(&json, "corruptionCount", (int64_t)stats.corrupt_found);
    fw_json_field_int(&json, "goroutineCount", 0);
    fw_json_field_int(&json, "GOMAXPROCS", sysconf(_SC_NPROCESSORS_ONLN));
    fw_json_field_int(&json, "GOMEMLIMIT", 0);
    fw_json_field_text(&json, "GOGC", "");
    fw_json_field_text(&json, "GODEBUG", "");
    fw_json_field_text(&json, "storageRetention", api->retention_text);
    fw_json_object_end(&json);
    call_data_end(call, &json);
}

void api_config(struct call *call)
{
    struct fw_buf yaml = FW_BUF_INIT(FW_MAX_REPLY_BYTES);
    struct fw_json json;

    if (loaded_yaml(call->api->loaded, &yaml) == FW_OK) {
        call_data_begin(call, &json);
        fw_json_object(&json);
        fw_json_field_str(&json, "yaml", (struct fw_str){yaml.data, yaml.len});
        fw_json_object_end(&json);
        call_data_end(call, &json);
    } else
        call_error(call, 503, "unavailable", "out of memory");
    fw_buf_release(&yaml);
}

/* The names are Prometheus's where the meaning is. */
void api_flags(struct call *call)
{
    struct fw_json json;

    const struct fw_query_limits limits = fw_query_limits();

    call_data_begin(call, &json);
    fw_json_object(&json);
    fw_json_field_duration(&json, "query.lookback-delta", limits.lookback);
    put_text_number(&json, "query.max-samples", limits.max_samples);
    fw_json_field_duration(&json, "query.timeout", limits.max_ms);
    fw_json_field_text(&json, "storage.tsdb.path",
                       fw_store_dir(call->api->store));
    fw_json_field_text(&json, "storage.tsdb.retention.time",
                       call->api->retention_text);
    fw_json_field_text(&json, "web.enable-admin-api",
                       call->api->admin ? "true" : "false");
    fw_json_field_text(&json, "web.enable-lifecycle",
                       call->api->reload != NULL ? "true" : "false");
    fw_json_field_text(&json, "web.enable-remote-write-receiver", "true");
    fw_json_object_end(&json);
    call_data_end(call, &json);
}

void api_walreplay(struct call *call)
{
    struct fw_json json;

    call_data_begin(call, &json);
    fw_json_object(&json);
    fw_json_field_int(&json, "min", 0);
    fw_json_field_int(&json, "max", 0);
    fw_json_field_int(&json, "current", 0);
    fw_json_object_end(&json);
    call_data_end(call, &json);
}

/* ---- status/tsdb: what the series are made of ---- */

/* The name of an entry, or name=value. */
static void put_entry_name(struct fw_json *json, struct fw_arena *arena,
                           const struct fw_index_entry *e)
{
    char *text = e->value.n == 0
                     ? NULL
                     : fw_arena_alloc(arena, e->name.n + 1 + e->value.n);

    fw_json_key(json, "name");
    if (text == NULL) {
        fw_json_str(json, e->name);
        return;
    }
    memcpy(text, e->name.p, e->name.n);
    text[e->name.n] = '=';
    memcpy(text + e->name.n + 1, e->value.p, e->value.n);
    fw_json_str(json, (struct fw_str){text, e->name.n + 1 + e->value.n});
}

static void put_top(struct fw_json *json, struct fw_arena *arena,
                    const char *key, const struct fw_index_entry *v, size_t n)
{
    fw_json_key(json, key);
    fw_json_array(json);
    for (size_t i = 0; i < n; i++) {
        fw_json_object(json);
        put_entry_name(json, arena, &v[i]);
        fw_json_field_count(json, "value", v[i].n);
        fw_json_object_end(json);
    }
    fw_json_array_end(json);
}

void api_tsdb(struct call *call)
{
    struct fw_index_stats stats;
    struct fw_arena *arena = call->arena;
    struct fw_err err = {0};
    struct fw_json json;
    int64_t limit = TOP_ENTRIES;

    if (!api_integer(call, "limit", "a positive number", &limit))
        return;
    if (limit < 1) {
        call_error(call, 400, NULL, "limit must be a positive number");
        return;
    }
    if (limit > TOP_ENTRIES_MAX)
        limit = TOP_ENTRIES_MAX;
    if (fw_store_index_stats(call->api->store, (size_t)limit, arena, &stats,
                             &err) != FW_OK) {
        call_failed(call, &err);
        return;
    }
    call_data_begin(call, &json);
    fw_json_object(&json);
    fw_json_key(&json, "headStats");
    fw_json_object(&json);
    fw_json_field_int(&json, "numSeries", (int64_t)stats.series);
    fw_json_field_int(&json, "numLabelPairs", (int64_t)stats.pairs);
    fw_json_field_int(&json, "chunkCount", (int64_t)stats.blocks);
    fw_json_field_int(&json, "minTime", stats.oldest);
    fw_json_field_int(&json, "maxTime", stats.newest);
    fw_json_object_end(&json);
    put_top(&json, arena, "seriesCountByMetricName", stats.metrics,
            stats.metric_count);
    put_top(&json, arena, "labelValueCountByLabelName", stats.values,
            stats.value_count);
    put_top(&json, arena, "memoryInBytesByLabelName", stats.bytes,
            stats.byte_count);
    put_top(&json, arena, "seriesCountByLabelValuePair", stats.by_pair,
            stats.by_pair_count);
    fw_json_object_end(&json);
    call_data_end(call, &json);
}

/* ---- lists of what this server does not have, or others fill ---- */

/* Nothing sends us metadata that we keep. */
void api_metadata(struct call *call)
{
    struct fw_json json;
    int64_t limit;

    if (!api_integer(call, "limit", "a number", &limit) ||
        !api_integer(call, "limit_per_metric", "a number", &limit))
        return;
    call_data_begin(call, &json);
    fw_json_object(&json);
    fw_json_object_end(&json);
    call_data_end(call, &json);
}

void api_targets(struct call *call)
{
    struct fw_str state = form_get(&call->form, "state");
    struct fw_json json;

    call_data_begin(call, &json);
    fw_json_object(&json);
    put_empty_array(&json, "activeTargets");
    put_empty_array(&json, "droppedTargets");
    fw_json_key(&json, "droppedTargetCounts");
    if (state.n == 0 || fw_str_eq(state, FW_STR("any")) ||
        fw_str_eq(state, FW_STR("dropped"))) {
        fw_json_object(&json);
        fw_json_object_end(&json);
    } else {
        fw_json_null(&json);
    }
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
    struct fw_str target = form_get(&call->form, "match_target");
    struct fw_matcher *matchers;
    struct fw_err err = {0};
    int64_t limit;
    size_t n;
    fw_rc rc;

    if (!api_integer(call, "limit", "a number", &limit))
        return;
    rc = target.n == 0
             ? FW_OK
             : fw_parse_selector(target, call->arena, &matchers, &n, &err);
    if (rc == FW_OK)
        answer_array(call);
    else
        call_error(call, rc == FW_EINVAL ? 400 : 503, NULL,
                   "invalid parameter \"match_target\": %s", err.text);
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
    struct api_selector *asked;
    size_t count;

    if (api_selectors(call, false, &asked, &count))
        answer_filled(call, call->api->rules, "groups");
}

void api_alerts(struct call *call)
{
    answer_filled(call, call->api->alerts, "alerts");
}
