/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * labels.c - the canonical form of a label set, its order and its text.
 */
#include "storage/storage.h"

#include <stdlib.h>

#include "storage/base/json.h"
#include "storage/base/limits.h"

static int by_name(const void *a, const void *b)
{
    const struct fw_label *left = a;
    const struct fw_label *right = b;

    return fw_str_cmp(left->name, right->name);
}

static fw_rc check_one(const struct fw_label *label, struct fw_err *err)
{
    if (label->name.n == 0)
        return fw_err_set(err, FW_EINVAL, "a label name is empty");
    if (label->name.n > FW_MAX_LABEL_NAME_BYTES)
        return fw_err_set(err, FW_ETOOBIG,
                          "the label name '%.40s...' is longer than %d bytes",
                          label->name.p, FW_MAX_LABEL_NAME_BYTES);
    if (!fw_utf8_valid(label->name.p, label->name.n))
        return fw_err_set(err, FW_EINVAL, "a label name is not UTF-8");
    if (label->value.n > FW_MAX_LABEL_VALUE_BYTES)
        return fw_err_set(err, FW_ETOOBIG,
                          "the value of label '%.*s' is longer than %d bytes",
                          FW_STR_ARG(label->name), FW_MAX_LABEL_VALUE_BYTES);
    if (!fw_utf8_valid(label->value.p, label->value.n))
        return fw_err_set(err, FW_EINVAL,
                          "the value of label '%.*s' is not UTF-8",
                          FW_STR_ARG(label->name));
    return FW_OK;
}

fw_rc fw_labels_canonical(struct fw_label *v, size_t *n, struct fw_err *err)
{
    size_t kept = 0;
    size_t bytes = 0;

    for (size_t i = 0; i < *n; i++) {
        fw_rc rc = check_one(&v[i], err);

        if (rc != FW_OK)
            return rc;
        if (v[i].value.n == 0)
            continue;
        bytes += v[i].name.n + v[i].value.n;
        v[kept++] = v[i];
    }
    if (kept > FW_MAX_LABELS)
        return fw_err_set(err, FW_ETOOBIG, "%zu labels are more than %d", kept,
                          FW_MAX_LABELS);
    if (bytes > FW_MAX_SERIES_BYTES)
        return fw_err_set(err, FW_ETOOBIG,
                          "the labels of a series take %zu bytes, more than %d",
                          bytes, FW_MAX_SERIES_BYTES);
    if (kept > 1)
        qsort(v, kept, sizeof(*v), by_name);
    for (size_t i = 1; i < kept; i++)
        if (fw_str_eq(v[i - 1].name, v[i].name))
            return fw_err_set(err, FW_EINVAL, "the label '%.*s' stands twice",
                              FW_STR_ARG(v[i].name));
    *n = kept;
    return FW_OK;
}

struct fw_str fw_labels_get(const struct fw_labels *labels, struct fw_str name)
{
    for (size_t i = 0; i < labels->n; i++)
        if (fw_str_eq(labels->v[i].name, name))
            return labels->v[i].value;
    return (struct fw_str){"", 0};
}

int fw_labels_cmp(const struct fw_labels *a, const struct fw_labels *b)
{
    for (size_t i = 0; i < a->n && i < b->n; i++) {
        int order = fw_str_cmp(a->v[i].name, b->v[i].name);

        if (order == 0)
            order = fw_str_cmp(a->v[i].value, b->v[i].value);
        if (order != 0)
            return order;
    }
    return (a->n > b->n) - (a->n < b->n);
}

/* ---- Text ---------------------------------------------------------------- */

/* A name PromQL takes without quotes; metric names may have colons. */
static bool plain_name(struct fw_str s, bool colons)
{
    for (size_t i = 0; i < s.n; i++) {
        char c = s.p[i];
        bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                      c == '_' || (colons && c == ':');

        if (!letter && (i == 0 || c < '0' || c > '9'))
            return false;
    }
    return s.n > 0;
}

static fw_rc add_code_point(struct fw_buf *out, const char *p, size_t len,
                            uint32_t cp)
{
    if (cp == '"' || cp == '\\')
        return fw_buf_printf(out, "\\%c", (char)cp);
    if (cp == '\n')
        return fw_buf_adds(out, "\\n");
    if (cp == '\t')
        return fw_buf_adds(out, "\\t");
    if (cp == '\r')
        return fw_buf_adds(out, "\\r");
    if (cp < 0x20 || cp == 0x7F)
        return fw_buf_printf(out, "\\x%02x", cp);
    if (cp >= 0x80 && cp < 0xA0)
        return fw_buf_printf(out, "\\u%04x", cp);
    return fw_buf_add(out, p, len);
}

static fw_rc add_quoted(struct fw_buf *out, struct fw_str s)
{
    fw_rc rc = fw_buf_addc(out, '"');

    for (size_t i = 0; i < s.n && rc == FW_OK;) {
        uint32_t cp = 0;
        size_t len = fw_utf8_next(s.p + i, s.n - i, &cp);

        if (cp == 0xFFFD && len == 1)
            rc = fw_buf_printf(out, "\\x%02x", (unsigned char)s.p[i]);
        else
            rc = add_code_point(out, s.p + i, len, cp);
        i += len;
    }
    return rc == FW_OK ? fw_buf_addc(out, '"') : rc;
}

static fw_rc add_pair(struct fw_buf *out, const struct fw_label *label,
                      bool first)
{
    fw_rc rc = first ? FW_OK : fw_buf_addc(out, ',');

    if (rc == FW_OK && plain_name(label->name, false))
        rc = fw_buf_add(out, label->name.p, label->name.n);
    else if (rc == FW_OK)
        rc = add_quoted(out, label->name);
    if (rc == FW_OK)
        rc = fw_buf_addc(out, '=');
    return rc == FW_OK ? add_quoted(out, label->value) : rc;
}

fw_rc fw_labels_print(struct fw_buf *out, const struct fw_labels *labels)
{
    struct fw_str metric = fw_labels_get(labels, FW_STR(FW_METRIC_NAME));
    bool bare = plain_name(metric, true);
    size_t others = labels->n - (metric.n > 0 ? 1 : 0);
    bool first = true;
    fw_rc rc = FW_OK;

    if (bare)
        rc = fw_buf_add(out, metric.p, metric.n);
    if (bare && others == 0)
        return rc;
    if (rc == FW_OK)
        rc = fw_buf_addc(out, '{');
    if (rc == FW_OK && metric.n > 0 && !bare) {
        rc = add_quoted(out, metric);
        first = false;
    }
    for (size_t i = 0; i < labels->n && rc == FW_OK; i++) {
        if (fw_str_eq(labels->v[i].name, FW_STR(FW_METRIC_NAME)))
            continue;
        rc = add_pair(out, &labels->v[i], first);
        first = false;
    }
    return rc == FW_OK ? fw_buf_addc(out, '}') : rc;
}

void fw_labels_json(struct fw_json *json, const struct fw_labels *labels)
{
    fw_json_object(json);
    for (size_t i = 0; i < labels->n; i++) {
        fw_json_key_str(json, labels->v[i].name);
        fw_json_str(json, labels->v[i].value);
    }
    fw_json_object_end(json);
}
