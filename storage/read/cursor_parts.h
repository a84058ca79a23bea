/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * cursor_parts.h - the partitions that one cursor reads, each referred to
 * once, however many blocks it reads in them. They stay as long as they are
 * in the list, even where retention has dropped them meanwhile.
 */
#ifndef STORAGE_CURSOR_PARTS_H
#define STORAGE_CURSOR_PARTS_H

#include "storage/segments/manifest.h"

struct cursor_parts {
    struct partition **list; /* owned, with a reference to each */
    size_t count, cap;
    size_t last; /* asked for: the next is often the same */
};

/* Lets go of all of them. */
void cursor_parts_clear(struct cursor_parts *p);
void cursor_parts_release(struct cursor_parts *p);

/* Keeps one more, and refers to it. FW_ENOMEM. */
FW_CHECK fw_rc cursor_parts_add(struct cursor_parts *p, struct partition *part);

/*
 * The partition of this number, from the list or else from the manifest: it
 * belongs to the list. FW_NONE: it is gone. FW_ENOMEM.
 */
FW_CHECK fw_rc cursor_parts_get(struct cursor_parts *p,
                                struct manifest *manifest, uint16_t index,
                                struct partition **out);

#endif
