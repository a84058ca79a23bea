/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "server/http/http_limit.h"

#include <stdatomic.h>

static _Atomic uint64_t struck[HTTP_LIMITS];

const char *http_limit_name(enum http_limit limit)
{
    static const char *const names[HTTP_LIMITS] = {
        [HTTP_LIMIT_HEAD_BYTES] = "head_bytes",
        [HTTP_LIMIT_TARGET_BYTES] = "target_bytes",
        [HTTP_LIMIT_FIELDS] = "fields",
        [HTTP_LIMIT_HEAD_TIME] = "head_time",
        [HTTP_LIMIT_FORM_BYTES] = "form_bytes",
        [HTTP_LIMIT_BODY_BYTES] = "body_bytes",
        [HTTP_LIMIT_BODY_RATIO] = "body_ratio",
        [HTTP_LIMIT_BODY_MEMORY] = "body_memory",
        [HTTP_LIMIT_BODY_RATE] = "body_rate",
        [HTTP_LIMIT_CHUNK_DIGITS] = "chunk_digits",
        [HTTP_LIMIT_CHUNK_LINE] = "chunk_line",
        [HTTP_LIMIT_CHUNK_TRAILERS] = "chunk_trailers",
        [HTTP_LIMIT_PARAMETERS] = "parameters",
        [HTTP_LIMIT_QUERY_BYTES] = "query_bytes",
        [HTTP_LIMIT_QUERY_STEPS] = "query_steps",
        [HTTP_LIMIT_LINE_BYTES] = "line_bytes",
        [HTTP_LIMIT_WAITING] = "waiting",
        [HTTP_LIMIT_REPLY_BYTES] = "reply_bytes",
        [HTTP_LIMIT_READER_RATE] = "reader_rate",
        [HTTP_LIMIT_IDLE_TIME] = "idle_time",
        [HTTP_LIMIT_CONNECTIONS] = "connections",
        [HTTP_LIMIT_DESCRIPTORS] = "descriptors"};

    return names[limit];
}

void http_limit_strike(enum http_limit limit)
{
    if (limit != HTTP_LIMIT_NONE)
        atomic_fetch_add_explicit(&struck[limit], 1, memory_order_relaxed);
}

uint64_t http_limit_struck(enum http_limit limit)
{
    return atomic_load_explicit(&struck[limit], memory_order_relaxed);
}
