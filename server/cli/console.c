/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "server/cli/console.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "server/ingest/number.h"

#define SYSTEM_DATA_DIR "/var/lib/forewarn"

static const char *env(const char *name)
{
    const char *value = getenv(name);

    return value != NULL && *value != '\0' ? value : NULL;
}

/* $FOREWARN_DATA, the system's folder if it is a store, or the XDG one. */
void console_default_data_dir(char out[FW_PATH_BYTES])
{
    const char *home = env("HOME");
    const char *xdg = env("XDG_DATA_HOME");
    int n;

    if (env("FOREWARN_DATA") != NULL)
        n = snprintf(out, FW_PATH_BYTES, "%s", env("FOREWARN_DATA"));
    else if (fw_dir_exists(SYSTEM_DATA_DIR "/meta"))
        n = snprintf(out, FW_PATH_BYTES, "%s", SYSTEM_DATA_DIR);
    else if (xdg != NULL)
        n = snprintf(out, FW_PATH_BYTES, "%s/forewarn", xdg);
    else
        n = snprintf(out, FW_PATH_BYTES, "%s/.local/share/forewarn",
                     home != NULL ? home : "");
    if (n < 0 || n >= FW_PATH_BYTES)
        (void)snprintf(out, FW_PATH_BYTES, "%s", SYSTEM_DATA_DIR);
}

/* A terminal of our days, or a locale that says so. */
static bool shows_utf8(bool tty)
{
    const char *names[] = {"LC_ALL", "LC_CTYPE", "LANG"};
    const char *locale = NULL;

    for (size_t i = 0; i < 3 && locale == NULL; i++)
        locale = env(names[i]);
    return tty || (locale != NULL && (strcasestr(locale, "UTF-8") != NULL ||
                                      strcasestr(locale, "UTF8") != NULL));
}

static int env_number(const char *name)
{
    const char *text = env(name);
    int64_t v;

    if (text == NULL || !number_parse_int(fw_str_of(text), &v) || v < 1 ||
        v > 10000)
        return 0;
    return (int)v;
}

static void measure(struct fw_cli *cli)
{
    struct winsize size = {0};

    if (cli->tty && ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0) {
        cli->columns = size.ws_col;
        cli->rows = size.ws_row;
    }
    if (cli->columns == 0)
        cli->columns = env_number("COLUMNS");
    if (cli->rows == 0)
        cli->rows = env_number("LINES");
    if (cli->columns == 0)
        cli->columns = 80;
    if (cli->rows == 0)
        cli->rows = 24;
}

void console_init(struct console *console)
{
    struct fw_cli *cli = &console->cli;
    const char *term = env("TERM");

    *cli = (struct fw_cli){.out = stdout,
                           .err = stderr,
                           .clock = fw_clock_system(),
                           .data_dir = console->data_dir};
    cli->tty = isatty(STDOUT_FILENO) == 1;
    cli->color = cli->tty && env("NO_COLOR") == NULL &&
                 (term == NULL || strcmp(term, "dumb") != 0);
    cli->utf8 = shows_utf8(cli->tty);
    measure(cli);
    console_default_data_dir(console->data_dir);
}

int console_finish(struct console *console, int code)
{
    bool failed = fflush(console->cli.out) != 0 || ferror(console->cli.out);

    if (!failed || errno == EPIPE)
        return code;
    (void)fprintf(console->cli.err, "forewarn: standard output: %s\n",
                  strerror(errno));
    return FW_EXIT_FAIL;
}
