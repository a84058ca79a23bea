/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "storage/backup/backup_list.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define FIRST_LINE "forewarn backup "
#define VERSION 1
#define FILES_MAX 200000
#define HEX (FW_SHA256_HEX_BYTES - 1)

void backup_list_release(struct backup_list *list)
{
    free(list->files);
    *list = (struct backup_list){0};
}

/*
 * Names of ours have letters, digits and . _ - in parts that do not begin with
 * a dot, so that none leads out of the folder.
 */
static bool is_name(const char *name, size_t n)
{
    bool first = true;

    if (n == 0 || n >= BACKUP_FILE_BYTES)
        return false;
    for (size_t i = 0; i < n; i++) {
        char c = name[i];
        bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                     (c >= '0' && c <= '9') || c == '_' || c == '-';

        if (!plain && (first || (c != '.' && c != '/')))
            return false;
        first = c == '/';
    }
    return !first;
}

const struct backup_file *backup_list_find(const struct backup_list *list,
                                           const char *name)
{
    for (size_t i = 0; i < list->count; i++)
        if (strcmp(list->files[i].name, name) == 0)
            return &list->files[i];
    return NULL;
}

fw_rc backup_list_add(struct backup_list *list, const struct backup_file *file,
                      struct fw_err *err)
{
    fw_rc rc;

    if (!is_name(file->name, strlen(file->name)))
        return fw_err_set(err, FW_EINVAL, "'%.100s' is no file of a backup",
                          file->name);
    rc = fw_grow(&list->files, &list->cap, list->count + 1, sizeof(*file),
                 FILES_MAX);
    if (rc != FW_OK)
        return fw_err_set(err, rc, "a backup of more than %d files", FILES_MAX);
    list->files[list->count++] = *file;
    return FW_OK;
}

fw_rc backup_list_print(const struct backup_list *list, struct fw_buf *out,
                        struct fw_err *err)
{
    struct fw_sha256_digest whole;
    char hex[FW_SHA256_HEX_BYTES];
    fw_rc rc = fw_buf_printf(
        out, FIRST_LINE "%d\nrecord %" PRIu64 "\ntime %" PRId64 "\n", VERSION,
        list->record, list->at);

    for (size_t i = 0; i < list->count && rc == FW_OK; i++) {
        const struct backup_file *f = &list->files[i];

        fw_sha256_hex(&f->hash, hex);
        rc = fw_buf_printf(out, "file %s %" PRIu64 " %s\n", hex, f->bytes,
                           f->name);
    }
    if (rc != FW_OK)
        return fw_err_set(err, rc, "the manifest becomes too long");
    rc = fw_sha256(out->data, out->len, &whole, err);
    if (rc != FW_OK)
        return rc;
    fw_sha256_hex(&whole, hex);
    rc = fw_buf_printf(out, "end %s\n", hex);
    return rc == FW_OK ? FW_OK : fw_err_set(err, rc, "out of memory");
}

/* ---- Reading --------------------------------------------------------------
 */

struct reader {
    struct fw_str text; /* what is left */
    int line;
    struct fw_err *err;
};

static fw_rc damaged(struct reader *r, const char *what)
{
    return fw_err_set(r->err, FW_ECORRUPT,
                      "line %d of " BACKUP_LIST_NAME " is damaged: %s", r->line,
                      what);
}

/* The next line, without its end. False behind the last one. */
static bool next_line(struct reader *r, struct fw_str *line)
{
    const char *end =
        r->text.n == 0 ? NULL : memchr(r->text.p, '\n', r->text.n);

    if (end == NULL)
        return false;
    *line = (struct fw_str){r->text.p, (size_t)(end - r->text.p)};
    r->text.p += line->n + 1;
    r->text.n -= line->n + 1;
    r->line++;
    return true;
}

/* Takes `word` from the front of a line. */
static bool take(struct fw_str *line, const char *word)
{
    size_t n = strlen(word);

    if (line->n < n || memcmp(line->p, word, n) != 0)
        return false;
    line->p += n;
    line->n -= n;
    return true;
}

/* A decimal number up to INT64_MAX from the front of a line. */
static bool take_number(struct fw_str *line, uint64_t *out)
{
    uint64_t value = 0;
    size_t n = 0;

    for (; n < line->n && line->p[n] >= '0' && line->p[n] <= '9'; n++) {
        if (value > (INT64_MAX - 9) / 10)
            return false;
        value = value * 10 + (uint64_t)(line->p[n] - '0');
    }
    line->p += n;
    line->n -= n;
    *out = value;
    return n > 0;
}

static bool take_hash(struct fw_str *line, struct fw_sha256_digest *out)
{
    if (line->n < HEX || !fw_sha256_read_hex(line->p, HEX, out))
        return false;
    line->p += HEX;
    line->n -= HEX;
    return true;
}

static fw_rc read_head(struct reader *r, struct backup_list *list)
{
    struct fw_str line = {0};
    uint64_t version = 0, at = 0;
    bool before_1970;

    if (!next_line(r, &line) || !take(&line, FIRST_LINE) ||
        !take_number(&line, &version) || line.n != 0)
        return damaged(r, "it should begin with '" FIRST_LINE "1'");
    if (version != VERSION)
        return fw_err_set(r->err, FW_EVERSION,
                          "the backup has format version %" PRIu64
                          " and this is forewarn %s, which knows version %d",
                          version, FW_VERSION, VERSION);
    if (!next_line(r, &line) || !take(&line, "record ") ||
        !take_number(&line, &list->record) || line.n != 0)
        return damaged(r, "it should say which record");
    if (!next_line(r, &line) || !take(&line, "time "))
        return damaged(r, "it should say what time");
    before_1970 = take(&line, "-");
    if (!take_number(&line, &at) || line.n != 0)
        return damaged(r, "it should say what time");
    list->at = before_1970 ? -(fw_ms)at : (fw_ms)at;
    return FW_OK;
}

static fw_rc read_file(struct reader *r, struct fw_str line,
                       struct backup_list *list)
{
    struct backup_file file = {0};

    if (!take_hash(&line, &file.hash) || !take(&line, " ") ||
        !take_number(&line, &file.bytes) || !take(&line, " "))
        return damaged(r, "it should have a hash, a length and a name");
    if (!is_name(line.p, line.n))
        return damaged(r, "that cannot name a file of a backup");
    memcpy(file.name, line.p, line.n);
    return backup_list_add(list, &file, r->err);
}

static int by_name(const void *a, const void *b)
{
    const struct backup_file *left = a;
    const struct backup_file *right = b;

    return strcmp(left->name, right->name);
}

static fw_rc read_all(struct reader *r, struct fw_str text,
                      struct backup_list *list)
{
    struct fw_sha256_digest said, is;
    struct fw_str line = {0};
    const char *start = text.p;
    fw_rc rc = read_head(r, list);

    while (rc == FW_OK) {
        start = r->text.p;
        if (!next_line(r, &line)) {
            r->line++;
            return damaged(r, "it ends before its end");
        }
        if (!take(&line, "file "))
            break;
        rc = read_file(r, line, list);
    }
    if (rc != FW_OK)
        return rc;
    if (!take(&line, "end ") || !take_hash(&line, &said) || line.n != 0 ||
        r->text.n != 0)
        return damaged(r, "it is neither a file nor the end");
    rc = fw_sha256(text.p, (size_t)(start - text.p), &is, r->err);
    if (rc != FW_OK)
        return rc;
    if (memcmp(&said, &is, sizeof(is)) != 0)
        return damaged(r, "the hash of the lines above it is another one");
    if (list->count > 1)
        qsort(list->files, list->count, sizeof(*list->files), by_name);
    for (size_t i = 1; i < list->count; i++)
        if (by_name(&list->files[i - 1], &list->files[i]) == 0)
            return damaged(r, "a file stands in the list twice");
    return FW_OK;
}

fw_rc backup_list_read(struct backup_list *list, struct fw_str text,
                       struct fw_err *err)
{
    struct reader r = {.text = text, .err = err};
    fw_rc rc;

    *list = (struct backup_list){0};
    rc = read_all(&r, text, list);
    if (rc != FW_OK)
        backup_list_release(list);
    return rc;
}
