/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * alert_view.c - what the commands about watches have in common, and their
 * rows.
 */
#include <string.h>

#include "server/cli/alert_commands.h"
#include "storage/base/limits.h"

fw_rc alert_view_open(struct alert_view *view, struct fw_cli *cli,
                      struct fw_err *err)
{
    fw_rc rc;

    view->cli = cli;
    view->arena = fw_arena_new(fw_query_limits().max_bytes);
    if (view->arena == NULL)
        return fw_err_set(err, FW_ENOMEM, "out of memory");
    rc = fw_cli_store_open(cli, &view->store, err);
    if (rc == FW_OK)
        rc = fw_txn_begin(view->store, false, &view->txn, err);
    if (rc == FW_OK)
        rc = watch_table_all(view->txn, view->arena, &view->watches,
                             &view->watch_count, err);
    if (rc != FW_OK)
        return rc;
    view->stored = view->watches;
    view->stored_count = view->watch_count;
    for (size_t i = 0; i < view->stored_count; i++) {
        struct config_watch *w = &view->stored[i];

        /* A zone that this machine does not have is UTC here. */
        if (w->time_zone != NULL &&
            fw_zone_open(w->time_zone, &w->zone, NULL) != FW_OK)
            w->zone = NULL;
    }
    return FW_OK;
}

void alert_view_close(struct alert_view *view)
{
    for (size_t i = 0; i < view->stored_count; i++)
        fw_zone_close(view->stored[i].zone);
    fw_txn_abort(view->txn);
    if (view->store != NULL)
        fw_cli_store_close(view->cli, view->store);
    fw_arena_free(view->arena);
    *view = (struct alert_view){0};
}

fw_rc alert_view_choose(struct alert_view *view, const char *name,
                        struct fw_err *err)
{
    const char **names =
        fw_arena_calloc(view->arena, view->watch_count + 1, sizeof(*names));
    const char *near;

    if (names == NULL)
        return fw_arena_err(view->arena, err);
    for (size_t i = 0; i < view->watch_count; i++) {
        if (strcmp(view->watches[i].name, name) == 0) {
            view->watches += i;
            view->watch_count = 1;
            return FW_OK;
        }
        names[i] = view->watches[i].name;
    }
    near = fw_nearest(name, names, view->watch_count);
    if (near != NULL)
        return fw_err_set(err, FW_ENOTFOUND,
                          "no watch '%s'; did you mean '%s'?", name, near);
    return fw_err_set(err, FW_ENOTFOUND,
                      "no watch '%s' ('forewarn watches' lists them)", name);
}

fw_rc alert_view_rows(struct alert_view *view, struct watched_row **out,
                      size_t *count, struct fw_err *err)
{
    struct watched_state *states = NULL;
    size_t n = 0, damaged = 0, rows_n = 0;
    struct subject *subjects;
    struct watched_row *rows;
    fw_rc rc = watched_all(view->txn, view->arena, &states, &n, &damaged, err);

    if (rc != FW_OK)
        return rc;
    rows =
        fw_arena_calloc(view->arena, n + view->watch_count + 1, sizeof(*rows));
    if (rows == NULL)
        return fw_arena_err(view->arena, err);
    subjects = fw_arena_calloc(view->arena, n + 1, sizeof(*subjects));
    if (subjects == NULL)
        return fw_arena_err(view->arena, err);
    for (size_t i = 0; i < n; i++) {
        rc = ledger_subject_get(view->txn, states[i].subject, view->arena,
                                &subjects[i], err);
        if (rc < 0)
            return rc;
    }
    for (size_t w = 0; w < view->watch_count; w++) {
        size_t before = rows_n;

        for (size_t i = 0; i < n; i++)
            if (fw_str_eq(subjects[i].watch, fw_str_of(view->watches[w].name)))
                rows[rows_n++] = (struct watched_row){&view->watches[w],
                                                      subjects[i], states[i]};
        if (rows_n == before)
            rows[rows_n++] = (struct watched_row){.watch = &view->watches[w]};
    }
    *out = rows;
    *count = rows_n;
    return FW_OK;
}

fw_rc alert_view_totals(struct alert_view *view,
                        const struct config_watch *watch, struct totals *out,
                        struct fw_err *err)
{
    struct totals totals = {0};
    fw_rc rc = totals_get(view->txn, fw_str_of(watch->name), &totals, err);

    if (rc < 0)
        return fw_err_prefix(err, "the record of '%s'", watch->name);
    *out = totals;
    return FW_OK;
}

fw_rc alert_view_standing(struct alert_view *view,
                          const struct config_watch *watch,
                          struct standing *out, struct fw_err *err)
{
    struct standing standing = {0};
    fw_rc rc = standing_get(view->txn, fw_str_of(watch->name), &standing, err);

    if (rc < 0)
        return fw_err_prefix(err, "the standing of '%s'", watch->name);
    *out = standing;
    return FW_OK;
}

fw_rc alert_view_calibration(struct alert_view *view,
                             const struct config_watch *watch,
                             struct calibration *out, struct fw_err *err)
{
    fw_rc rc = calibration_get(view->txn, fw_str_of(watch->name), out, err);

    if (rc < 0)
        return fw_err_prefix(err, "the calibration of '%s'", watch->name);
    if (rc == FW_NONE || out->definition != watch_definition(watch))
        calibration_init(out, watch_definition(watch));
    return FW_OK;
}

static const struct fw_option listing_options[] = {
    {"format", 'f', "FORMAT", "table", "table or json"},
    {0},
};

const struct fw_command alert_commands[] = {
    {"report", cmd_report, "[WATCH | EXPR LIMIT ...]",
     "for each watch: value, probability, time to breach, record",
     "The watches are those of the server that writes to the data folder, or "
     "those of\n--config FILE. Most urgent first.\n\n"
     "  forewarn report\n  forewarn report --format html --output report.html",
     report_options, FW_CMD_DATA},
    {"watches", cmd_watches, NULL,
     "the watched series and where their alerts stand", NULL, listing_options,
     FW_CMD_DATA},
    {"alerts", cmd_alerts, NULL,
     "the alerts that are active, of rules and of watches, and the silences",
     NULL, alerts_options, FW_CMD_DATA},
    {"actions", cmd_actions, NULL,
     "what is done by itself when a watch alerts, and how much of its budget "
     "is used",
     NULL, listing_options, FW_CMD_DATA},
    {"ack", cmd_ack, "ALERT [MATCHER]...",
     "say that somebody is at it; another firing is told anew",
     "  forewarn ack DiskFull host=a --actor ann --reason 'cleaning up'",
     ack_options, FW_CMD_DATA},
    {"silence", cmd_silence, "ALERT [MATCHER]... | MATCHER...",
     "tell nobody of alerts for a while; prints the silence's id",
     "Matchers are name=value, name!=value, name=~regex or name!~regex.\n\n"
     "  forewarn silence DiskFull host=a --for 2h --actor ann --reason 'disk "
     "is being replaced'",
     silence_options, FW_CMD_DATA},
    {"unsilence", cmd_unsilence, "ID", "end a silence",
     "  forewarn unsilence 9c2f... --actor ann --reason 'done earlier'",
     unsilence_options, FW_CMD_DATA},
    {"schedules", cmd_schedules, "[run SCHEDULE]",
     "the reports and digests that are sent by the clock; run one now",
     "  forewarn schedules\n"
     "  forewarn schedules run monday --actor ann --reason 'the first page "
     "jammed'",
     schedules_options, FW_CMD_DATA},
    {"reload", cmd_reload, NULL,
     "have the running server read its configuration again",
     "  forewarn reload --actor ann --reason 'new limits for the mail disks'",
     reload_options, FW_CMD_DATA},
    {"check", cmd_check, "WATCH",
     "a watch as a Nagios plugin: 0 OK, 1 WARNING, 2 CRITICAL, 3 UNKNOWN",
     "WARNING: a breach is predicted. CRITICAL: it is there. UNKNOWN: it "
     "cannot tell.",
     NULL, FW_CMD_DATA},
    {"record", cmd_record, "[WATCH]",
     "how often each watch was right; with a name, its claims one by one", NULL,
     listing_options, FW_CMD_DATA},
    {"watch", cmd_watch, "test [WATCH] | state WATCH STATE",
     "what the watches would have done over the stored past; who may page",
     "Each is looked at as if it were then, again and again, seeing only what "
     "is older\nthan the look, and its alerts are graded by what came "
     "after.\n\n"
     "  forewarn watch test --config new-watches.yml --history 30d\n"
     "  forewarn watch test DiskFull\n"
     "  forewarn watch state DiskFull shadow --until now+2d --actor ann "
     "--reason "
     "'disk is being replaced'",
     watch_options, FW_CMD_DATA},
    {"backtest", cmd_backtest, "EXPR LIMIT",
     "the same for an expression and a limit that no watch has yet",
     "  forewarn backtest 'disk_free_percent' '< 5' --horizon 24h --for 5m",
     backtest_options, FW_CMD_DATA},
    {"why", cmd_why, "ALERT",
     "what is claimed, on what grounds, and what would prove it wrong",
     "ALERT is the name of a watch (its most urgent series are shown), or the "
     "watch with\nlabels of one series. The forecast is made afresh.\n\n"
     "  forewarn why DiskFull\n  forewarn why 'DiskFull{host=\"a\"}'",
     why_options, FW_CMD_DATA},
    {"audit", cmd_audit, "list | verify | head",
     "who changed what, when and why; and whether that list is whole",
     "list    the entries, the newest last\n"
     "verify  checks the chain of digests and names the first bad entry; exit "
     "code 1 if\n        there is one. With --head also against a head noted "
     "elsewhere.\n"
     "head    number and digest of the newest entry, to be noted elsewhere\n\n"
     "  forewarn audit list --from -7d --act silence\n"
     "  forewarn audit verify --head \"$(cat noted-last-monday)\"",
     audit_options, FW_CMD_DATA},
    {"config", cmd_config, "check FILE | defaults | keys",
     "check a forewarn.yml, or print one of all defaults",
     "check FILE  says what is wrong with it, with line and column\n"
     "defaults    a forewarn.yml with every key at its default\n"
     "keys        the names of all keys, one a line",
     NULL, FW_CMD_LOCAL},
    {"rules", cmd_rules, "check FILE... | test FILE...",
     "check files of Prometheus rules, or run their unit tests",
     "check FILE...  says what is wrong, with line and column\n"
     "test FILE...   runs tests written for 'promtool test rules'\n\n"
     "  forewarn rules check /etc/forewarn/rules.d/*.yml\n"
     "  forewarn rules test tests/disk_test.yml",
     NULL, FW_CMD_LOCAL},
    {"emit", cmd_emit, "[LINE]...",
     "send lines, or standard input, to the line port and wait until durable",
     "  forewarn emit 'disk,host=a used=17'\n"
     "  tail -f samples.txt | forewarn emit --to 127.0.0.1:9778",
     emit_options, FW_CMD_LOCAL},
    {0},
};
