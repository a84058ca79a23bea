/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * main.c - forewarn, the one binary.
 */
#include <signal.h>

#include "predict/predict.h"
#include "server/cli/commands.h"
#include "server/cli/console.h"

int main(int argc, char **argv)
{
    struct console console;
    struct fw_err err = {0};

    /* A peer or a pager that goes away is an error of one write, no more. */
    (void)signal(SIGPIPE, SIG_IGN);
    console_init(&console);
    /* query/ does not know predict/: its functions are handed down. */
    if (fw_predict_register(&err) != FW_OK) {
        (void)fprintf(stderr, "forewarn: %s\n", err.text);
        return FW_EXIT_FAIL;
    }
    return console_finish(&console, commands_run(&console.cli, argc, argv));
}
