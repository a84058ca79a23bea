/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * postings.h - for each label (name, value) the series that carry it.
 *
 * Names and values are symbols. Lists are sorted by series id; ids mostly
 * come in rising order, so a new one mostly goes to the end. Not thread-safe:
 * the registry's lock guards it.
 */
#ifndef STORAGE_POSTINGS_H
#define STORAGE_POSTINGS_H

#include "storage/base/err.h"
#include "storage/base/hash.h"

struct posting {
    uint32_t name;
    uint32_t value;
    uint32_t *ids; /* owned, sorted */
    size_t n, cap;
};

struct posting_name {
    uint32_t name;
    uint32_t *lists; /* owned: which postings have this name */
    size_t n, cap;
};

struct postings {
    struct posting *v;
    size_t n, cap;
    struct posting_name *names;
    size_t name_count, name_cap;
    struct fw_index by_pair;
    struct fw_index by_name;
};

void postings_release(struct postings *p);

/* FW_ENOMEM; a list may then have the id already, which is harmless. */
FW_CHECK fw_rc postings_add(struct postings *p, uint32_t name, uint32_t value,
                            uint32_t id);

/* The list of one pair; NULL where there is none. */
const struct posting *postings_find(const struct postings *p, uint32_t name,
                                    uint32_t value);
/* All values of a name; NULL where no series has it. */
const struct posting_name *postings_name(const struct postings *p,
                                         uint32_t name);

#endif
