/* SPDX-License-Identifier: GPL-3.0-or-later */
/* engine.h - fw_query_run() with an eye on what each node costs. */
#ifndef FW_QUERY_ENGINE_H
#define FW_QUERY_ENGINE_H

#include "query/eval/eval.h"

/* `costs` has a zeroed item per node of the query, or is NULL. */
FW_CHECK fw_rc query_run(const struct fw_query *query,
                         const struct fw_source *src,
                         const struct fw_query_options *options,
                         struct fw_arena *arena, struct node_cost *costs,
                         struct fw_result *result, struct fw_err *err);

#endif
