/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "server/cli/output_option.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "storage/base/file.h"

static bool has_output(const struct fw_command *command)
{
    for (const struct fw_option *o = command->options;
         o != NULL && o->name != NULL; o++)
        if (strcmp(o->name, "output") == 0)
            return true;
    return false;
}

/* The value that stands in the word itself, or NULL. */
static const char *joined_value(const char *word)
{
    if (strncmp(word, "--output=", 9) == 0)
        return word + 9;
    if (strncmp(word, "-o", 2) == 0 && word[2] != '\0')
        return word + 2;
    return NULL;
}

/* Takes the option and its value out of argv; the last one counts. */
static fw_rc take(struct output_option *output, int *argc, char **argv,
                  struct fw_err *err)
{
    int kept = 1;
    int i = 1;

    for (; i < *argc && strcmp(argv[i], "--") != 0; i++) {
        const char *joined = joined_value(argv[i]);

        if (joined != NULL) {
            output->path = joined;
        } else if (strcmp(argv[i], "--output") == 0 ||
                   strcmp(argv[i], "-o") == 0) {
            if (i + 1 == *argc)
                return fw_err_set(err, FW_EINVAL,
                                  "--output needs the name of a file");
            output->path = argv[++i];
        } else {
            argv[kept++] = argv[i];
        }
    }
    while (i < *argc)
        argv[kept++] = argv[i++];
    argv[kept] = NULL;
    *argc = kept;
    return FW_OK;
}

fw_rc output_option_begin(struct output_option *output, struct fw_cli *cli,
                          const struct fw_command *command, int *argc,
                          char **argv, struct fw_err *err)
{
    FILE *gather;
    fw_rc rc;

    *output = (struct output_option){.terminal = cli->out};
    if (!has_output(command))
        return FW_OK;
    rc = take(output, argc, argv, err);
    if (rc != FW_OK || output->path == NULL)
        return rc;
    if (strcmp(output->path, "-") == 0) {
        output->path = NULL;
        return FW_OK;
    }
    gather = open_memstream(&output->text, &output->len);
    if (gather == NULL)
        return fw_err_sys(err, errno, "cannot gather the output");
    cli->out = gather;
    cli->tty = false;
    cli->color = false;
    return FW_OK;
}

int output_option_end(struct output_option *output, struct fw_cli *cli,
                      int code)
{
    struct fw_err err = {0};

    if (cli->out == output->terminal)
        return code;
    if (fclose(cli->out) != 0 && code == FW_EXIT_OK) {
        (void)fw_err_sys(&err, errno, "cannot gather the output");
        code = fw_cli_fail(cli, &err);
    }
    cli->out = output->terminal;
    if (code == FW_EXIT_OK &&
        fw_file_write(output->path, output->text, output->len, &err) != FW_OK)
        code = fw_cli_fail(cli, &err);
    free(output->text);
    output->text = NULL;
    return code;
}
