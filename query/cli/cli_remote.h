/* SPDX-License-Identifier: GPL-3.0-or-later */
/* cli_remote.h - commands that ask another server: --server URL. */
#ifndef FW_QUERY_CLI_REMOTE_H
#define FW_QUERY_CLI_REMOTE_H

#include "query/cli/remote_answer.h"

#define CLI_SERVER_OPTION                                                      \
    {                                                                          \
        "server", 0, "URL", NULL,                                              \
            "ask this server, Forewarn or another with Prometheus's API"       \
    }

/* What --server says, or NULL. */
const char *cli_remote_server(const struct fw_cli *cli,
                              const struct fw_args *args);

/* A form that grows: name=value, percent-encoded. */
FW_CHECK fw_rc cli_remote_add(struct fw_buf *form, const char *name,
                              struct fw_str value);
FW_CHECK fw_rc cli_remote_add_time(struct fw_buf *form, const char *name,
                                   fw_ms t);

/* The parameters of query and query_range for a question of the command. */
FW_CHECK fw_rc cli_remote_query_form(struct fw_buf *form, const char *text,
                                     const struct fw_query_options *options,
                                     struct fw_err *err);

/*
 * Asks SERVER/PATH and reads the answer; `part` is appended to the path,
 * percent-encoded, if it is not empty.
 */
FW_CHECK fw_rc cli_remote_ask(const char *server, const char *path,
                              struct fw_str part, const char *after,
                              const struct fw_buf *form, struct fw_arena *arena,
                              struct remote_answer *out, struct fw_err *err);

#endif
