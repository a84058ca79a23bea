/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * fixture.h - the first include of every unit test: cmocka with what it needs,
 * a seed that is printed, and the main() that runs a table of tests.
 *
 *     int main(int argc, char **argv)
 *     {
 *         const struct CMUnitTest tests[] = {
 *             cmocka_unit_test(block_keeps_every_bit),
 *         };
 *         return fixture_main(argc, argv, tests);
 *     }
 *
 * `test_block '*every*'` runs the tests whose names match.
 */
#ifndef TESTS_SUPPORT_FIXTURE_H
#define TESTS_SUPPORT_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define fixture_main(argc, argv, tests)                                        \
    fixture_run((argc), (argv), __FILE__, (tests),                             \
                sizeof(tests) / sizeof((tests)[0]))

/* Runs the tests; returns what main() returns. */
int fixture_run(int argc, char **argv, const char *name,
                const struct CMUnitTest *tests, size_t count);

/*
 * The seed of this run: $FOREWARN_SEED, `random` for one from the clock, or 1.
 * The same in the whole run; printed by fixture_main().
 */
uint64_t fixture_seed(void);

/*
 * What another thread or process does is waited for, not slept over:
 *
 *     struct patience patience = {0};
 *
 *     while (!done() && patience_lasts(&patience))
 *         continue;
 *     assert_true(done());
 *
 * A few ms each time, a minute in all: the slowest machine is quicker.
 */
struct patience {
    int64_t until_ms; /* 0: not begun */
};

bool patience_lasts(struct patience *patience);

#endif
