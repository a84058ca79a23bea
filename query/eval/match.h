/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * match.h - two vectors brought together: which rows have the same signature,
 * the labels of on(), or those not of ignoring() and not the metric name.
 */
#ifndef FW_QUERY_MATCH_H
#define FW_QUERY_MATCH_H

#include "query/eval/eval.h"

/* Both sides of an operator, collected, with the signature of each row. */
struct sides {
    struct rowset set[2];
    uint32_t *group[2]; /* of each row; the same number: the same signature */
    uint32_t group_count;
};

/* Evaluates both operands and numbers their signatures. */
FW_CHECK fw_rc sides_collect(struct eval *ev, const struct node *node,
                             const struct grid *grid, struct sides *out);
void sides_release(struct sides *sides);

/* The labels that make up the signature of a row; `to` has room for all. */
void match_labels(const struct matching *m, const struct fw_labels *labels,
                  struct fw_label *to, size_t *n);

#endif
