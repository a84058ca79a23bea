/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "tests/support/fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/cli/commands.h"

/* Runs `forewarn WORDS`, given as one text; what it said is kept. */
struct said {
    int code;
    char *out, *err;
    const char *data_dir;
};

static struct said run(const char *words)
{
    struct said said = {0};
    size_t out_len = 0, err_len = 0;
    char copy[256];
    char *argv[16] = {0};
    int argc = 0;
    struct fw_cli cli = {.out = open_memstream(&said.out, &out_len),
                         .err = open_memstream(&said.err, &err_len),
                         .clock = fw_clock_system(),
                         .data_dir = "default"};

    (void)snprintf(copy, sizeof(copy), "%s", words);
    for (char *p = copy; *p != '\0' && argc < 15;) {
        argv[argc++] = p;
        p += strcspn(p, " ");
        if (*p != '\0')
            *p++ = '\0';
    }
    said.code = commands_run(&cli, argc, argv);
    said.data_dir = strcmp(cli.data_dir, "default") == 0 ? "default" : "other";
    (void)fclose(cli.out);
    (void)fclose(cli.err);
    return said;
}

static void forget(struct said *said)
{
    free(said->out);
    free(said->err);
}

static void version_goes_to_stdout(void **state)
{
    struct said said = run("forewarn version");

    (void)state;
    assert_int_equal(said.code, FW_EXIT_OK);
    assert_string_equal(said.out, "forewarn " FW_VERSION "\n");
    assert_string_equal(said.err, "");
    forget(&said);
}

static void help_lists_every_command_with_two_blanks(void **state)
{
    struct said said = run("forewarn help");

    (void)state;
    assert_int_equal(said.code, FW_EXIT_OK);
    assert_non_null(strstr(said.out, "\n  help "));
    assert_non_null(strstr(said.out, "\n  version "));
    forget(&said);
}

static void no_command_is_wrong_usage(void **state)
{
    struct said said = run("forewarn");

    (void)state;
    assert_int_equal(said.code, FW_EXIT_USAGE);
    assert_string_equal(said.out, "");
    assert_non_null(strstr(said.err, "Usage:"));
    forget(&said);
}

static void a_typo_gets_a_suggestion(void **state)
{
    struct said said = run("forewarn versoin");

    (void)state;
    assert_int_equal(said.code, FW_EXIT_USAGE);
    assert_non_null(strstr(said.err, "did you mean 'version'?"));
    forget(&said);
}

static void control_characters_of_a_typo_do_not_reach_the_terminal(void **state)
{
    struct said said = run("forewarn \x1b[31mred");

    (void)state;
    assert_int_equal(said.code, FW_EXIT_USAGE);
    assert_null(strchr(said.err, '\x1b'));
    forget(&said);
}

static void the_folder_is_taken_wherever_it_stands(void **state)
{
    static const char *const forms[] = {"forewarn --data d version",
                                        "forewarn version --data d",
                                        "forewarn version --data=d"};

    (void)state;
    for (size_t i = 0; i < 3; i++) {
        struct said said = run(forms[i]);

        assert_int_equal(said.code, FW_EXIT_OK);
        assert_string_equal(said.data_dir, "other");
        forget(&said);
    }
}

static void a_folder_without_a_name_is_wrong_usage(void **state)
{
    static const char *const forms[] = {"forewarn version --data",
                                        "forewarn version --data="};

    (void)state;
    for (size_t i = 0; i < 2; i++) {
        struct said said = run(forms[i]);

        assert_int_equal(said.code, FW_EXIT_USAGE);
        forget(&said);
    }
}

static void every_option_is_in_the_manual(void **state)
{
    struct said said = run("forewarn help --man backup");

    (void)state;
    assert_int_equal(said.code, FW_EXIT_OK);
    assert_ptr_equal(strstr(said.out, ".TH \"FOREWARN-BACKUP\" \"1\""),
                     said.out);
    assert_non_null(strstr(said.out, "\\fB\\-\\-data\\fR \\fIDIR\\fR\n"));
    assert_null(strstr(said.out, " --"));
    forget(&said);
    said = run("forewarn help --man");
    assert_non_null(strstr(said.out, "\\fBforewarn\\-backup\\fR(1)\n"));
    forget(&said);
}

static void shells_that_are_not_known_are_named(void **state)
{
    struct said said = run("forewarn help --completion tcsh");

    (void)state;
    assert_int_equal(said.code, FW_EXIT_USAGE);
    assert_string_equal(said.out, "");
    assert_non_null(strstr(said.err, "bash, zsh, fish, not 'tcsh'"));
    forget(&said);
}

static int nothing(struct fw_cli *cli, int argc, char **argv)
{
    (void)cli;
    (void)argc;
    (void)argv;
    return FW_EXIT_OK;
}

static void a_file_of_the_caller_keeps_a_run_at_home(void **state)
{
    static const struct fw_option options[] = {
        {"input", 0, "FILE.csv", NULL, "read this"},
        {"horizon", 0, "SPAN", NULL, "how far"},
        {0},
    };
    const struct fw_command data = {"d",  nothing, NULL,       "help",
                                    NULL, options, FW_CMD_DATA};
    const struct fw_command home = {"l",  nothing, NULL,        "help",
                                    NULL, options, FW_CMD_LOCAL};
    char *far[] = {(char *)"d", (char *)"--horizon", (char *)"6h"};
    char *near[] = {(char *)"d", (char *)"--input=x"};
    char *help[] = {(char *)"d", (char *)"--help"};

    (void)state;
    assert_false(commands_is_local(&data, 3, far));
    assert_true(commands_is_local(&data, 2, near));
    assert_true(commands_is_local(&data, 2, help));
    assert_true(commands_is_local(&home, 3, far));
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(version_goes_to_stdout),
        cmocka_unit_test(help_lists_every_command_with_two_blanks),
        cmocka_unit_test(no_command_is_wrong_usage),
        cmocka_unit_test(a_typo_gets_a_suggestion),
        cmocka_unit_test(
            control_characters_of_a_typo_do_not_reach_the_terminal),
        cmocka_unit_test(the_folder_is_taken_wherever_it_stands),
        cmocka_unit_test(a_folder_without_a_name_is_wrong_usage),
        cmocka_unit_test(every_option_is_in_the_manual),
        cmocka_unit_test(shells_that_are_not_known_are_named),
        cmocka_unit_test(a_file_of_the_caller_keeps_a_run_at_home),
    };
    return fixture_main(argc, argv, tests);
}
