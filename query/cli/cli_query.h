/* SPDX-License-Identifier: GPL-3.0-or-later */
/* cli_query.h - the commands of this room, one function each. */
#ifndef FW_QUERY_CLI_QUERY_H
#define FW_QUERY_CLI_QUERY_H

#include "query/query.h"

int cmd_series(struct fw_cli *cli, int argc, char **argv);
int cmd_values(struct fw_cli *cli, int argc, char **argv);
int cmd_labels(struct fw_cli *cli, int argc, char **argv);
int cmd_explain(struct fw_cli *cli, int argc, char **argv);

extern const struct fw_option cli_series_options[];
extern const struct fw_option cli_label_options[];

/* FW_EINVAL unless there is exactly one word besides the options. */
FW_CHECK fw_rc cli_one_expression(struct fw_cli *cli,
                                  const struct fw_args *args,
                                  struct fw_err *err);

#endif
