/* SPDX-License-Identifier: GPL-3.0-or-later */
/* cursor.h - what this room asks of a cursor beyond storage.h. */
#ifndef STORAGE_CURSOR_H
#define STORAGE_CURSOR_H

#include "storage/store.h"

/* A cursor that is at its end until it is reset. */
FW_CHECK fw_rc cursor_new(struct fw_store *store, struct fw_cursor **out,
                          struct fw_err *err);

/*
 * Resets it to all samples that a series has in the given partitions, of which
 * the caller keeps references; nothing from memory.
 */
FW_CHECK fw_rc cursor_reset_parts(struct fw_cursor *cursor, uint32_t series,
                                  struct partition *const *parts, size_t count,
                                  struct fw_err *err);

#endif
