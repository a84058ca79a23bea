/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * api_query.c - instant and range queries, as Prometheus answers them.
 *
 * The result lives in the call's arena and is printed series by series while
 * it is sent, so that it never sits in memory a second time as text.
 */
#include "server/http/api.h"

#include <inttypes.h>
#include <string.h>

struct answer {
    struct fw_result result;
    fw_ms at;    /* of a scalar or a string */
    size_t next; /* series to print */
    size_t limit;
    bool begun;
    bool stats;
    struct fw_json json; /* knows whether a comma is due */
};

static void put_series(struct fw_json *json, const struct fw_result *result,
                       const struct fw_result_series *series)
{
    fw_json_object(json);
    fw_json_key(json, "metric");
    fw_labels_json(json, &series->labels);
    if (result->type == FW_VECTOR) {
        fw_json_key(json, "value");
        fw_json_point(json, series->t[0], series->v[0]);
    } else {
        fw_json_key(json, "values");
        fw_json_array(json);
        for (size_t i = 0; i < series->n; i++)
            fw_json_point(json, series->t[i], series->v[i]);
        fw_json_array_end(json);
    }
    fw_json_object_end(json);
}

static const char *type_name(enum fw_value_type type)
{
    static const char *const names[] = {[FW_SCALAR] = "scalar",
                                        [FW_STRING] = "string",
                                        [FW_VECTOR] = "vector",
                                        [FW_MATRIX] = "matrix"};

    return names[type];
}

static void put_begin(struct answer *answer)
{
    struct fw_json *json = &answer->json;

    fw_json_object(json);
    fw_json_field_text(json, "status", "success");
    fw_json_key(json, "data");
    fw_json_object(json);
    fw_json_field_text(json, "resultType", type_name(answer->result.type));
    fw_json_key(json, "result");
    fw_json_array(json);
}

/* A scalar and a string are a pair of time and value, not a list. */
static void put_single(struct answer *answer)
{
    const struct fw_result *result = &answer->result;

    fw_json_seconds(&answer->json, answer->at);
    if (result->type == FW_STRING)
        fw_json_str(&answer->json, result->text);
    else
        fw_json_quoted_double(&answer->json, result->series[0].v[0]);
}

static void put_stats(struct answer *answer)
{
    struct fw_json *json = &answer->json;

    fw_json_key(json, "stats");
    fw_json_object(json);
    fw_json_key(json, "samples");
    fw_json_object(json);
    fw_json_field_count(json, "totalQueryableSamples",
                        answer->result.samples_read);
    fw_json_object_end(json);
    fw_json_object_end(json);
}

static void put_end(struct answer *answer)
{
    const struct fw_result *result = &answer->result;
    struct fw_json *json = &answer->json;
    struct fw_str *warnings = result->warnings;
    size_t n = result->warning_count;
    struct fw_str cut = FW_STR("results truncated due to limit");

    fw_json_array_end(json);
    if (answer->stats)
        put_stats(answer);
    fw_json_object_end(json);
    if (answer->limit < result->count && n == 0) {
        warnings = &cut;
        n = 1;
    }
    api_put_notes(json, "warnings", warnings, n);
    api_put_notes(json, "infos", result->infos, result->info_count);
    fw_json_object_end(json);
}

static fw_rc answer_more(void *self, struct fw_buf *out)
{
    struct answer *answer = self;
    const struct fw_result *result = &answer->result;
    size_t count = result->count;
    bool single = result->type == FW_SCALAR || result->type == FW_STRING;

    if (answer->limit < count)
        count = answer->limit;
    answer->json.out = out;
    if (!answer->begun) {
        put_begin(answer);
        answer->begun = true;
        if (single)
            put_single(answer);
    }
    if (!single && answer->next < count) {
        put_series(&answer->json, result, &result->series[answer->next++]);
        if (fw_json_rc(&answer->json) != FW_OK)
            return fw_json_rc(&answer->json);
        return FW_OK;
    }
    put_end(answer);
    return fw_json_rc(&answer->json) == FW_OK ? FW_END
                                              : fw_json_rc(&answer->json);
}

/* A query's text, parsed; false: answered. */
static bool parse_query(struct call *call, struct fw_query **query)
{
    struct fw_str text = form_get(&call->form, "query");
    struct fw_err err = {0};
    fw_rc rc;

    if (text.n > FW_MAX_QUERY_TEXT_BYTES) {
        http_limit_strike(HTTP_LIMIT_QUERY_BYTES);
        call_error(call, 400, NULL,
                   "invalid parameter \"query\": longer than %d bytes",
                   FW_MAX_QUERY_TEXT_BYTES);
        return false;
    }
    rc = fw_query_parse(text, call->arena, query, &err);
    if (rc == FW_OK)
        return true;
    err.rc = rc;
    if (rc != FW_EINVAL)
        call_failed(call, &err);
    else
        call_error(call, 400, NULL, "invalid parameter \"query\": %s",
                   err.text);
    return false;
}

/* Runs a query and leaves its answer to be printed as it is sent. */
static void run(struct call *call, struct fw_query *query,
                struct fw_query_options *options, size_t limit)
{
    const struct api *api = call->api;
    struct answer *answer = fw_arena_calloc(call->arena, 1, sizeof(*answer));
    struct fw_err err = {0};
    fw_rc rc;

    if (answer == NULL) {
        call_error(call, 503, NULL, "out of memory");
        return;
    }
    options->clock = api->clock;
    options->cancel = &call->cancel;
    options->crew = api->crew;
    atomic_fetch_add(&api->counters->queries, 1);
    rc = fw_query_run(query, &api->source, options, call->arena,
                      &answer->result, &err);
    if (rc != FW_OK) {
        atomic_fetch_add(&api->counters->query_failures, 1);
        err.rc = rc;
        if (rc == FW_EINVAL) /* well written, but this data will not do */
            call_error(call, 422, NULL, "%s", err.text);
        else
            call_failed(call, &err);
        return;
    }
    atomic_fetch_add(&api->counters->query_samples,
                     answer->result.samples_read);
    answer->at = options->start;
    answer->limit = limit;
    answer->stats = form_get(&call->form, "stats").n > 0;
    call->reply.type = TYPE_JSON;
    call->reply.more = answer_more;
    call->reply.self = answer;
}

/* timeout, lookback_delta, limit: what both kinds take. */
static bool common_options(struct call *call, struct fw_query_options *options,
                           size_t *limit)
{
    const fw_ms most = fw_query_limits().max_ms;
    fw_ms timeout = most;

    if (!api_limit(call, limit) ||
        !api_duration(call, "timeout", false, &timeout) ||
        !api_duration(call, "lookback_delta", false, &options->lookback))
        return false;
    if (timeout < 1) {
        call_error(call, 503, "timeout", "query timed out in query execution");
        return false;
    }
    options->max_ms = timeout < most ? timeout : most;
    return true;
}

void api_query(struct call *call)
{
    struct fw_query_options options = {0};
    struct fw_query *query;
    fw_ms at = fw_clock_now(call->api->clock);
    size_t limit;

    if (!api_time(call, "time", false, &at) ||
        !common_options(call, &options, &limit) || !parse_query(call, &query))
        return;
    options.start = at;
    options.end = at;
    run(call, query, &options, limit);
}

static bool range_options(struct call *call, struct fw_query_options *options)
{
    if (!api_time(call, "start", true, &options->start) ||
        !api_time(call, "end", true, &options->end))
        return false;
    if (options->end < options->start) {
        call_error(call, 400, NULL,
                   "invalid parameter \"end\": end timestamp must not be "
                   "before start time");
        return false;
    }
    if (!api_duration(call, "step", true, &options->step))
        return false;
    if (options->step <= 0) {
        call_error(call, 400, NULL,
                   "invalid parameter \"step\": zero or negative query "
                   "resolution step widths are not accepted. Try a positive "
                   "integer");
        return false;
    }
    if ((options->end - options->start) / options->step > FW_MAX_QUERY_POINTS) {
        http_limit_strike(HTTP_LIMIT_QUERY_STEPS);
        call_error(call, 400, NULL,
                   "exceeded maximum resolution of 11,000 points per "
                   "timeseries. Try decreasing the query resolution "
                   "(?step=XX)");
        return false;
    }
    return true;
}

void api_query_range(struct call *call)
{
    struct fw_query_options options = {0};
    struct fw_query *query;
    enum fw_value_type type;
    size_t limit;

    if (!range_options(call, &options) ||
        !common_options(call, &options, &limit) || !parse_query(call, &query))
        return;
    type = fw_query_type(query);
    if (type != FW_SCALAR && type != FW_VECTOR) {
        call_error(call, 400, NULL,
                   "invalid parameter \"query\": invalid expression type "
                   "\"%s\" for range query, must be Scalar or instant Vector",
                   type == FW_STRING ? "string" : "range vector");
        return;
    }
    run(call, query, &options, limit);
}

/* The plan as a string, so that any client of queries can show it. */
void api_explain(struct call *call)
{
    struct fw_query_options options = {0};
    struct fw_query *query;
    struct fw_buf plan = FW_BUF_INIT(FW_MAX_REPLY_BYTES);
    bool range = form_get(&call->form, "step").n > 0;
    fw_ms at = fw_clock_now(call->api->clock);
    struct fw_err err = {0};
    struct fw_json json;
    size_t limit;
    fw_rc rc;

    if (range ? !range_options(call, &options)
              : !api_time(call, "time", false, &at))
        return;
    if (!common_options(call, &options, &limit) || !parse_query(call, &query))
        return;
    if (!range)
        options.start = options.end = at;
    options.clock = call->api->clock;
    options.cancel = &call->cancel;
    options.crew = call->api->crew;
    rc = fw_query_explain(query, &call->api->source, &options, call->arena,
                          &plan, &err);
    err.rc = rc;
    if (rc != FW_OK) {
        call_failed(call, &err);
    } else {
        call_data_begin(call, &json);
        fw_json_object(&json);
        fw_json_field_text(&json, "resultType", "string");
        fw_json_key(&json, "result");
        fw_json_array(&json);
        fw_json_seconds(&json, options.start);
        fw_json_str(&json, (struct fw_str){plan.data, plan.len});
        fw_json_array_end(&json);
        fw_json_object_end(&json);
        call_data_end(call, &json);
    }
    fw_buf_release(&plan);
}

void api_format_query(struct call *call)
{
    struct fw_buf text = FW_BUF_INIT(4 * FW_MAX_QUERY_TEXT_BYTES);
    struct fw_query *query;
    struct fw_json json;

    if (!parse_query(call, &query))
        return;
    if (fw_query_print(query, &text) != FW_OK) {
        call_error(call, 503, NULL, "out of memory");
    } else {
        call_data_begin(call, &json);
        fw_json_str(&json, (struct fw_str){text.data, text.len});
        call_data_end(call, &json);
    }
    fw_buf_release(&text);
}

void api_parse_query(struct call *call)
{
    struct fw_buf *out = &call->reply.body;
    struct fw_query *query;
    fw_rc rc;

    if (!parse_query(call, &query))
        return;
    call->reply.type = TYPE_JSON;
    fw_buf_init(out, FW_MAX_REPLY_BYTES);
    rc = fw_buf_adds(out, "{\"status\":\"success\",\"data\":");
    if (rc == FW_OK)
        rc = fw_query_print_ast(query, out);
    if (rc == FW_OK)
        rc = fw_buf_addc(out, '}');
    if (rc != FW_OK)
        call_error(call, 503, NULL, "out of memory");
}

/* No exemplars are kept; a well-formed question gets an empty answer. */
void api_query_exemplars(struct call *call)
{
    fw_ms start, end;
    struct fw_query *query;
    struct fw_json json;

    if (!api_range(call, &start, &end) || !parse_query(call, &query))
        return;
    if (end < start) {
        call_error(call, 400, NULL,
                   "end timestamp must not be before start timestamp");
        return;
    }
    call_data_begin(call, &json);
    fw_json_array(&json);
    fw_json_array_end(&json);
    call_data_end(call, &json);
}
