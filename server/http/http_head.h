/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * http_head.h - the head of an HTTP request: request line and header fields.
 *
 * Two judges read it. The first is ours and strict: it refuses whatever two
 * servers might understand in two ways [RFC 9112]. The second is
 * libhttp-parser, the grammar. A head is taken only if both take it and agree
 * on how long the body is.
 */
#ifndef SERVER_HTTP_HTTP_HEAD_H
#define SERVER_HTTP_HTTP_HEAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "server/http/http_limit.h"
#include "storage/base/limits.h"
#include "storage/base/str.h"

/* Bits, so that a route can name a set of them. */
enum method_bit {
    METHOD_GET = 1,
    METHOD_HEAD = 2,
    METHOD_POST = 4,
    METHOD_PUT = 8,
    METHOD_DELETE = 16,
    METHOD_OPTIONS = 32,
    METHOD_OTHER = 64
};

struct http_field {
    struct fw_str name;
    struct fw_str value; /* without the blanks around it */
};

/* All texts point into the bytes that were parsed. */
struct http_head {
    enum method_bit method;
    struct fw_str target; /* as sent */
    struct fw_str path;   /* still percent-encoded */
    struct fw_str query;  /* behind the '?', still percent-encoded */
    struct http_field fields[FW_MAX_HTTP_FIELDS];
    size_t field_count;
    int minor;       /* HTTP/1.minor */
    bool has_length; /* Content-Length was given */
    uint64_t length;
    bool chunked;
    bool keep_alive;      /* the client would send another request */
    bool expect_continue; /* it waits for "100 Continue" */
};

/*
 * Why a request is refused: a status and a few words, which are static, and the
 * limit that struck if one did.
 */
struct http_refusal {
    int status; /* 0: not refused */
    const char *reason;
    enum http_limit limit;
};

/*
 * Looks at the n bytes that have arrived, of which the first *seen were looked
 * at before. Returns the length of the head including its empty line once it
 * is whole, else 0. Bytes that no head may have are refused at once.
 */
size_t http_head_end(const char *bytes, size_t n, size_t *seen,
                     struct http_refusal *refusal);

/* Parses a whole head. False: *refusal says why; *out is then undefined. */
bool http_head_parse(const char *bytes, size_t n, struct http_head *out,
                     struct http_refusal *refusal);

/* The value of a field by its name in lower case; empty (p NULL) if absent. */
struct fw_str http_head_get(const struct http_head *head, const char *name);

/* True if a comma-separated list has `token` (lower case), not at q=0. */
bool http_list_has(struct fw_str list, const char *token);

/* Compares without regard to ASCII case. */
bool http_same(struct fw_str text, const char *lower);

#endif
