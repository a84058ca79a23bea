/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * eval.h - what the files of the evaluator share.
 *
 * eval_vector() pushes the series of a node into a sink, row by row, over a
 * whole grid of instants at once. eval_scalar() fills an array. A node that is
 * the same at every step is evaluated at one and spread.
 */
#ifndef FW_QUERY_EVAL_H
#define FW_QUERY_EVAL_H

#include "query/budget.h"
#include "query/eval/rows.h"
#include "query/notes.h"
#include "query/parse/ast.h"

#define EVAL_MAX_ARGS 8

/* What the evaluation of one node took; for `explain`. */
struct node_cost {
    uint64_t series;     /* read from the source */
    uint64_t samples;    /* that were looked at, or a summary of them */
    uint64_t runs;       /* blocks, or pieces of memory, they came in */
    uint64_t skipped;    /* of those, answered by their summaries */
    uint64_t summarised; /* samples in those */
    uint64_t rolled;     /* rows of rollups, for samples that are gone */
    uint64_t threads;    /* that read them */
    uint64_t rows;       /* pushed on */
    uint64_t ns;         /* itself and what is beneath it */
    bool as_twin;        /* its rows are those of its twin */
};

/* One run of one query. */
struct eval {
    const struct fw_query *query;
    const struct fw_source *src;
    struct fw_arena *arena;
    struct fw_err *err;
    fw_ms start, end; /* of the query: what @ start() and @ end() mean */
    fw_ms lookback;
    struct budget *budget; /* shared by the threads of a scan */
    struct fw_crew *crew;  /* or NULL */
    bool delayed_names;    /* metric names go when the answer is made */
    struct notes notes;
    struct node_cost *costs; /* by node id, or NULL */
    struct twins *twins;     /* rows of nodes that are there again, or NULL */
};

FW_CHECK fw_rc eval_vector(struct eval *ev, const struct node *node,
                           const struct grid *grid, struct sink *sink);
FW_CHECK fw_rc eval_scalar(struct eval *ev, const struct node *node,
                           const struct grid *grid, double *out);

/* An array of n doubles in the arena; FW_ETOOBIG, FW_ENOMEM. */
FW_CHECK fw_rc eval_array(struct eval *ev, size_t n, double **out);
/* The same, filled by eval_scalar(). */
FW_CHECK fw_rc eval_scalar_array(struct eval *ev, const struct node *node,
                                 const struct grid *grid, double **out);
fw_rc eval_no_memory(struct eval *ev);

/* ---- One file each ------------------------------------------------------ */

FW_CHECK fw_rc eval_selector(struct eval *ev, const struct node *node,
                             const struct grid *grid, struct sink *sink);
FW_CHECK fw_rc eval_binary(struct eval *ev, const struct node *node,
                           const struct grid *grid, struct sink *sink);
FW_CHECK fw_rc eval_join(struct eval *ev, const struct node *node,
                         const struct grid *grid, struct sink *sink);
FW_CHECK fw_rc eval_set(struct eval *ev, const struct node *node,
                        const struct grid *grid, struct sink *sink);
FW_CHECK fw_rc eval_aggregate(struct eval *ev, const struct node *node,
                              const struct grid *grid, struct sink *sink);
FW_CHECK fw_rc eval_ranking(struct eval *ev, const struct node *node,
                            const struct grid *grid, struct sink *sink);
FW_CHECK fw_rc eval_count_values(struct eval *ev, const struct node *node,
                                 const struct grid *grid, struct sink *sink);

/* ---- Twins --------------------------------------------------------------- */

/* Finds vectors that are the same: sets `twin` and `twins`. FW_ENOMEM. */
FW_CHECK fw_rc find_twins(struct fw_query *query, struct fw_arena *arena,
                          struct fw_err *err);

/* Rows kept for nodes of a query that are the same. NULL: none, or no memory.
 */
struct twins *twins_new(const struct fw_query *query, size_t max_bytes);
void twins_free(struct twins *twins); /* NULL is fine */

/*
 * Pushes the rows of a node that has twins: those that a twin made, if it did
 * at these instants, else those that `evaluate` makes.
 */
typedef fw_rc (*eval_node)(struct eval *ev, const struct node *node,
                           const struct grid *grid, struct sink *sink);
FW_CHECK fw_rc eval_twin(struct eval *ev, const struct node *node,
                         const struct grid *grid, eval_node evaluate,
                         struct sink *sink);

/* ---- Arithmetic --------------------------------------------------------- */

/*
 * out[i] = a[i] op b[i]; a comparison keeps a[i] (or `kept`[i]) where it
 * holds and is ABSENT where not, or is 1 and 0 with `as_bool`. ABSENT on
 * either side stays ABSENT. `out` may be one of the others.
 */
void binary_rows(enum token_kind op, bool as_bool, const double *a,
                 const double *b, const double *kept, double *out, size_t n);

/* ---- Dropping metric names ---------------------------------------------- */

/*
 * Stands between an operator that drops metric names and its receiver. Series
 * that differed by their names alone become one (or an error); where that
 * cannot be, rows pass straight through.
 */
struct unnamer {
    struct sink sink;
    struct sink *next;
    struct eval *ev;
    bool may_meet; /* two rows may become alike */
    bool strict;   /* and that is an error wherever their points are */
    struct rowset set;
};

void unnamer_init(struct unnamer *u, struct eval *ev, const struct node *from,
                  const struct grid *grid, bool strict, struct sink *next);
/* Pushes what was held back, if rc is FW_OK; releases. Returns the outcome. */
FW_CHECK fw_rc unnamer_finish(struct unnamer *u, fw_rc rc);

/* ---- Samples of a series ------------------------------------------------ */

/* Grows as needed; owned by the operator that reads. */
struct samples {
    fw_ms *t;
    double *v;
    size_t n, cap;
    bool whole; /* all values are known to be whole numbers (lanes.h) */
};

void samples_release(struct samples *s);
/* Room for so many more; FW_ETOOBIG says that the series is too long. */
FW_CHECK fw_rc samples_reserve(struct samples *s, size_t more,
                               struct fw_err *err);
FW_CHECK fw_rc samples_add(struct samples *s, fw_ms t, double v,
                           struct fw_err *err);

/* The time a selector or subquery looks at for a step of the grid. */
fw_ms shift_time(const struct eval *ev, const struct shift *shift, fw_ms step);

/*
 * The instants a subquery is evaluated at for the steps of a grid: multiples
 * of its own step, from the first in the earliest window. False if there are
 * none.
 */
bool subquery_grid(const struct eval *ev, const struct subquery *sub,
                   const struct grid *grid, struct grid *out);

/* The series of a selector that may have samples in from..to. */
FW_CHECK fw_rc select_series(struct eval *ev, const struct node *selector,
                             fw_ms from, fw_ms to, struct fw_series **series,
                             size_t *count);

/* ---- Calls: what rows of the function table point to --------------------- */

fw_rc call_window(struct eval *ev, const struct node *call,
                  const struct grid *grid, struct sink *sink);
fw_rc call_map(struct eval *ev, const struct node *call,
               const struct grid *grid, struct sink *sink);
fw_rc call_date(struct eval *ev, const struct node *call,
                const struct grid *grid, struct sink *sink);
fw_rc call_timestamp(struct eval *ev, const struct node *call,
                     const struct grid *grid, struct sink *sink);
fw_rc call_clamp(struct eval *ev, const struct node *call,
                 const struct grid *grid, struct sink *sink);
fw_rc call_clamp_min(struct eval *ev, const struct node *call,
                     const struct grid *grid, struct sink *sink);
fw_rc call_clamp_max(struct eval *ev, const struct node *call,
                     const struct grid *grid, struct sink *sink);
fw_rc call_round(struct eval *ev, const struct node *call,
                 const struct grid *grid, struct sink *sink);
fw_rc call_vector(struct eval *ev, const struct node *call,
                  const struct grid *grid, struct sink *sink);
fw_rc call_absent(struct eval *ev, const struct node *call,
                  const struct grid *grid, struct sink *sink);
fw_rc call_absent_over_time(struct eval *ev, const struct node *call,
                            const struct grid *grid, struct sink *sink);
fw_rc call_info(struct eval *ev, const struct node *call,
                const struct grid *grid, struct sink *sink);
fw_rc call_label_replace(struct eval *ev, const struct node *call,
                         const struct grid *grid, struct sink *sink);
fw_rc call_label_join(struct eval *ev, const struct node *call,
                      const struct grid *grid, struct sink *sink);
fw_rc call_sort(struct eval *ev, const struct node *call,
                const struct grid *grid, struct sink *sink);
fw_rc call_sort_desc(struct eval *ev, const struct node *call,
                     const struct grid *grid, struct sink *sink);
fw_rc call_sort_by_label(struct eval *ev, const struct node *call,
                         const struct grid *grid, struct sink *sink);
fw_rc call_sort_by_label_desc(struct eval *ev, const struct node *call,
                              const struct grid *grid, struct sink *sink);
fw_rc call_histogram_quantile(struct eval *ev, const struct node *call,
                              const struct grid *grid, struct sink *sink);
fw_rc call_histogram_fraction(struct eval *ev, const struct node *call,
                              const struct grid *grid, struct sink *sink);

fw_rc scalar_time(struct eval *ev, const struct node *call,
                  const struct grid *grid, double *out);
fw_rc scalar_pi(struct eval *ev, const struct node *call,
                const struct grid *grid, double *out);
fw_rc scalar_of_vector(struct eval *ev, const struct node *call,
                       const struct grid *grid, double *out);

#endif
