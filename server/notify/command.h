/* SPDX-License-Identifier: GPL-3.0-or-later */
/* command.h - a notification handed to a program, on its standard input. */
#ifndef SERVER_NOTIFY_COMMAND_H
#define SERVER_NOTIFY_COMMAND_H

#include "server/config/config.h"
#include "server/notify/webhook.h"

/*
 * Runs the program (no shell, an environment of PATH alone, output thrown
 * away) and waits. Exit code 0: delivered; 75 (try again later), a time-out or
 * a signal: later; anything else: never.
 */
enum webhook_answer command_run(const struct config_command *command,
                                struct fw_str payload, struct fw_err *err);

#endif
