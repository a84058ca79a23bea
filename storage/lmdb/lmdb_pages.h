/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * lmdb_pages.h - what can still be found in an LMDB file that is damaged.
 *
 * No tree is followed: every page is looked at by itself, as a leaf and as the
 * first page of a large value, whatever its header says it is, and each place
 * where a value may stand is handed to whoever can prove one (by a checksum).
 * So a value is found if the bytes of it are whole and either the node that
 * leads to it is, or the header of its first page. Values that were deleted, or
 * belong to a commit that failed, are found as well: their pages are not wiped.
 */
#ifndef STORAGE_LMDB_PAGES_H
#define STORAGE_LMDB_PAGES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "storage/base/err.h"

#define LMDB_PAGES_KEY 8 /* bytes of the keys that are looked for */

/* Where a value may stand; all of it lies within the file. */
struct lmdb_place {
    bool has_key; /* a node says so; else it is the first page of a value */
    uint8_t key[LMDB_PAGES_KEY];
    uint64_t at;        /* byte of the file */
    size_t least, most; /* how long it is; of a node they are the same */
};

/*
 * FW_OK if there is a value, and *bytes how long it is; FW_NONE if there is
 * none. Anything else ends the search.
 */
typedef fw_rc (*lmdb_prove)(void *self, const struct lmdb_place *place,
                            size_t *bytes, struct fw_err *err);

/* A page that cannot be read is passed over. FW_ENOMEM, and what prove says. */
FW_CHECK fw_rc lmdb_pages_search(int fd, uint64_t file_bytes, lmdb_prove prove,
                                 void *self, struct fw_err *err);

#endif
