/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * cli_schedules.c - `forewarn schedules` and `forewarn reload`: asked of the
 * server that runs on the folder, and of nobody else.
 */
#include <stdio.h>
#include <string.h>

#include "server/acts.h"
#include "server/cli/alert_commands.h"
#include "server/cli/text_table.h"
#include "storage/base/arena.h"
#include "storage/base/limits.h"

const struct fw_option schedules_options[] = {
    {"actor", 0, "NAME", NULL, "run: who wants it (required)"},
    {"reason", 0, "TEXT", NULL, "run: why (required)"},
    {0},
};

const struct fw_option reload_options[] = {
    {"actor", 0, "NAME", NULL, "who wants it (required)"},
    {"reason", 0, "TEXT", NULL, "why (required)"},
    {0},
};

static fw_rc needs_server(const struct fw_cli *cli, struct fw_err *err)
{
    if (cli->store == NULL)
        return fw_err_set(err, FW_EREADONLY,
                          "no server runs on '%s'; only it can do that",
                          cli->data_dir);
    return FW_OK;
}

static int answer(struct fw_cli *cli, fw_rc rc, const struct fw_err *err)
{
    int code;

    if (rc == FW_OK)
        return FW_EXIT_OK;
    code = fw_cli_fail(cli, err);
    return rc == FW_ENOTFOUND ? FW_EXIT_NO : code;
}

static void add_time(struct text_table *t, fw_ms at)
{
    char text[FW_TIME_TEXT_BYTES] = "never";

    if (at > 0 && at != INT64_MAX)
        (void)fw_format_second(text, at);
    text_table_add(t, fw_str_of(text));
}

static fw_rc print(const struct act_schedule *all, size_t n,
                   struct fw_arena *arena, struct fw_buf *out)
{
    static const char *const heads[] = {"SCHEDULE", "KIND", "CRON", "ZONE",
                                        "LAST",     "NEXT", "GOES"};
    struct text_table t;

    text_table_init(&t, arena, "lllllll", heads);
    for (size_t i = 0; i < n; i++) {
        const char *folder = all[i].folder;

        text_table_add(&t, fw_str_of(all[i].name));
        text_table_add(&t, fw_str_of(all[i].kind));
        text_table_add(&t, fw_str_of(all[i].cron));
        text_table_add(&t, fw_str_of(all[i].timezone));
        add_time(&t, all[i].last);
        add_time(&t, all[i].next);
        if (folder == NULL)
            text_table_add(&t, FW_STR("to the receivers"));
        else
            text_table_printf(&t, "into %s%s", folder,
                              all[i].notify ? ", to the receivers" : "");
    }
    return text_table_print(&t, out);
}

static fw_rc list(struct fw_cli *cli, struct fw_err *err)
{
    struct fw_arena *arena = fw_arena_new((size_t)16 << 20);
    struct fw_buf out = FW_BUF_INIT((size_t)16 << 20);
    struct act_schedule *all = NULL;
    size_t n = 0;
    fw_rc rc = needs_server(cli, err);

    if (rc == FW_OK && arena == NULL)
        rc = fw_err_set(err, FW_ENOMEM, "out of memory");
    if (rc == FW_OK)
        rc = acts_schedules(arena, &all, &n, err);
    if (rc == FW_OK && n == 0)
        rc = fw_err_set(err, FW_ENOTFOUND,
                        "none; name some under 'schedules:' in forewarn.yml");
    if (rc == FW_OK)
        rc = print(all, n, arena, &out);
    if (rc == FW_OK)
        (void)fwrite(out.data, 1, out.len, cli->out);
    fw_arena_free(arena);
    fw_buf_release(&out);
    return rc;
}

int cmd_schedules(struct fw_cli *cli, int argc, char **argv)
{
    struct fw_str actor, reason;
    struct fw_err err = {0};
    struct fw_args args;
    fw_rc rc = fw_cli_parse(cli, argc, argv, &args);

    if (rc != FW_OK)
        return rc == FW_END ? FW_EXIT_OK : FW_EXIT_USAGE;
    if (args.rest_count == 0) {
        rc = list(cli, &err);
        return answer(cli, rc, &err);
    }
    if (args.rest_count != 2 || strcmp(args.rest[0], "run") != 0)
        rc = fw_err_set(&err, FW_EINVAL,
                        "takes nothing, or 'run' and the name of a schedule");
    if (rc == FW_OK)
        rc = command_who(cli, &args, &actor, &reason, &err);
    if (rc == FW_OK)
        rc = acts_run_schedule(args.rest[1], actor, reason, &err);
    if (rc == FW_OK)
        (void)fprintf(cli->out,
                      "'%s' runs now; 'forewarn audit list --act "
                      "schedule-run' tells where it went\n",
                      args.rest[1]);
    return answer(cli, rc, &err);
}

int cmd_reload(struct fw_cli *cli, int argc, char **argv)
{
    struct fw_str actor, reason;
    struct fw_err err = {0};
    struct fw_args args;
    fw_rc rc = fw_cli_parse(cli, argc, argv, &args);

    if (rc != FW_OK)
        return rc == FW_END ? FW_EXIT_OK : FW_EXIT_USAGE;
    if (args.rest_count != 0)
        rc = fw_err_set(&err, FW_EINVAL, "takes no argument");
    if (rc == FW_OK)
        rc = command_who(cli, &args, &actor, &reason, &err);
    if (rc == FW_OK)
        rc = acts_reload(actor, reason, &err);
    if (rc == FW_OK)
        (void)fprintf(cli->out, "the configuration was read again\n");
    return answer(cli, rc, &err);
}
