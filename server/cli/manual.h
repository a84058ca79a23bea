/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * manual.h - the table of commands as manual pages and as completions of
 * shells: the same rows that --help prints, so that none of them can be out of
 * date.
 */
#ifndef SERVER_CLI_MANUAL_H
#define SERVER_CLI_MANUAL_H

#include <stdio.h>

#include "storage/base/cli.h"

/* Tables of commands as rows that end with zeros. Borrowed. */
struct manual {
    const struct fw_command *const *tables;
    size_t table_count;
};

/* A page for man(7): of one command, or of forewarn itself where it is NULL. */
void manual_page(FILE *to, const struct manual *manual,
                 const struct fw_command *command);

/* The shells that manual_completion() knows, NULL at the end. */
extern const char *const manual_shells[];

/* What one of manual_shells[] reads to complete command lines. */
void manual_completion(FILE *to, const struct manual *manual, int shell);

#endif
