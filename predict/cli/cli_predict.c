/* SPDX-License-Identifier: GPL-3.0-or-later */
/* cli_predict.c - the commands `forecast` and `breach`. */
#include <math.h>
#include <stdlib.h>

#include "predict/breach/breach_tasks.h"
#include "predict/cli/forecast_job.h"
#include "predict/forecast_print.h"

#define OUT_BYTES ((size_t)4 << 30)
#define TASKS_BYTES ((size_t)2 << 30)

static const char *const formats[] = {"table", "chart", "csv", "json", NULL};

#define COMMON_OPTIONS                                                         \
    {"input", 'i', "FILE.csv", NULL,                                           \
     "forecast the series of a file (series,timestamp,value or "               \
     "timestamp,value; - is standard input) instead of an expression"},        \
        {"horizon", 0, "SPAN", NULL,                                           \
         "how far to look ahead, as in 6h; for a file also a number of "       \
         "steps"},                                                             \
        {"for", 0, "SPAN", NULL, "how long the limit must stay passed"},       \
        {"history", 0, "SPAN", "2w", "how much of the past to learn from"},    \
        {"at", 0, "TIME", NULL,                                                \
         "stand at this moment (default: now, or a file's newest sample)"},    \
        {"step", 0, "SPAN", NULL, "grid interval (default: from the data)"},   \
        {"season", 0, "STEPS", NULL, "a season known to you, in steps"},       \
        {"bounds", 0, "LOW,HIGH", NULL,                                        \
         "limits the values cannot leave, as in 0,1 or 0,"},                   \
        {"level", 0, "PERCENT", "95", "of the interval"}, FW_KNOWN_OPTIONS,    \
        {"point-only", 0, NULL, NULL, "no interval, several times as fast"},   \
        {"skip-bad", 0, NULL, NULL, "go on without the bad rows of a file"},   \
    {                                                                          \
        "format", 'f', "FORMAT", NULL,                                         \
            "table, chart, csv or json (default: chart on a terminal, else "   \
            "table)"                                                           \
    }

static const struct fw_option forecast_options[] = {
    COMMON_OPTIONS,
    {"breach", 0, "LIMIT", NULL, "a limit to ask about, as in '> 90'"},
    {0},
};

static const struct fw_option breach_options[] = {
    COMMON_OPTIONS,
    {"tasks", 0, "FILE.csv", NULL,
     "ask many questions of --input: task,series,as_of,threshold,direction,"
     "horizon_s"},
    {0},
};

static fw_rc look_of(struct fw_cli *cli, const struct fw_args *args,
                     const struct forecast_job *job, struct forecast_look *out,
                     struct fw_err *err)
{
    int format = cli->tty ? FORECAST_CHART : FORECAST_TABLE;

    if (fw_args_has(cli, args, "format")) {
        fw_rc rc = fw_args_choice(cli, args, "format", formats, &format, err);

        if (rc != FW_OK)
            return rc;
    }
    *out =
        (struct forecast_look){.format = (enum forecast_format)format,
                               .breach = job->has_breach ? &job->breach : NULL,
                               .horizon = job->options.horizon,
                               .color = cli->color,
                               .ascii = !cli->utf8,
                               .columns = cli->columns > 0 ? cli->columns : 80,
                               .rows = cli->rows > 12 ? cli->rows : 24};
    return FW_OK;
}

static int fail(struct fw_cli *cli, struct fw_err *err, fw_rc rc)
{
    if (err->text[0] == '\0')
        (void)fw_err_set(err, rc, "%s", fw_rc_name(rc));
    return fw_cli_fail(cli, err);
}

static void tell(struct fw_cli *cli, struct fw_str name, const char *what,
                 const char *why)
{
    struct fw_buf shown = FW_BUF_INIT(65536);

    if (fw_add_visible(&shown, name) == FW_OK)
        (void)fprintf(cli->err, "%s%s%s%s\n", shown.len > 0 ? shown.data : "",
                      shown.len > 0 ? ": " : "", what, why);
    fw_buf_release(&shown);
}

/* A tool that reads CSV sees no rows for a series that cannot be told; a
 * person is told why. */
static size_t told(struct fw_cli *cli, const struct forecast_row *rows,
                   size_t count, bool say)
{
    size_t n = 0;

    for (size_t i = 0; i < count; i++) {
        const struct fw_forecast *f = rows[i].forecast;

        n += f->verdict != FW_CANNOT_TELL;
        if (!say)
            continue;
        if (f->verdict == FW_CANNOT_TELL)
            tell(cli, rows[i].name, "cannot tell: ", f->why);
        if (f->counter)
            tell(cli, rows[i].name, "", fw_forecast_hint(f));
    }
    return n;
}

static int answer(struct fw_cli *cli, const struct fw_args *args,
                  const char *limit, struct fw_str expr, bool summary_only)
{
    struct forecast_job job;
    struct forecast_look look;
    struct forecast_row *rows = NULL;
    struct fw_buf out = FW_BUF_INIT(OUT_BYTES);
    struct fw_err err = {0};
    size_t count = 0;
    int status = FW_EXIT_OK;
    fw_rc rc = job_init(&job, cli, args, limit, &err);

    job.expr = expr;
    if (rc == FW_OK)
        rc = look_of(cli, args, &job, &look, &err);
    if (rc == FW_OK)
        rc = job_run(&job, cli, &rows, &count, &err);
    if (rc == FW_OK && count == 0) {
        (void)fprintf(cli->err,
                      "forewarn %s: no series matches; 'forewarn series' "
                      "lists what there is\n",
                      cli->command->name);
        status = FW_EXIT_NO;
        goto out;
    }
    if (rc == FW_OK) {
        look.summary_only = summary_only;
        rc = forecast_print(rows, count, &look, &out);
    }
    if (rc != FW_OK) {
        status = fail(cli, &err, rc);
        goto out;
    }
    if (out.len > 0)
        (void)fwrite(out.data, 1, out.len, cli->out);
    if (told(cli, rows, count, look.format == FORECAST_CSV) == 0)
        status = FW_EXIT_NO;
out:
    fw_buf_release(&out);
    job_release(&job);
    return status;
}

static int usage(struct fw_cli *cli, const char *what)
{
    (void)fprintf(cli->err, "forewarn %s: %s ('forewarn help %s' shows how)\n",
                  cli->command->name, what, cli->command->name);
    return FW_EXIT_USAGE;
}

static int cmd_forecast(struct fw_cli *cli, int argc, char **argv)
{
    struct fw_args args;
    fw_rc rc = fw_cli_parse(cli, argc, argv, &args);
    bool file;

    if (rc != FW_OK)
        return rc == FW_END ? FW_EXIT_OK : FW_EXIT_USAGE;
    file = fw_args_get(cli, &args, "input") != NULL;
    if (args.rest_count != (file ? 0 : 1))
        return usage(cli, file ? "with --input there is no expression"
                               : "one expression is needed, or --input FILE");
    return answer(cli, &args, fw_args_get(cli, &args, "breach"),
                  file ? FW_STR("") : fw_str_of(args.rest[0]), false);
}

/* ---- breach -------------------------------------------------------------- */

static fw_rc print_answers(const struct csv_task *tasks,
                           const struct breach_answer *answers, size_t count,
                           struct fw_buf *out)
{
    fw_rc rc = fw_buf_adds(out, "task,probability,eta_s\n");

    for (size_t i = 0; rc == FW_OK && i < count; i++) {
        rc = fw_buf_add(out, tasks[i].task.p, tasks[i].task.n);
        if (rc == FW_OK && answers[i].told)
            rc = fw_buf_printf(out, ",%.6g,", answers[i].probability);
        else if (rc == FW_OK)
            rc = fw_buf_adds(out, ",,");
        if (rc == FW_OK && answers[i].told && answers[i].eta_s >= 0.0)
            rc = fw_buf_printf(out, "%.10g", answers[i].eta_s);
        if (rc == FW_OK)
            rc = fw_buf_addc(out, '\n');
    }
    return rc;
}

static fw_rc read_tasks(struct fw_cli *cli, const char *path,
                        struct forecast_job *job, struct fw_buf *file,
                        struct csv_task **tasks, size_t *count,
                        struct fw_err *err)
{
    struct csv_report report;
    fw_rc rc = job_read_file(path, file, err);

    if (rc == FW_OK)
        rc = csv_read_tasks(
            (struct fw_str){file->data != NULL ? file->data : "", file->len},
            job->arena, tasks, count, &report, err);
    if (rc != FW_OK)
        return fw_err_prefix(err, "%s", path);
    job_complain(cli, path, &report);
    if (report.bad > 0 && !job->skip_bad)
        return fw_err_set(err, FW_EINVAL,
                          "%s: %zu of %zu rows cannot be used (--skip-bad goes "
                          "on without them)",
                          path, report.bad, report.rows);
    return FW_OK;
}

static int bulk(struct fw_cli *cli, const struct fw_args *args)
{
    struct forecast_job job = {.input = fw_args_get(cli, args, "input"),
                               .skip_bad = fw_args_has(cli, args, "skip-bad")};
    struct fw_buf out = FW_BUF_INIT(OUT_BYTES);
    struct fw_buf file = FW_BUF_INIT(TASKS_BYTES);
    struct breach_answer *answers = NULL;
    struct csv_series *series;
    struct csv_task *tasks;
    struct fw_err err = {0};
    size_t series_count, count;
    int status = FW_EXIT_OK;
    fw_rc rc = FW_OK;

    fw_buf_init(&job.file, OUT_BYTES);
    job.arena = fw_arena_new(OUT_BYTES);
    if (job.arena == NULL)
        rc = fw_err_set(&err, FW_ENOMEM, "out of memory");
    if (rc == FW_OK)
        rc = job_read_input(&job, cli, &series, &series_count, &err);
    if (rc == FW_OK)
        rc = read_tasks(cli, fw_args_get(cli, args, "tasks"), &job, &file,
                        &tasks, &count, &err);
    if (rc == FW_OK) {
        answers = calloc(count + 1, sizeof(*answers));
        rc = answers == NULL ? fw_err_set(&err, FW_ENOMEM, "out of memory")
                             : breach_tasks_run(series, series_count, tasks,
                                                count, answers, &err);
    }
    if (rc == FW_OK)
        rc = print_answers(tasks, answers, count, &out);
    if (rc != FW_OK)
        status = fail(cli, &err, rc);
    else
        (void)fwrite(out.data, 1, out.len, cli->out);
    free(answers);
    fw_buf_release(&out);
    fw_buf_release(&file);
    job_release(&job);
    return status;
}

static int cmd_breach(struct fw_cli *cli, int argc, char **argv)
{
    struct fw_args args;
    fw_rc rc = fw_cli_parse(cli, argc, argv, &args);
    bool file;

    if (rc != FW_OK)
        return rc == FW_END ? FW_EXIT_OK : FW_EXIT_USAGE;
    file = fw_args_get(cli, &args, "input") != NULL;
    if (fw_args_get(cli, &args, "tasks") != NULL) {
        if (!file || args.rest_count != 0)
            return usage(cli, "--tasks goes with --input and nothing else");
        return bulk(cli, &args);
    }
    if (args.rest_count != (file ? 1 : 2))
        return usage(cli, file ? "a limit is needed, as in '> 90'"
                               : "an expression and a limit are needed, as in "
                                 "'disk_used > 90' written as two arguments");
    return answer(cli, &args, args.rest[file ? 0 : 1],
                  file ? FW_STR("") : fw_str_of(args.rest[0]), true);
}

const struct fw_command fw_predict_commands[] = {
    {"forecast", cmd_forecast, "EXPR",
     "forecast an expression, with its interval and the chance of a breach",
     "Examples:\n"
     "  forewarn forecast node_filesystem_avail_bytes --horizon 6h "
     "--breach '< 1e9'\n"
     "  forewarn forecast --input disk.csv --horizon 1d --format csv\n"
     "\n"
     "The models tried, how they did on this very series and what is taken "
     "for\n"
     "granted are part of the answer. Exit code 1: cannot tell.",
     forecast_options, FW_CMD_DATA},
    {"breach", cmd_breach, "EXPR LIMIT",
     "tell how likely an expression passes a limit, and when",
     "Examples:\n"
     "  forewarn breach 'mem_used_percent' '> 90' --horizon 6h --for 5m\n"
     "  forewarn breach --input mem.csv '> 90' --horizon 6h\n"
     "  forewarn breach --input series.csv --tasks tasks.csv --format csv\n"
     "\n"
     "Each task is answered from the samples at or before its as_of alone;\n"
     "out come task,probability,eta_s. Exit code 1: cannot tell.",
     breach_options, FW_CMD_DATA},
    {0},
};
