/* SPDX-License-Identifier: GPL-3.0-or-later */
/* format_json.c - a result as the HTTP API of Prometheus writes it. */
#include "query/query.h"

#include "storage/base/json.h"

static void put_series(struct fw_json *json, const struct fw_result_series *s,
                       bool matrix)
{
    fw_json_object(json);
    fw_json_key(json, "metric");
    fw_labels_json(json, &s->labels);
    fw_json_key(json, matrix ? "values" : "value");
    if (matrix)
        fw_json_array(json);
    for (size_t i = 0; i < s->n && (matrix || i == 0); i++)
        fw_json_point(json, s->t[i], s->v[i]);
    if (matrix)
        fw_json_array_end(json);
    fw_json_object_end(json);
}

static void put_texts(struct fw_json *json, const char *key,
                      const struct fw_str *texts, size_t count)
{
    if (count == 0)
        return;
    fw_json_key(json, key);
    fw_json_array(json);
    for (size_t i = 0; i < count; i++)
        fw_json_str(json, texts[i]);
    fw_json_array_end(json);
}

static void put_result(struct fw_json *json, const struct fw_result *result)
{
    if (result->type == FW_SCALAR && result->count > 0) {
        fw_json_point(json, result->series[0].t[0], result->series[0].v[0]);
        return;
    }
    fw_json_array(json);
    if (result->type == FW_STRING) {
        fw_json_seconds(json, result->time);
        fw_json_str(json, result->text);
    }
    for (size_t i = 0; i < result->count; i++)
        put_series(json, &result->series[i], result->type == FW_MATRIX);
    fw_json_array_end(json);
}

fw_rc fw_print_json(const struct fw_result *result, struct fw_buf *out)
{
    static const char *const types[] = {[FW_SCALAR] = "scalar",
                                        [FW_STRING] = "string",
                                        [FW_VECTOR] = "vector",
                                        [FW_MATRIX] = "matrix"};
    struct fw_json json;

    fw_json_init(&json, out);
    fw_json_object(&json);
    fw_json_field_text(&json, "status", "success");
    fw_json_key(&json, "data");
    fw_json_object(&json);
    fw_json_field_text(&json, "resultType", types[result->type]);
    fw_json_key(&json, "result");
    put_result(&json, result);
    fw_json_object_end(&json);
    put_texts(&json, "warnings", result->warnings, result->warning_count);
    put_texts(&json, "infos", result->infos, result->info_count);
    fw_json_object_end(&json);
    return fw_json_rc(&json);
}
