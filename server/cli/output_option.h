/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * output_option.h - `--output FILE`, for every command that declares it.
 *
 * The file is written by the process that was called, wherever the command
 * runs: a server never opens a path that a client names, and a report written
 * to a file still comes from the server, which alone has the newest samples.
 */
#ifndef SERVER_OUTPUT_OPTION_H
#define SERVER_OUTPUT_OPTION_H

#include "storage/base/cli.h"

struct output_option {
    const char *path; /* NULL: not asked for, or "-" */
    FILE *terminal;   /* the stream that stood in cli->out */
    char *text;       /* what the command printed; owned */
    size_t len;
};

/*
 * Takes the option out of argv if the command has one, and lets cli->out
 * gather what is printed. FW_EINVAL if the name of the file is missing.
 */
FW_CHECK fw_rc output_option_begin(struct output_option *output,
                                   struct fw_cli *cli,
                                   const struct fw_command *command, int *argc,
                                   char **argv, struct fw_err *err);

/*
 * Puts cli->out back and, if `code` is FW_EXIT_OK, writes the file, whole or
 * not at all. Returns the exit code.
 */
int output_option_end(struct output_option *output, struct fw_cli *cli,
                      int code);

#endif
