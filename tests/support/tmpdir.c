/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * tmpdir.c - folders that vanish when the test program ends.
 */
#include "tests/support/tmpdir.h"

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>

#define MAX_FOLDERS 1024

static char *g_folders[MAX_FOLDERS];
static size_t g_folder_count;

static _Noreturn void give_up(const char *what)
{
    perror(what);
    abort();
}

const char *tmpdir_new(void)
{
    const char *base = getenv("TMPDIR");
    char *path = NULL;
    if (g_folder_count == MAX_FOLDERS)
        give_up("tmpdir: too many folders");
    if (asprintf(&path, "%s/forewarn-test-XXXXXX",
                 base != NULL && *base != '\0' ? base : "/tmp") < 0 ||
        mkdtemp(path) == NULL)
        give_up("tmpdir");
    g_folders[g_folder_count++] = path;
    return path;
}

char *tmpdir_path(char *out, size_t size, const char *folder, const char *name)
{
    int n = snprintf(out, size, "%s/%s", folder, name);
    if (n < 0 || (size_t)n >= size)
        give_up("tmpdir: path too long");
    return out;
}

static int remove_one(const char *path, const struct stat *st, int kind,
                      struct FTW *at)
{
    (void)st;
    (void)kind;
    (void)at;
    (void)remove(path); /* what is left shows in the parent's failure */
    return 0;
}

void tmpdir_remove(const char *folder)
{
    (void)nftw(folder, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

void tmpdir_remove_all(void)
{
    while (g_folder_count > 0) {
        char *path = g_folders[--g_folder_count];
        g_folders[g_folder_count] = NULL;
        tmpdir_remove(path);
        free(path);
    }
}
