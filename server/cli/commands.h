/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * commands.h - the table of commands, joined from the rooms.
 */
#ifndef SERVER_COMMANDS_H
#define SERVER_COMMANDS_H

#include "storage/base/cli.h"

/* The row of a name, or NULL. */
const struct fw_command *commands_find(const char *name);

/*
 * Runs `forewarn ARGV...`: takes the options all commands share, finds the
 * row, and either asks the server that runs on the data folder or runs the
 * command here. `cli` holds the streams, the terminal and the clock. Returns
 * the exit code.
 */
int commands_run(struct fw_cli *cli, int argc, char **argv);

/*
 * Runs one command in this process: argv[0] is its name, the shared options
 * are not among the rest. Used by main and by the running server.
 */
int commands_run_here(struct fw_cli *cli, int argc, char **argv);

/*
 * True if the run must happen where the caller is: the row says so, or an
 * option names a file of the caller.
 */
bool commands_is_local(const struct fw_command *command, int argc, char **argv);

#endif
