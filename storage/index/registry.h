/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * registry.h - which series there are: ids, labels, symbols, postings.
 *
 * Ids count up from 0 and are never given out again: neither those of series
 * that retention has emptied, nor those a crash left without labels. Such
 * holes match nothing. Any thread: one lock, held for reading or writing.
 *
 * Series are kept in pages of 512 neighbouring ids. A page that is complete is
 * packed (label_page.h) and its series are in the postings; the few that are
 * not are open: plain rows, which a selection looks at one by one.
 */
#ifndef STORAGE_REGISTRY_H
#define STORAGE_REGISTRY_H

#include <pthread.h>
#include <stdatomic.h>

#include "storage/index/label_page.h"
#include "storage/index/postings.h"
#include "storage/index/symbols.h"
#include "storage/storage.h"

#define REGISTRY_PAGE_SERIES LABEL_PAGE_ROWS
#define REGISTRY_OPEN_PAGES 4

/* A page that still changes. */
struct registry_open {
    uint32_t number;
    uint32_t known;
    uint32_t unposted;      /* rows that came since it was packed, if it was */
    struct label_rows rows; /* pairs are owned, one by one */
};

/* How many series each metric has: for the limit, and for who asks. */
struct registry_metric {
    uint32_t name; /* symbol of the value of __name__ */
    uint32_t series;
};
struct registry_metrics {
    uint32_t label; /* symbol of __name__, or SYMBOL_NONE; with a reference */
    struct registry_metric *v; /* owned */
    size_t n, cap;
    struct tag_index by_name;
};

struct registry_limits {
    uint32_t series; /* of all */
    uint32_t metric; /* with the same metric name; 0: no limit */
};

struct registry {
    pthread_rwlock_t lock;
    struct symbols symbols;
    struct postings postings;
    struct label_page **packed; /* by number of the page; NULL for none */
    size_t packed_cap, packed_n;
    struct registry_open *open[REGISTRY_OPEN_PAGES]; /* oldest first */
    size_t open_count;
    size_t n;     /* the next id */
    size_t known; /* series with labels */
    struct tag_index by_labels;
    size_t page_bytes; /* of packed pages, in memory */
    struct registry_metrics metrics;
    uint32_t *leaving;   /* ids, sorted: see registry_forget(); owned */
    atomic_bool *wanted; /* of those: somebody has asked for it; owned */
    size_t leaving_n;
};

FW_CHECK fw_rc registry_init(struct registry *r);
void registry_release(struct registry *r);

/*
 * The id of the series with these labels, made if new. FW_EINVAL if they are
 * not canonical, FW_ETOOBIG with the limit that struck.
 */
FW_CHECK fw_rc registry_id(struct registry *r, const struct fw_labels *labels,
                           const struct registry_limits *limits, uint32_t *id,
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

/*
 * The same for a page as label_page_get() reads it; takes the page (and
 * changes it) if it answers FW_OK.
 */
FW_CHECK fw_rc registry_adopt(struct registry *r, uint32_t first,
                              struct label_page *page,
                              const struct fw_str *texts, struct fw_err *err);

/* Adds the bytes of definition.h for one series; FW_NONE for a hole. */
FW_CHECK fw_rc registry_put_definition(struct registry *r, uint32_t id,
                                       struct fw_buf *out);

/*
 * Adds the columns of a page (label_page_put) to `out`; *rows is how many it
 * has, 0 for a page without series, which adds nothing.
 */
FW_CHECK fw_rc registry_put_page(struct registry *r, uint32_t number,
                                 struct fw_buf *out, uint32_t *rows);

/*
 * Notes series that may be forgotten, in place of those noted before; takes
 * the list. A series that is asked for by its labels from then on stays.
 * Answers how many there are.
 */
size_t registry_leaving(struct registry *r, struct id_list *ids);

/*
 * Forgets those of the noted series that nobody asked for and that may()
 * gives up, and adds their ids to `gone`. FW_ENOMEM: some are forgotten.
 */
typedef bool (*registry_may)(void *self, uint32_t id);
FW_CHECK fw_rc registry_forget(struct registry *r, registry_may may, void *self,
                               struct id_list *gone);

/* The text of the labels, for sentences; never fails, may be cut. */
void registry_describe(struct registry *r, uint32_t id, char *out, size_t n);

/* No id below `next` is given out any more. FW_ENOMEM. */
FW_CHECK fw_rc registry_skip(struct registry *r, uint32_t next);

/* False for a hole and for ids that nobody has. */
bool registry_has(struct registry *r, uint32_t id);
/* True for an id that was given out and that nobody has any more. */
bool registry_gone(struct registry *r, uint32_t id);
size_t registry_next_id(struct registry *r);
size_t registry_known(struct registry *r);

/* ---- With the lock held for reading ----------------------------------------
 */

/* The labels as symbols (name, value, ...); false for a hole. */
bool registry_pairs_locked(const struct registry *r, uint32_t id,
                           uint32_t pairs[2 * FW_MAX_LABELS], uint32_t *labels);

/* The page of a series and its row there, if packed; else NULL. */
static inline const struct label_page *
registry_page_locked(const struct registry *r, uint32_t id)
{
    size_t number = id / REGISTRY_PAGE_SERIES;

    return number < r->packed_n ? r->packed[number] : NULL;
}

/* Copies the labels of a series into the arena. FW_NONE for a hole. */
FW_CHECK fw_rc registry_copy_locked(struct registry *r, uint32_t id,
                                    struct fw_arena *arena,
                                    struct fw_labels *labels,
                                    struct fw_err *err);

#endif
