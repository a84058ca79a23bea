/* SPDX-License-Identifier: GPL-3.0-or-later */
/* cli_backup.h - the commands `backup` and `restore`; rows in cli_storage.c. */
#ifndef STORAGE_CLI_BACKUP_H
#define STORAGE_CLI_BACKUP_H

#include "storage/base/cli.h"

int cmd_backup(struct fw_cli *cli, int argc, char **argv);
int cmd_restore(struct fw_cli *cli, int argc, char **argv);

extern const struct fw_option cli_restore_options[];
extern const char cli_backup_more[];
extern const char cli_restore_more[];

#endif
