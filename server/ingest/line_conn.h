/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * line_conn.h - one sender on the line port.
 *
 *     socket -> lines -> intake -> batch -> store ... done -> loop -> answers
 *
 * A sender's batches and its `#sync` tokens stand in one queue in the order
 * they came. A batch leaves it when the store has answered, a token when it
 * has come to the front: then everything before it is durable, or is not, and
 * the answer says which. All of it happens on the sender's loop; only the
 * store's answer comes from elsewhere, as a posted task.
 */
#ifndef SERVER_INGEST_LINE_CONN_H
#define SERVER_INGEST_LINE_CONN_H

#include "server/ingest/intake.h"
#include "server/ingest/line_stats.h"
#include "server/loop.h"
#include "server/peers.h"

#define LINE_SCRATCH_BYTES (256 * 1024)

struct line_conn;

/* What the senders on one loop share. */
struct line_part {
    struct loop *loop;
    struct fw_store *store;
    const struct fw_clock *clock;
    struct peers *peers;
    struct line_stats *stats;
    struct bad_lines *bad;
    fw_ms max_future;
    _Atomic size_t *open; /* of the whole port, or with batches in flight */
    _Atomic size_t count; /* of this part; the acceptor reads it */
    bool ending;          /* the server stops */
    struct line_conn *first;
    struct loop_timer retry; /* senders that wait for room in the store */
    struct loop_timer sweep; /* deadlines */
    char *scratch;           /* LINE_SCRATCH_BYTES, for reading */
};

/*
 * Takes over `fd`. `name` is the sender's address, for the log. Any thread;
 * the connection begins on the part's loop. FW_ENOMEM leaves `fd` alone.
 */
FW_CHECK fw_rc line_conn_start(struct line_part *part, int fd,
                               const char *name);

/* On the loop: closes now. What was submitted is stored all the same. */
void line_conn_drop(struct line_conn *conn);

/*
 * On the loop: goes on if it waits for the store or the part is ending (then it
 * reads what has arrived, answers and closes); checks its deadlines.
 */
void line_conn_retry(struct line_conn *conn);
void line_conn_sweep(struct line_conn *conn, uint64_t now_ns);

struct line_conn *line_conn_next(struct line_conn *conn);

#endif
