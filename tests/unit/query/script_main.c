/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "tests/unit/query/script.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "query/query.h"
#include "tests/support/fixture.h"

#define MAX_SCRIPTS 256

static void script_answers_as_wanted(void **state)
{
    struct script_result result = script_run(*state);

    print_message("%s: %zu cases\n", (const char *)*state, result.cases);
    assert_true(result.cases > 0);
    assert_int_equal(result.failures, 0);
}

static int is_script(const struct dirent *entry)
{
    size_t n = strlen(entry->d_name);

    return n > 5 && strcmp(entry->d_name + n - 5, ".test") == 0;
}

int script_main(int argc, char **argv, const char *file, const char *folder,
                const char *features)
{
    static struct CMUnitTest tests[MAX_SCRIPTS];
    static char paths[MAX_SCRIPTS][300];
    struct dirent **names = NULL;
    struct fw_err err = {0};
    int n = scandir(folder, &names, is_script, alphasort);

    FW_ASSERT(n > 0 && n <= MAX_SCRIPTS);
    FW_ASSERT(fw_query_enable(features, &err) == FW_OK);
    for (int i = 0; i < n; i++) {
        (void)snprintf(paths[i], sizeof(paths[i]), "%s/%s", folder,
                       names[i]->d_name);
        tests[i] = (struct CMUnitTest){paths[i], script_answers_as_wanted, NULL,
                                       NULL, paths[i]};
        free(names[i]);
    }
    free(names);
    return fixture_run(argc, argv, file, tests, (size_t)n);
}
