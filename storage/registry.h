/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * registry.h - which series there are: ids, labels, symbols, postings.
 *
 * Ids count up from 0. After a crash an id may lack its labels, because it was
 * given out and never written under; such a hole matches nothing and is not
 * given out again. Any thread: one lock, held for reading or writing.
 */
#ifndef STORAGE_REGISTRY_H
#define STORAGE_REGISTRY_H

#include <pthread.h>

#include "storage/postings.h"
#include "storage/storage.h"
#include "storage/symbols.h"

/* Labels as symbols: name, value, name, value, ... in label order. */
struct registry_series {
    const uint32_t *pairs; /* in `pages`; NULL for a hole */
    uint32_t count;        /* labels */
};

struct registry {
    pthread_rwlock_t lock;
    struct symbols symbols;
    struct postings postings;
    struct registry_series *series; /* by id */
    size_t n, cap;
    size_t known; /* series with labels */
    struct fw_index by_labels;
    struct fw_arena *pages;
    uint64_t seed;
};

FW_CHECK fw_rc registry_init(struct registry *r);
void registry_release(struct registry *r);

/*
 * The id of the series with these labels, made if new. FW_EINVAL if they are
 * not canonical, FW_ETOOBIG when there are max_series already.
 */
FW_CHECK fw_rc registry_id(struct registry *r, const struct fw_labels *labels,
                           uint32_t max_series, uint32_t *id,
                           struct fw_err *err);

/* The id if the series is known, else FW_NONE. */
FW_CHECK fw_rc registry_find(struct registry *r, const struct fw_labels *labels,
                             uint32_t *id);

/*
 * Puts a series under the id it has on disk; one that is there already with
 * the same labels is fine, with others FW_ECORRUPT.
 */
FW_CHECK fw_rc registry_define(struct registry *r, uint32_t id,
                               const struct fw_labels *labels,
                               struct fw_err *err);

/* Adds the bytes of definition.h for one series; FW_NONE for a hole. */
FW_CHECK fw_rc registry_put_definition(struct registry *r, uint32_t id,
                                       struct fw_buf *out);

/* The text of the labels, for sentences; never fails, may be cut. */
void registry_describe(struct registry *r, uint32_t id, char *out, size_t n);

/* No id below `next` is given out any more. FW_ENOMEM. */
FW_CHECK fw_rc registry_skip(struct registry *r, uint32_t next);

size_t registry_next_id(struct registry *r);
size_t registry_known(struct registry *r);

/* Copies the labels of a series into the arena; the lock is held for reading.
 */
FW_CHECK fw_rc registry_copy_locked(struct registry *r, uint32_t id,
                                    struct fw_arena *arena,
                                    struct fw_labels *labels,
                                    struct fw_err *err);

#endif
