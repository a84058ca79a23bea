/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * definition.h - the labels of one series as bytes, in the journal and in the
 * pages of the registry: varint count, then for each label varint length and
 * bytes of the name, varint length and bytes of the value.
 */
#ifndef STORAGE_DEFINITION_H
#define STORAGE_DEFINITION_H

#include "storage/base/limits.h"
#include "storage/storage.h"

FW_CHECK fw_rc definition_put(struct fw_buf *out,
                              const struct fw_labels *labels);

/*
 * Reads one from hostile bytes; texts in `room` point into them. *used is how
 * many bytes it took. FW_ECORRUPT unless the labels are canonical.
 */
FW_CHECK fw_rc definition_get(const void *bytes, size_t n,
                              struct fw_label room[FW_MAX_LABELS],
                              struct fw_labels *labels, size_t *used);

/* Sorted by name, no name twice, nothing empty, within the limits. */
bool definition_canonical(const struct fw_labels *labels);

#endif
