/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * line_port.h - the TCP port for lines of text.
 *
 * One listener accepts on the first loop and gives each connection to the loop
 * with the fewest. (SO_REUSEPORT would let the kernel choose, but it hashes:
 * of two busy senders both land on one of two loops half of the time.)
 */
#ifndef SERVER_INGEST_LINE_PORT_H
#define SERVER_INGEST_LINE_PORT_H

#include "server/address.h"
#include "server/ingest/line_stats.h"
#include "server/loop.h"
#include "server/peers.h"

/* All borrowed; they outlive the port. */
struct line_port_options {
    struct fw_store *store;
    const struct fw_clock *clock;
    struct loop **loops;
    size_t loop_count;
    struct peers *peers;
    fw_ms max_future;
    const char *listen; /* ADDR:PORT */
};

struct line_port;

/* Listens, and is ready once the loops run. Before they do. */
FW_CHECK fw_rc line_port_open(const struct line_port_options *options,
                              struct line_port **out, struct fw_err *err);

/* Where it listens, with the port that was taken. Lives as long as the port. */
const char *line_port_address(const struct line_port *port);

/* Counters; valid as long as the port. */
struct line_stats *line_port_stats(struct line_port *port);

/*
 * Stops accepting, takes what the senders have sent, waits until it is durable
 * and answered, and closes; senders that go on past `patience` are cut. While
 * the loops run and the store is open. Not on a loop.
 */
void line_port_stop(struct line_port *port, fw_ms patience);

/* After line_port_stop(), once the loops have ended. NULL is fine. */
void line_port_close(struct line_port *port);

#endif
