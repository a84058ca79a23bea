/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * local_server.h - the running server's end of DATA/forewarn.sock.
 *
 * A loop takes connections and reads requests; a worker runs the command with
 * the server's own store and writes the answer, waiting on the reader as it
 * must; the loop meanwhile watches for the reader going away, and then tells
 * the command to stop.
 */
#ifndef SERVER_LOCAL_LOCAL_SERVER_H
#define SERVER_LOCAL_LOCAL_SERVER_H

#include "server/loop.h"
#include "server/workers.h"
#include "storage/storage.h"

/* All borrowed; they outlive it. */
struct local_server_options {
    struct fw_store *store;
    const struct fw_clock *clock;
    struct loop *loop;
    struct workers *workers;
};

struct local_server;

/* Before the loop runs. */
FW_CHECK fw_rc local_server_open(const struct local_server_options *options,
                                 struct local_server **out, struct fw_err *err);

/*
 * Stops accepting, tells what runs to stop, waits for it. While the loop and
 * the workers run. NULL is fine.
 */
void local_server_stop(struct local_server *server);

/* Once the loop and the workers have ended. NULL is fine. */
void local_server_close(struct local_server *server);

/* Commands answered so far. */
uint64_t local_server_answered(const struct local_server *server);

/* Why a caller was turned away, or given up in the middle. */
enum local_refusal {
    LOCAL_REFUSED_CONNECTIONS, /* FW_MAX_LOCAL_CONNECTIONS */
    LOCAL_REFUSED_USER,        /* neither ours nor root */
    LOCAL_REFUSED_SIZE,        /* FW_MAX_LOCAL_REQUEST_BYTES */
    LOCAL_REFUSED_WORDS,       /* LOCAL_MAX_ARGS */
    LOCAL_REFUSED_FORM,        /* no request, or of another version */
    LOCAL_REFUSED_TIME,        /* the request did not arrive in time */
    LOCAL_REFUSED_WAITING,     /* FW_MAX_WORKER_JOBS */
    LOCAL_REFUSED_STALL,       /* takes nothing of its answer */
    LOCAL_REFUSALS
};

/* "connections"; static. */
const char *local_refusal_name(enum local_refusal why);

/* How many so far. Any thread. */
uint64_t local_server_refused(const struct local_server *server,
                              enum local_refusal why);

#endif
