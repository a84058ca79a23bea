/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * config_schema.c - every key of forewarn.yml, once.
 *
 * The reader, `config defaults`, the options of serve and the check that
 * docs/config.md is complete all read these rows. Defaults that storage also
 * knows stand in limits.h as numbers; test_config holds both together.
 */
#include "server/config_schema.h"

#include <stdio.h>

#include "storage/base/limits.h"

#define YEARS_MS                                                               \
    (100.0 * 365 * 86400 * 1000) /* longer is a slip of the pen                \
                                  */

#define FIELD(field) .offset = offsetof(struct config, field)
const struct config_key config_webhook_keys[] = {
    {.name = "url",
     .type = CONFIG_URL,
     .offset = offsetof(struct config_webhook, url),
     .required = true,
     .help = "where each change of an alert is posted; http or https"},
    {.name = "timeout",
     .type = CONFIG_DURATION,
     .offset = offsetof(struct config_webhook, timeout),
     .initial = "10s",
     .least = 100,
     .most = 120000,
     .help = "how long one attempt may take"},
    {.name = "allow_private",
     .type = CONFIG_BOOL,
     .offset = offsetof(struct config_webhook, allow_private),
     .initial = "false",
     .help = "let the address be loopback or private; judged once resolved"},
    {0},
};

const struct config_key config_notify_keys[] = {
    {.name = "webhooks",
     .type = CONFIG_LIST,
     FIELD(webhooks),
     .count_offset = offsetof(struct config, webhook_count),
     .below = config_webhook_keys,
     .item_bytes = sizeof(struct config_webhook),
     .place_offset = offsetof(struct config_webhook, line),
     .most_items = 100,
     .help = "receivers of Alertmanager's webhook payload"},
    {0},
};

#define WATCH(field) .offset = offsetof(struct config_watch, field)
const struct config_key config_watch_keys[] = {
    {.name = "watch",
     .type = CONFIG_TEXT,
     WATCH(name),
     .required = true,
     .help = "its name, and the alert's; unique"},
    {.name = "expr",
     .type = CONFIG_EXPR,
     WATCH(expr),
     .required = true,
     .help = "the query to watch; each series it returns is forecast"},
    {.name = "breach",
     .type = CONFIG_BREACH,
     WATCH(breach_text),
     .required = true,
     .help = "the limit: > 90, >= 90, < 5 or <= 5"},
    {.name = "for",
     .type = CONFIG_DURATION,
     WATCH(breach.for_ms),
     .initial = "0s",
     .most = YEARS_MS,
     .help = "how long the value must stay beyond the limit to count"},
    {.name = "horizon",
     .type = CONFIG_DURATION,
     WATCH(horizon),
     .required = true,
     .least = 1000,
     .most = YEARS_MS,
     .help = "how far ahead to look"},
    {.name = "history",
     .type = CONFIG_DURATION,
     WATCH(history),
     .least = 1000,
     .most = YEARS_MS,
     .help = "how far back the forecast looks; 12 horizons, at least 1h, and "
             "at least 4d where the horizon is 30m or more"},
    {.name = "probability",
     .type = CONFIG_SHARE,
     WATCH(probability),
     .initial = "0.8",
     .help = "fires when P(breach within the horizon) reaches this"},
    {.name = "recover",
     .type = CONFIG_SHARE,
     WATCH(recover),
     .help = "clears when the probability falls below this; three quarters "
             "of `probability`"},
    {.name = "lead",
     .type = CONFIG_DURATION,
     WATCH(lead),
     .initial = "0s",
     .most = YEARS_MS,
     .help = "a breach expected sooner than this is not announced ahead"},
    {.name = "interval",
     .type = CONFIG_DURATION,
     WATCH(interval),
     .initial = "1m",
     .least = 1000,
     .most = YEARS_MS,
     .help = "time between two evaluations"},
    {.name = "minimum_precision",
     .type = CONFIG_SHARE,
     WATCH(minimum_precision),
     .initial = "0.7",
     .help = "share of its newest alerts that must be right for it to page"},
    {.name = "shadow",
     .type = CONFIG_BOOL,
     WATCH(shadow),
     .initial = "false",
     .help = "grade it, and let nobody hear of it"},
    {.name = "owner",
     .type = CONFIG_TEXT,
     WATCH(owner),
     .required = true,
     .help = "who answers for this watch"},
    {.name = "reason",
     .type = CONFIG_TEXT,
     WATCH(reason),
     .required = true,
     .help = "why the breach matters, in a sentence"},
    {.name = "runbook",
     .type = CONFIG_URL,
     WATCH(runbook),
     .help = "where it is written what to do"},
    {.name = "labels",
     .type = CONFIG_LABELS,
     WATCH(labels),
     .count_offset = offsetof(struct config_watch, label_count),
     .help = "labels added to its alerts"},
    {0},
};

#define WATCHES_ROW                                                            \
    {                                                                          \
        .name = "watches", .type = CONFIG_LIST, FIELD(watches),                \
        .count_offset = offsetof(struct config, watch_count),                  \
        .below = config_watch_keys, .item_bytes = sizeof(struct config_watch), \
        .place_offset = offsetof(struct config_watch, line),                   \
        .most_items = FW_MAX_WATCHES,                                          \
        .help = "what to forecast, and when to say so"                         \
    }

const struct config_key config_keys[] = {
    {.name = "data",
     .type = CONFIG_TEXT,
     FIELD(data),
     .help = "the data folder; $FOREWARN_DATA, else /var/lib/forewarn or "
             "~/.local/share/forewarn"},
    {.name = "listen_line",
     .type = CONFIG_ADDRESS,
     FIELD(listen_line),
     .initial = "127.0.0.1:9778",
     .help = "address of the line port; port 0 takes a free one, off closes "
             "it"},
    {.name = "listen_http",
     .type = CONFIG_ADDRESS,
     FIELD(listen_http),
     .initial = "127.0.0.1:9777",
     .help = "address of the HTTP port; port 0 takes a free one, off closes "
             "it"},
    {.name = "insecure",
     .type = CONFIG_BOOL,
     FIELD(insecure),
     .initial = "false",
     .help = "let listeners reach beyond the loopback, without TLS and login"},
    {.name = "retention",
     .type = CONFIG_DURATION,
     FIELD(retention),
     .initial = "90d",
     .least = 3600000,
     .most = YEARS_MS,
     .help = "samples and scores older than this are removed"},
    {.name = "max_future",
     .type = CONFIG_DURATION,
     FIELD(max_future),
     .initial = "10m",
     .least = 1,
     .most = YEARS_MS,
     .help = "samples further ahead of the clock than this are refused"},
    {.name = "out_of_order_window",
     .type = CONFIG_DURATION,
     FIELD(out_of_order_window),
     .initial = "1h",
     .least = 1,
     .most = 86400000,
     .help = "how far behind a series' newest sample one may still arrive"},
    {.name = "commit_linger",
     .type = CONFIG_DURATION,
     FIELD(commit_linger),
     .initial = "10ms",
     .most = 10000,
     .help = "how long a commit waits for more; 0s commits at once"},
    {.name = "max_series",
     .type = CONFIG_COUNT,
     FIELD(max_series),
     .initial = "10000000",
     .least = 1,
     .most = 4000000000.0,
     .help = "series the store takes; more are refused by name"},
    {.name = "disk_floor",
     .type = CONFIG_BYTES,
     FIELD(disk_floor),
     .initial = "16MiB",
     .least = 1,
     .most = 1e15,
     .help = "free disk space that is kept back; below it writing stops"},
    {.name = "max_connections",
     .type = CONFIG_COUNT,
     FIELD(max_connections),
     .initial = "1024",
     .least = 1,
     .most = 1000000,
     .help = "connections at once; the longest idle one makes room"},
    {.name = "collect",
     .type = CONFIG_EVERY,
     FIELD(collect),
     .initial = "15s",
     .least = 100,
     .most = YEARS_MS,
     .help = "time between two readings of this host's own telemetry, or off"},
    {.name = "watch_backtest",
     .type = CONFIG_EVERY,
     FIELD(watch_backtest),
     .initial = "30d",
     .least = 1000,
     .most = YEARS_MS,
     .help = "how much of the past a new watch is tested over, or off"},
    {.name = "log_level",
     .type = CONFIG_LEVEL,
     FIELD(log_level),
     .initial = "info",
     .help = "the least that is logged: debug, info, warn or error"},
    {.name = "watch_files",
     .type = CONFIG_TEXTS,
     FIELD(watch_files),
     .count_offset = offsetof(struct config, watch_file_count),
     .help = "patterns of files with more `watches:`, relative to this file"},
    WATCHES_ROW,
    {.name = "notify",
     .type = CONFIG_SECTION,
     .below = config_notify_keys,
     .help = "who is told"},
    {0},
};

const struct config_key config_watch_file[] = {WATCHES_ROW, {0}};

const char *config_type_help(enum config_type type)
{
    static const char *const help[] = {
        [CONFIG_TEXT] = "a text",
        [CONFIG_URL] = "a URL such as https://example.org/hook",
        [CONFIG_ADDRESS] = "an address such as 127.0.0.1:9778, or off",
        [CONFIG_EXPR] = "a query such as node_load1",
        [CONFIG_BREACH] = "a limit such as \"> 90\" or \"< 0.05\"",
        [CONFIG_DURATION] = "a duration such as 90s, 5m or 1h30m",
        [CONFIG_EVERY] = "a duration such as 15s, or off",
        [CONFIG_COUNT] = "a whole number",
        [CONFIG_BYTES] = "a size such as 16MiB or 2GB",
        [CONFIG_SHARE] = "a number between 0 and 1, such as 0.8",
        [CONFIG_BOOL] = "true or false",
        [CONFIG_LEVEL] = "debug, info, warn or error",
        [CONFIG_TEXTS] = "a list of texts",
        [CONFIG_LABELS] = "a map of label names and values",
        [CONFIG_SECTION] = "a map",
        [CONFIG_LIST] = "a list of maps",
    };

    return help[type];
}

const struct config_key *config_key_find(const struct config_key *keys,
                                         struct fw_str name)
{
    for (; keys->name != NULL; keys++)
        if (fw_str_eq(fw_str_of(keys->name), name))
            return keys;
    return NULL;
}

const char *config_key_nearest(const struct config_key *keys,
                               struct fw_str name)
{
    const char *names[32];
    char word[64];
    size_t n = 0;

    for (; keys->name != NULL && n < sizeof(names) / sizeof(names[0]); keys++)
        names[n++] = keys->name;
    (void)snprintf(word, sizeof(word), "%.*s", FW_STR_ARG(name));
    return fw_nearest(word, names, n);
}
