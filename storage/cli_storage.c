/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * cli_storage.c - the commands of this room, and the store others work on.
 */
#include "storage/storage.h"

#include "storage/backup/cli_backup.h"
#include "storage/segments/verify.h"

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

/* ---- verify ---------------------------------------------------------------
 */

static void print_finding(void *self, const char *sentence)
{
    struct fw_cli *cli = self;

    fw_cli_print_text(cli, "damaged: ");
    fw_cli_print_text(cli, sentence);
    (void)fputc('\n', cli->out);
}

static void print_totals(struct fw_cli *cli, const struct verify_totals *t)
{
    (void)fprintf(cli->out,
                  "%llu series, %llu samples in %llu blocks of %llu segments "
                  "in %llu partitions, %llu journal records: ",
                  (unsigned long long)t->series, (unsigned long long)t->samples,
                  (unsigned long long)t->blocks,
                  (unsigned long long)t->segments,
                  (unsigned long long)t->partitions,
                  (unsigned long long)t->journal_records);
    if (t->findings == 0)
        (void)fputs("all right\n", cli->out);
    else
        (void)fprintf(cli->out, "%llu damaged\n",
                      (unsigned long long)t->findings);
}

static int cmd_verify(struct fw_cli *cli, int argc, char **argv)
{
    struct fw_args args = {0};
    struct fw_store *store = NULL;
    struct verify_totals totals = {0};
    struct fw_err err = {0};
    fw_rc rc = fw_cli_parse(cli, argc, argv, &args);

    if (rc != FW_OK)
        return rc == FW_END ? FW_EXIT_OK : FW_EXIT_USAGE;
    if (args.rest_count > 0) {
        (void)fw_err_set(&err, FW_EINVAL, "'%s' is not understood",
                         args.rest[0]);
        return fw_cli_fail(cli, &err);
    }
    rc = fw_cli_store_open(cli, &store, &err);
    if (rc == FW_OK)
        rc = verify_store(store, print_finding, cli, &totals, &err);
    fw_cli_store_close(cli, store);
    if (rc == FW_ECORRUPT) {
        print_finding(cli, err.text);
        return FW_EXIT_NO;
    }
    if (rc != FW_OK)
        return fw_cli_fail(cli, &err);
    print_totals(cli, &totals);
    return totals.findings == 0 ? FW_EXIT_OK : FW_EXIT_NO;
}

/* ---- compact --------------------------------------------------------------
 */

static int cmd_compact(struct fw_cli *cli, int argc, char **argv)
{
    struct fw_store_options options = {.retention = INT64_MAX,
                                       .rollup_retention = INT64_MAX,
                                       .clock = cli->clock};
    struct fw_store *store = cli->store;
    struct fw_store_stats before, after;
    struct fw_args args = {0};
    struct fw_err err = {0};
    fw_rc rc = fw_cli_parse(cli, argc, argv, &args);

    if (rc != FW_OK)
        return rc == FW_END ? FW_EXIT_OK : FW_EXIT_USAGE;
    if (args.rest_count > 0) {
        (void)fw_err_set(&err, FW_EINVAL, "'%s' is not understood",
                         args.rest[0]);
        return fw_cli_fail(cli, &err);
    }
    if (store == NULL)
        rc = fw_store_open(cli->data_dir, &options, &store, &err);
    if (rc != FW_OK)
        return fw_cli_fail(cli, &err);
    fw_store_stats(store, &before);
    rc = fw_store_compact(store, cli->cancel, &err);
    fw_store_stats(store, &after);
    if (store != cli->store)
        fw_store_close(store);
    if (rc == FW_END)
        (void)fw_err_set(&err, FW_EIO, "it was interrupted");
    if (rc != FW_OK)
        return fw_cli_fail(cli, &err);
    (void)fprintf(cli->out,
                  "%llu partitions rewritten: %llu KiB before, %llu KiB now\n",
                  (unsigned long long)(after.partitions_closed -
                                       before.partitions_closed),
                  (unsigned long long)before.disk_bytes >> 10,
                  (unsigned long long)after.disk_bytes >> 10);
    return FW_EXIT_OK;
}

const struct fw_command fw_storage_commands[] = {
    {.name = "verify",
     .run = cmd_verify,
     .help = "check every checksum and reference of the data folder",
     .more = "Reads the registry, the journal and every block of every "
             "partition, compares what they say of each other, and prints a "
             "line for each thing that is wrong with its file, segment, "
             "series and time. Nothing is changed; a running server goes on "
             "meanwhile. Exit code 1 means that something is damaged.\n\n"
             "  forewarn verify --data /var/lib/forewarn\n",
     .flags = FW_CMD_DATA},
    {.name = "backup",
     .run = cmd_backup,
     .args = "DIR",
     .help = "copy the data folder to a new one, while it is written",
     .more = cli_backup_more,
     .flags = FW_CMD_DATA | FW_CMD_PATHS},
    {.name = "restore",
     .run = cmd_restore,
     .args = "DIR",
     .help = "make a data folder of a backup, if all of it is right",
     .more = cli_restore_more,
     .options = cli_restore_options,
     .flags = FW_CMD_LOCAL},
    {.name = "compact",
     .run = cmd_compact,
     .help = "rewrite the data folder to its smallest form, now",
     .more = "A day that is over is rewritten by the server itself, series by "
             "series: late samples folded in, deleted ones taken out, blocks "
             "of the size that suits each series, cold data deflated. This "
             "does the same at once for everything on disk, today too. A "
             "running server goes on meanwhile; where none runs, the folder "
             "is locked until it is done.\n\n"
             "  forewarn compact --data /var/lib/forewarn\n",
     .flags = FW_CMD_DATA},
    {0},
};
