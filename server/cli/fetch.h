/* SPDX-License-Identifier: GPL-3.0-or-later */
/* fetch.h - one HTTP request of a command to the server of --server. */
#ifndef SERVER_FETCH_H
#define SERVER_FETCH_H

#include "query/query.h"

/* An fw_fetch, for fw_query_set_fetch(). */
FW_CHECK fw_rc fetch_url(struct fw_str url, struct fw_str form,
                         struct fw_arena *arena, struct fw_str *body,
                         struct fw_err *err);

#endif
