/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * eval_twin.c - a vector that an expression names several times is evaluated
 * once, and its rows are kept for the others.
 *
 * They are kept in an arena of their own. When it is full they are let go, and
 * each is evaluated for itself, as if there were no twins; so it is where the
 * evaluation had something to say, for the note names the place.
 */
#include <stdlib.h>

#include "query/eval/eval.h"

#define KEPT_BYTES_MAX ((size_t)64 << 20) /* of all nodes of a query */

enum keep_state { KEEP_NOTHING, KEEP_ROWS, KEEP_GIVEN_UP };

struct keep {
    enum keep_state state;
    struct grid grid;
    struct rowset rows;
    uint32_t wanted; /* so many may still come for them */
};

struct twins {
    struct fw_arena *arena;
    size_t count;
    struct keep keeps[]; /* by id of the node that made the rows */
};

struct twins *twins_new(const struct fw_query *query, size_t max_bytes)
{
    struct twins *twins =
        calloc(1, sizeof(*twins) + query->node_count * sizeof(struct keep));

    if (twins == NULL)
        return NULL;
    twins->count = query->node_count;
    twins->arena =
        fw_arena_new(max_bytes < KEPT_BYTES_MAX ? max_bytes : KEPT_BYTES_MAX);
    if (twins->arena != NULL)
        return twins;
    free(twins);
    return NULL;
}

void twins_free(struct twins *twins)
{
    if (twins == NULL)
        return;
    for (size_t i = 0; i < twins->count; i++)
        rowset_release(&twins->keeps[i].rows);
    fw_arena_free(twins->arena);
    free(twins);
}

/* ---- Keeping rows ------------------------------------------------------- */

struct keeper {
    struct sink sink;
    struct sink *next;
    struct keep *keep;
};

/* A row that cannot be kept is no failure: nothing is kept then. */
static fw_rc keep_row(struct sink *sink, struct row *row)
{
    struct keeper *k = (struct keeper *)sink;
    struct rowset *rows = &k->keep->rows;

    if (k->keep->state == KEEP_NOTHING &&
        rows->sink.take(&rows->sink, row) != FW_OK)
        k->keep->state = KEEP_GIVEN_UP;
    return k->next->take(k->next, row);
}

static fw_rc evaluate_and_keep(struct eval *ev, const struct node *node,
                               const struct grid *grid, eval_node evaluate,
                               struct keep *keep, struct sink *sink)
{
    struct keeper k = {{keep_row}, sink, keep};
    size_t told = ev->notes.told;
    fw_rc rc;

    rowset_init(&keep->rows, ev->twins->arena, grid->count, NULL);
    keep->grid = *grid;
    keep->wanted = node->twins;
    rc = evaluate(ev, node, grid, &k.sink);
    if (keep->state == KEEP_NOTHING && rc == FW_OK && ev->notes.told == told) {
        keep->state = KEEP_ROWS;
        return FW_OK;
    }
    keep->state = KEEP_GIVEN_UP;
    rowset_release(&keep->rows);
    return rc;
}

/* ---- Using them --------------------------------------------------------- */

/* Receivers may write to what they are given; the last may have the rows. */
static fw_rc push_copies(struct eval *ev, const struct keep *keep,
                         struct sink *sink)
{
    size_t bytes = keep->grid.count * sizeof(double);
    double *copy = fw_arena_alloc(ev->arena, bytes);
    fw_rc rc = FW_OK;

    if (copy == NULL)
        return eval_no_memory(ev);
    for (size_t i = 0; i < keep->rows.count && rc == FW_OK; i++) {
        struct row row = {keep->rows.rows[i].labels, copy};

        memcpy(copy, keep->rows.rows[i].v, bytes);
        rc = sink->take(sink, &row);
    }
    return rc;
}

static fw_rc push_kept(struct eval *ev, const struct node *node,
                       struct keep *keep, struct sink *sink)
{
    if (ev->costs != NULL) {
        ev->costs[node->id].as_twin = true;
        ev->costs[node->id].rows += keep->rows.count;
    }
    if (--keep->wanted > 0)
        return push_copies(ev, keep, sink);
    return rowset_push(&keep->rows, sink);
}

static bool same_instants(const struct grid *a, const struct grid *b)
{
    return a->start == b->start && a->step == b->step && a->count == b->count;
}

fw_rc eval_twin(struct eval *ev, const struct node *node,
                const struct grid *grid, eval_node evaluate, struct sink *sink)
{
    const struct node *maker = node->twin != NULL ? node->twin : node;
    struct keep *keep = &ev->twins->keeps[maker->id];

    if (node == maker && keep->state == KEEP_NOTHING)
        return evaluate_and_keep(ev, node, grid, evaluate, keep, sink);
    if (keep->state == KEEP_ROWS && keep->wanted > 0 &&
        same_instants(&keep->grid, grid))
        return push_kept(ev, node, keep, sink);
    return evaluate(ev, node, grid, sink);
}
