/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "predict/cli/forecast_job.h"

#include <math.h>
#include <string.h>

#include "predict/gunzip.h"
#include "predict/samples.h"
#include "storage/base/file.h"
#include "storage/base/limits.h"

#define ARENA_BYTES ((size_t)8 << 30) /* a file of 200 million samples */
#define INPUT_BYTES ((size_t)8 << 30)
#define HISTORY_DEFAULT (14 * FW_DAY)
#define STEPS_MOST 100000

static fw_rc bounds(const char *text, struct fw_forecast_options *o,
                    struct fw_err *err)
{
    const char *comma = strchr(text, ',');
    struct fw_str low, high;

    if (comma == NULL)
        return fw_err_set(err, FW_EINVAL,
                          "--bounds takes two numbers with a comma, either of "
                          "which may be left out, as in 0,1 or 0,");
    low = (struct fw_str){text, (size_t)(comma - text)};
    high = fw_str_of(comma + 1);
    o->has_lower = low.n > 0;
    o->has_upper = high.n > 0;
    if ((low.n > 0 && fw_parse_double(low, &o->lower, err) != FW_OK) ||
        (high.n > 0 && fw_parse_double(high, &o->upper, err) != FW_OK))
        return fw_err_prefix(err, "--bounds");
    return FW_OK;
}

static fw_rc optional_span(struct fw_cli *cli, const struct fw_args *args,
                           const char *name, fw_ms *out, struct fw_err *err)
{
    if (fw_args_get(cli, args, name) == NULL)
        return FW_OK;
    return fw_args_duration(cli, args, name, out, err);
}

/* A span, or for a file a plain number of steps. */
static fw_rc horizon_of(struct forecast_job *job, struct fw_cli *cli,
                        const struct fw_args *args, struct fw_err *err)
{
    const char *text = fw_args_get(cli, args, "horizon");
    double steps;

    if (text != NULL && job->input != NULL &&
        fw_parse_double(fw_str_of(text), &steps, NULL) == FW_OK) {
        if (!(steps >= 1.0 && steps <= STEPS_MOST) || steps != floor(steps))
            return fw_err_set(err, FW_EINVAL,
                              "--horizon takes a span or a whole number of "
                              "steps up to %d",
                              STEPS_MOST);
        job->steps = (size_t)steps;
        job->options.horizon = 1; /* until the steps of a series are known */
        return FW_OK;
    }
    return fw_args_duration(cli, args, "horizon", &job->options.horizon, err);
}

static fw_rc numbers(struct forecast_job *job, struct fw_cli *cli,
                     const struct fw_args *args, struct fw_err *err)
{
    struct fw_forecast_options *o = &job->options;
    fw_rc rc = horizon_of(job, cli, args, err);

    if (rc != FW_OK)
        return rc;
    if (o->horizon <= 0)
        return fw_err_set(err, FW_EINVAL, "--horizon must be above zero");
    job->history = HISTORY_DEFAULT;
    rc = optional_span(cli, args, "history", &job->history, err);
    if (rc == FW_OK)
        rc = optional_span(cli, args, "step", &o->step, err);
    if (rc == FW_OK)
        rc = optional_span(cli, args, "for", &job->breach.for_ms, err);
    if (rc == FW_OK && fw_args_has(cli, args, "season"))
        rc = fw_args_double(cli, args, "season", &o->season, err);
    if (rc == FW_OK && fw_args_has(cli, args, "level")) {
        rc = fw_args_double(cli, args, "level", &o->level, err);
        /* 95 and 0.95 are both what people write. */
        if (rc == FW_OK && o->level > 1.0)
            o->level /= 100.0;
        if (rc == FW_OK && !(o->level > 0.0 && o->level < 1.0))
            return fw_err_set(err, FW_EINVAL,
                              "--level lies between 0 and 100, as in 95");
    }
    o->point_only = fw_args_has(cli, args, "point-only");
    if (rc == FW_OK && fw_args_has(cli, args, "bounds"))
        rc = bounds(fw_args_get(cli, args, "bounds"), o, err);
    return rc;
}

/* ---- All of them -------------------------------------------------------- */

fw_rc job_init(struct forecast_job *job, struct fw_cli *cli,
               const struct fw_args *args, const char *limit,
               struct fw_err *err)
{
    fw_ms now = fw_clock_now(cli->clock), for_ms;
    const char *at;
    fw_rc rc;

    memset(job, 0, sizeof(*job));
    fw_buf_init(&job->file, INPUT_BYTES);
    job->input = fw_args_get(cli, args, "input");
    job->skip_bad = fw_args_has(cli, args, "skip-bad");
    rc = numbers(job, cli, args, err);
    if (rc != FW_OK)
        return rc;
    if (limit != NULL) {
        for_ms = job->breach.for_ms;
        rc = fw_breach_parse_limit(fw_str_of(limit), &job->breach,
                                   &job->options.limit_expr, err);
        if (rc == FW_OK && job->options.limit_expr.n > 0 && job->input != NULL)
            rc = fw_err_set(err, FW_EINVAL,
                            "the limit of a file is a number, as in '> 90'; "
                            "'%s' has none",
                            limit);
        if (rc != FW_OK)
            return rc;
        job->breach.for_ms = for_ms;
        job->has_breach = true;
        job->options.breach = &job->breach;
    } else if (job->breach.for_ms != 0) {
        return fw_err_set(err, FW_EINVAL, "--for needs a limit");
    }
    job->options.now = now;
    at = fw_args_get(cli, args, "at");
    if (at != NULL) {
        rc = fw_parse_time(fw_str_of(at), now, &job->options.now, err);
        if (rc != FW_OK)
            return fw_err_prefix(err, "--at");
        job->has_at = true;
    }
    job->arena = fw_arena_new(ARENA_BYTES);
    if (job->arena == NULL)
        return fw_err_set(err, FW_ENOMEM, "out of memory");
    rc = fw_known_of_args(cli, args, now, job->arena, &job->known, err);
    job->options.events = job->known.events;
    job->options.event_count = job->known.event_count;
    job->options.zone = job->known.zone;
    return rc;
}

void job_release(struct forecast_job *job)
{
    fw_arena_free(job->arena);
    job->arena = NULL;
    fw_zone_close(job->known.zone);
    job->known.zone = NULL;
    fw_buf_release(&job->file);
}

fw_rc job_read_file(const char *path, struct fw_buf *out, struct fw_err *err)
{
    struct fw_buf packed = FW_BUF_INIT(out->max);
    fw_rc rc = fw_file_read(path, out, err);

    if (rc != FW_OK || out->len == 0 ||
        !gunzip_is((struct fw_str){out->data, out->len}))
        return rc;
    packed = *out;
    fw_buf_init(out, packed.max);
    rc = gunzip_all((struct fw_str){packed.data, packed.len}, out, err);
    fw_buf_release(&packed);
    return rc == FW_OK ? rc : fw_err_prefix(err, "%s", path);
}

void job_complain(struct fw_cli *cli, const char *path,
                  const struct csv_report *report)
{
    size_t told = report->bad < CSV_COMPLAINTS ? report->bad : CSV_COMPLAINTS;
    struct fw_buf shown = FW_BUF_INIT(4096);

    for (size_t i = 0; i < told; i++) {
        fw_buf_clear(&shown);
        if (fw_add_visible(&shown, fw_str_of(report->complaint[i].what)) ==
            FW_OK)
            (void)fprintf(cli->err, "%s:%zu: %s\n", path,
                          report->complaint[i].row, shown.data);
    }
    if (report->bad > told)
        (void)fprintf(cli->err, "%s: and %zu more bad rows\n", path,
                      report->bad - told);
    if (report->duplicates > 0)
        (void)fprintf(cli->err,
                      "%s: %zu rows repeat a timestamp of their series; the "
                      "last of them counts\n",
                      path, report->duplicates);
    fw_buf_release(&shown);
}

fw_rc job_read_input(struct forecast_job *job, struct fw_cli *cli,
                     struct csv_series **series, size_t *count,
                     struct fw_err *err)
{
    struct csv_report report;
    fw_rc rc = job_read_file(job->input, &job->file, err);

    if (rc != FW_OK)
        return rc;
    rc = csv_read_series(
        (struct fw_str){job->file.data != NULL ? job->file.data : "",
                        job->file.len},
        job->arena, series, count, &report, err);
    job_complain(cli, job->input, &report);
    if (rc != FW_OK)
        return fw_err_prefix(err, "%s", job->input);
    if (report.bad > 0 && !job->skip_bad)
        return fw_err_set(err, FW_EINVAL,
                          "%s: %zu of %zu rows cannot be used (--skip-bad goes "
                          "on without them)",
                          job->input, report.bad, report.rows);
    return FW_OK;
}

/* The horizon as so many steps of this very series. */
static void by_steps(struct forecast_job *job, const struct csv_series *s,
                     size_t n)
{
    fw_ms interval = samples_interval(s->t, s->v, n);

    if (interval <= 0)
        interval = FW_SECOND; /* too short to tell anyway */
    job->options.step = interval;
    job->options.horizon = interval * (fw_ms)job->steps;
}

static fw_rc run_file(struct forecast_job *job, struct fw_cli *cli,
                      struct forecast_row **rows, size_t *count,
                      struct fw_err *err)
{
    struct csv_series *series;
    size_t n;
    fw_rc rc = job_read_input(job, cli, &series, &n, err);

    if (rc != FW_OK)
        return rc;
    *rows = fw_arena_calloc(job->arena, n + 1, sizeof(**rows));
    if (*rows == NULL)
        return fw_arena_err(job->arena, err);
    for (size_t i = 0; i < n; i++) {
        struct forecast_row *row = &(*rows)[i];
        struct csv_series *s = &series[i];
        size_t newest = s->n;

        if (cli->cancel != NULL && atomic_load(cli->cancel))
            return fw_err_set(err, FW_ECANCELED, "stopped on request");
        /* A file knows no other "now" than its newest sample. */
        if (!job->has_at)
            job->options.now = s->t[s->n - 1];
        while (newest > 0 && s->t[newest - 1] > job->options.now)
            newest--;
        if (job->steps > 0)
            by_steps(job, s, newest);
        row->name = s->name;
        row->current = newest > 0 ? s->v[newest - 1] : NAN;
        row->current_at = newest > 0 ? s->t[newest - 1] : job->options.now;
        row->limit = job->has_breach ? job->breach.limit : NAN;
        rc = fw_forecast_run(s->t, s->v, newest, &job->options, job->arena,
                             &row->forecast, err);
        if (rc != FW_OK)
            return fw_err_prefix(err, "series '%.*s'", FW_STR_ARG(s->name));
    }
    *count = n;
    return FW_OK;
}

static fw_rc run_expr(struct forecast_job *job, struct fw_cli *cli,
                      struct forecast_row **rows, size_t *count,
                      struct fw_err *err)
{
    struct fw_store_options readonly = {.read_only = true, .clock = cli->clock};
    struct fw_store *opened = NULL;
    struct fw_forecast_series *series;
    struct fw_source source;
    struct fw_buf name = FW_BUF_INIT(FW_MAX_SERIES_BYTES * 4);
    size_t n;
    fw_rc rc = FW_OK;

    if (cli->store == NULL)
        rc = fw_store_open(cli->data_dir, &readonly, &opened, err);
    if (rc != FW_OK)
        goto out;
    source = fw_source_of_store(cli->store != NULL ? cli->store : opened);
    rc = fw_forecast_expr(job->expr, &source, job->history, &job->options,
                          job->arena, &series, &n, err);
    if (rc != FW_OK)
        goto out;
    *rows = fw_arena_calloc(job->arena, n + 1, sizeof(**rows));
    for (size_t i = 0; rc == FW_OK && i < n; i++) {
        char *copy;

        fw_buf_clear(&name);
        rc = *rows == NULL ? FW_ENOMEM
                           : fw_labels_print(&name, &series[i].labels);
        if (rc != FW_OK)
            break;
        copy = fw_arena_strndup(job->arena, name.data, name.len);
        if (copy == NULL) {
            rc = FW_ENOMEM;
            break;
        }
        (*rows)[i] = (struct forecast_row){{copy, name.len},
                                           series[i].forecast,
                                           series[i].current,
                                           series[i].current_at,
                                           series[i].limit};
    }
    if (rc == FW_ENOMEM)
        rc = fw_err_set(err, rc, "out of memory for %zu series", n);
    *count = n;
out:
    fw_buf_release(&name);
    fw_store_close(opened);
    return rc;
}

fw_rc job_run(struct forecast_job *job, struct fw_cli *cli,
              struct forecast_row **rows, size_t *count, struct fw_err *err)
{
    return job->input != NULL ? run_file(job, cli, rows, count, err)
                              : run_expr(job, cli, rows, count, err);
}
