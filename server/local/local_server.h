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

#endif
