/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * cli_serve.c - `forewarn serve`: its options, laid over the configuration.
 *
 * An option is the key of forewarn.yml with '-' for '_', read by the same
 * config_set(), so that the two cannot differ.
 */
#include <string.h>

#include "query/query.h"
#include "server/cli/console.h"
#include "server/serve.h"

/* Defaults stand in the schema of the configuration; here only as words. */
static const struct fw_option serve_options[] = {
    {"config", 'c', "FILE", NULL, "read forewarn.yml from here"},
    {"listen-line", 0, "ADDR:PORT", NULL,
     "take lines of text here, or off (127.0.0.1:9778; port 0: a free one)"},
    {"listen-http", 0, "ADDR:PORT", NULL,
     "answer HTTP here, or off (127.0.0.1:9777; port 0: a free one)"},
    {"insecure", 0, NULL, NULL,
     "let them reach beyond the loopback, without TLS and login"},
    {"enable-admin-api", 0, NULL, NULL,
     "let /api/v1/admin/tsdb take backups and delete series"},
    {"enable-feature", 0, "NAMES", NULL,
     "switch these on: promql-experimental-functions, ..."},
    {"enable-lifecycle", 0, NULL, NULL,
     "let POST /-/reload read the configuration again"},
    {"retention", 0, "SPAN", NULL, "keep samples for this long (90d)"},
    {"retention-size", 0, "BYTES", NULL,
     "drop the oldest days when the folder takes more (no limit)"},
    {"rollup-retention", 0, "SPAN", NULL,
     "keep hourly summaries for this long, 0s: make none (400d)"},
    {"rollup-step", 0, "SPAN", NULL, "what a summary spans (1h)"},
    {"rollup-lead", 0, "SPAN", NULL,
     "make summaries so long before samples go (7d)"},
    {"max-future", 0, "SPAN", NULL,
     "refuse samples further ahead of the clock (10m)"},
    {"out-of-order-window", 0, "SPAN", NULL,
     "take samples this far behind the newest of their series (1h)"},
    {"commit-linger", 0, "SPAN", NULL,
     "wait this long for company before a commit (10ms)"},
    {"max-series", 0, "COUNT", NULL, "refuse new series past this many (10M)"},
    {"max-metric-series", 0, "COUNT", NULL,
     "refuse new series of a metric that has so many (0: no limit)"},
    {"disk-floor", 0, "BYTES", NULL,
     "stop writing when less disk space is free (16 MiB)"},
    {"plain-samples", 0, "BYTES", NULL,
     "memory for samples as they came; more are packed (64 MiB)"},
    {"journal-bytes", 0, "BYTES", NULL,
     "make a checkpoint where a start would replay more (32 MiB)"},
    {"journal-samples", 0, "COUNT", NULL, "the same in samples (16777216)"},
    {"query-snapshot", 0, "SPAN", NULL,
     "renew a query's view of a file after this (1s)"},
    {"max-connections", 0, "COUNT", NULL,
     "past this many, the longest silent one is closed (1024)"},
    {"query-timeout", 0, "SPAN", NULL, "stop a query after this (2m)"},
    {"query-lookback-delta", 0, "SPAN", NULL,
     "how old the sample of an instant may be (5m)"},
    {"query-max-samples", 0, "COUNT", NULL,
     "samples that one query may read (500M)"},
    {"query-max-series", 0, "COUNT", NULL,
     "series that one query may read (1M)"},
    {"query-max-points", 0, "COUNT", NULL,
     "points that one answer may have (50M)"},
    {"query-max-memory", 0, "BYTES", NULL,
     "memory that one query may use (1 GiB)"},
    {"collect", 0, "SPAN", NULL,
     "read this machine's values every so often, or off (15s)"},
    {"external-url", 0, "URL", NULL,
     "where people reach this server, for links in alerts"},
    {"rules-resend-delay", 0, "SPAN", NULL,
     "send an alert of a rule again after this (1m)"},
    {"rules-for-grace-period", 0, "SPAN", NULL,
     "after a restart a pending alert waits at least this long (10m)"},
    {"rules-for-outage-tolerance", 0, "SPAN", NULL,
     "after a longer outage alerts begin anew (1h)"},
    {"log-level", 0, "LEVEL", NULL, "debug, info, warn or error (info)"},
    {0},
};

/* "listen-line" is the key listen_line. */
static fw_rc set_by_option(struct config *config, const char *option,
                           const char *text, struct fw_err *err)
{
    char key[64];

    (void)snprintf(key, sizeof(key), "%s", option);
    for (char *p = key; *p != '\0'; p++)
        if (*p == '-')
            *p = '_';
    if (config_set(config, key, text, err) != FW_OK)
        return fw_err_prefix(err, "--%s", option);
    return FW_OK;
}

struct call {
    const struct fw_cli *cli;
    struct fw_args args;
};

/* The file, and the options over it. `self` is a struct call. */
static fw_rc load_config(void *self, struct config **out, struct fw_err *err)
{
    const struct fw_cli *cli = ((struct call *)self)->cli;
    const struct fw_args *args = &((struct call *)self)->args;
    const char *path = fw_args_get(cli, args, "config");
    struct config *config = NULL;
    const char *features = fw_args_get(cli, args, "enable-feature");
    fw_rc rc = FW_OK;

    if (features != NULL) /* before expressions in files are read */
        rc = fw_query_enable(features, err);
    if (rc == FW_OK)
        rc = path != NULL ? config_load(path, &config, err)
                          : config_defaults(&config, err);
    for (size_t i = 1; rc == FW_OK && serve_options[i].name != NULL; i++)
        if (fw_args_has(cli, args, serve_options[i].name))
            rc = set_by_option(
                config, serve_options[i].name,
                serve_options[i].arg != NULL ? args->value[i] : "true", err);
    if (rc == FW_OK && config->enable_feature != NULL)
        rc = fw_query_enable(config->enable_feature, err);
    if (rc != FW_OK) {
        config_free(config);
        return rc;
    }
    *out = config;
    return FW_OK;
}

/* The option and the environment come before the file. */
static const char *choose_data_dir(const struct fw_cli *cli,
                                   const struct config *config)
{
    char usual[FW_PATH_BYTES];

    console_default_data_dir(usual);
    if (config->data != NULL && strcmp(cli->data_dir, usual) == 0)
        return config->data;
    return cli->data_dir;
}

/* Before the first query; what a reload says of them waits for a restart. */
static void set_query_limits(const struct config *config)
{
    const struct fw_query_limits limits = {
        .max_samples = config->query_max_samples,
        .max_points = config->query_max_points,
        .max_bytes = config->query_max_memory,
        .max_series = config->query_max_series,
        .max_ms = config->query_timeout,
        .lookback = config->query_lookback_delta};

    fw_query_limits_set(&limits);
}

static int cmd_serve(struct fw_cli *cli, int argc, char **argv)
{
    struct call call = {.cli = cli};
    struct serve_setup setup = {.clock = cli->clock,
                                .ready = cli->err,
                                .load = load_config,
                                .self = &call};
    struct config *config = NULL;
    struct fw_err err = {0};
    fw_rc rc = fw_cli_parse(cli, argc, argv, &call.args);

    if (rc != FW_OK)
        return rc == FW_END ? FW_EXIT_OK : FW_EXIT_USAGE;
    if (call.args.rest_count > 0) {
        (void)fw_err_set(&err, FW_EINVAL,
                         "'%s' is too much: serve takes options only",
                         call.args.rest[0]);
        return fw_cli_fail(cli, &err);
    }
    rc = load_config(&call, &config, &err);
    if (rc == FW_OK) {
        set_query_limits(config);
        setup.config = config;
        setup.dir = choose_data_dir(cli, config);
        rc = serve_run(&setup, &err);
    }
    config_free(config);
    return rc == FW_OK ? FW_EXIT_OK : fw_cli_fail(cli, &err);
}

const struct fw_command serve_commands[] = {
    {"serve", cmd_serve, NULL,
     "take telemetry in, store it, watch it, and answer",
     "Runs until SIGTERM or SIGINT. The line on stderr with msg=\"ready\" says "
     "what is\nopen. Commands on the same folder ask the running server by "
     "themselves.\n\nExamples:\n"
     "  forewarn serve --data ./data\n"
     "  forewarn serve --config /etc/forewarn/forewarn.yml\n"
     "  forewarn serve --listen-line '[::1]:9778' --collect 1s\n",
     serve_options, FW_CMD_LOCAL},
    {0},
};
