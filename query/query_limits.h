/* SPDX-License-Identifier: GPL-3.0-or-later */
/* query_limits.h - counting how often a limit of fw_query_limits() struck. */
#ifndef FW_QUERY_QUERY_LIMITS_H
#define FW_QUERY_QUERY_LIMITS_H

#include "query/query.h"

void limit_count(enum fw_query_limit limit);

#endif
