/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * journal_define.h - the labels of new series in a record, each as what differs
 * from the one before it; docs/formats/journal.md has the picture.
 *
 * New series come in bursts and are much alike: a fifth of their labels is new.
 * All texts are in the record itself, so that reading copies nothing.
 */
#ifndef STORAGE_JOURNAL_DEFINE_H
#define STORAGE_JOURNAL_DEFINE_H

#include "storage/base/limits.h"
#include "storage/storage.h"

/* The definition before. Starts zeroed with each record. */
struct journal_before {
    uint32_t id;
    size_t n;
    struct fw_label v[FW_MAX_LABELS];
};

/*
 * Adds one to `out`; the labels become those before. FW_ENOMEM, FW_ETOOBIG;
 * `out` may then have a part of it.
 */
FW_CHECK fw_rc journal_define_put(struct journal_before *before, uint32_t id,
                                  const struct fw_labels *labels,
                                  struct fw_buf *out);

/*
 * Reads one from hostile bytes into before->v; how many bytes it took, 0 where
 * it is damaged. Texts point into the bytes of all definitions.
 */
size_t journal_define_get(const char *p, size_t n,
                          struct journal_before *before);

#endif
