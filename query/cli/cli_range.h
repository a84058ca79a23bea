/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * cli_range.h - what `query`, `explain`, `series` and `labels` share: options
 * of time, running, and saying why there is nothing to see.
 */
#ifndef FW_QUERY_CLI_RANGE_H
#define FW_QUERY_CLI_RANGE_H

#include "query/query.h"

/* Rows for the options that cli_times() reads. */
#define CLI_TIME_OPTIONS                                                       \
    {"time", 't', "TIME", NULL, "evaluate at this instant [now]"},             \
        {"start", 0, "TIME", NULL, "evaluate from here on: a range query"},    \
        {"end", 0, "TIME", NULL, "up to here [now]"},                          \
        {"step", 0, "DURATION", NULL,                                          \
         "distance of the points of a range [chosen to fit]"},                 \
        {"lookback", 0, "DURATION", "5m",                                      \
         "how old a sample may be and still count"},                           \
    {                                                                          \
        "enable-feature", 0, "NAME", NULL,                                     \
            "switch on promql-experimental-functions"                          \
    }

/*
 * Sets the times of a query from its options: an instant, or a range where
 * --start is given.
 */
FW_CHECK fw_rc cli_times(struct fw_cli *cli, const struct fw_args *args,
                         struct fw_query_options *out, struct fw_err *err);

/*
 * Says on cli->err why an expression has no points: what it looked for, what
 * there is, and what is near.
 */
void cli_explain_nothing(struct fw_cli *cli, struct fw_store *store,
                         const struct fw_query *query,
                         const struct fw_query_options *options);

#endif
