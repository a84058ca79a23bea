/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * twins.c - which vectors of an expression are the same, so that one
 * evaluation will do for `x / (x + y)` or `sum(rate(x[5m])) / ...`.
 *
 * Two nodes are twins when they are built alike and stand in subqueries alike:
 * then they are evaluated at the same instants. Nodes are looked at from the
 * root down and from left to right; within a twin nobody looks further, for it
 * will not be evaluated.
 */
#include "query/eval/eval.h"
#include "query/functions/functions.h"
#include "storage/base/bytes.h"

/* Of more vectors only the first are compared with: an expression of 64 KiB
 * would have twenty thousand. */
#define MAX_SEEN 256

struct seen {
    struct node *node;
    const struct node *within; /* the subquery it stands in, or NULL */
};

struct search {
    struct fw_query *query;
    struct seen *seen;
    size_t count;
};

static bool same_texts(const struct fw_str *a, size_t n, const struct fw_str *b,
                       size_t m)
{
    bool same = n == m;

    for (size_t i = 0; i < n && same; i++)
        same = fw_str_eq(a[i], b[i]);
    return same;
}

static bool same_shift(const struct shift *a, const struct shift *b)
{
    return a->offset == b->offset && a->at_kind == b->at_kind && a->at == b->at;
}

static bool same_selector(const struct selector *a, const struct selector *b)
{
    bool same = a->count == b->count && same_shift(&a->shift, &b->shift);

    for (size_t i = 0; i < a->count && same; i++)
        same = a->matchers[i].op == b->matchers[i].op &&
               fw_str_eq(a->matchers[i].name, b->matchers[i].name) &&
               fw_str_eq(a->matchers[i].value, b->matchers[i].value);
    return same;
}

static bool same_subquery(const struct subquery *a, const struct subquery *b)
{
    return a->range == b->range && a->step == b->step &&
           same_shift(&a->shift, &b->shift);
}

static bool same_grouping(const struct grouping *a, const struct grouping *b)
{
    return a->without == b->without &&
           same_texts(a->labels, a->count, b->labels, b->count);
}

static bool same_matching(const struct matching *a, const struct matching *b)
{
    return a->card == b->card && a->on == b->on &&
           same_texts(a->labels, a->count, b->labels, b->count) &&
           same_texts(a->include, a->include_count, b->include,
                      b->include_count);
}

static bool same_itself(const struct node *a, const struct node *b)
{
    switch (a->kind) {
    case NODE_NUMBER:
        return fw_double_bits(a->number) == fw_double_bits(b->number);
    case NODE_STRING:
        return fw_str_eq(a->text, b->text);
    case NODE_SELECTOR:
        return same_selector(&a->selector, &b->selector);
    case NODE_RANGE:
        return a->range == b->range;
    case NODE_SUBQUERY:
        return same_subquery(&a->subquery, &b->subquery);
    case NODE_CALL:
        return a->function == b->function;
    case NODE_AGGREGATE:
        return same_grouping(&a->grouping, &b->grouping);
    case NODE_BINARY:
        return same_matching(&a->matching, &b->matching);
    default:
        return true;
    }
}

static bool same(const struct node *a, const struct node *b)
{
    bool equal;

    a = node_inside(a);
    b = node_inside(b);
    equal = a->kind == b->kind && a->type == b->type && a->op == b->op &&
            a->returns_bool == b->returns_bool &&
            a->arg_count == b->arg_count && same_itself(a, b);
    for (size_t i = 0; i < a->arg_count && equal; i++)
        equal = same(a->args[i], b->args[i]);
    return equal;
}

/* ---- The search --------------------------------------------------------- */

static struct node *find(const struct search *s, const struct node *node,
                         const struct node *within)
{
    for (size_t i = 0; i < s->count; i++) {
        const struct seen *seen = &s->seen[i];

        /* Of nested ones the innermost will do: instants are compared again
         * where a twin is to be used. */
        if ((seen->within == NULL) == (within == NULL) &&
            (within == NULL ||
             same_subquery(&seen->within->subquery, &within->subquery)) &&
            same(seen->node, node))
            return seen->node;
    }
    return NULL;
}

/* Arguments that are not evaluated as vectors, but read in a way of its own. */
static bool reads_itself(const struct node *call, size_t arg)
{
    if (call->kind == NODE_RANGE)
        return true;
    if (call->kind != NODE_CALL)
        return false;
    if (call->function->call == call_timestamp)
        return node_inside(call->args[arg])->kind == NODE_SELECTOR;
    return call->function->call == call_info && arg > 0;
}

static void look(struct search *s, struct node *node, const struct node *within)
{
    struct node *twin = NULL;
    bool evaluated = node->type == FW_VECTOR && node->kind != NODE_PAREN;

    if (evaluated)
        twin = find(s, node, within);
    if (twin != NULL) {
        node->twin = twin;
        twin->twins++;
        s->query->has_twins = true;
        return;
    }
    if (evaluated && s->count < MAX_SEEN)
        s->seen[s->count++] = (struct seen){node, within};
    if (node->kind == NODE_SUBQUERY)
        within = node;
    for (size_t i = 0; i < node->arg_count; i++) {
        if (!reads_itself(node, i))
            look(s, node->args[i], within);
    }
}

fw_rc find_twins(struct fw_query *query, struct fw_arena *arena,
                 struct fw_err *err)
{
    struct search s = {query, NULL, 0};

    s.seen = fw_arena_alloc(arena, MAX_SEEN * sizeof(*s.seen));
    if (s.seen == NULL)
        return fw_arena_err(arena, err);
    look(&s, query->root, NULL);
    return FW_OK;
}
