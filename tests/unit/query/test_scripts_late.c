/* SPDX-License-Identifier: GPL-3.0-or-later */
/* test_scripts_late.c - those of tests/query/late: metric names go late. */
#include "tests/unit/query/script.h"

int main(int argc, char **argv)
{
    return script_main(
        argc, argv, __FILE__, "tests/query/late",
        "promql-experimental-functions,promql-delayed-name-removal");
}
