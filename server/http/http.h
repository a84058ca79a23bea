/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * http.h - reads HTTP requests from the bytes of one connection.
 *
 *     feed -> HTTP_HEAD_READY -> http_reader_accept -> feed -> HTTP_READY
 *                                                           -> HTTP_REFUSED
 *
 * A function of bytes and of the time handed in: no socket, no clock. One
 * request at a time; bytes behind it are left to the caller for the next. After
 * a refusal the connection can only be closed: where the next request would
 * begin is no longer known.
 */
#ifndef SERVER_HTTP_HTTP_H
#define SERVER_HTTP_HTTP_H

#include <stdatomic.h>

#include "server/http/chunk.h"
#include "server/http/gzip.h"
#include "server/http/http_head.h"
#include "storage/base/buf.h"

enum http_state {
    HTTP_READING_HEAD,
    HTTP_HEAD_READY, /* look at reader->head, then accept */
    HTTP_READING_BODY,
    HTTP_READY, /* head and body are whole */
    HTTP_REFUSED
};

struct http_reader {
    enum http_state state;
    struct http_head head; /* from HTTP_HEAD_READY on */
    struct fw_buf body;    /* decoded, but for snappy; from HTTP_READY on */
    struct http_refusal refusal;

    /* its own */
    struct fw_buf bytes; /* the head as it came */
    size_t seen;
    struct chunk chunk;
    struct gunzip *gunzip; /* NULL: the body comes as it is */
    uint64_t wire;         /* bytes of the body as sent */
    uint64_t began_ns;     /* first byte of the head, or of the wait for it */
    uint64_t body_ns;
    bool begun;             /* a byte of this request has come */
    int blank;              /* bytes of an empty line before it: 0, 1 or 2 */
    _Atomic size_t *memory; /* bytes of all readers' bodies, or NULL */
    size_t held;            /* our part of it */
};

/* `memory`, if not NULL, is shared by the readers whose bodies it caps. */
void http_reader_init(struct http_reader *reader, _Atomic size_t *memory,
                      uint64_t now_ns);
void http_reader_release(struct http_reader *reader);

/* Forgets the request it has, ready for the next. */
void http_reader_next(struct http_reader *reader, uint64_t now_ns);

/*
 * Takes bytes until they are used up or the state changes; returns how many.
 */
size_t http_reader_feed(struct http_reader *reader, const char *bytes, size_t n,
                        uint64_t now_ns);

/*
 * In HTTP_HEAD_READY: go on to the body, which may have `max` bytes once
 * decoded. Without a body the request is HTTP_READY at once.
 */
void http_reader_accept(struct http_reader *reader, size_t max,
                        uint64_t now_ns);

/* The moved-out body; the caller releases it, and gives back its memory. */
struct fw_buf http_reader_take_body(struct http_reader *reader);

/*
 * Looks whether a deadline has passed: refuses with 408 then, except that an
 * idle connection which never began a request is refused with status 0, which
 * means "close without a word". Returns true if so.
 */
bool http_reader_late(struct http_reader *reader, uint64_t now_ns);

/* True while no byte of the next request has come. */
bool http_reader_idle(const struct http_reader *reader);

/*
 * A transfer must keep a least rate over its whole length, after a time of
 * grace: true if `bytes` in the time since `since_ns` are too few.
 */
bool http_too_slow(uint64_t bytes, uint64_t since_ns, uint64_t now_ns,
                   uint64_t grace_ms);

#endif
