/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * cli.h - what every command shares: its row in the table of commands, its
 * options as data (so that parsing, --help, manual pages and completion read
 * the same rows), and the world it runs in.
 *
 * A command never touches stdout, stderr, the clock or the working folder by
 * itself: all of it comes in `struct fw_cli`. So the same function serves a
 * person at a terminal and, inside the running server, a client that asks
 * through the local socket.
 */
#ifndef FW_STORAGE_BASE_CLI_H
#define FW_STORAGE_BASE_CLI_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include "storage/base/clock.h"
#include "storage/base/err.h"

struct fw_store; /* storage/storage.h */

enum fw_exit {
    FW_EXIT_OK = 0,    /* done */
    FW_EXIT_NO = 1,    /* the answer is no */
    FW_EXIT_USAGE = 2, /* wrong usage, or text that does not parse */
    FW_EXIT_FAIL = 3   /* anything else */
};

struct fw_option {
    const char *name;    /* "horizon" for --horizon */
    char letter;         /* short form, or 0 */
    const char *arg;     /* name of its argument, NULL for a switch; one that
                            begins with "FILE" is read where the caller is */
    const char *initial; /* default as text, NULL for none; shown in help */
    const char *help;    /* one sentence, no full stop */
};

struct fw_command;

/* The world a command runs in. All pointers are borrowed. */
struct fw_cli {
    FILE *out;         /* data */
    FILE *err;         /* words */
    bool tty;          /* out is a terminal: draw, align */
    bool color;        /* and it takes colours (NO_COLOR unset) */
    bool utf8;         /* more than ASCII can be shown there: draw in braille */
    int columns, rows; /* its size; 80 x 24 where unknown */
    const struct fw_clock *clock;
    const struct fw_command *command; /* the row being run */
    struct fw_store *store;    /* open already inside the server; else NULL */
    const char *data_dir;      /* the folder: --data, $FOREWARN_DATA, default */
    const atomic_bool *cancel; /* set when the caller went away; or NULL */
};

enum fw_command_flags {
    FW_CMD_DATA = 1,  /* reads the data folder: a server there answers it */
    FW_CMD_LOCAL = 2, /* always runs in the caller's process */
    FW_CMD_PATHS = 4  /* its arguments are paths: the server gets whole ones */
};

struct fw_command {
    const char *name;
    int (*run)(struct fw_cli *cli, int argc, char **argv); /* an fw_exit */
    const char *args; /* "EXPR" in the usage line; NULL for none */
    const char *help; /* one sentence for the list of commands */
    const char *more; /* paragraphs and examples under --help, or NULL */
    const struct fw_option *options; /* ends with a row of zeros, or NULL */
    int flags;
};

#define FW_CLI_MAX_OPTIONS 48
#define FW_CLI_MAX_GIVEN 128 /* later ones are not kept */

/* The outcome of parsing: values in the order of the command's options. */
struct fw_args {
    const char *value[FW_CLI_MAX_OPTIONS]; /* text, "" for a switch, or NULL */
    char **rest;                           /* what is not an option */
    int rest_count;
    /* Every option as it came, for those that may be given again. */
    int given[FW_CLI_MAX_GIVEN];
    const char *given_value[FW_CLI_MAX_GIVEN];
    size_t given_count;
};

/* Every command has these besides its own: --data, --help. */
extern const struct fw_option fw_common_options[];

/*
 * Parses argv (argv[0] is the command's name) by the rows of cli->command.
 * FW_OK; FW_END when --help was asked for and has been printed to cli->out;
 * FW_EINVAL after one sentence on cli->err. Values point into argv. The
 * common options are not in args->value: the program's main took them.
 */
FW_CHECK fw_rc fw_cli_parse(struct fw_cli *cli, int argc, char **argv,
                            struct fw_args *args);

/* The value of option `name` (its default where not given), or NULL. */
const char *fw_args_get(const struct fw_cli *cli, const struct fw_args *args,
                        const char *name);
/* The i-th value (from 0) that was given for an option, or NULL. */
const char *fw_args_each(const struct fw_cli *cli, const struct fw_args *args,
                         const char *name, size_t i);
bool fw_args_has(const struct fw_cli *cli, const struct fw_args *args,
                 const char *name);

/* A duration or number option; FW_EINVAL names the option. */
FW_CHECK fw_rc fw_args_duration(const struct fw_cli *cli,
                                const struct fw_args *args, const char *name,
                                fw_ms *out, struct fw_err *err);
FW_CHECK fw_rc fw_args_double(const struct fw_cli *cli,
                              const struct fw_args *args, const char *name,
                              double *out, struct fw_err *err);

/*
 * One of a fixed set of words ("table", "json", ... ending with NULL): its
 * index in *out; FW_EINVAL names the choices and the nearest.
 */
FW_CHECK fw_rc fw_args_choice(const struct fw_cli *cli,
                              const struct fw_args *args, const char *name,
                              const char *const *words, int *out,
                              struct fw_err *err);

/* Prints "forewarn COMMAND: sentence" and returns the exit code for it. */
int fw_cli_fail(struct fw_cli *cli, const struct fw_err *err);

/* Writes to cli->out with control characters made visible on a terminal. */
void fw_cli_print_text(struct fw_cli *cli, const char *text);

/* The usage, help and options of a command, as --help shows them. */
void fw_cli_help(FILE *to, const struct fw_command *command);

#endif
