/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * backup_list.h - the MANIFEST of a backup: which files, how long, which hash.
 * docs/formats/backup.md has its text.
 */
#ifndef STORAGE_BACKUP_LIST_H
#define STORAGE_BACKUP_LIST_H

#include <stddef.h>

#include "storage/base/buf.h"
#include "storage/base/sha256.h"
#include "storage/storage.h"

#define BACKUP_LIST_NAME "MANIFEST"
#define BACKUP_LIST_BYTES ((size_t)64 << 20) /* of its text, at most */
#define BACKUP_FILE_BYTES 256                /* of a name, with its NUL */

struct backup_file {
    char name[BACKUP_FILE_BYTES]; /* below the folder: "meta/data.mdb" */
    uint64_t bytes;
    struct fw_sha256_digest hash;
};

struct backup_list {
    uint64_t record;
    fw_ms at;
    struct backup_file *files; /* owned */
    size_t count, cap;
};

void backup_list_release(struct backup_list *list);

/* FW_EINVAL for a name that no backup has (see backup_list_read()). */
FW_CHECK fw_rc backup_list_add(struct backup_list *list,
                               const struct backup_file *file,
                               struct fw_err *err);

/* The entry of that name, or NULL. */
const struct backup_file *backup_list_find(const struct backup_list *list,
                                           const char *name);

FW_CHECK fw_rc backup_list_print(const struct backup_list *list,
                                 struct fw_buf *out, struct fw_err *err);

/*
 * Reads such a text. FW_ECORRUPT names the line; names that lead out of the
 * folder, or stand twice, are damage. FW_EVERSION for a later format. The list
 * is empty unless all was well.
 */
FW_CHECK fw_rc backup_list_read(struct backup_list *list, struct fw_str text,
                                struct fw_err *err);

#endif
