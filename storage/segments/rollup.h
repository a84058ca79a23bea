/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * rollup.h - summaries that outlive the samples they were made of.
 *
 * When retention is about to drop a closed partition (retention_rollup_edge) it
 * is rewritten with a rollup beside it: per series and hour what a block's
 * summary says (count, extremes, sum, first, last, increase). Both come in one
 * commit, and the serial of the rollup is
 * that of the closed one plus one. As long as the closed one is there nobody
 * looks at the rollup, and whatever rewrites the one makes the other anew. When
 * retention has dropped the closed one, the rollup is *final*: its rows stand
 * for samples that are gone, and only deletion and its own retention touch it.
 *
 * A rollup is a partition whose segments have rows instead of blocks, by series
 * and time, and behind them an index: a row for each series there is.
 */
#ifndef STORAGE_ROLLUP_H
#define STORAGE_ROLLUP_H

#include "storage/store.h"

/* ---- Rows -----------------------------------------------------------------
 */

/* A row being gathered, if row.n > 0. */
struct rollup_sum {
    struct segment_block row;
    double rest, before; /* of its sum; its last value so far */
};

void rollup_sum_begin(struct rollup_sum *s, uint32_t series, fw_ms t);
/* The next sample, which is no stale marker. */
void rollup_sum_see(struct rollup_sum *s, fw_ms t, double x);
/* What the row says; s->row.n is 0 then. */
struct segment_block rollup_sum_end(struct rollup_sum *s);

/* ---- Writing --------------------------------------------------------------
 */

/* Stretches of time that have a final rollup already. */
struct rollup_gap {
    fw_ms first, last;
};

struct rollup_writer {
    struct partition_builder builder;
    struct segment_writer segment;
    uint32_t first_series; /* of the segment */
    uint32_t row_segments; /* done */
    fw_ms step;
    const struct rollup_gap *gaps; /* not to be summarised; the caller's */
    size_t gap_count;
    struct rollup_sum sum;       /* of the samples of this hour */
    fw_ms row_end;               /* its last millisecond */
    struct segment_block *index; /* owned: a row for each series */
    size_t index_count, index_cap;
};

/* Begins the file of `made`. The caller releases in any case. */
FW_CHECK fw_rc rollup_begin(struct rollup_writer *w, const char *part_dir,
                            const struct partition *made, fw_ms step,
                            struct fw_err *err);
/* Samples of a series, by series, then by time. */
FW_CHECK fw_rc rollup_samples(struct rollup_writer *w, uint32_t series,
                              const fw_ms *t, const double *v, size_t n,
                              struct fw_err *err);
/* A finished row, by series, then by time. */
FW_CHECK fw_rc rollup_row(struct rollup_writer *w,
                          const struct segment_block *row, struct fw_err *err);
/* FW_NONE: there was nothing to summarise, and there is no file. */
FW_CHECK fw_rc rollup_finish(struct rollup_writer *w,
                             const struct partition *made, struct fw_err *err);
void rollup_release(struct rollup_writer *w);

/*
 * Writes `made` from final rollups, without rows that were deleted. FW_NONE
 * where none is left, FW_END when cancelled.
 */
FW_CHECK fw_rc rollup_rewrite(struct fw_store *store, struct partition *made,
                              struct partition *const *sources, size_t count,
                              const atomic_bool *cancel, struct fw_err *err);

/* ---- Which there are ------------------------------------------------------
 */

static inline bool rollup_is(const struct partition *p)
{
    return atomic_load(&p->kind) == PARTITION_ROLLUP;
}

/* True if the closed partition it was made with is not in the list. */
bool rollup_is_final(const struct partition *p, struct partition *const *list,
                     size_t count);

/*
 * Whether a partition is to be summarised: a closed one of which all is older
 * than the edge (retention_rollup_edge), that has no rollup in the list.
 */
bool rollup_is_due(const struct partition *p, struct partition *const *list,
                   size_t count, fw_ms edge);

/* Looks again which are final: after each change of the manifest. */
void rollup_look(struct fw_store *store);

/* ---- Which series they have -----------------------------------------------
 */

/* A set of series. Starts zeroed. */
struct rollup_set {
    uint64_t *bits; /* owned */
    size_t words;
};

static inline bool rollup_set_has(const struct rollup_set *set, uint32_t id)
{
    return id / 64 < set->words && (set->bits[id / 64] >> (id % 64) & 1) != 0;
}

void rollup_set_release(struct rollup_set *set);

/*
 * Adds the series of the rollups that lie in [from, to], final ones only or
 * all. Nothing, soon, where there are none.
 */
FW_CHECK fw_rc rollup_series(struct fw_store *store, fw_ms from, fw_ms to,
                             bool final_only, struct rollup_set *set,
                             struct fw_err *err);

/* Frees what a partition keeps of its index. */
void rollup_index_free(struct rollup_index *index);

/* ---- Checking -------------------------------------------------------------
 */

/* What is wrong with a segment of a rollup, or NULL. */
struct rollup_check {
    uint32_t series; /* of the last row */
    fw_ms last;
    bool any, index;
    const struct partition *part;
    struct fw_store *store;
};
const char *rollup_check_segment(struct rollup_check *check,
                                 const struct segment *s,
                                 const struct segment_block *rows);

/* What a rollup says and the samples it was made of do not. */
struct rollup_differences {
    const struct partition *rollup;
    size_t count;     /* rows that are wrong */
    size_t bare;      /* samples that no row tells of */
    const char *what; /* of the first row that is wrong; NULL: none is */
    uint32_t series;
    fw_ms t;
};

/*
 * Compares the samples of a closed partition with the rollup beside it: FW_NONE
 * where the list has none. The caller hands over the samples by series, then
 * by time, and keeps the list meanwhile.
 */
struct rollup_compare;
FW_CHECK fw_rc rollup_compare_begin(struct partition *const *list, size_t count,
                                    const struct partition *closed,
                                    struct rollup_compare **out,
                                    struct fw_err *err);
FW_CHECK fw_rc rollup_compare_samples(struct rollup_compare *c, uint32_t series,
                                      const fw_ms *t, const double *v, size_t n,
                                      struct fw_err *err);
FW_CHECK fw_rc rollup_compare_end(struct rollup_compare *c,
                                  struct rollup_differences *out,
                                  struct fw_err *err);
void rollup_compare_free(struct rollup_compare *c);

#endif
