/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * config_print.h - a configuration written out again, as it is in force.
 */
#ifndef SERVER_CONFIG_PRINT_H
#define SERVER_CONFIG_PRINT_H

#include "server/config/config.h"
#include "storage/base/str.h"

/* What stands in place of a password, as in Prometheus. */
#define CONFIG_SECRET "<secret>"

/*
 * Appends `config` as YAML that config_read() takes, but for its secrets:
 * every key that has a value, defaults and options of the command line
 * included, secrets as CONFIG_SECRET. Watches of `watch_files` are left to
 * their files.
 */
FW_CHECK fw_rc config_print(const struct config *config, struct fw_buf *out,
                            struct fw_err *err);

#endif
