/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * runner.h - runs what watches name under `actions`, once for each alert and
 * within the limits of each. One thread, one action at a time.
 */
#ifndef SERVER_ACTION_RUNNER_H
#define SERVER_ACTION_RUNNER_H

#include "server/config/config.h"
#include "storage/storage.h"

struct runner;

struct runner_options {
    struct fw_store *store;       /* borrowed */
    const struct fw_clock *clock; /* NULL: the system's */
    const struct config *config;  /* borrowed */
    /* Runs the program; NULL: command_run(). For tests. */
    bool (*run)(void *self, const struct config_command *command,
                struct fw_str payload, struct fw_err *err);
    void *self;
};

/* Writes the definitions to the table; no thread yet: for tests. */
FW_CHECK fw_rc runner_open(const struct runner_options *options,
                           struct runner **out, struct fw_err *err);
void runner_close(struct runner *runner);

/* Looks at all alerts once and runs at most one action; failures are logged. */
void runner_step(struct runner *runner);

/* Where there are no actions any more: their table is emptied. */
FW_CHECK fw_rc runner_clear(struct fw_store *store, struct fw_err *err);

/* The same each second on a thread of its own, until runner_stop(). */
FW_CHECK fw_rc runner_start(const struct runner_options *options,
                            struct runner **out, struct fw_err *err);
void runner_stop(struct runner *runner);

#endif
