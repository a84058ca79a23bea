/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * alert_commands.h - report, watches, record, audit, config and emit: rows for
 * the table of commands.
 */
#ifndef SERVER_ALERT_COMMANDS_H
#define SERVER_ALERT_COMMANDS_H

#include "server/alert/calibration.h"
#include "server/alert/standing.h"
#include "storage/base/cli.h"

extern const struct fw_command alert_commands[]; /* ends with zeros */

int cmd_watches(struct fw_cli *cli, int argc, char **argv);
int cmd_record(struct fw_cli *cli, int argc, char **argv);
/* What `forewarn record --format json` prints; `watch` may be NULL. */
FW_CHECK fw_rc record_json(struct fw_cli *cli, const char *watch,
                           struct fw_buf *out, struct fw_err *err);
int cmd_report(struct fw_cli *cli, int argc, char **argv);
int cmd_config(struct fw_cli *cli, int argc, char **argv);
int cmd_backtest(struct fw_cli *cli, int argc, char **argv);
int cmd_watch(struct fw_cli *cli, int argc, char **argv);
/* `forewarn watch test`, parsed already. */
int watch_test(struct fw_cli *cli, const struct fw_args *args);
int cmd_why(struct fw_cli *cli, int argc, char **argv);
int cmd_audit(struct fw_cli *cli, int argc, char **argv);
int cmd_emit(struct fw_cli *cli, int argc, char **argv);
int cmd_rules(struct fw_cli *cli, int argc, char **argv);
int cmd_alerts(struct fw_cli *cli, int argc, char **argv);
int cmd_ack(struct fw_cli *cli, int argc, char **argv);
int cmd_silence(struct fw_cli *cli, int argc, char **argv);
int cmd_unsilence(struct fw_cli *cli, int argc, char **argv);
int cmd_actions(struct fw_cli *cli, int argc, char **argv);
int cmd_schedules(struct fw_cli *cli, int argc, char **argv);
int cmd_reload(struct fw_cli *cli, int argc, char **argv);
int cmd_check(struct fw_cli *cli, int argc, char **argv);

/*
 * --actor and --reason of a command that changes something: FW_EINVAL without
 * either, FW_EREADONLY where no server runs on the folder.
 */
FW_CHECK fw_rc command_who(const struct fw_cli *cli, const struct fw_args *args,
                           struct fw_str *actor, struct fw_str *reason,
                           struct fw_err *err);

extern const struct fw_option schedules_options[];
extern const struct fw_option reload_options[];
extern const struct fw_option alerts_options[];
extern const struct fw_option ack_options[];
extern const struct fw_option silence_options[];
extern const struct fw_option unsilence_options[];

extern const struct fw_option report_options[];
extern const struct fw_option emit_options[];
extern const struct fw_option audit_options[];
extern const struct fw_option why_options[];
extern const struct fw_option backtest_options[];
extern const struct fw_option watch_options[];

/*
 * What these commands work on: the store of the folder or of the server they
 * run in, one read transaction, and the watches it holds. Zero, then open.
 */
struct alert_view {
    struct fw_cli *cli;
    struct fw_arena *arena;
    struct fw_store *store;
    struct fw_txn *txn;
    struct config_watch *watches; /* by name */
    size_t watch_count;
    struct config_watch *stored; /* those of the folder, whose zones it owns */
    size_t stored_count;
};
FW_CHECK fw_rc alert_view_open(struct alert_view *view, struct fw_cli *cli,
                               struct fw_err *err);
void alert_view_close(struct alert_view *view);

/*
 * Leaves only the watch `name`; FW_ENOTFOUND names the nearest one.
 */
FW_CHECK fw_rc alert_view_choose(struct alert_view *view, const char *name,
                                 struct fw_err *err);

/* One watched series, joined from the tables. */
struct watched_row {
    const struct config_watch *watch;
    struct subject subject; /* id 0: the watch has no series yet */
    struct watched_state state;
};

/*
 * A row for each series of each watch, and one for a watch without any, watch
 * by watch; all of it lives in view->arena.
 */
FW_CHECK fw_rc alert_view_rows(struct alert_view *view,
                               struct watched_row **out, size_t *count,
                               struct fw_err *err);

/* The record of a watch; all zeros where there is none yet. */
FW_CHECK fw_rc alert_view_totals(struct alert_view *view,
                                 const struct config_watch *watch,
                                 struct totals *out, struct fw_err *err);

/* What became of its probabilities; one that changes nothing, if new. */
FW_CHECK fw_rc alert_view_calibration(struct alert_view *view,
                                      const struct config_watch *watch,
                                      struct calibration *out,
                                      struct fw_err *err);

/* The standing of a watch; that of a new one where there is none yet. */
FW_CHECK fw_rc alert_view_standing(struct alert_view *view,
                                   const struct config_watch *watch,
                                   struct standing *out, struct fw_err *err);

#endif
