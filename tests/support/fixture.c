/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * fixture.c - the frame around a table of unit tests.
 */
#include "tests/support/fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "tests/support/tmpdir.h"

static uint64_t seed_from_clock(void)
{
    struct timespec now = {0};
    (void)clock_gettime(CLOCK_REALTIME, &now); /* any number will do */
    return (uint64_t)now.tv_sec * 1000000007u + (uint64_t)now.tv_nsec;
}

uint64_t fixture_seed(void)
{
    static uint64_t seed;
    static bool known;
    if (!known) {
        const char *text = getenv("FOREWARN_SEED");
        if (text == NULL || *text == '\0')
            seed = 1;
        else if (strcmp(text, "random") == 0)
            seed = seed_from_clock();
        else
            seed = strtoull(text, NULL, 10);
        known = true;
    }
    return seed;
}

bool patience_lasts(struct patience *patience)
{
    const struct timespec pause = {.tv_nsec = 5000000};
    struct timespec t;
    int64_t now_ms;

    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    now_ms = (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
    if (patience->until_ms == 0)
        patience->until_ms = now_ms + 60000;
    (void)nanosleep(&pause, NULL);
    return now_ms < patience->until_ms;
}

int fixture_run(int argc, char **argv, const char *name,
                const struct CMUnitTest *tests, size_t count)
{
    printf("seed: FOREWARN_SEED=%llu\n", (unsigned long long)fixture_seed());
    (void)fflush(stdout); /* so that it stands before a crash */
    if (argc > 1)
        cmocka_set_test_filter(argv[1]);
    const char *slash = strrchr(name, '/');
    int failed = _cmocka_run_group_tests(slash != NULL ? slash + 1 : name,
                                         tests, count, NULL, NULL);
    tmpdir_remove_all();
    return failed == 0 ? 0 : 1;
}
