/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * select.h - the ids of the series that satisfy a set of matchers; shared by
 * select.c, which copies them out, and label_lists.c, which asks what labels
 * they have.
 */
#ifndef STORAGE_SELECT_H
#define STORAGE_SELECT_H

#include "storage/index/matcher.h"
#include "storage/store.h"

struct condition {
    struct matcher matcher;
    uint32_t name; /* symbol, or SYMBOL_NONE */
    size_t lists;  /* of its name */
    size_t sum;    /* ids of the lists it takes; SIZE_MAX: not counted yet */

    /* Where the label stands in the page and shape looked at last. */
    const struct label_page *page;
    const struct label_shape *shape;
    uint32_t label; /* UINT32_MAX: the shape lacks it */
};

struct selection {
    struct fw_store *store;
    struct condition *conditions; /* owned */
    size_t n;
    struct id_list ids; /* sorted; owned */
    struct id_list other;
};

/* FW_EINVAL for a bad regex, or where no matcher refuses the empty value. */
FW_CHECK fw_rc selection_begin(struct selection *s, struct fw_store *store,
                               const struct fw_matcher *matchers, size_t n,
                               struct fw_err *err);
void selection_end(struct selection *s);

/*
 * Finds s->ids, of series that may have samples in [from, to]; the registry's
 * lock is held. FW_ENOMEM.
 */
FW_CHECK fw_rc selection_find_locked(struct selection *s, fw_ms from, fw_ms to);

#endif
