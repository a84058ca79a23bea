/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * cli_backtest.c - `forewarn backtest EXPR LIMIT` and `forewarn watch test`:
 * what a watch would have done over the stored past.
 */
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "server/cli/alert_commands.h"
#include "server/cli/backtest_print.h"
#include "server/config/config_check.h"
#include "storage/base/limits.h"

#define OUT_BYTES ((size_t)64 << 20)

#define SHARED_OPTIONS                                                         \
    {"history", 0, "SPAN", NULL,                                               \
     "how much of the past to go through (default: 30d, less where the "       \
     "horizon is below half an hour)"},                                        \
        {"at", 0, "TIME", "now", "as if it were this moment"},                 \
        {"step", 0, "SPAN", NULL,                                              \
         "between two looks (default: a 24th of the horizon)"},                \
        {"false-alarms", 0, "NUMBER", "1",                                     \
         "find the probability with at most so many in 30 days"},              \
        {"claims", 'n', "NUMBER", "20", "show so many alerts one by one"},     \
    {                                                                          \
        "format", 'f', "FORMAT", "table", "table or json"                      \
    }

const struct fw_option backtest_options[] = {
    {"horizon", 0, "SPAN", NULL, "how far ahead to look; needed"},
    {"for", 0, "SPAN", "0s", "how long the limit must stay passed"},
    {"learn", 0, "SPAN", NULL,
     "how far back each forecast looks (default: 12 horizons, at least 4d)"},
    {"probability", 'p', "SHARE", "0.8", "of a breach, at which to warn"},
    {"lead", 0, "SPAN", "0s",
     "a breach expected sooner than this is not announced"},
    {"interval", 0, "SPAN", "1m", "between two looks in life"},
    FW_KNOWN_OPTIONS,
    SHARED_OPTIONS,
    {0},
};

const struct fw_option watch_options[] = {
    {"config", 'c', "FILE", NULL,
     "test: the watches of this forewarn.yml, not the server's"},
    {"until", 0, "TIME", NULL, "state: when it ends, such as now+7d"},
    {"actor", 0, "NAME", NULL, "state: who does this"},
    {"reason", 0, "TEXT", NULL, "state: why"},
    SHARED_OPTIONS,
    {0},
};

#define HISTORY (30 * FW_DAY) /* what is gone through at most unasked */

/* What both commands ask for. */
struct asked {
    fw_ms history, to, step; /* history 0: as each watch needs it */
    double false_alarms;
    size_t claims;
    int format;
};

static fw_rc ask(struct fw_cli *cli, const struct fw_args *args,
                 struct asked *out, struct fw_err *err)
{
    static const char *const formats[] = {"table", "json", NULL};
    double claims;
    fw_rc rc = fw_args_choice(cli, args, "format", formats, &out->format, err);

    out->step = out->history = 0;
    if (rc == FW_OK && fw_args_has(cli, args, "history"))
        rc = fw_args_duration(cli, args, "history", &out->history, err);
    if (rc == FW_OK && fw_args_has(cli, args, "step"))
        rc = fw_args_duration(cli, args, "step", &out->step, err);
    if (rc == FW_OK)
        rc = fw_args_double(cli, args, "false-alarms", &out->false_alarms, err);
    if (rc == FW_OK)
        rc = fw_args_double(cli, args, "claims", &claims, err);
    if (rc == FW_OK)
        rc = fw_parse_time(fw_str_of(fw_args_get(cli, args, "at")),
                           fw_clock_now(cli->clock), &out->to, err);
    if (rc != FW_OK)
        return rc;
    if (!(claims >= 0 && claims <= 1e6) || !(out->false_alarms >= 0))
        return fw_err_set(err, FW_EINVAL,
                          "--claims and --false-alarms are numbers from 0 on");
    if (fw_args_has(cli, args, "history") && out->history <= 0)
        return fw_err_set(err, FW_EINVAL, "--history is a span such as 30d");
    out->claims = (size_t)claims;
    return FW_OK;
}

static void show_progress(struct fw_cli *cli, const struct hindsight *replay,
                          size_t *shown)
{
    size_t made, all;

    hindsight_progress(replay, &made, &all);
    if (!cli->tty || all < 20 || made * 20 / all == *shown)
        return;
    *shown = made * 20 / all;
    (void)fprintf(cli->err, "\r%3zu %% of %zu looks", made * 100 / all, all);
    if (made == all)
        (void)fprintf(cli->err, "\r%40s\r", "");
    (void)fflush(cli->err);
}

static fw_rc run_replay(struct fw_cli *cli, struct hindsight *replay,
                        struct fw_err *err)
{
    size_t shown = 0;
    fw_rc rc = FW_OK;

    while (rc == FW_OK) {
        if (cli->cancel != NULL && atomic_load(cli->cancel))
            return fw_err_set(err, FW_ECANCELED, "given up");
        rc = hindsight_look(replay, err);
        show_progress(cli, replay, &shown);
    }
    return rc == FW_END ? FW_OK : rc;
}

static fw_rc test_watch(struct alert_view *view, const struct asked *asked,
                        const struct config_watch *watch,
                        struct backtest_print *print, struct fw_err *err)
{
    struct store_sight sight;
    fw_ms history = asked->history > 0 ? asked->history
                    : asked->step > 0  ? HISTORY
                                       : hindsight_span(watch, HISTORY);
    struct hindsight_options options = {
        .watch = watch,
        .from = asked->to - history,
        .to = asked->to,
        .step = asked->step,
    };
    struct hindsight *replay = NULL;
    fw_rc rc;

    store_sight_init(&sight, view->store, view->cli->clock);
    options.sight = store_sight_of(&sight);
    rc = hindsight_new(&options, &replay, err);
    if (rc == FW_OK)
        rc = run_replay(view->cli, replay, err);
    if (rc == FW_OK)
        rc = backtest_print_one(print, watch, replay, &options, err);
    if (rc != FW_OK)
        rc = fw_err_prefix(err, "the backtest of '%s'", watch->name);
    hindsight_free(replay);
    return rc;
}

static fw_rc test_all(struct alert_view *view, const struct asked *asked,
                      struct fw_err *err)
{
    struct fw_buf out = FW_BUF_INIT(OUT_BYTES);
    struct backtest_print print = {.arena = view->arena,
                                   .out = &out,
                                   .json = asked->format == 1,
                                   .claims = asked->claims,
                                   .false_alarms = asked->false_alarms};
    fw_rc rc = backtest_print_start(&print, err);

    for (size_t i = 0; rc == FW_OK && i < view->watch_count; i++)
        rc = test_watch(view, asked, &view->watches[i], &print, err);
    if (rc == FW_OK)
        rc = backtest_print_end(&print, err);
    if (rc == FW_OK && fwrite(out.data, 1, out.len, view->cli->out) != out.len)
        rc = fw_err_sys(err, errno, "cannot write the answer");
    fw_buf_release(&out);
    return rc;
}

static int finish(struct alert_view *view, fw_rc rc, const struct fw_err *err)
{
    int code = FW_EXIT_OK;

    if (rc != FW_OK) {
        code = fw_cli_fail(view->cli, err);
        if (rc == FW_ENOTFOUND)
            code = FW_EXIT_NO;
    }
    alert_view_close(view);
    return code;
}

/* ---- backtest EXPR LIMIT
 * ---------------------------------------------------------- */

/* A watch made of the command's options; its zone is the caller's. */
static fw_rc make_watch(struct fw_cli *cli, const struct fw_args *args,
                        struct fw_arena *arena, struct config_watch *w,
                        struct fw_err *err)
{
    struct fw_known known = {0};
    struct fw_str limit;
    fw_rc rc = FW_OK;

    if (args->rest_count != 2)
        return fw_err_set(err, FW_EINVAL,
                          "takes an expression and a limit, as in "
                          "'forewarn backtest disk_free_percent \"< 5\" "
                          "--horizon 24h'");
    *w = (struct config_watch){.name = args->rest[0],
                               .expr = args->rest[0],
                               .breach_text = args->rest[1],
                               .owner = "",
                               .reason = ""};
    if (!fw_args_has(cli, args, "horizon"))
        return fw_err_set(err, FW_EINVAL, "--horizon is needed, such as 24h");
    rc = fw_breach_parse_limit(fw_str_of(w->breach_text), &w->breach, &limit,
                               err);
    /* The difference then: the past is judged by the limits it had. */
    if (rc == FW_OK && limit.n > 0)
        rc = fw_limit_difference(fw_str_of(w->expr), limit, arena, &w->expr,
                                 err);
    if (rc == FW_OK)
        rc = fw_args_duration(cli, args, "for", &w->breach.for_ms, err);
    if (rc == FW_OK)
        rc = fw_args_duration(cli, args, "horizon", &w->horizon, err);
    if (rc == FW_OK && fw_args_has(cli, args, "learn"))
        rc = fw_args_duration(cli, args, "learn", &w->history, err);
    if (rc == FW_OK)
        rc = fw_args_double(cli, args, "probability", &w->probability, err);
    if (rc == FW_OK)
        rc = fw_args_duration(cli, args, "lead", &w->lead, err);
    if (rc == FW_OK)
        rc = fw_args_duration(cli, args, "interval", &w->interval, err);
    if (rc == FW_OK)
        rc = fw_known_of_args(cli, args, fw_clock_now(cli->clock), arena,
                              &known, err);
    if (rc != FW_OK)
        return rc;
    w->events = known.events;
    w->event_count = known.event_count;
    w->zone = known.zone;
    if (!(w->probability > 0 && w->probability < 1))
        return fw_err_set(err, FW_EINVAL, "--probability lies between 0 and 1");
    if (w->horizon < FW_SECOND || w->interval < FW_SECOND)
        return fw_err_set(err, FW_EINVAL,
                          "--horizon and --interval are at least 1s");
    config_watch_derive(w);
    return FW_OK;
}

int cmd_backtest(struct fw_cli *cli, int argc, char **argv)
{
    struct alert_view view = {0};
    struct config_watch watch = {0};
    struct fw_err err = {0};
    struct asked asked;
    struct fw_args args;
    fw_rc rc = fw_cli_parse(cli, argc, argv, &args);

    if (rc != FW_OK)
        return rc == FW_END ? FW_EXIT_OK : FW_EXIT_USAGE;
    view.cli = cli;
    rc = ask(cli, &args, &asked, &err);
    if (rc == FW_OK)
        rc = alert_view_open(&view, cli, &err);
    if (rc == FW_OK)
        rc = make_watch(cli, &args, view.arena, &watch, &err);
    view.watches = &watch;
    view.watch_count = 1;
    if (rc == FW_OK)
        rc = test_all(&view, &asked, &err);
    fw_zone_close(watch.zone);
    return finish(&view, rc, &err);
}

/* ---- watch test
 * ------------------------------------------------------------------- */

static fw_rc choose(struct fw_cli *cli, const struct fw_args *args,
                    struct alert_view *view, struct config **config,
                    struct fw_err *err)
{
    const char *path = fw_args_get(cli, args, "config");
    fw_rc rc = FW_OK;

    if (path != NULL) {
        rc = config_load(path, config, err);
        if (rc == FW_OK) {
            view->watches = (*config)->watches;
            view->watch_count = (*config)->watch_count;
        }
    }
    if (rc == FW_OK && args->rest_count == 2)
        rc = alert_view_choose(view, args->rest[1], err);
    if (rc == FW_OK && view->watch_count == 0)
        rc = fw_err_set(err, FW_ENOTFOUND,
                        "no watches; name some under 'watches:' in the "
                        "forewarn.yml of the server, or give --config FILE");
    return rc;
}

int watch_test(struct fw_cli *cli, const struct fw_args *args)
{
    struct alert_view view = {0};
    struct config *config = NULL;
    struct fw_err err = {0};
    struct asked asked;
    fw_rc rc;
    int code;

    view.cli = cli;
    rc = ask(cli, args, &asked, &err);
    if (rc == FW_OK)
        rc = alert_view_open(&view, cli, &err);
    if (rc == FW_OK)
        rc = choose(cli, args, &view, &config, &err);
    if (rc == FW_OK)
        rc = test_all(&view, &asked, &err);
    code = finish(&view, rc, &err);
    config_free(config);
    return code;
}
