/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * check.h - types, arities and the rules a grammar cannot state; then what
 * the evaluator needs to know of each node beforehand.
 */
#ifndef FW_QUERY_CHECK_H
#define FW_QUERY_CHECK_H

#include "query/parse/ast.h"

/* Sets the type of every node. FW_EINVAL shows the place. */
FW_CHECK fw_rc check_types(struct fw_query *query, struct fw_err *err);

/* Sets `steady` and `one_name` of every node. */
void check_traits(struct node *node);

#endif
