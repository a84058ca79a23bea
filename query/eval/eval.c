/* SPDX-License-Identifier: GPL-3.0-or-later */
/* eval.c - which file evaluates which node; spreading; dropping names. */
#include "query/eval/eval.h"

#include "query/eval/labelset.h"
#include "query/functions/functions.h"

fw_rc eval_no_memory(struct eval *ev)
{
    return fw_arena_err(ev->arena, ev->err);
}

fw_rc eval_array(struct eval *ev, size_t n, double **out)
{
    *out = fw_arena_calloc(ev->arena, n, sizeof(double));
    return *out != NULL ? FW_OK : eval_no_memory(ev);
}

fw_rc eval_scalar_array(struct eval *ev, const struct node *node,
                        const struct grid *grid, double **out)
{
    fw_rc rc = eval_array(ev, grid->count, out);

    return rc == FW_OK ? eval_scalar(ev, node, grid, *out) : rc;
}

/* ---- Dropping metric names ---------------------------------------------- */

static fw_rc unname(struct sink *sink, struct row *row)
{
    struct unnamer *u = (struct unnamer *)sink;

    if (u->ev->delayed_names)
        return labels_mark_name(u->ev->arena, &row->labels)
                   ? u->next->take(u->next, row)
                   : eval_no_memory(u->ev);
    if (!labels_drop_name(u->ev->arena, &row->labels))
        return eval_no_memory(u->ev);
    if (u->may_meet)
        return rowset_merge(&u->set, row, u->strict);
    return u->next->take(u->next, row);
}

void unnamer_init(struct unnamer *u, struct eval *ev, const struct node *from,
                  const struct grid *grid, bool strict, struct sink *next)
{
    *u = (struct unnamer){.sink = {unname},
                          .next = next,
                          .ev = ev,
                          .may_meet = !from->one_name,
                          .strict = strict};
    rowset_init(&u->set, ev->arena, grid->count, ev->err);
}

fw_rc unnamer_finish(struct unnamer *u, fw_rc rc)
{
    if (rc == FW_OK)
        rc = rowset_push(&u->set, u->next);
    rowset_release(&u->set);
    return rc;
}

/* ---- The sign ----------------------------------------------------------- */

struct negate {
    struct sink sink;
    struct sink *next;
    size_t steps;
};

static fw_rc negate_row(struct sink *sink, struct row *row)
{
    struct negate *n = (struct negate *)sink;

    for (size_t i = 0; i < n->steps; i++) {
        if (!is_absent(row->v[i]))
            row->v[i] = -row->v[i];
    }
    return n->next->take(n->next, row);
}

static fw_rc eval_unary(struct eval *ev, const struct node *node,
                        const struct grid *grid, struct sink *sink)
{
    struct unnamer u;
    struct negate n = {{negate_row}, &u.sink, grid->count};

    if (node->op == TOKEN_ADD)
        return eval_vector(ev, node->args[0], grid, sink);
    unnamer_init(&u, ev, node->args[0], grid, true, sink);
    return unnamer_finish(&u, eval_vector(ev, node->args[0], grid, &n.sink));
}

/* ---- Vectors ------------------------------------------------------------ */

static fw_rc dispatch(struct eval *ev, const struct node *node,
                      const struct grid *grid, struct sink *sink)
{
    switch (node->kind) {
    case NODE_SELECTOR:
        return eval_selector(ev, node, grid, sink);
    case NODE_CALL:
        return node->function->call(ev, node, grid, sink);
    case NODE_AGGREGATE:
        if (node->op == TOKEN_COUNT_VALUES)
            return eval_count_values(ev, node, grid, sink);
        if (token_takes_parameter(node->op))
            return eval_ranking(ev, node, grid, sink);
        return eval_aggregate(ev, node, grid, sink);
    case NODE_BINARY:
        return eval_binary(ev, node, grid, sink);
    case NODE_UNARY:
        return eval_unary(ev, node, grid, sink);
    case NODE_PAREN:
        return eval_vector(ev, node->args[0], grid, sink);
    default:
        return fw_err_set(ev->err, FW_EINVAL, "this is no instant vector");
    }
}

/* Counts what a node pushes on. */
struct counter {
    struct sink sink;
    struct sink *next;
    uint64_t rows;
};

static fw_rc count_row(struct sink *sink, struct row *row)
{
    struct counter *c = (struct counter *)sink;

    c->rows++;
    return c->next->take(c->next, row);
}

static fw_rc measured(struct eval *ev, const struct node *node,
                      const struct grid *grid, struct sink *sink)
{
    struct counter counter = {{count_row}, sink, 0};
    const struct fw_clock *clock = ev->budget->clock;
    uint64_t from;
    fw_rc rc;

    if (ev->costs == NULL)
        return dispatch(ev, node, grid, sink);
    from = clock != NULL ? fw_clock_mono_ns(clock) : 0;
    rc = dispatch(ev, node, grid, &counter.sink);
    ev->costs[node->id].rows += counter.rows;
    if (clock != NULL)
        ev->costs[node->id].ns += fw_clock_mono_ns(clock) - from;
    return rc;
}

static fw_rc evaluate_once(struct eval *ev, const struct node *node,
                           const struct grid *grid, struct sink *sink)
{
    if (ev->twins != NULL && (node->twin != NULL || node->twins > 0))
        return eval_twin(ev, node, grid, measured, sink);
    return measured(ev, node, grid, sink);
}

/* Spreads rows of one step over all steps of a grid. */
struct spread {
    struct sink sink;
    struct sink *next;
    size_t steps;
    double *v;
};

static fw_rc spread_row(struct sink *sink, struct row *row)
{
    struct spread *s = (struct spread *)sink;
    struct row wide = {row->labels, s->v};

    row_fill(s->v, s->steps, row->v[0]);
    return s->next->take(s->next, &wide);
}

fw_rc eval_vector(struct eval *ev, const struct node *node,
                  const struct grid *grid, struct sink *sink)
{
    struct grid once = {grid->start, grid->step, 1};
    struct spread spread = {{spread_row}, sink, grid->count, NULL};
    fw_rc rc;

    if (!node->steady || grid->count == 1)
        return evaluate_once(ev, node, grid, sink);
    rc = eval_array(ev, grid->count, &spread.v);
    if (rc != FW_OK)
        return rc;
    return evaluate_once(ev, node, &once, &spread.sink);
}

/* ---- Scalars ------------------------------------------------------------ */

static fw_rc scalar_binary(struct eval *ev, const struct node *node,
                           const struct grid *grid, double *out)
{
    double *right = NULL;
    fw_rc rc = eval_scalar(ev, node->args[0], grid, out);

    if (rc == FW_OK)
        rc = eval_scalar_array(ev, node->args[1], grid, &right);
    if (rc == FW_OK)
        binary_rows(node->op, node->returns_bool, out, right, out, out,
                    grid->count);
    return rc;
}

static fw_rc scalar_dispatch(struct eval *ev, const struct node *node,
                             const struct grid *grid, double *out)
{
    fw_rc rc;

    switch (node->kind) {
    case NODE_NUMBER:
        row_fill(out, grid->count, node->number);
        return FW_OK;
    case NODE_PAREN:
        return eval_scalar(ev, node->args[0], grid, out);
    case NODE_UNARY:
        rc = eval_scalar(ev, node->args[0], grid, out);
        for (size_t i = 0; i < grid->count && node->op == TOKEN_SUB; i++)
            out[i] = -out[i];
        return rc;
    case NODE_BINARY:
        return scalar_binary(ev, node, grid, out);
    case NODE_CALL:
        return node->function->scalar(ev, node, grid, out);
    default:
        return fw_err_set(ev->err, FW_EINVAL, "this is no scalar");
    }
}

fw_rc eval_scalar(struct eval *ev, const struct node *node,
                  const struct grid *grid, double *out)
{
    struct grid once = {grid->start, grid->step, 1};
    fw_rc rc;

    if (!node->steady || grid->count == 1)
        return scalar_dispatch(ev, node, grid, out);
    rc = scalar_dispatch(ev, node, &once, out);
    if (rc == FW_OK)
        row_fill(out, grid->count, out[0]);
    return rc;
}
