/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * json.h - writes JSON, one value after another.
 *
 * The writer keeps count of commas; the caller keeps the nesting right. What
 * comes out is always valid UTF-8: bad bytes of a string become U+FFFD. After
 * the first failure (cap, memory) the rest is ignored and fw_json_rc() tells.
 */
#ifndef FW_STORAGE_BASE_JSON_H
#define FW_STORAGE_BASE_JSON_H

#include <stdbool.h>
#include <stdint.h>

#include "storage/base/buf.h"
#include "storage/base/str.h"

struct fw_json {
    struct fw_buf *out; /* not owned */
    bool need_comma;
    fw_rc rc;
};

void fw_json_init(struct fw_json *json, struct fw_buf *out);
fw_rc fw_json_rc(const struct fw_json *json);

void fw_json_object(struct fw_json *json); /* { */
void fw_json_object_end(struct fw_json *json);
void fw_json_array(struct fw_json *json); /* [ */
void fw_json_array_end(struct fw_json *json);
void fw_json_key(struct fw_json *json, const char *key);
void fw_json_key_str(struct fw_json *json, struct fw_str key);

void fw_json_str(struct fw_json *json, struct fw_str text);
void fw_json_text(struct fw_json *json, const char *text);
void fw_json_int(struct fw_json *json, int64_t v);
void fw_json_bool(struct fw_json *json, bool v);
void fw_json_null(struct fw_json *json);
/* A value that is JSON already, made by another writer. */
void fw_json_raw(struct fw_json *json, struct fw_str value);
/* A JSON number; NaN and infinities, which JSON lacks, become null. */
void fw_json_double(struct fw_json *json, double v);
/* The number in quotes, as the Prometheus API writes samples: "+Inf". */
void fw_json_quoted_double(struct fw_json *json, double v);
/* Seconds with three decimals where needed, as the Prometheus API: 1.5 */
void fw_json_seconds(struct fw_json *json, fw_ms t);
/* [seconds,"value"], as Prometheus gives a sample. */
void fw_json_point(struct fw_json *json, fw_ms t, double v);

/* ---- fields of an object: a key and its value at once ---- */

void fw_json_field_str(struct fw_json *json, const char *key,
                       struct fw_str text);
void fw_json_field_text(struct fw_json *json, const char *key,
                        const char *text);
void fw_json_field_int(struct fw_json *json, const char *key, int64_t v);
void fw_json_field_count(struct fw_json *json, const char *key, uint64_t n);
void fw_json_field_bool(struct fw_json *json, const char *key, bool v);
void fw_json_field_double(struct fw_json *json, const char *key, double v);
/* Seconds, as fw_json_seconds() writes them. */
void fw_json_field_seconds(struct fw_json *json, const char *key, fw_ms span);
/* The same, null for a span below 0: "not within the horizon", "never". */
void fw_json_field_span(struct fw_json *json, const char *key, fw_ms span);
/*
 * A moment of time in the words of RFC 3339; one that never was (0 or before)
 * is 0001-01-01T00:00:00Z, as in the interfaces of Prometheus.
 */
void fw_json_field_time(struct fw_json *json, const char *key, fw_ms t);
/* A span as a duration of PromQL: "1h30m". */
void fw_json_field_duration(struct fw_json *json, const char *key, fw_ms span);

#endif
