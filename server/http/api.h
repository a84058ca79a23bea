/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * api.h - what the routes work on, and the routes themselves: Prometheus's
 * HTTP API, the write endpoints, and what an operator asks.
 */
#ifndef SERVER_HTTP_API_H
#define SERVER_HTTP_API_H

#include <stdatomic.h>

#include "query/query.h"
#include "server/collect/sample_set.h"
#include "server/http/call.h"
#include "server/http/http_server.h"
#include "server/ingest/series_cache.h"
#include "storage/base/clock.h"

/* What the write endpoints count, for /metrics. */
enum api_write_protocol { API_REMOTE_WRITE, API_INFLUX, API_EXPOSITION };
#define API_WRITE_PROTOCOLS 3

struct loaded; /* server/config/loaded.h */

struct api_counters {
    _Atomic uint64_t requests[API_WRITE_PROTOCOLS];
    _Atomic uint64_t stored[API_WRITE_PROTOCOLS];  /* samples */
    _Atomic uint64_t refused[API_WRITE_PROTOCOLS]; /* samples, lines */
    _Atomic uint64_t histograms; /* of remote_write: not taken yet */
    _Atomic uint64_t exemplars;  /* of remote_write: dropped */
    _Atomic uint64_t queries, query_failures, query_samples;
};

/* Filled by serve.c before the loops run; borrowed by all. */
struct api {
    struct fw_store *store;
    struct fw_source source; /* the same store, for queries */
    struct fw_crew *crew;    /* helps with large ones; NULL: nobody does */
    const struct fw_clock *clock;
    fw_ms started;
    fw_ms max_future;
    struct loaded *loaded;      /* the configuration in force */
    const char *retention_text; /* "90d" */
    struct series_cache *cache;
    struct api_counters *counters;
    /* From other parts of the server; NULL where there is none. */
    struct http_server *http; /* set before the loops run */
    void (*metrics)(void *self, struct sample_set *set); /* for /metrics */
    void *metrics_self;
    fw_rc (*reload)(void *self, struct fw_str actor, struct fw_str reason,
                    struct fw_err *err);
    struct fw_str reload_actor, reload_reason; /* of who says neither; or "" */
    bool admin; /* /api/v1/admin/tsdb is answered */
    /*
     * Each writes the whole value of "data"; FW_EINVAL with a sentence where
     * the parameters are wrong.
     */
    fw_rc (*alerts)(void *self, const struct form *form, struct fw_json *json,
                    struct fw_err *err);
    fw_rc (*rules)(void *self, const struct form *form, struct fw_json *json,
                   struct fw_err *err);
    fw_rc (*alertmanagers)(void *self, const struct form *form,
                           struct fw_json *json, struct fw_err *err);
    fw_rc (*why)(void *self, const struct form *form, struct fw_json *json,
                 struct fw_err *err); /* FW_ENOTFOUND too */
    fw_rc (*record)(void *self, const struct form *form, struct fw_json *json,
                    struct fw_err *err);
    void *self;
};

extern const struct route api_routes[];

/* ---- api_query.c ---- */
void api_query(struct call *call);
void api_query_range(struct call *call);
void api_explain(struct call *call);
void api_format_query(struct call *call);
void api_parse_query(struct call *call);
void api_query_exemplars(struct call *call);

/* ---- api_series.c ---- */
void api_series(struct call *call);
void api_labels(struct call *call);
void api_label_values(struct call *call);

/* ---- api_federate.c ---- */
void api_federate(struct call *call);

/* ---- api_status.c ---- */
void api_buildinfo(struct call *call);
void api_runtimeinfo(struct call *call);
void api_config(struct call *call);
void api_flags(struct call *call);
void api_tsdb(struct call *call);
void api_walreplay(struct call *call);
void api_metadata(struct call *call);
void api_targets(struct call *call);
void api_target_metadata(struct call *call);
void api_scrape_pools(struct call *call);
void api_rules(struct call *call);
void api_alerts(struct call *call);
void api_alertmanagers(struct call *call);
void api_notifications(struct call *call);

/* ---- api_watch.c ---- */
void api_why(struct call *call);
void api_record(struct call *call);

/* ---- api_manager.c: Alertmanager's API, version 2 ---- */
void api_manager_status(struct call *call);
void api_manager_receivers(struct call *call);
void api_manager_alerts(struct call *call);
void api_manager_silences(struct call *call);
void api_manager_silence(struct call *call);

/* ---- api_admin.c ---- */
void api_healthy(struct call *call);
void api_ready(struct call *call);
void api_reload(struct call *call);
void api_version(struct call *call);
void api_snapshot(struct call *call);
void api_delete_series(struct call *call);
void api_clean_tombstones(struct call *call);

/* ---- api_metrics.c ---- */
void api_metrics(struct call *call);

/* Adds what HTTP counts, for whoever gathers the server's own values. */
void api_metrics_add(const struct api *api, struct sample_set *set);

/* ---- api_write.c ---- */
void api_remote_write(struct call *call);
void api_influx_v1(struct call *call);
void api_influx_v2(struct call *call);
void api_influx_ping(struct call *call);
void api_import_prometheus(struct call *call);

/*
 * Is this write so small that the loop itself takes it? To wake a worker for
 * two thousand samples costs a tenth of taking them.
 */
bool api_is_small_write(const struct call *call);

/* ---- api_param.c: parameters, with Prometheus's sentences ---- */

/*
 * Each answers the call and returns false if the parameter is wrong. Where it
 * is absent *out stays as it was, unless it is required.
 */
bool api_time(struct call *call, const char *name, bool required, fw_ms *out);
bool api_duration(struct call *call, const char *name, bool required,
                  fw_ms *out);
bool api_limit(struct call *call, size_t *out);
/* A whole number with a sign or without; else "NAME must be WANTED". */
bool api_integer(struct call *call, const char *name, const char *wanted,
                 int64_t *out);

/* start and end, far apart where they are not given; false: answered. */
bool api_range(struct call *call, fw_ms *from, fw_ms *to);

/* match[] as matchers; each lives in the call's arena. */
struct api_selector {
    struct fw_matcher *matchers;
    size_t n;
};
bool api_selectors(struct call *call, bool required, struct api_selector **out,
                   size_t *count);

/* The series of all selectors, each once, in label order; false: answered. */
bool api_select(struct call *call, const struct api_selector *asked,
                size_t asked_count, fw_ms from, fw_ms to,
                struct fw_series **series, size_t *count);

/* "warnings" and "infos", where there are any; behind "data". */
void api_put_notes(struct fw_json *json, const char *key,
                   const struct fw_str *notes, size_t n);

#endif
