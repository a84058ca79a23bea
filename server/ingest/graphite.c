/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * graphite.c - Graphite plaintext, as docs/protocols/graphite.md has it.
 *
 * As carbon reads it: words between blanks, no escapes; "nan" is a sender's
 * way to say "no value"; -1 or N for the time is "now".
 */
#include "server/ingest/graphite.h"

#include <math.h>

static bool means_now(struct fw_str text)
{
    return fw_str_eq(text, FW_STR("-1")) || fw_str_eq(text, FW_STR("N")) ||
           fw_str_eq(text, FW_STR("-1.0"));
}

enum line_fault graphite_parse(struct fw_str text, struct line *out)
{
    struct fw_str value, when;
    double v;

    out->protocol = LINE_GRAPHITE;
    out->series = line_word(&text);
    value = line_word(&text);
    when = line_word(&text);
    if (value.n == 0 || line_word(&text).n > 0)
        return LINE_BAD_FORM;
    if (!number_parse_any(value, &v))
        return LINE_BAD_VALUE;
    if (when.n > 0 && !means_now(when)) {
        out->timed = true;
        if (!time_parse_fraction(when, TIME_AUTO, &out->t))
            return LINE_BAD_TIME;
    }
    if (isnan(v)) {
        out->skipped++;
        return LINE_OK;
    }
    return line_add_value(out, (struct fw_str){"", 0}, v);
}

/* Up to the byte `stop`, which is taken off too; else all of it. */
static struct fw_str take_until(struct fw_str *rest, char stop)
{
    const char *hit = memchr(rest->p, stop, rest->n);
    size_t n = hit != NULL ? (size_t)(hit - rest->p) : rest->n;
    struct fw_str taken = {rest->p, n};

    n += hit != NULL ? 1 : 0;
    *rest = (struct fw_str){rest->p + n, rest->n - n};
    return taken;
}

enum line_fault graphite_labels(struct fw_str series, struct line_labels *out)
{
    struct fw_str rest = series;
    struct fw_str path = take_until(&rest, ';');
    enum line_fault fault;

    if (path.n == 0)
        return LINE_BAD_NAME;
    fault = line_add_label(out, FW_STR(FW_METRIC_NAME), path);
    while (fault == LINE_OK && rest.n > 0) {
        struct fw_str value = take_until(&rest, ';');
        bool has_value = memchr(value.p, '=', value.n) != NULL;
        struct fw_str name = take_until(&value, '=');

        fault = !has_value || name.n == 0 ? LINE_BAD_TAG
                                          : line_add_label(out, name, value);
    }
    return fault;
}
