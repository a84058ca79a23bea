/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * backup_io.h - files copied and hashed, and a folder that appears whole.
 */
#ifndef STORAGE_BACKUP_IO_H
#define STORAGE_BACKUP_IO_H

#include <stdatomic.h>

#include "storage/backup/backup_list.h"
#include "storage/base/file.h"

/*
 * Reads the file `path`, sets length and hash of *file, and where `copy` is
 * not NULL writes the same bytes, durably, to that new file.
 */
FW_CHECK fw_rc backup_read_file(const char *path, const char *copy,
                                struct backup_file *file,
                                const atomic_bool *cancel, struct fw_err *err);

/*
 * A folder in the making: all is written to `path`, which becomes `to` at the
 * end or is removed.
 */
struct backup_folder {
    char to[FW_PATH_BYTES];
    char path[FW_PATH_BYTES]; /* to.unfinished; "" before it was made */
};

/* FW_EINVAL if `to` holds something, or another one is being made of it. */
FW_CHECK fw_rc backup_folder_begin(struct backup_folder *folder, const char *to,
                                   struct fw_err *err);
/* Makes the folder `name` in it. */
FW_CHECK fw_rc backup_folder_add(const struct backup_folder *folder,
                                 const char *name, struct fw_err *err);
/* Durable on FW_OK. */
FW_CHECK fw_rc backup_folder_commit(struct backup_folder *folder,
                                    struct fw_err *err);
/* Removes what was not committed; nothing where nothing was begun. */
void backup_folder_abort(struct backup_folder *folder);

#endif
