/* SPDX-License-Identifier: GPL-3.0-or-later */
/* config_actions.c - the keys of `actions`, and what they must be. */
#include <stdio.h>
#include <string.h>

#include "server/config/config_check.h"
#include "server/dispatch/dispatch_hold.h"
#include "storage/base/limits.h"

#define ACTION(field) .offset = offsetof(struct config_action, field)
const struct config_key config_action_keys[] = {
    {.name = "action",
     .type = CONFIG_TEXT,
     ACTION(name),
     .required = true,
     .help = "its name, which watches give under `actions`; unique"},
    {.name = "command",
     .type = CONFIG_TEXTS,
     ACTION(command.words),
     .count_offset = offsetof(struct config_action, command.word_count),
     .required = true,
     .help = "path of a program, and its arguments; no shell. It gets the "
             "alert on its standard input"},
    {.name = "timeout",
     .type = CONFIG_DURATION,
     ACTION(command.timeout),
     .initial = "30s",
     .least = 100,
     .most = 3600000,
     .help = "how long it may take"},
    {.name = "per_hour",
     .type = CONFIG_COUNT,
     ACTION(per_hour),
     .initial = "2",
     .most = FW_MAX_ACTION_RUNS,
     .help = "runs in an hour, 0 for any number; beyond them it is refused"},
    {.name = "per_day",
     .type = CONFIG_COUNT,
     ACTION(per_day),
     .initial = "10",
     .most = FW_MAX_ACTION_RUNS,
     .help = "runs in a day, 0 for any number"},
    {.name = "quiet_hours",
     .type = CONFIG_LIST,
     ACTION(quiet),
     .count_offset = offsetof(struct config_action, quiet_count),
     .below = config_window_keys,
     .item_bytes = sizeof(struct config_window),
     .place_offset = offsetof(struct config_window, line),
     .most_items = 100,
     .help = "when it does not run, but waits"},
    {.name = "dry_run",
     .type = CONFIG_BOOL,
     ACTION(dry_run),
     .initial = "false",
     .help = "write down that it would have run, and start nothing"},
    {.name = "needs_acknowledgement",
     .type = CONFIG_BOOL,
     ACTION(needs_ack),
     .initial = "false",
     .help = "wait until somebody has acknowledged the alert"},
    {.name = "expires",
     .type = CONFIG_TEXT,
     ACTION(expires),
     .help = "from then on it is refused, as in 2027-01-31T00:00:00Z"},
    {.name = "owner",
     .type = CONFIG_TEXT,
     ACTION(owner),
     .required = true,
     .help = "who answers for it"},
    {.name = "reason",
     .type = CONFIG_TEXT,
     ACTION(reason),
     .required = true,
     .help = "why it may be done without asking, in a sentence"},
    {0},
};

static fw_rc check_command(const struct config_file *f, const struct node *map,
                           struct config_action *a, struct fw_err *err)
{
    if (a->command.word_count == 0 || a->command.words[0][0] != '/')
        return config_fail(f, map, err,
                           "the action '%s': a command begins with the full "
                           "path of a program",
                           a->name);
    a->command.line = map->line;
    return FW_OK;
}

fw_rc config_check_action(const struct config_file *f, const struct node *map,
                          struct config_action *a, struct fw_err *err)
{
    const struct config *config = f->config;
    struct fw_err inner = {0};
    fw_rc rc = check_command(f, map, a, err);

    if (rc != FW_OK)
        return rc;
    if (strlen(a->name) > 200 || strchr(a->name, ',') != NULL)
        return config_fail(f, map, err,
                           "an action's name has at most 200 bytes and no "
                           "comma");
    for (size_t i = 0; i < config->action_count; i++)
        if (strcmp(config->actions[i].name, a->name) == 0)
            return config_fail(f, map, err,
                               "the action '%s' stands already in line %d",
                               a->name, config->actions[i].line);
    /* Not "now-6h": it must mean the same whenever it is read. */
    if (a->expires != NULL && (a->expires[0] < '0' || a->expires[0] > '9' ||
                               fw_parse_time(fw_str_of(a->expires), 0,
                                             &a->expires_at, &inner) != FW_OK))
        return config_fail(f, map, err,
                           "the action '%s': 'expires' takes a time such as "
                           "2027-01-31T00:00:00Z, not '%s'",
                           a->name, a->expires);
    for (size_t i = 0; i < a->quiet_count; i++)
        if (hold_check_window(&a->quiet[i], &inner) != FW_OK)
            return config_fail(f, map, err, "the action '%s': %s", a->name,
                               inner.text);
    return FW_OK;
}

fw_rc config_check_named_actions(const struct config *config,
                                 struct fw_err *err)
{
    for (size_t w = 0; w < config->watch_count; w++) {
        const struct config_watch *watch = &config->watches[w];

        for (size_t i = 0; i < watch->action_count; i++) {
            size_t a = 0;

            while (a < config->action_count &&
                   strcmp(config->actions[a].name, watch->actions[i]) != 0)
                a++;
            if (a == config->action_count)
                return fw_err_set(err, FW_EINVAL,
                                  "%s:%d: the watch '%s' names the action "
                                  "'%s', which does not stand under 'actions'",
                                  watch->file, watch->line, watch->name,
                                  watch->actions[i]);
        }
    }
    return FW_OK;
}
