/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * journal_salvage.h - the file of a ring (journal/ or head/) that LMDB must not
 * be given, made anew of the records that can be proven in it.
 */
#ifndef STORAGE_JOURNAL_SALVAGE_H
#define STORAGE_JOURNAL_SALVAGE_H

#include "storage/meta.h"
#include "storage/store.h"

/*
 * The file of the ring `name` is damaged as `why` says: keeps it in quarantine,
 * puts one with the records that are left in its place, notes in meta/ (and
 * *note) which numbers may have been in use, and tells what is missing. The
 * writer of the folder only, who has not opened the ring. Cut off at any step
 * it can be done again, with the same end.
 */
FW_CHECK fw_rc journal_salvage(struct fw_store *store, const char *name,
                               struct meta_ring *note, const struct fw_err *why,
                               struct fw_err *err);

/* ---- The search, for its tests ------------------------------------------- */

struct salvage_record {
    uint64_t seq;
    uint64_t at; /* byte of the file */
    size_t bytes;
    int64_t order; /* of two with one number the higher is the newer */
    bool led_to;   /* by a node */
};

struct salvage_list {
    struct salvage_record *v; /* owned; by number, each once, when done */
    size_t n, cap;
    uint64_t highest; /* number there was, proven or not; 0: none */
};

/*
 * All records numbered from `from` on in the file behind `fd`. `head`: they
 * are checkpoints. A key above `to` that leads to none is none's. FW_ENOMEM.
 */
FW_CHECK fw_rc salvage_search(int fd, uint64_t file_bytes, bool head,
                              uint64_t from, uint64_t to,
                              struct salvage_list *list, struct fw_err *err);
void salvage_list_release(struct salvage_list *list);

#endif
