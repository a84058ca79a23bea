/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * api_routes.c - every path this server answers. docs/http.md says the same
 * for people.
 *
 * What Grafana asks by POST first must take POST: on 405 it asks again by GET.
 */
#include "server/http/api.h"

#define ASK (METHOD_GET | METHOD_POST)
#define SEND (METHOD_POST | METHOD_PUT)
#define FORM FW_MAX_HTTP_FORM_BYTES
#define BODY FW_MAX_HTTP_BODY_BYTES
#define QUERY ROUTE_QUERY, FORM
#define HERE ROUTE_HERE, FORM
#define WRITE ROUTE_WRITE, BODY

const struct route api_routes[] = {
    {ASK, "/api/v1/query", QUERY, api_query},
    {ASK, "/api/v1/query_range", QUERY, api_query_range},
    {ASK, "/api/v1/query_exemplars", QUERY, api_query_exemplars},
    {ASK, "/api/v1/explain", QUERY, api_explain},
    {ASK, "/api/v1/format_query", HERE, api_format_query},
    {ASK, "/api/v1/parse_query", HERE, api_parse_query},
    {ASK, "/api/v1/series", QUERY, api_series},
    {ASK, "/api/v1/labels", QUERY, api_labels},
    {METHOD_GET, "/api/v1/label/{}/values", QUERY, api_label_values},
    {METHOD_GET, "/federate", QUERY, api_federate},

    {METHOD_GET, "/api/v1/metadata", HERE, api_metadata},
    {METHOD_GET, "/api/v1/targets", HERE, api_targets},
    {METHOD_GET, "/api/v1/targets/metadata", HERE, api_target_metadata},
    {METHOD_GET, "/api/v1/scrape_pools", HERE, api_scrape_pools},
    {METHOD_GET, "/api/v1/rules", QUERY, api_rules},
    {METHOD_GET, "/api/v1/alerts", QUERY, api_alerts},
    {METHOD_GET, "/api/v1/why", QUERY, api_why},
    {METHOD_GET, "/api/v1/record", QUERY, api_record},
    {METHOD_GET, "/api/v1/alertmanagers", HERE, api_alertmanagers},
    {METHOD_GET, "/api/v1/notifications", HERE, api_notifications},
    {METHOD_GET, "/api/v1/status/buildinfo", HERE, api_buildinfo},
    {METHOD_GET, "/api/v1/status/runtimeinfo", HERE, api_runtimeinfo},
    {METHOD_GET, "/api/v1/status/config", HERE, api_config},
    {METHOD_GET, "/api/v1/status/flags", HERE, api_flags},
    {METHOD_GET, "/api/v1/status/tsdb", QUERY, api_tsdb},
    {METHOD_GET, "/api/v1/status/walreplay", HERE, api_walreplay},

    {METHOD_GET, "/api/v2/status", HERE, api_manager_status},
    {METHOD_GET, "/api/v2/receivers", HERE, api_manager_receivers},
    {METHOD_GET, "/api/v2/alerts", QUERY, api_manager_alerts},
    {ASK, "/api/v2/silences", QUERY, api_manager_silences},
    {METHOD_GET | METHOD_DELETE, "/api/v2/silence/{}", QUERY,
     api_manager_silence},

    {METHOD_POST, "/api/v1/write", WRITE, api_remote_write},
    {METHOD_POST, "/write", WRITE, api_influx_v1},
    {METHOD_POST, "/api/v2/write", WRITE, api_influx_v2},
    {METHOD_GET, "/ping", HERE, api_influx_ping},
    {METHOD_POST, "/api/v1/import/prometheus", WRITE, api_import_prometheus},

    {SEND, "/api/v1/admin/tsdb/snapshot", QUERY, api_snapshot},
    {SEND, "/api/v1/admin/tsdb/delete_series", QUERY, api_delete_series},
    {SEND, "/api/v1/admin/tsdb/clean_tombstones", QUERY, api_clean_tombstones},
    {METHOD_GET, "/-/healthy", HERE, api_healthy},
    {METHOD_GET, "/-/ready", HERE, api_ready},
    {SEND, "/-/reload", QUERY, api_reload},
    {METHOD_GET, "/metrics", QUERY, api_metrics},
    {METHOD_GET, "/version", HERE, api_version},
    {0}};
