/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * http_conn.h - one client: bytes in, bytes out, one request at a time.
 *
 *              +------------------------------------------------+
 *              v                                                |
 *          CONN_READ --whole--> CONN_WORK --answered--> CONN_SEND
 *              |                                        ^  |  |
 *              +--refused-------------------------------+  |  v
 *                                                    last  | CONN_MORE
 *                                                          v
 *                                              CONN_DRAIN --> CONN_CLOSED
 *
 * No socket and no clock: http_server.c moves the bytes and tells the time.
 * While a request is being answered nothing is read, so a client that sends
 * faster than it is served fills its own socket, not our memory.
 */
#ifndef SERVER_HTTP_HTTP_CONN_H
#define SERVER_HTTP_HTTP_CONN_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/uio.h>

#include "server/http/call.h"
#include "server/http/http.h"

/* The most bytes that http_conn_input() is handed at once. */
#define HTTP_INPUT_BYTES 65536

enum conn_state {
    CONN_READ,  /* the reader takes bytes */
    CONN_WORK,  /* somebody answers the request */
    CONN_SEND,  /* bytes of the reply wait to be sent */
    CONN_MORE,  /* somebody makes the next piece of a long reply */
    CONN_DRAIN, /* all is said; what the client still sends is dropped */
    CONN_CLOSED
};

struct http_conn {
    enum conn_state state;
    struct http_reader reader;
    struct call call; /* from CONN_WORK on, until the reply has gone */
    const struct route *routes;
    const struct api *api;
    uint64_t requests; /* answered so far */

    /*
     * The owner's: sees to it that call_run() (CONN_WORK) or call_continue()
     * (CONN_MORE) runs, and calls http_conn_answered() afterwards on the
     * connection's own thread. FW_EBUSY: nobody has time.
     */
    fw_rc (*work)(struct http_conn *conn);

    /* its own */
    struct fw_buf in; /* bytes behind the request being answered */
    bool in_work;     /* `work` has it: the call must not be touched */
    bool closing;     /* after this reply */
    bool eof;         /* the client sends no more */
    bool interim;     /* "100 Continue" waits to be sent */
    size_t interim_sent;
    size_t head_sent, body_sent; /* of call.reply */
    uint64_t sent;               /* of this piece */
    uint64_t since_ns;           /* when CONN_SEND or CONN_DRAIN began */
};

void http_conn_init(struct http_conn *conn, const struct route *routes,
                    const struct api *api, _Atomic size_t *memory,
                    uint64_t now_ns);
/* Not while `work` has it (conn->in_work). */
void http_conn_release(struct http_conn *conn);

bool http_conn_wants_input(const struct http_conn *conn);

/* Hands over bytes that came (at most HTTP_INPUT_BYTES). */
void http_conn_input(struct http_conn *conn, const char *bytes, size_t n,
                     fw_ms now, uint64_t now_ns);

/* The client ended its stream. */
void http_conn_eof(struct http_conn *conn);

/* The pieces that wait to be sent: how many of the two are used. */
int http_conn_output(const struct http_conn *conn, struct iovec out[2]);

/* n bytes of them were sent. */
void http_conn_sent(struct http_conn *conn, size_t n, fw_ms now,
                    uint64_t now_ns);

/* What `work` was asked for is there. */
void http_conn_answered(struct http_conn *conn, fw_ms now, uint64_t now_ns);

/* Looks at the deadlines; call it about twice a second. */
void http_conn_tick(struct http_conn *conn, fw_ms now, uint64_t now_ns);

/* True while no request is being read or answered: it may be evicted. */
bool http_conn_idle(const struct http_conn *conn);

#endif
