/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * cli_check.c - `forewarn check WATCH`: a watch as a plugin of Nagios and its
 * kin: one line, performance data behind a bar, and an exit code of theirs.
 *
 *     0 OK        nothing is predicted
 *     1 WARNING   a breach is predicted
 *     2 CRITICAL  the limit is breached
 *     3 UNKNOWN   no such watch, no data, or it cannot tell
 */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "server/cli/alert_commands.h"
#include "storage/base/limits.h"

enum verdict { CHECK_OK, CHECK_WARNING, CHECK_CRITICAL, CHECK_UNKNOWN };

static enum verdict verdict_of(const struct watched_row *row)
{
    if (row->state.alert.phase == ALERT_BREACHED)
        return CHECK_CRITICAL;
    if (row->state.alert.phase == ALERT_FIRING)
        return CHECK_WARNING;
    return row->subject.id == 0 || !row->state.outlook.told ? CHECK_UNKNOWN
                                                            : CHECK_OK;
}

/* CRITICAL before WARNING before UNKNOWN before OK. */
static int weight(enum verdict v)
{
    static const int weights[] = {0, 2, 3, 1};

    return weights[v];
}

/* No quotes, equals signs or bars: they end a label of theirs. */
static fw_rc add_label(struct fw_buf *out, const struct watched_row *row,
                       const char *suffix)
{
    struct fw_buf text = FW_BUF_INIT(FW_MAX_SERIES_BYTES * 4);
    fw_rc rc = fw_labels_print(&text, &row->subject.labels);

    for (size_t i = 0; i < text.len; i++)
        if (strchr("'=|\n\r", text.data[i]) != NULL)
            text.data[i] = text.data[i] == '=' ? ':' : ' ';
    if (rc == FW_OK)
        rc = fw_buf_printf(out, " '%s%s'=", text.len > 0 ? text.data : "value",
                           suffix);
    fw_buf_release(&text);
    return rc;
}

static fw_rc add_perfdata(struct fw_buf *out, const struct watched_row *row)
{
    const struct outlook *o = &row->state.outlook;
    char value[FW_DOUBLE_TEXT_BYTES] = "U", limit[FW_DOUBLE_TEXT_BYTES];
    fw_rc rc;

    if (row->subject.id == 0)
        return FW_OK;
    if (isfinite(row->state.observed.value))
        (void)fw_format_double(value, row->state.observed.value);
    (void)fw_format_double(limit, row->watch->breach.limit);
    rc = add_label(out, row, "");
    if (rc == FW_OK) /* "10:" is: critical below ten */
        rc = fw_buf_printf(out, "%s;;%s%s;;", value, limit,
                           row->watch->breach.side == FW_BELOW ? ":" : "");
    if (rc == FW_OK && o->told)
        rc = add_label(out, row, " probability");
    if (rc == FW_OK && o->told)
        rc = fw_buf_printf(out, "%.4g;%.4g;;0;1", o->probability,
                           row->watch->probability);
    return rc;
}

static fw_rc add_words(struct fw_buf *out, const struct watched_row *row)
{
    const struct outlook *o = &row->state.outlook;
    char value[FW_DOUBLE_TEXT_BYTES] = "nothing";
    char span[FW_DURATION_TEXT_BYTES] = "";
    fw_rc rc;

    if (row->subject.id == 0)
        return fw_buf_adds(out, "no data");
    if (!isnan(row->state.observed.value))
        (void)fw_format_short(value, row->state.observed.value, 4);
    rc = fw_buf_printf(out, "now %s, limit %s", value, row->watch->breach_text);
    if (rc == FW_OK && !o->told)
        return fw_buf_printf(out, ", cannot tell: %s",
                             fw_reason_name(o->reason));
    if (rc == FW_OK)
        rc = fw_buf_printf(out, ", breach within the horizon %.2f",
                           o->probability);
    if (rc == FW_OK && o->p50 >= 0) {
        (void)fw_format_span(span, o->p50);
        rc = fw_buf_printf(out, ", in about %s", span);
    }
    return rc;
}

static fw_rc build(const struct watched_row *rows, size_t n, struct fw_buf *out,
                   enum verdict *verdict)
{
    static const char *const words[] = {"OK", "WARNING", "CRITICAL", "UNKNOWN"};
    const struct watched_row *worst = &rows[0];
    fw_rc rc;

    for (size_t i = 1; i < n; i++)
        if (weight(verdict_of(&rows[i])) > weight(verdict_of(worst)))
            worst = &rows[i];
    *verdict = verdict_of(worst);
    rc = fw_buf_printf(out, "%s %s: ", worst->watch->name, words[*verdict]);
    if (rc == FW_OK)
        rc = add_words(out, worst);
    if (rc == FW_OK && n > 1)
        rc = fw_buf_printf(out, " (worst of %zu series)", n);
    if (rc == FW_OK)
        rc = fw_buf_adds(out, " |");
    for (size_t i = 0; rc == FW_OK && i < n; i++)
        rc = add_perfdata(out, &rows[i]);
    return rc == FW_OK ? fw_buf_addc(out, '\n') : rc;
}

int cmd_check(struct fw_cli *cli, int argc, char **argv)
{
    struct fw_buf out = FW_BUF_INIT((size_t)16 << 20);
    enum verdict verdict = CHECK_UNKNOWN;
    struct watched_row *rows = NULL;
    struct alert_view view = {0};
    struct fw_err err = {0};
    struct fw_args args;
    size_t n = 0;
    fw_rc rc = fw_cli_parse(cli, argc, argv, &args);

    if (rc != FW_OK)
        return rc == FW_END ? CHECK_OK : CHECK_UNKNOWN;
    if (args.rest_count != 1)
        rc = fw_err_set(&err, FW_EINVAL, "name one watch");
    if (rc == FW_OK)
        rc = alert_view_open(&view, cli, &err);
    if (rc == FW_OK)
        rc = alert_view_choose(&view, args.rest[0], &err);
    if (rc == FW_OK)
        rc = alert_view_rows(&view, &rows, &n, &err);
    if (rc == FW_OK)
        rc = build(rows, n, &out, &verdict);
    if (rc == FW_OK) {
        (void)fwrite(out.data, 1, out.len, cli->out);
    } else {
        verdict = CHECK_UNKNOWN;
        (void)fprintf(cli->out, "UNKNOWN: %s\n",
                      err.rc != FW_OK ? err.text : "out of memory");
    }
    alert_view_close(&view);
    fw_buf_release(&out);
    return (int)verdict;
}
