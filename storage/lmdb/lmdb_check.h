/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * lmdb_check.h - is an LMDB file sound enough to be handed to LMDB?
 *
 * LMDB trusts its pages: an offset that a flipped bit made too large is read
 * all the same, and the process dies. So a file is walked once before it is
 * opened, with every number checked. What is inside the values is the business
 * of those who wrote them.
 */
#ifndef STORAGE_LMDB_CHECK_H
#define STORAGE_LMDB_CHECK_H

#include <stdbool.h>

#include "storage/base/err.h"

/*
 * FW_ECORRUPT names the page and what is wrong with it; FW_OK for a sound
 * file, and for one that is not there or empty. Nobody may be writing to it.
 *
 * A last commit that a wrong number of a head hides (lmdb_heads.h) is made the
 * last one again where `mend` allows to write to the file; else *hides is set,
 * and whoever opens the file sees it without that commit.
 */
FW_CHECK fw_rc lmdb_check_file(const char *path, bool mend, bool *hides,
                               struct fw_err *err);

/*
 * True for a file that was made and never synced before the power went: nothing
 * but its two first pages, and these empty as LMDB begins them, or zero, or not
 * all there. Nothing can have been committed to it, and LMDB refuses it.
 */
bool lmdb_check_unborn(const char *path);

#endif
