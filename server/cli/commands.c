/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * commands.c - `forewarn COMMAND`: finding the row and running it.
 *
 * Each room exports its commands as rows; this file joins them. Help, and
 * whatever else speaks of commands, reads the same rows.
 */
#include "server/cli/commands.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "predict/predict.h"
#include "query/query.h"
#include "server/cli/alert_commands.h"
#include "server/cli/fetch.h"
#include "server/cli/manual.h"
#include "server/cli/output_option.h"
#include "server/local/local_client.h"
#include "server/serve.h"
#include "storage/base/file.h"
#include "storage/base/limits.h"
#include "storage/base/str.h"
#include "storage/storage.h"

#define MAX_COMMANDS 64

static int cmd_help(struct fw_cli *cli, int argc, char **argv);
static int cmd_version(struct fw_cli *cli, int argc, char **argv);

static const struct fw_option help_options[] = {
    {"man", 0, NULL, NULL, "as a manual page, for man -l -"},
    {"completion", 0, "SHELL", NULL,
     "what bash, zsh or fish reads to complete command lines"},
    {0},
};

static const struct fw_command own_commands[] = {
    {"help", cmd_help, "[COMMAND]", "show the commands, or one of them",
     "  forewarn help query\n"
     "  forewarn help --man query | man -l -\n"
     "  . <(forewarn help --completion bash)",
     help_options, FW_CMD_LOCAL},
    {"version", cmd_version, NULL, "print the version", NULL, NULL,
     FW_CMD_LOCAL},
    {0},
};

/* In the order of `forewarn help`. */
static const struct fw_command *const tables[] = {
    serve_commands, fw_query_commands,   fw_predict_commands,
    alert_commands, fw_storage_commands, own_commands,
};
#define TABLE_COUNT (sizeof(tables) / sizeof(tables[0]))

static const struct manual manual = {tables, TABLE_COUNT};

const struct fw_command *commands_find(const char *name)
{
    for (size_t i = 0; i < TABLE_COUNT; i++)
        for (const struct fw_command *c = tables[i]; c->name != NULL; c++)
            if (strcmp(c->name, name) == 0)
                return c;
    return NULL;
}

static int unknown(struct fw_cli *cli, const char *name)
{
    const char *names[MAX_COMMANDS];
    const char *near;
    size_t n = 0;
    struct fw_buf shown = FW_BUF_INIT(4096);

    for (size_t i = 0; i < TABLE_COUNT; i++)
        for (const struct fw_command *c = tables[i]; c->name != NULL; c++)
            if (n < MAX_COMMANDS)
                names[n++] = c->name;
    near = fw_nearest(name, names, n);
    if (fw_add_visible(&shown, fw_str_of(name)) != FW_OK)
        fw_buf_clear(&shown);
    (void)fprintf(cli->err, "forewarn: no command '%s'",
                  shown.len > 0 ? shown.data : "");
    if (near != NULL)
        (void)fprintf(cli->err, "; did you mean '%s'?", near);
    (void)fprintf(cli->err, " ('forewarn help' lists them)\n");
    fw_buf_release(&shown);
    return FW_EXIT_USAGE;
}

static void print_commands(FILE *to)
{
    (void)fprintf(to, "Usage: forewarn COMMAND [OPTION]...\n\n"
                      "A time-series store that says when a limit will be "
                      "crossed, and how sure it is.\n\nCommands:\n");
    for (size_t i = 0; i < TABLE_COUNT; i++)
        for (const struct fw_command *c = tables[i]; c->name != NULL; c++)
            (void)fprintf(to, "  %-12s %s\n", c->name, c->help);
    (void)fprintf(to, "\n'forewarn help COMMAND' tells more about one.\n"
                      "Exit codes: 0 done, 1 the answer is no, 2 wrong usage, "
                      "3 anything else.\n");
}

static int cmd_help(struct fw_cli *cli, int argc, char **argv)
{
    const struct fw_command *about = NULL;
    struct fw_args args;
    struct fw_err err = {0};
    int shell = -1;
    fw_rc rc = fw_cli_parse(cli, argc, argv, &args);

    if (rc != FW_OK)
        return rc == FW_END ? FW_EXIT_OK : FW_EXIT_USAGE;
    if (args.rest_count > 0)
        about = commands_find(args.rest[0]);
    if (args.rest_count > 0 && about == NULL)
        return unknown(cli, args.rest[0]);
    if (fw_args_has(cli, &args, "completion") &&
        fw_args_choice(cli, &args, "completion", manual_shells, &shell, &err) !=
            FW_OK)
        return fw_cli_fail(cli, &err);
    if (shell >= 0)
        manual_completion(cli->out, &manual, shell);
    else if (fw_args_has(cli, &args, "man"))
        manual_page(cli->out, &manual, about);
    else if (about != NULL)
        fw_cli_help(cli->out, about);
    else
        print_commands(cli->out);
    return FW_EXIT_OK;
}

static int cmd_version(struct fw_cli *cli, int argc, char **argv)
{
    struct fw_args args;
    fw_rc rc = fw_cli_parse(cli, argc, argv, &args);

    if (rc != FW_OK)
        return rc == FW_END ? FW_EXIT_OK : FW_EXIT_USAGE;
    (void)fprintf(cli->out, "forewarn %s\n", FW_VERSION);
    return FW_EXIT_OK;
}

int commands_run_here(struct fw_cli *cli, int argc, char **argv)
{
    cli->command = commands_find(argv[0]);
    if (cli->command == NULL)
        return unknown(cli, argv[0]);
    return cli->command->run(cli, argc, argv);
}

static const struct fw_option *option_of(const struct fw_command *command,
                                         const char *name, size_t n)
{
    for (const struct fw_option *o = command->options;
         o != NULL && o->name != NULL; o++)
        if (strlen(o->name) == n && memcmp(o->name, name, n) == 0)
            return o;
    return NULL;
}

bool commands_is_local(const struct fw_command *command, int argc, char **argv)
{
    if ((command->flags & FW_CMD_LOCAL) != 0 ||
        (command->flags & FW_CMD_DATA) == 0)
        return true;
    for (int i = 1; i < argc && strcmp(argv[i], "--") != 0; i++) {
        const struct fw_option *o;

        if (strcmp(argv[i], "-h") == 0 || strcmp(argv[i], "--help") == 0)
            return true;
        if (strncmp(argv[i], "--", 2) != 0)
            continue;
        o = option_of(command, argv[i] + 2, strcspn(argv[i] + 2, "="));
        if (o != NULL && o->arg != NULL &&
            (strncmp(o->arg, "FILE", 4) == 0 || strcmp(o->arg, "URL") == 0))
            return true;
    }
    return false;
}

/*
 * Takes `--data DIR` and `--data=DIR` out of argv, wherever they stand before
 * a `--`. False if the folder is missing.
 */
static bool take_data(struct fw_cli *cli, int *argc, char **argv)
{
    int kept = 1;
    int i = 1;

    for (; i < *argc && strcmp(argv[i], "--") != 0; i++) {
        if (strncmp(argv[i], "--data=", 7) == 0) {
            cli->data_dir = argv[i] + 7;
        } else if (strcmp(argv[i], "--data") == 0) {
            if (i + 1 == *argc)
                return false;
            cli->data_dir = argv[++i];
        } else {
            argv[kept++] = argv[i];
        }
    }
    while (i < *argc)
        argv[kept++] = argv[i++];
    argv[kept] = NULL;
    *argc = kept;
    return cli->data_dir == NULL || *cli->data_dir != '\0';
}

/*
 * The server stands in another folder than whoever asks it, so it is given
 * whole paths. `room` keeps them and must not move: it is made large enough
 * before the first.
 */
static fw_rc make_paths_whole(int argc, char **argv, struct fw_buf *room,
                              struct fw_err *err)
{
    char here[FW_PATH_BYTES];

    if (getcwd(here, sizeof(here)) == NULL)
        return fw_err_sys(err, errno, "cannot tell the folder we are in");
    if (fw_buf_reserve(room, (size_t)argc * 2 * FW_PATH_BYTES) != FW_OK)
        return fw_err_set(err, FW_ENOMEM, "out of memory");
    for (int i = 1; i < argc; i++) {
        char *whole = room->data + room->len;

        if (argv[i][0] == '-' || argv[i][0] == '/' || argv[i][0] == '\0')
            continue;
        if (strlen(argv[i]) >= FW_PATH_BYTES)
            return fw_err_set(err, FW_EINVAL, "that path is too long");
        if (fw_buf_printf(room, "%s/%s", here, argv[i]) != FW_OK ||
            fw_buf_addc(room, '\0') != FW_OK)
            return fw_err_set(err, FW_ENOMEM, "out of memory");
        argv[i] = whole;
    }
    return FW_OK;
}

/* The server that runs on the folder answers; where none does, we do. */
static int ask_or_run(struct fw_cli *cli, int argc, char **argv)
{
    struct fw_buf paths = FW_BUF_INIT(FW_MAX_LOCAL_REQUEST_BYTES * 4);
    struct fw_err err = {0};
    int code = FW_EXIT_FAIL;
    fw_rc rc = FW_OK;

    if (commands_is_local(cli->command, argc, argv))
        return commands_run_here(cli, argc, argv);
    if ((cli->command->flags & FW_CMD_PATHS) != 0)
        rc = make_paths_whole(argc, argv, &paths, &err);
    if (rc == FW_OK)
        rc = local_ask(cli, argc, argv, &code, &err);
    if (rc == FW_NONE)
        code = commands_run_here(cli, argc, argv);
    else if (rc != FW_OK)
        code = fw_cli_fail(cli, &err);
    fw_buf_release(&paths);
    return code;
}

static int run_somewhere(struct fw_cli *cli, int argc, char **argv)
{
    struct output_option output;
    struct fw_err err = {0};

    cli->command = commands_find(argv[0]);
    if (cli->command == NULL)
        return unknown(cli, argv[0]);
    if (output_option_begin(&output, cli, cli->command, &argc, argv, &err) !=
        FW_OK)
        return fw_cli_fail(cli, &err);
    return output_option_end(&output, cli, ask_or_run(cli, argc, argv));
}

int commands_run(struct fw_cli *cli, int argc, char **argv)
{
    fw_query_set_fetch(fetch_url);
    if (argc < 1 || !take_data(cli, &argc, argv)) {
        (void)fprintf(cli->err, "forewarn: --data needs a folder\n");
        return FW_EXIT_USAGE;
    }
    if (argc < 2) {
        print_commands(cli->err);
        return FW_EXIT_USAGE;
    }
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0) {
        print_commands(cli->out);
        return FW_EXIT_OK;
    }
    if (strcmp(argv[1], "--version") == 0) {
        (void)fprintf(cli->out, "forewarn %s\n", FW_VERSION);
        return FW_EXIT_OK;
    }
    return run_somewhere(cli, argc - 1, argv + 1);
}
