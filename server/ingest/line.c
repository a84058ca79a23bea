/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * line.c - which protocol a line speaks, and what the protocols share.
 *
 * Recognition: `put ` with a metric and a time after it is OpenTSDB; `key=`
 * after the first unescaped blank is Influx; anything else is Graphite.
 */
#include "server/ingest/line.h"

#include <stdlib.h>

#include "server/ingest/graphite.h"
#include "server/ingest/influx.h"
#include "server/ingest/opentsdb.h"

static const struct {
    const char *name;
    const char *text;
} faults[LINE_FAULTS] = {
    [LINE_OK] = {"ok", "nothing is wrong"},
    [LINE_BAD_FORM] = {"bad_form",
                       "neither InfluxDB, Graphite nor OpenTSDB line"},
    [LINE_BAD_NAME] = {"bad_name", "a name is missing"},
    [LINE_BAD_TAG] = {"bad_tag", "a tag is not name=value"},
    [LINE_BAD_VALUE] = {"bad_value", "a value is not a number"},
    [LINE_BAD_TIME] = {"bad_time", "the timestamp is not a number"},
    [LINE_BAD_TEXT] = {"bad_text",
                       "the name holds bytes that are not UTF-8, or control "
                       "characters"},
    [LINE_BAD_LABELS] = {"bad_labels",
                         "a label stands twice or is past a label limit"},
    [LINE_TOO_MANY] = {"too_many", "too many fields in one line"},
    [LINE_TOO_LONG] = {"too_long", "the line is too long"},
    [LINE_TOO_NEW] = {"too_new",
                      "the timestamp is further ahead than --max-future"},
    [LINE_NO_MEMORY] = {"no_memory", "memory ran out"},
    [LINE_BAD_COMMAND] = {"bad_command", "the # command is wrong"},
    [LINE_CUT_OFF] = {"cut_off", "the stream ended before its end of line"},
    [LINE_SERIES_LIMIT] =
        {"series_limit",
         "a new series, and --max-series or --max-metric-series "
         "is reached"},
    [LINE_NOT_STORED] = {"not_stored", "the store cannot take it"},
};

const char *line_fault_name(enum line_fault fault)
{
    return faults[fault].name;
}

const char *line_fault_text(enum line_fault fault)
{
    return faults[fault].text;
}

void line_release(struct line *line)
{
    free(line->values);
    *line = (struct line){0};
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r';
}

struct fw_str line_word(struct fw_str *rest)
{
    const char *p = rest->p;
    const char *end = p + rest->n;
    const char *from;

    while (p < end && is_blank(*p))
        p++;
    from = p;
    while (p < end && !is_blank(*p))
        p++;
    *rest = (struct fw_str){p, (size_t)(end - p)};
    return (struct fw_str){from, (size_t)(p - from)};
}

enum line_fault line_add_value(struct line *line, struct fw_str part, double v)
{
    if (line->n == line->cap) {
        fw_rc rc = fw_grow(&line->values, &line->cap, line->n + 1,
                           sizeof(*line->values), FW_MAX_LINE_VALUES);

        if (rc != FW_OK)
            return rc == FW_ETOOBIG ? LINE_TOO_MANY : LINE_NO_MEMORY;
    }
    line->values[line->n++] = (struct line_value){part, v};
    return LINE_OK;
}

enum line_fault line_add_label(struct line_labels *labels, struct fw_str name,
                               struct fw_str value)
{
    if (labels->n == sizeof(labels->v) / sizeof(labels->v[0]))
        return LINE_BAD_LABELS;
    labels->v[labels->n++] = (struct fw_label){name, value};
    return LINE_OK;
}

enum line_fault line_parse(struct fw_str text, enum time_unit unit,
                           struct line *out)
{
    out->n = 0;
    out->skipped = 0;
    out->timed = false;
    while (text.n > 0 && is_blank(text.p[0]))
        text = (struct fw_str){text.p + 1, text.n - 1};
    while (text.n > 0 && is_blank(text.p[text.n - 1]))
        text.n--;
    if (text.n == 0 || text.p[0] == '#')
        return LINE_OK;
    if (text.p[0] == 'p' && opentsdb_recognise(text))
        return opentsdb_parse(text, out);
    if (influx_recognise(text))
        return influx_parse(text, unit, out);
    return graphite_parse(text, out);
}

/* Labels are shown to people and sent to tools: text, without controls. */
bool line_is_text(struct fw_str text)
{
    for (size_t i = 0; i < text.n; i++)
        if ((unsigned char)text.p[i] < 0x20 || text.p[i] == 0x7f)
            return false;
    return fw_utf8_valid(text.p, text.n);
}

enum line_fault line_labels(const struct line *line, size_t i,
                            struct fw_arena *arena, struct line_labels *out)
{
    struct fw_str part = line->values[i].part;

    out->n = 0;
    if (!line_is_text(line->series))
        return LINE_BAD_TEXT;
    switch (line->protocol) {
    case LINE_INFLUX:
        if (!line_is_text(part))
            return LINE_BAD_TEXT;
        return influx_labels(line->series, part, arena, out);
    case LINE_GRAPHITE:
        return graphite_labels(line->series, out);
    case LINE_OPENTSDB:
        if (!line_is_text(part))
            return LINE_BAD_TEXT;
        return opentsdb_labels(line->series, part, out);
    }
    return LINE_BAD_FORM;
}

bool line_is_foreign(struct fw_str text)
{
    struct fw_str method, version;

    if (text.n >= 2 && text.p[0] == 0x16 && text.p[1] == 0x03)
        return true; /* TLS handshake record */
    method = line_word(&text);
    for (size_t i = 0; i < method.n; i++)
        if (method.p[i] < 'A' || method.p[i] > 'Z')
            return false;
    (void)line_word(&text); /* the target */
    version = line_word(&text);
    return method.n > 0 && version.n >= 6 && memcmp(version.p, "HTTP/", 5) == 0;
}
