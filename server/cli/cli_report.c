/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * cli_report.c - `forewarn report`: every watch forecast now, the most urgent
 * first.
 *
 * The forecasts are made afresh; alerts and records are those the server keeps.
 */
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "server/alert/card.h"
#include "server/audit/audit.h"
#include "server/cli/alert_commands.h"
#include "server/config/config_check.h"
#include "storage/base/file.h"
#include "storage/base/limits.h"

#define OUT_BYTES ((size_t)256 << 20)
#define PROGRESS_LEAST 3   /* watches that are worth a bar, */
#define PROGRESS_SERIES 20 /* or series of one */

const struct fw_option report_options[] = {
    {"format", 'f', "FORMAT", "text", "text, json, csv, html or pdf"},
    {"output", 'o', "FILE", NULL, "write it there, whole or not at all"},
    {"config", 'c', "FILE", NULL,
     "the watches of this forewarn.yml, not the server's"},
    {"at", 0, "TIME", "now", "stand at this moment"},
    {"horizon", 0, "SPAN", NULL, "of EXPR LIMIT: how far ahead to look"},
    {"for", 0, "SPAN", "0s", "of EXPR LIMIT: how long it must stay passed"},
    {"history", 0, "SPAN", NULL, "of EXPR LIMIT: how much to learn from"},
    {0},
};

struct rows {
    struct fw_report_row *v; /* in the view's arena */
    size_t n, cap;
};

static fw_rc add_row(struct alert_view *view, struct rows *rows,
                     const struct fw_report_row *row, struct fw_err *err)
{
    if (rows->n == rows->cap) {
        size_t cap = rows->cap == 0 ? 64 : rows->cap * 2;
        struct fw_report_row *v = fw_arena_calloc(view->arena, cap, sizeof(*v));

        if (v == NULL)
            return fw_arena_err(view->arena, err);
        if (rows->n > 0)
            memcpy(v, rows->v, rows->n * sizeof(*v));
        rows->v = v;
        rows->cap = cap;
    }
    rows->v[rows->n++] = *row;
    return FW_OK;
}

/* Where the alert of a series stands; a watch of --config has none. */
struct state_search {
    uint32_t subject;
    const struct watched_state *states;
    size_t n;
    bool loose; /* expressions of the command line: nobody watches them */
};

static const struct watched_state *find_state(const struct state_search *s)
{
    for (size_t i = 0; i < s->n; i++)
        if (s->states[i].subject == s->subject)
            return &s->states[i];
    return NULL;
}

static const char *phase_word(struct alert_view *view,
                              const struct config_watch *watch,
                              const struct fw_forecast_series *series,
                              struct state_search *search)
{
    const struct watched_state *state = NULL;

    if (ledger_subject(view->txn, fw_str_of(watch->name), &series->labels,
                       false, &search->subject, NULL) == FW_OK)
        state = find_state(search);
    if (state != NULL && state->alert.phase != ALERT_INACTIVE)
        return alert_phase_name(state->alert.phase);
    if (series->forecast->verdict == FW_CANNOT_TELL)
        return "cannot tell";
    return "quiet";
}

/* "firing, trial": where the alert stands, and what the watch may say. */
static struct fw_str state_word(struct alert_view *view,
                                const struct config_watch *watch,
                                const struct fw_forecast_series *series,
                                struct state_search *search)
{
    const char *phase = phase_word(view, watch, series, search), *both;
    struct standing standing;

    if (alert_view_standing(view, watch, &standing, NULL) != FW_OK)
        return fw_str_of(phase);
    both = fw_arena_printf(view->arena, "%s, %s", phase,
                           standing_name(standing.state));
    return fw_str_of(both != NULL ? both : phase);
}

/* A watch whose expression returns nothing says so in a row of its own. */
static fw_rc no_series(struct alert_view *view, struct fw_report_row *row,
                       struct fw_err *err)
{
    struct fw_forecast *none = fw_arena_calloc(view->arena, 1, sizeof(*none));

    if (none == NULL)
        return fw_arena_err(view->arena, err);
    none->verdict = FW_CANNOT_TELL;
    none->reason = FW_TOO_SHORT;
    (void)snprintf(none->why, sizeof(none->why),
                   "the expression returns no data");
    row->series = (struct fw_forecast_series){.forecast = none, .current = NAN};
    row->state = FW_STR("no data");
    return FW_OK;
}

/* What the report does not say elsewhere, from the card of the prediction. */
static fw_rc add_notes(struct alert_view *view,
                       const struct config_watch *watch, fw_ms now,
                       struct fw_report_row *row, struct fw_err *err)
{
    static const enum card_part shown[] = {CARD_WRONG_IF, CARD_ELSE,
                                           CARD_UNKNOWN};
    enum { SHOWN = sizeof(shown) / sizeof(shown[0]) };
    struct fw_report_note *notes =
        fw_arena_calloc(view->arena, SHOWN, sizeof(*notes));
    struct standing standing;
    struct card card;
    struct card_input in = {.watch = watch,
                            .labels = &row->series.labels,
                            .forecast = row->series.forecast,
                            .current = row->series.current,
                            .current_at = row->series.current_at,
                            .spacing = row->series.spacing,
                            .now = now,
                            .watch_record = row->record,
                            .standing = &standing,
                            .standing_why = ""};
    fw_rc rc = alert_view_standing(view, watch, &standing, err);

    if (notes == NULL)
        return fw_arena_err(view->arena, err);
    if (rc == FW_OK)
        rc = card_write(&in, view->arena, &card, err);
    if (rc != FW_OK)
        return rc;
    for (int i = 0; i < SHOWN; i++)
        notes[i] = (struct fw_report_note){card_question(shown[i]),
                                           card.answers[shown[i]]};
    row->notes = notes;
    row->note_count = SHOWN;
    return FW_OK;
}

/* A bar on the terminal, where there is enough to wait for: it grows with each
 * series, since one watch may have thousands. */
struct progress {
    struct fw_cli *cli;
    size_t watch, watches; /* done, of how many */
    size_t series;         /* of the watches that are done */
    int shown;             /* the last figure in hundredths */
};

static void show_progress(void *self, size_t done, size_t all)
{
    static const char bar[] = "##############################";
    struct progress *p = self;
    double share =
        ((double)p->watch + (double)done / (double)all) / (double)p->watches;
    int hundredths = (int)(100.0 * share);

    if (!p->cli->tty || hundredths == p->shown ||
        (p->watches < PROGRESS_LEAST && all < PROGRESS_SERIES))
        return;
    p->shown = hundredths;
    (void)fprintf(p->cli->err, "\r[%-30.*s] %zu of %zu watches, %zu series",
                  (int)(share * (double)(sizeof(bar) - 1)), bar, p->watch,
                  p->watches, p->series + done);
    (void)fflush(p->cli->err);
}

static void end_progress(struct progress *p)
{
    if (p->shown < 0)
        return;
    (void)fprintf(p->cli->err, "\r%70s\r", "");
    (void)fflush(p->cli->err);
}

static fw_rc report_watch(struct alert_view *view,
                          const struct config_watch *watch, fw_ms now,
                          struct state_search *search,
                          struct progress *progress, struct rows *rows,
                          struct fw_err *err)
{
    struct fw_source source = fw_source_of_store(view->store);
    struct fw_forecast_options options = config_watch_question(watch, now);
    struct fw_report_row row = {.watch = fw_str_of(watch->name),
                                .expr = fw_str_of(watch->expr),
                                .owner = fw_str_of(watch->owner),
                                .reason = fw_str_of(watch->reason),
                                .breach = watch->breach,
                                .horizon = watch->horizon,
                                .probability = watch->probability};
    struct fw_forecast_series *series = NULL;
    struct totals totals;
    size_t count = 0;
    fw_rc rc = alert_view_totals(view, watch, &totals, err);

    options.progress = show_progress;
    options.progress_self = progress;
    if (rc == FW_OK)
        rc = fw_forecast_expr(fw_str_of(watch->expr), &source, watch->history,
                              &options, view->arena, &series, &count, err);
    if (rc != FW_OK)
        return fw_err_prefix(err, "watch '%s'", watch->name);
    totals_record(&totals, &row.record);
    if (count == 0) {
        rc = no_series(view, &row, err);
        return rc == FW_OK ? add_row(view, rows, &row, err) : rc;
    }
    for (size_t i = 0; rc == FW_OK && i < count; i++) {
        row.series = series[i];
        row.breach.limit = series[i].limit;
        if (!search->loose) {
            row.state = state_word(view, watch, &series[i], search);
            rc = add_notes(view, watch, now, &row, err);
        }
        if (rc == FW_OK)
            rc = add_row(view, rows, &row, err);
    }
    return rc;
}

static fw_rc report_all(struct alert_view *view, bool loose, fw_ms now,
                        struct rows *rows, struct fw_err *err)
{
    struct watched_state *states = NULL;
    struct state_search search = {.loose = loose};
    struct progress progress = {
        .cli = view->cli, .watches = view->watch_count, .shown = -1};
    size_t damaged = 0;
    fw_rc rc =
        watched_all(view->txn, view->arena, &states, &search.n, &damaged, err);

    search.states = states;
    for (size_t i = 0; rc == FW_OK && i < view->watch_count; i++) {
        if (view->cli->cancel != NULL && atomic_load(view->cli->cancel))
            return fw_err_set(err, FW_ECANCELED, "given up");
        rc = report_watch(view, &view->watches[i], now, &search, &progress,
                          rows, err);
        progress.watch++;
        progress.series = rows->n;
    }
    end_progress(&progress);
    return rc;
}

/* One EXPR LIMIT as a watch that nobody has written down. */
static fw_rc watch_of_pair(struct fw_cli *cli, const struct fw_args *args,
                           const char *expr, const char *limit,
                           struct config_watch *w, struct fw_err *err)
{
    fw_rc rc;

    *w = (struct config_watch){.name = expr,
                               .expr = expr,
                               .breach_text = limit,
                               .owner = "",
                               .reason = "",
                               .probability = 0.8,
                               .interval = FW_MINUTE};
    rc = fw_breach_parse_limit(fw_str_of(limit), &w->breach, &w->limit_expr,
                               err);
    if (rc == FW_OK)
        rc = fw_args_duration(cli, args, "horizon", &w->horizon, err);
    if (rc == FW_OK)
        rc = fw_args_duration(cli, args, "for", &w->breach.for_ms, err);
    if (rc == FW_OK && fw_args_has(cli, args, "history"))
        rc = fw_args_duration(cli, args, "history", &w->history, err);
    if (rc == FW_OK && w->horizon <= 0)
        rc = fw_err_set(err, FW_EINVAL, "--horizon must be above zero");
    if (rc == FW_OK)
        config_watch_derive(w);
    return rc;
}

static fw_rc watches_of_pairs(struct fw_cli *cli, const struct fw_args *args,
                              struct alert_view *view, struct fw_err *err)
{
    size_t n = (size_t)args->rest_count / 2;
    struct config_watch *all;
    fw_rc rc = FW_OK;

    if (args->rest_count % 2 != 0)
        return fw_err_set(err, FW_EINVAL,
                          "takes one watch, or expressions each with its limit "
                          "behind it, as in disk_used '> 90'");
    all = fw_arena_calloc(view->arena, n, sizeof(*all));
    if (all == NULL)
        return fw_arena_err(view->arena, err);
    for (size_t i = 0; rc == FW_OK && i < n; i++)
        rc = watch_of_pair(cli, args, args->rest[2 * i], args->rest[2 * i + 1],
                           &all[i], err);
    view->watches = all;
    view->watch_count = n;
    return rc;
}

/* The watches to report on: the server's, or those of a file. */
static fw_rc choose_watches(struct fw_cli *cli, const struct fw_args *args,
                            struct alert_view *view, struct config **config,
                            struct fw_err *err)
{
    const char *path = fw_args_get(cli, args, "config");
    fw_rc rc = FW_OK;

    if (args->rest_count > 1)
        return watches_of_pairs(cli, args, view, err);
    if (path != NULL) {
        rc = config_load(path, config, err);
        if (rc == FW_OK) {
            view->watches = (*config)->watches;
            view->watch_count = (*config)->watch_count;
        }
    }
    if (rc == FW_OK && args->rest_count == 1)
        rc = alert_view_choose(view, args->rest[0], err);
    if (rc == FW_OK && view->watch_count == 0)
        rc = fw_err_set(err, FW_ENOTFOUND,
                        "no watches; name some under 'watches:' in the "
                        "forewarn.yml of the server, or give --config FILE");
    return rc;
}

/* The head of the audit log: whoever keeps a report keeps a witness. */
static struct fw_str footer_of(struct alert_view *view)
{
    char text[AUDIT_HEAD_TEXT_BYTES];
    struct audit_head head;
    const char *line;

    if (audit_head(view->txn, &head, NULL) != FW_OK)
        return FW_STR("The head of the audit log cannot be read.");
    audit_head_text(&head, text);
    line = fw_arena_printf(view->arena, "Audit log: head %s.", text);
    return fw_str_of(line != NULL ? line : "");
}

int cmd_report(struct fw_cli *cli, int argc, char **argv)
{
    static const char *const formats[] = {"text", "json", "html",
                                          "csv",  "pdf",  NULL};
    struct fw_buf text = FW_BUF_INIT(OUT_BYTES);
    struct alert_view view = {0};
    struct config *config = NULL;
    struct rows rows = {0};
    struct fw_err err = {0};
    struct fw_args args;
    int format, code = FW_EXIT_OK;
    fw_ms now;
    fw_rc rc = fw_cli_parse(cli, argc, argv, &args);

    if (rc != FW_OK)
        return rc == FW_END ? FW_EXIT_OK : FW_EXIT_USAGE;
    rc = fw_args_choice(cli, &args, "format", formats, &format, &err);
    if (rc == FW_OK && format == FW_REPORT_PDF && cli->tty)
        rc = fw_err_set(&err, FW_EINVAL,
                        "a PDF is nothing for a terminal; --output FILE");
    if (rc == FW_OK)
        rc = fw_parse_time(fw_str_of(fw_args_get(cli, &args, "at")),
                           fw_clock_now(cli->clock), &now, &err);
    if (rc == FW_OK)
        rc = alert_view_open(&view, cli, &err);
    if (rc == FW_OK)
        rc = choose_watches(cli, &args, &view, &config, &err);
    if (rc == FW_OK)
        rc = report_all(&view, args.rest_count > 1, now, &rows, &err);
    if (rc == FW_OK)
        rc = fw_report_print(rows.v, rows.n, now, (enum fw_report_format)format,
                             cli->color, cli->columns, footer_of(&view), &text,
                             &err);
    if (rc == FW_OK && fwrite(text.data, 1, text.len, cli->out) != text.len)
        rc = fw_err_sys(&err, errno, "cannot write the report");
    if (rc != FW_OK) {
        code = fw_cli_fail(cli, &err);
        if (err.rc == FW_ENOTFOUND)
            code = FW_EXIT_NO;
    }
    alert_view_close(&view);
    config_free(config);
    fw_buf_release(&text);
    return code;
}
