/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * folder.h - what the data folder is before it is opened: ours, empty,
 * somebody else's, in use, on a file system that cannot hold it.
 */
#ifndef STORAGE_FOLDER_H
#define STORAGE_FOLDER_H

#include <stdbool.h>

#include "storage/base/err.h"

/*
 * FW_OK if `dir` holds a store; FW_NONE if it can become one (`create`);
 * FW_ENOTFOUND with a sentence otherwise. Refuses remote file systems, which
 * LMDB cannot use.
 */
FW_CHECK fw_rc folder_check(const char *dir, bool create, struct fw_err *err);

/*
 * Takes the folder for writing: *fd stays open until folder_unlock(). FW_EBUSY
 * names the process that has it.
 */
FW_CHECK fw_rc folder_lock(const char *dir, int *fd, struct fw_err *err);
void folder_unlock(int fd);

/* True if there are samples in the folder, whatever meta/ says. */
bool folder_has_samples(const char *dir);

/* True if some process has the folder for writing just now. */
bool folder_is_written(const char *dir);

#endif
