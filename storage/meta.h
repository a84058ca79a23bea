/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * meta.h - the keys of meta/, one LMDB table cut into sections by the first
 * byte. docs/formats/folder.md has the list.
 */
#ifndef STORAGE_META_H
#define STORAGE_META_H

#include "storage/lmdb/lmdb_env.h"

#define META_FORMAT 'F' /* "F" -> the folder's format version */
#define META_PAGE 'R'   /* 'R' be32(page) -> registry page */
#define META_NEXT 'N'   /* "N" -> le32: the id that comes next */
#define META_PART 'P'   /* 'P' be64(first day, biased) -> partition */
#define META_TOMB 'D'   /* 'D' be64(id) -> tombstone */
#define META_RING 'J'   /* 'J' folder -> numbers of such a ring */
#define META_TABLE 'T'  /* 'T' name -> le16 id of a table of others */
#define META_KEY 'K'    /* 'K' be16(id) key -> value of such a table */

/*
 * 1: registry pages are plain definitions (FWR1), entries of partitions 64
 * bytes, there is no head/, journal records are FWJ1. 2: pages are columns
 * (FWR2), entries 84 bytes, with kind and rank, and a checksum; head/, FWJ2.
 * 3: journal records that define series are FWJ4; entries of tables that were
 * begun since have a checksum.
 * Pages, entries and records tell which they are; the first writer makes the
 * folder 3, and the first registry pages that are written make all of them new.
 * There may also be rollups (kind 3 of an entry), which a program that does not
 * know them would let fall behind the samples they are of.
 */
#define META_FORMAT_VERSION 3
#define META_FORMAT_OLDEST 1

/* Writes the format version into a new environment. */
FW_CHECK fw_rc meta_format_write(struct lmdb_env *meta, struct fw_err *err);
/* The same within a transaction. */
FW_CHECK fw_rc meta_format_put(struct lmdb_txn *txn, struct fw_err *err);

/*
 * FW_NONE if there is none yet; FW_EVERSION if it is not ours. An older one
 * that this build reads is fine; *version tells it, and a writer then writes
 * the new one before anything that the old one does not know.
 */
FW_CHECK fw_rc meta_format_check(struct lmdb_env *meta, const char *dir,
                                 uint32_t *version, struct fw_err *err);

/*
 * FW_ECORRUPT if there is a key that belongs nowhere: a flipped bit may have
 * taken it out of its section, where nobody would miss it.
 */
FW_CHECK fw_rc meta_check_keys(struct lmdb_env *meta, const char *dir,
                               struct fw_err *err);

/*
 * Looks at each entry of the tables of the rooms above (kv.c); the rest is
 * known to be sound by then. `damaged` gets a sentence for each that is not.
 */
FW_CHECK fw_rc meta_check_entries(struct lmdb_env *meta,
                                  void (*damaged)(void *self,
                                                  const char *sentence),
                                  void *self, struct fw_err *err);

/*
 * What is noted of the ring in the folder `name` ("journal", "head"), once its
 * file is there for good and until it is removed. So one that was cut to
 * nothing is not taken for one that was never begun, and of a damaged one it is
 * known which of its records are still needed.
 */
struct meta_ring {
    bool noted;
    bool numbered; /* the rest is known: an older program noted no numbers */
    uint64_t trim; /* records below this have never been needed since */
    /* These numbers were skipped; the next record's is hole_end at least. */
    uint64_t hole_first, hole_end;
};
FW_CHECK fw_rc meta_ring_get(struct lmdb_env *meta, const char *name,
                             struct meta_ring *out, struct fw_err *err);
/* With `noted` false it is taken back; else all the rest is written. */
FW_CHECK fw_rc meta_ring_set(struct lmdb_env *meta, const char *name,
                             const struct meta_ring *ring, struct fw_err *err);

#endif
