/* SPDX-License-Identifier: GPL-3.0-or-later */
/* eval_binary.c - an operator between a vector and a scalar; the rest goes to
 * eval_join.c (vector and vector) and eval_set.c (and, or, unless). */
#include "query/eval/eval.h"

struct with_scalar {
    struct sink sink;
    struct sink *next;
    const struct node *node;
    size_t steps;
    const double *scalar; /* per step */
    bool scalar_left;
};

/* A comparison keeps the vector's value, on whichever side it stands. */
static fw_rc take_row(struct sink *sink, struct row *row)
{
    struct with_scalar *w = (struct with_scalar *)sink;
    const double *left = w->scalar_left ? w->scalar : row->v;
    const double *right = w->scalar_left ? row->v : w->scalar;

    binary_rows(w->node->op, w->node->returns_bool, left, right, row->v, row->v,
                w->steps);
    if (row_is_empty(row->v, w->steps))
        return FW_OK;
    return w->next->take(w->next, row);
}

static fw_rc eval_with_scalar(struct eval *ev, const struct node *node,
                              const struct grid *grid, struct sink *sink)
{
    bool left = node->args[0]->type == FW_SCALAR;
    const struct node *vector = node->args[left ? 1 : 0];
    bool keeps_name = token_is_comparison(node->op) && !node->returns_bool;
    double *scalar = NULL;
    struct unnamer u;
    struct with_scalar w = {.sink = {take_row},
                            .next = keeps_name ? sink : &u.sink,
                            .node = node,
                            .steps = grid->count,
                            .scalar_left = left};
    fw_rc rc = eval_scalar_array(ev, node->args[left ? 0 : 1], grid, &scalar);

    if (rc != FW_OK)
        return rc;
    w.scalar = scalar;
    unnamer_init(&u, ev, vector, grid, false, sink);
    return unnamer_finish(&u, eval_vector(ev, vector, grid, &w.sink));
}

fw_rc eval_binary(struct eval *ev, const struct node *node,
                  const struct grid *grid, struct sink *sink)
{
    if (token_is_set_operator(node->op))
        return eval_set(ev, node, grid, sink);
    if (node->args[0]->type == FW_VECTOR && node->args[1]->type == FW_VECTOR)
        return eval_join(ev, node, grid, sink);
    return eval_with_scalar(ev, node, grid, sink);
}
