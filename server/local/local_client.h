/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * local_client.h - a command asks the server that runs on its data folder.
 */
#ifndef SERVER_LOCAL_LOCAL_CLIENT_H
#define SERVER_LOCAL_LOCAL_CLIENT_H

#include "storage/base/cli.h"

/*
 * Has the server of cli->data_dir run argv, and copies what it says to
 * cli->out and cli->err. FW_OK and its exit code; FW_NONE where no server
 * answers there (a stale socket included) or it will not run this: the caller
 * runs it; FW_EIO when the server went away in the middle.
 */
FW_CHECK fw_rc local_ask(struct fw_cli *cli, int argc, char **argv, int *code,
                         struct fw_err *err);

#endif
