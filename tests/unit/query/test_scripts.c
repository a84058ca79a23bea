/* SPDX-License-Identifier: GPL-3.0-or-later */
/* test_scripts.c - every script of tests/query, one test each. */
#include "tests/unit/query/script.h"

int main(int argc, char **argv)
{
    return script_main(argc, argv, __FILE__, "tests/query",
                       "promql-experimental-functions");
}
