/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * serve.h - the server as a whole.
 */
#ifndef SERVER_SERVE_H
#define SERVER_SERVE_H

#include <stdio.h>

#include "server/config/config.h"

/* All borrowed; they outlive the run. */
struct serve_setup {
    const struct config *config;
    const char *dir; /* the data folder; it is made if it is not there */
    const struct fw_clock *clock;
    FILE *ready; /* where the ready line goes */
    /* Reads the configuration again, on SIGHUP. The server frees *out. */
    fw_rc (*load)(void *self, struct config **out, struct fw_err *err);
    void *self;
};

/*
 * Opens everything, says so in one line, serves until SIGTERM or SIGINT, and
 * closes everything. To be called before any thread is started: it blocks
 * these signals for all of them.
 */
FW_CHECK fw_rc serve_run(const struct serve_setup *setup, struct fw_err *err);

extern const struct fw_command serve_commands[]; /* ends with zeros */

#endif
