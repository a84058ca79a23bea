/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * completion.c - the table of commands as shells want it to complete a line:
 * commands, the words of those that have some, options, files, and names of
 * metrics where an expression is meant.
 */
#include <stdbool.h>
#include <string.h>

#include "server/cli/manual.h"

enum { BASH, ZSH, FISH };

const char *const manual_shells[] = {"bash", "zsh", "fish", NULL};

/* Calls put() for each word that may follow a command: the first of each
 * alternative of its arguments where it is not a placeholder. */
static void each_verb(const struct fw_command *c, FILE *to,
                      void (*put)(FILE *to, const struct fw_command *c,
                                  const char *word, size_t n))
{
    const char *p = c->args;

    while (p != NULL) {
        size_t n;

        p += strspn(p, "| ");
        n = strspn(p, "abcdefghijklmnopqrstuvwxyz");
        if (n > 0 && (p[n] == ' ' || p[n] == '\0'))
            put(to, c, p, n);
        p = strchr(p, '|');
    }
}

static bool wants_metric(const struct fw_command *c)
{
    return c->args != NULL && (strncmp(c->args, "EXPR", 4) == 0 ||
                               strcmp(c->args, "SELECTOR") == 0);
}

static bool wants_path(const char *arg)
{
    return arg != NULL &&
           (strncmp(arg, "FILE", 4) == 0 || strcmp(arg, "DIR") == 0);
}

/* A word in single quotes, which hold anything but themselves. */
static void put_quoted(FILE *to, const char *text)
{
    (void)fputc('\'', to);
    for (; *text != '\0'; text++) {
        if (*text == '\'')
            (void)fputs("'\\'", to);
        (void)fputc(*text, to);
    }
    (void)fputc('\'', to);
}

static void bash_verb(FILE *to, const struct fw_command *c, const char *word,
                      size_t n)
{
    (void)c;
    (void)fprintf(to, " %.*s", (int)n, word);
}

static void bash_options(FILE *to, const struct fw_option *o)
{
    for (; o != NULL && o->name != NULL; o++)
        (void)fprintf(to, " --%s", o->name);
}

/* The options whose argument is a path, or any other one. */
static void bash_takers(FILE *to, const struct fw_command *c, bool path)
{
    const struct fw_option *const both[] = {c->options, fw_common_options};

    for (size_t i = 0; i < 2; i++)
        for (const struct fw_option *o = both[i]; o != NULL && o->name != NULL;
             o++) {
            if (o->arg == NULL || wants_path(o->arg) != path)
                continue;
            (void)fprintf(to, " --%s", o->name);
            if (o->letter != 0)
                (void)fprintf(to, " -%c", o->letter);
        }
}

static void bash_command(FILE *to, const struct fw_command *c)
{
    (void)fprintf(to, "    %s)\n        options='", c->name);
    bash_options(to, c->options);
    bash_options(to, fw_common_options);
    (void)fputs("'\n        paths='", to);
    bash_takers(to, c, true);
    (void)fputs(" '\n        others='", to);
    bash_takers(to, c, false);
    (void)fputs(" '\n        words='", to);
    each_verb(c, to, bash_verb);
    (void)fprintf(to, "'\n        metric=%s\n        ;;\n",
                  wants_metric(c) ? "yes" : "");
}

static void bash_all(FILE *to, const struct manual *m)
{
    (void)fputs(
        "# forewarn in bash: commands, options, files, names of metrics.\n"
        "_forewarn()\n{\n"
        "    local now=${COMP_WORDS[COMP_CWORD]} "
        "before=${COMP_WORDS[COMP_CWORD-1]}\n"
        "    local options paths others words metric\n"
        "    COMPREPLY=()\n"
        "    if [ \"$COMP_CWORD\" -eq 1 ]; then\n"
        "        mapfile -t COMPREPLY < <(compgen -W '",
        to);
    for (size_t i = 0; i < m->table_count; i++)
        for (const struct fw_command *c = m->tables[i]; c->name != NULL; c++)
            (void)fprintf(to, " %s", c->name);
    (void)fputs("' -- \"$now\")\n        return\n    fi\n"
                "    case ${COMP_WORDS[1]} in\n",
                to);
    for (size_t i = 0; i < m->table_count; i++)
        for (const struct fw_command *c = m->tables[i]; c->name != NULL; c++)
            bash_command(to, c);
    (void)fputs(
        "    *) return ;;\n    esac\n"
        "    case \"$paths\" in *\" $before \"*)\n"
        "        mapfile -t COMPREPLY < <(compgen -f -- \"$now\"); return ;;\n "
        "   esac\n"
        "    case \"$others\" in *\" $before \"*) return ;; esac\n"
        "    if [ -n \"$metric\" ] && [ \"${now#-}\" = \"$now\" ]; then\n"
        "        words=$(forewarn values __name__ 2>/dev/null)\n"
        "    fi\n"
        "    mapfile -t COMPREPLY < <(compgen -W \"$options $words\" -- "
        "\"$now\")\n"
        "    [ -n \"${COMPREPLY[*]}\" ] || "
        "mapfile -t COMPREPLY < <(compgen -f -- \"$now\")\n"
        "}\n"
        "complete -o filenames -F _forewarn forewarn\n",
        to);
}

/* A text within _arguments' brackets, within single quotes. */
static void zsh_text(FILE *to, const char *text)
{
    for (; *text != '\0'; text++) {
        if (*text == '\'')
            (void)fputs("'\\'", to);
        else if (strchr("[]:\\", *text) != NULL)
            (void)fputc('\\', to);
        (void)fputc(*text, to);
    }
}

static void zsh_options(FILE *to, const struct fw_option *o)
{
    for (; o != NULL && o->name != NULL; o++) {
        (void)fputs(" \\\n            ", to);
        if (o->letter != 0)
            (void)fprintf(to, "'(-%c --%s)'{-%c,--%s}'[", o->letter, o->name,
                          o->letter, o->name);
        else
            (void)fprintf(to, "'--%s[", o->name);
        zsh_text(to, o->help);
        (void)fputc(']', to);
        if (o->arg != NULL) {
            (void)fputc(':', to);
            zsh_text(to, o->arg);
            (void)fputs(wants_path(o->arg) ? ":_files" : ": ", to);
        }
        (void)fputc('\'', to);
    }
}

static void zsh_verb(FILE *to, const struct fw_command *c, const char *word,
                     size_t n)
{
    (void)c;
    (void)fprintf(to, " %.*s", (int)n, word);
}

static void zsh_command(FILE *to, const struct fw_command *c)
{
    (void)fprintf(to, "    %s)\n        _arguments -s", c->name);
    zsh_options(to, c->options);
    zsh_options(to, fw_common_options);
    if (wants_metric(c)) {
        (void)fputs(" \\\n            '*:metric:_forewarn_metrics'", to);
    } else if (c->args != NULL) {
        (void)fputs(" \\\n            '1:word:(", to);
        each_verb(c, to, zsh_verb);
        (void)fputs(")' '*:file:_files'", to);
    }
    (void)fputs("\n        ;;\n", to);
}

static void zsh_all(FILE *to, const struct manual *m)
{
    (void)fputs("#compdef forewarn\n"
                "# forewarn in zsh: commands, options, files, names of "
                "metrics.\n"
                "_forewarn_metrics()\n{\n"
                "    compadd -- ${(f)\"$(forewarn values __name__ "
                "2>/dev/null)\"}\n}\n\n"
                "_forewarn()\n{\n    local -a commands=(",
                to);
    for (size_t i = 0; i < m->table_count; i++)
        for (const struct fw_command *c = m->tables[i]; c->name != NULL; c++) {
            (void)fprintf(to, "\n        '%s:", c->name);
            zsh_text(to, c->help);
            (void)fputc('\'', to);
        }
    (void)fputs("\n    )\n"
                "    if (( CURRENT == 2 )); then\n"
                "        _describe command commands\n        return\n"
                "    fi\n"
                "    local command=$words[2]\n"
                "    shift words\n    (( CURRENT-- ))\n"
                "    case $command in\n",
                to);
    for (size_t i = 0; i < m->table_count; i++)
        for (const struct fw_command *c = m->tables[i]; c->name != NULL; c++)
            zsh_command(to, c);
    (void)fputs("    esac\n}\n\n"
                "if [ \"$funcstack[1]\" = _forewarn ]; then\n"
                "    _forewarn \"$@\"\nelse\n"
                "    compdef _forewarn forewarn\nfi\n",
                to);
}

static void fish_verb(FILE *to, const struct fw_command *c, const char *word,
                      size_t n)
{
    (void)fprintf(to,
                  "complete -c forewarn -f -n "
                  "'__fish_seen_subcommand_from %s' -a %.*s\n",
                  c->name, (int)n, word);
}

static void fish_options(FILE *to, const struct fw_command *c,
                         const struct fw_option *o)
{
    for (; o != NULL && o->name != NULL; o++) {
        (void)fprintf(to,
                      "complete -c forewarn -n '__fish_seen_subcommand_from "
                      "%s' -l %s",
                      c->name, o->name);
        if (o->letter != 0)
            (void)fprintf(to, " -s %c", o->letter);
        if (o->arg != NULL)
            (void)fputs(wants_path(o->arg) ? " -r -F" : " -x", to);
        (void)fputs(" -d ", to);
        put_quoted(to, o->help);
        (void)fputc('\n', to);
    }
}

static void fish_all(FILE *to, const struct manual *m)
{
    (void)fputs("# forewarn in fish: commands, options, files, names of "
                "metrics.\n",
                to);
    for (size_t i = 0; i < m->table_count; i++)
        for (const struct fw_command *c = m->tables[i]; c->name != NULL; c++) {
            (void)fprintf(to,
                          "complete -c forewarn -f -n __fish_use_subcommand "
                          "-a %s -d ",
                          c->name);
            put_quoted(to, c->help);
            (void)fputc('\n', to);
            each_verb(c, to, fish_verb);
            fish_options(to, c, c->options);
            fish_options(to, c, fw_common_options);
            if (wants_metric(c))
                (void)fprintf(to,
                              "complete -c forewarn -f -n "
                              "'__fish_seen_subcommand_from %s' -a "
                              "'(forewarn values __name__ 2>/dev/null)'\n",
                              c->name);
        }
}

void manual_completion(FILE *to, const struct manual *manual, int shell)
{
    if (shell == BASH)
        bash_all(to, manual);
    else if (shell == ZSH)
        zsh_all(to, manual);
    else
        fish_all(to, manual);
}
