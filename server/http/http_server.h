/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * http_server.h - the HTTP listener over the server's loops.
 *
 * Each loop accepts from the one listening socket and keeps what it accepted.
 * Queries and writes have worker threads of their own, so that a query never
 * stalls ingest.
 */
#ifndef SERVER_HTTP_HTTP_SERVER_H
#define SERVER_HTTP_HTTP_SERVER_H

#include <stddef.h>
#include <stdint.h>

#include "server/loop.h"
#include "server/peers.h"
#include "storage/base/clock.h"

struct api;
struct http_server;

struct http_server_options {
    const char *listen; /* ADDR:PORT */
    struct loop **loops;
    size_t loop_count;
    struct peers *peers;
    const struct fw_clock *clock;
    const struct api *api; /* what the routes work on; outlives the server */
    size_t query_threads;  /* 0: one per core */
};

/*
 * Listens, and answers once the loops run. Before they do. FW_EBUSY for a port
 * in use, FW_EIO, FW_ENOMEM.
 */
FW_CHECK fw_rc http_server_start(const struct http_server_options *options,
                                 struct http_server **out, struct fw_err *err);

/* Where it listens, with the port that was taken. Lives as long as it. */
const char *http_server_address(const struct http_server *server);

/*
 * Takes nobody any more and waits for the answers that are being worked out;
 * past `patience` they are cut. While the loops run and the store is open, not
 * on a loop. NULL is fine.
 */
void http_server_stop(struct http_server *server, fw_ms patience);

/* After http_server_stop(), once the loops have ended. NULL is fine. */
void http_server_close(struct http_server *server);

/* Counters since the start, and gauges. Any thread. */
struct http_server_stats {
    uint64_t requests[6]; /* by the first digit of their status */
    uint64_t connections; /* accepted */
    uint64_t bytes_in, bytes_out;
    size_t body_bytes; /* of bodies in memory */
};
void http_server_stats(struct http_server *server,
                       struct http_server_stats *out);

#endif
