/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * lmdb_copy.h - what a transaction sees, as an LMDB file of its own.
 *
 * mdb_env_copy() of 0.9 chooses its moment itself; a backup has several
 * environments to catch at one moment. So keys and values are copied from a
 * read transaction of the caller's, in order, which packs them as well.
 */
#ifndef STORAGE_LMDB_COPY_H
#define STORAGE_LMDB_COPY_H

#include <stdatomic.h>

#include "storage/lmdb/lmdb_env.h"

/*
 * Writes the new file `path`, durable (but for its name) on FW_OK. Ends with
 * FW_ECANCELED once *cancel, which may be NULL, is true. A file that was begun
 * stays for the caller to remove.
 */
FW_CHECK fw_rc lmdb_copy(struct lmdb_txn *from, const char *path,
                         bool single_file, const atomic_bool *cancel,
                         struct fw_err *err);

#endif
