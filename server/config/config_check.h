/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * config_check.h - what one row of the schema cannot know, and how a mistake
 * in a file is named.
 */
#ifndef SERVER_CONFIG_CHECK_H
#define SERVER_CONFIG_CHECK_H

#include "server/config/config_schema.h"
#include "server/config/yaml_tree.h"

/* One file being read. */
struct config_file {
    struct config *config;
    const char *name; /* lives in the config's arena */
};

/* FW_EINVAL with "FILE:LINE:COLUMN: sentence" and the place of `at`. */
fw_rc config_fail(const struct config_file *f, const struct node *at,
                  struct fw_err *err, const char *fmt, ...) FW_PRINTF(4, 5);

/*
 * Judges a watch whose keys are read (they stand in `map`), derives what was
 * left out, and compares it with the watches of the config before it.
 */
FW_CHECK fw_rc config_check_watch(const struct config_file *f,
                                  const struct node *map,
                                  struct config_watch *watch,
                                  struct fw_err *err);

/* The same for a schedule. */
FW_CHECK fw_rc config_check_schedule(const struct config_file *f,
                                     const struct node *map,
                                     struct config_schedule *schedule,
                                     struct fw_err *err);

/* The same for a rule of relabelling. */
FW_CHECK fw_rc config_check_relabel(const struct config_file *f,
                                    const struct node *map,
                                    const struct config_relabel *rule,
                                    struct fw_err *err);

/* The same for an action; reads `expires`. */
FW_CHECK fw_rc config_check_action(const struct config_file *f,
                                   const struct node *map,
                                   struct config_action *action,
                                   struct fw_err *err);

/* Once all is read: the actions that watches name must be there. */
FW_CHECK fw_rc config_check_named_actions(const struct config *config,
                                          struct fw_err *err);

/* What a forecast of this watch is asked at `now`. */
struct fw_forecast_options
config_watch_question(const struct config_watch *watch, fw_ms now);

/* Fills `history` and `recover` where they were not given. */
void config_watch_derive(struct config_watch *watch);

#endif
