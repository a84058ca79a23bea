/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * api_metrics.c - this server's own values, as Prometheus text or, where the
 * client asks for it, as OpenMetrics: the same that the collector stores.
 *
 * Every label value comes from a fixed set: nothing a client sends can make a
 * new series here.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/http/api.h"
#include "server/http/exposition_out.h"

static double value_of(_Atomic uint64_t *counter)
{
    return (double)atomic_load_explicit(counter, memory_order_relaxed);
}

static void add_server(struct http_server *http, struct sample_set *set)
{
    static const char *const codes[] = {"", "1xx", "2xx", "3xx", "4xx", "5xx"};
    struct http_server_stats s;

    http_server_stats(http, &s);
    for (int i = HTTP_LIMIT_NONE + 1; i < HTTP_LIMITS; i++)
        sample_set_add(set, "forewarn_http_limit_struck_total",
                       (double)http_limit_struck((enum http_limit)i), "limit",
                       http_limit_name((enum http_limit)i), NULL);
    for (size_t i = 2; i < sizeof(codes) / sizeof(codes[0]); i++)
        sample_set_add(set, "forewarn_http_replies_total",
                       (double)s.requests[i], "code", codes[i], NULL);
    sample_set_add(set, "forewarn_http_connections_total",
                   (double)s.connections, NULL);
    sample_set_add(set, "forewarn_http_received_bytes_total",
                   (double)s.bytes_in, NULL);
    sample_set_add(set, "forewarn_http_sent_bytes_total", (double)s.bytes_out,
                   NULL);
    sample_set_add(set, "forewarn_http_body_bytes", (double)s.body_bytes, NULL);
}

static void add_cache(struct series_cache *cache, struct sample_set *set)
{
    struct series_cache_stats s;

    series_cache_stats(cache, &s);
    sample_set_add(set, "forewarn_series_cache_entries", (double)s.entries,
                   NULL);
    sample_set_add(set, "forewarn_series_cache_misses_total", (double)s.misses,
                   NULL);
    sample_set_add(set, "forewarn_series_cache_forgotten_total",
                   (double)s.forgotten, NULL);
}

void api_metrics_add(const struct api *api, struct sample_set *set)
{
    static const char *const protocols[API_WRITE_PROTOCOLS] = {
        [API_REMOTE_WRITE] = "remote_write",
        [API_INFLUX] = "influx",
        [API_EXPOSITION] = "exposition"};
    struct api_counters *c = api->counters;

    for (size_t i = 0; i < API_WRITE_PROTOCOLS; i++) {
        sample_set_add(set, "forewarn_http_writes_total",
                       value_of(&c->requests[i]), "protocol", protocols[i],
                       NULL);
        sample_set_add(set, "forewarn_http_write_samples_total",
                       value_of(&c->stored[i]), "protocol", protocols[i], NULL);
        sample_set_add(set, "forewarn_http_write_refused_total",
                       value_of(&c->refused[i]), "protocol", protocols[i],
                       NULL);
    }
    sample_set_add(set, "forewarn_remote_write_histograms_total",
                   value_of(&c->histograms), NULL);
    sample_set_add(set, "forewarn_remote_write_exemplars_total",
                   value_of(&c->exemplars), NULL);
    sample_set_add(set, "forewarn_queries_total", value_of(&c->queries), NULL);
    sample_set_add(set, "forewarn_query_failures_total",
                   value_of(&c->query_failures), NULL);
    sample_set_add(set, "forewarn_query_samples_total",
                   value_of(&c->query_samples), NULL);
    for (int i = 0; i < FW_QUERY_LIMITS; i++)
        sample_set_add(set, "forewarn_query_limit_struck_total",
                       (double)fw_query_limit_struck((enum fw_query_limit)i),
                       "limit", fw_query_limit_name((enum fw_query_limit)i),
                       NULL);
    if (api->cache != NULL)
        add_cache(api->cache, set);
    if (api->http != NULL)
        add_server(api->http, set);
}

/* ---- printing ---- */

static int by_metric(const void *a, const void *b)
{
    const struct sample *x = a, *y = b;
    const struct fw_labels xl = {x->labels, x->n}, yl = {y->labels, y->n};

    return fw_labels_cmp(&xl, &yl);
}

static bool is_counter(struct fw_str name)
{
    return name.n > 6 && memcmp(name.p + name.n - 6, "_total", 6) == 0;
}

/* OpenMetrics names the family of a counter without its _total. */
static fw_rc put_type(struct fw_buf *out, struct fw_str name, bool open)
{
    bool counter = is_counter(name);

    if (counter && open)
        name.n -= 6;
    return fw_buf_printf(out, "# TYPE %.*s %s\n", FW_STR_ARG(name),
                         counter ? "counter" : "gauge");
}

static fw_rc put_set(struct fw_buf *out, struct sample_set *set, bool open)
{
    struct fw_str family = {NULL, 0};
    fw_rc rc = FW_OK;

    qsort(set->v, set->n, sizeof(*set->v), by_metric);
    for (size_t i = 0; i < set->n && rc == FW_OK; i++) {
        const struct sample *sample = &set->v[i];
        const struct fw_labels labels = {sample->labels, sample->n};
        char text[FW_DOUBLE_TEXT_BYTES];

        if (!fw_str_eq(family, sample->labels[0].value)) {
            family = sample->labels[0].value; /* sample_set puts it first */
            rc = put_type(out, family, open);
        }
        if (rc == FW_OK)
            rc = exposition_put_series(out, &labels, NULL, EXPOSITION_UTF8);
        (void)fw_format_double(text, sample->v);
        if (rc == FW_OK)
            rc = fw_buf_printf(out, " %s\n", text);
    }
    if (rc == FW_OK && open)
        rc = fw_buf_adds(out, "# EOF\n");
    return rc;
}

void api_metrics(struct call *call)
{
    const struct api *api = call->api;
    bool open = http_list_has(http_head_get(call->head, "accept"),
                              "application/openmetrics-text");
    struct sample_set set;
    fw_rc rc = sample_set_init(&set);

    fw_buf_init(&call->reply.body, FW_MAX_REPLY_BYTES);
    call->reply.type =
        open ? "application/openmetrics-text; version=1.0.0; charset=utf-8"
             : "text/plain; version=0.0.4; charset=utf-8";
    if (rc == FW_OK && api->metrics != NULL)
        api->metrics(api->metrics_self, &set);
    if (rc == FW_OK)
        rc = put_set(&call->reply.body, &set, open);
    if (rc != FW_OK)
        call_error(call, 503, NULL, "out of memory");
    sample_set_release(&set);
}
