/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "storage/backup/cli_backup.h"

#include "storage/storage.h"

const char cli_backup_more[] =
    "DIR is a new folder. It becomes a copy of the data folder as it is at "
    "one moment, with every sample that was acknowledged before, and a "
    "MANIFEST with the SHA-256 of each file. A running server makes it while "
    "it goes on writing and answering. Until the copy is whole it is called "
    "DIR.unfinished, so that DIR is never half a backup.\n\n"
    "  forewarn backup /backup/forewarn-2026-11-23\n";

const char cli_restore_more[] =
    "Makes the data folder that --data names, which must not be there yet or "
    "be empty, of the backup in DIR. Every file is compared with its hash "
    "while it is copied, and the copy is verified as 'forewarn verify' does; "
    "where anything is wrong nothing is restored and the exit code is 1. The "
    "backup stays as it is.\n\n"
    "  forewarn restore /backup/forewarn-2026-11-23 --data "
    "/var/lib/forewarn-new\n"
    "  forewarn restore --check /backup/forewarn-2026-11-23\n";

const struct fw_option cli_restore_options[] = {
    {.name = "check",
     .help = "compare every file of the backup with its hash, and no more"},
    {0},
};

static void print_report(struct fw_cli *cli, const char *what, const char *dir,
                         const struct fw_backup_report *r)
{
    char at[FW_TIME_TEXT_BYTES];

    (void)fw_format_time(at, r->at);
    fw_cli_print_text(cli, dir);
    (void)fprintf(cli->out,
                  ": %s, as of %s and journal record %llu, %llu files, %llu "
                  "bytes\n",
                  what, at, (unsigned long long)r->record,
                  (unsigned long long)r->files, (unsigned long long)r->bytes);
}

/* The one folder that stands in the arguments. */
static fw_rc parse(struct fw_cli *cli, int argc, char **argv,
                   struct fw_args *args, int *code)
{
    fw_rc rc = fw_cli_parse(cli, argc, argv, args);

    *code = rc == FW_END ? FW_EXIT_OK : FW_EXIT_USAGE;
    if (rc == FW_OK && args->rest_count != 1) {
        (void)fprintf(cli->err, "forewarn %s: name one folder DIR\n",
                      cli->command->name);
        rc = FW_EINVAL;
    }
    return rc;
}

int cmd_backup(struct fw_cli *cli, int argc, char **argv)
{
    struct fw_args args = {0};
    struct fw_backup_report report;
    struct fw_store *store = NULL;
    struct fw_err err = {0};
    int code;
    fw_rc rc = parse(cli, argc, argv, &args, &code);

    if (rc != FW_OK)
        return code;
    rc = fw_cli_store_open(cli, &store, &err);
    if (rc == FW_OK)
        rc = fw_store_backup(store, args.rest[0], cli->cancel, &report, &err);
    fw_cli_store_close(cli, store);
    if (rc != FW_OK)
        return fw_cli_fail(cli, &err);
    print_report(cli, "a backup", args.rest[0], &report);
    return FW_EXIT_OK;
}

int cmd_restore(struct fw_cli *cli, int argc, char **argv)
{
    struct fw_args args = {0};
    struct fw_backup_report report;
    struct fw_err err = {0};
    bool check;
    int code;
    fw_rc rc = parse(cli, argc, argv, &args, &code);

    if (rc != FW_OK)
        return code;
    check = fw_args_has(cli, &args, "check");
    rc = check ? fw_backup_check(args.rest[0], &report, &err)
               : fw_store_restore(args.rest[0], cli->data_dir, cli->cancel,
                                  &report, &err);
    if (rc == FW_ECORRUPT) {
        (void)fw_cli_fail(cli, &err);
        return FW_EXIT_NO;
    }
    if (rc != FW_OK)
        return fw_cli_fail(cli, &err);
    if (check)
        print_report(cli, "all right", args.rest[0], &report);
    else
        print_report(cli, "restored", cli->data_dir, &report);
    return FW_EXIT_OK;
}
