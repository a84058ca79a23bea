/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * console.h - the world of a command that a person or a script started.
 */
#ifndef SERVER_CONSOLE_H
#define SERVER_CONSOLE_H

#include "storage/base/cli.h"
#include "storage/base/file.h"

struct console {
    struct fw_cli cli;
    char data_dir[FW_PATH_BYTES]; /* the default folder */
};

/*
 * Fills `console` from the environment: streams, whether stdout is a terminal
 * and its size, NO_COLOR and TERM, the default data folder. The streams are
 * borrowed.
 */
void console_init(struct console *console);

/* The folder where none is named on the command line. */
void console_default_data_dir(char out[FW_PATH_BYTES]);

/*
 * Flushes stdout and gives the exit code: `code`, or FW_EXIT_FAIL where the
 * data could not be written. A reader that went away (`| head`) is no failure.
 */
int console_finish(struct console *console, int code);

#endif
