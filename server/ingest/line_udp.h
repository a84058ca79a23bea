/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * line_udp.h - the same lines in datagrams, on the port of the TCP listener.
 *
 * A datagram holds whole lines; its end is the end of a line too. Nothing is
 * answered and nothing is promised: what finds the store without room is
 * dropped and counted. Who wants more uses TCP.
 */
#ifndef SERVER_INGEST_LINE_UDP_H
#define SERVER_INGEST_LINE_UDP_H

#include "server/ingest/line_stats.h"
#include "server/loop.h"

struct fw_store;
struct line_udp;

/* All borrowed; they outlive it. */
struct line_udp_options {
    struct fw_store *store;
    const struct fw_clock *clock;
    struct loop *loop;
    struct line_stats *stats;
    struct bad_lines *bad;
    fw_ms max_future;
    int fd; /* bound to the port that TCP has; line_udp's on success */
};

/* Before the loop runs. */
FW_CHECK fw_rc line_udp_open(const struct line_udp_options *options,
                             struct line_udp **out, struct fw_err *err);

/* On the loop: takes what has arrived, then no more. */
void line_udp_end(struct line_udp *udp);

/* Batches the store has not answered yet. Any thread. */
size_t line_udp_in_flight(const struct line_udp *udp);

/* After the loop has ended and nothing is in flight. NULL is fine. */
void line_udp_close(struct line_udp *udp);

#endif
