/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "server/schedule/page.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "server/cli/commands.h"
#include "storage/base/file.h"
#include "storage/base/limits.h"

#define COLUMNS 100
#define NAMES_MOST 100000 /* files of one folder that are looked at */

/* Runs one command inside this process and takes what it prints. */
static fw_rc run(struct fw_store *store, const struct fw_clock *clock, int argc,
                 char **argv, struct fw_buf *out, struct fw_err *err)
{
    char *data = NULL, *words = NULL;
    size_t data_n = 0, words_n = 0;
    struct fw_cli cli = {.columns = COLUMNS,
                         .rows = 40,
                         .clock = clock,
                         .store = store,
                         .data_dir = fw_store_dir(store)};
    fw_rc rc = FW_OK;
    int code = FW_EXIT_FAIL;

    cli.out = open_memstream(&data, &data_n);
    cli.err = open_memstream(&words, &words_n);
    if (cli.out != NULL && cli.err != NULL)
        code = commands_run_here(&cli, argc, argv);
    if (cli.out != NULL)
        (void)fclose(cli.out);
    if (cli.err != NULL)
        (void)fclose(cli.err);
    /* FW_EXIT_NO: there is nothing to show, which is an answer. */
    if (code != FW_EXIT_OK && code != FW_EXIT_NO)
        rc = fw_err_set(err, FW_EIO, "'%s': %.*s", argv[0],
                        (int)strcspn(words != NULL ? words : "", "\n"),
                        words != NULL ? words : "");
    else if (data != NULL && data_n > 0)
        rc = fw_buf_add(out, data, data_n);
    else if (words != NULL)
        rc = fw_buf_add(out, words, words_n);
    free(data);
    free(words);
    return rc;
}

static char *word(const char *text)
{
    return (char *)(uintptr_t)text; /* commands do not write to theirs */
}

fw_rc page_make(struct fw_store *store, const struct fw_clock *clock,
                const char *kind, const char *format, struct fw_buf *out,
                struct fw_err *err)
{
    char *report[] = {word("report"), word("--format"), word(format), NULL};
    char *alerts[] = {word("alerts"), NULL};
    char *record[] = {word("record"), NULL};
    fw_rc rc;

    if (strcmp(kind, "digest") != 0)
        return run(store, clock, 3, report, out, err);
    rc = fw_buf_adds(out, "Alerts\n\n");
    if (rc == FW_OK)
        rc = run(store, clock, 1, alerts, out, err);
    if (rc == FW_OK)
        rc = fw_buf_adds(out, "\nRecord\n\n");
    if (rc == FW_OK)
        rc = run(store, clock, 1, record, out, err);
    return rc;
}

/* ---- files
 * ---------------------------------------------------------------------------
 */

static const char *extension(const struct config_schedule *s)
{
    if (strcmp(s->kind, "digest") == 0 || strcmp(s->format, "text") == 0)
        return "txt";
    return s->format;
}

/* "20261123T0800Z" of "2026-11-23T08:00:00Z". */
static void stamp(fw_ms at, char out[16])
{
    char text[FW_TIME_TEXT_BYTES];
    size_t n = 0;

    (void)fw_format_time(text, at);
    for (size_t i = 0; i < 16 && text[i] != '\0' && n < 13; i++)
        if (text[i] != '-' && text[i] != ':')
            out[n++] = text[i];
    out[n++] = 'Z';
    out[n] = '\0';
}

static int compare_names(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* NAME-, fourteen characters of a stamp, the extension. */
static bool is_page(const struct config_schedule *s, const char *name)
{
    size_t n = strlen(s->name);

    return strncmp(name, s->name, n) == 0 && name[n] == '-' &&
           strlen(name + n + 1) == 14 + 1 + strlen(extension(s)) &&
           name[n + 1 + 8] == 'T' && name[n + 1 + 13] == 'Z' &&
           name[n + 1 + 14] == '.' &&
           strcmp(name + n + 1 + 15, extension(s)) == 0;
}

/* Stamps sort as times do. What cannot be removed stays. */
static void remove_old(const struct config_schedule *s)
{
    char **names = NULL;
    size_t n = 0, cap = 0;
    DIR *dir = opendir(s->folder);
    struct dirent *entry;

    if (dir == NULL)
        return;
    while ((entry = readdir(dir)) != NULL) {
        if (!is_page(s, entry->d_name))
            continue;
        if (fw_grow(&names, &cap, n + 1, sizeof(char *), NAMES_MOST) != FW_OK)
            break;
        names[n] = strdup(entry->d_name);
        if (names[n] == NULL)
            break;
        n++;
    }
    (void)closedir(dir);
    if (n > 0)
        qsort(names, n, sizeof(char *), compare_names);
    for (size_t i = 0; i < n; i++) {
        char path[4096];

        if (i + s->keep < n && snprintf(path, sizeof(path), "%s/%s", s->folder,
                                        names[i]) < (int)sizeof(path))
            (void)unlink(path);
        free(names[i]);
    }
    free(names);
}

fw_rc page_write(const struct config_schedule *s, fw_ms at,
                 const struct fw_buf *text, char *path, size_t path_bytes,
                 struct fw_err *err)
{
    char when[16];
    fw_rc rc;

    stamp(at, when);
    if (snprintf(path, path_bytes, "%s/%s-%s.%s", s->folder, s->name, when,
                 extension(s)) >= (int)path_bytes)
        return fw_err_set(err, FW_ETOOBIG, "the path of '%s' is too long",
                          s->name);
    rc = fw_dir_make(s->folder, err);
    if (rc == FW_OK)
        rc = fw_file_write(path, text->data, text->len, err);
    if (rc == FW_OK && s->keep > 0)
        remove_old(s);
    return rc;
}
