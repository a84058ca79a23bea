/* SPDX-License-Identifier: GPL-3.0-or-later */
/* cli_watch.c - `forewarn watch test | state`. */
#include <string.h>

#include "server/alert/standing.h"
#include "server/audit/audit.h"
#include "server/cli/alert_commands.h"

/* ---- watch state
 * ------------------------------------------------------------------ */

/* The override that the words and options ask for; until 0: none. */
static fw_rc read_override(struct fw_cli *cli, const struct fw_args *args,
                           struct standing_override *out, struct fw_err *err)
{
    const char *actor = fw_args_get(cli, args, "actor");
    const char *reason = fw_args_get(cli, args, "reason");
    const char *until = fw_args_get(cli, args, "until");
    fw_ms now = fw_clock_now(cli->clock);
    bool automatic = strcmp(args->rest[2], "auto") == 0;
    fw_rc rc = FW_OK;

    *out = (struct standing_override){.at = now};
    if (actor == NULL || reason == NULL || actor[0] == '\0' ||
        reason[0] == '\0')
        return fw_err_set(err, FW_EINVAL,
                          "--actor and --reason are needed: who says so, and "
                          "why");
    if (strlen(actor) >= sizeof(out->actor) ||
        strlen(reason) >= sizeof(out->reason))
        return fw_err_set(err, FW_ETOOBIG,
                          "--actor and --reason take %d and %d bytes",
                          STANDING_ACTOR_BYTES - 1, STANDING_REASON_BYTES - 1);
    (void)snprintf(out->actor, sizeof(out->actor), "%s", actor);
    (void)snprintf(out->reason, sizeof(out->reason), "%s", reason);
    if (automatic)
        return FW_OK;
    rc = standing_parse(fw_str_of(args->rest[2]), &out->state, err);
    if (rc == FW_OK && until == NULL)
        rc = fw_err_set(err, FW_EINVAL,
                        "--until is needed, such as now+7d: what is set by "
                        "hand ends by itself");
    if (rc == FW_OK)
        rc = fw_parse_time(fw_str_of(until), now, &out->until, err);
    if (rc == FW_OK && out->until <= now)
        rc = fw_err_set(err, FW_EINVAL, "--until lies in the past");
    return rc;
}

static fw_rc store_override(struct alert_view *view,
                            const struct standing_override *override,
                            struct fw_err *err)
{
    const struct config_watch *watch = view->watches;
    char until[FW_TIME_TEXT_BYTES], after[64];
    struct audit_entry entry = {
        .at = override->at,
        .actor = fw_str_of(override->actor),
        .owner = fw_str_of(watch->owner),
        .act = FW_STR("watch-override"),
        .what = fw_str_of(watch->name),
        .reason = fw_str_of(override->reason),
    };
    struct fw_txn *txn = NULL;
    fw_rc rc;

    (void)fw_format_time(until, override->until);
    (void)snprintf(after, sizeof(after), "%s until %s",
                   standing_name(override->state), until);
    entry.after = fw_str_of(override->until == 0 ? "auto" : after);
    /* The view's own transaction reads; a writer must not wait for it. */
    rc = fw_txn_begin(view->store, true, &txn, err);
    if (rc == FW_OK)
        rc = standing_override_put(txn, fw_str_of(watch->name), override, err);
    if (rc == FW_OK)
        rc = audit_add(txn, &entry, err);
    return fw_txn_end(txn, rc, err);
}

static int watch_state(struct fw_cli *cli, const struct fw_args *args)
{
    struct standing_override override;
    struct alert_view view = {.cli = cli};
    struct fw_err err = {0};
    int code = FW_EXIT_OK;
    fw_rc rc = FW_OK;

    if (args->rest_count != 3)
        rc = fw_err_set(&err, FW_EINVAL,
                        "say 'forewarn watch state WATCH trial|paging|shadow|"
                        "auto --until TIME --actor NAME --reason TEXT'");
    if (rc == FW_OK)
        rc = read_override(cli, args, &override, &err);
    if (rc == FW_OK && cli->store == NULL)
        rc = fw_err_set(&err, FW_EREADONLY,
                        "no server runs on '%s'; only it can change a watch",
                        cli->data_dir);
    if (rc == FW_OK)
        rc = alert_view_open(&view, cli, &err);
    if (rc == FW_OK)
        rc = alert_view_choose(&view, args->rest[1], &err);
    if (rc == FW_OK)
        rc = store_override(&view, &override, &err);
    if (rc != FW_OK)
        code = rc == FW_ENOTFOUND ? FW_EXIT_NO : FW_EXIT_FAIL;
    if (rc != FW_OK && fw_cli_fail(cli, &err) == FW_EXIT_USAGE)
        code = FW_EXIT_USAGE;
    alert_view_close(&view);
    return code;
}

int cmd_watch(struct fw_cli *cli, int argc, char **argv)
{
    struct fw_err err = {0};
    struct fw_args args;
    fw_rc rc = fw_cli_parse(cli, argc, argv, &args);
    const char *verb;

    if (rc != FW_OK)
        return rc == FW_END ? FW_EXIT_OK : FW_EXIT_USAGE;
    verb = args.rest_count > 0 ? args.rest[0] : "";
    if (strcmp(verb, "test") == 0 && args.rest_count <= 2)
        return watch_test(cli, &args);
    if (strcmp(verb, "state") == 0)
        return watch_state(cli, &args);
    (void)fw_err_set(&err, FW_EINVAL,
                     "say 'forewarn watch test [--config FILE] [WATCH]' or "
                     "'forewarn watch state WATCH STATE ...'");
    return fw_cli_fail(cli, &err);
}
