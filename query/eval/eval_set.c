/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * eval_set.c - and, or, unless: at each step, a row of one side stays or goes
 * by whether the other side has any row of its signature there.
 */
#include "query/eval/match.h"

/* present[group * steps + step]: the side has a point there. */
static fw_rc mark_present(struct eval *ev, const struct sides *sides, size_t s,
                          size_t steps, bool **out)
{
    const struct rowset *set = &sides->set[s];
    bool *present =
        fw_arena_calloc(ev->arena, sides->group_count * steps, sizeof(bool));

    if (present == NULL)
        return eval_no_memory(ev);
    for (size_t r = 0; r < set->count; r++) {
        bool *to = present + sides->group[s][r] * steps;

        for (size_t i = 0; i < steps; i++)
            to[i] |= !is_absent(set->rows[r].v[i]);
    }
    *out = present;
    return FW_OK;
}

/* Takes out the points of row r where the other side has (not) a point. */
static void filter_row(struct row *row, const bool *other, bool keep_if,
                       size_t steps)
{
    for (size_t i = 0; i < steps; i++) {
        if (other[i] != keep_if)
            row->v[i] = absent();
    }
}

static fw_rc filter_left(struct eval *ev, const struct node *node,
                         struct sides *sides, size_t steps, struct sink *sink)
{
    struct rowset *left = &sides->set[0];
    bool *present = NULL;
    fw_rc rc = mark_present(ev, sides, 1, steps, &present);

    for (size_t r = 0; r < left->count && rc == FW_OK; r++) {
        struct row *row = &left->rows[r];

        filter_row(row, present + sides->group[0][r] * steps,
                   node->op == TOKEN_AND, steps);
        if (!row_is_empty(row->v, steps))
            rc = sink->take(sink, row);
    }
    return rc;
}

/* All of the left, then of the right what the left has no match for. */
static fw_rc unite(struct eval *ev, struct sides *sides, size_t steps,
                   struct sink *sink)
{
    struct rowset *right = &sides->set[1];
    struct rowset all;
    bool *present = NULL;
    fw_rc rc = mark_present(ev, sides, 0, steps, &present);

    rowset_init(&all, ev->arena, steps, ev->err);
    for (size_t r = 0; r < sides->set[0].count && rc == FW_OK; r++)
        rc = rowset_merge(&all, &sides->set[0].rows[r], false);
    for (size_t r = 0; r < right->count && rc == FW_OK; r++) {
        struct row *row = &right->rows[r];

        filter_row(row, present + sides->group[1][r] * steps, false, steps);
        if (!row_is_empty(row->v, steps))
            rc = rowset_merge(&all, row, false);
    }
    if (rc == FW_OK)
        rc = rowset_push(&all, sink);
    rowset_release(&all);
    return rc;
}

fw_rc eval_set(struct eval *ev, const struct node *node,
               const struct grid *grid, struct sink *sink)
{
    struct sides sides;
    fw_rc rc = sides_collect(ev, node, grid, &sides);

    if (rc == FW_OK && node->op == TOKEN_OR)
        rc = unite(ev, &sides, grid->count, sink);
    else if (rc == FW_OK)
        rc = filter_left(ev, node, &sides, grid->count, sink);
    sides_release(&sides);
    return rc;
}
