/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * registry_page.h - 512 series as bytes, and the registry from and to meta/.
 * docs/formats/registry.md has the picture.
 */
#ifndef STORAGE_REGISTRY_PAGE_H
#define STORAGE_REGISTRY_PAGE_H

#include "storage/index/registry.h"
#include "storage/lmdb/lmdb_env.h"

/*
 * Adds page `number` to `out`; *rows is how many ids it spans, 0 if none of
 * them is a series, and then nothing was added.
 */
FW_CHECK fw_rc registry_page_put(struct registry *r, uint32_t number,
                                 struct fw_buf *out, uint32_t *rows);

/* Called for each series of a page; stops at an answer that is not FW_OK. */
typedef fw_rc (*registry_page_each)(void *self, uint32_t id,
                                    const struct fw_labels *labels,
                                    struct fw_err *err);
/*
 * Reads a page of hostile bytes, of this format or the one before. FW_ECORRUPT,
 * or what `each` answered.
 */
FW_CHECK fw_rc registry_page_get(struct fw_str bytes, registry_page_each each,
                                 void *self, struct fw_err *err);

/*
 * The same for page `number` into a registry; *next is the id behind it,
 * *before tells a page of the format before, which wants to be written anew.
 */
FW_CHECK fw_rc registry_page_load(struct registry *r, uint32_t number,
                                  struct fw_str bytes, uint32_t *next,
                                  bool *before, struct fw_err *err);

/* Called for each page of meta/ with its number and what it holds. */
typedef fw_rc (*registry_page_bytes)(void *self, uint32_t page,
                                     struct fw_str bytes, struct fw_err *err);
/*
 * Calls `each` for every page in meta/; *next is the id that comes after all
 * that were ever given out, as far as meta/ knows.
 */
FW_CHECK fw_rc registry_each_page(struct lmdb_env *meta,
                                  registry_page_bytes each, void *self,
                                  uint32_t *next, struct fw_err *err);

/* Told of a page that cannot be read. */
typedef void (*registry_page_bad)(void *self, uint32_t page,
                                  const struct fw_err *why);
/*
 * Calls each(id, labels) for every series in meta/. A damaged page is told to
 * `bad` and left out.
 */
FW_CHECK fw_rc registry_load(struct lmdb_env *meta, registry_page_each each,
                             registry_page_bad bad, void *self,
                             struct fw_err *err);

/*
 * Writes the pages of the series [from, to) within a transaction of meta/;
 * the pages at both ends are written whole.
 */
FW_CHECK fw_rc registry_save(struct registry *r, struct lmdb_txn *txn,
                             uint32_t from, uint32_t to, struct fw_err *err);

/* Writes one page anew, or deletes it where all its series were forgotten. */
FW_CHECK fw_rc registry_save_page(struct registry *r, struct lmdb_txn *txn,
                                  uint32_t number, struct fw_err *err);

#endif
