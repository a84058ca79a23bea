/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * http_limit.h - the limits of HTTP, and how often each one struck.
 *
 * What reads bytes only names the limit in its refusal; who carries the refusal
 * out counts it, so that one request is counted once.
 */
#ifndef SERVER_HTTP_HTTP_LIMIT_H
#define SERVER_HTTP_HTTP_LIMIT_H

#include <stdint.h>

/* docs/http.md says what each is; the numbers stand in limits.h. */
enum http_limit {
    HTTP_LIMIT_NONE, /* refused for another reason */
    HTTP_LIMIT_HEAD_BYTES,
    HTTP_LIMIT_TARGET_BYTES,
    HTTP_LIMIT_FIELDS,
    HTTP_LIMIT_HEAD_TIME,
    HTTP_LIMIT_FORM_BYTES,
    HTTP_LIMIT_BODY_BYTES,
    HTTP_LIMIT_BODY_RATIO,
    HTTP_LIMIT_BODY_MEMORY,
    HTTP_LIMIT_BODY_RATE,
    HTTP_LIMIT_CHUNK_DIGITS,
    HTTP_LIMIT_CHUNK_LINE,
    HTTP_LIMIT_CHUNK_TRAILERS,
    HTTP_LIMIT_PARAMETERS,
    HTTP_LIMIT_QUERY_BYTES,
    HTTP_LIMIT_QUERY_STEPS,
    HTTP_LIMIT_LINE_BYTES,
    HTTP_LIMIT_WAITING,
    HTTP_LIMIT_REPLY_BYTES,
    HTTP_LIMIT_READER_RATE,
    HTTP_LIMIT_IDLE_TIME,
    HTTP_LIMIT_CONNECTIONS,
    HTTP_LIMIT_DESCRIPTORS,
    HTTP_LIMITS
};

/* "head_bytes"; static. NULL for HTTP_LIMIT_NONE. */
const char *http_limit_name(enum http_limit limit);

/* It struck once more; nothing for HTTP_LIMIT_NONE. Any thread. */
void http_limit_strike(enum http_limit limit);

/* How often since the program began. Any thread. */
uint64_t http_limit_struck(enum http_limit limit);

#endif
