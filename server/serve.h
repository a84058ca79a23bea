/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * serve.h - the server as a whole.
 */
#ifndef SERVER_SERVE_H
#define SERVER_SERVE_H

#include <stdio.h>

#include "server/config.h"

/*
 * Opens everything, says so in one line on `err_stream`, serves until SIGTERM
 * or SIGINT, and closes everything. To be called before any thread is started:
 * it blocks these signals for all of them. `dir` is the data folder, which is
 * made if it is not there.
 */
FW_CHECK fw_rc serve_run(const struct config *config, const char *dir,
                         const struct fw_clock *clock, FILE *err_stream,
                         struct fw_err *err);

extern const struct fw_command serve_commands[]; /* ends with zeros */

#endif
