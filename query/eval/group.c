/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "query/eval/group.h"

void groups_init(struct groups *groups, struct eval *ev,
                 const struct grouping *grouping)
{
    *groups = (struct groups){.grouping = grouping, .ev = ev};
    rowset_init(&groups->set, ev->arena, 0, ev->err);
}

void groups_release(struct groups *groups)
{
    rowset_release(&groups->set);
}

/* by (a, b) keeps these; without (a, b) drops these and the metric name. */
static void pick(struct groups *groups, const struct fw_labels *labels,
                 struct fw_labels *out)
{
    const struct grouping *g = groups->grouping;
    struct fw_str name = NAME_LABEL;

    out->v = groups->buffer.v;
    labels_pick(labels, g->labels, g->count, !g->without, groups->buffer.v,
                &out->n);
    if (g->without)
        labels_pick(out, &name, 1, false, groups->buffer.v, &out->n);
}

fw_rc group_of(struct groups *groups, const struct fw_labels *labels,
               size_t *group, bool *is_new)
{
    struct fw_labels key;
    fw_rc rc;

    if (!label_buffer_fit(&groups->buffer, groups->ev->arena, labels->n))
        return eval_no_memory(groups->ev);
    pick(groups, labels, &key);
    if (groups->set.count > 0 &&
        labels_equal(&key, &groups->set.rows[groups->last_group].labels)) {
        *group = groups->last_group;
        *is_new = false;
        return FW_OK;
    }
    rc = rowset_find_or_add(&groups->set, &key, group, is_new);
    if (rc == FW_OK && *is_new &&
        !labels_copy(groups->ev->arena, key.v, key.n,
                     &groups->set.rows[*group].labels))
        rc = eval_no_memory(groups->ev);
    groups->last_group = *group;
    return rc;
}

fw_rc members_order(struct eval *ev, const size_t *group, size_t rows,
                    size_t groups, struct members *out)
{
    struct members m;
    size_t *fill;

    m.rows = fw_arena_alloc(ev->arena, rows * sizeof(*m.rows));
    m.first = fw_arena_calloc(ev->arena, groups + 1, sizeof(*m.first));
    fill = fw_arena_alloc(ev->arena, (groups + 1) * sizeof(*fill));
    if (m.rows == NULL || m.first == NULL || fill == NULL)
        return eval_no_memory(ev);
    for (size_t i = 0; i < rows; i++)
        m.first[group[i] + 1]++;
    for (size_t g = 0; g < groups; g++)
        m.first[g + 1] += m.first[g];
    memcpy(fill, m.first, (groups + 1) * sizeof(*fill));
    for (size_t i = 0; i < rows; i++)
        m.rows[fill[group[i]]++] = i;
    *out = m;
    return FW_OK;
}
