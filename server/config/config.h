/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * config.h - forewarn.yml, read and checked.
 *
 * Every option of `forewarn serve` is also a key (with _ for -), so both go
 * through config_set() and cannot differ. The keys are data: config_schema.c.
 */
#ifndef SERVER_CONFIG_H
#define SERVER_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "predict/predict.h"
#include "storage/base/arena.h"
#include "storage/base/log.h"

struct config_label {
    const char *name;
    const char *value;
};

#define CONFIG_MINIMUM_PRECISION 0.7

/* One item of `watches:`. Spans in milliseconds. */
struct config_watch {
    const char *name;
    const char *expr;
    const char *breach_text;
    struct fw_str limit_expr; /* of a report's EXPR LIMIT; else empty */
    struct fw_breach breach;  /* breach_text with for_ms */
    fw_ms horizon;
    fw_ms history;            /* how far back the forecast looks */
    fw_ms interval;           /* between two evaluations */
    fw_ms lead;               /* a breach nearer than this is not announced */
    double probability;       /* fires at */
    double recover;           /* clears below */
    double minimum_precision; /* share of right alerts that earns a page */
    bool shadow;              /* graded, and nobody hears of it */
    const char *owner;
    const char *reason;
    const char *runbook; /* NULL: none */
    struct config_label *labels;
    size_t label_count;
    const char **actions; /* names of what is done by itself */
    size_t action_count;
    struct config_event *event_rows; /* as written */
    size_t event_count;
    struct fw_event *events; /* the same, read */
    const char *time_zone;
    struct fw_zone *zone; /* owned by the config; NULL: UTC */
    const char *file;     /* where it stands */
    int line;
};

/* One of a watch's `events`. */
struct config_event {
    const char *at, *delta, *until, *lasts, *every, *why; /* NULL: not given */
    int line;
};

/* `static_configs` and `dns_sd_configs` of an Alertmanager. */
struct config_targets {
    const char **targets; /* HOST:PORT */
    size_t target_count;
    struct config_label *labels; /* taken, as Prometheus does; not used */
    size_t label_count;
    int line;
};

struct config_dns {
    const char **names;
    size_t name_count;
    const char *type; /* "A", "AAAA" or "SRV" */
    uint32_t port;    /* not for SRV */
    fw_ms refresh;
    int line;
};

/* How an outgoing request shows who it is. NULL: not. */
struct config_login {
    const char *user, *password, *password_file;
    const char *scheme; /* "Bearer" */
    const char *credentials, *credentials_file;
    const char *ca_file, *cert_file, *key_file, *server_name;
    bool skip_verify;
};

/* One item of `alerting.alertmanagers`. */
struct config_alertmanager {
    const char *scheme, *path_prefix, *api_version;
    fw_ms timeout;
    struct config_login login;
    struct config_targets *statics;
    size_t static_count;
    struct config_dns *dns;
    size_t dns_count;
    struct config_relabel *relabels; /* of alerts for this one */
    size_t relabel_count;
    bool follow_redirects, enable_http2; /* taken; redirects are never */
    int line;
};

/* One item of `alert_relabel_configs`. */
struct config_relabel {
    const char **source; /* labels */
    size_t source_count;
    const char *separator, *target, *regex, *replacement, *action;
    uint32_t modulus; /* of hashmod */
    int line;
};

/* One item of `schedules:`. */
struct config_schedule {
    const char *name;
    const char *cron;     /* "0 8 * * MON" */
    const char *timezone; /* "UTC", "local" or IANA's name */
    const char *kind;     /* "report" or "digest" */
    const char *format;   /* of a file: "html", "text", "json" */
    const char *folder;   /* NULL: nothing is written */
    uint32_t keep;        /* files of it that stay; 0: all */
    bool notify;          /* the receivers are told */
    const char *owner;
    const char *reason;
    int line;
};

/* A mail to one address. */
struct config_email {
    const char *to, *from;
    const char *smarthost; /* HOST:PORT */
    const char *user, *password_file;
    bool require_tls;
    fw_ms timeout;
    int line;
};

/* A program that is handed each notification. */
struct config_command {
    const char **words; /* its path and arguments, then NULL */
    size_t word_count;
    fw_ms timeout;
    int line;
};

/* Hours of certain days. UTC. */
struct config_window {
    const char **days; /* mon ... sun; none: all */
    size_t day_count;
    const char *from, *until; /* "08:00", "18:00" */
    int line;
};

/*
 * What is done by itself when a watch that names it alerts, and its limits.
 */
struct config_action {
    const char *name;
    struct config_command command;
    uint32_t per_hour, per_day;  /* 0: any number */
    struct config_window *quiet; /* not in these hours */
    size_t quiet_count;
    bool dry_run;   /* write down that it would run */
    bool needs_ack; /* only once somebody has acknowledged the alert */
    const char *expires;
    fw_ms expires_at; /* of `expires`; 0: never */
    const char *owner, *reason;
    int line;
};

/* Alerts that hold others down: while a source fires, targets are not told. */
struct config_inhibit {
    const char **source, **target; /* matchers as amtool writes them */
    const char **equal;            /* labels that must be the same */
    size_t source_count, target_count, equal_count;
    int line;
};

/*
 * A receiver. Mails and commands stand behind the webhooks in the same list,
 * under URLs of their own ("mailto:...", "exec:...").
 */
struct config_webhook {
    const char *url;
    fw_ms timeout;
    bool allow_private; /* loopback, private and unique local addresses */
    int line;
    const struct config_email *email;
    const struct config_command *command;
};

struct rule_set; /* server/rules/rule_file.h */

struct config {
    struct fw_arena *arena;  /* owns every text below */
    const char *path;        /* the file read; NULL: defaults only */
    const char *data;        /* NULL: the program's default */
    const char *listen_line; /* "HOST:PORT" or "off" */
    const char *listen_http; /* the same */
    bool enable_lifecycle;   /* POST /-/reload is answered */
    const char *lifecycle_actor, *lifecycle_reason; /* of who says neither */
    bool enable_admin_api;      /* /api/v1/admin/tsdb is answered */
    const char *enable_feature; /* names with commas between, or NULL */
    bool insecure;              /* listeners may reach beyond the loopback */
    fw_ms retention;
    uint64_t retention_size; /* bytes; 0: no limit */
    fw_ms rollup_retention;  /* 0: no summaries are made */
    fw_ms rollup_step;
    fw_ms rollup_lead; /* made so long before the samples go */
    fw_ms close_after; /* a day's end, before it is rewritten */
    fw_ms max_future;
    fw_ms out_of_order_window;
    fw_ms commit_linger; /* 0: commit at once */
    uint32_t max_series;
    uint32_t max_metric_series; /* 0: no limit */
    uint64_t disk_floor;        /* bytes */
    uint64_t plain_samples;     /* bytes */
    uint64_t journal_bytes;     /* past these, or ... */
    uint64_t journal_samples;   /* ... these a checkpoint is made */
    fw_ms query_snapshot;       /* a view of a file, at most */
    uint32_t max_connections;
    uint64_t query_max_samples; /* of one query, as the four below */
    uint64_t query_max_points;
    uint64_t query_max_memory; /* bytes */
    uint32_t query_max_series;
    fw_ms query_timeout;
    fw_ms query_lookback_delta;
    fw_ms collect;        /* between two readings of this host; 0: off */
    uint32_t page_budget; /* predicted pages a day and owner; 0: any number */
    fw_ms page_digest;    /* those held back wait so long for company */
    fw_ms watch_backtest; /* past that new watches are tested over; 0: off */
    enum fw_log_level log_level;
    const char **watch_files; /* patterns, as written */
    size_t watch_file_count;
    struct config_watch *watches; /* of this file, then of watch_files */
    size_t watch_count;
    struct config_schedule *schedules;
    size_t schedule_count;
    struct config_webhook *webhooks; /* and the other receivers */
    size_t webhook_count;
    struct config_email *emails;
    size_t email_count;
    struct config_command *commands;
    size_t command_count;
    struct config_action *actions;
    size_t action_count;
    struct config_inhibit *inhibits;
    size_t inhibit_count;
    struct config_window *windows;
    size_t window_count;
    const char **group_by;
    size_t group_by_count;
    fw_ms group_wait, group_interval, repeat_interval;
    /* As in prometheus.yml: */
    const char **rule_files; /* patterns, as written */
    size_t rule_file_count;
    struct rule_set *rules; /* of these files; NULL: none */
    fw_ms evaluation_interval, rule_query_offset;
    fw_ms scrape_interval, scrape_timeout;
    struct config_label *external_labels;
    size_t external_label_count;
    const char *external_url; /* NULL: none */
    struct config_alertmanager *alertmanagers;
    size_t alertmanager_count;
    struct config_relabel *alert_relabels;
    size_t alert_relabel_count;
    fw_ms rules_resend_delay, rules_for_grace_period;
    fw_ms rules_for_outage_tolerance;
};

/* Every key at its default. The caller gives *out to config_free(). */
FW_CHECK fw_rc config_defaults(struct config **out, struct fw_err *err);

/*
 * Reads `path` and the files its `watch_files` and `rule_files` name (relative
 * to it).
 * FW_EINVAL: the sentence begins "FILE:LINE:COLUMN: " and err has the place.
 */
FW_CHECK fw_rc config_load(const char *path, struct config **out,
                           struct fw_err *err);

/* The same from memory; `name` stands for the file in sentences. */
FW_CHECK fw_rc config_read(struct fw_str text, const char *name,
                           struct config **out, struct fw_err *err);

/*
 * Sets one plain key of the top level ("listen_line") from text, as if it
 * stood in the file: for options of the command line. FW_EINVAL says what the
 * key takes, without a place.
 */
FW_CHECK fw_rc config_set(struct config *config, const char *key,
                          const char *text, struct fw_err *err);

void config_free(struct config *config);

/* A forewarn.yml of all defaults, each key with its help as a comment. */
FW_CHECK fw_rc config_print_defaults(struct fw_buf *out);

#endif
