/* SPDX-License-Identifier: GPL-3.0-or-later */
/* eval_count_values.c - count_values: a series for each value there is. */
#include "query/eval/group.h"
#include "query/parse/literal.h"

struct counting {
    struct sink sink;
    struct eval *ev;
    struct fw_str label;
    struct groups groups;
    struct rowset result; /* beside groups: the same numbers */
    size_t steps;
};

static fw_rc count_point(struct counting *c, const struct fw_labels *labels,
                         size_t i, double v)
{
    struct fw_labels with = *labels;
    char text[LITERAL_PLAIN_BYTES];
    char *kept;
    size_t n = literal_plain(text, v);
    size_t group = 0;
    bool is_new = false;
    struct row *row;
    fw_rc rc;

    kept = fw_arena_strndup(c->ev->arena, text, n);
    if (kept == NULL ||
        !labels_set(c->ev->arena, &with, c->label, (struct fw_str){kept, n}))
        return eval_no_memory(c->ev);
    rc = group_of(&c->groups, &with, &group, &is_new);
    if (rc == FW_OK && is_new)
        rc = rowset_add(&c->result, &c->groups.set.rows[group].labels, &row);
    if (rc != FW_OK)
        return rc;
    row = &c->result.rows[group];
    row->v[i] = is_absent(row->v[i]) ? 1 : row->v[i] + 1;
    return FW_OK;
}

static fw_rc take_row(struct sink *sink, struct row *row)
{
    struct counting *c = (struct counting *)sink;
    fw_rc rc = FW_OK;

    for (size_t i = 0; i < c->steps && rc == FW_OK; i++) {
        if (!is_absent(row->v[i]))
            rc = count_point(c, &row->labels, i, row->v[i]);
    }
    return rc;
}

/* by (...) keeps the new label too. */
static fw_rc grouping_with_label(struct eval *ev, const struct grouping *from,
                                 struct fw_str label, struct grouping *to)
{
    *to = *from;
    if (from->without)
        return FW_OK;
    to->labels =
        fw_arena_alloc(ev->arena, (from->count + 1) * sizeof(*to->labels));
    if (to->labels == NULL)
        return eval_no_memory(ev);
    if (from->count > 0)
        memcpy(to->labels, from->labels, from->count * sizeof(*to->labels));
    to->labels[to->count++] = label;
    return FW_OK;
}

fw_rc eval_count_values(struct eval *ev, const struct node *node,
                        const struct grid *grid, struct sink *sink)
{
    struct counting c = {.sink = {take_row},
                         .ev = ev,
                         .label = node_inside(node->args[1])->text,
                         .steps = grid->count};
    struct grouping grouping;
    fw_rc rc;

    if (c.label.n == 0)
        return fw_err_set(ev->err, FW_EINVAL, "invalid label name \"\"");
    rc = grouping_with_label(ev, &node->grouping, c.label, &grouping);
    if (rc != FW_OK)
        return rc;
    groups_init(&c.groups, ev, &grouping);
    rowset_init(&c.result, ev->arena, grid->count, ev->err);
    rc = eval_vector(ev, node->args[0], grid, &c.sink);
    if (rc == FW_OK)
        rc = rowset_push(&c.result, sink);
    groups_release(&c.groups);
    rowset_release(&c.result);
    return rc;
}
