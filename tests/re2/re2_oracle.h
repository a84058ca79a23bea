/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * re2_oracle.h - RE2 itself, for comparison. Built where libre2-dev is.
 */
#ifndef TESTS_RE2_RE2_ORACLE_H
#define TESTS_RE2_RE2_ORACLE_H

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

/* NULL if RE2 refuses the pattern; *why then says so (valid until the next). */
void *re2_oracle_new(const char *pattern, size_t n, const char **why);
void re2_oracle_free(void *oracle);

/* 1 if the whole text matches. */
int re2_oracle_matches(const void *oracle, const char *text, size_t n);

#ifdef __cplusplus
}
#endif

#endif
