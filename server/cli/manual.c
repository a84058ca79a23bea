/* SPDX-License-Identifier: GPL-3.0-or-later */
/* manual.c - pages of man(7), as troff. completion.c has the shells. */
#include "server/cli/manual.h"

#include <stdbool.h>
#include <string.h>

/* Text as troff takes it: no escape, no request, and a dash that is one. */
static void put_text(FILE *to, const char *text, size_t n)
{
    bool begins = true;

    for (size_t i = 0; i < n; i++) {
        char c = text[i];

        if (begins && (c == '.' || c == '\''))
            (void)fputs("\\&", to);
        if (c == '\\')
            (void)fputs("\\e", to);
        else if (c == '-')
            (void)fputs("\\-", to);
        else
            (void)fputc(c, to);
        begins = c == '\n';
    }
}

static void put_word(FILE *to, const char *word)
{
    put_text(to, word, strlen(word));
}

/*
 * The paragraphs of a command: a line that begins with two blanks is an
 * example and stays as it is; so is a list, whose words stand apart.
 */
static void put_more(FILE *to, const char *more)
{
    bool as_is = false;

    while (*more != '\0') {
        size_t n = strcspn(more, "\n");
        bool verbatim = strncmp(more, "  ", 2) == 0 ||
                        (n > 0 && memmem(more, n, "  ", 2) != NULL);

        if (n > 0 && verbatim != as_is)
            (void)fputs(verbatim ? ".PP\n.nf\n.RS 2\n" : ".RE\n.fi\n.PP\n", to);
        if (n > 0)
            as_is = verbatim;
        if (n == 0)
            (void)fputs(as_is ? "\n" : ".PP\n", to);
        else {
            put_text(to, more, n);
            (void)fputc('\n', to);
        }
        more += n + (more[n] == '\n');
    }
    if (as_is)
        (void)fputs(".RE\n.fi\n", to);
}

static void put_option(FILE *to, const struct fw_option *o)
{
    (void)fputs(".TP\n", to);
    if (o->letter != 0)
        (void)fprintf(to, "\\fB\\-%c\\fR, ", o->letter);
    (void)fputs("\\fB\\-\\-", to);
    put_word(to, o->name);
    (void)fputs("\\fR", to);
    if (o->arg != NULL) {
        (void)fputs(" \\fI", to);
        put_word(to, o->arg);
        (void)fputs("\\fR", to);
    }
    (void)fputc('\n', to);
    put_word(to, o->help);
    if (o->initial != NULL) {
        (void)fputs(" (default ", to);
        put_word(to, o->initial);
        (void)fputc(')', to);
    }
    (void)fputs(".\n", to);
}

static bool is_among(const struct fw_option *options, const char *name)
{
    for (; options != NULL && options->name != NULL; options++)
        if (strcmp(options->name, name) == 0)
            return true;
    return false;
}

/* The command's own, and those of all where it has none of that name. */
static void put_options(FILE *to, const struct fw_option *own)
{
    for (const struct fw_option *o = own; o != NULL && o->name != NULL; o++)
        put_option(to, o);
    for (const struct fw_option *o = fw_common_options; o->name != NULL; o++)
        if (!is_among(own, o->name))
            put_option(to, o);
}

static void put_head(FILE *to, const char *page, const char *what)
{
    (void)fputs(".TH \"", to);
    for (const char *p = page; *p != '\0'; p++)
        (void)fputc(*p >= 'a' && *p <= 'z' ? *p - 'a' + 'A' : *p, to);
    (void)fprintf(to,
                  "\" \"1\" \"\" \"forewarn %s\" \"User Commands\"\n"
                  ".SH NAME\n",
                  FW_VERSION);
    put_word(to, page);
    (void)fputs(" \\- ", to);
    put_word(to, what);
    (void)fputc('\n', to);
}

static void put_exits(FILE *to)
{
    (void)fputs(".SH EXIT STATUS\n"
                "0 done, 1 the answer is no, 2 wrong usage, 3 anything else.\n",
                to);
}

static void page_of_command(FILE *to, const struct fw_command *c)
{
    char page[64];

    (void)snprintf(page, sizeof(page), "forewarn-%s", c->name);
    put_head(to, page, c->help);
    (void)fputs(".SH SYNOPSIS\n\\fBforewarn ", to);
    put_word(to, c->name);
    (void)fputs("\\fR [\\fIOPTION\\fR]...", to);
    if (c->args != NULL) {
        (void)fputc(' ', to);
        put_word(to, c->args);
    }
    (void)fputc('\n', to);
    if (c->more != NULL) {
        (void)fputs(".SH DESCRIPTION\n", to);
        put_more(to, c->more);
    }
    (void)fputs(".SH OPTIONS\n", to);
    put_options(to, c->options);
    put_exits(to);
    (void)fputs(".SH SEE ALSO\n.BR forewarn (1)\n", to);
}

static void page_of_all(FILE *to, const struct manual *manual)
{
    put_head(to, "forewarn",
             "a time-series store that tells when a limit will be crossed");
    (void)fputs(".SH SYNOPSIS\n\\fBforewarn\\fR \\fICOMMAND\\fR "
                "[\\fIOPTION\\fR]...\n"
                ".SH DESCRIPTION\n"
                "One program and one data folder: \\fBforewarn serve\\fR takes "
                "telemetry in, watches it and answers; every other command "
                "asks that server, or reads the folder where none runs.\n"
                ".SH COMMANDS\n",
                to);
    for (size_t i = 0; i < manual->table_count; i++)
        for (const struct fw_command *c = manual->tables[i]; c->name != NULL;
             c++) {
            (void)fputs(".TP\n\\fBforewarn\\-", to);
            put_word(to, c->name);
            (void)fputs("\\fR(1)\n", to);
            put_word(to, c->help);
            (void)fputs(".\n", to);
        }
    (void)fputs(".SH OPTIONS OF EVERY COMMAND\n", to);
    put_options(to, NULL);
    put_exits(to);
    (void)fputs(".SH ENVIRONMENT\n"
                ".TP\n\\fBFOREWARN_DATA\\fR\nthe data folder.\n"
                ".TP\n\\fBNO_COLOR\\fR\nno colours, whatever it says.\n"
                ".SH FILES\n"
                ".TP\n\\fI/etc/forewarn/forewarn.yml\\fR\n"
                "the configuration of the service.\n"
                ".TP\n\\fI/var/lib/forewarn\\fR\nits data folder.\n",
                to);
}

void manual_page(FILE *to, const struct manual *manual,
                 const struct fw_command *command)
{
    if (command == NULL)
        page_of_all(to, manual);
    else
        page_of_command(to, command);
}
