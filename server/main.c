/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * main.c - forewarn, the one binary.
 */
#include <signal.h>

#include "server/commands.h"
#include "server/console.h"

int main(int argc, char **argv)
{
    struct console console;

    /* A peer or a pager that goes away is an error of one write, no more. */
    (void)signal(SIGPIPE, SIG_IGN);
    console_init(&console);
    return console_finish(&console, commands_run(&console.cli, argc, argv));
}
