/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * cli_storage.c - the commands of this room, and the store others work on.
 */
#include "storage/storage.h"

fw_rc fw_cli_store_open(struct fw_cli *cli, struct fw_store **out,
                        struct fw_err *err)
{
    struct fw_store_options options = {.read_only = true, .clock = cli->clock};

    if (cli->store != NULL) {
        *out = cli->store;
        return FW_OK;
    }
    return fw_store_open(cli->data_dir, &options, out, err);
}

void fw_cli_store_close(struct fw_cli *cli, struct fw_store *store)
{
    if (store != cli->store)
        fw_store_close(store);
}

const struct fw_command fw_storage_commands[] = {
    {0},
};
