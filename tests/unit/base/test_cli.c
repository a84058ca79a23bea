/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "tests/support/fixture.h"

#include <stdlib.h>
#include <string.h>

#include "storage/base/cli.h"

static const struct fw_option options[] = {
    {"horizon", 'H', "DURATION", "6h", "how far ahead"},
    {"level", 0, "PERCENT", NULL, "width of the interval"},
    {"fail-empty", 0, NULL, NULL, "exit 1 when there is no data"},
    {0},
};

static const struct fw_command command = {
    .name = "forecast", .args = "EXPR", .help = "forecast", .options = options};

#define WORDS 16

struct world {
    struct fw_cli cli;
    char *out, *err;
    size_t out_len, err_len;
    char line[256];
    char *argv[WORDS];
    struct fw_args args;
};

static struct world *world_new(void)
{
    struct world *w = calloc(1, sizeof(*w));

    assert_non_null(w);
    w->cli.out = open_memstream(&w->out, &w->out_len);
    w->cli.err = open_memstream(&w->err, &w->err_len);
    w->cli.command = &command;
    return w;
}

static void world_flush(struct world *w)
{
    (void)fflush(w->cli.out);
    (void)fflush(w->cli.err);
}

static void world_free(struct world *w)
{
    (void)fclose(w->cli.out);
    (void)fclose(w->cli.err);
    free(w->out);
    free(w->err);
    free(w);
}

/* Parses a command line that is cut at its blanks, as by a shell. */
static fw_rc parse(struct world *w, const char *line)
{
    int argc = 0;
    char *save = NULL;

    (void)snprintf(w->line, sizeof(w->line), "%s", line);
    for (char *word = strtok_r(w->line, " ", &save);
         word != NULL && argc < WORDS - 1; word = strtok_r(NULL, " ", &save))
        w->argv[argc++] = word;
    w->argv[argc] = NULL;
    return fw_cli_parse(&w->cli, argc, w->argv, &w->args);
}

static void options_and_words_mix_in_any_order(void **state)
{
    struct world *w = world_new();
    fw_ms horizon = 0;
    double level = 0;

    (void)state;
    assert_int_equal(parse(w, "forecast a --level=95 -H 1h b"), FW_OK);
    assert_int_equal(w->args.rest_count, 2);
    assert_string_equal(w->args.rest[0], "a");
    assert_string_equal(w->args.rest[1], "b");
    assert_int_equal(
        fw_args_duration(&w->cli, &w->args, "horizon", &horizon, NULL), FW_OK);
    assert_int_equal(horizon, FW_HOUR);
    assert_int_equal(fw_args_double(&w->cli, &w->args, "level", &level, NULL),
                     FW_OK);
    assert_true(level == 95);
    assert_false(fw_args_has(&w->cli, &w->args, "fail-empty"));
    world_free(w);
}

static void what_is_not_given_has_its_default(void **state)
{
    struct world *w = world_new();

    (void)state;
    assert_int_equal(parse(w, "forecast --fail-empty"), FW_OK);
    assert_string_equal(fw_args_get(&w->cli, &w->args, "horizon"), "6h");
    assert_null(fw_args_get(&w->cli, &w->args, "level"));
    assert_true(fw_args_has(&w->cli, &w->args, "fail-empty"));
    world_free(w);
}

static void a_value_may_begin_with_a_dash(void **state)
{
    struct world *w = world_new();

    (void)state;
    assert_int_equal(parse(w, "forecast --level --5"), FW_OK);
    assert_string_equal(fw_args_get(&w->cli, &w->args, "level"), "--5");
    world_free(w);
}

static void a_typo_is_answered_with_the_nearest(void **state)
{
    struct world *w = world_new();

    (void)state;
    assert_int_equal(parse(w, "forecast --horizn 6h"), FW_EINVAL);
    world_flush(w);
    assert_non_null(strstr(w->err, "did you mean --horizon?"));
    assert_int_equal(w->out_len, 0);
    world_free(w);
}

static void a_missing_value_is_an_error(void **state)
{
    struct world *w = world_new();

    (void)state;
    assert_int_equal(parse(w, "forecast --level"), FW_EINVAL);
    world_flush(w);
    assert_non_null(strstr(w->err, "--help"));
    world_free(w);
}

static void help_lists_every_option(void **state)
{
    struct world *w = world_new();

    (void)state;
    assert_int_equal(parse(w, "forecast x --help"), FW_END);
    world_flush(w);
    assert_non_null(strstr(w->out, "Usage: forewarn forecast"));
    assert_non_null(strstr(w->out, "-H, --horizon DURATION"));
    assert_non_null(strstr(w->out, "--fail-empty"));
    assert_non_null(strstr(w->out, "--data DIR"));
    world_free(w);
}

static void a_choice_names_the_choices(void **state)
{
    static const char *const words[] = {"table", "json", NULL};
    struct world *w = world_new();
    struct fw_err err = {0};
    int choice = -1;

    (void)state;
    assert_int_equal(parse(w, "forecast --level xml"), FW_OK);
    assert_int_equal(
        fw_args_choice(&w->cli, &w->args, "level", words, &choice, &err),
        FW_EINVAL);
    assert_non_null(strstr(err.text, "table, json"));
    assert_int_equal(choice, -1);
    world_free(w);
}

static void failures_choose_the_exit_code(void **state)
{
    struct world *w = world_new();
    struct fw_err usage = {.rc = FW_EINVAL, .text = "bad\033[2J"};
    struct fw_err other = {.rc = FW_EIO, .text = "disk"};

    (void)state;
    assert_int_equal(fw_cli_fail(&w->cli, &usage), FW_EXIT_USAGE);
    assert_int_equal(fw_cli_fail(&w->cli, &other), FW_EXIT_FAIL);
    world_flush(w);
    assert_null(strchr(w->err, '\033'));
    world_free(w);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(options_and_words_mix_in_any_order),
        cmocka_unit_test(what_is_not_given_has_its_default),
        cmocka_unit_test(a_value_may_begin_with_a_dash),
        cmocka_unit_test(a_typo_is_answered_with_the_nearest),
        cmocka_unit_test(a_missing_value_is_an_error),
        cmocka_unit_test(help_lists_every_option),
        cmocka_unit_test(a_choice_names_the_choices),
        cmocka_unit_test(failures_choose_the_exit_code),
    };

    return fixture_main(argc, argv, tests);
}
