/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "tests/support/fixture.h"

#include <stdio.h>
#include <string.h>

#include "storage/base/log.h"

static void keep(void *self, enum fw_log_level level, const char *line)
{
    (void)level;
    (void)snprintf(self, 500, "%s", line);
}

static void a_line_is_logfmt_and_shows_control_characters(void **state)
{
    char line[500] = "";

    (void)state;
    fw_log_to(keep, line);
    fw_log(FW_LOG_WARN, "bad line \"%s\"", "x\033[2J\n");
    fw_log_to(NULL, NULL);
    assert_non_null(strstr(line, "level=warn"));
    assert_non_null(strstr(line, "msg=\"bad line \\\"x"));
    assert_null(strchr(line, '\033'));
    assert_null(strchr(line, '\n'));
}

static void less_than_the_level_is_not_written(void **state)
{
    char line[500] = "";

    (void)state;
    fw_log_to(keep, line);
    fw_log(FW_LOG_DEBUG, "quiet");
    assert_string_equal(line, "");
    fw_log_set_level(FW_LOG_DEBUG);
    fw_log(FW_LOG_DEBUG, "loud");
    assert_non_null(strstr(line, "loud"));
    fw_log_set_level(FW_LOG_INFO);
    fw_log_to(NULL, NULL);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_line_is_logfmt_and_shows_control_characters),
        cmocka_unit_test(less_than_the_level_is_not_written),
    };

    return fixture_main(argc, argv, tests);
}
