/* SPDX-License-Identifier: GPL-3.0-or-later */
/* file.h - folders and whole files, durable when they say so. */
#ifndef FW_STORAGE_BASE_FILE_H
#define FW_STORAGE_BASE_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "storage/base/buf.h"
#include "storage/base/err.h"

#define FW_PATH_BYTES 4096

/* Writes "a/b" to out; FW_ETOOBIG if it does not fit. */
FW_CHECK fw_rc fw_path_join(char out[FW_PATH_BYTES], const char *a,
                            const char *b, struct fw_err *err);

bool fw_file_exists(const char *path);
bool fw_dir_exists(const char *path);

/* Makes a folder and those above it (mode 0750), durably; fine if there. */
FW_CHECK fw_rc fw_dir_make(const char *path, struct fw_err *err);

/* fsyncs a folder, so that names made or removed in it survive a power loss. */
FW_CHECK fw_rc fw_dir_sync(const char *path, struct fw_err *err);

/* Reads a whole file ("-": standard input) into out, which has the cap. */
FW_CHECK fw_rc fw_file_read(const char *path, struct fw_buf *out,
                            struct fw_err *err);

/* Writes a file so that it is there whole or not at all, and durably. */
FW_CHECK fw_rc fw_file_write(const char *path, const void *bytes, size_t n,
                             struct fw_err *err);

/*
 * Bytes free for us on the file system of `path`, or of fd if it is not -1:
 * who asks for each commit need not have the path looked up each time.
 */
FW_CHECK fw_rc fw_disk_free(int fd, const char *path, uint64_t *bytes,
                            struct fw_err *err);

#endif
