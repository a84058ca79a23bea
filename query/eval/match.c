/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "query/eval/match.h"

#include "query/eval/labelset.h"

void match_labels(const struct matching *m, const struct fw_labels *labels,
                  struct fw_label *to, size_t *n)
{
    struct fw_labels picked = {to, 0};
    struct fw_str name = NAME_LABEL;

    labels_pick(labels, m->labels, m->count, m->on, to, n);
    if (m->on)
        return;
    picked.n = *n;
    labels_pick(&picked, &name, 1, false, to, n);
}

/* Signatures are rows without values in a set of their own. */
static fw_rc number_side(struct eval *ev, const struct matching *m,
                         struct rowset *signatures, const struct rowset *side,
                         uint32_t **out)
{
    uint32_t *groups = fw_arena_alloc(ev->arena, side->count * sizeof(*groups));
    struct label_buffer buffer = {NULL, 0};

    if (groups == NULL)
        return eval_no_memory(ev);
    for (size_t i = 0; i < side->count; i++) {
        const struct fw_labels *labels = &side->rows[i].labels;
        struct fw_labels signature = {NULL, 0};
        size_t at = 0;
        bool is_new = false;
        fw_rc rc;

        if (!label_buffer_fit(&buffer, ev->arena, labels->n))
            return eval_no_memory(ev);
        signature.v = buffer.v;
        match_labels(m, labels, buffer.v, &signature.n);
        rc = rowset_find_or_add(signatures, &signature, &at, &is_new);
        if (rc == FW_OK && is_new &&
            !labels_copy(ev->arena, buffer.v, signature.n,
                         &signatures->rows[at].labels))
            rc = eval_no_memory(ev);
        if (rc != FW_OK)
            return rc;
        groups[i] = (uint32_t)at;
    }
    *out = groups;
    return FW_OK;
}

fw_rc sides_collect(struct eval *ev, const struct node *node,
                    const struct grid *grid, struct sides *out)
{
    struct rowset signatures;
    fw_rc rc = FW_OK;

    *out = (struct sides){0};
    rowset_init(&signatures, ev->arena, 0, ev->err);
    for (size_t s = 0; s < 2 && rc == FW_OK; s++) {
        rowset_init(&out->set[s], ev->arena, grid->count, ev->err);
        rc = eval_vector(ev, node->args[s], grid, &out->set[s].sink);
    }
    for (size_t s = 0; s < 2 && rc == FW_OK; s++)
        rc = number_side(ev, &node->matching, &signatures, &out->set[s],
                         &out->group[s]);
    out->group_count = (uint32_t)signatures.count;
    rowset_release(&signatures);
    return rc;
}

void sides_release(struct sides *sides)
{
    rowset_release(&sides->set[0]);
    rowset_release(&sides->set[1]);
}
