/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * script.h - runs scripts of tests/query: data in, expression, wanted answer.
 * tests/query/README.md has the language.
 */
#ifndef TESTS_UNIT_QUERY_SCRIPT_H
#define TESTS_UNIT_QUERY_SCRIPT_H

#include <stddef.h>

struct script_result {
    size_t cases;
    size_t failures; /* each was told on stderr as FILE:LINE: sentence */
};

struct script_result script_run(const char *path);

/* The main() of a test that runs every script of a folder, one test each. */
int script_main(int argc, char **argv, const char *file, const char *folder,
                const char *features);

#endif
