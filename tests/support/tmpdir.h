/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * tmpdir.h - folders that vanish when the test program ends.
 */
#ifndef TESTS_SUPPORT_TMPDIR_H
#define TESTS_SUPPORT_TMPDIR_H

#include <stddef.h>

/*
 * A new empty folder beneath $TMPDIR or /tmp. The text lives until
 * tmpdir_remove_all(), which fixture_main() calls; at most 1,024 in one
 * program. Any failure ends the test program: a test without its folder has no
 * meaning.
 */
const char *tmpdir_new(void);

/* Writes `folder`/`name` to `out`, and returns `out`. */
char *tmpdir_path(char *out, size_t size, const char *folder, const char *name);

/* Removes a folder and all that is in it; one that is gone is no error. */
void tmpdir_remove(const char *folder);
void tmpdir_remove_all(void);

#endif
