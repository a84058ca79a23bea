/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "storage/base/cli.h"

#include <argp.h>
#include <stdlib.h>
#include <string.h>

#include "storage/base/str.h"

#define ARGP_KEY_FIRST 1000 /* above any letter */

const struct fw_option fw_common_options[] = {
    {"data", 0, "DIR", NULL,
     "the data folder ($FOREWARN_DATA, else /var/lib/forewarn or "
     "~/.local/share/forewarn)"},
    {"help", 'h', NULL, NULL, "print this help"},
    {0},
};

static size_t option_count(const struct fw_option *options)
{
    size_t n = 0;

    while (options != NULL && options[n].name != NULL)
        n++;
    return n;
}

static const struct fw_option *find_option(const struct fw_option *options,
                                           const char *name, size_t len)
{
    for (size_t i = 0; i < option_count(options); i++)
        if (strlen(options[i].name) == len &&
            memcmp(options[i].name, name, len) == 0)
            return &options[i];
    return NULL;
}

static void print_option(FILE *to, const struct fw_option *o)
{
    char head[64];
    int n = snprintf(
        head, sizeof(head), "  %c%c%s --%s%s%s", o->letter != 0 ? '-' : ' ',
        o->letter != 0 ? o->letter : ' ', o->letter != 0 ? "," : " ", o->name,
        o->arg != NULL ? " " : "", o->arg != NULL ? o->arg : "");

    (void)fprintf(to, "%-30s%s%s", head, n >= 30 ? "  " : "", o->help);
    if (o->initial != NULL)
        (void)fprintf(to, " (default %s)", o->initial);
    (void)fputc('\n', to);
}

void fw_cli_help(FILE *to, const struct fw_command *command)
{
    (void)fprintf(to, "Usage: forewarn %s [OPTION]...%s%s\n\n%s.\n",
                  command->name, command->args != NULL ? " " : "",
                  command->args != NULL ? command->args : "", command->help);
    (void)fprintf(to, "\nOptions:\n");
    for (size_t i = 0; i < option_count(command->options); i++)
        print_option(to, &command->options[i]);
    for (size_t i = 0; i < option_count(fw_common_options); i++)
        if (find_option(command->options, fw_common_options[i].name,
                        strlen(fw_common_options[i].name)) == NULL)
            print_option(to, &fw_common_options[i]);
    if (command->more != NULL)
        (void)fprintf(to, "\n%s\n", command->more);
}

/*
 * argp does the parsing, but its words for an unknown option name none that is
 * near; so long options are looked up here first.
 */
static bool knows_long(struct fw_cli *cli, const char *arg)
{
    const char *name = arg + 2;
    size_t len = strcspn(name, "=");
    const char *names[FW_CLI_MAX_OPTIONS + 4];
    const char *near;
    char word[64];
    size_t n = 0;

    if (find_option(cli->command->options, name, len) != NULL ||
        find_option(fw_common_options, name, len) != NULL)
        return true;
    for (size_t i = 0; i < option_count(cli->command->options); i++)
        names[n++] = cli->command->options[i].name;
    for (size_t i = 0; i < option_count(fw_common_options); i++)
        names[n++] = fw_common_options[i].name;
    (void)snprintf(word, sizeof(word), "%.*s", (int)len, name);
    near = fw_nearest(word, names, n);
    (void)fprintf(cli->err, "forewarn %s: no option --%s", cli->command->name,
                  word);
    if (near != NULL)
        (void)fprintf(cli->err, "; did you mean --%s?", near);
    (void)fprintf(cli->err, " (--help lists them)\n");
    return false;
}

struct parse {
    struct fw_cli *cli;
    struct fw_args *args;
    size_t count;
};

static void take_value(struct fw_args *args, int option, const char *arg)
{
    args->value[option] = arg != NULL ? arg : "";
    if (args->given_count == FW_CLI_MAX_GIVEN)
        return;
    args->given[args->given_count] = option;
    args->given_value[args->given_count++] = args->value[option];
}

static error_t take(int key, char *arg, struct argp_state *state)
{
    struct parse *parse = state->input;

    if (key == ARGP_KEY_INIT) {
        state->err_stream = parse->cli->err;
        state->out_stream = parse->cli->out;
        return 0;
    }
    if (key == ARGP_KEY_ARG) {
        parse->args->rest[parse->args->rest_count++] = arg;
        return 0;
    }
    if (key >= ARGP_KEY_FIRST && key < ARGP_KEY_FIRST + (int)parse->count) {
        take_value(parse->args, key - ARGP_KEY_FIRST, arg);
        return 0;
    }
    /* Short letters arrive as themselves. */
    for (size_t i = 0; i < parse->count; i++)
        if (parse->cli->command->options[i].letter != 0 &&
            key == parse->cli->command->options[i].letter) {
            take_value(parse->args, (int)i, arg);
            return 0;
        }
    return ARGP_ERR_UNKNOWN;
}

static bool asks_help(int argc, char **argv)
{
    for (int i = 1; i < argc && strcmp(argv[i], "--") != 0; i++)
        if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0)
            return true;
    return false;
}

/* True if the word after this one is the value of this option. */
static bool takes_next(const struct fw_cli *cli, const char *arg)
{
    const struct fw_option *o;

    if (strchr(arg, '=') != NULL)
        return false;
    o = find_option(cli->command->options, arg + 2, strlen(arg + 2));
    return o != NULL && o->arg != NULL;
}

fw_rc fw_cli_parse(struct fw_cli *cli, int argc, char **argv,
                   struct fw_args *args)
{
    struct argp_option rows[FW_CLI_MAX_OPTIONS + 1] = {{0}};
    struct argp argp = {rows, take, NULL, NULL, NULL, NULL, NULL};
    struct parse parse = {cli, args, option_count(cli->command->options)};

    *args = (struct fw_args){.rest = argv + 1};
    if (asks_help(argc, argv)) {
        fw_cli_help(cli->out, cli->command);
        return FW_END;
    }
    for (int i = 1; i < argc && strcmp(argv[i], "--") != 0; i++) {
        if (strncmp(argv[i], "--", 2) != 0)
            continue;
        if (!knows_long(cli, argv[i]))
            return FW_EINVAL;
        if (takes_next(cli, argv[i]))
            i++;
    }
    for (size_t i = 0; i < parse.count && i < FW_CLI_MAX_OPTIONS; i++) {
        const struct fw_option *o = &cli->command->options[i];

        rows[i].name = o->name;
        rows[i].key = o->letter != 0 ? o->letter : ARGP_KEY_FIRST + (int)i;
        rows[i].arg = o->arg;
    }
    /* argp permutes argv, so `rest` may safely grow over its front. */
    if (argp_parse(&argp, argc, argv, ARGP_NO_EXIT | ARGP_NO_HELP | ARGP_SILENT,
                   NULL, &parse) != 0) {
        (void)fprintf(cli->err,
                      "forewarn %s: an option lacks its value, or is unknown "
                      "(--help lists them)\n",
                      cli->command->name);
        return FW_EINVAL;
    }
    return FW_OK;
}

static int index_of(const struct fw_cli *cli, const char *name)
{
    const struct fw_option *o =
        find_option(cli->command->options, name, strlen(name));

    FW_ASSERT(o != NULL); /* a command asks for an option it never declared */
    return (int)(o - cli->command->options);
}

const char *fw_args_each(const struct fw_cli *cli, const struct fw_args *args,
                         const char *name, size_t i)
{
    int option = index_of(cli, name);

    for (size_t j = 0; j < args->given_count; j++)
        if (args->given[j] == option && i-- == 0)
            return args->given_value[j];
    return NULL;
}

const char *fw_args_get(const struct fw_cli *cli, const struct fw_args *args,
                        const char *name)
{
    int i = index_of(cli, name);

    return args->value[i] != NULL ? args->value[i]
                                  : cli->command->options[i].initial;
}

bool fw_args_has(const struct fw_cli *cli, const struct fw_args *args,
                 const char *name)
{
    return args->value[index_of(cli, name)] != NULL;
}

fw_rc fw_args_duration(const struct fw_cli *cli, const struct fw_args *args,
                       const char *name, fw_ms *out, struct fw_err *err)
{
    const char *text = fw_args_get(cli, args, name);

    if (text == NULL)
        return fw_err_set(err, FW_EINVAL, "--%s is needed", name);
    if (fw_parse_duration(fw_str_of(text), out, err) != FW_OK)
        return fw_err_prefix(err, "--%s", name);
    return FW_OK;
}

fw_rc fw_args_double(const struct fw_cli *cli, const struct fw_args *args,
                     const char *name, double *out, struct fw_err *err)
{
    const char *text = fw_args_get(cli, args, name);

    if (text == NULL)
        return fw_err_set(err, FW_EINVAL, "--%s is needed", name);
    if (fw_parse_double(fw_str_of(text), out, err) != FW_OK)
        return fw_err_prefix(err, "--%s", name);
    return FW_OK;
}

fw_rc fw_args_choice(const struct fw_cli *cli, const struct fw_args *args,
                     const char *name, const char *const *words, int *out,
                     struct fw_err *err)
{
    const char *text = fw_args_get(cli, args, name);
    char choices[256] = "";
    size_t n = 0;

    for (; words[n] != NULL; n++) {
        size_t len = strlen(choices);

        if (text != NULL && strcmp(words[n], text) == 0) {
            *out = (int)n;
            return FW_OK;
        }
        (void)snprintf(choices + len, sizeof(choices) - len, "%s%s",
                       n == 0 ? "" : ", ", words[n]);
    }
    return fw_err_set(err, FW_EINVAL, "--%s takes one of %s, not '%s'", name,
                      choices, text != NULL ? text : "");
}

int fw_cli_fail(struct fw_cli *cli, const struct fw_err *err)
{
    (void)fprintf(cli->err, "forewarn %s: ", cli->command->name);
    for (const char *p = err->text; *p != '\0'; p++) {
        /* A message may span lines (an underlined query); nothing else of
         * the control characters gets through. */
        unsigned char c = (unsigned char)*p;

        if (c < 0x20 && c != '\n')
            (void)fprintf(cli->err, "\\x%02x", c);
        else
            (void)fputc(*p, cli->err);
    }
    (void)fputc('\n', cli->err);
    return err->rc == FW_EINVAL ? FW_EXIT_USAGE : FW_EXIT_FAIL;
}

void fw_cli_print_text(struct fw_cli *cli, const char *text)
{
    struct fw_buf out = FW_BUF_INIT(strlen(text) * 8 + 16);

    if (fw_add_visible(&out, fw_str_of(text)) == FW_OK && out.data != NULL)
        (void)fputs(out.data, cli->out);
    fw_buf_release(&out);
}
