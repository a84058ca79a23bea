/* SPDX-License-Identifier: GPL-3.0-or-later */
/* cli_config.c - `forewarn config check FILE | defaults | keys`. */
#include <string.h>

#include "server/cli/alert_commands.h"
#include "server/config/config_schema.h"

static const char *plural(size_t n)
{
    return n == 1 ? "" : "es";
}

static int check(struct fw_cli *cli, const char *path)
{
    struct config *config = NULL;
    struct fw_err err = {0};

    if (config_load(path, &config, &err) != FW_OK) {
        int code = fw_cli_fail(cli, &err);

        return err.rc == FW_ETOOBIG ? FW_EXIT_USAGE : code;
    }
    (void)fprintf(cli->out, "%s: good (%zu watch%s, %zu webhook%s)\n", path,
                  config->watch_count, plural(config->watch_count),
                  config->webhook_count, config->webhook_count == 1 ? "" : "s");
    config_free(config);
    return FW_EXIT_OK;
}

static int defaults(struct fw_cli *cli)
{
    struct fw_buf text = FW_BUF_INIT(65536);
    struct fw_err err = {.rc = FW_ENOMEM, .text = "out of memory"};
    int code = FW_EXIT_OK;

    if (config_print_defaults(&text) == FW_OK)
        (void)fputs(text.data, cli->out);
    else
        code = fw_cli_fail(cli, &err);
    fw_buf_release(&text);
    return code;
}

/* "notify.webhooks[].url": a dot goes into a map, brackets into a list. */
static void print_keys(FILE *to, const struct config_key *keys,
                       const char *above)
{
    for (; keys->name != NULL; keys++) {
        char path[256];

        (void)snprintf(path, sizeof(path), "%s%s", above, keys->name);
        (void)fprintf(to, "%s\n", path);
        if (keys->below == NULL)
            continue;
        (void)snprintf(path, sizeof(path), "%s%s%s.", above, keys->name,
                       keys->type == CONFIG_LIST ? "[]" : "");
        print_keys(to, keys->below, path);
    }
}

int cmd_config(struct fw_cli *cli, int argc, char **argv)
{
    static const char *const verbs[] = {"check", "defaults", "keys"};
    const char *verb, *near;
    struct fw_args args;
    struct fw_err err = {0};
    fw_rc rc = fw_cli_parse(cli, argc, argv, &args);

    if (rc != FW_OK)
        return rc == FW_END ? FW_EXIT_OK : FW_EXIT_USAGE;
    verb = args.rest_count > 0 ? args.rest[0] : "";
    if (strcmp(verb, "check") == 0 && args.rest_count == 2)
        return check(cli, args.rest[1]);
    if (strcmp(verb, "defaults") == 0 && args.rest_count == 1)
        return defaults(cli);
    if (strcmp(verb, "keys") == 0 && args.rest_count == 1) {
        print_keys(cli->out, config_keys, "");
        return FW_EXIT_OK;
    }
    near = fw_nearest(verb, verbs, 3);
    (void)fw_err_set(&err, FW_EINVAL, "say 'forewarn config %s'",
                     near == NULL                 ? "check FILE"
                     : strcmp(near, "check") == 0 ? "check FILE"
                                                  : near);
    return fw_cli_fail(cli, &err);
}
