/* SPDX-License-Identifier: GPL-3.0-or-later */
/* cli_query.c - `forewarn query`. */
#include "query/cli/cli_query.h"

#include "query/cli/cli_range.h"
#include "query/cli/cli_remote.h"
#include "storage/base/limits.h"

enum format {
    FORMAT_AUTO,
    FORMAT_TABLE,
    FORMAT_CSV,
    FORMAT_JSON,
    FORMAT_CHART
};

static const char *const format_words[] = {"auto", "table", "csv",
                                           "json", "chart", NULL};

#define CHART_LINES 12 /* more than these nobody can tell apart */

static fw_rc print_chart(struct fw_cli *cli, const struct fw_result *result,
                         const char *title, struct fw_arena *arena,
                         struct fw_buf *out, struct fw_err *err)
{
    size_t count = result->count < CHART_LINES ? result->count : CHART_LINES;
    struct fw_chart_line *lines = fw_arena_calloc(arena, count, sizeof(*lines));
    struct fw_chart chart = {.lines = lines,
                             .line_count = count,
                             .title = title,
                             .columns = cli->columns,
                             .rows = cli->rows > 4 ? cli->rows - 3 : 0,
                             .color = cli->color,
                             .ascii = !cli->utf8};
    fw_rc rc = FW_OK;

    if (lines == NULL)
        return fw_arena_err(arena, err);
    for (size_t i = 0; i < count && rc == FW_OK; i++) {
        const struct fw_result_series *s = &result->series[i];
        struct fw_buf name = FW_BUF_INIT((size_t)1 << 20);
        char *kept = NULL;

        rc = fw_labels_print(&name, &s->labels);
        if (rc == FW_OK)
            kept = fw_arena_strndup(arena, name.data, name.len);
        fw_buf_release(&name);
        if (rc == FW_OK && kept == NULL)
            return fw_arena_err(arena, err);
        lines[i] =
            (struct fw_chart_line){.title = fw_str_of(kept != NULL ? kept : ""),
                                   .t = s->t,
                                   .v = s->v,
                                   .n = s->n};
    }
    if (rc == FW_OK)
        rc = fw_print_chart(&chart, out);
    if (rc == FW_OK && result->count > count)
        rc = fw_buf_printf(out,
                           "%zu more series are not drawn; "
                           "topk(%d, ...) picks the largest\n",
                           result->count - count, CHART_LINES);
    return rc;
}

static fw_rc print_result(struct fw_cli *cli, const struct fw_result *result,
                          int format, const char *expr, struct fw_arena *arena,
                          struct fw_buf *out, struct fw_err *err)
{
    if (format == FORMAT_AUTO)
        format =
            cli->tty && result->type == FW_MATRIX ? FORMAT_CHART : FORMAT_TABLE;
    switch (format) {
    case FORMAT_CSV:
        return fw_print_csv(result, out);
    case FORMAT_JSON:
        return fw_print_json(result, out);
    case FORMAT_CHART:
        if (result->type == FW_MATRIX && result->count > 0)
            return print_chart(cli, result, expr, arena, out, err);
        return fw_print_table(result, cli->tty, cli->columns, out);
    default:
        return fw_print_table(result, cli->tty, cli->columns, out);
    }
}

static void print_notes(struct fw_cli *cli, const struct fw_result *result)
{
    for (size_t i = 0; i < result->warning_count; i++)
        (void)fprintf(cli->err, "%.*s\n", FW_STR_ARG(result->warnings[i]));
    for (size_t i = 0; i < result->info_count; i++)
        (void)fprintf(cli->err, "%.*s\n", FW_STR_ARG(result->infos[i]));
}

/* All that one run of the command holds. */
struct asking {
    struct fw_args args;
    struct fw_query_options options;
    struct fw_arena *arena;
    struct fw_query *query;
    struct fw_store *store;
    int format;
};

fw_rc cli_one_expression(struct fw_cli *cli, const struct fw_args *args,
                         struct fw_err *err)
{
    if (args->rest_count == 1)
        return FW_OK;
    if (args->rest_count == 0)
        return fw_err_set(err, FW_EINVAL,
                          "an expression is needed, such as: forewarn %s 'up'",
                          cli->command->name);
    return fw_err_set(err, FW_EINVAL,
                      "one expression is needed, not %d words: put it in "
                      "quotes",
                      args->rest_count);
}

static fw_rc prepare(struct fw_cli *cli, struct asking *a, struct fw_err *err)
{
    fw_rc rc = cli_one_expression(cli, &a->args, err);

    a->options.clock = cli->clock;
    a->options.cancel = cli->cancel;
    if (rc == FW_OK)
        rc = fw_args_choice(cli, &a->args, "format", format_words, &a->format,
                            err);
    if (rc == FW_OK)
        rc = cli_times(cli, &a->args, &a->options, err);
    if (rc != FW_OK)
        return rc;
    a->arena = fw_arena_new(fw_query_limits().max_bytes);
    if (a->arena == NULL)
        return fw_err_set(err, FW_ENOMEM, "out of memory");
    if (cli_remote_server(cli, &a->args) != NULL)
        return FW_OK; /* it parses by itself, and may know more */
    rc = fw_query_parse(fw_str_of(a->args.rest[0]), a->arena, &a->query, err);
    return rc == FW_OK ? fw_cli_store_open(cli, &a->store, err) : rc;
}

/* The same question, put to another server. */
static fw_rc ask_server(struct fw_cli *cli, struct asking *a,
                        struct fw_result *result, struct fw_err *err)
{
    struct fw_buf form = FW_BUF_INIT(4 * FW_MAX_QUERY_TEXT_BYTES);
    struct remote_answer answer = {.series = NULL};
    bool range = a->options.step > 0;
    fw_rc rc = cli_remote_query_form(&form, a->args.rest[0], &a->options, err);

    if (rc == FW_OK)
        rc = cli_remote_ask(cli_remote_server(cli, &a->args),
                            range ? "/api/v1/query_range" : "/api/v1/query",
                            FW_STR(""), "", &form, a->arena, &answer, err);
    fw_buf_release(&form);
    *result = answer.result;
    return rc;
}

static fw_rc ask_store(struct asking *a, struct fw_result *result,
                       struct fw_err *err)
{
    struct fw_source source = fw_source_of_store(a->store);
    fw_rc rc;

    a->options.crew = fw_crew_of_cores();
    rc = fw_query_run(a->query, &source, &a->options, a->arena, result, err);
    fw_crew_free(a->options.crew);
    return rc;
}

static fw_rc answer(struct fw_cli *cli, struct asking *a, bool *empty,
                    struct fw_err *err)
{
    struct fw_buf out = FW_BUF_INIT(FW_MAX_REPLY_BYTES);
    struct fw_result result = {0};
    fw_rc rc = a->store != NULL ? ask_store(a, &result, err)
                                : ask_server(cli, a, &result, err);

    *empty = rc == FW_OK && result.count == 0 && result.type != FW_STRING;
    if (rc == FW_OK)
        rc = print_result(cli, &result, a->format, a->args.rest[0], a->arena,
                          &out, err);
    if (rc == FW_OK && out.len > 0 &&
        (fwrite(out.data, 1, out.len, cli->out) != out.len ||
         (a->format == FORMAT_JSON && fputc('\n', cli->out) == EOF)))
        rc = fw_err_set(err, FW_EIO, "the answer could not be written");
    else if (rc == FW_ETOOBIG && err->rc == FW_OK)
        rc = fw_err_set(err, rc,
                        "the answer is too large to print; ask for "
                        "fewer series or a larger step");
    if (rc == FW_OK)
        print_notes(cli, &result);
    fw_buf_release(&out);
    return rc;
}

static int cmd_query(struct fw_cli *cli, int argc, char **argv)
{
    struct fw_err err = {0};
    struct asking a = {0};
    bool empty = false;
    int code = FW_EXIT_OK;
    fw_rc rc = fw_cli_parse(cli, argc, argv, &a.args);

    if (rc != FW_OK)
        return rc == FW_END ? FW_EXIT_OK : FW_EXIT_USAGE;
    rc = prepare(cli, &a, &err);
    if (rc == FW_OK)
        rc = answer(cli, &a, &empty, &err);
    if (rc != FW_OK)
        code = fw_cli_fail(cli, &err);
    else if (empty && a.store == NULL)
        (void)fprintf(cli->err, "the server has no data for this\n");
    else if (empty)
        cli_explain_nothing(cli, a.store, a.query, &a.options);
    if (rc == FW_OK && empty && fw_args_has(cli, &a.args, "fail-empty"))
        code = FW_EXIT_NO;
    if (a.store != NULL)
        fw_cli_store_close(cli, a.store);
    fw_arena_free(a.arena);
    return code;
}

static const struct fw_option query_options[] = {
    CLI_TIME_OPTIONS,
    CLI_SERVER_OPTION,
    {"format", 'f', "FORMAT", "auto",
     "auto, table, csv, json or chart; auto draws ranges on a terminal"},
    {"fail-empty", 0, NULL, NULL, "exit with 1 if there is no data"},
    {0},
};

static const struct fw_option explain_options[] = {
    CLI_TIME_OPTIONS,
    CLI_SERVER_OPTION,
    {0},
};

const struct fw_command fw_query_commands[] = {
    {"query", cmd_query, "EXPR", "evaluate a PromQL expression",
     "EXPR is evaluated at --time (now), or over a range where --start is "
     "given.\nTimes: now, -6h, 2026-11-23T05:00:00Z, 1763874000.\n\n"
     "  forewarn query up\n"
     "  forewarn query 'rate(node_network_receive_bytes_total[5m])' --start "
     "-1h\n"
     "  forewarn query 'topk(3, node_filesystem_avail_bytes)' --format json\n",
     query_options, FW_CMD_DATA},
    {"series", cmd_series, "SELECTOR", "list the series that match a selector",
     "  forewarn series '{job=\"node\"}'\n"
     "  forewarn series node_cpu_seconds_total --start -1d\n",
     cli_series_options, FW_CMD_DATA},
    {"labels", cmd_labels, "[NAME]",
     "list the label names, or the values of one",
     "  forewarn labels\n  forewarn labels __name__\n", cli_label_options,
     FW_CMD_DATA},
    {"values", cmd_values, "NAME", "list the values of a label",
     "  forewarn values job\n"
     "  forewarn values __name__ --match '{job=\"node\"}' --start -1h\n",
     cli_label_options, FW_CMD_DATA},
    {"explain", cmd_explain, "EXPR",
     "show how an expression is evaluated and what it reads",
     "The expression is run; for each step of the plan it prints what was read "
     "from\nthe store, how many series came out and how long it took.\n\n"
     "  forewarn explain 'sum by (cpu) (rate(node_cpu_seconds_total[5m]))' "
     "--start -1h\n",
     explain_options, FW_CMD_DATA},
    {0},
};
