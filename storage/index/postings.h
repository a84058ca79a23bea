/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * postings.h - for each label (name, value) the series that carry it.
 *
 * Two generations. The packed one is sorted and holds each list as chunks of
 * up to 128 ids, their gaps in as few bits as the widest takes; a list of one
 * id is the id. New ids gather in a tail of plain arrays, which is merged into
 * the packed one when it has become long: lists that got nothing new are
 * copied as bytes, the others get their last chunk written again. About four
 * bytes a series of ten labels. Not thread-safe: the registry's lock guards
 * it. Names and values are symbols, which the registry keeps alive.
 */
#ifndef STORAGE_POSTINGS_H
#define STORAGE_POSTINGS_H

#include "storage/base/err.h"
#include "storage/index/tag_index.h"

struct id_list {
    uint32_t *v; /* owned */
    size_t n, cap;
};

struct posting_single {
    uint32_t value;
    uint32_t id;
};

struct posting_packed {
    uint32_t value;
    uint32_t n;
    uint32_t at; /* of its chunks in the name's bytes */
};

struct posting_tail {
    uint32_t value;
    uint32_t n, cap;
    uint32_t *ids; /* owned, sorted */
};

struct posting_name {
    uint32_t name;
    struct posting_single *singles; /* owned, by value */
    size_t single_count;
    struct posting_packed *lists; /* owned, by value */
    size_t list_count;
    uint8_t *bytes; /* owned, with eight of slack */
    size_t byte_count;
    struct posting_tail *tail; /* owned */
    size_t tail_count, tail_cap;
    struct tag_index tail_by_value;
};

struct postings {
    struct posting_name *names;
    size_t name_count, name_cap;
    struct tag_index by_name;
    size_t tail_ids; /* of all names */
};

void postings_release(struct postings *p);

/*
 * Adds sorted ids to the list of one pair; those that are there already do
 * not come twice. FW_ENOMEM; some may then have been added.
 */
FW_CHECK fw_rc postings_add(struct postings *p, uint32_t name, uint32_t value,
                            const uint32_t *ids, size_t n);

/* Packs the tail. FW_ENOMEM: what was packed is, the rest stays as it was. */
FW_CHECK fw_rc postings_merge(struct postings *p);

/* Takes out n sorted ids, and the lists that are then empty. FW_ENOMEM. */
FW_CHECK fw_rc postings_remove(struct postings *p, const uint32_t *ids,
                               size_t n);

/* All values of a name; NULL where no series has it. */
const struct posting_name *postings_name(const struct postings *p,
                                         uint32_t name);

/*
 * The lists of a name, by number; a value may have two of them, one in each
 * generation. *n is how many ids the list has.
 */
size_t posting_lists(const struct posting_name *name);
uint32_t posting_list_value(const struct posting_name *name, size_t list,
                            size_t *n);
/* Adds the ids of a list to `out`, in order. FW_ENOMEM. */
FW_CHECK fw_rc posting_list_ids(const struct posting_name *name, size_t list,
                                struct id_list *out);
/* The numbers of the lists of one value, at most two; how many there are. */
size_t posting_find(const struct posting_name *name, uint32_t value,
                    size_t lists[2]);

/* Memory in use. */
size_t postings_bytes(const struct postings *p);

#endif
