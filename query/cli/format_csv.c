/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * format_csv.c - series,timestamp,value: a line per point. RFC 4180 quoting;
 * lines end with a plain newline, which every reader takes and every Unix tool
 * expects.
 */
#include "query/query.h"

static fw_rc put_field(struct fw_buf *out, struct fw_str text)
{
    bool quote = false;
    fw_rc rc;

    for (size_t i = 0; i < text.n; i++)
        quote |= strchr("\",\r\n", text.p[i]) != NULL && text.p[i] != '\0';
    if (!quote)
        return fw_buf_add(out, text.p, text.n);
    rc = fw_buf_addc(out, '"');
    for (size_t i = 0; i < text.n && rc == FW_OK; i++) {
        if (text.p[i] == '"')
            rc = fw_buf_addc(out, '"');
        if (rc == FW_OK)
            rc = fw_buf_addc(out, text.p[i]);
    }
    return rc == FW_OK ? fw_buf_addc(out, '"') : rc;
}

/* Seconds; with three decimals where there are any milliseconds. */
static fw_rc put_seconds(struct fw_buf *out, fw_ms t)
{
    uint64_t ms = t < 0 ? 0 - (uint64_t)t : (uint64_t)t;
    fw_rc rc = fw_buf_printf(out, "%s%llu", t < 0 ? "-" : "",
                             (unsigned long long)(ms / 1000));

    if (rc == FW_OK && ms % 1000 != 0)
        rc = fw_buf_printf(out, ".%03u", (unsigned)(ms % 1000));
    return rc;
}

static fw_rc put_point(struct fw_buf *out, struct fw_str series, fw_ms t,
                       double v)
{
    char number[FW_DOUBLE_TEXT_BYTES];
    size_t n = fw_format_double(number, v);
    fw_rc rc = put_field(out, series);

    if (rc == FW_OK)
        rc = fw_buf_addc(out, ',');
    if (rc == FW_OK)
        rc = put_seconds(out, t);
    if (rc == FW_OK)
        rc = fw_buf_addc(out, ',');
    if (rc == FW_OK)
        rc = fw_buf_add(out, number, n);
    return rc == FW_OK ? fw_buf_addc(out, '\n') : rc;
}

static fw_rc put_series(struct fw_buf *out, const struct fw_result_series *s,
                        bool named)
{
    struct fw_buf name = FW_BUF_INIT((size_t)1 << 20);
    fw_rc rc = named ? fw_labels_print(&name, &s->labels) : FW_OK;

    for (size_t i = 0; i < s->n && rc == FW_OK; i++)
        rc = put_point(out, (struct fw_str){name.data, name.len}, s->t[i],
                       s->v[i]);
    fw_buf_release(&name);
    return rc;
}

fw_rc fw_print_csv(const struct fw_result *result, struct fw_buf *out)
{
    fw_rc rc = fw_buf_adds(out, "series,timestamp,value\n");

    if (rc == FW_OK && result->type == FW_STRING) {
        rc = fw_buf_addc(out, ',');
        if (rc == FW_OK)
            rc = put_seconds(out, result->time);
        if (rc == FW_OK)
            rc = fw_buf_addc(out, ',');
        if (rc == FW_OK)
            rc = put_field(out, result->text);
        return rc == FW_OK ? fw_buf_addc(out, '\n') : rc;
    }
    for (size_t i = 0; i < result->count && rc == FW_OK; i++)
        rc = put_series(out, &result->series[i], result->type != FW_SCALAR);
    return rc;
}
