/* SPDX-License-Identifier: GPL-3.0-or-later */
/* group.h - which group of an aggregation a series belongs to. */
#ifndef FW_QUERY_GROUP_H
#define FW_QUERY_GROUP_H

#include "query/eval/eval.h"
#include "query/eval/labelset.h"

struct groups {
    const struct grouping *grouping;
    struct eval *ev;
    struct rowset set; /* the groups' labels, in the order of appearance */
    struct label_buffer buffer;
    size_t last_group; /* the next series is often in the same */
};

void groups_init(struct groups *groups, struct eval *ev,
                 const struct grouping *grouping);
void groups_release(struct groups *groups);

/* The number of the group of a series; a new one is the next number. */
FW_CHECK fw_rc group_of(struct groups *groups, const struct fw_labels *labels,
                        size_t *group, bool *is_new);

/* Rows ordered by group: those of g are rows[first[g]] .. rows[first[g+1]-1].
 */
struct members {
    size_t *rows;
    size_t *first;
};
FW_CHECK fw_rc members_order(struct eval *ev, const size_t *group, size_t rows,
                             size_t groups, struct members *out);

#endif
