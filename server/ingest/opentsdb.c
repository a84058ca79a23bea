/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * opentsdb.c - OpenTSDB's `put`, as docs/protocols/opentsdb.md has it.
 *
 * collectd ends its lines with two blanks and sends "nan" for a value it does
 * not have. OpenTSDB asks for at least one tag; we do not.
 */
#include "server/ingest/opentsdb.h"

#include <math.h>

/*
 * Influx and Graphite may measure a "put" too: `put a=1 t`, `put 1 t`. What is
 * cut short counts as OpenTSDB unless its first word is a number.
 */
bool opentsdb_recognise(struct fw_str text)
{
    struct fw_str metric;
    double number;

    if (!fw_str_eq(line_word(&text), FW_STR("put")))
        return false;
    metric = line_word(&text);
    if (memchr(metric.p, '=', metric.n) != NULL)
        return false;
    (void)line_word(&text); /* the time */
    return line_word(&text).n > 0 || !number_parse(metric, &number);
}

/* The blanks at the end are not part of the tags. */
static struct fw_str trimmed(struct fw_str text)
{
    while (text.n > 0 && (*text.p == ' ' || *text.p == '\t'))
        text = (struct fw_str){text.p + 1, text.n - 1};
    while (text.n > 0 &&
           (text.p[text.n - 1] == ' ' || text.p[text.n - 1] == '\t'))
        text.n--;
    return text;
}

enum line_fault opentsdb_parse(struct fw_str text, struct line *out)
{
    struct fw_str when, value;
    double v;

    (void)line_word(&text); /* the word "put" */
    out->protocol = LINE_OPENTSDB;
    out->series = line_word(&text);
    when = line_word(&text);
    value = line_word(&text);
    if (out->series.n == 0)
        return LINE_BAD_NAME;
    out->timed = true;
    if (!time_parse_fraction(when, TIME_AUTO, &out->t))
        return LINE_BAD_TIME;
    if (!number_parse_any(value, &v))
        return LINE_BAD_VALUE;
    if (isnan(v)) {
        out->skipped++;
        return LINE_OK;
    }
    return line_add_value(out, trimmed(text), v);
}

enum line_fault opentsdb_labels(struct fw_str metric, struct fw_str tags,
                                struct line_labels *out)
{
    enum line_fault fault = line_add_label(out, FW_STR(FW_METRIC_NAME), metric);
    struct fw_str tag;

    while (fault == LINE_OK && (tag = line_word(&tags)).n > 0) {
        const char *equals = memchr(tag.p, '=', tag.n);

        if (equals == NULL || equals == tag.p)
            return LINE_BAD_TAG;
        fault = line_add_label(
            out, (struct fw_str){tag.p, (size_t)(equals - tag.p)},
            (struct fw_str){equals + 1, (size_t)(tag.p + tag.n - equals) - 1});
    }
    return fault;
}
